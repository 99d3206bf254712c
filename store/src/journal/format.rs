//! The bytes of a journal. Nothing here touches a disk.
//!
//! ```text
//! header   magic "OUTPOSTJ" [8]  version u32  generation u64  seal [16]
//! entry    bytes u32  payload [bytes]  seal [16]
//! entry    ...
//! ```
//!
//! Numbers are little-endian. A seal is the first half of the SHA-256 of the seal before it and of everything that lies
//! between the two, the header's that of the header. So an entry is valid only after those that it was written after:
//! a torn, reordered, repeated or older end is noticed, and what comes before it holds.
//!
//! The first entry is all that was known when the file was begun. A file without it says nothing. The header keeps its
//! form in every version.

use sha2::{Digest, Sha256};

/// The version that is written.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"OUTPOSTJ";
const SEAL_BYTES: usize = 16;
const COUNT_BYTES: usize = 4;

/// Bytes before the first entry.
pub const HEADER_BYTES: usize = MAGIC.len() + 4 + 8 + SEAL_BYTES;

/// Bytes of one payload; a model of 1 TiB has 16,384 shards, which take 70 MB with their checksums.
pub const MAX_PAYLOAD_BYTES: usize = 128 << 20;

/// What binds an entry to all that is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal([u8; SEAL_BYTES]);

/// What the bytes of a journal say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Nothing that can be believed.
    Nothing,
    /// A later version of this application wrote them.
    Newer {
        /// The version.
        version: u32,
        /// Which of two journals is the later one.
        generation: u64,
    },
    /// The longest prefix that is whole.
    Whole(Prefix),
}

/// The part of a journal that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Which of two journals is the later one.
    pub generation: u64,
    /// The payload of every entry; there is at least one.
    pub payloads: Vec<Vec<u8>>,
    /// Where the next entry begins.
    pub end: u64,
    /// The last seal.
    pub seal: Seal,
}

/// A header, and what its first entry is bound to.
pub fn header(generation: u64) -> (Vec<u8>, Seal) {
    versioned_header(VERSION, generation)
}

fn versioned_header(version: u32, generation: u64) -> (Vec<u8>, Seal) {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(generation.to_le_bytes());
    let seal = Seal::of(&[&bytes]);
    bytes.extend(seal.0);
    (bytes, seal)
}

/// An entry after `seal`, and what the next one is bound to. `None` for a payload above [`MAX_PAYLOAD_BYTES`].
pub fn entry(seal: Seal, payload: &[u8]) -> Option<(Vec<u8>, Seal)> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return None;
    }
    let count = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let next = Seal::of(&[&seal.0, &count, payload]);
    let bytes = [&count[..], payload, &next.0].concat();
    Some((bytes, next))
}

/// Reads as much as is whole. Any bytes may be given.
pub fn read(bytes: &[u8]) -> Reading {
    let Some((version, generation, mut seal)) = read_header(bytes) else {
        return Reading::Nothing;
    };
    if version > VERSION {
        return Reading::Newer {
            version,
            generation,
        };
    }
    let mut payloads = Vec::new();
    let mut rest = bytes.get(HEADER_BYTES..).unwrap_or_default();
    while let Some((payload, next, after)) = read_entry(seal, rest) {
        payloads.push(payload.to_vec());
        (seal, rest) = (next, after);
    }
    if payloads.is_empty() {
        return Reading::Nothing;
    }
    Reading::Whole(Prefix {
        generation,
        payloads,
        end: (bytes.len() - rest.len()) as u64,
        seal,
    })
}

fn read_header(bytes: &[u8]) -> Option<(u32, u64, Seal)> {
    let (sealed, rest) = bytes.split_at_checked(HEADER_BYTES - SEAL_BYTES)?;
    let seal = Seal::of(&[sealed]);
    let (magic, numbers) = sealed.split_first_chunk::<8>()?;
    let (version, generation) = numbers.split_first_chunk::<4>()?;
    let version = u32::from_le_bytes(*version);
    let generation = u64::from_le_bytes(*generation.first_chunk()?);
    let whole = *magic == MAGIC && rest.starts_with(&seal.0) && version > 0;
    whole.then_some((version, generation, seal))
}

