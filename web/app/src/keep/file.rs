//! Backups as files: written piece by piece into a `Blob`, read piece by piece from one.

use js_sys::{Array, Uint8Array};
use outpost_vault::{Error, Result, Sink, Source};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use crate::client::text_of;

/// A file that is being made. The browser holds what was written, on its disk if that is much.
#[derive(Default)]
pub struct Download {
    parts: Array,
}

impl Download {
    /// The whole file.
    ///
    /// # Errors
    /// What the browser says.
    pub fn finish(self) -> Result<Blob> {
        Blob::new_with_blob_sequence(&self.parts).map_err(|error| failed(&error))
    }
}

impl Sink for Download {
    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let part = Array::of1(&Uint8Array::from(bytes));
        let part = Blob::new_with_u8_array_sequence(&part).map_err(|error| failed(&error))?;
        self.parts.push(&part);
        Ok(())
    }
}

/// A file that a person chose.
pub struct Upload(pub Blob);

impl Source for Upload {
    fn len(&self) -> u64 {
        self.0.size() as u64
    }

    async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let (start, end) = (offset as f64, offset as f64 + len as f64);
        let piece = self.0.slice_with_f64_and_f64(start, end);
        bytes(&piece.map_err(|error| failed(&error))?).await
    }
}

/// What is in a `Blob`.
///
/// # Errors
/// What the browser says, such as for a file that was removed since.
pub async fn bytes(blob: &Blob) -> Result<Vec<u8>> {
    let buffer = JsFuture::from(blob.array_buffer()).await;
    let buffer: JsValue = buffer.map_err(|error| failed(&error))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

fn failed(error: &JsValue) -> Error {
    Error::Storage {
        detail: text_of(error),
    }
}
