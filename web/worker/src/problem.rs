//! The Worker's one error type: what happened and what to do, in words for the page.

use outpost_protocol::Event;
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

    /// What the browser's storage refused.
    pub fn storage(doing: &str, error: &JsValue) -> Self {
        let name = name_of(error);
        match name.as_str() {
            "QuotaExceededError" => Self::new(
                format!("There is not enough space on this device while {doing}."),
                "Free some space, or remove a model that is not used, and try again.",
            ),
            "NoModificationAllowedError" => Self::new(
                format!("Another tab uses this model while {doing}."),
                "Close the other tabs of this page and try again.",
            ),
            "NotFoundError" => Self::new(
                format!("A part of the model is missing, found while {doing}."),
                "Remove the model and add it again.",
            ),
            "SecurityError" => Self::new(
                "The browser does not let this page store anything.",
                "Leave private browsing, or allow storage for this address.",
            ),
            _ => Self::new(
                format!("Storage failed while {doing}: {}.", text_of(error)),
                "Load the page again. If it stays, remove the model and add it again.",
            ),
        }
    }

    /// The event that ends a call with this problem.
    pub fn into_event(self) -> Event {
        match self {
            Self::Failed { message, remedy } => Event::Failed { message, remedy },
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
        let text = error.to_string();
        let (message, remedy) = text.rsplit_once("; ").unwrap_or((&text, "try again"));
        Self::new(sentence(message), sentence(remedy))
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
