//! The vault's ports, in memory and without encryption: what a fuzzer writes into a frame is what is read from it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use outpost_vault::{
    Change, Cipher, Guard, KEY_BYTES, NONCE_BYTES, Records, Result, Sink, Source, TAG_BYTES, Vault,
};

/// A first byte of a tag that is not authentic. Every other tag is.
pub const FORGED: u8 = 0xff;

/// A vault of these ports.
pub type OpenVault = Vault<Memory, Unsealed>;

/// What comes of work that never waits.
pub fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("memory is always there"),
    }
}

/// Records in memory.
#[derive(Debug, Default)]
pub struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

impl Records for Memory {
    async fn get(&self, id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().get(id).cloned())
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.0.borrow().keys().cloned().collect())
    }

    async fn write(&self, guard: Option<Guard<'_>>, changes: Vec<Change>) -> Result<bool> {
        let mut stored = self.0.borrow_mut();
        if let Some(guard) = guard
            && stored.get(guard.id).map(Vec::as_slice) != guard.holds
        {
            return Ok(false);
        }
        for change in changes {
            match change {
                Change::Put { id, bytes } => stored.insert(id, bytes),
                Change::Delete { id } => stored.remove(&id),
            };
        }
        Ok(true)
    }
}

/// Adds a tag and does nothing else. Its random bytes are numbers.
#[derive(Debug, Default)]
pub struct Unsealed(Cell<u64>);

impl Cipher for Unsealed {
    type Key = ();

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        self.0.set(self.0.get() + 1);
        for (byte, number) in bytes.iter_mut().zip(self.0.get().to_le_bytes()) {
            *byte = number;
        }
        Ok(())
    }

    async fn key(&self, _raw: &[u8; KEY_BYTES]) -> Result<()> {
        Ok(())
    }

    async fn seal(
        &self,
        _key: &(),
        _nonce: &[u8; NONCE_BYTES],
        _associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>> {
        Ok([plaintext, &[0; TAG_BYTES]].concat())
    }

    async fn open(
        &self,
        _key: &(),
        _nonce: &[u8; NONCE_BYTES],
        _associated: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let opened = sealed.split_last_chunk::<TAG_BYTES>();
        Ok(opened.and_then(|(plaintext, tag)| (tag[0] != FORGED).then(|| plaintext.to_vec())))
    }
}

/// A backup in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupFile(pub Vec<u8>);

impl Sink for BackupFile {
    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Source for BackupFile {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let start = usize::try_from(offset).map_or(self.0.len(), |at| at.min(self.0.len()));
        let rest = &self.0[start..];
        Ok(rest[..len.min(rest.len())].to_vec())
    }
}
