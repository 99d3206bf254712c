//! GGUF files that a person chose, packed into shards as they are read.

use outpost_engine::weights::shards::{Packing, Role, Sha256Stream};
use outpost_engine::weights::{Gguf, SplitName, WeightSource};
use outpost_protocol::{ModelInfo, ModelState, Stage, Unit};
use web_sys::File;

use super::{PIECE_BYTES, check_space};
use crate::desk::Task;
use crate::models::{self, Models};
use crate::opfs::Folder;
use crate::problem::{Problem, Result};
use crate::sources::FileSource;

/// Largest shard. A hash covers as much, and one that is broken is fetched again alone.
const SHARD_BYTES: u64 = 64 << 20;

/// What is needed, wherever something else was chosen.
const NEEDED: &str =
    "Choose a Gemma 3 or MedGemma model and its picture file (mmproj), both ending in .gguf.";

/// Installs a text model, with an image encoder or without.
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
    let files = open(files)?;
    let name = name.unwrap_or_else(|| name_of(&files));
    let packing = Packing::plan(files, &name, SHARD_BYTES)?;
    let total = packing.shards().iter().map(|shard| shard.bytes).sum();
    check_space(total).await?;

    let incoming = models.incoming().await?;
    let copied = copy(task, &packing, &incoming, total).await;
    let hashes = match copied {
        Ok(hashes) => hashes,
        Err(problem) => {
            // What is left would only take space; the problem itself is what matters.
            let _ = models.clear_incoming().await;
            return Err(problem);
        }
    };
    let manifest = packing.manifest(&hashes)?;
    if models
        .manifest(&manifest.id)
        .await
        .is_ok_and(|known| known == manifest)
    {
        // It is here already, byte for byte, and its files may be in use.
        models.clear_incoming().await?;
        return Ok(models::info(&manifest));
    }
    models.take_incoming(&incoming, &manifest).await?;
    models.complete(&manifest).await
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

/// Copies every shard -> their hashes.
async fn copy(
    task: &Task,
    packing: &Packing<Gguf<FileSource>>,
    folder: &Folder,
    total: u64,
) -> Result<Vec<[u8; 32]>> {
    let mut piece = vec![0; PIECE_BYTES as usize];
    let mut hashes = Vec::new();
    let mut done = 0;
    for (index, shard) in packing.shards().iter().enumerate() {
        let handle = folder.create(&shard.name).await?;
        let mut hash = Sha256Stream::new();
        let mut offset = 0;
        while offset < shard.bytes {
            let count = PIECE_BYTES.min(shard.bytes - offset);
            let Some(bytes) = piece.get_mut(..count as usize) else {
                break;
            };
            packing.read_shard(index, offset, bytes)?;
            hash.update(bytes);
            handle.write_all_at(offset, bytes)?;
            offset += count;
            done += count;
            task.progress(Stage::Copying, done, total, Unit::Bytes);
            task.check().await?;
        }
        handle.flush()?;
        hashes.push(hash.finish());
    }
    Ok(hashes)
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
