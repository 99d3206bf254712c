//! Reads the head of a file piece by piece, and the metadata in it.
//!
//! Metadata have one encoding, GGUF's (ggml/docs/gguf.md): a count, then for each key its name, the number of a type, and
//! the value. Numbers are little endian, a string is its length in bytes and UTF-8.

use super::limits::{MAX_HEADER_BYTES, MAX_METADATA_KEYS, MAX_NAME_BYTES};
use super::metadata::{Array, Metadata, Value};
use crate::error::{Error, Result, shown};
use crate::ports::ByteSource;

/// Bytes that are fetched at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Reads forward through a source. Checks what is left before it takes memory for anything.
pub(super) struct HeaderReader<'a, S> {
    source: &'a S,
    format: &'static str,
    /// Where the data end.
    end: u64,
    /// Where the header must have ended.
    limit: u64,
    /// Where `chunk` ends.
    fetched: u64,
    chunk: Vec<u8>,
    /// Bytes of `chunk` that have been read.
    used: usize,
}

impl<'a, S: ByteSource> HeaderReader<'a, S> {
    /// Reads the first `end` bytes of `source`. `format` is for messages.
    pub(super) fn new(source: &'a S, end: u64, format: &'static str) -> Self {
        Self {
            source,
            format,
            end,
            limit: end.min(MAX_HEADER_BYTES),
            fetched: 0,
            chunk: Vec::new(),
            used: 0,
        }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.fetched - (self.chunk.len() - self.used) as u64
    }

