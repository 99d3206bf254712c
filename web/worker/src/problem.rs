//! The Worker's one error type: what happened and what to do, in words for the page.

use outpost_protocol::Event;
use outpost_store::DiskError;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use web_sys::DomException;

/// Shorthand for results of this crate.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It did not work.
    Failed {
        /// What happened.
        message: String,
        /// What to do now.
        remedy: String,
    },
    /// The network did not bring it; it may the next time.
    Network {
        /// What happened.
        message: String,
        /// What to do now.
        remedy: String,
    },
    /// What was fetched is not what was asked for, or cannot be gone on with: nothing of it is kept.
    Replaced {
        /// What happened.
        message: String,
    },
    /// The person is to be asked for consent first; see [`Event::TermsAsked`].
    Terms {
        /// The model's name for people.
        name: String,
        /// The terms.
        terms: String,
        /// What its maker wants to be said.
        notice: String,
    },
    /// The GPU is lost: this Worker cannot compute on it any more. The page replaces it.
    DeviceLost,
    /// The person stopped it.
    Cancelled,
}

impl Problem {
    /// A [`Problem::Failed`].
    pub fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// What the browser said when it was asked for storage.
    pub fn no_storage(error: &JsValue) -> Self {
        match name_of(error).as_str() {
            "SecurityError" => Self::new(
                "The browser does not let this page store anything.",
                "Leave private browsing, or allow storage for this address.",
            ),
            _ => Self::new(
                format!(
                    "The browser gives this page no storage: {}.",
                    text_of(error)
                ),
                "Load the page again. If it stays, use another browser.",
            ),
        }
    }

    /// From a message of the form "what happened; what to do".
    fn from_message(text: &str) -> Self {
        let (message, remedy) = text.rsplit_once("; ").unwrap_or((text, "try again"));
        Self::new(sentence(message), sentence(remedy))
    }

    /// The event that ends a call with this problem.
    pub fn into_event(self) -> Event {
        match self {
            Self::Failed { message, remedy } | Self::Network { message, remedy } => {
                Event::Failed { message, remedy }
            }
            Self::Replaced { message } => {
                Event::failed(message, "Check the address, and begin again.")
            }
            Self::Terms {
                name,
                terms,
                notice,
            } => Event::TermsAsked {
                name,
                terms,
                notice,
            },
            Self::DeviceLost => Event::failed(
                "The graphics processor stopped.",
                "It starts again by itself. Then send your question once more.",
            ),
            Self::Cancelled => Event::Cancelled,
        }
    }
}

impl From<outpost_engine::error::Error> for Problem {
    /// The engine's messages are "what happened; what to do".
    fn from(error: outpost_engine::error::Error) -> Self {
        if let outpost_engine::error::Error::Device { device, .. } = &error
            && device != "CPU"
        {
            log::warn!("{error}");
            return Self::DeviceLost;
        }
        Self::from_message(&error.to_string())
    }
}

impl From<outpost_clinic::Error> for Problem {
    fn from(error: outpost_clinic::Error) -> Self {
        Self::from_message(&error.to_string())
    }
}

impl From<outpost_store::Error> for Problem {
    fn from(error: outpost_store::Error) -> Self {
        use outpost_store::Error;
        match error {
            Error::Stopped => Self::Cancelled,
            Error::Manifest(error) => error.into(),
            Error::Full { .. } => Self::new(
                "There is not enough space on this device.",
                "Free some space, or remove a model that is not used, and try again. What was stored is kept.",
            ),
            Error::Held { .. } => Self::new(
                "Another tab of this page is busy with the models.",
                "Let it finish or close it, and try again.",
            ),
            error => Self::from_message(&error.to_string()),
        }
    }
}

impl From<DiskError> for Problem {
    fn from(error: DiskError) -> Self {
        Self::new(
            format!("Storage failed: {error}."),
            "Load the page again. If it stays, free some space on this device.",
        )
    }
}

/// With a capital letter and a full stop. A first word that is a name of a file stays as it is.
fn sentence(text: &str) -> String {
    let word = text.split([' ', ',']).next().unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if word.chars().all(char::is_alphabetic) => {
            format!("{}{}{end}", first.to_uppercase(), letters.as_str())
        }
        _ => format!("{text}{end}"),
    }
}

/// An exception's name, such as `NotFoundError`.
pub fn name_of(error: &JsValue) -> String {
    match (
        error.dyn_ref::<DomException>(),
        error.dyn_ref::<js_sys::Error>(),
    ) {
        (Some(exception), _) => exception.name(),
        (None, Some(error)) => String::from(error.name()),
        (None, None) => String::new(),
    }
}

/// What an exception says.
pub fn text_of(error: &JsValue) -> String {
    let text = match (
        error.dyn_ref::<DomException>(),
        error.dyn_ref::<js_sys::Error>(),
    ) {
        (Some(exception), _) => exception.message(),
        (None, Some(error)) => String::from(error.message()),
        (None, None) => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    };
    text.trim_end_matches('.').to_owned()
}