/// -> the first payload of `bytes`, its seal, and what is after it.
fn read_entry(seal: Seal, bytes: &[u8]) -> Option<(&[u8], Seal, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<COUNT_BYTES>()?;
    let payload_bytes = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    if payload_bytes > MAX_PAYLOAD_BYTES {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(payload_bytes)?;
    let (found, rest) = rest.split_first_chunk::<SEAL_BYTES>()?;
    let next = Seal::of(&[&seal.0, count, payload]);
    (*found == next.0).then_some((payload, next, rest))
}

impl Seal {
    fn of(pieces: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for piece in pieces {
            hash.update(piece);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let mut seal = [0; SEAL_BYTES];
        for (byte, hashed) in seal.iter_mut().zip(hash) {
            *byte = hashed;
        }
        Self(seal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    fn journal(generation: u64, payloads: &[Vec<u8>]) -> Vec<u8> {
        let (mut bytes, mut seal) = header(generation);
        for payload in payloads {
            let (entry, next) = entry(seal, payload).unwrap();
            bytes.extend(entry);
            seal = next;
        }
        bytes
    }

    fn payloads_of(bytes: &[u8]) -> Vec<Vec<u8>> {
        match read(bytes) {
            Reading::Whole(prefix) => prefix.payloads,
            _ => Vec::new(),
        }
    }

    fn written() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(generation: u64, payloads in written()) {
            let bytes = journal(generation, &payloads);
            let Reading::Whole(prefix) = read(&bytes) else {
                panic!("nothing was read");
            };
            prop_assert_eq!(prefix.generation, generation);
            prop_assert_eq!(prefix.end, bytes.len() as u64);
            prop_assert_eq!(&prefix.payloads, &payloads);
            let (more, _) = entry(prefix.seal, b"more").unwrap();
            let longer = payloads_of(&[bytes, more].concat());
            prop_assert_eq!(longer.last().unwrap(), b"more");
        }

        #[test]
        fn a_journal_cut_anywhere_is_a_prefix(payloads in written()) {
            let bytes = journal(7, &payloads);
            for cut in 0..bytes.len() {
                let found = payloads_of(&bytes[..cut]);
                prop_assert!(found.len() < payloads.len());
                prop_assert!(payloads.starts_with(&found));
            }
        }

        #[test]
        fn a_flipped_bit_ends_the_journal_before_it(payloads in written(), bit in 0u8..8) {
            let bytes = journal(7, &payloads);
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let found = payloads_of(&flipped);
                prop_assert!(found.len() < payloads.len(), "byte {}", at);
                prop_assert!(payloads.starts_with(&found), "byte {}", at);
            }
        }

        #[test]
        fn no_bytes_are_too_strange_to_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&bytes), Reading::Nothing);
            let (mut begun, _) = header(1);
            begun.extend(bytes);
            prop_assert_eq!(read(&begun), Reading::Nothing);
        }
    }

    #[test]
    fn entries_of_another_place_or_generation_do_not_count() {
        let [one, two, three] = [b"one", b"two", b"own"].map(|payload| payload.to_vec());
        let before = journal(1, std::slice::from_ref(&one)).len();
        let longer = journal(1, &[one.clone(), two.clone(), three.clone()]);
        let entry_bytes = COUNT_BYTES + 3 + SEAL_BYTES;
        // The second entry is lost, and the third is where it was.
        let gap = [&longer[..before], &longer[before + entry_bytes..]].concat();
        assert_eq!(payloads_of(&gap), std::slice::from_ref(&one));
        // The second entry stands twice.
        let twice = [
            &longer[..before + entry_bytes],
            &longer[before..before + entry_bytes],
        ]
        .concat();
        assert_eq!(payloads_of(&twice), [one.clone(), two]);
        // A longer journal of an earlier generation lies below.
        let mut over = longer;
        let newer = journal(2, std::slice::from_ref(&three));
        over[..newer.len()].copy_from_slice(&newer);
        assert_eq!(payloads_of(&over), [three]);
    }

    #[test]
    fn a_later_version_is_known_by_its_header_alone() {
        let (mut bytes, _) = versioned_header(VERSION + 1, 9);
        bytes.extend(b"whatever that version writes");
        let newer = Reading::Newer {
            version: VERSION + 1,
            generation: 9,
        };
        assert_eq!(read(&bytes), newer);
        bytes[9] ^= 1;
        assert_eq!(
            read(&bytes),
            Reading::Nothing,
            "a damaged header has no version"
        );
    }

    #[test]
    fn a_count_that_cannot_be_is_refused_before_anything_is_allocated() {
        let (mut bytes, _) = header(1);
        bytes.extend(u32::MAX.to_le_bytes());
        assert_eq!(read(&bytes), Reading::Nothing);
    }
}
