//! The vault's one error type. Every variant says what happened and what to do about it.

use thiserror::Error;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the vault could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A key could not be unwrapped. By design, nothing tells a wrong passphrase from a changed slot.
    #[error(
        "{what} did not open: the passphrase is wrong, or the stored key was changed, which cannot be told apart; try the \
         passphrase again, and if you are sure of it, restore a backup"
    )]
    WrongSecret {
        /// What was to be opened.
        what: &'static str,
    },

    /// Stored bytes are not what this vault wrote.
    #[error(
        "{what} was damaged or changed by something other than this page; delete it, or restore a backup"
    )]
    Tampered {
        /// Which record.
        what: String,
    },

    /// Stored bytes are what this vault wrote, but not what it wrote last.
    #[error(
        "{what} is an older copy: it was written as number {found}, and {expected} was expected; somebody put it back. \
         Restore a backup, or go on with the older copy if you know why it is there"
    )]
    Replayed {
        /// Which record.
        what: String,
        /// Its revision.
        found: u64,
        /// The revision that the index, or the host, knows.
        expected: u64,
    },

    /// A record that belongs here is not there.
    #[error(
        "{what} is gone: something other than this page removed it; delete the conversation, or restore a backup"
    )]
    Missing {
        /// Which record.
        what: String,
    },

    /// There are records, but no key to them.
    #[error(
        "the key to the stored conversations is gone, and nobody can read them without it; wipe them to begin again, then \
         restore a backup if there is one"
    )]
    LostKey,

    /// A later version of this application wrote this.
    #[error(
        "{what} was written by a newer version (format {found}; this one knows {known}); it is left as it is: update this \
         application"
    )]
    NewerVersion {
        /// What was read.
        what: String,
        /// Its format.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },

    /// The vault is locked.
    #[error("the conversations are locked; enter the passphrase")]
    Locked,

    /// Another page wiped everything.
    #[error(
        "the stored conversations are gone: another window, or the browser, has wiped them; restore a backup if there is one"
    )]
    Wiped,

    /// Another page has written, or removed, the same conversation.
    #[error(
        "this conversation was changed in another window; open it again to see it as it is there"
    )]
    Conflict,

    /// The keys were changed by another page.
    #[error("the protection was changed in another window; enter the passphrase again")]
    ProtectionChanged,

    /// There is a vault already.
    #[error("there are stored conversations already; open them, or wipe them first")]
    Exists,

    /// Others wrote without end.
    #[error("another window kept writing; close it and try again")]
    Busy,

    /// A key has sealed as many texts as one may with random nonces (NIST SP 800-38D, 8.3).
    #[error(
        "the key was used as often as is safe; set the passphrase again, which begins a new key"
    )]
    KeyWorn,

    /// A number is beyond a fixed limit that protects memory.
    #[error("{what} is {value}, above the limit of {limit}; use a smaller one")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The value found.
        value: u64,
        /// The largest value that is accepted.
        limit: u64,
    },

    /// The request itself makes no sense.
    #[error("{problem}; {remedy}")]
    Request {
        /// What is wrong.
        problem: String,
        /// What to change.
        remedy: String,
    },

    /// A file that is no backup.
    #[error("this file is not an Outpost backup; choose another one")]
    NotABackup,

    /// A backup that ends too soon.
    #[error("this backup is not complete: it ends after {bytes} bytes; copy it here again")]
    Truncated {
        /// Length of the file.
        bytes: u64,
    },

    /// There is no store at all.
    #[error("this browser window keeps nothing; use one that is not private")]
    NoStorage,

    /// The store failed.
    #[error("the browser could not store or read: {detail}; free some space and try again")]
    Storage {
        /// What it said.
        detail: String,
    },

    /// The cipher failed.
    #[error("the browser could not encrypt: {detail}; load the page again")]
    Cipher {
        /// What it said.
        detail: String,
    },
}

impl Error {
    /// A [`Error::Tampered`] record.
    pub(crate) fn tampered(what: impl Into<String>) -> Self {
        Self::Tampered { what: what.into() }
    }
}
