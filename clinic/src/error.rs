//! Why a draft could not be read. Every variant says what happened and what to do about it.

use thiserror::Error;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a draft could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A section of a note is absent.
    #[error("the draft has no section `{section}`; ask again, or write it by hand")]
    MissingSection {
        /// Which one, such as `S`.
        section: &'static str,
    },

    /// A section of a note stands twice.
    #[error("the draft has two sections `{section}`; ask again, or join them by hand")]
    RepeatedSection {
        /// Which one, such as `S`.
        section: &'static str,
    },

    /// There is no JSON object where one belongs.
    #[error("the draft holds no JSON object: {detail}; ask again")]
    NotJson {
        /// What is wrong.
        detail: String,
    },

    /// A field of a JSON object has no text.
    #[error(
        "field `{field}` of the draft is {found} where text or null belongs; ask again, or fill it in by hand"
    )]
    BadField {
        /// Which one.
        field: &'static str,
        /// What is there instead.
        found: String,
    },

    /// An answer that should say where something is has no list of boxes.
    #[error("the answer holds no list of boxes; ask again, or allow it more tokens")]
    NoBoxes,

    /// A row of the table of danger signs is not as the head of the table describes.
    #[error("line {line} of the table of danger signs cannot be read: {detail}; correct it")]
    DangerTable {
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },

    /// A line of a file of questions cannot be used.
    #[error("line {line}: {problem}; {remedy}")]
    Question {
        /// Which one, from 1.
        line: usize,
        /// What is wrong, with the value found.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },

    /// A file of questions, a log of answers, or a plan to ask them cannot be used.
    #[error("{problem}; {remedy}")]
    Questions {
        /// What is wrong, with the value found.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },

    /// The engine refused what was to be asked.
    #[error("{0}")]
    Engine(String),

    /// A DICOM file ends early, contradicts itself or lacks something.
    #[error("this DICOM file cannot be read: {detail}; export it again from where it came from")]
    Dicom {
        /// What is wrong, with the value found.
        detail: String,
    },

    /// The data are sound, but not of a kind that is handled.
    #[error("{what} is not supported; {remedy}")]
    Unsupported {
        /// What was found.
        what: String,
        /// What to use instead.
        remedy: &'static str,
    },

    /// A number is beyond a fixed limit that protects memory.
    #[error("{what} is {value}, above the limit of {limit}; use a smaller input")]
    LimitExceeded {
        /// What was counted.
        what: &'static str,
        /// The value found.
        value: u64,
        /// The largest value that is accepted.
        limit: u64,
    },

    /// Slices do not make one CT series.
    #[error("{problem}; {remedy}")]
    Series {
        /// What is wrong.
        problem: String,
        /// What to change.
        remedy: &'static str,
    },

    /// A CT series and its question do not fit the context.
    #[error(
        "{slices} slices with their question need {needed_tokens} tokens and the context holds {context_tokens}; use fewer slices or a longer context"
    )]
    SeriesTooLong {
        /// Slices of the series.
        slices: usize,
        /// Tokens that the prompt and one token of an answer need.
        needed_tokens: u64,
        /// Tokens that the context holds.
        context_tokens: usize,
    },

    /// A table of codes is not as its publisher writes it.
    #[error("{table}, line {line}: {detail}; take the file as it was published")]
    Table {
        /// Which table.
        table: &'static str,
        /// The line, from 1.
        line: u64,
        /// What is wrong, with the column and the value found.
        detail: String,
    },

    /// An index of codes cannot be read, or not be made.
    #[error("this index of codes cannot be used: {detail}; make it again from its table")]
    Index {
        /// What is wrong.
        detail: String,
    },
}

impl From<outpost_engine::error::Error> for Error {
    fn from(error: outpost_engine::error::Error) -> Self {
        Self::Engine(error.to_string())
    }
}