    /// Fails if fewer than `bytes` bytes are left. `what` needs them.
    pub(super) fn check_left(&self, bytes: u64, what: &str) -> Result<()> {
        let needed = self.position().saturating_add(bytes);
        if needed > self.end {
            return Err(Error::Truncated {
                what: what.to_owned(),
                needed,
                available: self.end,
            });
        }
        if needed > self.limit {
            return Err(Error::LimitExceeded {
                what: format!("the header up to {what}, in bytes,"),
                value: needed,
                limit: self.limit,
            });
        }
        Ok(())
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        self.number(what, u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        self.number(what, u64::from_le_bytes)
    }

    /// One number of `N` bytes.
    pub(super) fn number<T, const N: usize>(
        &mut self,
        what: &str,
        decode: fn([u8; N]) -> T,
    ) -> Result<T> {
        let bytes = self.take(N, what)?.first_chunk::<N>().copied();
        bytes.map(decode).ok_or_else(|| self.short(what))
    }

    /// The name of `what`.
    pub(super) fn name(&mut self, what: &str) -> Result<String> {
        let bytes = self.u64(what)?;
        if bytes > MAX_NAME_BYTES {
            return Err(Error::LimitExceeded {
                what: format!("the length of {what}, in bytes,"),
                value: bytes,
                limit: MAX_NAME_BYTES,
            });
        }
        self.utf8(bytes, what)
    }

    /// A string of any length.
    fn string(&mut self, what: &str) -> Result<String> {
        let bytes = self.u64(what)?;
        self.utf8(bytes, what)
    }

    fn utf8(&mut self, bytes: u64, what: &str) -> Result<String> {
        self.check_left(bytes, what)?;
        let mut text = Vec::new();
        // Below the limit of a header, so it fits.
        text.reserve_exact(bytes as usize);
        while (text.len() as u64) < bytes {
            let step = (bytes as usize - text.len()).min(CHUNK_BYTES);
            text.extend_from_slice(self.take(step, what)?);
        }
        String::from_utf8(text).map_err(|_| self.damaged(format!("{what} is not UTF-8")))
    }

    /// `count` numbers of `N` bytes.
    fn numbers<T, const N: usize>(
        &mut self,
        count: u64,
        what: &str,
        decode: fn([u8; N]) -> T,
    ) -> Result<Vec<T>> {
        self.check_left(count.saturating_mul(N as u64), what)?;
        let mut left = count as usize;
        let mut numbers = Vec::with_capacity(left);
        while left > 0 {
            let step = left.min(CHUNK_BYTES / N);
            let bytes = self.take(step * N, what)?;
            numbers.extend(bytes.as_chunks::<N>().0.iter().map(|&bytes| decode(bytes)));
            left -= step;
        }
        Ok(numbers)
    }

    /// The next `count` bytes, at most a chunk.
    fn take(&mut self, count: usize, what: &str) -> Result<&[u8]> {
        if self.chunk.len() - self.used < count {
            self.check_left(count as u64, what)?;
            self.chunk.drain(..self.used);
            self.used = 0;
            let kept = self.chunk.len();
            let more = (self.end - self.fetched).min((CHUNK_BYTES - kept) as u64);
            self.chunk.resize(kept + more as usize, 0);
            let fresh = self.chunk.get_mut(kept..).unwrap_or_default();
            self.source.read_exact_at(self.fetched, fresh)?;
            self.fetched += more;
        }
        let start = self.used;
        self.used += count;
        // The limit may lie within a chunk that has been fetched.
        self.check_left(0, what)?;
        match self.chunk.get(start..self.used) {
            Some(bytes) => Ok(bytes),
            None => Err(self.short(what)),
        }
    }

    fn short(&self, what: &str) -> Error {
        Error::Truncated {
            what: what.to_owned(),
            needed: self.position(),
            available: self.end,
        }
    }

    fn damaged(&self, detail: String) -> Error {
        Error::Malformed {
            format: self.format,
            detail,
        }
    }

    /// Metadata, from their count on.
    pub(super) fn metadata(&mut self) -> Result<Metadata> {
        const LEAST_BYTES: u64 = 8 + 4 + 1;
        let count = self.u64("the number of metadata keys")?;
        if count > MAX_METADATA_KEYS {
            return Err(Error::LimitExceeded {
                what: "the number of metadata keys".to_owned(),
                value: count,
                limit: MAX_METADATA_KEYS,
            });
        }
        self.check_left(count * LEAST_BYTES, "the metadata")?;
        let mut metadata = Metadata::default();
        for _ in 0..count {
            let key = self.name("a metadata key")?;
            if key.is_empty() {
                return Err(self.damaged("a metadata key has no name".to_owned()));
            }
            // Keys are printed as they are.
            if key.chars().any(char::is_control) {
                return Err(self.damaged(format!("`{}` is no metadata key", shown(&key))));
            }
            let what = format!("metadata key `{key}`");
            let value = self.value(&what)?;
            if !metadata.insert(key, value) {
                return Err(self.damaged(format!("{what} occurs twice")));
            }
        }
        Ok(metadata)
    }

    fn value(&mut self, what: &str) -> Result<Value> {
        Ok(match self.u32(what)? {
            0 => Value::U8(self.number(what, u8::from_le_bytes)?),
            1 => Value::I8(self.number(what, i8::from_le_bytes)?),
            2 => Value::U16(self.number(what, u16::from_le_bytes)?),
            3 => Value::I16(self.number(what, i16::from_le_bytes)?),
            4 => Value::U32(self.number(what, u32::from_le_bytes)?),
            5 => Value::I32(self.number(what, i32::from_le_bytes)?),
            6 => Value::F32(self.number(what, f32::from_le_bytes)?),
            7 => Value::Bool(self.boolean(what)?),
            8 => Value::String(self.string(what)?),
            9 => Value::Array(self.array(what)?),
            10 => Value::U64(self.number(what, u64::from_le_bytes)?),
            11 => Value::I64(self.number(what, i64::from_le_bytes)?),
            12 => Value::F64(self.number(what, f64::from_le_bytes)?),
            other => return Err(self.damaged(format!("{what} has the unknown type {other}"))),
        })
    }

    fn array(&mut self, what: &str) -> Result<Array> {
        let kind = self.u32(what)?;
        let count = self.u64(what)?;
        Ok(match kind {
            0 => Array::U8(self.numbers(count, what, u8::from_le_bytes)?),
            1 => Array::I8(self.numbers(count, what, i8::from_le_bytes)?),
            2 => Array::U16(self.numbers(count, what, u16::from_le_bytes)?),
            3 => Array::I16(self.numbers(count, what, i16::from_le_bytes)?),
            4 => Array::U32(self.numbers(count, what, u32::from_le_bytes)?),
            5 => Array::I32(self.numbers(count, what, i32::from_le_bytes)?),
            6 => Array::F32(self.numbers(count, what, f32::from_le_bytes)?),
            7 => {
                self.check_left(count, what)?;
                let read = (0..count).map(|_| self.boolean(what));
                Array::Bool(read.collect::<Result<_>>()?)
            }
            8 => Array::String(self.strings(count, what)?),
            9 => {
                return Err(Error::Unsupported {
                    what: format!("{what}, an array of arrays,"),
                    remedy: "convert the model again with a current converter".to_owned(),
                });
            }
            10 => Array::U64(self.numbers(count, what, u64::from_le_bytes)?),
            11 => Array::I64(self.numbers(count, what, i64::from_le_bytes)?),
            12 => Array::F64(self.numbers(count, what, f64::from_le_bytes)?),
            other => {
                return Err(self.damaged(format!("{what} is an array of the unknown type {other}")));
            }
        })
    }

    fn strings(&mut self, count: u64, what: &str) -> Result<Vec<String>> {
        const LENGTH_BYTES: u64 = 8;
        self.check_left(count.saturating_mul(LENGTH_BYTES), what)?;
        let mut strings = Vec::with_capacity(count as usize);
        for _ in 0..count {
            strings.push(self.string(what)?);
        }
        Ok(strings)
    }

    fn boolean(&mut self, what: &str) -> Result<bool> {
        match self.number(what, u8::from_le_bytes)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.damaged(format!("{what} is {other} where true or false belongs"))),
        }
    }
}
