//! A shard set from the network. What was fetched stays: an interrupted download goes on at the byte it had.
//!
//! A shard counts once its SHA-256 is the one that the manifest promises, whatever the server says about it.

use std::cell::Cell;

use futures_util::{StreamExt, TryStreamExt, stream};
use outpost_engine::weights::shards::Manifest;
use outpost_protocol::{Consent, DEMO_MANIFEST, DEMO_MODEL, ModelInfo, ModelState, Stage, Unit};
use outpost_store::{Error, Installation, Part};

use super::net::{
    ATTEMPTS, Body, FIRST_WAIT_MS, LONGEST_WAIT_MS, broken, fetch_small, patiently, pause, request,
    resolve, resolve_beside,
};
use super::terms::{self, Terms};
use super::{Watching, check_space};
use crate::desk::Task;
use crate::models::{Models, now_ms};
use crate::opfs::Handle;
use crate::problem::{Problem, Result};

/// Shards that are fetched at once.
const CONNECTIONS: usize = 3;
/// A shard on its way.
type Writer = outpost_store::Writer<Handle>;

/// How often a shard that arrives damaged is fetched.
const WRONG_ATTEMPTS: u32 = 2;
/// What the demonstration model says wherever it is used.
const DEMO_NAME: &str = "Demonstration model";
const DEMO_NOTICE: &str = "Demonstration model: it knows no medicine.";

/// Installs the shard set whose manifest lies at `url`, relative to the page.
///
/// # Errors
/// No network, damaged data, terms that nobody has accepted, and what storage refuses.
pub async fn download(
    task: &Task,
    models: &Models,
    url: &str,
    consent: Consent,
) -> Result<ModelInfo> {
    task.state(None, ModelState::Downloading);
    let address = resolve(url)?;
    let json = patiently(task, async || fetch_small(&address).await).await?;
    let mut manifest = Manifest::from_json(&json)?;
    if url == DEMO_MANIFEST {
        DEMO_MODEL.clone_into(&mut manifest.id);
        DEMO_NAME.clone_into(&mut manifest.name);
        DEMO_NOTICE.clone_into(&mut manifest.notice);
    }
    let accepted = terms::ask(models, consent, &Terms::of(&manifest, url), |known| {
        known.id.as_ref() == Some(&manifest.id)
    })?;
    let installation = models.0.install(&manifest, url).await?;
    terms::note(models, &installation, accepted)?;
    let missing = models.0.missing(&installation);
    let missing_bytes: u64 = missing.iter().map(|part| part.bytes).sum();
    check_space(missing_bytes).await?;
    let fetching = Fetching {
        task,
        models,
        installation: &installation,
        address: &address,
        done: Cell::new(manifest.bytes() - missing_bytes),
        total: manifest.bytes(),
    };
    stream::iter(&missing)
        .map(|part| fetching.part(part))
        .buffer_unordered(CONNECTIONS)
        .try_collect::<Vec<()>>()
        .await?;
    let model = models
        .0
        .complete(&installation, &manifest, now_ms())
        .await?;
    Ok(models.info(model).await)
}

struct Fetching<'t> {
    task: &'t Task,
    models: &'t Models,
    installation: &'t Installation,
    /// Of the manifest, beside which the shards lie.
    address: &'t str,
    done: Cell<u64>,
    total: u64,
}

impl Fetching<'_> {
    fn advance(&self, bytes: i64) {
        self.done.set(self.done.get().saturating_add_signed(bytes));
        self.task
            .progress(Stage::Downloading, self.done.get(), self.total, Unit::Bytes);
    }

    /// Fetches a shard until its hash is right.
    async fn part(&self, part: &Part) -> Result<()> {
        let url = resolve_beside(self.address, &part.name)?;
        let mut wrong = 0;
        let mut fruitless = 0;
        let mut wait_ms = FIRST_WAIT_MS;
        let mut counted = 0;
        loop {
            let watching = &mut Watching(self.task);
            let mut writer = self
                .models
                .0
                .write(self.installation, &part.name, watching)
                .await?;
            let before = writer.written();
            self.advance(before as i64 - counted);
            counted = before as i64;
            let fetched = self.rest(part, &url, &mut writer, &mut counted).await;
            let progress = writer.written() != before;
            match fetched {
                Ok(()) if writer.written() == part.bytes => match self.models.0.finish(writer) {
                    Ok(_) => return Ok(()),
                    Err(Error::WrongPart { .. }) if wrong + 1 < WRONG_ATTEMPTS => wrong += 1,
                    Err(Error::WrongPart { name, .. }) => {
                        return Err(Problem::new(
                            format!("The part {name} arrives damaged."),
                            "Try again later, or fetch the model from another place.",
                        ));
                    }
                    Err(error) => return Err(error.into()),
                },
                // An answer that ends too early is like a connection that breaks.
                Ok(()) | Err(Problem::Network { .. }) if progress => {
                    (fruitless, wait_ms) = (0, FIRST_WAIT_MS);
                }
                Ok(()) | Err(Problem::Network { .. }) if fruitless + 1 < ATTEMPTS => {
                    drop(writer);
                    fruitless += 1;
                    pause(self.task, wait_ms).await?;
                    wait_ms = (2 * wait_ms).min(LONGEST_WAIT_MS);
                }
                Ok(()) => return Err(broken("the server sends nothing")),
                Err(problem) => return Err(problem),
            }
        }
    }

    /// Appends what a request brings. `counted` are the bytes of this part that the progress has.
    async fn rest(
        &self,
        part: &Part,
        url: &str,
        writer: &mut Writer,
        counted: &mut i64,
    ) -> Result<()> {
        let offset = writer.written();
        // All of it was there, and it had only not been compared yet.
        if offset == part.bytes {
            return Ok(());
        }
        let response = request(url, offset).await?;
        // A server that does not know ranges sends all of it again; what is there already is passed over.
        let mut skip = if response.status() == 206 { 0 } else { offset };
        let mut body = Body::of(&response)?;
        while let Some(bytes) = body.next().await? {
            let known = skip.min(bytes.len() as u64);
            skip -= known;
            let room = part.bytes - writer.written();
            let new = bytes.get(known as usize..).unwrap_or_default();
            let new = new
                .get(..room.min(new.len() as u64) as usize)
                .unwrap_or_default();
            writer.write(new)?;
            *counted += new.len() as i64;
            self.advance(new.len() as i64);
            self.task.check().await?;
            if writer.written() == part.bytes {
                break;
            }
        }
        Ok(())
    }
}
