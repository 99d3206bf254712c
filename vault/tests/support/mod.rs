//! The ports on memory: a store that can crash at each write, and AES-256-GCM by RustCrypto.
#![allow(dead_code, clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use outpost_vault::{
    Change, Cipher, Conversation, Cost, Error, Guard, KEY_BYTES, NONCE_BYTES, Picture, PictureRef,
    RecordId, Records, Result, Role, Secret, Sink, Source, Turn, Vault,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

pub type Stored = BTreeMap<String, Vec<u8>>;

/// Records in memory, shared by all handles as tabs share a database.
#[derive(Clone, Default)]
pub struct Memory(Rc<Shared>);

#[derive(Default)]
struct Shared {
    stored: RefCell<Stored>,
    /// What was stored after each write.
    history: RefCell<Vec<Stored>>,
    crash: Cell<Option<Crash>>,
}

/// Where the power goes.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// At which write from now, from 0.
    pub at: usize,
    /// Whether that write is on the disk.
    pub written: bool,
}

impl Memory {
    pub fn with(stored: Stored) -> Self {
        let memory = Self::default();
        memory.replace(stored);
        memory
    }
    pub fn stored(&self) -> Stored {
        self.0.stored.borrow().clone()
    }
    pub fn replace(&self, stored: Stored) {
        *self.0.stored.borrow_mut() = stored;
    }
    pub fn change(&self, change: impl FnOnce(&mut Stored)) {
        change(&mut self.0.stored.borrow_mut());
    }
    pub fn writes(&self) -> usize {
        self.0.history.borrow().len()
    }
    pub fn history(&self) -> Vec<Stored> {
        self.0.history.borrow().clone()
    }
    pub fn crash(&self, crash: Crash) {
        self.0.crash.set(Some(crash));
    }
}

impl Records for Memory {
    async fn get(&self, id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.stored.borrow().get(id).cloned())
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.0.stored.borrow().keys().cloned().collect())
    }

    async fn write(&self, guard: Option<Guard<'_>>, changes: Vec<Change>) -> Result<bool> {
        let mut written = true;
        let crash = self.0.crash.get();
        if let Some(Crash { at, written: is }) = crash {
            if at == 0 {
                written = is;
            }
            self.0.crash.set(Some(Crash {
                at: at.wrapping_sub(1),
                written: is,
            }));
            // Nothing works after a crash.
            if at > usize::MAX / 2 {
                written = false;
            }
        }
        let crashed = crash.is_some_and(|crash| crash.at == 0 || crash.at > usize::MAX / 2);
        if written {
            let mut stored = self.0.stored.borrow_mut();
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
            self.0.history.borrow_mut().push(stored.clone());
        }
        match crashed {
            true => Err(Error::Storage {
                detail: "the power is gone".into(),
            }),
            false => Ok(true),
        }
    }
}

/// A nonce, and the key that it was used with.
pub type Used = ([u8; NONCE_BYTES], u64);

/// AES-256-GCM with random bytes that are the same in every run.
#[derive(Clone)]
pub struct Aes {
    random: Rc<RefCell<ChaCha20Rng>>,
    pub nonces: Rc<RefCell<Vec<Used>>>,
    keys: Rc<Cell<u64>>,
}

impl Aes {
    pub fn seeded(seed: u64) -> Self {
        Self {
            random: Rc::new(RefCell::new(ChaCha20Rng::seed_from_u64(seed))),
            nonces: Rc::default(),
            keys: Rc::default(),
        }
    }
}

/// A key, with the number by which the test knows it.
#[derive(Clone)]
pub struct Key(Rc<(Aes256Gcm, u64)>);

