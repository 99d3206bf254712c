//! The document that describes a shard set, and every check that it must pass before anything in it is used.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::limits::{
    MAX_HEADER_BYTES, MAX_JSON_BYTES, MAX_SHARD_BYTES, MAX_SHARDS, MAX_TEXT_BYTES,
};
use super::super::metadata::Metadata;
use super::super::table;
use super::super::{BlockType, Part, TensorInfo};
use crate::error::{Error, Result, shown};

const FORMAT: &str = "manifest";

/// The version that this engine writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// Parts of tensors begin at multiples of this many bytes in their file's stream: WebGPU's alignment of buffer offsets.
pub const PART_ALIGNMENT: u64 = 256;

/// What a file of a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The language model.
    Text,
    /// The image encoder and its projector.
    Vision,
}

/// A model as a set of shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name of the model's directory: lower-case letters, digits and hyphens. Derived from name and content.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// The model's files, each with another role.
    pub files: Vec<ManifestFile>,
    /// Under which terms the model may be used; empty if nobody said.
    #[serde(default)]
    pub terms: String,
    /// What must be shown to whoever receives the model; empty if nothing.
    #[serde(default)]
    pub notice: String,
}

/// One file of a model: a stream of bytes in shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// What it is for.
    pub role: Role,
    /// Name of the file that it was made from.
    pub name: String,
    /// Bytes of GGUF metadata at the start of the stream.
    pub metadata_bytes: u64,
    /// All tensors.
    pub tensors: Vec<ManifestTensor>,
    /// The stream in pieces, in order.
    pub shards: Vec<Shard>,
}

/// A tensor and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestTensor {
    /// Name, unique in its file.
    pub name: String,
    /// Size of each dimension, the contiguous one last.
    pub shape: Vec<u64>,
    /// How the elements are stored.
    pub block: BlockType,
    /// Its parts, in the order of [`BlockType::parts`].
    pub parts: Vec<ManifestPart>,
}

/// Where a part of a tensor is in its file's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPart {
    /// Which part.
    pub part: Part,
    /// Where it begins; a multiple of [`PART_ALIGNMENT`].
    pub offset: u64,
    /// Its bytes, padding to whole words included.
    pub bytes: u64,
}

/// A piece of a file's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Name of the file that holds it.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Role {
    /// The role of a GGUF file with these metadata.
    pub fn of(metadata: &Metadata) -> Self {
        match metadata.opt_str("general.architecture") {
            Ok(Some("clip")) => Self::Vision,
            _ => Self::Text,
        }
    }

    /// Its name in manifests and in names of shards.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Vision => "vision",
        }
    }
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), and [`Error::Malformed`] for JSON of another form.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        limit("the manifest, in bytes,", json.len() as u64, MAX_JSON_BYTES)?;
        let wrong = |error: serde_json::Error| damaged(shown(&error.to_string()));
        // First of all: another version may have another form.
        let version: Version = serde_json::from_slice(json).map_err(wrong)?;
        check_version(version.format_version)?;
        let manifest: Self = serde_json::from_slice(json).map_err(wrong)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest as JSON.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for one that could not be read again.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(self).map_err(|error| damaged(error.to_string()))?;
        limit("the manifest, in bytes,", json.len() as u64, MAX_JSON_BYTES)?;
        Ok(json)
    }

    /// The file with `role`.
    pub fn file(&self, role: Role) -> Option<&ManifestFile> {
        self.files.iter().find(|file| file.role == role)
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        let files = self.files.iter().map(ManifestFile::bytes);
        files.fold(0, u64::saturating_add)
    }

    /// Checks every field: versions, names that are safe as names of files, counts, shapes, and that all parts lie within
    /// their stream without overlapping.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::LimitExceeded`], [`Error::Truncated`] and [`Error::Unsupported`].
    pub fn check(&self) -> Result<()> {
        check_version(self.format_version)?;
        let id_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=64).contains(&self.id.len()) || !self.id.chars().all(id_letter) {
            return Err(damaged(format!("`{}` is no id", shown(&self.id))));
        }
        check_label(&self.name)?;
        for (what, text) in [("the terms", &self.terms), ("the notice", &self.notice)] {
            limit(
                &format!("{what}, in bytes,"),
                text.len() as u64,
                MAX_TEXT_BYTES,
            )?;
        }
        if self.files.is_empty() {
            return Err(damaged("it names no files".to_owned()));
        }
        let mut roles = BTreeSet::new();
        let mut names = BTreeSet::new();
        for file in &self.files {
            if !roles.insert(file.role) {
                let detail = format!("it has two {} files", file.role.name());
                return Err(damaged(detail));
            }
            file.check()?;
            if let Some(twice) = file.shards.iter().find(|shard| !names.insert(&shard.name)) {
                return Err(damaged(format!("shard `{}` occurs twice", twice.name)));
            }
        }
        Ok(())
    }
}

