//! Files on their way to the disk: written in pieces, hashed meanwhile, compared at their end, flushed, and recorded.

use crate::disk::{Disk, DiskFile};
use crate::error::{At, Error, Result};
use crate::hash::{Course, HashStream, Sha256, Watch};
use crate::install::Installation;
use crate::library::{Library, not_here, path};
use crate::state::{Change, Stored};

/// A file that is being written, from its beginning to its end.
#[derive(Debug)]
pub struct Writer<F> {
    folder: String,
    name: String,
    path: String,
    file: F,
    hash: HashStream,
    written: u64,
    /// Its length and its hash, as far as they are known.
    bytes: Option<u64>,
    sha256: Option<Sha256>,
}

impl<D: Disk> Library<D> {
    /// Opens a part for writing. If its hash is known, what an earlier attempt wrote is kept and hashed, and
    /// [`Writer::written`] says where to go on; if not, it begins from nothing. Several parts may be open at once.
    ///
    /// # Errors
    /// [`Error::NotHere`] for a part of another model, [`Error::Request`] for one that is stored, [`Error::Held`] for one
    /// that is being written, [`Error::Stopped`], and what storage refuses.
    pub async fn write(
        &self,
        installation: &Installation,
        name: &str,
        watch: &mut impl Watch,
    ) -> Result<Writer<D::File>> {
        let part = installation.parts.iter().find(|part| part.name == name);
        let part = part.ok_or_else(|| not_here(name))?;
        let mut writer = self.writer(&installation.folder, name).await?;
        (writer.bytes, writer.sha256) = (Some(part.bytes), part.sha256);
        let before = writer.file.bytes().at(&writer.path)?;
        // Bytes that were never flushed may be others after a power failure, which only a known hash would show.
        if before > part.bytes || part.sha256.is_none() {
            return writer.emptied();
        }
        let mut course = Course {
            watch,
            done_bytes: 0,
            total_bytes: before,
        };
        writer.hash = course.hash(&writer.file, &writer.path, before).await?;
        writer.written = before;
        Ok(writer)
    }

    /// Ends a part: compares its hash, puts it on the disk, and records it -> its hash. When this returns, it is stored.
    ///
    /// # Errors
    /// [`Error::Incomplete`], and what was written is kept; [`Error::WrongPart`], and it is empty again;
    /// [`Error::NotHere`] if the installation was deleted meanwhile; and what storage refuses.
    pub fn finish(&self, writer: Writer<D::File>) -> Result<Sha256> {
        self.store(writer, None)
    }

    /// Opens a file that is not stored for writing.
    pub(crate) async fn writer(&self, folder: &str, name: &str) -> Result<Writer<D::File>> {
        let path = path(folder, name);
        let check = || match self.folder(folder)?.files.contains_key(name) {
            false => Ok(()),
            true => Err(Error::Request {
                problem: format!("{path} is stored already"),
                remedy: "write only what is missing",
            }),
        };
        check()?;
        self.settle()?;
        let file = self.disk.create(&path).await.at(&path)?;
        // Somebody else may have finished it meanwhile.
        check()?;
        Ok(Writer {
            folder: folder.to_owned(),
            name: name.to_owned(),
            path,
            file,
            hash: HashStream::new(),
            written: 0,
            bytes: None,
            sha256: None,
        })
    }

    /// Puts what was written on the disk and records it.
    pub(crate) fn store(
        &self,
        writer: Writer<D::File>,
        hash_state: Option<String>,
    ) -> Result<Sha256> {
        let Writer {
            folder,
            name,
            path,
            mut file,
            hash,
            written,
            bytes,
            sha256: expected,
        } = writer;
        self.folder(&folder)?;
        if let Some(expected) = bytes.filter(|bytes| *bytes != written) {
            return Err(Error::Incomplete {
                what: path,
                found: written,
                expected,
            });
        }
        let (sha256, sums) = hash.finish();
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            file.truncate(0).at(&path)?;
            return Err(Error::WrongPart {
                name,
                found: sha256.to_string(),
                expected: expected.to_string(),
            });
        }
        if file.bytes().at(&path)? != written {
            file.truncate(written).at(&path)?;
        }
        file.flush().at(&path)?;
        self.record(vec![Change::Stored {
            folder,
            file: name,
            stored: Stored {
                bytes: written,
                sha256,
                sums: Some(sums),
                hash_state,
            },
        }])?;
        Ok(sha256)
    }
}

impl<F: DiskFile> Writer<F> {
    /// With nothing in its file.
    pub(crate) fn emptied(mut self) -> Result<Self> {
        self.file.truncate(0).at(&self.path)?;
        Ok(self)
    }

    /// Bytes that are written: where the next ones belong.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends bytes, best at most [`PIECE_BYTES`](crate::PIECE_BYTES) at once.
    ///
    /// # Errors
    /// [`Error::TooLong`], and what storage refuses; the bytes may be written again then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let after = self.written + bytes.len() as u64;
        if let Some(bytes) = self.bytes.filter(|bytes| after > *bytes) {
            return Err(Error::TooLong {
                name: self.name.clone(),
                bytes,
            });
        }
        if let Err(error) = self.file.write_all_at(self.written, bytes) {
            // Half of a piece may be there. If it cannot be cut off, the hash will tell.
            let _ = self.file.truncate(self.written);
            return Err(Error::disk(&self.path, error));
        }
        self.hash.update(bytes);
        self.written = after;
        Ok(())
    }
}
