//! Opening `--model`: a GGUF file, the first file of a split GGUF, a packed shard directory, or a Hugging Face folder.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use outpost_engine::error::{Error as EngineError, Result as EngineResult};
use outpost_engine::ports::ByteSource;
use outpost_engine::weights::huggingface::{
    CONFIG, Documents, HuggingFaceModel, MAX_DOCUMENT_BYTES,
};
use outpost_engine::weights::shards::{Manifest, Role, ShardSet};
use outpost_engine::weights::{BlockType, Gguf, Safetensors, SplitName, WeightSource, limits};

use crate::error::{Error, Result};

/// Name of a shard set's manifest.
pub const MANIFEST: &str = "manifest.json";

/// A file, read at random.
#[derive(Debug)]
pub struct FileSource {
    file: Mutex<File>,
    length: u64,
    label: String,
}

impl FileSource {
    /// Opens a file for reading.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = File::open(path).and_then(|file| {
            let metadata = file.metadata()?;
            Ok((file, metadata))
        });
        let (file, metadata) = opened.map_err(|error| Error::read(path, &error))?;
        if !metadata.is_file() {
            return Err(Error::file(path, "is not a file", "name a file"));
        }
        Ok(Self {
            file: Mutex::new(file),
            length: metadata.len(),
            label: path.display().to_string(),
        })
    }
}

impl ByteSource for FileSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> EngineResult<()> {
        let needed = offset.saturating_add(buf.len() as u64);
        if needed > self.length {
            return Err(EngineError::Truncated {
                what: self.label.clone(),
                needed,
                available: self.length,
            });
        }
        let failed = |detail: String| EngineError::Read {
            label: self.label.clone(),
            detail,
        };
        let mut file = self
            .file
            .lock()
            .map_err(|error| failed(error.to_string()))?;
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(buf))
            .map_err(|error| failed(error.to_string()))
    }

    fn label(&self) -> &str {
        &self.label
    }
}

/// The weights of one model.
pub struct Model {
    /// The text model.
    pub text: Box<dyn WeightSource>,
    /// The image encoder, if there is one.
    pub vision: Option<Box<dyn WeightSource>>,
}

impl Model {
    /// Opens what `--model` and `--mmproj` name.
    pub fn open(model: &Path, mmproj: Option<&Path>) -> Result<Self> {
        let mut opened = if is_hugging_face(model) {
            Self::open_hugging_face(model)?
        } else if model.is_dir() {
            Self::open_shards(model)?
        } else {
            Self {
                text: Box::new(open_gguf(model)?),
                vision: None,
            }
        };
        if let Some(path) = mmproj {
            if opened.vision.is_some() {
                return Err(Error::file(
                    model,
                    "has an image encoder already",
                    "leave --mmproj out",
                ));
            }
            opened.vision = Some(Box::new(open_gguf(path)?));
        }
        if Role::of(opened.text.metadata()) == Role::Vision {
            return Err(Error::file(
                model,
                "is an image encoder (architecture `clip`)",
                "name it with --mmproj and the text model with --model",
            ));
        }
        Ok(opened)
    }

    fn open_hugging_face(directory: &Path) -> Result<Self> {
        let HuggingFaceModel { text, vision } = open_hugging_face(directory, None)?;
        Ok(Self {
            text: Box::new(text),
            vision: vision.map(|vision| Box::new(vision) as Box<dyn WeightSource>),
        })
    }

    fn open_shards(directory: &Path) -> Result<Self> {
        let manifest = read_manifest(directory)?;
        let text = open_part(directory, &manifest, Role::Text)?;
        let vision = match manifest.file(Role::Vision) {
            Some(_) => Some(open_part(directory, &manifest, Role::Vision)?),
            None => None,
        };
        Ok(Self { text, vision })
    }
}

/// Whether `path` is a folder in Hugging Face's layout: one with a configuration and without a manifest.
pub fn is_hugging_face(path: &Path) -> bool {
    path.join(CONFIG).is_file() && !path.join(MANIFEST).is_file()
}

