//! Shards as the engine reads them: no byte of a stored model is handed out that is not what it was when its SHA-256 was
//! compared.
//!
//! Each read is compared block by block with the checksums of the journal. Blocks that lie in it whole are read straight to
//! where they belong; those at its ends are read whole beside it and kept for a while, because the next read begins where
//! one of the last ones ended. So a file that is read once, in whatever order, is read from storage about once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use outpost_engine::error::{Error as EngineError, Result as EngineResult};
use outpost_engine::ports::ByteSource;

use crate::disk::{Disk, DiskFile};
use crate::error::{At, Error, Result};
use crate::library::{Library, not_here, path};
use crate::state::Stored;
use crate::sums::{BLOCK_BYTES, Sums};

/// Blocks at the ends of reads that are kept: three matrices side by side, four parts each, are read at once.
const KEPT_BLOCKS: usize = 12;

/// What the shards of a model have in common while it is read. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Reading(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// The last one was used last.
    kept: Vec<Kept>,
    damaged: BTreeSet<String>,
}

/// A block that was compared.
#[derive(Debug)]
struct Kept {
    path: Rc<str>,
    index: u64,
    bytes: Vec<u8>,
}

/// A stored shard, open for reading.
#[derive(Debug)]
pub struct Shard<F> {
    file: F,
    path: Rc<str>,
    name: String,
    bytes: u64,
    sums: Sums,
    reading: Reading,
}

impl Reading {
    /// Names of the shards that were found to be damaged, for [`Library::lose_all`].
    pub fn damaged(&self) -> Vec<String> {
        self.0.borrow().damaged.iter().cloned().collect()
    }

    /// Copies `out.len()` bytes of a block from `start`, if it is kept -> whether it is.
    fn copy(&self, path: &Rc<str>, index: u64, start: usize, out: &mut [u8]) -> bool {
        let kept = &mut self.0.borrow_mut().kept;
        let found = |kept: &Kept| kept.index == index && Rc::ptr_eq(&kept.path, path);
        let Some(place) = kept.iter().position(found) else {
            return false;
        };
        let block = kept.remove(place);
        let bytes = block.bytes.get(start..start + out.len());
        if let Some(bytes) = bytes {
            out.copy_from_slice(bytes);
        }
        let copied = bytes.is_some();
        kept.push(block);
        copied
    }

    /// Keeps a block, in the memory of the one that was not used for longest.
    fn keep(&self, block: Kept) {
        self.0.borrow_mut().kept.push(block);
    }

    /// Memory for a block of so many bytes.
    fn memory(&self, bytes: usize) -> Vec<u8> {
        let kept = &mut self.0.borrow_mut().kept;
        let mut memory = match kept.len() < KEPT_BLOCKS {
            true => Vec::new(),
            false => kept.remove(0).bytes,
        };
        memory.resize(bytes, 0);
        memory
    }
}

impl<D: Disk> Library<D> {
    /// Opens a shard of a model for the engine. All shards of a model are best given the same `reading`.
    ///
    /// # Errors
    /// [`Error::NotHere`], [`Error::Gone`] for one that is missing or cut, [`Error::Request`] for one without checksums
    /// (see [`has_sums`](Self::has_sums)), and what storage refuses.
    pub async fn shard(
        &self,
        folder: &str,
        name: &str,
        reading: &Reading,
    ) -> Result<Shard<D::File>> {
        let path = path(folder, name);
        let known = self.folder(folder)?;
        let stored = known.files.get(name).ok_or_else(|| not_here(&path))?;
        let sums = stored.sums().cloned().ok_or_else(|| Error::Request {
            problem: format!("{path} was never checked"),
            remedy: "check the model",
        })?;
        let file = self.disk.open(&path).await.at(&path)?;
        if file.bytes().at(&path)? != stored.bytes {
            return Err(Error::Gone { path });
        }
        Ok(Shard {
            file,
            path: path.into(),
            name: name.to_owned(),
            bytes: stored.bytes,
            sums,
            reading: reading.clone(),
        })
    }
}

impl Stored {
    /// The checksums, if there is one for each block.
    pub(crate) fn sums(&self) -> Option<&Sums> {
        self.sums.as_ref().filter(|sums| sums.cover(self.bytes))
    }
}

impl<F: DiskFile> Shard<F> {
    /// Copies a part of one block.
    fn read_part(&self, index: u64, start: u64, out: &mut [u8]) -> EngineResult<()> {
        // Less than BLOCK_BYTES, so it fits.
        let start = start as usize;
        if self.reading.copy(&self.path, index, start, out) {
            return Ok(());
        }
        let offset = index * BLOCK_BYTES;
        let block_bytes = (self.bytes - offset).min(BLOCK_BYTES) as usize;
        let mut bytes = self.reading.memory(block_bytes);
        self.read(offset, &mut bytes)?;
        match bytes.get(start..start + out.len()) {
            Some(part) => out.copy_from_slice(part),
            None => return Err(self.damage(offset)),
        }
        self.reading.keep(Kept {
            path: self.path.clone(),
            index,
            bytes,
        });
        Ok(())
    }

    /// Reads whole blocks, from where one begins, and compares them.
    fn read(&self, offset: u64, out: &mut [u8]) -> EngineResult<()> {
        let read = self.file.read_exact_at(offset, out);
        read.map_err(|error| EngineError::Read {
            label: self.name.clone(),
            detail: error.to_string(),
        })?;
        let first = offset / BLOCK_BYTES;
        for (index, block) in (first..).zip(out.chunks(BLOCK_BYTES as usize)) {
            if !self.sums.is_right(index, block) {
                return Err(self.damage(index * BLOCK_BYTES));
            }
        }
        Ok(())
    }

    fn damage(&self, offset: u64) -> EngineError {
        let damaged = &mut self.reading.0.borrow_mut().damaged;
        damaged.insert(self.name.clone());
        EngineError::Malformed {
            format: "stored model",
            detail: format!(
                "the bytes from {offset} on of `{}` are not what was stored",
                self.name
            ),
        }
    }
}

impl<F: DiskFile> ByteSource for Shard<F> {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> EngineResult<()> {
        let needed = offset.saturating_add(buf.len() as u64);
        if needed > self.bytes {
            return Err(EngineError::Truncated {
                what: self.name.clone(),
                needed,
                available: self.bytes,
            });
        }
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let (index, start) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
            let left = (self.bytes - index * BLOCK_BYTES).min(BLOCK_BYTES) - start;
            // Bytes of blocks that lie in the rest whole; the file's last block may be a short one.
            let whole = match at + rest.len() as u64 {
                end if end == self.bytes => rest.len() as u64,
                _ => rest.len() as u64 / BLOCK_BYTES * BLOCK_BYTES,
            };
            let is_whole = start == 0 && whole > 0;
            let count = match is_whole {
                true => whole,
                false => left.min(rest.len() as u64),
            };
            let (out, after) = rest.split_at_mut(count as usize);
            match is_whole {
                true => self.read(at, out)?,
                false => self.read_part(index, start, out)?,
            }
            at += count;
            rest = after;
        }
        Ok(())
    }

    fn label(&self) -> &str {
        &self.name
    }
}
