//! How a model gets onto the disk: part by part, each compared before it counts, and the model itself last of all.
//!
//! 1. A folder is begun: recorded before it is made.
//! 2. The manifest, where it is known, is on the disk before it is recorded. So is every part.
//! 3. The model is recorded as installed when all of this is there. In the same entry it takes the place of what was
//!    installed under its id before, whose files are removed after that.

use outpost_engine::weights::shards::{Manifest, Sha256Stream, ShardPlan};

use crate::disk::{Disk, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::{Course, Sha256, Watch};
use crate::library::{Library, Model, not_here, path};
use crate::state::{About, Change, Folder, Stored, piece_name};

/// Files for manifests. A folder has one; another one is written beside it before it is the one.
pub(crate) const MANIFESTS: [&str; 2] = ["manifest~1.json", "manifest~2.json"];

/// An installation that goes on in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The folder.
    pub folder: String,
    /// All shards of the model, in order.
    pub parts: Vec<Part>,
}

/// A shard of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Name of its file.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash, where that is known before it is written.
    pub sha256: Option<Sha256>,
}

/// A file that is being written, from its beginning to its end.
#[derive(Debug)]
pub struct Writer<F> {
    folder: String,
    name: String,
    path: String,
    file: F,
    hash: Sha256Stream,
    written: u64,
    /// Its length and its hash, as far as they are known.
    bytes: Option<u64>,
    sha256: Option<Sha256>,
}

impl<D: Disk> Library<D> {
    /// Begins to install a model whose manifest is known, or goes on. What an earlier attempt stored is kept, as far as
    /// this manifest has it; so is what is left of a damaged model. An installed model with other shards stays as it is
    /// until [`complete`](Self::complete).
    ///
    /// # Errors
    /// [`Error::Manifest`] for one that is malformed, and what storage refuses.
    pub async fn install(&self, manifest: &Manifest, source: &str) -> Result<Installation> {
        let json = manifest.to_json()?;
        let parts = parts_of(manifest)?;
        let same = self.told(|state| {
            let (name, folder) = state.installed(&manifest.id)?;
            folder.is_of(&parts).then(|| name.clone())
        });
        if let Some(folder) = same {
            return Ok(Installation { folder, parts });
        }
        let about = About {
            id: Some(manifest.id.clone()),
            name: manifest.name.clone(),
            source: source.to_owned(),
            total_bytes: manifest.bytes(),
            ..About::default()
        };
        let unfinished = |known: &About| known.id == about.id;
        let folder = self.begin(unfinished, about.clone(), &parts)?;
        let described = self.folder(&folder)?.manifest;
        if described.is_none_or(|(_, stored)| stored.sha256 != Sha256::of(&json)) {
            let change = self.describe(&folder, &json).await?;
            self.record(vec![change])?;
        }
        Ok(Installation { folder, parts })
    }

    /// Goes on with an installation, or repairs a damaged model, by the manifest in its folder.
    ///
    /// # Errors
    /// As [`manifest`](Self::manifest).
    pub async fn resume(&self, folder: &str) -> Result<Installation> {
        Ok(Installation {
            folder: folder.to_owned(),
            parts: parts_of(&self.manifest(folder).await?)?,
        })
    }

    /// The parts that are not stored, in order. What is [`finish`](Self::finish)ed is not among them.
    pub fn missing(&self, installation: &Installation) -> Vec<Part> {
        let parts = installation.parts.iter();
        parts
            .filter(|part| self.stored(installation, &part.name).is_none())
            .cloned()
            .collect()
    }

    /// The hash of a part, if it is stored.
    pub fn stored(&self, installation: &Installation, name: &str) -> Option<Sha256> {
        let part = installation.parts.iter().find(|part| part.name == name)?;
        self.told(|state| {
            let stored = state.folders.get(&installation.folder)?.files.get(name)?;
            part.is(stored).then_some(stored.sha256)
        })
    }

