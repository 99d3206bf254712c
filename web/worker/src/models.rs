//! Installed models: one folder each in OPFS, named by the model's id, with its shards and a manifest.
//!
//! The manifest is written last and removed first, so a folder that has one is complete.

use outpost_engine::weights::limits::MAX_JSON_BYTES;
use outpost_engine::weights::shards::{Manifest, ManifestFile, Role};
use outpost_protocol::ModelInfo;

use crate::opfs::Folder;
use crate::problem::{Problem, Result};
use crate::sources::HandleSource;

/// The folder of all models.
const MODELS: &str = "models";
/// The document that makes a folder a model.
const MANIFEST: &str = "manifest.json";
/// What is being copied, before its id is known. No id has this form.
const INCOMING: &str = "incoming.partial";

/// The models of this origin.
#[derive(Debug, Clone)]
pub struct Models {
    folder: Folder,
}

impl Models {
    /// Opens the origin's models.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn open() -> Result<Self> {
        Self::open_in(&Folder::root().await?).await
    }

    /// Opens models kept below another folder.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn open_in(parent: &Folder) -> Result<Self> {
        Ok(Self {
            folder: parent.folder(MODELS).await?,
        })
    }

    /// Every complete model, ordered by id.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn list(&self) -> Result<Vec<ModelInfo>> {
        let mut models = Vec::new();
        for id in self.folder.names().await? {
            // A manifest that cannot be read is no model; adding the model again replaces it.
            if let Ok(manifest) = self.manifest(&id).await {
                models.push(info(&manifest));
            }
        }
        Ok(models)
    }

    /// The manifest of a complete model, checked.
    ///
    /// # Errors
    /// No such model, and a manifest that is damaged.
    pub async fn manifest(&self, id: &str) -> Result<Manifest> {
        let absent = || {
            let message = format!("The model \u{201c}{id}\u{201d} is not on this device.");
            Problem::new(message, "Add it, or choose another one.")
        };
        if !is_id(id) {
            return Err(absent());
        }
        let folder = self.folder.existing_folder(id).await?.ok_or_else(absent)?;
        let json = folder
            .read(MANIFEST, MAX_JSON_BYTES)
            .await?
            .ok_or_else(absent)?;
        Ok(Manifest::from_json(&json)?)
    }

    /// The shards of a model's file with this role, in order, each as long as the manifest says. `None` if it has none.
    ///
    /// # Errors
    /// A shard that is missing or has another length.
    pub async fn shards(
        &self,
        manifest: &Manifest,
        role: Role,
    ) -> Result<Option<Vec<HandleSource>>> {
        let Some(file) = manifest.file(role) else {
            return Ok(None);
        };
        let folder = self.folder.folder(&manifest.id).await?;
        let mut sources = Vec::new();
        for shard in &file.shards {
            let broken = |what: &str| {
                let message = format!(
                    "The part {} of \u{201c}{}\u{201d} {what}.",
                    shard.name, manifest.name
                );
                Problem::new(message, "Remove the model and add it again.")
            };
            let handle = folder
                .open(&shard.name)
                .await?
                .ok_or_else(|| broken("is missing"))?;
            if handle.bytes()? != shard.bytes {
                return Err(broken("has not its full length"));
            }
            sources.push(HandleSource::new(handle)?);
        }
        Ok(Some(sources))
    }

    /// Removes a model, its manifest first.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn delete(&self, id: &str) -> Result<()> {
        if is_id(id)
            && let Some(folder) = self.folder.existing_folder(id).await?
        {
            folder.remove(MANIFEST).await?;
            self.folder.remove(id).await?;
        }
        Ok(())
    }

    /// The folder of a model that is being installed, with whatever an earlier attempt left in it.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn unfinished(&self, id: &str) -> Result<Folder> {
        let folder = self.folder.folder(id).await?;
        folder.remove(MANIFEST).await?;
        Ok(folder)
    }

    /// An empty folder for a model whose id is not known yet.
    ///
    /// # Errors
    /// What storage refuses, and another tab that is copying a model.
    pub async fn incoming(&self) -> Result<Folder> {
        self.folder.remove(INCOMING).await?;
        self.folder.folder(INCOMING).await
    }

    /// Moves what came in to its own folder.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn take_incoming(&self, incoming: &Folder, manifest: &Manifest) -> Result<()> {
        let folder = self.unfinished(&manifest.id).await?;
        for shard in manifest
            .files
            .iter()
            .flat_map(|file: &ManifestFile| &file.shards)
        {
            folder.remove(&shard.name).await?;
            incoming.move_file(&shard.name, &folder).await?;
        }
        self.clear_incoming().await
    }

    /// Removes what was being copied.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn clear_incoming(&self) -> Result<()> {
        self.folder.remove(INCOMING).await
    }

    /// Makes a model complete, once all of its shards are.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn complete(&self, manifest: &Manifest) -> Result<ModelInfo> {
        let json = manifest.to_json()?;
        self.folder
            .folder(&manifest.id)
            .await?
            .write(MANIFEST, &json)
            .await?;
        Ok(info(manifest))
    }
}

/// What the page is told of a model.
pub fn info(manifest: &Manifest) -> ModelInfo {
    ModelInfo {
        id: manifest.id.clone(),
        name: manifest.name.clone(),
        bytes: manifest.bytes(),
        vision: manifest.file(Role::Vision).is_some(),
        notice: (!manifest.notice.is_empty()).then(|| manifest.notice.clone()),
    }
}

/// Whether this can name a model's folder.
fn is_id(id: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=64).contains(&id.len()) && id.chars().all(letter)
}
