//! Helper threads of the page: the engine's port `Helpers` by nested Workers.
//!
//! Each helper has a module and a memory of its own (`web/thread`, driven by `web/static/thread.js`); nothing of this
//! module's memory is shared. A helper sleeps between calls and takes no messages, so all goes through one
//! `SharedArrayBuffer` each, the *line*: words that both sides know (`word`), and a ring of bytes.
//!
//! A call is a number in `CALL`, with its words beside it; its bytes go up through the ring: the sender counts in `SENT`
//! what it has put in, the receiver in `TAKEN` what it has taken out. The answer is the same number in `DONE`, with
//! status and value; its bytes come down through the same ring by `SENT_BACK` and `TAKEN_BACK`. What fits the ring whole
//! is there before the number is, so a small job takes one wake-up each way.

mod start;

use std::cell::Cell;

use js_sys::{Atomics, Float32Array, Int32Array, SharedArrayBuffer, Uint8Array};
use outpost_engine::error::{Error, Result};
use outpost_engine::ports::{Helpers, JobWords};
use wasm_bindgen::prelude::*;
use web_sys::Worker;

pub use start::{helpers_for_this_device, spawn};

/// Bytes of the ring.
const RING_BYTES: usize = 1 << 20;

/// Bytes that are sent at once where there are more than the ring holds; divides [`RING_BYTES`].
const CHUNK_BYTES: usize = 1 << 18;

/// Where the ring begins in the line.
const RING_START_BYTES: u32 = 1024;

/// How long this side looks before it sleeps: about as long as waking a sleeper can take.
const SPIN_MS: f64 = 0.05;

/// How long it sleeps before it looks whether the helper has ended.
const NAP_MS: f64 = 1000.0;

/// After so many naps in vain a helper counts as ended. Naps, because none passes while the browser has stopped the page.
const PATIENCE_NAPS: u32 = 60;

/// Places of the line's words; `web/static/thread.js` has the same. Those that a side waits on lie in cache lines of
/// their own.
mod word {
    pub const CALL: u32 = 0;
    pub const DONE: u32 = 16;
    pub const SENT: u32 = 32;
    pub const TAKEN: u32 = 48;
    pub const SENT_BACK: u32 = 64;
    pub const TAKEN_BACK: u32 = 80;
    /// Not 0 when the helper has ended.
    pub const ENDED: u32 = 96;
    /// Kind, slot, bytes that go up, and the job's 16.
    pub const REQUEST: u32 = 112;
    /// Status, value, bytes that come down.
    pub const ANSWER: u32 = 144;
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Bytes up; the answer's value is their slot.
    Keep = 1,
    Release = 2,
    /// Numbers up and down.
    Run = 3,
    /// No answer comes.
    End = 4,
}

/// Nested Workers that keep rows of weights and multiply with them. They end when this is dropped.
#[derive(Debug)]
pub struct WorkerHelpers(Vec<Helper>);

#[derive(Debug)]
struct Helper {
    worker: Worker,
    line: Line,
}

impl Drop for Helper {
    fn drop(&mut self) {
        // A browser may wait seconds before it ends a Worker that does not come to its end by itself.
        if self.line.state.get() == State::Idle {
            let _ = self
                .line
                .ask(Kind::End, 0, &JobWords::default(), &Up::Bytes(&[]));
        }
        self.worker.terminate();
    }
}

/// The memory that is shared with one helper.
#[derive(Debug)]
struct Line {
    buffer: SharedArrayBuffer,
    words: Int32Array,
    request: Int32Array,
    answer: Int32Array,
    bytes: Uint8Array,
    numbers: Float32Array,
    /// The latest call's number.
    call: Cell<i32>,
    state: Cell<State>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Idle,
    /// A call's answer has not been taken.
    Busy,
    /// The helper has ended, or answers no more.
    Lost,
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_ms() -> f64;
}

impl Helpers for WorkerHelpers {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn keep(&self, helper: usize, bytes: &[u8]) -> Result<u32> {
        let line = self.line(helper)?;
        line.ask(Kind::Keep, 0, &JobWords::default(), &Up::Bytes(bytes))?;
        Ok(line.answer()?.value.cast_unsigned())
    }

    fn release(&self, helper: usize, slot: u32) {
        // A helper that has ended keeps nothing.
        let _ = self.line(helper).and_then(|line| {
            line.ask(Kind::Release, slot, &JobWords::default(), &Up::Bytes(&[]))?;
            line.answer()
        });
    }

