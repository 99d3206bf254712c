//! What the vault asks of the outside world. Hosts implement these traits; the vault never reaches past them.
//!
//! Their futures need not be `Send`: a page has one thread.
#![allow(async_fn_in_trait)]

use crate::error::Result;

/// Bytes of an AES-256 key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;
/// Bytes by which sealing makes a text longer.
pub const TAG_BYTES: usize = 16;

/// One part of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Stores bytes under an id, in the place of what is there.
    Put {
        /// Where.
        id: String,
        /// What.
        bytes: Vec<u8>,
    },
    /// Removes what is under an id, if there is anything.
    Delete {
        /// Where.
        id: String,
    },
}

/// What must be so for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard<'a> {
    /// This record
    pub id: &'a str,
    /// holds exactly these bytes, or is not there.
    pub holds: Option<&'a [u8]>,
}

/// Opaque bytes by id, on this device.
pub trait Records {
    /// What is stored under an id.
    async fn get(&self, id: &str) -> Result<Option<Vec<u8>>>;

    /// Every id, in any order.
    async fn list(&self) -> Result<Vec<String>>;

    /// Makes all changes or none, and returns once they would survive a crash. `Ok(false)`, with nothing changed, where
    /// the guard does not hold; nobody else's write comes between looking and writing.
    async fn write(&self, guard: Option<Guard<'_>>, changes: Vec<Change>) -> Result<bool>;
}

/// AES-256-GCM (NIST SP 800-38D) with nonces of 96 bits and tags of 128, and random bytes.
pub trait Cipher {
    /// A key that is ready for use.
    type Key: Clone;

    /// Fills `bytes` from the system's source of randomness for keys.
    fn random(&self, bytes: &mut [u8]) -> Result<()>;

    /// Takes in a key.
    async fn key(&self, raw: &[u8; KEY_BYTES]) -> Result<Self::Key>;

    /// Encrypts -> ciphertext and tag.
    async fn seal(
        &self,
        key: &Self::Key,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>>;

    /// Decrypts ciphertext and tag; `None` where they are not authentic.
    async fn open(
        &self,
        key: &Self::Key,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>>;
}

/// Where a backup goes, from its beginning to its end.
pub trait Sink {
    /// Appends bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Where a backup is read from.
pub trait Source {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `len` bytes from `offset`; fewer only at the end.
    async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>>;
}
