//! Bringing models to this device: from files of the device, or from the network.

mod download;
mod export;
mod fetch;
mod gguf;
mod net;
mod remote;
mod shard_set;
mod terms;

pub use download::download;
pub use export::export;
pub use fetch::fetch;
pub use net::{fetch_whole, resolve};

use outpost_protocol::{Consent, ModelInfo, ModelState, Stage, Unit};
use outpost_store::{Error, Installation, PIECE_BYTES, Stopped, Watch};

use wasm_bindgen_futures::JsFuture;
use web_sys::{File, StorageEstimate};

use crate::desk::Task;
use crate::event_loop::scope;
use crate::models::{Models, has_room};
use crate::problem::{Problem, Result};

/// Installs what a person chose: GGUF files, or a shard set. When the same files are chosen again after an attempt that was
/// broken off, what it copied is kept.
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
    task.state(None, ModelState::Loading);
    match shard_set::find(&files)? {
        Some(shard_set) => shard_set::import(task, models, &shard_set, &files, consent).await,
        None => gguf::import(task, models, files, name, consent).await,
    }
}

/// Copies what is missing of an installation. `read` fills bytes of a part, by its name, from an offset in it. One that the
/// person stops is given up.
async fn copy(
    task: &Task,
    models: &Models,
    installation: &Installation,
    read: impl Fn(&str, u64, &mut [u8]) -> Result<()>,
) -> Result<()> {
    let copied = copy_missing(task, models, installation, read).await;
    if let Err(Problem::Cancelled) = copied {
        models.give_up(installation).await?;
    }
    copied
}

async fn copy_missing(
    task: &Task,
    models: &Models,
    installation: &Installation,
    read: impl Fn(&str, u64, &mut [u8]) -> Result<()>,
) -> Result<()> {
    let missing = models.0.missing(installation);
    let missing_bytes: u64 = missing.iter().map(|part| part.bytes).sum();
    check_space(missing_bytes).await?;
    let total = installation.parts.iter().map(|part| part.bytes).sum();
    let mut done = total - missing_bytes;
    let mut piece = vec![0; PIECE_BYTES as usize];
    for part in &missing {
        let watching = &mut Watching(task);
        let mut writer = models.0.write(installation, &part.name, watching).await?;
        done += writer.written();
        while writer.written() < part.bytes {
            let count = PIECE_BYTES.min(part.bytes - writer.written());
            let Some(bytes) = piece.get_mut(..count as usize) else {
                break;
            };
            read(&part.name, writer.written(), bytes)?;
            writer.write(bytes)?;
            done += count;
            task.progress(Stage::Copying, done, total, Unit::Bytes);
            task.check().await?;
        }
        models.0.finish(writer).map_err(|error| match error {
            Error::WrongPart { name, .. } => damaged(&name),
            error => error.into(),
        })?;
    }
    Ok(())
}

/// A part that is not in the files what it should be.
fn damaged(name: &str) -> Problem {
    Problem::new(
        format!("{name} is damaged in the chosen files."),
        "Copy them to this device again. What is whole is kept.",
    )
}

/// Names of files, for people.
fn names(files: &[File]) -> String {
    let mut names: Vec<_> = files.iter().map(File::name).collect();
    names.sort();
    names.join(", ")
}

/// Lets messages in while what came before is hashed.
struct Watching<'t>(&'t Task);

impl Watch for Watching<'_> {
    async fn piece(&mut self, _done_bytes: u64, _total_bytes: u64) -> Result<(), Stopped> {
        self.0.check().await.map_err(|_| Stopped)
    }
}

/// Fails early where storage does not take as much. It may still be full later, when others have written.
async fn check_space(needed: u64) -> Result<()> {
    match has_room(needed).await? {
        true => Ok(()),
        false => Err(Problem::new(
            format!(
                "The model needs {}, and the browser does not give this page as much.",
                outpost_protocol::format::bytes(needed)
            ),
            "Free some space on this device, or choose a smaller model.",
        )),
    }
}

/// What the browser says may be stored besides what is; `None` if it does not say.
pub async fn free_bytes() -> Option<u64> {
    let estimate = scope().navigator().storage().estimate().ok()?;
    let estimate = StorageEstimate::from(JsFuture::from(estimate).await.ok()?);
    let (quota, used) = (estimate.get_quota()?, estimate.get_usage()?);
    Some((quota - used).max(0.0) as u64)
}
