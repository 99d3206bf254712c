//! A shard set from the network. What was fetched stays: an interrupted download goes on at the byte it had.

use std::collections::BTreeMap;

use js_sys::Uint8Array;
use outpost_engine::weights::limits::MAX_JSON_BYTES;
use outpost_engine::weights::shards::{Manifest, Sha256Stream, Shard};
use outpost_protocol::{DEMO_MANIFEST, DEMO_MODEL, ModelInfo, ModelState, Stage, Unit};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Headers, ReadableStreamDefaultReader, ReadableStreamReadResult, RequestCache, RequestInit,
    Response, Url,
};

use super::{PIECE_BYTES, check_space};
use crate::desk::Task;
use crate::event_loop::scope;
use crate::models::{self, Models};
use crate::opfs::{Folder, Handle};
use crate::problem::{Problem, Result, text_of};

/// Lines `name sha256` of shards whose bytes have been compared with the manifest.
const JOURNAL: &str = "journal.partial";
/// How often a shard that arrives damaged is fetched.
const ATTEMPTS: usize = 2;
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
    let json = fetch_small(&address).await?;
    let mut manifest = Manifest::from_json(&json)?;
    if url == DEMO_MANIFEST {
        DEMO_MODEL.clone_into(&mut manifest.id);
        DEMO_NAME.clone_into(&mut manifest.name);
        DEMO_NOTICE.clone_into(&mut manifest.notice);
    }
    if models
        .manifest(&manifest.id)
        .await
        .is_ok_and(|known| known == manifest)
    {
        return Ok(models::info(&manifest));
    }
    check_space(manifest.bytes()).await?;

    let folder = models.unfinished(&manifest.id).await?;
    let mut journal = Journal::read(&folder).await?;
    let mut fetching = Fetching {
        task,
        folder: &folder,
        done: 0,
        total: manifest.bytes(),
    };
    for shard in manifest.files.iter().flat_map(|file| &file.shards) {
        if journal.has(&folder, shard).await? {
            fetching.advance(shard.bytes);
            continue;
        }
        fetching
            .shard(shard, &resolve_beside(&address, &shard.name)?)
            .await?;
        journal.add(&folder, shard).await?;
    }
    let info = models.complete(&manifest).await?;
    folder.remove(JOURNAL).await?;
    Ok(info)
}

/// Which shards are known to be whole.
struct Journal(BTreeMap<String, String>);

impl Journal {
    async fn read(folder: &Folder) -> Result<Self> {
        let text = folder
            .read(JOURNAL, MAX_JSON_BYTES)
            .await?
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Ok(Self(
            lines
                .map(|(name, hash)| (name.to_owned(), hash.to_owned()))
                .collect(),
        ))
    }

    async fn has(&self, folder: &Folder, shard: &Shard) -> Result<bool> {
        if self.0.get(&shard.name) != Some(&shard.sha256) {
            return Ok(false);
        }
        match folder.open(&shard.name).await? {
            Some(handle) => Ok(handle.bytes()? == shard.bytes),
            None => Ok(false),
        }
    }

    async fn add(&mut self, folder: &Folder, shard: &Shard) -> Result<()> {
        self.0.insert(shard.name.clone(), shard.sha256.clone());
        let lines: String = self
            .0
            .iter()
            .map(|(name, hash)| format!("{name} {hash}\n"))
            .collect();
        folder.write(JOURNAL, lines.as_bytes()).await
    }
}

struct Fetching<'t> {
    task: &'t Task,
    folder: &'t Folder,
    done: u64,
    total: u64,
}

impl Fetching<'_> {
    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        self.task
            .progress(Stage::Downloading, self.done, self.total, Unit::Bytes);
    }

    /// Fetches a shard until its hash is right.
    async fn shard(&mut self, shard: &Shard, url: &str) -> Result<()> {
        let before = self.done;
        for _ in 0..ATTEMPTS {
            let handle = self.folder.create(&shard.name).await?;
            let found = self.fetch(shard, url, &handle).await?;
            if found == shard.sha256 {
                return handle.flush();
            }
            // Damaged bytes are not worth continuing.
            handle.truncate(0)?;
            self.done = before;
        }
        let message = format!("The part {} arrives damaged.", shard.name);
        Err(Problem::new(
            message,
            "Try again later, or fetch the model from another place.",
        ))
    }

    /// Writes the rest of a shard -> the hash of all of it.
    async fn fetch(&mut self, shard: &Shard, url: &str, handle: &Handle) -> Result<String> {
        let mut hash = Sha256Stream::new();
        let mut offset = handle.bytes()?;
        if offset >= shard.bytes {
            handle.truncate(0)?;
            offset = 0;
        }
        let response = request(url, offset).await?;
        if offset > 0 && response.status() == 206 {
            hash_written(handle, offset, &mut hash)?;
            self.advance(offset);
        } else {
            handle.truncate(0)?;
            offset = 0;
        }
        let mut body = Body::of(&response)?;
        while let Some(bytes) = body.next().await? {
            let after = offset + bytes.len() as u64;
            if after > shard.bytes {
                break;
            }
            hash.update(&bytes);
            handle.write_all_at(offset, &bytes)?;
            offset = after;
            self.advance(bytes.len() as u64);
            self.task.check().await?;
        }
        Ok(hash
            .finish()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

fn hash_written(handle: &Handle, bytes: u64, hash: &mut Sha256Stream) -> Result<()> {
    let mut piece = vec![0; PIECE_BYTES as usize];
    let mut offset = 0;
    while offset < bytes {
        let count = PIECE_BYTES.min(bytes - offset);
        let Some(piece) = piece.get_mut(..count as usize) else {
            break;
        };
        handle.read_exact_at(offset, piece)?;
        hash.update(piece);
        offset += count;
    }
    Ok(())
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
        let step = JsFuture::from(self.0.read()).await;
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
    let response = JsFuture::from(promise)
        .await
        .map_err(|error| broken(&text_of(&error)))?;
    let response: Response = response.unchecked_into();
    match response.status() {
        200 | 206 => Ok(response),
        404 => Err(Problem::new(
            "The model is not at this address.",
            "Add a model from files on this device.",
        )),
        status => Err(broken(&format!("the server answered {status}"))),
    }
}

fn broken(detail: &str) -> Problem {
    Problem::new(
        format!("The model could not be fetched: {detail}."),
        ASK_AGAIN,
    )
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