    /// Opens a part for writing. If its hash is known, what an earlier attempt wrote is kept and hashed, and
    /// [`Writer::written`] says where to go on; if not, it begins from nothing. Several parts may be open at once.
    ///
    /// # Errors
    /// [`Error::NotHere`] for a part of another model, [`Error::Request`] for one that is stored, [`Error::Held`] for one
    /// that is being written, [`Error::Stopped`], and what storage refuses.
    pub async fn write(
        &self,
        installation: &Installation,
        name: &str,
        watch: &mut impl Watch,
    ) -> Result<Writer<D::File>> {
        let part = installation.parts.iter().find(|part| part.name == name);
        let part = part.ok_or_else(|| not_here(name))?;
        let mut writer = self.writer(&installation.folder, name).await?;
        (writer.bytes, writer.sha256) = (Some(part.bytes), part.sha256);
        let before = writer.file.bytes().at(&writer.path)?;
        // Bytes that were never flushed may be others after a power failure, which only a known hash would show.
        if before > part.bytes || part.sha256.is_none() {
            return writer.emptied();
        }
        let mut course = Course {
            watch,
            done_bytes: 0,
            total_bytes: before,
        };
        writer.hash = course.hash(&writer.file, &writer.path, before).await?;
        writer.written = before;
        Ok(writer)
    }

    /// Ends a part: compares its hash, puts it on the disk, and records it -> its hash. When this returns, it is stored.
    ///
    /// # Errors
    /// [`Error::Incomplete`], and what was written is kept; [`Error::WrongPart`], and it is empty again;
    /// [`Error::NotHere`] if the installation was deleted meanwhile; and what storage refuses.
    pub fn finish(&self, writer: Writer<D::File>) -> Result<Sha256> {
        self.store(writer, None)
    }

    /// Ends an installation of which no part is missing. When this returns, the model is installed; what was installed
    /// under its id before is gone. A model that is here already, byte for byte, is kept instead.
    ///
    /// # Errors
    /// [`Error::Incomplete`], [`Error::Manifest`] for one that is malformed, [`Error::NotHere`] if the installation was
    /// deleted meanwhile, and what storage refuses.
    pub async fn complete(
        &self,
        installation: &Installation,
        manifest: &Manifest,
        at_ms: u64,
    ) -> Result<Model> {
        let json = manifest.to_json()?;
        let parts = parts_of(manifest)?;
        let folder = &installation.folder;
        let known = self.folder(folder)?;
        let stored = parts.iter().filter(|part| known.has(part)).count();
        if stored < parts.len() {
            return Err(Error::Incomplete {
                what: format!("the model {}", manifest.name),
                found: stored as u64,
                expected: parts.len() as u64,
            });
        }
        let before = self.told(|state| {
            let (name, installed) = state.installed(&manifest.id)?;
            Some((name.clone(), installed.clone()))
        });
        if let Some((name, installed)) = &before
            && installed.is_whole()
            && installed.is_described_by(&json)
        {
            if name != folder {
                // It came from there as well.
                let about = About {
                    key: known.about.key.or(installed.about.key.clone()),
                    ..installed.about.clone()
                };
                let removed = Change::Removed {
                    folder: folder.clone(),
                };
                let begun = installed.begun_if_other(name, about);
                self.record(begun.into_iter().chain([removed]).collect())?;
                self.sweep(folder).await?;
            }
            return self.model(name);
        }

        let mut changes = Vec::new();
        if !known.is_described_by(&json) {
            changes.push(self.describe(folder, &json).await?);
        }
        let about = About {
            id: Some(manifest.id.clone()),
            name: manifest.name.clone(),
            total_bytes: manifest.bytes(),
            ..known.about.clone()
        };
        changes.extend(known.begun_if_other(folder, about));
        changes.extend(known.lost_but(folder, &parts));
        changes.push(Change::Installed {
            folder: folder.clone(),
            at_ms: known.installed_at_ms.unwrap_or(at_ms),
        });
        self.record(changes)?;
        if let Some((name, _)) = before.filter(|(name, _)| name != folder) {
            self.sweep(&name).await?;
        }
        self.model(folder)
    }

