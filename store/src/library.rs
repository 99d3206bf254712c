//! The models of a device: what there is, how it is read, and how it is removed.

use std::cell::RefCell;

use outpost_engine::weights::limits::MAX_JSON_BYTES;
use outpost_engine::weights::shards::Manifest;

use crate::disk::{Disk, DiskError, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::{Sha256, read_whole};
use crate::journal::{self, Journal};
use crate::state::{Change, Folder, State};

/// A journal is written anew when it has grown by so many bytes and has more than twice the length it needs.
const GROWN_BYTES: u64 = 64 << 10;

/// The models on one device. It is the only one that writes them: its journal stays open, which no other tab can do then.
///
/// All functions take `&self`, so that several parts may be written at once; none keeps a borrow while it waits.
#[derive(Debug)]
pub struct Library<D: Disk> {
    pub(crate) disk: D,
    told: RefCell<Told<D::File>>,
}

/// The journal and what it says.
#[derive(Debug)]
struct Told<F> {
    journal: Journal<F>,
    state: State,
}

/// A model, or an installation that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its folder, by which this library knows it.
    pub folder: String,
    /// Its id; a conversion has none before its end.
    pub id: Option<String>,
    /// The key of the conversion that it came from.
    pub key: Option<String>,
    /// Name for people.
    pub name: String,
    /// Where it comes from, as the caller has said; empty if nobody did.
    pub source: String,
    /// Whether it can be used.
    pub status: Status,
    /// Bytes that are stored for it.
    pub bytes: u64,
    /// When it was installed, in milliseconds of the caller's clock.
    pub installed_at_ms: Option<u64>,
    /// When its terms were accepted, as the caller has said.
    pub accepted_at_ms: Option<u64>,
}

/// Whether a model can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// All of it was on the disk, byte for byte, when it was last looked at.
    Installed,
    /// An installation can go on.
    Unfinished {
        /// Bytes of the shards that are stored.
        done_bytes: u64,
        /// Bytes of all shards, 0 while nobody knows.
        total_bytes: u64,
    },
    /// It was installed, and files of it are gone or no longer what they were.
    Damaged {
        /// Names of these files.
        missing: Vec<String>,
    },
}

impl<D: Disk> Library<D> {
    pub(crate) fn new(disk: D, journal: Journal<D::File>, state: State) -> Self {
        let told = RefCell::new(Told { journal, state });
        Self { disk, told }
    }

    /// All models, finished or not.
    pub fn list(&self) -> Vec<Model> {
        self.told(|state| {
            let folders = state.folders.iter();
            folders
                .map(|(name, folder)| Model::new(name, folder))
                .collect()
        })
    }

    /// The model of this id that is installed, damaged or not.
    pub fn installed(&self, id: &str) -> Option<Model> {
        self.told(|state| {
            let (name, folder) = state.installed(id)?;
            Some(Model::new(name, folder))
        })
    }

    /// The manifest in a model's folder, checked. One that is no longer what it was makes the model a damaged one.
    ///
    /// # Errors
    /// [`Error::NotHere`], [`Error::NoManifest`], [`Error::Manifest`] for one that this version does not know, and what
    /// storage refuses.
    pub async fn manifest(&self, folder: &str) -> Result<Manifest> {
        let known = self.folder(folder)?;
        let damaged = || Error::NoManifest {
            name: known.about.name.clone(),
        };
        let (file, stored) = known.manifest.as_ref().ok_or_else(damaged)?;
        match self.read_json(&path(folder, file)).await? {
            Some(json) if Sha256::of(&json) == stored.sha256 => Ok(Manifest::from_json(&json)?),
            _ => {
                // So that the model is a damaged one, which adding it again mends.
                if !known.lost.contains_key(file) {
                    self.record(vec![Change::Lost {
                        folder: folder.to_owned(),
                        files: vec![file.clone()],
                    }])?;
                }
                Err(damaged())
            }
        }
    }

    /// Opens a shard of a model for reading. Its length is checked; its bytes were when it was stored, and are by
    /// [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`Error::NotHere`], [`Error::Gone`] for one that is missing or cut, and what storage refuses.
    pub async fn read(&self, folder: &str, shard: &str) -> Result<D::File> {
        let path = path(folder, shard);
        let known = self.folder(folder)?;
        let stored = known.files.get(shard).ok_or_else(|| not_here(&path))?;
        let file = self.disk.open(&path).await.at(&path)?;
        match file.bytes().at(&path)? == stored.bytes {
            true => Ok(file),
            false => Err(Error::Gone { path }),
        }
    }

    /// Removes a model or an installation that is not finished. When this returns, it does not come back; files that are
    /// open elsewhere are left to [`clean_up`](Self::clean_up).
    ///
    /// # Errors
    /// [`Error::NotHere`], and what storage refuses.
    pub async fn delete(&self, folder: &str) -> Result<()> {
        self.folder(folder)?;
        self.record(vec![Change::Removed {
            folder: folder.to_owned(),
        }])?;
        self.sweep(folder).await.map(|_| ())
    }

