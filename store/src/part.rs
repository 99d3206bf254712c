//! The shards of a model, and how a folder's files compare with them.

use outpost_engine::weights::shards::{Manifest, ShardPlan};

use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::state::{About, Change, Folder, Stored, piece_name};

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

impl Part {
    /// A part of which only the plan is known.
    pub(crate) fn planned(plan: &ShardPlan) -> Self {
        Self {
            name: plan.name.clone(),
            bytes: plan.bytes,
            sha256: None,
        }
    }

    pub(crate) fn is(&self, stored: &Stored) -> bool {
        self.bytes == stored.bytes && self.sha256.is_none_or(|sha256| sha256 == stored.sha256)
    }
}

impl Folder {
    pub(crate) fn has(&self, part: &Part) -> bool {
        self.files
            .get(&part.name)
            .is_some_and(|stored| part.is(stored))
    }

    /// Whether a model with these parts is here, some of them perhaps lost, and no other. Of a part that never was what it
    /// should be only the manifest says what that is.
    pub(crate) fn is_of(&self, parts: &[Part], manifest: Sha256) -> bool {
        let described = self.manifest.as_ref();
        let lost = self.lost.keys();
        let lost = lost.filter(|file| described.is_none_or(|(name, _)| name != *file));
        let same_manifest = described.is_some_and(|(_, stored)| stored.sha256 == manifest);
        let was_there = |part: &Part| match self.lost.get(&part.name) {
            Some(Some(stored)) => part.is(stored),
            Some(None) => same_manifest,
            None => false,
        };
        self.shards().count() + lost.count() == parts.len()
            && parts.iter().all(|part| self.has(part) || was_there(part))
    }

    /// Whether this is the manifest on the disk.
    pub(crate) fn is_described_by(&self, json: &[u8]) -> bool {
        self.manifest.as_ref().is_some_and(|(file, stored)| {
            !self.lost.contains_key(file) && stored.sha256 == Sha256::of(json)
        })
    }

    /// What is to be recorded so that this is known of the folder.
    pub(crate) fn begun_if_other(&self, folder: &str, about: About) -> Option<Change> {
        (self.about != about).then(|| Change::Begun {
            folder: folder.to_owned(),
            about,
        })
    }

    /// What is to be recorded so that no shards but these parts are in the folder, and no pieces if their hashes are
    /// known: then nothing is made of them any more.
    pub(crate) fn lost_but(&self, folder: &str, parts: &[Part]) -> Option<Change> {
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