    /// The folder of the unfinished installation that is meant, or the next one, and the parts that it keeps: recorded.
    pub(crate) fn begin(
        &self,
        meant: impl Fn(&About) -> bool,
        about: About,
        parts: &[Part],
    ) -> Result<String> {
        let (folder, known) = self.told(|state| match state.unfinished(meant) {
            Some((name, known)) => (name.clone(), known.clone()),
            None => (state.next_folder(), Folder::default()),
        });
        let mut changes = Vec::from_iter(known.begun_if_other(&folder, about));
        if !parts.is_empty() {
            changes.extend(known.lost_but(&folder, parts));
        }
        self.record(changes)?;
        Ok(folder)
    }

    /// Opens a file that is not stored for writing.
    pub(crate) async fn writer(&self, folder: &str, name: &str) -> Result<Writer<D::File>> {
        let path = path(folder, name);
        let check = || match self.folder(folder)?.files.contains_key(name) {
            false => Ok(()),
            true => Err(Error::Request {
                problem: format!("{path} is stored already"),
                remedy: "write only what is missing",
            }),
        };
        check()?;
        self.settle()?;
        let file = self.disk.create(&path).await.at(&path)?;
        // Somebody else may have finished it meanwhile.
        check()?;
        Ok(Writer {
            folder: folder.to_owned(),
            name: name.to_owned(),
            path,
            file,
            hash: Sha256Stream::new(),
            written: 0,
            bytes: None,
            sha256: None,
        })
    }

    /// Puts what was written on the disk and records it.
    pub(crate) fn store(
        &self,
        writer: Writer<D::File>,
        hash_state: Option<String>,
    ) -> Result<Sha256> {
        let Writer {
            folder,
            name,
            path,
            mut file,
            hash,
            written,
            bytes,
            sha256: expected,
        } = writer;
        self.folder(&folder)?;
        if let Some(expected) = bytes.filter(|bytes| *bytes != written) {
            return Err(Error::Incomplete {
                what: path,
                found: written,
                expected,
            });
        }
        let sha256 = Sha256(hash.finish());
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            file.truncate(0).at(&path)?;
            return Err(Error::WrongPart {
                name,
                found: sha256.to_string(),
                expected: expected.to_string(),
            });
        }
        if file.bytes().at(&path)? != written {
            file.truncate(written).at(&path)?;
        }
        file.flush().at(&path)?;
        self.record(vec![Change::Stored {
            folder,
            file: name,
            stored: Stored {
                bytes: written,
                sha256,
                hash_state,
            },
        }])?;
        Ok(sha256)
    }

    /// Puts a manifest on the disk, beside the one that the folder has -> what makes it the one.
    async fn describe(&self, folder: &str, json: &[u8]) -> Result<Change> {
        let [one, two] = MANIFESTS;
        let known = self.folder(folder)?.manifest;
        let name = if known.is_some_and(|(name, _)| name == one) {
            two
        } else {
            one
        };
        let path = path(folder, name);
        self.settle()?;
        let mut file = self.disk.create(&path).await.at(&path)?;
        file.truncate(0).at(&path)?;
        file.write_all_at(0, json).at(&path)?;
        file.flush().at(&path)?;
        Ok(Change::Described {
            folder: folder.to_owned(),
            file: name.to_owned(),
            stored: Stored {
                bytes: json.len() as u64,
                sha256: Sha256::of(json),
                hash_state: None,
            },
        })
    }
}

impl<F: DiskFile> Writer<F> {
    /// With nothing in its file.
    pub(crate) fn emptied(mut self) -> Result<Self> {
        self.file.truncate(0).at(&self.path)?;
        Ok(self)
    }

