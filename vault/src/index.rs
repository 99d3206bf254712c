//! The record `index`: which records there are, at which revision, and which key slots belong to them.
//!
//! Its own revision is the counter of all writes. A record's revision is the counter of the write that stored it, so no
//! two writes ever share one, not even where an id is used again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::content;
use crate::error::Result;
use crate::id::RecordId;

/// What messages call it.
pub(crate) const WHAT: &str = "the list of conversations";

/// Everything that the record says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Which vault this is: drawn when it is begun.
    pub id: RecordId,
    /// SHA-256 of the record `keys`.
    pub keys: [u8; 32],
    /// How many texts the newest data key has sealed.
    pub sealed: u64,
    /// The conversation that was open last.
    pub open: Option<RecordId>,
    /// Every record but `keys` and this one.
    pub entries: BTreeMap<RecordId, Entry>,
    /// Counter of all writes: this record's own revision.
    #[serde(skip)]
    pub counter: u64,
}

/// What is known of one record.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The counter when it was written.
    #[serde(rename = "r")]
    pub revision: u64,
    /// The number of its data key.
    #[serde(rename = "k")]
    pub key: u8,
    /// What it holds.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a record holds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A conversation.
    #[serde(rename = "c")]
    Conversation {
        /// Its first words.
        title: String,
        /// When it was changed last, in milliseconds since 1970.
        updated_ms: u64,
        /// The version that it is written in.
        version: u32,
        /// Records of its pictures.
        pictures: Vec<RecordId>,
    },
    /// A picture of a conversation.
    #[serde(rename = "p")]
    Picture {
        /// Which one.
        of: RecordId,
    },
}

impl Index {
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        content::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8], counter: u64) -> Result<Self> {
        let mut index: Self = content::decode(WHAT, bytes)?;
        index.counter = counter;
        Ok(index)
    }

    /// Whether any record needs the data key with this number.
    pub(crate) fn needs_key(&self, number: u8) -> bool {
        self.entries.values().any(|entry| entry.key == number)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        for entry in self.entries.values_mut() {
            if let Kind::Conversation { title, .. } = &mut entry.kind {
                title.zeroize();
            }
        }
    }
}

/// What the index says of the record `keys`.
pub(crate) fn fingerprint(keys: &[u8]) -> [u8; 32] {
    Sha256::digest(keys).into()
}
