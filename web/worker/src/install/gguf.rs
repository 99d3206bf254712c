//! GGUF files that a person chose, packed into shards as they are read.

use outpost_engine::ports::ByteSource;
use outpost_engine::weights::shards::{LAYOUT_VERSION, Manifest, Packing, Role, ShardPlan};
use outpost_engine::weights::{Gguf, SplitName, WeightSource};
use outpost_protocol::{Consent, ModelInfo};
use outpost_store::{Conversion, Installation, Sha256};
use web_sys::File;

use super::terms::{self, Terms};
use super::{copy, names};
use crate::desk::Task;
use crate::models::{Models, now_ms};
use crate::problem::{Problem, Result};
use crate::sources::FileSource;

/// Largest shard. A hash covers as much, and one that is broken is fetched again alone.
pub const SHARD_BYTES: u64 = 64 << 20;

/// What is needed, wherever something else was chosen.
const NEEDED: &str =
    "Choose a Gemma 3 or MedGemma model and its picture file (mmproj), both ending in .gguf.";

/// Installs a text model, with an image encoder or without.
///
/// # Errors
/// Files that are something else, damaged ones, terms that nobody has accepted, and what storage refuses.
pub async fn import(
    task: &Task,
    models: &Models,
    files: Vec<File>,
    name: Option<String>,
    consent: Consent,
) -> Result<ModelInfo> {
    let chosen = identity(&files);
    let source = names(&files);
    let files = open(files)?;
    let name = name.unwrap_or_else(|| name_of(&files));
    let packing = Packing::plan(files, &name, SHARD_BYTES)?;
    let key = format!("{LAYOUT_VERSION} {SHARD_BYTES} {name}\n{chosen}");
    let key = Sha256::of(key.as_bytes()).to_string();
    let said = Terms::of(&planned(&packing)?, &source);
    let accepted = terms::ask(models, consent, &said, |known| {
        known.key.as_ref() == Some(&key)
    })?;
    let conversion = Conversion {
        key: &key,
        name: &name,
        source: &source,
        shards: packing.shards(),
    };
    let installation = models.0.convert(conversion).await?;
    terms::note(models, &installation, accepted)?;
    let position = |name: &str| packing.shards().iter().position(|shard| shard.name == name);
    copy(task, models, &installation, |name, offset, bytes| {
        // Only parts of the plan are asked for.
        let index = position(name).unwrap_or(usize::MAX);
        Ok(packing.read_shard(index, offset, bytes)?)
    })
    .await?;
    let manifest = manifest_of(models, &installation, &packing)?;
    let model = models
        .0
        .complete(&installation, &manifest, now_ms())
        .await?;
    Ok(models.info(model).await)
}

/// The manifest once every shard is stored.
///
/// # Errors
/// A shard that is not.
pub fn manifest_of<S: ByteSource>(
    models: &Models,
    installation: &Installation,
    packing: &Packing<Gguf<S>>,
) -> Result<Manifest> {
    let stored = |shard: &ShardPlan| {
        let hash = models.0.stored(installation, &shard.name);
        hash.map(|hash| hash.0)
    };
    let hashes: Option<Vec<_>> = packing.shards().iter().map(stored).collect();
    Ok(packing.manifest(&hashes.unwrap_or_default())?)
}

/// The manifest as it is known before anything is read: without hashes, and with another id.
///
/// # Errors
/// Files of which no manifest can be made.
pub fn planned<S: ByteSource>(packing: &Packing<Gguf<S>>) -> Result<Manifest> {
    Ok(packing.manifest(&vec![[0; 32]; packing.shards().len()])?)
}

/// What tells these files from others, as far as that is known without reading them.
fn identity(files: &[File]) -> String {
    let mut lines: Vec<_> = files
        .iter()
        .map(|file| format!("{} {} {}\n", file.size(), file.last_modified(), file.name()))
        .collect();
    lines.sort();
    lines.concat()
}

