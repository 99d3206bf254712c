//! A shelf of single files that a person brought, each with a few words about it: whole, or not there. A library's journal is
//! about models of many parts; one file of a few megabytes needs only a note.
//!
//! ```text
//! body.<number>     the bytes
//! note.<number>     a mark, then a checksum of what follows it, in hexadecimal, then JSON: length and checksum of the body, and
//!                   the words about it
//! ```
//!
//! What counts is what has a marked note. The body was on the disk before the note was begun, and the note before it was
//! marked, by a single byte. What is taken away is struck out first: its note is emptied, and only then its body removed. A tab
//! that writes a body holds it open until its note is marked, so nobody else takes it for a leftover.

use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use std::hash::Hasher;

use crate::disk::{Disk, DiskError, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::{PIECE_BYTES, Watch, read_whole};

const BODY: &str = "body.";
const NOTE: &str = "note.";

/// First byte of a note that counts, and of one that does not yet.
const MARKED: u8 = 1;
const UNMARKED: u8 = 0;

/// Hexadecimal digits of a checksum.
const DIGITS: usize = 16;

/// Longest note that is read.
const MOST_NOTE_BYTES: u64 = 64 << 10;

/// Files on a disk, in one folder, the topmost. Any number of tabs may have the same one open.
#[derive(Debug)]
pub struct Shelf<D> {
    disk: D,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number, greater than that of any file before it.
    pub number: u64,
    /// What is known of it; `None` if its note was changed after it was written.
    pub note: Option<Note>,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its length.
    pub bytes: u64,
    /// XXH64 of its bytes, in hexadecimal.
    pub xxh64: String,
    /// What was said about it when it was put there.
    pub about: String,
}

/// A file that is being written.
#[derive(Debug)]
pub struct NewItem<F> {
    number: u64,
    path: String,
    file: F,
    written: u64,
    sum: XxHash64,
}

impl<D: Disk> Shelf<D> {
    /// A shelf on this disk.
    pub fn on(disk: D) -> Self {
        Self { disk }
    }

    /// Every file that counts, the oldest first. Their bytes are not read.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn list(&self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for number in self.numbers(NOTE).await? {
            let path = path(NOTE, number);
            let note = match self.note(&path).await {
                // Another tab writes it, or has just taken it away.
                Err(Error::Held { .. } | Error::Gone { .. }) => continue,
                note => note?,
            };
            match note {
                Noted::No => {}
                Noted::Changed => items.push(Item { number, note: None }),
                Noted::Yes(note) => items.push(Item {
                    number,
                    note: Some(note),
                }),
            }
        }
        Ok(items)
    }

    /// The numbers of all notes, counted or not: the same as long as nothing was added or removed.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn noted(&self) -> Result<Vec<u64>> {
        self.numbers(NOTE).await
    }

    /// Begins a file.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn begin(&self) -> Result<NewItem<D::File>> {
        let bodies = self.numbers(BODY).await?;
        let notes = self.numbers(NOTE).await?;
        let last = bodies.into_iter().chain(notes).max();
        let mut number = last.unwrap_or_default() + 1;
        loop {
            let path = path(BODY, number);
            let mut file = self.disk.create(&path).await.at(&path)?;
            // Another tab may have had the same number in mind, and be through.
            if self
                .disk
                .bytes(&self::path(NOTE, number))
                .await
                .at(&path)?
                .is_some()
            {
                number += 1;
                continue;
            }
            file.truncate(0).at(&path)?;
            return Ok(NewItem {
                number,
                path,
                file,
                written: 0,
                sum: XxHash64::with_seed(0),
            });
        }
    }

    /// Ends a file -> its number. When this returns, it is there.
    ///
    /// # Errors
    /// What storage refuses: then it is not there.
    pub async fn finish(&self, mut item: NewItem<D::File>, about: &str) -> Result<u64> {
        item.file.flush().at(&item.path)?;
        let note = Note {
            bytes: item.written,
            xxh64: hexadecimal(item.sum.finish()),
            about: about.to_owned(),
        };
        let unwritable = |error: serde_json::Error| Error::Request {
            problem: format!("this cannot be noted: {error}"),
            remedy: "say something else about it",
        };
        let text = serde_json::to_string(&note).map_err(unwritable)?;
        let sum = hexadecimal(XxHash64::oneshot(0, text.as_bytes()));
        let mut bytes = vec![UNMARKED];
        bytes.extend_from_slice(sum.as_bytes());
        bytes.extend_from_slice(text.as_bytes());
        let path = path(NOTE, item.number);
        let mut file = self.disk.create(&path).await.at(&path)?;
        file.truncate(0).at(&path)?;
        file.write_all_at(0, &bytes).at(&path)?;
        file.flush().at(&path)?;
        let marked = file.write_all_at(0, &[MARKED]).and_then(|()| file.flush());
        if marked.is_err() {
            // If storage refuses this too, the mark may be there: then the file is there whole, and nobody was told.
            let _ = file.truncate(0).and_then(|()| file.flush());
        }
        marked.at(&path)?;
        Ok(item.number)
    }

    /// Takes away what there is of a file that is not to be finished.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn give_up(&self, item: NewItem<D::File>) -> Result<()> {
        let NewItem { path, file, .. } = item;
        drop(file);
        self.disk.remove(&path).await.at(&path)
    }

    /// All bytes of a file, compared with its checksum.
    ///
    /// # Errors
    /// [`Error::Changed`], [`Error::Gone`], [`Error::Stopped`], and what storage refuses.
    pub async fn read(&self, item: &Item, watch: &mut impl Watch) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.each_piece(item, watch, |piece, all| {
            if bytes.is_empty() {
                bytes.reserve_exact(all as usize);
            }
            bytes.extend_from_slice(piece);
        })
        .await?;
        Ok(bytes)
    }

    /// Compares a file with its checksum.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn check(&self, item: &Item, watch: &mut impl Watch) -> Result<()> {
        self.each_piece(item, watch, |_, _| {}).await
    }

    /// Takes a file away. What is not there is fine.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn remove(&self, number: u64) -> Result<()> {
        let note = path(NOTE, number);
        if self.disk.bytes(&note).await.at(&note)?.is_some() {
            let mut file = self.disk.create(&note).await.at(&note)?;
            file.truncate(0).at(&note)?;
            file.flush().at(&note)?;
        }
        for path in [path(BODY, number), note] {
            self.disk.remove(&path).await.at(&path)?;
        }
        Ok(())
    }

    /// Takes away what does not count and nobody writes.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn clean_up(&self) -> Result<()> {
        for number in self.numbers(BODY).await? {
            let note = path(NOTE, number);
            let is_noted = match self.disk.bytes(&note).await.at(&note)? {
                None => false,
                Some(_) => !matches!(self.note(&note).await, Ok(Noted::No)),
            };
            if !is_noted {
                self.remove_unless_held(&path(BODY, number)).await?;
            }
        }
        let bodies = self.numbers(BODY).await?;
        for number in self.numbers(NOTE).await? {
            let path = path(NOTE, number);
            let is_over =
                !bodies.contains(&number) && matches!(self.note(&path).await, Ok(Noted::No));
            if is_over {
                self.remove_unless_held(&path).await?;
            }
        }
        Ok(())
    }

    async fn remove_unless_held(&self, path: &str) -> Result<()> {
        match self.disk.remove(path).await {
            Err(DiskError::Held) => Ok(()),
            removed => removed.at(path),
        }
    }

    async fn numbers(&self, kind: &str) -> Result<Vec<u64>> {
        let names = self.disk.names("").await.at(kind)?;
        let number = |name: &String| name.strip_prefix(kind)?.parse().ok();
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    async fn note(&self, path: &str) -> Result<Noted> {
        let file = self.disk.open(path).await.at(path)?;
        let bytes = read_whole(&file, MOST_NOTE_BYTES).at(path)?;
        Ok(match bytes.as_deref().map(<[u8]>::split_first) {
            Some(None | Some((&UNMARKED, _))) => Noted::No,
            Some(Some((&MARKED, rest))) => match read_note(rest) {
                Some(note) => Noted::Yes(note),
                None => Noted::Changed,
            },
            _ => Noted::Changed,
        })
    }

    async fn each_piece(
        &self,
        item: &Item,
        watch: &mut impl Watch,
        mut use_piece: impl FnMut(&[u8], u64),
    ) -> Result<()> {
        let path = path(BODY, item.number);
        let changed = || Error::Changed { path: path.clone() };
        let note = item.note.as_ref().ok_or_else(changed)?;
        let file = self.disk.open(&path).await.at(&path)?;
        if file.bytes().at(&path)? != note.bytes {
            return Err(changed());
        }
        let mut sum = XxHash64::with_seed(0);
        let mut buffer = vec![0; note.bytes.min(PIECE_BYTES) as usize];
        let mut done = 0;
        while done < note.bytes {
            let count = (note.bytes - done).min(PIECE_BYTES);
            let piece = buffer.get_mut(..count as usize).unwrap_or_default();
            file.read_exact_at(done, piece).at(&path)?;
            sum.write(piece);
            use_piece(piece, note.bytes);
            done += count;
            watch.piece(done, note.bytes).await?;
        }
        match hexadecimal(sum.finish()) == note.xxh64 {
            true => Ok(()),
            false => Err(changed()),
        }
    }
}

impl<F: DiskFile> NewItem<F> {
    /// Bytes that are written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(self.written, bytes).at(&self.path)?;
        self.sum.write(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// What storage gives back of what was written.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn read_back(&self) -> Result<Vec<u8>> {
        let whole = read_whole(&self.file, self.written).at(&self.path)?;
        whole.ok_or_else(|| Error::Changed {
            path: self.path.clone(),
        })
    }
}

/// What a note says.
enum Noted {
    /// Nothing that counts.
    No,
    /// Something else than was written.
    Changed,
    Yes(Note),
}

/// A note behind its mark.
fn read_note(bytes: &[u8]) -> Option<Note> {
    let (sum, text) = bytes.split_at_checked(DIGITS)?;
    let is_right = hexadecimal(XxHash64::oneshot(0, text)).as_bytes() == sum;
    serde_json::from_slice(text).ok().filter(|_| is_right)
}

fn path(kind: &str, number: u64) -> String {
    format!("{kind}{number}")
}

fn hexadecimal(sum: u64) -> String {
    format!("{sum:0DIGITS$x}")
}
