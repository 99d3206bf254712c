//! GGUF files that a person chose, packed into shards as they are read.

use outpost_engine::weights::shards::{Packing, Role, ShardPlan};
use outpost_engine::weights::{Gguf, SplitName, WeightSource};
use outpost_protocol::{ModelInfo, ModelState, Stage, Unit};
use outpost_store::{Conversion, Installation, PIECE_BYTES, Sha256};
use web_sys::File;

use super::check_space;
use crate::desk::Task;
use crate::models::{Models, now_ms};
use crate::problem::{Problem, Result};
use crate::sources::FileSource;

/// Largest shard. A hash covers as much, and one that is broken is fetched again alone.
const SHARD_BYTES: u64 = 64 << 20;

/// What is needed, wherever something else was chosen.
const NEEDED: &str =
    "Choose a Gemma 3 or MedGemma model and its picture file (mmproj), both ending in .gguf.";

/// Installs a text model, with an image encoder or without. When the same files are chosen again after an attempt that was
/// broken off, what it copied is kept.
///
/// # Errors
/// Files that are something else, damaged ones, and what storage refuses.
pub async fn import(
    task: &Task,
    models: &Models,
    files: Vec<File>,
    name: Option<String>,
) -> Result<ModelInfo> {
    task.state(None, ModelState::Loading);
    let chosen = identity(&files);
    let source = names(&files);
    let files = open(files)?;
    let name = name.unwrap_or_else(|| name_of(&files));
    let packing = Packing::plan(files, &name, SHARD_BYTES)?;
    let conversion = Conversion {
        key: &Sha256::of(format!("{SHARD_BYTES} {name}\n{chosen}").as_bytes()).to_string(),
        name: &name,
        source: &source,
        shards: packing.shards(),
    };
    let installation = models.0.convert(conversion).await?;
    let copied = copy(task, models, &packing, &installation).await;
    if let Err(Problem::Cancelled) = copied {
        // The person does not want it.
        models.0.delete(&installation.folder).await?;
    }
    copied?;
    let stored = |shard: &ShardPlan| {
        models
            .0
            .stored(&installation, &shard.name)
            .map(|hash| hash.0)
    };
    let hashes: Option<Vec<_>> = packing.shards().iter().map(stored).collect();
    let manifest = packing.manifest(&hashes.unwrap_or_default())?;
    let model = models
        .0
        .complete(&installation, &manifest, now_ms())
        .await?;
    Ok(models.info(model).await)
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

/// Their names, for people.
fn names(files: &[File]) -> String {
    let mut names: Vec<_> = files.iter().map(File::name).collect();
    names.sort();
    names.join(", ")
}

/// Opens files and tells text model and image encoder apart by what they say they are.
fn open(files: Vec<File>) -> Result<Vec<(Role, Gguf<FileSource>)>> {
    let mut opened: Vec<(Role, Gguf<FileSource>)> = Vec::new();
    for (name, files) in together(files)? {
        let sources = files.into_iter().map(FileSource::new);
        let sources = sources.collect::<Result<Vec<_>>>()?;
        let gguf = Gguf::open_split(sources).map_err(|error| about(&name, error.into()))?;
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

/// Copies every shard that is not there yet.
async fn copy(
    task: &Task,
    models: &Models,
    packing: &Packing<Gguf<FileSource>>,
    installation: &Installation,
) -> Result<()> {
    let total = packing.shards().iter().map(|shard| shard.bytes).sum();
    let is_stored = |shard: &ShardPlan| models.0.stored(installation, &shard.name).is_some();
    let stored = packing.shards().iter().filter(|shard| is_stored(shard));
    let mut done = stored.map(|shard| shard.bytes).sum();
    check_space(total - done).await?;
    let mut piece = vec![0; PIECE_BYTES as usize];
    for (index, shard) in packing.shards().iter().enumerate() {
        if is_stored(shard) {
            continue;
        }
        let mut writer = models.0.write(installation, &shard.name, &mut ()).await?;
        while writer.written() < shard.bytes {
            let count = PIECE_BYTES.min(shard.bytes - writer.written());
            let Some(bytes) = piece.get_mut(..count as usize) else {
                break;
            };
            packing.read_shard(index, writer.written(), bytes)?;
            writer.write(bytes)?;
            done += count;
            task.progress(Stage::Copying, done, total, Unit::Bytes);
            task.check().await?;
        }
        models.0.finish(writer)?;
    }
    Ok(())
}

/// The text model's own name, or that of its file.
fn name_of(files: &[(Role, Gguf<FileSource>)]) -> String {
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
fn about(name: &str, problem: Problem) -> Problem {
    match problem {
        Problem::Failed { message, .. } if message.contains(name) => Problem::new(message, NEEDED),
        Problem::Failed { message, .. } => {
            let message = format!("\u{201c}{name}\u{201d} cannot be used. {message}");
            Problem::new(message, NEEDED)
        }
        other => other,
    }
}