/// Opens a folder in Hugging Face's layout. quantise: see [`HuggingFaceModel::open`].
pub fn open_hugging_face(
    directory: &Path,
    quantise: Option<BlockType>,
) -> Result<HuggingFaceModel<FileSource>> {
    if !is_hugging_face(directory) {
        return Err(Error::file(
            directory,
            format!("has no {CONFIG}, or is a shard set"),
            "name a folder in Hugging Face's layout, or GGUF files",
        ));
    }
    let documents = Documents::collect(|name| read_document(&directory.join(name)))?;
    let names = documents.weight_files().map_err(Error::of(directory))?;
    let mut files = Vec::new();
    for name in names {
        let path = directory.join(&name);
        let weights = Safetensors::open(FileSource::open(&path)?).map_err(Error::of(&path))?;
        files.push((name, weights));
    }
    let name = directory.canonicalize().ok();
    let name = name
        .as_deref()
        .and_then(Path::file_name)
        .and_then(OsStr::to_str);
    HuggingFaceModel::open(name.unwrap_or("model"), &documents, files, quantise)
        .map_err(Error::of(directory))
}

/// A document of a folder, if it is there. What is longer than the engine allows is refused by its length.
fn read_document(path: &Path) -> Result<Option<Vec<u8>>> {
    if !path.exists() {
        return Ok(None);
    }
    let source = FileSource::open(path)?;
    let mut bytes = vec![0; source.len().min(MAX_DOCUMENT_BYTES + 1) as usize];
    source
        .read_exact_at(0, &mut bytes)
        .map_err(Error::of(path))?;
    Ok(Some(bytes))
}

/// Opens a GGUF file, or all files of a split one by any of them.
pub fn open_gguf(path: &Path) -> Result<Gguf<FileSource>> {
    let paths = split_paths(path).unwrap_or_else(|| vec![path.to_owned()]);
    let files = paths.iter().map(|path| FileSource::open(path));
    let files = files.collect::<Result<Vec<_>>>()?;
    Gguf::open_split(files).map_err(Error::of(path))
}

/// The files of a split GGUF, if `path` is named like one of them.
fn split_paths(path: &Path) -> Option<Vec<PathBuf>> {
    let name = SplitName::parse(path.file_name()?.to_str()?)?;
    Some(name.all().map(|name| path.with_file_name(name)).collect())
}

/// Reads and checks the manifest of a shard directory.
pub fn read_manifest(directory: &Path) -> Result<Manifest> {
    let path = directory.join(MANIFEST);
    if !path.is_file() {
        return Err(Error::file(
            directory,
            format!("has no {MANIFEST}"),
            "name a directory that `outpost pack` made, a Hugging Face folder, or a GGUF file",
        ));
    }
    let source = FileSource::open(&path)?;
    // What is longer is refused by its length; there is no need to read it.
    let mut json = vec![0; source.len().min(limits::MAX_JSON_BYTES + 1) as usize];
    source
        .read_exact_at(0, &mut json)
        .map_err(Error::of(&path))?;
    Manifest::from_json(&json).map_err(Error::of(&path))
}

/// Paths of the shards of one part of a model, in order.
pub fn shard_paths(directory: &Path, manifest: &Manifest, role: Role) -> Vec<PathBuf> {
    let shards = manifest.file(role).map(|file| file.shards.as_slice());
    let names = shards.unwrap_or_default().iter().map(|shard| &shard.name);
    names.map(|name| directory.join(name)).collect()
}

fn open_part(directory: &Path, manifest: &Manifest, role: Role) -> Result<Box<dyn WeightSource>> {
    let paths = shard_paths(directory, manifest, role);
    let shards = paths.iter().map(|path| FileSource::open(path));
    let shards = shards.collect::<Result<Vec<_>>>()?;
    let set = ShardSet::open(manifest, role, shards).map_err(Error::of(directory))?;
    Ok(Box::new(set))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    #[test]
    fn the_files_of_a_split_are_found_by_one_of_them() {
        let paths = split_paths(Path::new("dir/m-00002-of-00003.gguf")).unwrap();
        let names = [
            "dir/m-00001-of-00003.gguf",
            "dir/m-00002-of-00003.gguf",
            "dir/m-00003-of-00003.gguf",
        ];
        assert_eq!(paths, names.map(PathBuf::from));
        assert_eq!(split_paths(Path::new("dir/m.gguf")), None);
    }

    #[test]
    fn a_file_is_read_at_random_and_never_past_its_end() {
        let path = Path::new("Cargo.toml");
        let whole = fs::read(path).unwrap();
        let source = FileSource::open(path).unwrap();
        assert_eq!(source.len(), whole.len() as u64);
        let mut buf = [0; 9];
        source.read_exact_at(3, &mut buf).unwrap();
        assert_eq!(buf, whole[3..12]);
        let past = source.read_exact_at(source.len() - 8, &mut buf);
        assert!(matches!(past, Err(EngineError::Truncated { .. })));
        assert!(source.read_exact_at(u64::MAX, &mut buf).is_err());
    }
}