    /// Bytes that are written: where the next ones belong.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends bytes, best at most [`PIECE_BYTES`](crate::PIECE_BYTES) at once.
    ///
    /// # Errors
    /// [`Error::TooLong`], and what storage refuses; the bytes may be written again then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let after = self.written + bytes.len() as u64;
        if let Some(bytes) = self.bytes.filter(|bytes| after > *bytes) {
            return Err(Error::TooLong {
                name: self.name.clone(),
                bytes,
            });
        }
        if let Err(error) = self.file.write_all_at(self.written, bytes) {
            // Half of a piece may be there. If it cannot be cut off, the hash will tell.
            let _ = self.file.truncate(self.written);
            return Err(Error::disk(&self.path, error));
        }
        self.hash.update(bytes);
        self.written = after;
        Ok(())
    }
}

impl Part {
    /// A part of which only the plan is known.
    pub(crate) fn planned(plan: &ShardPlan) -> Self {
        Self {
            name: plan.name.clone(),
            bytes: plan.bytes,
            sha256: None,
        }
    }

    fn is(&self, stored: &Stored) -> bool {
        self.bytes == stored.bytes && self.sha256.is_none_or(|sha256| sha256 == stored.sha256)
    }
}

impl Folder {
    fn has(&self, part: &Part) -> bool {
        self.files
            .get(&part.name)
            .is_some_and(|stored| part.is(stored))
    }

    /// Whether a model with these parts is here, some of them perhaps lost, and no other.
    fn is_of(&self, parts: &[Part]) -> bool {
        let manifest = self.manifest.as_ref().map(|(name, _)| name);
        let lost = self.lost.keys().filter(|file| Some(*file) != manifest);
        let was_there = |part: &Part| {
            let lost = self.lost.get(&part.name);
            lost.is_some_and(|stored| stored.as_ref().is_none_or(|stored| part.is(stored)))
        };
        self.shards().count() + lost.count() == parts.len()
            && parts.iter().all(|part| self.has(part) || was_there(part))
    }

    /// Whether this is the manifest on the disk.
    fn is_described_by(&self, json: &[u8]) -> bool {
        self.manifest.as_ref().is_some_and(|(file, stored)| {
            !self.lost.contains_key(file) && stored.sha256 == Sha256::of(json)
        })
    }

    /// What is to be recorded so that this is known of the folder.
    fn begun_if_other(&self, folder: &str, about: About) -> Option<Change> {
        (self.about != about).then(|| Change::Begun {
            folder: folder.to_owned(),
            about,
        })
    }

    /// What is to be recorded so that no shards but these parts are in the folder, and no pieces if their hashes are
    /// known: then nothing is made of them any more.
    fn lost_but(&self, folder: &str, parts: &[Part]) -> Option<Change> {
        let shards = self.shards().map(|(file, _)| file);
        let wrong = shards.filter(|file| {
            !parts
                .iter()
                .any(|part| part.name == **file && self.has(part))
        });
        let mut files: Vec<String> = wrong.cloned().collect();
        if parts.iter().all(|part| part.sha256.is_some()) {
            files.extend(self.pieces().map(|(number, _)| piece_name(number)));
        }
        (!files.is_empty()).then(|| Change::Lost {
            folder: folder.to_owned(),
            files,
        })
    }
}

/// The parts of a model.
///
/// # Errors
/// [`Error::Manifest`] for a manifest that is malformed, [`Error::Request`] for a shard with the name of a manifest.
pub(crate) fn parts_of(manifest: &Manifest) -> Result<Vec<Part>> {
    manifest.check()?;
    let shards = manifest.files.iter().flat_map(|file| &file.shards);
    let parts = shards.map(|shard| {
        Ok(Part {
            name: shard.name.clone(),
            bytes: shard.bytes,
            sha256: Some(shard.sha256.parse()?),
        })
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    parts.iter().try_for_each(check_name)?;
    Ok(parts)
}

/// Checks that a name can be that of a shard's file.
pub(crate) fn check_name(part: &Part) -> Result<()> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let name = &part.name;
    let safe = (1..=128).contains(&name.len()) && name.chars().all(letter);
    match safe && !name.starts_with('.') && name != "manifest.json" {
        true => Ok(()),
        false => Err(Error::Request {
            problem: format!("`{}` is no name for a shard", name.escape_debug()),
            remedy: "use lower-case letters, digits, hyphens and dots",
        }),
    }
}
