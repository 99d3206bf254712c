//! Models to shards. Nothing is written here: a plan says which bytes each shard has, and the host reads them in any order
//! and puts them wherever it stores them.

use super::super::limits::{MAX_SHARD_BYTES, MAX_SHARDS, MAX_TEXT_BYTES};
use super::super::{Gguf, Part, WeightSource};
use super::hash::{Sha256Stream, to_hex};
use super::manifest::{
    FORMAT_VERSION, Manifest, ManifestFile, ManifestPart, ManifestTensor, PART_ALIGNMENT, Role,
    Shard, check_label,
};
use crate::error::{Error, Result};
use crate::ports::ByteSource;

/// Another number whenever the same files would become other shards: what was begun under an earlier one is not gone on
/// with.
pub const LAYOUT_VERSION: u32 = 1;

/// Metadata keys with the terms of a model, the most telling first.
const TERMS_KEYS: [&str; 3] = [
    "general.license.link",
    "general.license.name",
    "general.license",
];

/// What must be told with MedGemma: the notice of Google's Health AI Developer Foundations, as it comes with the model's
/// published files.
pub const HAI_DEF: &str = "HAI-DEF is provided under and subject to the Health AI Developer Foundations Terms of Use found at https://developers.google.com/health-ai-developer-foundations/terms";

/// What names these terms in metadata, and a model under them.
const HAI_DEF_NAMES: [&str; 3] = ["health-ai-developer-foundations", "hai-def", "medgemma"];

/// Whether a model of which this is said (its name, its terms, where it comes from) is given under [`HAI_DEF`].
pub fn is_hai_def(said: &str) -> bool {
    let said = said.to_lowercase();
    HAI_DEF_NAMES.iter().any(|name| said.contains(name))
}

/// A source of which any bytes can be read: what a stream is made of.
pub trait Packable: WeightSource {
    /// Name of the file or folder that it comes from.
    fn label(&self) -> &str;

    /// Bytes of the metadata in GGUF's encoding, their count among them.
    fn metadata_bytes(&self) -> u64;

    /// Fills `buf` from `offset` of the metadata in GGUF's encoding.
    ///
    /// # Errors
    /// [`Error::Truncated`] for bytes past their end, and those of the source below.
    fn read_metadata(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// Fills `buf` from `offset` of a part of the tensor at `index` of [`tensors`](WeightSource::tensors): any bytes, whole
    /// words or not.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], and those of the source below.
    fn read_bytes(&self, index: usize, part: Part, offset: u64, buf: &mut [u8]) -> Result<()>;
}

impl<S: ByteSource> Packable for Gguf<S> {
    fn label(&self) -> &str {
        self.label()
    }

    fn metadata_bytes(&self) -> u64 {
        self.metadata_bytes()
    }

    fn read_metadata(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.read_metadata(offset, buf)
    }

    fn read_bytes(&self, index: usize, part: Part, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.read_bytes(index, part, offset, buf)
    }
}

/// A plan for a shard set.
#[derive(Debug)]
pub struct Packing<P> {
    name: String,
    files: Vec<PackedFile<P>>,
    shards: Vec<ShardPlan>,
    /// The file of each shard and where the shard begins in its stream.
    places: Vec<(usize, u64)>,
}

/// A shard to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPlan {
    /// Name of its file, such as `text-00001-of-00003.bin`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// One stream.
#[derive(Debug)]
struct PackedFile<P> {
    role: Role,
    source: P,
    tensors: Vec<ManifestTensor>,
    /// Everything but padding, in order.
    segments: Vec<Segment>,
    bytes: u64,
}

/// Bytes of a stream that come from one place.
#[derive(Debug)]
struct Segment {
    offset: u64,
    bytes: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Metadata,
    Tensor { index: usize, part: Part },
}

impl<P: Packable> Packing<P> {
    /// Lays out `files` under the name `name`, in shards of `shard_bytes` bytes; the last of each file may be shorter.
    ///
    /// # Errors
    /// [`Error::Request`] for no files, two of the same role, no name or empty shards; [`Error::LimitExceeded`] for
    /// shards that are too large or too many.
    pub fn plan(files: Vec<(Role, P)>, name: &str, shard_bytes: u64) -> Result<Self> {
        check_request(&files, name, shard_bytes)?;
        let mut packing = Self {
            name: name.to_owned(),
            files: Vec::new(),
            shards: Vec::new(),
            places: Vec::new(),
        };
        for (role, source) in files {
            let file = PackedFile::new(role, source);
            let count = file.bytes.div_ceil(shard_bytes);
            if count > MAX_SHARDS {
                return Err(Error::LimitExceeded {
                    what: format!("the number of shards of {shard_bytes} bytes"),
                    value: count,
                    limit: MAX_SHARDS,
                });
            }
            for number in 0..count {
                let start = number * shard_bytes;
                packing.places.push((packing.files.len(), start));
                packing.shards.push(ShardPlan {
                    name: format!("{}-{:05}-of-{count:05}.bin", role.name(), number + 1),
                    bytes: shard_bytes.min(file.bytes - start),
                });
            }
            packing.files.push(file);
        }
        Ok(packing)
    }

