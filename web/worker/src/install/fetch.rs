//! Models from other hosts: a shard set as it is, GGUF files packed into shards as they arrive.
//!
//! A file is fetched once, in order. What arrives is stored in pieces until every shard that needs it is written: the parts
//! of a tensor lie one after the other in shards, and mixed in the file. So beside the shards there is at most one tensor
//! in pieces, the header, and what has arrived since.

use std::cell::Cell;

use outpost_engine::ports::ByteSource;
use outpost_engine::weights::Gguf;
use outpost_engine::weights::shards::{LAYOUT_VERSION, Manifest, Packing, ShardPlan};
use outpost_protocol::{Consent, ModelInfo, ModelState};
use outpost_store::{Conversion, Installation, Model, PIECE_BYTES as READ_BYTES, Sha256, Status};
use web_sys::Url;

use super::gguf::{SHARD_BYTES, about, manifest_of, name_of, planned, roles};
use super::remote::{Course, PIECE_BYTES, RemoteFile, with_hash};
use super::terms::{self, Terms};
use super::{Watching, check_space, download, remote};
use crate::desk::Task;
use crate::models::{Models, now_ms};
use crate::problem::{Problem, Result};
use crate::sources::PieceSource;

/// A model, and its picture file.
const MOST_FILES: usize = 2;

/// Installs what lies at `addresses`: a manifest, or a GGUF file and its picture file.
///
/// # Errors
/// No network, other files, terms that nobody has accepted, and what storage refuses.
pub async fn fetch(
    task: &Task,
    models: &Models,
    addresses: &[String],
    consent: Consent,
) -> Result<ModelInfo> {
    task.state(None, ModelState::Downloading);
    for address in addresses {
        check_address(address)?;
    }
    match addresses {
        [manifest] if path(manifest).ends_with(".json") => {
            download(task, models, manifest, consent).await
        }
        [_, ..] if addresses.len() <= MOST_FILES => convert(task, models, addresses, consent).await,
        _ => Err(Problem::new(
            "A model has one address, and its picture file another.",
            "Give the address of the model, and at most one more.",
        )),
    }
}

async fn convert(
    task: &Task,
    models: &Models,
    addresses: &[String],
    consent: Consent,
) -> Result<ModelInfo> {
    let course = Course {
        task,
        done: Cell::new(0),
        total: Cell::new(0),
    };
    let mut files = Vec::new();
    // As files that are chosen together: their order makes the model's id.
    let mut addresses: Vec<_> = addresses.iter().collect();
    addresses.sort_by_key(|address| remote::name_of(address));
    for (index, address) in (0..).zip(addresses) {
        files.push(RemoteFile::find(&course, models, address, index).await?);
    }
    let job = Job {
        task,
        models,
        key: key_of(&files),
        source: source_of(&files, |file| file.address.clone()),
        consent,
    };
    job.forget_others().await?;
    let name = files.first().map_or("Model", |file| file.source.label());
    let installation = models
        .0
        .convert(job.conversion(name, &job.source, &[]))
        .await?;
    if !installation.parts.is_empty() && models.0.missing(&installation).is_empty() {
        return job.found(&installation).await;
    }
    let installed = job.install(&installation, &mut files).await;
    if let Err(Problem::Replaced { .. } | Problem::Terms { .. }) = installed {
        // What is open cannot be removed.
        files.clear();
        models.give_up(&installation).await?;
    }
    installed
}

/// A conversion.
struct Job<'t> {
    task: &'t Task,
    models: &'t Models,
    key: String,
    source: String,
    consent: Consent,
}

/// A file's packed stream: which of its bytes need which of the file's.
struct Needs {
    header_bytes: u64,
    /// Where each tensor ends in the stream, and where it begins in the file.
    tensors: Vec<(u64, u64)>,
}

