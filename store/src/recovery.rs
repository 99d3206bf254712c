//! After a start: what the journal says is compared with what is there.
//!
//! A folder that the journal has never heard of is older than the journal, or the journal that knew it is lost. It is
//! adopted if it has a manifest: its shards are hashed, and what is right is kept. A folder that the journal has heard of
//! and no longer names was removed, whatever the disk still shows.

use std::collections::BTreeSet;

use outpost_engine::weights::limits::MAX_JSON_BYTES;
use outpost_engine::weights::shards::Manifest;

use crate::disk::{Disk, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::{Course, Sha256, Watch, read_whole};
use crate::install::MANIFESTS;
use crate::journal::Journal;
use crate::library::{Library, decode, encode, is_journal, path};
use crate::part::{Part, parts_of};
use crate::state::{About, Change, State, Stored, number_of};

/// The manifest of a model from before there was a journal.
const OLD_MANIFEST: &str = "manifest.json";

/// What was found at a start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether there was a journal, as the caller remembers, and is none: storage was cleared, or is damaged.
    pub journal_gone: bool,
    /// Models of which files are gone: the browser has evicted them, or somebody cleared storage.
    pub gone: Vec<Gone>,
    /// Bytes that [`Library::adopt`] would hash.
    pub to_adopt_bytes: u64,
}

/// A model of which files are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its folder.
    pub folder: String,
    /// Its name.
    pub name: String,
    /// The files that are gone.
    pub files: Vec<String>,
    /// Whether nothing of it is left.
    pub all: bool,
}

impl<D: Disk> Library<D> {
    /// Opens the library on a disk; begins one where there is none. `remembered` says that the caller knows of one.
    ///
    /// # Errors
    /// [`Error::Held`] if it is open in another tab, [`Error::Newer`] if a later version wrote it, and what storage
    /// refuses.
    pub async fn open(disk: D, remembered: bool) -> Result<(Self, Found)> {
        let found = Journal::find(&disk).await?;
        let journal_gone = remembered && found.is_none();
        let (journal, state) = match found {
            Some((journal, payloads)) => (journal, State::of(&decode(&payloads)?)),
            None => {
                let state = State::default();
                let everything = encode(&state.changes())?;
                (Journal::begin(&disk, &everything).await?, state)
            }
        };
        let library = Self::new(disk, journal, state);
        library.discover().await?;
        let found = Found {
            journal_gone,
            gone: library.miss().await?,
            to_adopt_bytes: library.to_adopt().iter().map(|(_, bytes)| bytes).sum(),
        };
        Ok((library, found))
    }

    /// Hashes the shards of models that the journal had not heard of. Those that are right are kept; a model of which
    /// some are not is damaged. Goes on where it was stopped.
    ///
    /// # Errors
    /// [`Error::Stopped`], and what storage refuses.
    pub async fn adopt(&self, at_ms: u64, watch: &mut impl Watch) -> Result<()> {
        let folders = self.to_adopt();
        let mut course = Course {
            watch,
            done_bytes: 0,
            total_bytes: folders.iter().map(|(_, bytes)| bytes).sum(),
        };
        for (folder, bytes) in folders {
            let before = course.done_bytes;
            self.adopt_folder(&folder, at_ms, &mut course).await?;
            course.done_bytes = before + bytes;
        }
        Ok(())
    }