    /// All shards, file after file.
    pub fn shards(&self) -> &[ShardPlan] {
        &self.shards
    }

    /// Fills `buf` from `offset` of the shard at `index`: any bytes, in any order.
    ///
    /// # Errors
    /// [`Error::Request`] for bytes outside the shard, and those of the source.
    pub fn read_shard(&self, index: usize, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        let shard = self
            .shards
            .get(index)
            .filter(|shard| end.is_some_and(|end| end <= shard.bytes));
        let place = self
            .places
            .get(index)
            .and_then(|&(file, start)| Some((self.files.get(file)?, start)));
        match shard.and(place) {
            Some((file, start)) => file.read(start + offset, buf),
            None => Err(Error::Request {
                problem: format!(
                    "there are no {} bytes at {offset} of shard {index}",
                    buf.len()
                ),
                remedy: "read within the shards of the plan".to_owned(),
            }),
        }
    }

    /// The manifest, once the hash of every shard is known. Terms come from the metadata; the host may replace them and add
    /// a notice.
    ///
    /// # Errors
    /// [`Error::Request`] if there is not one hash for each shard.
    pub fn manifest(&self, sha256: &[[u8; 32]]) -> Result<Manifest> {
        if sha256.len() != self.shards.len() {
            return Err(request(
                format!(
                    "there are {} hashes for {} shards",
                    sha256.len(),
                    self.shards.len()
                ),
                "hash every shard",
            ));
        }
        let mut content = Sha256Stream::new();
        let mut files: Vec<ManifestFile> = self.files.iter().map(PackedFile::describe).collect();
        for ((plan, hash), (file, _)) in self.shards.iter().zip(sha256).zip(&self.places) {
            content.update(hash);
            if let Some(file) = files.get_mut(*file) {
                file.shards.push(Shard {
                    name: plan.name.clone(),
                    bytes: plan.bytes,
                    sha256: to_hex(hash),
                });
            }
        }
        let content = to_hex(&content.finish());
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            id: format!(
                "{}-{}",
                slug(&self.name),
                content.get(..12).unwrap_or_default()
            ),
            name: self.name.clone(),
            files,
            terms: self.terms(),
            notice: String::new(),
        };
        manifest.check()?;
        Ok(manifest)
    }

    fn terms(&self) -> String {
        let terms = |file: &PackedFile<P>| {
            let metadata = file.source.metadata();
            let mut terms = TERMS_KEYS
                .iter()
                .filter_map(|key| metadata.opt_str(key).ok().flatten());
            terms
                .find(|text| text.len() as u64 <= MAX_TEXT_BYTES)
                .map(str::to_owned)
        };
        let found = self.files.iter().find_map(terms).unwrap_or_default();
        match is_hai_def(&format!("{} {found}", self.name)) {
            true => HAI_DEF.to_owned(),
            false => found,
        }
    }
}

