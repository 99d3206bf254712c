//! A shard set among files that a person chose: an archive that another device made, or its files one by one, such as from a
//! memory card. A shard counts once its SHA-256 is the one that the manifest promises.

use std::collections::BTreeMap;

use outpost_engine::ports::ByteSource;
use outpost_engine::weights::limits::MAX_JSON_BYTES;
use outpost_engine::weights::shards::Manifest;
use outpost_protocol::{Consent, ModelInfo};
use outpost_store::Error;
use outpost_store::archive::{MANIFEST, is_archive, members};
use web_sys::File;

use super::terms::{self, Terms};
use super::{copy, damaged, names};
use crate::desk::Task;
use crate::models::{Models, now_ms};
use crate::problem::{Problem, Result};
use crate::sources::FileSource;

/// A shard set in files.
#[derive(Debug)]
pub struct ShardSet {
    sources: Vec<FileSource>,
    places: BTreeMap<String, Place>,
}

/// Where a file of a shard set lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    source: usize,
    offset: u64,
    bytes: u64,
}

/// The shard set among `files`; `None` if there is no manifest.
///
/// # Errors
/// An archive that is damaged, and files that cannot be read.
pub fn find(files: &[File]) -> Result<Option<ShardSet>> {
    let mut set = ShardSet {
        sources: Vec::new(),
        places: BTreeMap::new(),
    };
    for file in files {
        let source = FileSource::new(file.clone())?;
        let number = set.sources.len();
        if is_archive(&source) {
            for member in members(&source)? {
                let place = Place {
                    source: number,
                    offset: member.offset,
                    bytes: member.bytes,
                };
                set.places.insert(member.name, place);
            }
        } else {
            let place = Place {
                source: number,
                offset: 0,
                bytes: source.len(),
            };
            set.places.insert(file.name(), place);
        }
        set.sources.push(source);
    }
    Ok(set.places.contains_key(MANIFEST).then_some(set))
}

/// Installs a shard set.
///
/// # Errors
/// Files that lack something or are damaged, terms that nobody has accepted, and what storage refuses.
pub async fn import(
    task: &Task,
    models: &Models,
    set: &ShardSet,
    files: &[File],
    consent: Consent,
) -> Result<ModelInfo> {
    let manifest = Manifest::from_json(&set.manifest()?)?;
    let source = names(files);
    let accepted = terms::ask(models, consent, &Terms::of(&manifest, &source), |known| {
        known.id.as_ref() == Some(&manifest.id)
    })?;
    let installation = models.0.install(&manifest, &source).await?;
    terms::note(models, &installation, accepted)?;
    for part in models.0.missing(&installation) {
        set.check(&part.name, part.bytes)?;
    }
    copy(task, models, &installation, |name, offset, bytes| {
        set.read(name, offset, bytes)
    })
    .await?;
    let model = models
        .0
        .complete(&installation, &manifest, now_ms())
        .await?;
    Ok(models.info(model).await)
}

impl ShardSet {
    fn manifest(&self) -> Result<Vec<u8>> {
        let bytes = self.places.get(MANIFEST).map_or(0, |place| place.bytes);
        if bytes > MAX_JSON_BYTES {
            return Err(damaged(MANIFEST));
        }
        let mut json = vec![0; bytes as usize];
        self.read(MANIFEST, 0, &mut json)?;
        Ok(json)
    }

    /// Fails early where a shard is not among the files, or cut.
    fn check(&self, name: &str, bytes: u64) -> Result<()> {
        match self.places.get(name) {
            Some(place) if place.bytes == bytes => Ok(()),
            Some(_) => Err(damaged(name)),
            None => Err(Problem::new(
                format!("{name} is not among the chosen files."),
                "Choose all files of the model together.",
            )),
        }
    }

    fn read(&self, name: &str, offset: u64, bytes: &mut [u8]) -> Result<()> {
        let place = self.places.get(name);
        let place = place.filter(|place| offset + bytes.len() as u64 <= place.bytes);
        match place.and_then(|place| Some((place, self.sources.get(place.source)?))) {
            Some((place, source)) => Ok(source.read_exact_at(place.offset + offset, bytes)?),
            None => Err(Error::NotHere {
                what: name.to_owned(),
            }
            .into()),
        }
    }
}
