//! What the engine asks of the outside world. Hosts implement these traits; the engine never reaches past them.

use crate::error::{Error, Result};

/// Random-access bytes of known length: a file, an OPFS handle, a slice of memory.
pub trait ByteSource {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset`. Fails with [`Error::Truncated`] or [`Error::Read`], never partially.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// Short name for messages, such as a file name.
    fn label(&self) -> &str;
}

impl<S: ByteSource + ?Sized> ByteSource for Box<S> {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read_exact_at(offset, buf)
    }
    fn label(&self) -> &str {
        (**self).label()
    }
}

/// Bytes in memory, for tests and for small models.
impl ByteSource for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| Some(start..start.checked_add(buf.len())?));
        match range.and_then(|range| self.get(range)) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(Error::Truncated {
                what: self.label().to_owned(),
                needed: offset.saturating_add(buf.len() as u64),
                available: self.as_slice().len() as u64,
            }),
        }
    }

    fn label(&self) -> &str {
        "memory"
    }
}

/// Monotonic time.
pub trait Clock {
    /// Milliseconds since an arbitrary start.
    fn now_ms(&self) -> f64;
}

/// Receives progress of long work.
pub trait Progress {
    /// `done_bytes` of `total_bytes` are through.
    fn report(&mut self, done_bytes: u64, total_bytes: u64);
}

/// Nobody watches.
impl Progress for () {
    fn report(&mut self, _done_bytes: u64, _total_bytes: u64) {}
}

/// Words of a job for a helper; only the engine understands them.
pub type JobWords = [u32; 16];

/// Threads beside the engine's own, each with memory of its own: they keep rows of weights and multiply with them.
/// A host carries jobs and numbers to and fro; what a helper does with a job is `kernels::simd::job::Job::run`.
///
/// A job whose result nobody took, because something else failed in between, is waited for and thrown away by the
/// helper's next call.
pub trait Helpers: std::fmt::Debug {
    /// How many there are besides the engine's own thread.
    fn count(&self) -> usize;
    /// Gives a helper bytes to keep -> the slot in which they are.
    fn keep(&self, helper: usize, bytes: &[u8]) -> Result<u32>;
    /// Forgets what is in a slot.
    fn release(&self, helper: usize, slot: u32);
    /// Begins a job on kept bytes; a helper has one at a time. Does not wait.
    fn begin(&self, helper: usize, slot: u32, job: &JobWords, input: &[f32]) -> Result<()>;
    /// Waits for the job and takes what came out: exactly `output.len()` numbers, or an error.
    fn finish(&self, helper: usize, output: &mut [f32]) -> Result<()>;
}
