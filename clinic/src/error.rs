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
}