impl Cipher for Aes {
    type Key = Key;

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        self.random.borrow_mut().fill_bytes(bytes);
        Ok(())
    }

    async fn key(&self, raw: &[u8; KEY_BYTES]) -> Result<Key> {
        self.keys.set(self.keys.get() + 1);
        Ok(Key(Rc::new((Aes256Gcm::new(raw.into()), self.keys.get()))))
    }

    async fn seal(
        &self,
        key: &Key,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        msg: &[u8],
    ) -> Result<Vec<u8>> {
        self.nonces.borrow_mut().push((*nonce, key.0.1));
        let payload = Payload { msg, aad };
        Ok(key.0.0.encrypt(Nonce::from_slice(nonce), payload).unwrap())
    }

    async fn open(
        &self,
        key: &Key,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        msg: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let payload = Payload { msg, aad };
        Ok(key.0.0.decrypt(Nonce::from_slice(nonce), payload).ok())
    }
}

/// A file in memory.
#[derive(Clone, Default)]
pub struct File(pub Vec<u8>);

impl Sink for File {
    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Source for File {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let rest = &self.0[(offset as usize).min(self.0.len())..];
        Ok(rest[..len.min(rest.len())].to_vec())
    }
}

pub type TestVault = Vault<Memory, Aes>;

pub const PASSPHRASE: &str = "four words are enough";
pub const SECRET: Secret<'static> = Secret::Passphrase(PASSPHRASE);

pub fn wait<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

pub fn locked(memory: &Memory, seed: u64) -> TestVault {
    Vault::new(memory.clone(), Aes::seeded(seed))
}

/// Opens what is stored, as another page would.
pub fn reopened(memory: &Memory, secret: Option<&Secret<'_>>) -> Result<TestVault> {
    let vault = locked(memory, 99);
    wait(vault.unlock(secret))?;
    Ok(vault)
}

/// A vault under no passphrase, which is quick to open.
pub fn unprotected() -> (Memory, TestVault) {
    let memory = Memory::default();
    let vault = locked(&memory, 1);
    wait(vault.create(&[], Cost::default())).unwrap();
    (memory, vault)
}

/// A vault under [`PASSPHRASE`].
pub fn protected() -> (Memory, TestVault) {
    let memory = Memory::default();
    let vault = locked(&memory, 2);
    wait(vault.create(&[SECRET], Cost::default())).unwrap();
    (memory, vault)
}

pub fn said(role: Role, text: &str) -> Turn {
    Turn {
        role,
        text: text.into(),
        thought: String::new(),
        time_ms: 1_700_000_000_000,
        pictures: Vec::new(),
        ended: None,
    }
}

pub fn conversation(text: &str, updated_ms: u64) -> Conversation {
    let mut conversation = Conversation::default();
    conversation.updated_ms = updated_ms;
    conversation.turns = vec![said(Role::User, text), said(Role::Assistant, "An answer.")];
    conversation
}

pub fn picture(byte: u8) -> Picture {
    Picture {
        media_type: "image/png".into(),
        bytes: vec![byte; 100],
    }
}

/// Saves a conversation over what the page knows of it.
pub async fn save(
    vault: &TestVault,
    id: &RecordId,
    conversation: &Conversation,
    pictures: &[(RecordId, Picture)],
) -> Result<()> {
    let base = vault.revision(id)?;
    vault.save(id, base, conversation, pictures).await.map(drop)
}

/// Stores a conversation without pictures.
pub fn stored(vault: &TestVault, text: &str, updated_ms: u64) -> RecordId {
    let id = vault.new_id().unwrap();
    wait(save(vault, &id, &conversation(text, updated_ms), &[])).unwrap();
    id
}

/// Stores a conversation with a picture -> both ids.
pub fn stored_with_picture(vault: &TestVault, text: &str, updated_ms: u64) -> (RecordId, RecordId) {
    let (id, shown) = (vault.new_id().unwrap(), vault.new_id().unwrap());
    let mut conversation = conversation(text, updated_ms);
    conversation.turns[0].pictures.push(PictureRef {
        id: shown,
        name: "x-ray.png".into(),
        features: None,
    });
    wait(save(vault, &id, &conversation, &[(shown, picture(7))])).unwrap();
    (id, shown)
}

pub fn text_of(vault: &TestVault, id: &RecordId) -> Result<String> {
    wait(vault.read(id)).map(|conversation| conversation.turns[0].text.clone())
}
