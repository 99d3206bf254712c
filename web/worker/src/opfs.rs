//! The origin private file system: folders, and files with synchronous access.

use js_sys::{AsyncIterator, Function, IteratorNext, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemRemoveOptions,
    FileSystemSyncAccessHandle,
};

use crate::event_loop::{scope, sleep_ms};
use crate::problem::{Problem, Result, name_of};

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
    pub async fn root() -> Result<Self> {
        let opened = JsFuture::from(scope().navigator().storage().get_directory()).await;
        opened
            .map(|handle| Self(handle.unchecked_into()))
            .map_err(|error| Problem::storage("opening storage", &error))
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
            .map_err(|error| Problem::storage("opening a folder", &error))
    }

    /// A folder in this one, if it is there.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn existing_folder(&self, name: &str) -> Result<Option<Self>> {
        let opened = JsFuture::from(self.0.get_directory_handle(name)).await;
        found(opened, "opening a folder")
            .map(|handle| handle.map(|handle| Self(handle.unchecked_into())))
    }

    /// Names of everything in this folder.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn names(&self) -> Result<Vec<String>> {
        let failed = |error: JsValue| Problem::storage("listing a folder", &error);
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
        match found(file, "opening a file")? {
            Some(file) => access(&file.unchecked_into(), name, "read-only")
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Opens a file for reading and writing, made if need be.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn create(&self, name: &str) -> Result<Handle> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file = JsFuture::from(self.0.get_file_handle_with_options(name, &options)).await;
        let file = file.map_err(|error| Problem::storage("making a file", &error))?;
        access(&file.unchecked_into(), name, "readwrite").await
    }

    /// Writes a whole small file.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let handle = self.create(name).await?;
        handle.truncate(0)?;
        handle.write_all_at(0, bytes)?;
        handle.flush()
    }

    /// Reads a whole file of at most `limit` bytes, if it is there.
    ///
    /// # Errors
    /// What storage refuses, and a file that is larger.
    pub async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(handle) = self.open(name).await? else {
            return Ok(None);
        };
        let length = handle.bytes()?;
        if length > limit {
            let message = format!("The file {name} has {length} bytes, more than {limit}.");
            return Err(Problem::new(message, "Remove the model and add it again."));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        handle.read_exact_at(0, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Moves a file from this folder into another. It is a change of names: no bytes are copied.
    ///
    /// # Errors
    /// What storage refuses.
    pub async fn move_file(&self, name: &str, to: &Folder) -> Result<()> {
        let moved = async {
            let file = JsFuture::from(self.0.get_file_handle(name)).await?;
            // The bindings do not know `move` yet.
            let method: Function = Reflect::get(&file, &"move".into())?.dyn_into()?;
            let promise: Promise = method.call2(&file, &to.0, &name.into())?.dyn_into()?;
            JsFuture::from(promise).await
        };
        moved
            .await
            .map(|_| ())
            .map_err(|error| Problem::storage("moving a file", &error))
    }

    /// Removes a file or a folder with everything in it. What is not there is fine.
    ///
    /// # Errors
    /// What storage refuses, such as a file that is open.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        let removed = JsFuture::from(self.0.remove_entry_with_options(name, &options)).await;
        found(removed, "removing a model").map(|_| ())
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

    /// The file's length in bytes.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn bytes(&self) -> Result<u64> {
        // Lengths of files are whole and far below 2^53.
        self.access
            .get_size()
            .map(|bytes| bytes as u64)
            .map_err(|error| self.failed("reading", &error))
    }

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// Fewer bytes than asked for, and what storage refuses.
    pub fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < buf.len() {
            let Some(rest) = buf.get_mut(done..) else {
                break;
            };
            let options = at(offset + done as u64);
            let read = self.access.read_with_u8_array_and_options(rest, &options);
            match read.map_err(|error| self.failed("reading", &error))? as usize {
                0 => {
                    let message = format!("The file {} ends too early.", self.name);
                    return Err(Problem::new(message, "Remove the model and add it again."));
                }
                count => done += count,
            }
        }
        Ok(())
    }

    /// Writes `bytes` at `offset`.
    ///
    /// # Errors
    /// What storage refuses, such as for want of space.
    pub fn write_all_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let options = at(offset + done as u64);
            let written = self.access.write_with_u8_array_and_options(rest, &options);
            match written.map_err(|error| self.failed("writing", &error))? as usize {
                0 => {
                    return Err(Problem::storage(
                        "writing",
                        &JsValue::from("nothing was written"),
                    ));
                }
                count => done += count,
            }
        }
        Ok(())
    }

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn truncate(&self, bytes: u64) -> Result<()> {
        self.access
            .truncate_with_f64(bytes as f64)
            .map_err(|error| self.failed("writing", &error))
    }

    /// Asks for everything written to be kept.
    ///
    /// # Errors
    /// What storage refuses.
    pub fn flush(&self) -> Result<()> {
        self.access
            .flush()
            .map_err(|error| self.failed("writing", &error))
    }

    fn failed(&self, doing: &str, error: &JsValue) -> Problem {
        Problem::storage(&format!("{doing} {}", self.name), error)
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
            return Err(Problem::storage(&format!("opening {name}"), &error));
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
fn found(outcome: Result<JsValue, JsValue>, doing: &str) -> Result<Option<JsValue>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if name_of(&error) == "NotFoundError" => Ok(None),
        Err(error) => Err(Problem::storage(doing, &error)),
    }
}
