//! An installed model as one file, for another device that has no network. The browser reads the shards only when the file
//! is written somewhere, so nothing of them is copied here.

use js_sys::{Array, Uint8Array};
use outpost_engine::weights::shards::Manifest;
use outpost_protocol::ModelFile;
use outpost_store::archive::{END, MANIFEST, NOTICE, header, padding};
use wasm_bindgen::prelude::*;
use web_sys::{Blob, Url};

use crate::models::{Models, now_ms};
use crate::problem::{Problem, Result, text_of};

/// Offers an installed model as an archive.
///
/// # Errors
/// No such model, one that is damaged, and what the browser refuses.
pub async fn export(models: &Models, id: &str) -> Result<ModelFile> {
    let (folder, manifest) = models.manifest(id).await?;
    let json = manifest.to_json().map_err(Problem::from)?;
    let mut archive = Archive::default();
    archive.add(MANIFEST, json.len() as u64, &Uint8Array::from(&json[..]))?;
    if let Some(notice) = notice(&manifest) {
        let bytes = Uint8Array::from(notice.as_bytes());
        archive.add(NOTICE, notice.len() as u64, &bytes)?;
    }
    for (name, file) in models.files(&folder, &manifest).await? {
        archive.add(&name, file.size() as u64, &file)?;
    }
    archive.offer(format!("{}.tar", manifest.id))
}

/// What whoever receives the model must be told, as the manifest says it for programs.
fn notice(manifest: &Manifest) -> Option<String> {
    let terms = match manifest.terms.is_empty() {
        true => String::new(),
        false => format!("Terms: {}\n", manifest.terms),
    };
    let notice = match manifest.notice.is_empty() {
        true => String::new(),
        false => format!("{}\n", manifest.notice),
    };
    let text = format!("{notice}{terms}");
    (!text.is_empty()).then(|| format!("{}\n\n{text}", manifest.name))
}

/// The pieces of an archive: bytes, and files that stay where they are.
#[derive(Default)]
struct Archive(Array);

impl Archive {
    fn add(&mut self, name: &str, bytes: u64, content: &JsValue) -> Result<()> {
        let header = header(name, bytes, now_ms() / 1000)?;
        self.0.push(&Uint8Array::from(&header[..]));
        self.0.push(content);
        // Less than a block.
        self.0
            .push(&Uint8Array::new_with_length(padding(bytes) as u32));
        Ok(())
    }

    fn offer(self, name: String) -> Result<ModelFile> {
        self.0.push(&Uint8Array::from(&END[..]));
        let offered = Blob::new_with_blob_sequence(&self.0)
            .and_then(|blob| Ok((Url::create_object_url_with_blob(&blob)?, blob.size() as u64)));
        let (address, bytes) = offered.map_err(|error| {
            Problem::new(
                format!(
                    "The browser cannot make a file of the model: {}.",
                    text_of(&error)
                ),
                "Load the page again and try once more.",
            )
        })?;
        Ok(ModelFile {
            address,
            name,
            bytes,
        })
    }
}
