//! A file that is on its way: pieces of equal length, of which some are there.
//!
//! Reading is synchronous, and a piece is not. So a read of what is not there fails, and [`PieceSource::missing`] says
//! what to fetch before the same is tried again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use outpost_engine::error::{Error, Result};
use outpost_engine::ports::ByteSource;
use outpost_store::DiskFile;

use super::{WINDOW_BYTES, Window, check_range};
use crate::opfs::Handle;

/// A file in pieces; clones share them.
#[derive(Debug, Clone)]
pub struct PieceSource(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    bytes: u64,
    piece_bytes: u64,
    pieces: RefCell<BTreeMap<u64, Handle>>,
    window: RefCell<Window>,
    /// Where a read has failed for want of a piece.
    missing: Cell<Option<u64>>,
    /// Whether nothing is there for now.
    hidden: Cell<bool>,
}

impl PieceSource {
    /// A file of `bytes` bytes, of which nothing is there yet.
    pub fn new(name: String, bytes: u64, piece_bytes: u64) -> Self {
        Self(Rc::new(Inner {
            name,
            bytes,
            piece_bytes,
            pieces: RefCell::default(),
            window: RefCell::default(),
            missing: Cell::new(None),
            hidden: Cell::new(false),
        }))
    }

    /// Piece `index` is there.
    pub fn put(&self, index: u64, piece: Handle) {
        self.0.pieces.borrow_mut().insert(index, piece);
    }

    /// Lets go of pieces -> their indices.
    pub fn take(&self, unwanted: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut pieces = self.0.pieces.borrow_mut();
        let gone: Vec<u64> = pieces
            .keys()
            .copied()
            .filter(|index| unwanted(*index))
            .collect();
        gone.iter().for_each(|index| {
            pieces.remove(index);
        });
        gone
    }

    /// Where the last read has failed for want of a piece, said once.
    pub fn missing(&self) -> Option<u64> {
        self.0.missing.take()
    }

    /// Where in this file `read` would begin to read.
    pub fn place_of<T>(&self, read: impl FnOnce() -> T) -> Option<u64> {
        self.0.hidden.set(true);
        read();
        self.0.hidden.set(false);
        self.missing()
    }

    fn fill(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let Inner { piece_bytes, .. } = *self.0;
        let pieces = self.0.pieces.borrow();
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let within = at % piece_bytes;
            let count = (piece_bytes - within).min(rest.len() as u64);
            let (head, tail) = rest.split_at_mut(count as usize);
            let piece = pieces.get(&(at / piece_bytes));
            let piece = piece.ok_or_else(|| self.is_missing(at))?;
            let read = piece.read_exact_at(within, head);
            read.map_err(|error| self.unreadable(&error.to_string()))?;
            at += count;
            rest = tail;
        }
        Ok(())
    }

    /// Bytes from `offset` on that are there in a row, `most` or fewer.
    fn there(&self, offset: u64, most: u64) -> u64 {
        let pieces = self.0.pieces.borrow();
        let mut end = offset;
        while end < offset + most && pieces.contains_key(&(end / self.0.piece_bytes)) {
            end = (end / self.0.piece_bytes + 1) * self.0.piece_bytes;
        }
        (end - offset).min(most).min(self.0.bytes - offset)
    }

    fn is_missing(&self, at: u64) -> Error {
        self.0.missing.set(Some(at));
        self.unreadable("it is not there yet")
    }

    fn unreadable(&self, detail: &str) -> Error {
        Error::Read {
            label: self.0.name.clone(),
            detail: detail.to_owned(),
        }
    }
}

impl ByteSource for PieceSource {
    fn len(&self) -> u64 {
        self.0.bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self, offset, buf.len())?;
        if self.0.hidden.get() {
            return Err(self.is_missing(offset));
        }
        let wanted = buf.len() as u64;
        if wanted >= WINDOW_BYTES {
            return self.fill(offset, buf);
        }
        let mut window = self.0.window.borrow_mut();
        if !window.covers(offset, wanted) {
            let mut bytes = vec![0; self.there(offset, WINDOW_BYTES).max(wanted) as usize];
            self.fill(offset, &mut bytes)?;
            *window = Window { offset, bytes };
        }
        if let Some(bytes) = window.get(offset, buf.len()) {
            buf.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn label(&self) -> &str {
        &self.0.name
    }
}
