//! Reads tensors from shards.

use sha2::{Digest, Sha256};

use super::super::header::HeaderReader;
use super::super::metadata::Metadata;
use super::super::table::TensorTable;
use super::super::{Part, TensorInfo, WeightSource};
use super::manifest::{Manifest, Role};
use crate::error::{Error, Result};
use crate::ports::ByteSource;

const FORMAT: &str = "shard set";

/// One file of a model, from its shards. A tensor may lie in several of them.
#[derive(Debug)]
pub struct ShardSet<S> {
    stream: Stream<S>,
    metadata: Metadata,
    table: TensorTable,
    identity: Option<[u8; 32]>,
    /// Where the parts of each tensor of `table` begin in the stream, in the order of its parts.
    offsets: Vec<Vec<u64>>,
}

impl<S: ByteSource> ShardSet<S> {
    /// Opens the file with `role`. `shards` are those that the manifest lists for it, in its order; their lengths are
    /// checked, their hashes are not: see [`verify_shard`](super::verify_shard).
    ///
    /// # Errors
    /// Those of [`Manifest::check`], [`Error::Request`] if there is no such file or not the right number of shards,
    /// [`Error::Truncated`] or [`Error::Malformed`] for a shard of the wrong length or damaged metadata.
    pub fn open(manifest: &Manifest, role: Role, shards: Vec<S>) -> Result<Self> {
        manifest.check()?;
        let Some(file) = manifest.file(role) else {
            return Err(Error::Request {
                problem: format!("model `{}` has no {} file", manifest.name, role.name()),
                remedy: "add a model that has one".to_owned(),
            });
        };
        if shards.len() != file.shards.len() {
            return Err(Error::Request {
                problem: format!(
                    "{} shards are there of the {} of the {} file",
                    shards.len(),
                    file.shards.len(),
                    role.name()
                ),
                remedy: "add the model again".to_owned(),
            });
        }
        for (shard, source) in file.shards.iter().zip(&shards) {
            shard.check_bytes(source.len())?;
        }
        let stream = Stream::new(shards);
        let mut reader = HeaderReader::new(&stream, file.metadata_bytes, FORMAT);
        let metadata = reader.metadata()?;
        if reader.position() != file.metadata_bytes {
            return Err(Error::Malformed {
                format: FORMAT,
                detail: format!(
                    "its metadata end at {} where {} belongs",
                    reader.position(),
                    file.metadata_bytes
                ),
            });
        }
        let tensors = file.tensors.iter().map(|tensor| tensor.info()).collect();
        let offsets = file
            .tensors
            .iter()
            .map(|tensor| tensor.parts.iter().map(|part| part.offset).collect());
        // The manifest has the hash of every shard, and where in them each tensor lies.
        let written = serde_json::to_vec(file).ok();
        Ok(Self {
            identity: written.map(|text| Sha256::digest(text).into()),
            metadata,
            table: TensorTable::new(tensors, FORMAT)?,
            offsets: offsets.collect(),
            stream,
        })
    }
}

impl<S: ByteSource> WeightSource for ShardSet<S> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        self.table.tensors()
    }

    fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.table.get(name)
    }

    fn identity(&self) -> Option<[u8; 32]> {
        self.identity
    }

    fn read_part(
        &self,
        tensor: &TensorInfo,
        part: Part,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let (index, own) = self.table.locate(tensor, part, offset, buf.len())?;
        let number = own.parts().iter().position(|own| *own == part);
        let starts = self.offsets.get(index);
        match number.and_then(|number| starts?.get(number)) {
            Some(start) => self.stream.read_exact_at(start + offset, buf),
            // A part that the type does not have is empty, and so is `buf`.
            None => Ok(()),
        }
    }
}

/// Sources one after the other, as one.
#[derive(Debug)]
struct Stream<S> {
    sources: Vec<S>,
    /// Where each source ends in the stream.
    ends: Vec<u64>,
}

impl<S: ByteSource> Stream<S> {
    fn new(sources: Vec<S>) -> Self {
        let mut end = 0u64;
        let ends = sources.iter().map(|source| {
            end = end.saturating_add(source.len());
            end
        });
        Self {
            ends: ends.collect(),
            sources,
        }
    }
}

impl<S: ByteSource> ByteSource for Stream<S> {
    fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let needed = offset.saturating_add(buf.len() as u64);
        if needed > self.len() {
            return Err(Error::Truncated {
                what: self.label().to_owned(),
                needed,
                available: self.len(),
            });
        }
        let mut at = offset;
        let mut rest = buf;
        let first = self.ends.partition_point(|&end| end <= offset);
        for (source, &end) in self.sources.iter().zip(&self.ends).skip(first) {
            if rest.is_empty() {
                break;
            }
            let start = end - source.len();
            let count = (end - at).min(rest.len() as u64);
            let (out, after) = rest.split_at_mut(count as usize);
            source.read_exact_at(at - start, out)?;
            at += count;
            rest = after;
        }
        Ok(())
    }

    fn label(&self) -> &str {
        self.sources
            .first()
            .map_or("an empty shard set", ByteSource::label)
    }
}
