//! Where the engine reads bytes from that are not a model's shards: files that a person chose, and files on their way.

mod pieces;

use std::cell::RefCell;

use js_sys::Uint8Array;
use outpost_engine::error::{Error, Result};
use outpost_engine::ports::ByteSource;
use web_sys::{Blob, File, FileReaderSync};

use crate::problem::{Problem, text_of};

pub use pieces::PieceSource;

/// Bytes that are read from a chosen file at once when fewer are asked for: a header is read in thousands of small pieces.
const WINDOW_BYTES: u64 = 1 << 20;

/// A file that a person chose.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    name: String,
    bytes: u64,
    reader: FileReaderSync,
    window: RefCell<Window>,
}

/// The piece of a file that was read last.
#[derive(Debug, Default)]
struct Window {
    offset: u64,
    bytes: Vec<u8>,
}

impl FileSource {
    /// The file as it was when it was chosen.
    ///
    /// # Errors
    /// Where the browser has no synchronous reader, which is to say outside a Worker.
    pub fn new(file: File) -> crate::Result<Self> {
        let reader = FileReaderSync::new().map_err(|error| {
            Problem::new(
                format!("Files cannot be read here: {}.", text_of(&error)),
                "Use another browser.",
            )
        })?;
        let (name, bytes) = (file.name(), file.size() as u64);
        Ok(Self {
            file,
            name,
            bytes,
            reader,
            window: RefCell::default(),
        })
    }

    fn read(&self, offset: u64, bytes: u64) -> Result<Uint8Array> {
        read_blob(&self.reader, &self.file, offset, bytes).map_err(|detail| Error::Read {
            label: self.name.clone(),
            detail,
        })
    }
}

impl ByteSource for FileSource {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let wanted = buf.len() as u64;
        if wanted >= WINDOW_BYTES {
            let piece = self.read(offset, wanted)?;
            if u64::from(piece.length()) != wanted {
                return Err(shorter(self, offset + wanted));
            }
            piece.copy_to(buf);
            return Ok(());
        }
        let mut window = self.window.borrow_mut();
        if !window.covers(offset, wanted) {
            let bytes = WINDOW_BYTES.min(self.bytes - offset);
            *window = Window {
                offset,
                bytes: self.read(offset, bytes)?.to_vec(),
            };
        }
        match window.get(offset, buf.len()) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(shorter(self, offset + wanted)),
        }
    }

    fn label(&self) -> &str {
        &self.name
    }
}

impl Window {
    fn covers(&self, offset: u64, bytes: u64) -> bool {
        offset >= self.offset && offset + bytes <= self.offset + self.bytes.len() as u64
    }

    fn get(&self, offset: u64, bytes: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(start..start.checked_add(bytes)?)
    }
}

/// A whole blob of at most `limit` bytes. `what`: what it is to the person.
///
/// # Errors
/// A larger blob, and one that cannot be read.
pub fn read_whole(blob: &Blob, what: &str, limit: u64) -> crate::Result<Vec<u8>> {
    let bytes = blob.size() as u64;
    if bytes > limit {
        return Err(Problem::new(
            format!("The {what} has {}.", outpost_protocol::format::bytes(bytes)),
            format!(
                "Use one of at most {}.",
                outpost_protocol::format::bytes(limit)
            ),
        ));
    }
    let failed = |detail: String| {
        Problem::new(
            format!("The {what} cannot be read: {detail}."),
            "Choose it again.",
        )
    };
    let reader = FileReaderSync::new().map_err(|error| failed(text_of(&error)))?;
    read_blob(&reader, blob, 0, bytes)
        .map(|bytes| bytes.to_vec())
        .map_err(failed)
}

fn read_blob(
    reader: &FileReaderSync,
    blob: &Blob,
    offset: u64,
    bytes: u64,
) -> std::result::Result<Uint8Array, String> {
    blob.slice_with_f64_and_f64(offset as f64, (offset + bytes) as f64)
        .and_then(|piece| reader.read_as_array_buffer(&piece))
        .map(|buffer| Uint8Array::new(&buffer))
        .map_err(|error| text_of(&error))
}

fn check_range(source: &impl ByteSource, offset: u64, bytes: usize) -> Result<()> {
    match offset.checked_add(bytes as u64) {
        Some(end) if end <= source.len() => Ok(()),
        end => Err(shorter(source, end.unwrap_or(u64::MAX))),
    }
}

fn shorter(source: &impl ByteSource, needed: u64) -> Error {
    Error::Truncated {
        what: source.label().to_owned(),
        needed,
        available: source.len(),
    }
}