    fn begin(&self, helper: usize, slot: u32, job: &JobWords, input: &[f32]) -> Result<()> {
        self.line(helper)?
            .ask(Kind::Run, slot, job, &Up::Numbers(input))
    }

    fn finish(&self, helper: usize, output: &mut [f32]) -> Result<()> {
        let line = self.line(helper)?;
        if line.state.get() == State::Idle {
            return Err(misused("a result is asked for, but no job was begun"));
        }
        let came_out = line.answer()?.bytes;
        if came_out != size_of_val(output) {
            line.receive(came_out, |_, _| {})?;
            return Err(misused(&format!(
                "a job gave {} numbers where {} are expected",
                came_out / size_of::<f32>(),
                output.len()
            )));
        }
        line.receive(came_out, |at, range| {
            let part = line.numbers.subarray(range.0 / 4, range.1 / 4);
            let (from, count) = (at / 4, (range.1 - range.0) as usize / 4);
            if let Some(output) = output.get_mut(from..from + count) {
                part.copy_to(output);
            }
        })
    }
}

impl WorkerHelpers {
    fn line(&self, helper: usize) -> Result<&Line> {
        let found = self.0.get(helper).map(|helper| &helper.line);
        found.ok_or_else(|| misused(&format!("there is no helper thread {helper}")))
    }
}

/// What goes up with a call.
enum Up<'a> {
    Bytes(&'a [u8]),
    Numbers(&'a [f32]),
}

impl Up<'_> {
    fn len_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Numbers(numbers) => size_of_val(*numbers),
        }
    }
}

/// The head of an answer.
struct Answer {
    value: i32,
    /// How many come down.
    bytes: usize,
}

impl Line {
    fn new() -> Self {
        let buffer = SharedArrayBuffer::new(RING_START_BYTES + RING_BYTES as u32);
        let words = Int32Array::new_with_byte_offset_and_length(&buffer, 0, RING_START_BYTES / 4);
        let start = RING_START_BYTES;
        let ring = RING_BYTES as u32;
        Self {
            request: words.subarray(word::REQUEST, word::REQUEST + 19),
            answer: words.subarray(word::ANSWER, word::ANSWER + 3),
            bytes: Uint8Array::new_with_byte_offset_and_length(&buffer, start, ring),
            numbers: Float32Array::new_with_byte_offset_and_length(&buffer, start, ring / 4),
            words,
            buffer,
            call: Cell::new(0),
            state: Cell::new(State::Idle),
        }
    }

    /// Makes a call. Waits only where an earlier answer is still to come, or where there is more than the ring holds.
    fn ask(&self, kind: Kind, slot: u32, job: &JobWords, up: &Up<'_>) -> Result<()> {
        self.settle()?;
        let length = up.len_bytes();
        let length_word =
            i32::try_from(length).map_err(|_| misused("too much at once for a helper thread"))?;
        let mut request = [0; 19];
        request[..3].copy_from_slice(&[kind as i32, slot.cast_signed(), length_word]);
        for (word, job) in request[3..].iter_mut().zip(job) {
            *word = job.cast_signed();
        }
        self.request.copy_from(&request);
        for word in [word::TAKEN, word::SENT_BACK, word::TAKEN_BACK] {
            self.store(word, 0);
        }

        let mut sent = if length <= RING_BYTES {
            length
        } else {
            CHUNK_BYTES
        };
        self.put(up, 0, sent);
        self.store(word::SENT, sent as i32);
        let call = self.call.get().wrapping_add(1);
        self.call.set(call);
        self.state.set(State::Busy);
        self.store_and_wake(word::CALL, call);

        while sent < length {
            let next = length.min(sent + CHUNK_BYTES);
            self.wait_until(word::TAKEN, |taken| next - taken as usize <= RING_BYTES)?;
            self.put(up, sent, next);
            sent = next;
            self.store_and_wake(word::SENT, sent as i32);
        }
        Ok(())
    }

    /// Copies `from..to` of what goes up to its place in the ring, which it does not wrap around.
    fn put(&self, up: &Up<'_>, from: usize, to: usize) {
        let at = (from % RING_BYTES) as u32;
        let end = at + (to - from) as u32;
        match up {
            Up::Bytes(bytes) => {
                if let Some(bytes) = bytes.get(from..to) {
                    self.bytes.subarray(at, end).copy_from(bytes);
                }
            }
            Up::Numbers(numbers) => {
                if let Some(numbers) = numbers.get(from / 4..to / 4) {
                    self.numbers.subarray(at / 4, end / 4).copy_from(numbers);
                }
            }
        }
    }

