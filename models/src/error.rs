//! The command's one error type. Every message says what happened and what to do, in one line.

use std::io;
use std::path::Path;

use outpost_clinic::Error as ClinicError;
use outpost_engine::error::Error as EngineError;
use thiserror::Error;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the command could not do what it was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),

    /// The engine refused one of several inputs.
    #[error("{input}: {source}")]
    Input {
        /// Which one, such as a path.
        input: String,
        /// The reason.
        source: EngineError,
    },

    /// A workflow refused.
    #[error(transparent)]
    Clinic(#[from] ClinicError),

    /// A workflow refused one of several files.
    #[error("{path}: {source}")]
    Slice {
        /// Its path.
        path: String,
        /// The reason.
        source: ClinicError,
    },

    /// A file of questions or a log of answers was refused.
    #[error("{path}: {source}")]
    Questions {
        /// Its path.
        path: String,
        /// The reason.
        source: ClinicError,
    },

    /// A file or directory could not be used.
    #[error("{path}: {detail}; {remedy}")]
    File {
        /// Its path.
        path: String,
        /// What is wrong.
        detail: String,
        /// What to do.
        remedy: &'static str,
    },

    /// Resources are not valid FHIR.
    #[error("{invalid} of {files} files are not valid FHIR R4; change what the lines above name")]
    Invalid {
        /// How many are not.
        invalid: usize,
        /// How many there are.
        files: usize,
    },

    /// The result could not be printed.
    #[error("the output cannot be written: {0}; check where it goes and try again")]
    Output(#[from] io::Error),
}

impl Error {
    /// A file that cannot be read.
    pub fn read(path: &Path, error: &io::Error) -> Self {
        Self::file(
            path,
            format!("cannot be read ({error})"),
            "check the path and its permissions",
        )
    }

    /// A file that cannot be written.
    pub fn write(path: &Path, error: &io::Error) -> Self {
        Self::file(
            path,
            format!("cannot be written ({error})"),
            "check the directory, its permissions and the free space",
        )
    }

    /// Any other trouble with a file.
    pub fn file(path: &Path, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self::File {
            path: path.display().to_string(),
            detail: detail.into(),
            remedy,
        }
    }

    /// Names the input that the engine refused.
    pub fn of(path: &Path) -> impl FnOnce(EngineError) -> Self {
        let input = path.display().to_string();
        move |source| Self::Input { input, source }
    }

    /// Names the slice that a workflow refused.
    pub fn slice(path: &Path) -> impl FnOnce(ClinicError) -> Self {
        let path = path.display().to_string();
        move |source| Self::Slice { path, source }
    }

    /// Names the file that a workflow refused.
    pub fn clinic(path: &Path) -> impl FnOnce(ClinicError) -> Self {
        Self::slice(path)
    }

    /// Names the file of questions, or the log, that was refused.
    pub fn questions(path: &Path) -> impl FnOnce(ClinicError) -> Self {
        let path = path.display().to_string();
        move |source| Self::Questions { path, source }
    }

    /// Whether the reader of the output went away.
    pub fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The message in one line, whatever a library wrote into it.
    pub fn one_line(&self) -> String {
        let message = self.to_string();
        message.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
