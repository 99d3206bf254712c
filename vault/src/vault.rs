//! The vault itself: making, unlocking, protecting, locking and wiping it, and the one way in which anything is written.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::id::{INDEX, KEYS, RecordId, WIPING};
use crate::index::{self, Entry, Index, Kind, fingerprint};
use crate::kdf::Cost;
use crate::ports::{Change, Cipher, Guard, Records};
use crate::sealed::{self, Ring};
use crate::slots::{self, Protection, RawRing, Secret};

/// How often a write is made up again because somebody else has written.
pub(crate) const ATTEMPTS: usize = 8;
/// What the index is padded to.
const INDEX_STEP: usize = 4096;
/// How many texts one key may seal with random nonces (NIST SP 800-38D, 8.3: at most 2^32).
const MOST_SEALED: u64 = 1 << 32;

/// How a store is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is no vault.
    Absent,
    /// There is one; this is what opens it.
    Present(Protection),
    /// There are records, but no key to them.
    Keyless,
}

/// Conversations, encrypted in `records` by `cipher`. Locked until [`Vault::create`] or [`Vault::unlock`].
///
/// Calls may overlap: each looks at the vault as it is, and writes all or nothing.
pub struct Vault<R, C: Cipher> {
    pub(crate) records: R,
    pub(crate) cipher: C,
    open: RefCell<Option<Opened<C::Key>>>,
    expected: Cell<u64>,
}

/// What an unlocked vault holds.
pub(crate) struct Opened<K> {
    pub ring: Ring<K>,
    pub index: Rc<Index>,
    /// The index as it is stored.
    stored: Rc<Vec<u8>>,
    protection: Rc<Protection>,
}

impl<K> Clone for Opened<K> {
    fn clone(&self) -> Self {
        Self {
            ring: Ring {
                keys: Rc::clone(&self.ring.keys),
            },
            index: Rc::clone(&self.index),
            stored: Rc::clone(&self.stored),
            protection: Rc::clone(&self.protection),
        }
    }
}

/// What one write is to change.
#[derive(Default)]
pub(crate) struct Edit<'a> {
    pub puts: Vec<Put<'a>>,
    pub deletes: Vec<RecordId>,
    /// Which conversation is open from now on.
    pub open: Option<Option<RecordId>>,
}

/// One record to be stored.
pub(crate) struct Put<'a> {
    pub id: RecordId,
    pub kind: Kind,
    pub content: &'a [u8],
    /// What it is padded to.
    pub step: usize,
}

impl<R: Records, C: Cipher> Vault<R, C> {
    /// A locked vault. Nothing is read or written yet.
    pub fn new(records: R, cipher: C) -> Self {
        Self {
            records,
            cipher,
            open: RefCell::new(None),
            expected: Cell::new(0),
        }
    }

    /// How the store is found. A wipe that was interrupted is finished first.
    ///
    /// # Errors
    /// Slots that cannot be read, and what the store says.
    pub async fn state(&self) -> Result<State> {
        if self.records.get(INDEX).await?.as_deref() == Some(WIPING) {
            self.sweep().await?;
        }
        match self.records.get(KEYS).await? {
            Some(keys) => Ok(State::Present(slots::protection(&keys)?)),
            None if self.records.list().await?.is_empty() => Ok(State::Absent),
            None => Ok(State::Keyless),
        }
    }

