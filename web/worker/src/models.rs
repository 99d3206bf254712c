//! The models on this device: a library on OPFS, open while something is done with it.
//!
//! It is opened anew for each call, because an open one keeps other tabs from seeing theirs.

use outpost_engine::weights::shards::{Manifest, Role};
use outpost_protocol::{ModelInfo, ModelStatus, Stage, Unit};
use outpost_store::{
    DiskError, DiskFile, Installation, Library, Model, Reading, Shard, Status, Stopped, Watch,
};
use web_sys::File;

use crate::desk::Task;
use crate::opfs::{Folder, FolderDisk, Handle};
use crate::problem::{Problem, Result};

/// A file that is there only to see whether it can be.
const TRIAL: &str = "trial";
/// The folder of all models.
const MODELS: &str = "models";

/// The library of this origin's models, and the folder that it lies in.
#[derive(Debug)]
pub struct Models(pub Library<FolderDisk>, Folder);

impl Models {
    /// Opens the origin's models.
    ///
    /// # Errors
    /// What storage refuses, and another tab that changes them.
    pub async fn open() -> Result<Self> {
        Self::open_in(&Folder::root().await?).await
    }

    /// Opens models kept below another folder.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_in(parent: &Folder) -> Result<Self> {
        let folder = parent.folder(MODELS).await.map_err(Problem::from)?;
        let (library, found) = Library::open(FolderDisk(folder.clone()), false).await?;
        for gone in found.gone {
            log::warn!("{}: files are gone: {:?}", gone.name, gone.files);
        }
        if found.to_adopt_bytes > 0 {
            library.adopt(now_ms(), &mut ()).await?;
        }
        library.clean_up().await?;
        Ok(Self(library, folder))
    }

    /// Every model, finished or not, ordered by id.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn list(&self) -> Result<Vec<ModelInfo>> {
        let mut models = Vec::new();
        for model in self.0.list() {
            models.push(self.info(model).await);
        }
        models.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(models)
    }

    /// What the page is told of a model.
    pub async fn info(&self, model: Model) -> ModelInfo {
        // One that cannot be read is damaged, which its status says.
        let manifest = self.0.manifest(&model.folder).await.ok();
        let said = |text: fn(&Manifest) -> &String| {
            let text = manifest.as_ref().map(text).cloned();
            text.filter(|text| !text.is_empty())
        };
        let (notice, terms) = (
            said(|manifest| &manifest.notice),
            said(|manifest| &manifest.terms),
        );
        ModelInfo {
            id: model.id.unwrap_or(model.folder),
            name: model.name,
            bytes: model.bytes,
            vision: manifest.is_some_and(|manifest| manifest.file(Role::Vision).is_some()),
            notice,
            terms,
            accepted_ms: model.accepted_at_ms,
            source: model.source,
            status: match model.status {
                Status::Installed => ModelStatus::Installed,
                Status::Unfinished {
                    done_bytes,
                    total_bytes,
                } => ModelStatus::Unfinished {
                    done_bytes,
                    total_bytes,
                },
                Status::Damaged { missing } => ModelStatus::Damaged { missing },
            },
        }
    }

    /// The folder and the manifest of an installed model.
    ///
    /// # Errors
    /// No such model, and one that is damaged.
    pub async fn manifest(&self, id: &str) -> Result<(String, Manifest)> {
        let model = self.0.installed(id).ok_or_else(|| absent(id))?;
        let manifest = self.0.manifest(&model.folder).await?;
        match model.status {
            Status::Damaged { missing } => Err(Problem::new(
                format!(
                    "Of the model \u{201c}{}\u{201d} {} missing or damaged: {}.",
                    model.name,
                    if missing.len() == 1 {
                        "a part is"
                    } else {
                        "parts are"
                    },
                    missing.join(", ")
                ),
                "Add it again: what is whole is kept.",
            )),
            _ => Ok((model.folder, manifest)),
        }
    }

    /// The shards of a model's file with this role, in order, and whatever is read of them compared with what was stored.
    /// `None` if it has none.
    ///
    /// # Errors
    /// A shard that is missing, has another length or no checksums: see [`give_sums`](Self::give_sums).
    pub async fn shards(
        &self,
        folder: &str,
        manifest: &Manifest,
        role: Role,
        reading: &Reading,
    ) -> Result<Option<Vec<Shard<Handle>>>> {
        let Some(file) = manifest.file(role) else {
            return Ok(None);
        };
        let mut sources = Vec::new();
        for shard in &file.shards {
            sources.push(self.0.shard(folder, &shard.name, reading).await?);
        }
        Ok(Some(sources))
    }

    /// The shards of all of a model's files, by name and as the browser hands files out.
    ///
    /// # Errors
    /// A shard that is missing.
    pub async fn files(&self, folder: &str, manifest: &Manifest) -> Result<Vec<(String, File)>> {
        let folder = self.1.existing_folder(folder).await?;
        let mut files = Vec::new();
        for shard in manifest.files.iter().flat_map(|file| &file.shards) {
            let file = match &folder {
                Some(folder) => folder.file(&shard.name).await?,
                None => None,
            };
            let file = file.ok_or(outpost_store::Error::Gone {
                path: shard.name.clone(),
            })?;
            files.push((shard.name.clone(), file));
        }
        Ok(files)
    }

    /// Compares all of a model with its manifest -> whether it is whole. What is wrong makes it a damaged one.
    ///
    /// # Errors
    /// No such model, and what storage refuses.
    pub async fn verify(&self, task: &Task, id: &str) -> Result<bool> {
        let model = self.0.installed(id).ok_or_else(|| absent(id))?;
        let wrong = self.0.verify(&model.folder, &mut Verifying(task)).await?;
        if !wrong.is_empty() {
            log::warn!("{}: damaged or missing: {wrong:?}", model.name);
        }
        Ok(wrong.is_empty())
    }

    /// Checks a model whose shards have no checksums, as an earlier version has left it: then they have.
    ///
    /// # Errors
    /// As [`verify`](Self::verify). What is wrong makes the model a damaged one.
    pub async fn give_sums(&self, task: &Task, id: &str) -> Result<()> {
        let model = self.0.installed(id).ok_or_else(|| absent(id))?;
        if !self.0.has_sums(&model.folder)? {
            self.verify(task, id).await?;
        }
        Ok(())
    }

    /// Makes a model damaged of which other bytes were read than were stored -> what to tell the person. `None` if all were
    /// right.
    pub async fn found_damaged(&self, id: &str, reading: &Reading) -> Option<Problem> {
        let damaged = reading.damaged();
        if damaged.is_empty() {
            return None;
        }
        log::warn!("{id}: damaged: {damaged:?}");
        let model = self.0.installed(id)?;
        if let Err(error) = self.0.lose_all(&model.folder, &damaged).await {
            return Some(error.into());
        }
        self.manifest(id).await.err()
    }

    /// Gives an installation up: what there is of it goes, unless it was to mend a model that is installed.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn give_up(&self, installation: &Installation) -> Result<()> {
        let is_unfinished = |model: &Model| {
            model.folder == installation.folder && matches!(model.status, Status::Unfinished { .. })
        };
        if self.0.list().iter().any(is_unfinished) {
            self.0.delete(&installation.folder).await?;
        }
        Ok(())
    }

    /// Removes a model, or what there is of one, by its id. What is not there is fine.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let is_meant = |model: &Model| model.id.as_deref().unwrap_or(&model.folder) == id;
        for model in self.0.list().into_iter().filter(is_meant) {
            self.0.delete(&model.folder).await?;
        }
        Ok(())
    }
}

/// Whether storage takes a file of so many bytes beside what there is. It is taken away again at once, or, since no journal
/// names it, when the models are opened next.
///
/// # Errors
/// What storage refuses for another reason.
pub async fn has_room(bytes: u64) -> Result<bool> {
    let folder = Folder::root().await?.folder(MODELS).await?;
    let taken = match folder.create(TRIAL).await {
        Ok(mut file) => file.truncate(bytes),
        Err(error) => Err(error),
    };
    folder.remove(TRIAL).await?;
    match taken {
        Ok(()) => Ok(true),
        Err(DiskError::Full) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Shows how far it is, and lets the person stop it.
struct Verifying<'t>(&'t Task);

impl Watch for Verifying<'_> {
    async fn piece(&mut self, done_bytes: u64, total_bytes: u64) -> Result<(), Stopped> {
        self.0
            .progress(Stage::Verifying, done_bytes, total_bytes, Unit::Bytes);
        self.0.check().await.map_err(|_| Stopped)
    }
}

fn absent(id: &str) -> Problem {
    let message = format!("The model \u{201c}{id}\u{201d} is not on this device.");
    Problem::new(message, "Add it, or choose another one.")
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    // Positive, and far below 2^53.
    js_sys::Date::now() as u64
}