impl Job<'_> {
    fn conversion<'a>(
        &'a self,
        name: &'a str,
        source: &'a str,
        shards: &'a [ShardPlan],
    ) -> Conversion<'a> {
        Conversion {
            key: &self.key,
            name,
            source,
            shards,
        }
    }

    /// Removes what is not finished of earlier versions of the same files.
    async fn forget_others(&self) -> Result<()> {
        let is_other = |model: &Model| {
            let unfinished = matches!(model.status, Status::Unfinished { .. });
            unfinished && model.source == self.source && model.key.as_ref() != Some(&self.key)
        };
        for model in self.models.0.list().into_iter().filter(is_other) {
            self.models.0.delete(&model.folder).await?;
        }
        Ok(())
    }

    /// What is installed already.
    async fn found(&self, installation: &Installation) -> Result<ModelInfo> {
        let mut models = self.models.0.list().into_iter();
        match models.find(|model| model.folder == installation.folder) {
            Some(model) => Ok(self.models.info(model).await),
            None => Err(outpost_store::Error::NotHere {
                what: self.source.clone(),
            }
            .into()),
        }
    }

    async fn install(
        &self,
        installation: &Installation,
        files: &mut [RemoteFile<'_>],
    ) -> Result<ModelInfo> {
        for file in files.iter_mut() {
            file.take_up(installation).await?;
        }
        let packing = self.plan(installation, files).await?;
        let planned = planned(&packing)?;
        let name = planned.name.clone();
        let needs = needs(&packing, &planned, files);
        let accepted = terms::ask(
            self.models,
            self.consent,
            &Terms::of(&planned, &self.source),
            |known| known.key.as_ref() == Some(&self.key),
        )?;
        terms::note(self.models, installation, accepted)?;
        let conversion = self.conversion(&name, &self.source, packing.shards());
        let installation = self.models.0.convert(conversion).await?;
        let shards = self.models.0.missing(&installation);
        let largest = needs.iter().flat_map(Needs::lengths).max().unwrap_or(0);
        let shard_bytes: u64 = shards.iter().map(|shard| shard.bytes).sum();
        check_space(shard_bytes + largest + 2 * PIECE_BYTES).await?;

        self.pack(&installation, &packing, files, &needs).await?;
        let mut hashes = Vec::new();
        for (file, needs) in files.iter_mut().zip(&needs) {
            // What lies after the last tensor is hashed with the rest.
            while !file.is_fetched() {
                let last = file.source.len() - 1;
                file.fetch_to(&installation, last).await?;
            }
            file.drop_pieces(&installation, needs.header_bytes, u64::MAX)
                .await?;
            hashes.push(file.checked_hash()?);
        }
        let hashes = files.iter().zip(hashes);
        let source: Vec<_> = hashes
            .map(|(file, hash)| with_hash(&file.address, hash))
            .collect();
        let source = source.join(" ");
        let conversion = self.conversion(&name, &source, packing.shards());
        let installation = self.models.0.convert(conversion).await?;
        let manifest = manifest_of(self.models, &installation, &packing)?;
        let model = self
            .models
            .0
            .complete(&installation, &manifest, now_ms())
            .await?;
        Ok(self.models.info(model).await)
    }

    /// Fetches headers until it is known which shards there will be.
    async fn plan(
        &self,
        installation: &Installation,
        files: &mut [RemoteFile<'_>],
    ) -> Result<Packing<Gguf<PieceSource>>> {
        let mut opened = Vec::new();
        for file in files.iter_mut() {
            let name = file.source.label().to_owned();
            let gguf = loop {
                match Gguf::open(file.source.clone()) {
                    Ok(gguf) => break gguf,
                    Err(error) => match file.source.missing() {
                        Some(place) => file.fetch_to(installation, place).await?,
                        None => return Err(about(&name, error.into())),
                    },
                }
            };
            opened.push((name, gguf));
        }
        // The first file comes first; it may take hours.
        files.iter_mut().skip(1).for_each(RemoteFile::hang_up);
        let opened = roles(opened)?;
        let name = name_of(&opened);
        Ok(Packing::plan(opened, &name, SHARD_BYTES)?)
    }

    /// Writes every shard that is missing, fetching what it needs.
    async fn pack(
        &self,
        installation: &Installation,
        packing: &Packing<Gguf<PieceSource>>,
        files: &mut [RemoteFile<'_>],
        needs: &[Needs],
    ) -> Result<()> {
        let places = places(packing);
        let missing = self.models.0.missing(installation);
        let is_missing = |name: &str| missing.iter().any(|part| part.name == name);
        let mut piece = vec![0; READ_BYTES as usize];
        for (index, shard) in packing.shards().iter().enumerate() {
            let Some(&(number, end)) = places.get(index) else {
                continue;
            };
            let Some((file, needs)) = files.get_mut(number).zip(needs.get(number)) else {
                continue;
            };
            if is_missing(&shard.name) {
                let watching = &mut Watching(self.task);
                let mut writer = self
                    .models
                    .0
                    .write(installation, &shard.name, watching)
                    .await?;
                while writer.written() < shard.bytes {
                    let count = READ_BYTES.min(shard.bytes - writer.written());
                    let bytes = piece.get_mut(..count as usize).unwrap_or_default();
                    while let Err(error) = packing.read_shard(index, writer.written(), bytes) {
                        match file.source.missing() {
                            Some(place) => file.fetch_to(installation, place).await?,
                            None => return Err(error.into()),
                        }
                    }
                    writer.write(bytes)?;
                    self.task.check().await?;
                }
                self.models.0.finish(writer)?;
            }
            file.drop_pieces(installation, needs.header_bytes, needs.after(end))
                .await?;
        }
        Ok(())
    }
}

impl Needs {
    /// From where on the file is needed once its stream is written up to `end`.
    fn after(&self, end: u64) -> u64 {
        let later = self.tensors.iter().filter(|(ends, _)| *ends > end);
        later.map(|(_, place)| *place).min().unwrap_or(u64::MAX)
    }

    /// Lengths of tensors in the stream, with what lies before them.
    fn lengths(&self) -> impl Iterator<Item = u64> {
        let ends = self.tensors.iter().map(|(end, _)| *end);
        let begins = std::iter::once(0).chain(ends.clone());
        ends.zip(begins)
            .map(|(end, begin)| end.saturating_sub(begin))
    }
}

/// What each file's stream needs, in the order of `files`, by the manifest as it is planned.
fn needs(
    packing: &Packing<Gguf<PieceSource>>,
    planned: &Manifest,
    files: &[RemoteFile<'_>],
) -> Vec<Needs> {
    let mut first_shard = 0;
    let mut needs = Vec::new();
    for (packed, file) in planned.files.iter().zip(files) {
        let mut tensors = Vec::new();
        for tensor in &packed.tensors {
            let parts = || tensor.parts.iter().filter(|part| part.bytes > 0);
            let Some((begin, last)) = parts().next().zip(parts().next_back()) else {
                continue;
            };
            let (shard, offset) = (begin.offset / SHARD_BYTES, begin.offset % SHARD_BYTES);
            let read = || packing.read_shard(first_shard + shard as usize, offset, &mut [0]);
            let place = file.source.place_of(read).unwrap_or(0);
            tensors.push((last.offset + last.bytes, place));
        }
        let places = tensors.iter().map(|(_, place)| *place);
        needs.push(Needs {
            header_bytes: places.min().unwrap_or(u64::MAX),
            tensors,
        });
        first_shard += packed.shards.len();
    }
    needs
}

/// Of each shard, the file that it is of, and where it ends in that file's stream.
fn places(packing: &Packing<Gguf<PieceSource>>) -> Vec<(usize, u64)> {
    let mut places: Vec<(usize, u64)> = Vec::new();
    let mut last = None;
    for shard in packing.shards() {
        // Names begin with the role of the file.
        let role = shard.name.split('-').next().map(str::to_owned);
        let (number, end) = match places.last() {
            Some(&(number, end)) if role == last => (number, end),
            Some(&(number, _)) => (number + 1, 0),
            None => (0, 0),
        };
        places.push((number, end + shard.bytes));
        last = role;
    }
    places
}

/// Stands for these files as they are now, and for how they become shards. Where a host does not tell versions apart,
/// nothing that was begun is gone on with.
fn key_of(files: &[RemoteFile<'_>]) -> String {
    let mut text = format!("{LAYOUT_VERSION} {SHARD_BYTES} {PIECE_BYTES}\n");
    for file in files {
        let version = match file.version.is_empty() {
            true => now_ms().to_string(),
            false => file.version.clone(),
        };
        text += &format!("{} {} {version}\n", file.address, file.source.len());
    }
    Sha256::of(text.as_bytes()).to_string()
}

fn source_of(files: &[RemoteFile<'_>], address: impl Fn(&RemoteFile<'_>) -> String) -> String {
    files.iter().map(address).collect::<Vec<_>>().join(" ")
}

fn path(address: &str) -> String {
    Url::new(address)
        .map(|url| url.pathname())
        .unwrap_or_default()
}

fn check_address(address: &str) -> Result<()> {
    let url = Url::new(address).ok();
    let fine = url.is_some_and(|url| match url.protocol().as_str() {
        "https:" => true,
        "http:" => ["localhost", "127.0.0.1"].contains(&url.hostname().as_str()),
        _ => false,
    });
    match fine {
        true => Ok(()),
        false => Err(Problem::new(
            format!("\u{201c}{address}\u{201d} is no address of a model."),
            "Give one that begins with https:// and ends in manifest.json or .gguf.",
        )),
    }
}
