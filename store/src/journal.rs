//! The journal on a disk: appended to, read after whatever happened, and written anew when it has grown.
//!
//! An entry that was appended is on the disk before anybody is told. One that could not be appended may still be there
//! in part or whole; so nothing else is changed, not even in other files, until it is known to be gone
//! ([`Journal::settle`]).
//!
//! There are two files. To write the journal anew, all that is known goes into the other one, under the next
//! generation; only when that is on the disk does it count, and the first file is emptied. Whenever this stops, the
//! later of the two that are whole says everything.

mod format;

pub(crate) use self::format::{HEADER_BYTES, VERSION};
use self::format::{Prefix, Reading, Seal};

use crate::disk::{Disk, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::read_whole;

/// The two files.
pub(crate) const PATHS: [&str; 2] = ["journal.1", "journal.2"];

/// Bytes of a journal that is read; one far smaller is written anew.
const MAX_BYTES: u64 = 256 << 20;

/// The journal that counts, open, so that no other tab can write it.
#[derive(Debug)]
pub(crate) struct Journal<F> {
    file: Half<F>,
    generation: u64,
    /// Where the next entry goes.
    end: u64,
    seal: Seal,
    /// Bytes of the first entry and what is before it.
    begun_bytes: u64,
    /// Whether something may lie after `end`.
    unsettled: bool,
    /// The other file, if a whole journal may be in it that must not count.
    refused: Option<Half<F>>,
}

/// One of the two files.
#[derive(Debug)]
struct Half<F> {
    path: &'static str,
    file: F,
}

impl<F: DiskFile> Journal<F> {
    /// Finds the journal and the payloads of its entries. `None` if there is none that can be believed.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Held`] if a library is open elsewhere, and what storage refuses.
    pub(crate) async fn find<D: Disk<File = F>>(disk: &D) -> Result<Option<(Self, Vec<Vec<u8>>)>> {
        let mut found: Option<(Half<F>, Prefix)> = None;
        let mut newer = None;
        for path in PATHS {
            if disk.bytes(path).await.at(path)?.is_none() {
                continue;
            }
            let file = disk.create(path).await.at(path)?;
            let bytes = read_whole(&file, MAX_BYTES).at(path)?;
            match format::read(&bytes.unwrap_or_default()) {
                Reading::Nothing => {}
                Reading::Newer {
                    version,
                    generation,
                } => newer = newer.max(Some((generation, version))),
                Reading::Whole(prefix) => {
                    let earlier = found
                        .as_ref()
                        .is_some_and(|(_, known)| known.generation > prefix.generation);
                    if !earlier {
                        found = Some((Half { path, file }, prefix));
                    }
                }
            }
        }
        let generation = found.as_ref().map_or(0, |(_, prefix)| prefix.generation);
        if let Some((_, version)) = newer.filter(|(newer, _)| *newer >= generation) {
            return Err(Error::Newer { version });
        }
        let Some((mut half, prefix)) = found else {
            return Ok(None);
        };
        // What was read may not be on the disk yet: its writer may have been stopped before it could flush.
        half.file.flush().at(half.path)?;
        let unsettled = half.file.bytes().at(half.path)? != prefix.end;
        let first = prefix.payloads.first().map_or(0, Vec::len);
        let journal = Self {
            file: half,
            generation: prefix.generation,
            end: prefix.end,
            seal: prefix.seal,
            begun_bytes: (HEADER_BYTES + first) as u64,
            unsettled,
            refused: None,
        };
        Ok(Some((journal, prefix.payloads)))
    }

    /// Begins a journal where there is none.
    ///
    /// # Errors
    /// What storage refuses.
    pub(crate) async fn begin<D: Disk<File = F>>(disk: &D, everything: &[u8]) -> Result<Self> {
        let [path, _] = PATHS;
        let mut file = disk.create(path).await.at(path)?;
        let (end, seal) = write_anew(&mut file, 1, everything).at(path)?;
        Ok(Self {
            file: Half { path, file },
            generation: 1,
            end,
            seal,
            begun_bytes: end,
            unsettled: false,
            refused: None,
        })
    }

    /// Appends an entry. When this returns, it is on the disk.
    ///
    /// # Errors
    /// What storage refuses: then the entry does not count, unless the power goes before [`settle`](Self::settle).
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<()> {
        self.settle()?;
        let Half { path, file } = &mut self.file;
        let (bytes, seal) = format::entry(self.seal, payload).ok_or_else(too_large)?;
        self.unsettled = true;
        file.write_all_at(self.end, &bytes).at(path)?;
        file.flush().at(path)?;
        self.unsettled = false;
        self.end += bytes.len() as u64;
        self.seal = seal;
        Ok(())
    }

    /// Takes away what could not be appended, or was torn. After this the disk says what the journal says.
    ///
    /// # Errors
    /// What storage refuses.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if let Some(Half { path, file }) = &mut self.refused {
            file.truncate(0).at(path)?;
            file.flush().at(path)?;
            self.refused = None;
        }
        if self.unsettled {
            let Half { path, file } = &mut self.file;
            file.truncate(self.end).at(path)?;
            file.flush().at(path)?;
            self.unsettled = false;
        }
        Ok(())
    }

    /// The file into which the journal may be written anew.
    pub(crate) fn other_path(&self) -> &'static str {
        let [one, two] = PATHS;
        if self.file.path == one { two } else { one }
    }

    /// Writes `everything` into the other file, which then counts.
    ///
    /// # Errors
    /// What storage refuses: then this one still counts.
    pub(crate) fn write_anew(&mut self, mut other: F, everything: &[u8]) -> Result<()> {
        let path = self.other_path();
        let generation = self.generation + 1;
        match write_anew(&mut other, generation, everything).at(path) {
            Ok((end, seal)) => {
                let before = std::mem::replace(&mut self.file, Half { path, file: other });
                (self.generation, self.end, self.seal) = (generation, end, seal);
                (self.begun_bytes, self.unsettled) = (end, false);
                empty(before.file);
                Ok(())
            }
            Err(error) => {
                self.refused = Some(Half { path, file: other });
                Err(error)
            }
        }
    }

    /// Its length in bytes, and what it had when it was begun.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.end, self.begun_bytes)
    }
}

/// Writes a journal of one entry -> its end and last seal.
fn write_anew<F: DiskFile>(
    file: &mut F,
    generation: u64,
    everything: &[u8],
) -> Result<(u64, Seal), crate::DiskError> {
    let (mut bytes, seal) = format::header(generation);
    let (entry, seal) = format::entry(seal, everything)
        .ok_or_else(|| crate::DiskError::Other("it has grown too large".to_owned()))?;
    bytes.extend(entry);
    file.truncate(0)?;
    file.write_all_at(0, &bytes)?;
    file.flush()?;
    Ok((bytes.len() as u64, seal))
}

/// Empties a journal that no longer counts: were the one that does ever damaged, this would say what is long untrue.
fn empty(mut file: impl DiskFile) {
    // It does not count either way, so what storage refuses here changes nothing.
    let _ = file.truncate(0).and_then(|()| file.flush());
}

fn too_large() -> Error {
    Error::Request {
        problem: "there is too much to note at once".to_owned(),
        remedy: "install models one after the other",
    }
}