impl ManifestFile {
    /// Bytes of its stream.
    pub fn bytes(&self) -> u64 {
        let shards = self.shards.iter().map(|shard| shard.bytes);
        shards.fold(0, u64::saturating_add)
    }

    fn check(&self) -> Result<()> {
        check_label(&self.name)?;
        let shards = self.shards.len() as u64;
        limit("the number of shards", shards, MAX_SHARDS)?;
        for shard in &self.shards {
            shard.check()?;
        }
        table::check_count(self.tensors.len() as u64)?;
        limit(
            "the metadata, in bytes,",
            self.metadata_bytes,
            MAX_HEADER_BYTES,
        )?;
        let stream_bytes = self.bytes();
        inside("the metadata", self.metadata_bytes, stream_bytes)?;

        let mut ranges = vec![(0..self.metadata_bytes, "metadata")];
        for tensor in &self.tensors {
            tensor.check()?;
            for part in &tensor.parts {
                let end = part.offset.saturating_add(part.bytes);
                inside(&format!("tensor `{}`", tensor.name), end, stream_bytes)?;
                ranges.push((part.offset..end, tensor.name.as_str()));
            }
        }
        table::check_disjoint(ranges, FORMAT)
    }
}

impl ManifestTensor {
    /// Name, shape and type.
    pub fn info(&self) -> TensorInfo {
        TensorInfo {
            name: self.name.clone(),
            shape: self.shape.clone(),
            block: self.block,
        }
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        table::check_name(name, FORMAT)?;
        table::check_shape(name, &self.shape, self.block, FORMAT)?;
        let info = self.info();
        let expected = info
            .parts()
            .iter()
            .map(|&part| (part, info.part_bytes(part)));
        let found = self.parts.iter().map(|part| (part.part, part.bytes));
        if !found.eq(expected) {
            let detail = format!(
                "tensor `{name}` of {:?} {} has not the parts of its type",
                self.shape, self.block
            );
            return Err(damaged(detail));
        }
        let astray = self
            .parts
            .iter()
            .find(|part| !part.offset.is_multiple_of(PART_ALIGNMENT));
        match astray {
            None => Ok(()),
            Some(part) => Err(damaged(format!(
                "tensor `{name}` is at {}, no multiple of {PART_ALIGNMENT}",
                part.offset
            ))),
        }
    }
}

impl Shard {
    /// Checks that as many bytes are there as the manifest promises.
    pub(super) fn check_bytes(&self, found: u64) -> Result<()> {
        inside(&format!("shard `{}`", self.name), self.bytes, found)?;
        match found == self.bytes {
            true => Ok(()),
            false => Err(Error::Malformed {
                format: "shard",
                detail: format!(
                    "`{}` has {found} bytes where {} belong",
                    self.name, self.bytes
                ),
            }),
        }
    }

    fn check(&self) -> Result<()> {
        // A name becomes the name of a file: no separators, no dots in front, nothing that a file system folds.
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let name = &self.name;
        if !(1..=128).contains(&name.len()) || !name.chars().all(letter) || name.starts_with('.') {
            let detail = format!("`{}` is no name for a shard", shown(name));
            return Err(damaged(detail));
        }
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if self.sha256.len() != 64 || !self.sha256.chars().all(digit) {
            return Err(damaged(format!("shard `{name}` has no SHA-256")));
        }
        if self.bytes == 0 {
            return Err(damaged(format!("shard `{name}` is empty")));
        }
        limit(
            &format!("shard `{name}`, in bytes,"),
            self.bytes,
            MAX_SHARD_BYTES,
        )
    }
}

/// Checks a name that people read.
pub(super) fn check_label(name: &str) -> Result<()> {
    let visible = !name.is_empty() && !name.chars().any(char::is_control);
    match visible && name.len() <= 256 {
        true => Ok(()),
        false => Err(damaged(format!("`{}` is no name", shown(name)))),
    }
}

fn check_version(version: u32) -> Result<()> {
    match version == FORMAT_VERSION {
        true => Ok(()),
        false => Err(Error::Unsupported {
            what: format!("version {version} of the manifest"),
            remedy: "update this application, or add the model again".to_owned(),
        }),
    }
}

fn inside(what: &str, needed: u64, available: u64) -> Result<()> {
    match needed <= available {
        true => Ok(()),
        false => Err(Error::Truncated {
            what: what.to_owned(),
            needed,
            available,
        }),
    }
}

fn limit(what: &str, value: u64, limit: u64) -> Result<()> {
    match value <= limit {
        true => Ok(()),
        false => Err(Error::LimitExceeded {
            what: what.to_owned(),
            value,
            limit,
        }),
    }
}

fn damaged(detail: String) -> Error {
    Error::Malformed {
        format: FORMAT,
        detail,
    }
}