    /// Waits for the answer to the latest call. Its bytes are for [`Line::receive`].
    fn answer(&self) -> Result<Answer> {
        let call = self.call.get();
        self.wait_until(word::DONE, |done| done == call)?;
        let mut words = [0; 3];
        self.answer.copy_to(&mut words);
        let [status, value, length] = words;
        let bytes = usize::try_from(length).unwrap_or(0);
        if bytes == 0 {
            self.state.set(State::Idle);
        }
        if status == 0 {
            return Ok(Answer { value, bytes });
        }
        let mut text = vec![0; bytes];
        self.receive(bytes, |at, range| {
            let part = self.bytes.subarray(range.0, range.1);
            let count = (range.1 - range.0) as usize;
            if let Some(text) = text.get_mut(at..at + count) {
                part.copy_to(text);
            }
        })?;
        Err(refused(&String::from_utf8_lossy(&text)))
    }

    /// Takes the bytes that come down: `take` gets how many came before, and where the next lie in the ring.
    fn receive(&self, length: usize, mut take: impl FnMut(usize, (u32, u32))) -> Result<()> {
        let mut taken = 0;
        while taken < length {
            let sent = self.wait_until(word::SENT_BACK, |sent| sent as usize > taken)? as usize;
            let at = taken % RING_BYTES;
            let count = sent.min(length).saturating_sub(taken).min(RING_BYTES - at);
            take(taken, (at as u32, (at + count) as u32));
            taken += count;
            if taken < length {
                self.store_and_wake(word::TAKEN_BACK, taken as i32);
            }
        }
        self.state.set(State::Idle);
        Ok(())
    }

    /// Takes and throws away an answer that nobody has taken.
    fn settle(&self) -> Result<()> {
        match self.state.get() {
            State::Idle => Ok(()),
            State::Lost => Err(ended()),
            State::Busy => {
                if let Ok(Answer { bytes, .. }) = self.answer() {
                    self.receive(bytes, |_, _| {})?;
                }
                match self.state.get() {
                    State::Lost => Err(ended()),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Waits until a word is as it should be: looks for a while, then sleeps. An error if the helper has ended.
    fn wait_until(&self, word: u32, is_so: impl Fn(i32) -> bool) -> Result<i32> {
        if self.state.get() == State::Lost {
            return Err(ended());
        }
        let mut value = self.load(word);
        if is_so(value) {
            return Ok(value);
        }
        let begun_ms = now_ms();
        while now_ms() - begun_ms < SPIN_MS {
            for _ in 0..16 {
                value = self.load(word);
                if is_so(value) {
                    return Ok(value);
                }
            }
        }
        let mut naps = 0;
        while self.load(word::ENDED) == 0 && naps < PATIENCE_NAPS {
            // It fails only where waiting is not allowed, which in a Worker it is.
            let outcome = Atomics::wait_with_timeout(&self.words, word, value, NAP_MS);
            naps += u32::from(outcome.is_ok_and(|how| how == "timed-out"));
            value = self.load(word);
            if is_so(value) {
                return Ok(value);
            }
        }
        self.state.set(State::Lost);
        Err(ended())
    }

    fn load(&self, word: u32) -> i32 {
        // It fails only beyond the array's end.
        Atomics::load(&self.words, word).unwrap_or(0)
    }

    fn store(&self, word: u32, value: i32) {
        let _ = Atomics::store(&self.words, word, value);
    }

    fn store_and_wake(&self, word: u32, value: i32) {
        self.store(word, value);
        let _ = Atomics::notify(&self.words, word);
    }
}

fn ended() -> Error {
    Error::Device {
        device: "CPU".to_owned(),
        detail: "a helper thread has ended or does not answer".to_owned(),
    }
}

fn misused(problem: &str) -> Error {
    Error::Request {
        problem: problem.to_owned(),
        remedy: "load the model again".to_owned(),
    }
}

/// A helper's own error, whose text is "what happened; what to do".
fn refused(text: &str) -> Error {
    let (problem, remedy) = text
        .rsplit_once("; ")
        .unwrap_or((text, "load the model again"));
    Error::Request {
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    }
}