    /// Begins a vault that `secrets` open, each by itself; without any, its key lies in the clear beside the records.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is one, or its remains.
    pub async fn create(&self, secrets: &[Secret<'_>], cost: Cost) -> Result<()> {
        if self.state().await? != State::Absent {
            return Err(Error::Exists);
        }
        let raw = RawRing::begin(&self.cipher)?;
        let ring = raw.ready(&self.cipher).await?;
        let keys = slots::seal(&self.cipher, &raw, secrets, cost).await?;
        let index = Index {
            id: RecordId::random(&self.cipher)?,
            keys: fingerprint(&keys),
            sealed: 1,
            open: None,
            entries: BTreeMap::new(),
            counter: 1,
        };
        let opened = self.enclose(ring, index, slots::protection(&keys)?).await?;
        let changes = vec![put(KEYS, &keys), put(INDEX, &opened.stored)];
        let guard = Guard {
            id: INDEX,
            holds: None,
        };
        if !self.records.write(Some(guard), changes).await? {
            return Err(Error::Exists);
        }
        self.take(opened);
        Ok(())
    }

    /// Opens the vault; without a secret only one whose key lies in the clear.
    ///
    /// # Errors
    /// [`Error::WrongSecret`]; [`Error::Wiped`] where there is none any more; [`Error::Replayed`] for an index older than
    /// [`Vault::expect`] says; [`Error::LostKey`], [`Error::Missing`] and [`Error::Tampered`] for a store that is not whole.
    pub async fn unlock(&self, secret: Option<&Secret<'_>>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let keys = self.records.get(KEYS).await?;
            let stored = self.records.get(INDEX).await?;
            // Both of the same write.
            if self.records.get(KEYS).await? != keys {
                continue;
            }
            let Some(keys) = keys else {
                return Err(match self.state().await? {
                    State::Absent => Error::Wiped,
                    _ => Error::LostKey,
                });
            };
            let raw = slots::open(&self.cipher, &keys, secret).await?;
            let ring = raw.ready(&self.cipher).await?;
            let stored = stored.ok_or_else(missing_index)?;
            let opened = self
                .disclose(ring, stored, slots::protection(&keys)?)
                .await?;
            if opened.index.keys != fingerprint(&keys) {
                return Err(Error::tampered("the stored key"));
            }
            self.newer_than(self.expected.get(), &opened.index)?;
            self.take(opened);
            return Ok(());
        }
        Err(Error::Busy)
    }

    /// Changes what opens the vault: from now on exactly `secrets`, or nothing at all is needed. `current` opens it now.
    ///
    /// No record is encrypted again: those that there are stay with their data keys, and a fresh one seals what is written
    /// from now on.
    ///
    /// # Errors
    /// [`Error::WrongSecret`] where `current` does not open it; then nothing is changed.
    pub async fn protect(
        &self,
        current: Option<&Secret<'_>>,
        secrets: &[Secret<'_>],
        cost: Cost,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let now = self.opened()?;
            let Some(keys) = self.records.get(KEYS).await? else {
                self.reload().await?;
                return Err(Error::LostKey);
            };
            if fingerprint(&keys) != now.index.keys {
                self.reload().await?;
                continue;
            }
            let raw = slots::open(&self.cipher, &keys, current).await?;
            let raw = raw.renewed(&self.cipher, |number| now.index.needs_key(number))?;
            let ring = raw.ready(&self.cipher).await?;
            let keys = slots::seal(&self.cipher, &raw, secrets, cost).await?;
            let mut index = Index::clone(&now.index);
            index.keys = fingerprint(&keys);
            index.counter += 1;
            index.sealed = 1;
            let opened = self.enclose(ring, index, slots::protection(&keys)?).await?;
            let changes = vec![put(KEYS, &keys), put(INDEX, &opened.stored)];
            if self.records.write(Some(now.guard()), changes).await? {
                self.take_newer(opened);
                return Ok(());
            }
            self.reload().await?;
        }
        Err(Error::Busy)
    }

    /// Drops the keys and all that was decrypted. What was being written is written or not, as a whole.
    pub fn lock(&self) {
        self.open.replace(None);
    }

    /// Whether it is unlocked.
    pub fn is_open(&self) -> bool {
        self.open.borrow().is_some()
    }

