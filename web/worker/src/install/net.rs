//! Requests, and answers as they arrive.

use futures_util::future::Either;
use js_sys::{Reflect, Uint8Array};
use outpost_engine::weights::limits::MAX_JSON_BYTES;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Headers, ReadableStreamDefaultReader, ReadableStreamReadResult, RequestCache, RequestInit,
    Response, Url,
};

use crate::desk::Task;
use crate::event_loop::{at_most_ms, scope, sleep_ms};
use crate::problem::{Problem, Result, text_of};

/// How often in a row a request may bring nothing.
pub const ATTEMPTS: u32 = 6;
/// Before the second of these; then twice as long each time, and at most [`LONGEST_WAIT_MS`].
pub const FIRST_WAIT_MS: i32 = 500;
/// See [`FIRST_WAIT_MS`].
pub const LONGEST_WAIT_MS: i32 = 15_000;
/// A server that sends nothing for so long is asked anew.
const STALLED_MS: i32 = 30_000;
/// Whose policy lets this Worker ask other hosts: the script of the page that installs.
const INSTALLING_SCRIPT: &str = "/install/worker.js";
/// What to do where the network did not help.
const ASK_AGAIN: &str = "Check the connection and try again. What was fetched is kept.";
/// What to do where a host gives its files to nobody but its own pages, or to those who are logged in.
const BY_HAND: &str =
    "Fetch the files with the browser and add them from this device, or use another host.";

