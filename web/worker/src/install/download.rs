//! A shard set from the network. What was fetched stays: an interrupted download goes on at the byte it had.
//!
//! A shard counts once its SHA-256 is the one that the manifest promises, whatever the server says about it.

use std::cell::Cell;

use futures_util::{StreamExt, TryStreamExt, stream};
use js_sys::Uint8Array;
use outpost_engine::weights::limits::MAX_JSON_BYTES;
use outpost_engine::weights::shards::Manifest;
use outpost_protocol::{DEMO_MANIFEST, DEMO_MODEL, ModelInfo, ModelState, Stage, Unit};
use outpost_store::{Error, Installation, Part};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Headers, ReadableStreamDefaultReader, ReadableStreamReadResult, RequestCache, RequestInit,
    Response, Url,
};

use super::{Watching, check_space};
use crate::desk::Task;
use crate::event_loop::{at_most_ms, scope, sleep_ms};
use crate::models::{Models, now_ms};
use crate::opfs::Handle;
use crate::problem::{Problem, Result, text_of};

/// Shards that are fetched at once.
const CONNECTIONS: usize = 3;
/// A shard on its way.
type Writer = outpost_store::Writer<Handle>;

/// How often a shard that arrives damaged is fetched.
const WRONG_ATTEMPTS: u32 = 2;
/// How often in a row a request may bring nothing.
const ATTEMPTS: u32 = 6;
/// Before the second of these; then twice as long each time, and at most [`LONGEST_WAIT_MS`].
const FIRST_WAIT_MS: i32 = 500;
const LONGEST_WAIT_MS: i32 = 15_000;
/// A server that sends nothing for so long is asked anew.
const STALLED_MS: i32 = 30_000;
/// What the demonstration model says wherever it is used.
const DEMO_NAME: &str = "Demonstration model";
const DEMO_NOTICE: &str = "Demonstration model: it knows no medicine.";
/// What to do where the network did not help.
const ASK_AGAIN: &str = "Check the connection and try again. What was fetched is kept.";

/// Installs the shard set whose manifest lies at `url`, relative to the page.
///
/// # Errors
/// No network, damaged data, and what storage refuses.
pub async fn download(task: &Task, models: &Models, url: &str) -> Result<ModelInfo> {
    task.state(None, ModelState::Downloading);
    let address = resolve(url)?;
    let json = patiently(task, async || fetch_small(&address).await).await?;
    let mut manifest = Manifest::from_json(&json)?;
    if url == DEMO_MANIFEST {
        DEMO_MODEL.clone_into(&mut manifest.id);
        DEMO_NAME.clone_into(&mut manifest.name);
        DEMO_NOTICE.clone_into(&mut manifest.notice);
    }
    let installation = models.0.install(&manifest, url).await?;
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

/// Tries again what the network did not bring, waiting longer each time.
async fn patiently<T>(task: &Task, attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut wait_ms = FIRST_WAIT_MS;
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(Problem::Network { .. }) => pause(task, wait_ms).await?,
            outcome => return outcome,
        }
        wait_ms = (2 * wait_ms).min(LONGEST_WAIT_MS);
    }
    attempt().await
}

/// Waits, in pieces between which the person can stop.
async fn pause(task: &Task, milliseconds: i32) -> Result<()> {
    let mut left_ms = milliseconds;
    while left_ms > 0 {
        sleep_ms(left_ms.min(FIRST_WAIT_MS)).await;
        left_ms -= FIRST_WAIT_MS;
        task.check().await?;
    }
    Ok(())
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

/// The pieces of an answer as they arrive.
struct Body(ReadableStreamDefaultReader);

impl Body {
    fn of(response: &Response) -> Result<Self> {
        let stream = response
            .body()
            .ok_or_else(|| Problem::new("The answer is empty.", ASK_AGAIN))?;
        Ok(Self(stream.get_reader().unchecked_into()))
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let read = JsFuture::from(self.0.read());
        let step = at_most_ms(STALLED_MS, read).await;
        let step = step.ok_or_else(|| broken("the server has stopped sending"))?;
        let step = step.map_err(|error| broken(&text_of(&error)))?;
        let step: ReadableStreamReadResult = step.unchecked_into();
        match step.get_done() {
            Some(true) => Ok(None),
            _ => Ok(Some(Uint8Array::new(&step.get_value()).to_vec())),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // Ends the transfer if it goes on. One that has failed refuses, which changes nothing.
        let ended = JsFuture::from(self.0.cancel());
        spawn_local(async move {
            let _ = ended.await;
        });
    }
}

/// A whole small document.
async fn fetch_small(url: &str) -> Result<Vec<u8>> {
    let mut body = Body::of(&request(url, 0).await?)?;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        bytes.extend(piece);
        if bytes.len() as u64 > MAX_JSON_BYTES {
            return Err(Problem::new(
                "The model's description is too large.",
                "Fetch the model from another place.",
            ));
        }
    }
    Ok(bytes)
}

/// Asks for a file from byte `offset` on.
async fn request(url: &str, offset: u64) -> Result<Response> {
    let ask = || {
        let headers = Headers::new()?;
        if offset > 0 {
            headers.set("Range", &format!("bytes={offset}-"))?;
        }
        let init = RequestInit::new();
        init.set_headers(&headers);
        // Shards are kept in OPFS; a second copy in the browser's cache would only take space.
        init.set_cache(RequestCache::NoStore);
        Ok(scope().fetch_with_str_and_init(url, &init))
    };
    let promise = ask().map_err(|error: JsValue| broken(&text_of(&error)))?;
    let response = at_most_ms(STALLED_MS, JsFuture::from(promise)).await;
    let response = response.ok_or_else(|| broken("the server does not answer"))?;
    let response = response.map_err(|error| broken(&text_of(&error)))?;
    let response: Response = response.unchecked_into();
    match response.status() {
        200 | 206 => Ok(response),
        404 => Err(Problem::new(
            "The model is not at this address.",
            "Add a model from files on this device.",
        )),
        // What a server may say when it has too much to do, or will do better later.
        status @ (408 | 425 | 429 | 500..) => Err(broken(&format!("the server answered {status}"))),
        status => Err(Problem::new(
            format!("The model could not be fetched: the server answered {status}."),
            ASK_AGAIN,
        )),
    }
}

fn broken(detail: &str) -> Problem {
    Problem::Network {
        message: format!("The model could not be fetched: {detail}."),
        remedy: ASK_AGAIN.to_owned(),
    }
}

/// The address relative to this Worker's script, which lies beside the page.
fn resolve(url: &str) -> Result<String> {
    resolve_beside(&address(), url)
}

fn address() -> String {
    let property =
        |of: &JsValue, name: &str| js_sys::Reflect::get(of, &name.into()).unwrap_or_default();
    property(&property(&scope(), "location"), "href")
        .as_string()
        .unwrap_or_default()
}

fn resolve_beside(base: &str, url: &str) -> Result<String> {
    Url::new_with_base(url, base)
        .map(|url| url.href())
        .map_err(|_| {
            Problem::new(
                format!("\u{201c}{url}\u{201d} is no address."),
                "Check it and try again.",
            )
        })
}
