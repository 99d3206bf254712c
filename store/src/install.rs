//! How a model gets onto the disk: part by part, each compared before it counts, and the model itself last of all.
//!
//! 1. A folder is begun: recorded before it is made.
//! 2. The manifest, where it is known, is on the disk before it is recorded. So is every part.
//! 3. The model is recorded as installed when all of this is there. In the same entry it takes the place of what was
//!    installed under its id before, whose files are removed after that.

use outpost_engine::weights::shards::Manifest;

use crate::disk::{Disk, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::Sha256;
use crate::library::{Library, Model, path};
use crate::part::{Part, parts_of};
use crate::state::{About, Change, Folder, Stored};

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
            folder
                .is_of(&parts, Sha256::of(&json))
                .then(|| name.clone())
        });
        if let Some(folder) = same {
            return Ok(Installation { folder, parts });
        }
        let unfinished = |known: &About| known.id.as_ref() == Some(&manifest.id);
        let about = About {
            id: Some(manifest.id.clone()),
            name: manifest.name.clone(),
            source: source.to_owned(),
            total_bytes: manifest.bytes(),
            accepted_at_ms: self.told(|state| state.unfinished(unfinished)?.1.about.accepted_at_ms),
            ..About::default()
        };
        let folder = self.begin(unfinished, about, &parts)?;
        let described = self.folder(&folder)?.manifest;
        if described.is_none_or(|(_, stored)| stored.sha256 != Sha256::of(&json)) {
            let change = self.describe(&folder, &json).await?;
            self.record(vec![change])?;
        }
        Ok(Installation { folder, parts })
    }

    /// Notes that the person has accepted the terms of what is being installed, which its model keeps.
    ///
    /// # Errors
    /// [`Error::NotHere`] if the installation was deleted, and what storage refuses.
    pub fn accept(&self, installation: &Installation, at_ms: u64) -> Result<()> {
        let known = self.folder(&installation.folder)?;
        let about = About {
            accepted_at_ms: known.about.accepted_at_ms.or(Some(at_ms)),
            ..known.about.clone()
        };
        let change = known.begun_if_other(&installation.folder, about);
        self.record(Vec::from_iter(change))
    }

    /// When the terms of what is being installed were accepted.
    pub fn accepted_at_ms(&self, installation: &Installation) -> Option<u64> {
        self.told(|state| {
            state
                .folders
                .get(&installation.folder)?
                .about
                .accepted_at_ms
        })
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
        let known = self.with_all(folder, &parts)?;
        let here = self.told(|state| {
            let (name, installed) = state.installed(&manifest.id)?;
            let same = installed.is_whole() && installed.is_described_by(&json);
            same.then(|| (name.clone(), installed.clone()))
        });
        if let Some((name, installed)) = here {
            if name != *folder {
                self.merge(folder, &known, &name, &installed).await?;
            }
            return self.model(&name);
        }
        let described = match known.is_described_by(&json) {
            true => None,
            false => Some(self.describe(folder, &json).await?),
        };

        // While the manifest's file was opened, the installation may have been deleted. From here on nothing waits.
        let known = self.with_all(folder, &parts)?;
        let before = self.told(|state| Some(state.installed(&manifest.id)?.0.clone()));
        let about = About {
            id: Some(manifest.id.clone()),
            name: manifest.name.clone(),
            total_bytes: manifest.bytes(),
            ..known.about.clone()
        };
        let mut changes = Vec::from_iter(described);
        changes.extend(known.begun_if_other(folder, about));
        changes.extend(known.lost_but(folder, &parts));
        changes.push(Change::Installed {
            folder: folder.clone(),
            at_ms: known.installed_at_ms.unwrap_or(at_ms),
        });
        self.record(changes)?;
        if let Some(before) = before.filter(|before| before != folder) {
            self.sweep(&before).await?;
        }
        self.model(folder)
    }

    /// A folder in which every part is stored.
    fn with_all(&self, folder: &str, parts: &[Part]) -> Result<Folder> {
        let known = self.folder(folder)?;
        let stored = parts.iter().filter(|part| known.has(part)).count();
        match stored == parts.len() {
            true => Ok(known),
            false => Err(Error::Incomplete {
                what: format!("the model {}", known.about.name),
                found: stored as u64,
                expected: parts.len() as u64,
            }),
        }
    }

    /// Removes a folder that came to the same as an installed one, and notes that this one comes from there as well.
    async fn merge(
        &self,
        folder: &str,
        known: &Folder,
        name: &str,
        installed: &Folder,
    ) -> Result<()> {
        let about = About {
            key: known.about.key.clone().or(installed.about.key.clone()),
            accepted_at_ms: (installed.about.accepted_at_ms).or(known.about.accepted_at_ms),
            ..installed.about.clone()
        };
        let removed = Change::Removed {
            folder: folder.to_owned(),
        };
        let begun = installed.begun_if_other(name, about);
        self.record(begun.into_iter().chain([removed]).collect())?;
        self.sweep(folder).await.map(|_| ())
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
                sums: None,
                hash_state: None,
            },
        })
    }
}
