//! The origin private file system: folders, and files with synchronous access, as the disk of the library of models.

use js_sys::{AsyncIterator, Function, IteratorNext, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemRemoveOptions,
    FileSystemSyncAccessHandle,
};

use outpost_store::{Disk, DiskError, DiskFile};

use crate::event_loop::{scope, sleep_ms};
use crate::problem::{Problem, name_of, text_of};

/// What storage answers.
type Result<T, E = DiskError> = std::result::Result<T, E>;

/// How long another holder of a file may take to let go of it. A Worker that was terminated holds its files for up to
/// two seconds.
const PATIENCE_MS: i32 = 5_000;
/// Between two attempts to open a file that is held.
const RETRY_MS: i32 = 100;

/// A folder.
#[derive(Debug, Clone)]
pub struct Folder(FileSystemDirectoryHandle);

impl Folder {
    /// The origin's own folder.
    ///
    /// # Errors
    /// Where the browser gives pages no storage.
    pub async fn root() -> crate::Result<Self> {
        let opened = JsFuture::from(scope().navigator().storage().get_directory()).await;
        opened
            .map(|handle| Self(handle.unchecked_into()))
            .map_err(|error| Problem::no_storage(&error))
    }

    /// A folder in this one, made if need be.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn folder(&self, name: &str) -> Result<Self> {
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let opened = self.0.get_directory_handle_with_options(name, &options);
        JsFuture::from(opened)
            .await
            .map(|handle| Self(handle.unchecked_into()))
            .map_err(|error| refused(&error))
    }

    /// A folder in this one, if it is there.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn existing_folder(&self, name: &str) -> Result<Option<Self>> {
        let opened = JsFuture::from(self.0.get_directory_handle(name)).await;
        found(opened).map(|handle| handle.map(|handle| Self(handle.unchecked_into())))
    }

    /// Names of everything in this folder.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn names(&self) -> Result<Vec<String>> {
        let failed = |error: JsValue| refused(&error);
        let keys: AsyncIterator = self.0.keys();
        let mut names = Vec::new();
        loop {
            let step = JsFuture::from(keys.next().map_err(failed)?)
                .await
                .map_err(failed)?;
            let step: IteratorNext = step.unchecked_into();
            if step.done() {
                names.sort();
                return Ok(names);
            }
            names.extend(step.value().as_string());
        }
    }

    /// Opens a file for reading, if it is there. Several readers may share it where the browser can do that.
    ///
    /// # Errors
    /// What storage refuses; a file that stays held by another.
    pub async fn open(&self, name: &str) -> Result<Option<Handle>> {
        let file = JsFuture::from(self.0.get_file_handle(name)).await;
        match found(file)? {
            Some(file) => access(&file.unchecked_into(), name, "read-only")
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// A file as the browser hands it out, read only where its bytes are needed; if it is there and no folder. It may be
    /// open.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn file(&self, name: &str) -> Result<Option<File>> {
        let handle = JsFuture::from(self.0.get_file_handle(name)).await;
        let Some(handle) = found(handle)? else {
            return Ok(None);
        };
        let handle: FileSystemFileHandle = handle.unchecked_into();
        let file = found(JsFuture::from(handle.get_file()).await)?;
        Ok(file.map(JsCast::unchecked_into))
    }

    /// The length of a file, if it is there and no folder. It may be open.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn bytes(&self, name: &str) -> Result<Option<u64>> {
        let file = self.file(name).await?;
        // Lengths of files are whole and far below 2^53.
        Ok(file.map(|file| file.size() as u64))
    }

    /// Opens a file for reading and writing, made if need be.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn create(&self, name: &str) -> Result<Handle> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file = JsFuture::from(self.0.get_file_handle_with_options(name, &options)).await;
        let file = file.map_err(|error| refused(&error))?;
        access(&file.unchecked_into(), name, "readwrite").await
    }

    /// Removes a file or a folder with everything in it. What is not there is fine.
    ///
    /// # Errors
    /// What storage refuses, such as a file that is open.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        let removed = JsFuture::from(self.0.remove_entry_with_options(name, &options)).await;
        found(removed).map(|_| ())
    }
}

/// An open file. It is closed when it is dropped.
#[derive(Debug)]
pub struct Handle {
    access: FileSystemSyncAccessHandle,
    name: String,
}

