//! The engine's one error type. Every variant says what happened, with the value, and what to do about it.

use thiserror::Error;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the engine could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The data end before what they announce.
    #[error(
        "{what} needs {needed} bytes, but only {available} are there; the file is incomplete, fetch it again"
    )]
    Truncated {
        /// What was being read.
        what: String,
        /// Bytes that the structure needs, counted from the start of the file.
        needed: u64,
        /// Bytes that the file holds.
        available: u64,
    },

    /// The data contradict themselves or their format.
    #[error("this {format} is damaged: {detail}; fetch it again from its publisher")]
    Malformed {
        /// Name of the format, such as `GGUF file`.
        format: &'static str,
        /// What is wrong, with the value found.
        detail: String,
    },

    /// The data are sound, but this engine does not handle them.
    #[error("{what} is not supported; {remedy}")]
    Unsupported {
        /// What was found.
        what: String,
        /// What to use instead.
        remedy: String,
    },

    /// A number is beyond a fixed limit that protects memory.
    #[error("{what} is {value}, above the limit of {limit}; use a smaller input")]
    LimitExceeded {
        /// What was counted.
        what: String,
        /// The value found.
        value: u64,
        /// The largest value that is accepted.
        limit: u64,
    },

    /// A tensor that the architecture needs is not in the file.
    #[error(
        "tensor `{name}` is missing; this file is not a complete Gemma 3 model, choose another one"
    )]
    MissingTensor {
        /// Name of the tensor.
        name: String,
    },

    /// A tensor has another shape than the configuration says.
    #[error(
        "tensor `{name}` has shape {found:?} where {expected:?} belongs; the file and its configuration do not match"
    )]
    TensorShape {
        /// Name of the tensor.
        name: String,
        /// Shape that the configuration asks for, rows first.
        expected: Vec<u64>,
        /// Shape in the file, rows first.
        found: Vec<u64>,
    },

    /// A metadata key that is needed is absent.
    #[error("metadata key `{key}` is missing; convert the model again with a current converter")]
    MissingKey {
        /// The key.
        key: String,
    },

    /// A metadata key holds something that cannot be used.
    #[error("metadata key `{key}` {problem}; convert the model again with a current converter")]
    BadKey {
        /// The key.
        key: String,
        /// What is wrong with its value.
        problem: String,
    },

    /// The tokenizer's data cannot be used.
    #[error("the tokenizer cannot be used: {detail}; use a file whose tokenizer is Gemma's")]
    Tokenizer {
        /// What is wrong.
        detail: String,
    },

    /// A picture cannot be read.
    #[error("the picture cannot be read: {detail}; use a JPEG, PNG or WebP file")]
    Image {
        /// What is wrong.
        detail: String,
    },

    /// The request itself makes no sense.
    #[error("{problem}; {remedy}")]
    Request {
        /// What is wrong.
        problem: String,
        /// What to change.
        remedy: String,
    },

    /// Prompt and answer do not fit the context.
    #[error(
        "the conversation needs {needed_tokens} tokens and the context holds {context_tokens}; shorten it or start a new one"
    )]
    ContextFull {
        /// Tokens that are needed.
        needed_tokens: usize,
        /// Tokens that the context holds.
        context_tokens: usize,
    },

    /// A source of bytes failed.
    #[error("reading {label} failed: {detail}; check the file and try again")]
    Read {
        /// Which source.
        label: String,
        /// What the source said.
        detail: String,
    },

    /// The compute device failed.
    #[error("the {device} failed: {detail}; reload, or continue on the CPU")]
    Device {
        /// Which device.
        device: String,
        /// What it said.
        detail: String,
    },
}

impl Error {
    /// A [`Error::Malformed`] GGUF file.
    pub fn gguf(detail: impl Into<String>) -> Self {
        Self::Malformed {
            format: "GGUF file",
            detail: detail.into(),
        }
    }
}

/// Characters of foreign text that a message quotes.
const SHOWN_CHARACTERS: usize = 256;

/// `text` from outside as a message can quote it: not too long, and with nothing that would steer a terminal.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars().take(SHOWN_CHARACTERS) {
        match letter.is_control() {
            true => shown.extend(letter.escape_debug()),
            false => shown.push(letter),
        }
    }
    shown
}