    /// Bytes of all files, those that belong to nobody among them.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn used_bytes(&self) -> Result<u64> {
        let mut used = 0;
        for name in self.disk.names("").await.at("")? {
            if let Some(bytes) = self.disk.bytes(&name).await.at(&name)? {
                used += bytes;
                continue;
            }
            for file in self.disk.names(&name).await.at(&name)? {
                let path = path(&name, &file);
                used += self.disk.bytes(&path).await.at(&path)?.unwrap_or(0);
            }
        }
        Ok(used)
    }

    /// Writes the journal anew, as short as it can be. [`clean_up`](Self::clean_up) does so where it has grown.
    ///
    /// # Errors
    /// What storage refuses; the journal stays as it was.
    pub async fn compact(&self) -> Result<()> {
        self.settle()?;
        let other = self.told.borrow().journal.other_path();
        let file = self.disk.create(other).await.at(other)?;
        let told = &mut *self.told.borrow_mut();
        let everything = encode(&told.state.changes())?;
        told.journal.write_anew(file, &everything)
    }

    /// Writes the journal anew if that is worth it.
    pub(crate) async fn compact_if_grown(&self) -> Result<()> {
        let (bytes, needed) = self.told.borrow().journal.bytes();
        match bytes > needed.saturating_mul(2) + GROWN_BYTES {
            true => self.compact().await,
            false => Ok(()),
        }
    }

    /// Makes changes true, all or none. When this returns, they are on the disk.
    pub(crate) fn record(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let told = &mut *self.told.borrow_mut();
        told.journal.append(&encode(&changes)?)?;
        changes.iter().for_each(|change| told.state.apply(change));
        Ok(())
    }

    /// Before files are changed: no entry that failed may come back and speak of them.
    pub(crate) fn settle(&self) -> Result<()> {
        self.told.borrow_mut().journal.settle()
    }

    /// Looks at what the journal says.
    pub(crate) fn told<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.told.borrow().state)
    }

    /// What is known of a folder.
    pub(crate) fn folder(&self, folder: &str) -> Result<Folder> {
        self.told(|state| state.folders.get(folder).cloned())
            .ok_or_else(|| not_here(folder))
    }

    pub(crate) fn model(&self, folder: &str) -> Result<Model> {
        Ok(Model::new(folder, &self.folder(folder)?))
    }

    /// A JSON document, `None` if there is none or it is too large.
    pub(crate) async fn read_json(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.disk.open(path).await {
            Ok(file) => read_whole(&file, MAX_JSON_BYTES).at(path),
            Err(DiskError::Missing) => Ok(None),
            Err(error) => Err(Error::disk(path, error)),
        }
    }

    /// Removes a file -> whether it could be; one that is open is left.
    pub(crate) async fn remove(&self, path: &str) -> Result<bool> {
        match self.disk.remove(path).await {
            Ok(()) => Ok(true),
            Err(DiskError::Held) => Ok(false),
            Err(error) => Err(Error::disk(path, error)),
        }
    }

    /// Removes a folder that belongs to nobody, manifests first -> the bytes of its files. What is open is left.
    pub(crate) async fn sweep(&self, folder: &str) -> Result<u64> {
        let mut names = self.disk.names(folder).await.at(folder)?;
        // Without a manifest nothing in it could be taken for a model, even if the journal were lost.
        names.sort_by_key(|name| !name.starts_with("manifest"));
        let mut freed = 0;
        let mut held = false;
        for name in names {
            let path = path(folder, &name);
            let bytes = self.disk.bytes(&path).await.at(&path)?.unwrap_or(0);
            match self.remove(&path).await? {
                true => freed += bytes,
                false => held = true,
            }
        }
        if !held {
            self.remove(folder).await?;
        }
        Ok(freed)
    }
}

impl Model {
    fn new(name: &str, folder: &Folder) -> Self {
        let manifest = folder.manifest.iter().map(|(_, stored)| stored.bytes);
        let files = folder.files.values().map(|stored| stored.bytes);
        let status = match folder.installed_at_ms {
            Some(_) if folder.is_whole() => Status::Installed,
            Some(_) => Status::Damaged {
                missing: folder.lost.keys().cloned().collect(),
            },
            None => Status::Unfinished {
                done_bytes: folder.shards().map(|(_, stored)| stored.bytes).sum(),
                total_bytes: folder.about.total_bytes,
            },
        };
        Self {
            folder: name.to_owned(),
            id: folder.about.id.clone(),
            key: folder.about.key.clone(),
            name: folder.about.name.clone(),
            source: folder.about.source.clone(),
            status,
            bytes: manifest.chain(files).sum(),
            installed_at_ms: folder.installed_at_ms,
            accepted_at_ms: folder.about.accepted_at_ms,
        }
    }
}

/// A file in a folder.
pub(crate) fn path(folder: &str, file: &str) -> String {
    format!("{folder}/{file}")
}

/// Whether this is a journal.
pub(crate) fn is_journal(name: &str) -> bool {
    journal::PATHS.contains(&name)
}

pub(crate) fn not_here(what: &str) -> Error {
    Error::NotHere {
        what: what.to_owned(),
    }
}

/// Changes as a payload.
pub(crate) fn encode(changes: &[Change]) -> Result<Vec<u8>> {
    serde_json::to_vec(changes).map_err(|error| Error::Request {
        problem: format!("this cannot be noted: {error}"),
        remedy: "add the model again",
    })
}

/// The changes of a journal's payloads. What is sealed and cannot be read was written by a later version.
pub(crate) fn decode(payloads: &[Vec<u8>]) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::new();
    for payload in payloads {
        let entry = serde_json::from_slice::<Vec<Change>>(payload);
        changes.extend(entry.map_err(|_| Error::Newer {
            version: journal::VERSION + 1,
        })?);
    }
    Ok(changes)
}
