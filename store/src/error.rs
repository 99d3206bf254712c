//! The store's one error type. Every variant says what happened, with the value, and what to do about it.

use thiserror::Error;

use crate::disk::DiskError;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a library could not do what it was asked. What was stored before stays.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no more space.
    #[error("there is no space left for {path}; make some and go on, what was stored is kept")]
    Full {
        /// Which file.
        path: String,
    },

    /// Another tab or worker has a file open.
    #[error("{path} is in use; close this application's other tabs and windows and try again")]
    Held {
        /// Which file; a journal for a library that is open elsewhere.
        path: String,
    },

    /// A file is gone that was there.
    #[error("{path} is gone; check the model, and what is missing can be added again")]
    Gone {
        /// Which file.
        path: String,
    },

    /// A file of a shelf has other bytes than were put there.
    #[error("{path} was changed on this device after it was stored; remove it and add it again")]
    Changed {
        /// Which file.
        path: String,
    },

    /// Storage failed in another way.
    #[error("storage failed at {path}: {detail}; try again, what was stored is kept")]
    Storage {
        /// Which file.
        path: String,
        /// What storage said.
        detail: String,
    },

    /// The journal was written by a later version of this application.
    #[error(
        "the models on this device were stored by a later version of this application (journal version {version}); update this application"
    )]
    Newer {
        /// Version of the journal.
        version: u32,
    },

    /// A part has other bytes than its manifest promises. It was emptied.
    #[error("part {name} has the SHA-256 {found} where {expected} belongs; fetch it again")]
    WrongPart {
        /// Which part.
        name: String,
        /// The hash of what arrived.
        found: String,
        /// The hash of what belongs there.
        expected: String,
    },

    /// More bytes came for a part than it has.
    #[error("part {name} is longer than its {bytes} bytes; fetch it again")]
    TooLong {
        /// Which part.
        name: String,
        /// Its length.
        bytes: u64,
    },

    /// Something was to be finished that is not all there.
    #[error("{what} has {found} of {expected}; go on with what is missing")]
    Incomplete {
        /// What is not finished.
        what: String,
        /// How many bytes or parts there are.
        found: u64,
        /// How many belong there.
        expected: u64,
    },

    /// There is no such model, part or piece.
    #[error("{what} is not on this device; add it, or choose another one")]
    NotHere {
        /// What was asked for.
        what: String,
    },

    /// The manifest of a model is damaged or lost.
    #[error(
        "the description of the model {name} is damaged; add the model again, its parts are kept"
    )]
    NoManifest {
        /// The model's name.
        name: String,
    },

    /// An archive that cannot be used.
    #[error("the archive {name} cannot be used: {problem}; copy it again from where it came")]
    Archive {
        /// Which one.
        name: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The request itself makes no sense.
    #[error("{problem}; {remedy}")]
    Request {
        /// What is wrong.
        problem: String,
        /// What to change.
        remedy: &'static str,
    },

    /// Whoever watched asked for a stop.
    #[error("stopped; what was stored is kept, go on whenever you like")]
    Stopped,

    /// A manifest that is malformed, or that this version does not know.
    #[error(transparent)]
    Manifest(#[from] outpost_engine::error::Error),
}

impl Error {
    /// What storage said of a file.
    pub(crate) fn disk(path: &str, error: DiskError) -> Self {
        let path = path.to_owned();
        match error {
            DiskError::Full => Self::Full { path },
            DiskError::Held => Self::Held { path },
            DiskError::Missing => Self::Gone { path },
            DiskError::Other(detail) => Self::Storage { path, detail },
        }
    }
}

/// Names the file of which storage speaks.
pub(crate) trait At<T> {
    fn at(self, path: &str) -> Result<T>;
}

impl<T> At<T> for std::result::Result<T, DiskError> {
    fn at(self, path: &str) -> Result<T> {
        self.map_err(|error| Error::disk(path, error))
    }
}