    /// Removes what belongs to nobody -> how many bytes that frees. Files that are open are left.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn clean_up(&self) -> Result<u64> {
        self.settle()?;
        let mut freed = 0;
        for name in self.disk.names("").await.at("")? {
            if is_journal(&name) {
                continue;
            }
            match self.disk.bytes(&name).await.at(&name)? {
                Some(bytes) => freed += if self.remove(&name).await? { bytes } else { 0 },
                None if self.folder(&name).is_ok() => freed += self.clean_folder(&name).await?,
                None => freed += self.sweep(&name).await?,
            }
        }
        self.compact_if_grown().await?;
        Ok(freed)
    }

    /// Begins to adopt folders that the journal has not heard of, and finds the manifests of installations that were
    /// stopped, or forgotten, before it was recorded.
    async fn discover(&self) -> Result<()> {
        let mut folders = self.disk.names("").await.at("")?;
        // By their numbers: one that is recorded makes every lower number one that was heard of.
        folders.sort_by_key(|folder| number_of(folder));
        for folder in folders {
            let known = self.folder(&folder).ok();
            let heard_of = self.told(|state| state.has_heard_of(&folder));
            let searched = match &known {
                Some(known) => known.manifest.is_none() && known.installed_at_ms.is_none(),
                None => !heard_of && !is_journal(&folder),
            };
            if !searched {
                continue;
            }
            let Some((file, manifest, stored)) = self.search(&folder).await? else {
                continue;
            };
            let unknown = About {
                to_adopt: true,
                ..About::default()
            };
            let about = About {
                total_bytes: manifest.bytes(),
                id: Some(manifest.id),
                name: manifest.name,
                ..known.map_or(unknown, |known| known.about)
            };
            self.record(vec![
                Change::Begun {
                    folder: folder.clone(),
                    about,
                },
                Change::Described {
                    folder,
                    file,
                    stored,
                },
            ])?;
        }
        Ok(())
    }

    /// The first manifest in a folder that can be read, and the name of its file.
    async fn search(&self, folder: &str) -> Result<Option<(String, Manifest, Stored)>> {
        let [one, two] = MANIFESTS;
        for file in [one, two, OLD_MANIFEST] {
            if let Some((manifest, stored)) = self.describes(&path(folder, file)).await? {
                return Ok(Some((file.to_owned(), manifest, stored)));
            }
        }
        Ok(None)
    }

    /// The manifest at a path, if there is one that can be read.
    async fn describes(&self, path: &str) -> Result<Option<(Manifest, Stored)>> {
        if self.disk.bytes(path).await.at(path)?.is_none() {
            return Ok(None);
        }
        let mut file = self.disk.create(path).await.at(path)?;
        let Some(json) = read_whole(&file, MAX_JSON_BYTES).at(path)? else {
            return Ok(None);
        };
        // What is read may not be on the disk yet.
        file.flush().at(path)?;
        let stored = Stored {
            bytes: json.len() as u64,
            sha256: Sha256::of(&json),
            sums: None,
            hash_state: None,
        };
        // What cannot be read describes nothing.
        let manifest = Manifest::from_json(&json).ok();
        Ok(manifest.map(|manifest| (manifest, stored)))
    }

    /// Records which files are gone or have another length.
    async fn miss(&self) -> Result<Vec<Gone>> {
        let mut all_gone = Vec::new();
        for (folder, known) in self.told(|state| state.folders.clone()) {
            let manifest = known.manifest.iter().map(|(name, stored)| (name, stored));
            let recorded: Vec<_> = manifest.chain(&known.files).collect();
            let mut files = Vec::new();
            for (file, stored) in &recorded {
                let path = path(&folder, file);
                let found = self.disk.bytes(&path).await.at(&path)?;
                if found != Some(stored.bytes) && !known.lost.contains_key(*file) {
                    files.push((*file).clone());
                }
            }
            if files.is_empty() {
                continue;
            }
            self.record(vec![Change::Lost {
                folder: folder.clone(),
                files: files.clone(),
            }])?;
            all_gone.push(Gone {
                all: files.len() == recorded.len(),
                name: known.about.name,
                folder,
                files,
            });
        }
        Ok(all_gone)
    }

    /// Folders to be adopted, and their bytes.
    fn to_adopt(&self) -> Vec<(String, u64)> {
        self.told(|state| {
            let folders = state.folders.iter();
            folders
                .filter(|(_, folder)| folder.about.to_adopt)
                .map(|(name, folder)| (name.clone(), folder.about.total_bytes))
                .collect()
        })
    }

    async fn adopt_folder<W: Watch>(
        &self,
        folder: &str,
        at_ms: u64,
        course: &mut Course<'_, W>,
    ) -> Result<()> {
        let manifest = match self.manifest(folder).await {
            Ok(manifest) => manifest,
            // It could be read a moment ago; without it, this is nothing.
            Err(Error::NoManifest { .. }) => return self.disown(folder),
            Err(error) => return Err(error),
        };
        // A whole model of this id was installed by the journal's own account: that one is kept.
        if self.told(|state| {
            state
                .installed(&manifest.id)
                .is_some_and(|(_, known)| known.is_whole())
        }) {
            return self.disown(folder);
        }
        let mut wrong = Vec::new();
        for part in parts_of(&manifest)? {
            if self.folder(folder)?.files.contains_key(&part.name) {
                course.advance(part.bytes).await?;
            } else if let Some(stored) = self.right_part(folder, &part, course).await? {
                self.record(vec![Change::Stored {
                    folder: folder.to_owned(),
                    file: part.name,
                    stored,
                }])?;
            } else {
                wrong.push(part.name);
            }
        }
        self.record(vec![
            Change::Installed {
                folder: folder.to_owned(),
                at_ms,
            },
            Change::Lost {
                folder: folder.to_owned(),
                files: wrong,
            },
        ])
    }

    fn disown(&self, folder: &str) -> Result<()> {
        self.record(vec![Change::Removed {
            folder: folder.to_owned(),
        }])
    }

    /// A shard that lies there and is what its manifest promises.
    async fn right_part<W: Watch>(
        &self,
        folder: &str,
        part: &Part,
        course: &mut Course<'_, W>,
    ) -> Result<Option<Stored>> {
        let path = path(folder, &part.name);
        if self.disk.bytes(&path).await.at(&path)? != Some(part.bytes) {
            return Ok(None);
        }
        let mut file = self.disk.create(&path).await.at(&path)?;
        let (sha256, sums) = course.hash(&file, &path, part.bytes).await?.finish();
        // What was read may not be on the disk yet.
        file.flush().at(&path)?;
        if Some(sha256) == part.sha256 {
            return Ok(Some(Stored {
                bytes: part.bytes,
                sha256,
                sums: Some(sums),
                hash_state: None,
            }));
        }
        // There is nothing in it to go on with.
        drop(file);
        self.remove(&path).await?;
        Ok(None)
    }

    /// Removes the files of a folder that neither are stored nor can be gone on with.
    async fn clean_folder(&self, folder: &str) -> Result<u64> {
        let known = self.folder(folder)?;
        if known.about.to_adopt {
            return Ok(0);
        }
        let begun: BTreeSet<String> = match known.is_whole() {
            true => BTreeSet::new(),
            false => match self.manifest(folder).await {
                Ok(manifest) => parts_of(&manifest)?.into_iter().map(|p| p.name).collect(),
                // Parts that no manifest speaks of are begun from nothing.
                Err(Error::NoManifest { .. }) => BTreeSet::new(),
                // A later version may know what is needed.
                Err(Error::Manifest(_)) => return Ok(0),
                Err(error) => return Err(error),
            },
        };
        let mut freed = 0;
        for file in self.disk.names(folder).await.at(folder)? {
            let kept = begun.contains(&file)
                || self
                    .folder(folder)
                    .is_ok_and(|known| known.is_recorded(&file));
            let path = path(folder, &file);
            if !kept {
                let bytes = self.disk.bytes(&path).await.at(&path)?.unwrap_or(0);
                freed += if self.remove(&path).await? { bytes } else { 0 };
            }
        }
        Ok(freed)
    }
}