/// Opens files and tells text model and image encoder apart.
fn open(files: Vec<File>) -> Result<Vec<(Role, Gguf<FileSource>)>> {
    let mut opened = Vec::new();
    for (name, files) in together(files)? {
        let sources = files.into_iter().map(FileSource::new);
        let sources = sources.collect::<Result<Vec<_>>>()?;
        let gguf = Gguf::open_split(sources).map_err(|error| about(&name, error.into()))?;
        opened.push((name, gguf));
    }
    roles(opened)
}

/// Tells text model and image encoder apart by what they say they are.
///
/// # Errors
/// Other models, two of one kind, and no text model.
pub fn roles<S: ByteSource>(models: Vec<(String, Gguf<S>)>) -> Result<Vec<(Role, Gguf<S>)>> {
    let mut opened: Vec<(Role, Gguf<S>)> = Vec::new();
    for (name, gguf) in models {
        let architecture = gguf.metadata().str("general.architecture");
        let architecture = architecture.map_err(|error| about(&name, error.into()))?;
        if !["gemma3", "clip"].contains(&architecture) {
            let message =
                format!("\u{201c}{name}\u{201d} is a model of another kind ({architecture}).");
            return Err(Problem::new(message, NEEDED));
        }
        let role = Role::of(gguf.metadata());
        if opened.iter().any(|(known, _)| *known == role) {
            let kind = if role == Role::Text {
                "models"
            } else {
                "picture files"
            };
            return Err(Problem::new(format!("Two {kind} were chosen."), NEEDED));
        }
        opened.push((role, gguf));
    }
    match opened.iter().any(|(role, _)| *role == Role::Text) {
        true => Ok(opened),
        false => Err(Problem::new(
            "There is no model among the chosen files.",
            NEEDED,
        )),
    }
}

/// The files of each model, those of a split one together and in order, under the name of the first.
fn together(files: Vec<File>) -> Result<Vec<(String, Vec<File>)>> {
    let mut named: Vec<_> = files.into_iter().map(|file| (file.name(), file)).collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut models: Vec<(String, Vec<File>)> = Vec::new();
    for (name, file) in named {
        let of_the_last = models.last_mut().filter(|(first, _)| {
            let both = SplitName::parse(first).zip(SplitName::parse(&name));
            both.is_some_and(|(a, b)| (a.stem, a.count) == (b.stem, b.count))
        });
        match of_the_last {
            Some((_, files)) => files.push(file),
            None => models.push((name, vec![file])),
        }
    }
    for (name, files) in &models {
        if let Some(SplitName { stem, count, .. }) = SplitName::parse(name)
            && files.len() as u64 != count
        {
            return Err(Problem::new(
                format!(
                    "{} of the {count} files of \u{201c}{stem}\u{201d} were chosen.",
                    files.len()
                ),
                "Choose all of them together.",
            ));
        }
    }
    Ok(models)
}

/// The text model's own name, or that of its file.
pub fn name_of<S: ByteSource>(files: &[(Role, Gguf<S>)]) -> String {
    let text = files
        .iter()
        .find(|(role, _)| *role == Role::Text)
        .map(|(_, gguf)| gguf);
    let own = text.and_then(|gguf| gguf.metadata().opt_str("general.name").ok().flatten());
    let own = own.filter(|name| !name.trim().is_empty() && name.len() <= 200);
    let file = || text.map(|gguf| gguf.label().trim_end_matches(".gguf").to_owned());
    let name = own
        .map(str::to_owned)
        .or_else(file)
        .unwrap_or_else(|| "Model".to_owned());
    name.chars().filter(|letter| !letter.is_control()).collect()
}

/// The same problem, naming the file if it does not.
pub fn about(name: &str, problem: Problem) -> Problem {
    match problem {
        Problem::Failed { message, .. } if message.contains(name) => Problem::new(message, NEEDED),
        Problem::Failed { message, .. } => {
            let message = format!("\u{201c}{name}\u{201d} cannot be used. {message}");
            Problem::new(message, NEEDED)
        }
        other => other,
    }
}
