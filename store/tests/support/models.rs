//! Models to put on a disk: small, and with a manifest that passes every check.

use outpost_engine::weights::shards::{
    FORMAT_VERSION, Manifest, ManifestFile, Role, Shard, ShardPlan,
};
use outpost_store::Sha256;

use super::random::Random;

/// A model and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub manifest: Manifest,
    /// The bytes of each shard.
    pub shards: Vec<Vec<u8>>,
    /// The key of the file that it is converted from.
    pub key: String,
    /// The pieces of that file.
    pub pieces: Vec<Vec<u8>>,
}

impl Sample {
    /// A model whose shards have these lengths.
    pub fn new(id: &str, seed: u64, shard_bytes: &[usize]) -> Self {
        let mut random = Random::new(seed);
        let shards: Vec<_> = shard_bytes
            .iter()
            .map(|bytes| random.bytes(*bytes))
            .collect();
        let described = shards.iter().enumerate().map(|(index, bytes)| Shard {
            name: shard_name(index),
            bytes: bytes.len() as u64,
            sha256: Sha256::of(bytes).to_string(),
        });
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            id: id.to_owned(),
            name: format!("Model {id}"),
            files: vec![ManifestFile {
                role: Role::Text,
                name: format!("{id}.gguf"),
                metadata_bytes: 1,
                tensors: Vec::new(),
                shards: described.collect(),
            }],
            terms: String::new(),
            notice: String::new(),
        };
        Self {
            manifest,
            shards,
            key: format!("{seed:064x}"),
            pieces: (0..3).map(|_| random.bytes(50)).collect(),
        }
    }

    pub fn id(&self) -> &str {
        &self.manifest.id
    }

    pub fn shard(&self, name: &str) -> &[u8] {
        let names = (0..self.shards.len()).map(shard_name);
        let index = names.into_iter().position(|known| known == name);
        &self.shards[index.unwrap()]
    }

    pub fn plan(&self) -> Vec<ShardPlan> {
        let shards = self.manifest.files.iter().flat_map(|file| &file.shards);
        shards
            .map(|shard| ShardPlan {
                name: shard.name.clone(),
                bytes: shard.bytes,
            })
            .collect()
    }

    /// The manifest with this notice: the same shards, described otherwise.
    pub fn with_notice(&self, notice: &str) -> Self {
        let mut other = self.clone();
        other.manifest.notice = notice.to_owned();
        other
    }
}

pub fn shard_name(index: usize) -> String {
    format!("text-{index:05}.bin")
}