    /// What opens it.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub fn protection(&self) -> Result<Protection> {
        Ok(Protection::clone(&self.opened()?.protection))
    }

    /// Which vault this is. One that is begun after a wipe is another one.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub fn identity(&self) -> Result<RecordId> {
        Ok(self.opened()?.index.id)
    }

    /// The counter of all writes, for a host to keep where the records are not.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub fn counter(&self) -> Result<u64> {
        Ok(self.opened()?.index.counter)
    }

    /// Refuses to unlock a store whose counter is lower: it was put back to an earlier day. 0 accepts any.
    pub fn expect(&self, counter: u64) {
        self.expected.set(counter);
    }

    /// Destroys the keys, then all records. Works whether it is locked or not, and is finished by [`Vault::state`] if it
    /// is interrupted.
    ///
    /// # Errors
    /// What the store says.
    pub async fn wipe(&self) -> Result<()> {
        self.lock();
        self.expected.set(0);
        let changes = vec![delete(KEYS), put(INDEX, WIPING)];
        self.records.write(None, changes).await?;
        self.sweep().await
    }

    /// Removes everything that a wipe has left. Nobody writes while [`WIPING`] stands there, and whoever comes later than
    /// another sweep removes nothing.
    async fn sweep(&self) -> Result<()> {
        let ids = self.records.list().await?;
        let changes = ids.iter().map(|id| delete(id)).collect();
        let guard = Guard {
            id: INDEX,
            holds: Some(WIPING),
        };
        self.records.write(Some(guard), changes).await?;
        Ok(())
    }

    /// What it holds now.
    pub(crate) fn opened(&self) -> Result<Opened<C::Key>> {
        self.open.borrow().clone().ok_or(Error::Locked)
    }

    /// Writes what `plan` makes of the index, all of it or nothing -> the revision of what was written. If others have
    /// written, it plans again.
    pub(crate) async fn commit<'a>(
        &self,
        plan: impl Fn(&Index) -> Result<Edit<'a>>,
    ) -> Result<u64> {
        for _ in 0..ATTEMPTS {
            let now = self.opened()?;
            let edit = plan(&now.index)?;
            let mut index = Index::clone(&now.index);
            index.counter += 1;
            index.sealed += edit.puts.len() as u64 + 1;
            if index.sealed > MOST_SEALED {
                return Err(Error::KeyWorn);
            }
            let mut changes = Vec::with_capacity(edit.puts.len() + edit.deletes.len() + 1);
            for id in edit.deletes {
                if index.entries.remove(&id).is_some() {
                    changes.push(delete(&id.to_string()));
                }
            }
            for Put {
                id,
                kind,
                content,
                step,
            } in edit.puts
            {
                let name = id.to_string();
                let (cipher, revision) = (&self.cipher, index.counter);
                let bytes = sealed::seal(cipher, &now.ring, &name, revision, content, step).await?;
                let key = now.ring.newest_number()?;
                let entry = Entry {
                    revision,
                    key,
                    kind,
                };
                index.entries.insert(id, entry);
                changes.push(Change::Put { id: name, bytes });
            }
            if let Some(open) = edit.open {
                index.open = open;
            }
            let protection = Protection::clone(&now.protection);
            let opened = self.enclose(now.ring.clone(), index, protection).await?;
            changes.push(put(INDEX, &opened.stored));
            let revision = opened.index.counter;
            if self.records.write(Some(now.guard()), changes).await? {
                self.take_newer(opened);
                return Ok(revision);
            }
            self.reload().await?;
        }
        Err(Error::Busy)
    }

    /// Takes in what others have written -> whether there was anything. Keys that were changed or wiped lock the vault.
    pub(crate) async fn reload(&self) -> Result<bool> {
        let before = self.opened()?.index.counter;
        let stored = self.records.get(INDEX).await?;
        let now = self.opened()?;
        if now.index.counter > before {
            // This page itself has written meanwhile, perhaps other keys: what was read is older.
            return Ok(true);
        }
        let opened = match stored {
            None => Err(missing_index()),
            Some(stored) => {
                let protection = Protection::clone(&now.protection);
                self.disclose(now.ring.clone(), stored, protection).await
            }
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(self.why_not(&now, error).await?),
        };
        self.newer_than(now.index.counter, &opened.index)?;
        let newer = opened.index.counter > now.index.counter;
        self.take_newer(opened);
        Ok(newer)
    }

    /// Why the stored index does not open any more. Unless it was only damaged, the vault is locked.
    async fn why_not(&self, now: &Opened<C::Key>, damage: Error) -> Result<Error> {
        let Some(keys) = self.records.get(KEYS).await? else {
            self.lock();
            return Ok(Error::Wiped);
        };
        if fingerprint(&keys) != now.index.keys {
            self.lock();
            return Ok(Error::ProtectionChanged);
        }
        Ok(damage)
    }

    /// Reads the record of `entry`.
    pub(crate) async fn content(
        &self,
        now: &Opened<C::Key>,
        id: &RecordId,
        entry: &Entry,
        what: &str,
    ) -> Result<Read> {
        let name = id.to_string();
        let Some(record) = self.records.get(&name).await? else {
            return Ok(Read::Missing);
        };
        let (revision, content) =
            sealed::open(&self.cipher, &now.ring, &name, what, &record).await?;
        Ok(match revision == entry.revision {
            true => Read::Content(content),
            false => Read::Revision(revision),
        })
    }

    /// An index with what it is stored as.
    async fn enclose(
        &self,
        ring: Ring<C::Key>,
        index: Index,
        protection: Protection,
    ) -> Result<Opened<C::Key>> {
        let content = index.encode()?;
        let (cipher, counter) = (&self.cipher, index.counter);
        let stored = sealed::seal(cipher, &ring, INDEX, counter, &content, INDEX_STEP).await?;
        Ok(Opened {
            ring,
            index: Rc::new(index),
            stored: Rc::new(stored),
            protection: Rc::new(protection),
        })
    }

    /// A stored index, read.
    async fn disclose(
        &self,
        ring: Ring<C::Key>,
        stored: Vec<u8>,
        protection: Protection,
    ) -> Result<Opened<C::Key>> {
        let (counter, content) =
            sealed::open(&self.cipher, &ring, INDEX, index::WHAT, &stored).await?;
        Ok(Opened {
            ring,
            index: Rc::new(Index::decode(&content, counter)?),
            stored: Rc::new(stored),
            protection: Rc::new(protection),
        })
    }

    fn newer_than(&self, expected: u64, index: &Index) -> Result<()> {
        match index.counter < expected {
            true => Err(Error::Replayed {
                what: index::WHAT.to_owned(),
                found: index.counter,
                expected,
            }),
            false => Ok(()),
        }
    }

    fn take(&self, opened: Opened<C::Key>) {
        self.open.replace(Some(opened));
    }

    /// Nothing, if it was locked meanwhile, or a later write is known already.
    fn take_newer(&self, opened: Opened<C::Key>) {
        let mut open = self.open.borrow_mut();
        if let Some(now) = open
            .as_mut()
            .filter(|now| now.index.counter < opened.index.counter)
        {
            *now = opened;
        }
    }
}

/// How a record was found.
pub(crate) enum Read {
    /// As the index says.
    Content(Zeroizing<Vec<u8>>),
    /// Whole, but at another revision.
    Revision(u64),
    /// Not at all.
    Missing,
}

impl<K> Opened<K> {
    /// That nobody has written since.
    fn guard(&self) -> Guard<'_> {
        Guard {
            id: INDEX,
            holds: Some(&self.stored),
        }
    }
}

fn missing_index() -> Error {
    Error::Missing {
        what: index::WHAT.to_owned(),
    }
}

fn put(id: &str, bytes: &[u8]) -> Change {
    Change::Put {
        id: id.to_owned(),
        bytes: bytes.to_vec(),
    }
}

fn delete(id: &str) -> Change {
    Change::Delete { id: id.to_owned() }
}