impl Handle {
    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl DiskFile for Handle {
    fn bytes(&self) -> Result<u64> {
        let bytes = self.access.get_size().map_err(|error| refused(&error))?;
        Ok(bytes as u64)
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let options = at(offset + done as u64);
            let read = self.access.read_with_u8_array_and_options(rest, &options);
            match read.map_err(|error| refused(&error))? as usize {
                0 => return Err(DiskError::Other("it ends too early".to_owned())),
                count => done += count,
            }
        }
        Ok(())
    }

    fn write_all_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let options = at(offset + done as u64);
            let written = self.access.write_with_u8_array_and_options(rest, &options);
            match written.map_err(|error| refused(&error))? as usize {
                0 => return Err(DiskError::Full),
                count => done += count,
            }
        }
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> Result<()> {
        let cut = self.access.truncate_with_f64(bytes as f64);
        cut.map_err(|error| refused(&error))
    }

    fn flush(&mut self) -> Result<()> {
        self.access.flush().map_err(|error| refused(&error))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.access.close();
    }
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(offset as f64);
    options
}

/// Opens a file, waiting for another holder to let go of it.
async fn access(file: &FileSystemFileHandle, name: &str, mode: &str) -> Result<Handle> {
    let mut waited_ms = 0;
    loop {
        let error = match try_access(file, mode).await {
            Ok(access) => {
                return Ok(Handle {
                    access,
                    name: name.to_owned(),
                });
            }
            Err(error) => error,
        };
        if waited_ms >= PATIENCE_MS || name_of(&error) != "NoModificationAllowedError" {
            return Err(refused(&error));
        }
        sleep_ms(RETRY_MS).await;
        waited_ms += RETRY_MS;
    }
}

async fn try_access(
    file: &FileSystemFileHandle,
    mode: &str,
) -> Result<FileSystemSyncAccessHandle, JsValue> {
    // Browsers without modes ignore this and give the only kind there is.
    let options = Object::new();
    Reflect::set(&options, &"mode".into(), &mode.into())?;
    let method: Function = Reflect::get(file, &"createSyncAccessHandle".into())?.dyn_into()?;
    let promise: Promise = method.call1(file, &options)?.dyn_into()?;
    JsFuture::from(promise).await.map(JsCast::unchecked_into)
}

/// What is not there is no error.
fn found(outcome: Result<JsValue, JsValue>) -> Result<Option<JsValue>> {
    match outcome.map_err(|error| refused(&error)) {
        Ok(value) => Ok(Some(value)),
        Err(DiskError::Missing) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the browser's exception means.
fn refused(error: &JsValue) -> DiskError {
    match name_of(error).as_str() {
        "QuotaExceededError" => DiskError::Full,
        "NoModificationAllowedError" => DiskError::Held,
        // A folder is no file, and a file no folder.
        "NotFoundError" | "TypeMismatchError" => DiskError::Missing,
        _ => DiskError::Other(text_of(error)),
    }
}

/// A folder as the disk of a library.
#[derive(Debug, Clone)]
pub struct FolderDisk(pub Folder);

impl FolderDisk {
    /// The folder in which a path lies, if it is there, and the file's name in it.
    async fn parent<'p>(&self, path: &'p str) -> Result<Option<(Folder, &'p str)>> {
        match path.split_once('/') {
            Some((folder, name)) => {
                let folder = self.0.existing_folder(folder).await?;
                Ok(folder.map(|folder| (folder, name)))
            }
            None => Ok(Some((self.0.clone(), path))),
        }
    }
}

impl Disk for FolderDisk {
    type File = Handle;

    async fn names(&self, folder: &str) -> Result<Vec<String>> {
        if folder.is_empty() {
            return self.0.names().await;
        }
        match self.0.existing_folder(folder).await? {
            Some(folder) => folder.names().await,
            None => Ok(Vec::new()),
        }
    }

    async fn bytes(&self, path: &str) -> Result<Option<u64>> {
        match self.parent(path).await? {
            Some((folder, name)) => folder.bytes(name).await,
            None => Ok(None),
        }
    }

    async fn open(&self, path: &str) -> Result<Handle> {
        let file = match self.parent(path).await? {
            Some((folder, name)) => folder.open(name).await?,
            None => None,
        };
        file.ok_or(DiskError::Missing)
    }

    async fn create(&self, path: &str) -> Result<Handle> {
        match path.split_once('/') {
            Some((folder, name)) => self.0.folder(folder).await?.create(name).await,
            None => self.0.create(path).await,
        }
    }

    async fn remove(&self, path: &str) -> Result<()> {
        match self.parent(path).await? {
            Some((folder, name)) => folder.remove(name).await,
            None => Ok(()),
        }
    }
}
