//! The port: what a library asks of the storage below it.
//!
//! A path is the name of a file, or the name of a folder, a slash and the name of a file: folders do not lie in folders.
//! No promise is asked for but one: when [`DiskFile::flush`] has returned, the file exists under its name with the bytes
//! it had then. Before that, whatever was written may be on the disk in part, in any order or not at all.

use thiserror::Error;

/// Why storage did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DiskError {
    /// There is no more space, or the origin may not use more.
    #[error("there is no space left")]
    Full,
    /// Another tab or worker has the file open.
    #[error("it is open elsewhere")]
    Held,
    /// There is no such file.
    #[error("it is not there")]
    Missing,
    /// Anything else, in the storage's own words.
    #[error("{0}")]
    Other(String),
}

/// Folders and files of one origin. Reached by one thread: futures need not be `Send`.
#[expect(
    async_fn_in_trait,
    reason = "wasm32 has one thread, and nobody asks for Send"
)]
pub trait Disk {
    /// An open file.
    type File: DiskFile;

    /// The names of all files and folders in `folder`, in any order; in the topmost folder if it is empty.
    /// A folder that is not there holds nothing.
    ///
    /// # Errors
    /// What storage refuses.
    async fn names(&self, folder: &str) -> Result<Vec<String>, DiskError>;

    /// The length of a file, `None` if there is none. Nobody need close the file for that.
    ///
    /// # Errors
    /// What storage refuses.
    async fn bytes(&self, path: &str) -> Result<Option<u64>, DiskError>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`DiskError::Missing`], [`DiskError::Held`], and what storage refuses.
    async fn open(&self, path: &str) -> Result<Self::File, DiskError>;

    /// Opens a file for writing, alone; makes it and its folder if need be, and leaves what it holds.
    ///
    /// # Errors
    /// [`DiskError::Held`], [`DiskError::Full`], and what storage refuses.
    async fn create(&self, path: &str) -> Result<Self::File, DiskError>;

    /// Removes a file, or a folder with everything in it. What is not there is fine.
    ///
    /// # Errors
    /// [`DiskError::Held`] for an open file, and what storage refuses.
    async fn remove(&self, path: &str) -> Result<(), DiskError>;
}

/// An open file; closed when it is dropped. Nobody opens a file that is already open.
pub trait DiskFile {
    /// The file's length in bytes.
    ///
    /// # Errors
    /// What storage refuses.
    fn bytes(&self) -> Result<u64, DiskError>;

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// Fewer bytes than asked for, and what storage refuses.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), DiskError>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// [`DiskError::Full`], of which some bytes may have been written, and what storage refuses.
    fn write_all_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// What storage refuses.
    fn truncate(&mut self, bytes: u64) -> Result<(), DiskError>;

    /// Keeps everything written so far, and the file's name.
    ///
    /// # Errors
    /// What storage refuses.
    fn flush(&mut self) -> Result<(), DiskError>;
}