/// Tries again what the network did not bring, waiting longer each time.
pub async fn patiently<T>(task: &Task, attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
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
pub async fn pause(task: &Task, milliseconds: i32) -> Result<()> {
    let mut left_ms = milliseconds;
    while left_ms > 0 {
        sleep_ms(left_ms.min(FIRST_WAIT_MS)).await;
        left_ms -= FIRST_WAIT_MS;
        task.check().await?;
    }
    Ok(())
}

/// The pieces of an answer as they arrive.
pub struct Body(ReadableStreamDefaultReader);

impl Body {
    /// The body of an answer.
    ///
    /// # Errors
    /// One that has none.
    pub fn of(response: &Response) -> Result<Self> {
        let stream = response
            .body()
            .ok_or_else(|| Problem::new("The answer is empty.", ASK_AGAIN))?;
        Ok(Self(stream.get_reader().unchecked_into()))
    }

    /// What comes next; `None` at its end.
    ///
    /// # Errors
    /// [`Problem::Network`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
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

/// A whole small document that is no page of HTML.
pub async fn fetch_small(url: &str) -> Result<Vec<u8>> {
    let too_large = || {
        Problem::new(
            "The model's description is too large.",
            "Fetch the model from another place.",
        )
    };
    fetch_whole(url, MAX_JSON_BYTES)
        .await?
        .ok_or_else(too_large)
}

/// A whole file that is no page of HTML; `None` if it has more than `most` bytes.
pub async fn fetch_whole(url: &str, most: u64) -> Result<Option<Vec<u8>>> {
    let response = request(url, 0).await?;
    refuse_page(&response)?;
    let mut body = Body::of(&response)?;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        bytes.extend(piece);
        if bytes.len() as u64 > most {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

/// Asks for a file from byte `offset` on.
///
/// # Errors
/// [`Problem::Network`] for what may go better later, [`Problem::Failed`] for what will not.
pub async fn request(url: &str, offset: u64) -> Result<Response> {
    let response = ask(url, offset).await?;
    check_status(url, &response)?;
    Ok(response)
}

/// Whether an answer from `url` brings what was asked for.
///
/// # Errors
/// As [`request`].
pub fn check_status(url: &str, response: &Response) -> Result<()> {
    match response.status() {
        200 | 206 => Ok(()),
        404 => Err(Problem::new(
            "The model is not at this address.",
            match is_elsewhere(url) {
                true => "Check the address.",
                false => "Add a model from files on this device.",
            },
        )),
        status @ (401 | 403) => Err(Problem::new(
            format!("The host gives this file only to those it knows: it answered {status}."),
            BY_HAND,
        )),
        // What a server may say when it has too much to do, or will do better later.
        status @ (408 | 425 | 429 | 500..) => Err(broken(&format!("the server answered {status}"))),
        status => Err(Problem::new(
            format!("The model could not be fetched: the server answered {status}."),
            ASK_AGAIN,
        )),
    }
}

/// The same, whatever the host answers.
///
/// # Errors
/// No answer, or one that this page may not see.
pub async fn ask(url: &str, offset: u64) -> Result<Response> {
    let asked = || {
        let init = RequestInit::new();
        if offset > 0 {
            // No other header: this one needs no leave of the host (Fetch, CORS-safelisted request headers).
            let headers = Headers::new()?;
            headers.set("Range", &format!("bytes={offset}-"))?;
            init.set_headers(&headers);
        }
        // Shards are kept in OPFS; a second copy in the browser's cache would only take space.
        init.set_cache(RequestCache::NoStore);
        Ok(scope().fetch_with_str_and_init(url, &init))
    };
    let promise = asked().map_err(|error: JsValue| broken(&text_of(&error)))?;
    let response = at_most_ms(STALLED_MS, JsFuture::from(promise)).await;
    match response.ok_or_else(|| broken("the server does not answer"))? {
        Ok(response) => Ok(response.unchecked_into()),
        Err(error) => Err(unseen(url, &error).await),
    }
}

/// Why there is no answer that could be seen. Browsers tell a page nothing of that.
async fn unseen(url: &str, error: &JsValue) -> Problem {
    if !scope().navigator().on_line() {
        return Problem::Network {
            message: "This device is not connected to a network.".to_owned(),
            remedy: "Connect it and go on. What was fetched is kept.".to_owned(),
        };
    }
    if !is_elsewhere(url) {
        return broken(&text_of(error));
    }
    if !address().ends_with(INSTALLING_SCRIPT) {
        return Problem::new(
            "This page speaks with no host but its own.",
            "Open Models and choose \u{201c}Add a model from an address\u{201d}.",
        );
    }
    let host = Url::new(url).map(|url| url.host()).unwrap_or_default();
    match answers_unseen(url).await {
        true => Problem::new(
            format!(
                "{host} answers, but does not let pages of other addresses read its files (its answer has no \
                 Access-Control-Allow-Origin, CORS)."
            ),
            BY_HAND,
        ),
        false => Problem::Network {
            message: format!("{host} cannot be reached."),
            remedy: "Check the address and the connection. What was fetched is kept.".to_owned(),
        },
    }
}

/// Whether a host answers at all: an answer that no page may look into comes without leave of the host.
async fn answers_unseen(url: &str) -> bool {
    let init = RequestInit::new();
    init.set_method("HEAD");
    init.set_cache(RequestCache::NoStore);
    let opaque = Reflect::set(&init, &"mode".into(), &"no-cors".into());
    let answer = match opaque {
        Ok(_) => Either::Left(JsFuture::from(scope().fetch_with_str_and_init(url, &init))),
        Err(error) => Either::Right(std::future::ready(Err(error))),
    };
    matches!(at_most_ms(STALLED_MS, answer).await, Some(Ok(_)))
}

/// Refuses a page of HTML, which many hosts send for what they do not have or do not give.
pub fn refuse_page(response: &Response) -> Result<()> {
    let kind = header(response, "Content-Type").unwrap_or_default();
    match kind.starts_with("text/html") {
        false => Ok(()),
        true => Err(Problem::new(
            "There is a web page at this address, not a model.",
            "Give the address of the file itself. If the page asks for a log-in, fetch the files with the browser and add them from this device.",
        )),
    }
}

/// A header of an answer, as far as the host lets it be seen.
pub fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// What the network did not bring.
pub fn broken(detail: &str) -> Problem {
    Problem::Network {
        message: format!("The model could not be fetched: {detail}."),
        remedy: ASK_AGAIN.to_owned(),
    }
}

/// The address relative to this Worker's script, which lies beside its page.
pub fn resolve(url: &str) -> Result<String> {
    resolve_beside(&address(), url)
}

/// An address relative to another.
pub fn resolve_beside(base: &str, url: &str) -> Result<String> {
    Url::new_with_base(url, base)
        .map(|url| url.href())
        .map_err(|_| {
            Problem::new(
                format!("\u{201c}{url}\u{201d} is no address."),
                "Check it and try again.",
            )
        })
}

/// Whether an address is another host's than this Worker's.
fn is_elsewhere(url: &str) -> bool {
    let origin = |url: &str| Url::new(url).map(|url| url.origin()).ok();
    origin(url) != origin(&address())
}

/// Of this Worker's script.
fn address() -> String {
    let property = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).unwrap_or_default();
    property(&property(&scope(), "location"), "href")
        .as_string()
        .unwrap_or_default()
}
