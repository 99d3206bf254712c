//! Installing a model whose manifest is known only at the end: a file in another format that becomes shards.
//!
//! The caller names what it converts by a key, a hash, and comes back with the same key to go on. Shards have names and
//! lengths from a plan; their hashes are found while they are written. Pieces of the raw file may be stored until
//! they are used: a file that comes through a network is larger than memory.

use outpost_engine::weights::shards::ShardPlan;

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::install::Installation;
use crate::library::{Library, not_here, path};
use crate::part::{Part, check_name};
use crate::state::{About, Change, piece_name};
use crate::write::Writer;

/// What is converted.
#[derive(Debug, Clone, Copy)]
pub struct Conversion<'a> {
    /// Stands for the bytes of the raw file and for how they are laid out in shards: the same key must mean the same
    /// shards.
    pub key: &'a str,
    /// Name for people.
    pub name: &'a str,
    /// Where it comes from.
    pub source: &'a str,
    /// The shards that it becomes; none while the plan is not known.
    pub shards: &'a [ShardPlan],
}

/// A piece of a raw file that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its place in the file, as the caller counts.
    pub number: u32,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub sha256: Sha256,
    /// What the caller needs to go on hashing the whole file after it.
    pub hash_state: String,
}

impl<D: Disk> Library<D> {
    /// Begins to convert a file, or goes on: shards that are stored are kept. Once the plan is known, this is called
    /// again with it. If the model is installed that came from this key, the installation is that one, with nothing
    /// missing or with what is damaged.
    ///
    /// # Errors
    /// [`Error::Request`] for a plan with impossible names, and what storage refuses.
    pub async fn convert(&self, conversion: Conversion<'_>) -> Result<Installation> {
        let Conversion {
            key,
            name,
            source,
            shards,
        } = conversion;
        let parts: Vec<Part> = shards.iter().map(Part::planned).collect();
        parts.iter().try_for_each(check_name)?;
        if let Some(installation) = self.converted(key, &parts).await? {
            return Ok(installation);
        }
        let is_this = |known: &About| known.key.as_deref() == Some(key);
        let known = self.told(|state| Some(state.unfinished(is_this)?.1.about.clone()));
        let known = known.unwrap_or_default();
        let total_bytes = match parts.is_empty() {
            true => known.total_bytes,
            false => parts.iter().map(|part| part.bytes).sum(),
        };
        let about = About {
            key: Some(key.to_owned()),
            name: name.to_owned(),
            source: source.to_owned(),
            total_bytes,
            id: known.id,
            accepted_at_ms: known.accepted_at_ms,
            to_adopt: false,
        };
        let folder = self.begin(is_this, about, &parts)?;
        Ok(Installation { folder, parts })
    }

    /// Opens a piece of the raw file for writing, from nothing.
    ///
    /// # Errors
    /// [`Error::NotHere`] if the installation was deleted, [`Error::Request`] for a piece that is stored, and what
    /// storage refuses.
    pub async fn write_piece(
        &self,
        installation: &Installation,
        number: u32,
    ) -> Result<Writer<D::File>> {
        let name = piece_name(number);
        self.writer(&installation.folder, &name).await?.emptied()
    }

    /// Ends a piece: puts it on the disk and records it, with whatever text its caller needs to go on after it.
    ///
    /// # Errors
    /// [`Error::NotHere`] if the installation was deleted meanwhile, and what storage refuses.
    pub fn finish_piece(&self, writer: Writer<D::File>, hash_state: &str) -> Result<Sha256> {
        self.store(writer, Some(hash_state.to_owned()))
    }

    /// The pieces that are stored, in order.
    pub fn pieces(&self, installation: &Installation) -> Vec<Piece> {
        let Ok(folder) = self.folder(&installation.folder) else {
            return Vec::new();
        };
        let pieces = folder.pieces().map(|(number, stored)| Piece {
            number,
            bytes: stored.bytes,
            sha256: stored.sha256,
            hash_state: stored.hash_state.clone().unwrap_or_default(),
        });
        let mut pieces: Vec<_> = pieces.collect();
        pieces.sort_by_key(|piece| piece.number);
        pieces
    }

    /// Opens a piece that is stored for reading.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_piece(&self, installation: &Installation, number: u32) -> Result<D::File> {
        self.read(&installation.folder, &piece_name(number)).await
    }

    /// Removes a piece that is not needed any more.
    ///
    /// # Errors
    /// [`Error::NotHere`], and what storage refuses.
    pub async fn drop_piece(&self, installation: &Installation, number: u32) -> Result<()> {
        let (folder, name) = (&installation.folder, piece_name(number));
        let path = path(folder, &name);
        if !self.folder(folder)?.files.contains_key(&name) {
            return Err(not_here(&path));
        }
        self.record(vec![Change::Lost {
            folder: folder.clone(),
            files: vec![name],
        }])?;
        // One that is open is left to the next clean-up.
        self.remove(&path).await.map(|_| ())
    }

    /// The installed model that came from this key, if it has the shards of the plan.
    async fn converted(&self, key: &str, plan: &[Part]) -> Result<Option<Installation>> {
        let folder = self.told(|state| {
            let is_this = |known: &About| known.key.as_deref() == Some(key);
            let mut installed = state
                .folders
                .iter()
                .filter(|(_, folder)| folder.installed_at_ms.is_some() && is_this(&folder.about));
            installed.next().map(|(name, _)| name.clone())
        });
        let Some(folder) = folder else {
            return Ok(None);
        };
        match self.resume(&folder).await {
            Ok(installation) => {
                let planned = |(part, plan): (&Part, &Part)| {
                    part.name == plan.name && part.bytes == plan.bytes
                };
                let same = installation.parts.len() == plan.len()
                    && installation.parts.iter().zip(plan).all(planned);
                Ok((same || plan.is_empty()).then_some(installation))
            }
            // Whatever is wrong with its description, it can be made again beside it.
            Err(Error::NoManifest { .. } | Error::Manifest(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
