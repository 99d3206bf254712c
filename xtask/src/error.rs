//! The one error of this crate: what happened, and what to do about it.

use std::fmt;
use std::path::Path;

/// Shorthand for results of this crate.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a chore could not be done. It is shown to a person and nothing else, so it is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    what: String,
    remedy: Option<String>,
    exit_code: u8,
}

impl Failure {
    /// Something went wrong, and `what` says it all.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: None,
            exit_code: 1,
        }
    }

    /// The command line makes no sense.
    pub fn arguments(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: None,
            exit_code: 2,
        }
    }

    /// A file could not be read or written.
    pub fn file(action: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(format!("cannot {action} {}: {error}", path.display()))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// 2 for a bad command line, else 1.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        match &self.remedy {
            Some(remedy) => write!(formatter, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