impl<P: Packable> PackedFile<P> {
    fn new(role: Role, source: P) -> Self {
        let mut bytes = source.metadata_bytes();
        let mut segments = vec![Segment {
            offset: 0,
            bytes,
            content: Content::Metadata,
        }];
        let mut tensors = Vec::new();
        for (index, info) in source.tensors().iter().enumerate() {
            let mut parts = Vec::new();
            for &part in info.parts() {
                // Sums stay far below overflow: all tensors lie within files.
                let offset = bytes.next_multiple_of(PART_ALIGNMENT);
                let part_bytes = info.part_bytes(part);
                bytes = offset + part_bytes;
                parts.push(ManifestPart {
                    part,
                    offset,
                    bytes: part_bytes,
                });
                segments.push(Segment {
                    offset,
                    bytes: part_bytes,
                    content: Content::Tensor { index, part },
                });
            }
            tensors.push(ManifestTensor {
                name: info.name.clone(),
                shape: info.shape.clone(),
                block: info.block,
                parts,
            });
        }
        Self {
            role,
            source,
            tensors,
            segments,
            bytes,
        }
    }

    /// Fills `buf` from `offset` of the stream.
    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut at = offset;
        let mut rest = buf;
        let first = self
            .segments
            .partition_point(|segment| segment.offset + segment.bytes <= offset);
        for segment in self.segments.iter().skip(first) {
            if rest.is_empty() {
                return Ok(());
            }
            let padding = segment.offset.saturating_sub(at).min(rest.len() as u64);
            let (zeros, after) = rest.split_at_mut(padding as usize);
            zeros.fill(0);
            at += padding;
            if after.is_empty() {
                return Ok(());
            }
            let start = at - segment.offset;
            let count = (segment.bytes - start).min(after.len() as u64);
            let (out, after) = after.split_at_mut(count as usize);
            match segment.content {
                Content::Metadata => self.source.read_metadata(start, out)?,
                Content::Tensor { index, part } => {
                    self.source.read_bytes(index, part, start, out)?
                }
            }
            at += count;
            rest = after;
        }
        rest.fill(0);
        Ok(())
    }

    /// The file in the manifest, without its shards.
    fn describe(&self) -> ManifestFile {
        let label = self.source.label();
        let name = label.rsplit(['/', '\\']).next().unwrap_or_default();
        ManifestFile {
            role: self.role,
            name: match check_label(name) {
                Ok(()) => name.to_owned(),
                Err(_) => format!("{}.gguf", self.role.name()),
            },
            metadata_bytes: self.source.metadata_bytes(),
            tensors: self.tensors.clone(),
            shards: Vec::new(),
        }
    }
}

fn check_request<P>(files: &[(Role, P)], name: &str, shard_bytes: u64) -> Result<()> {
    if files.is_empty() {
        return Err(request(
            "there is no file to pack".to_owned(),
            "choose a GGUF file",
        ));
    }
    for role in [Role::Text, Role::Vision] {
        if files.iter().filter(|(of, _)| *of == role).count() > 1 {
            return Err(request(
                format!("there are two {} files", role.name()),
                "pack one text model, and one mmproj file at most",
            ));
        }
    }
    if check_label(name).is_err() {
        return Err(request(
            format!("`{}` cannot name a model", name.escape_debug()),
            "use up to 256 bytes of visible text",
        ));
    }
    if shard_bytes == 0 {
        return Err(request(
            "shards of 0 bytes hold nothing".to_owned(),
            "use shards of 64 MiB",
        ));
    }
    match shard_bytes <= MAX_SHARD_BYTES {
        true => Ok(()),
        false => Err(Error::LimitExceeded {
            what: "the size of a shard, in bytes,".to_owned(),
            value: shard_bytes,
            limit: MAX_SHARD_BYTES,
        }),
    }
}

fn request(problem: String, remedy: &str) -> Error {
    Error::Request {
        problem,
        remedy: remedy.to_owned(),
    }
}

/// `name` in the letters of an id, at most 48 of them.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == 48 {
            break;
        }
    }
    match slug.trim_end_matches('-') {
        "" => "model".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_only_letters_that_are_safe_in_names_of_directories() {
        assert_eq!(slug("MedGemma 1.5 (4B), Q4_0"), "medgemma-1-5-4b-q4-0");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("日本"), "model");
        assert_eq!(slug(&"x".repeat(300)).len(), 48);
    }
}
