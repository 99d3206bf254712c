//! SHA-256 (FIPS 180-4) that can be put aside as text and gone on with: of a file that comes through a network over days,
//! and of which nothing is kept but the shards that it became. Everything that is there whole is hashed by the engine's.

use sha2::compress256;

use crate::hash::Sha256;

/// Bytes of a block.
const BLOCK_BYTES: usize = 64;

/// The hash of nothing (5.3.3): square roots of the first eight primes.
const BEGIN: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A hash on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumableSha256 {
    words: [u32; 8],
    bytes: u64,
    /// What does not fill a block yet.
    rest: Vec<u8>,
}

impl Default for ResumableSha256 {
    fn default() -> Self {
        Self {
            words: BEGIN,
            bytes: 0,
            rest: Vec::new(),
        }
    }
}

impl ResumableSha256 {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.rest.len()));
            self.rest.extend_from_slice(head);
            bytes = tail;
            if self.rest.len() < BLOCK_BYTES {
                return;
            }
            take(&mut self.words, &self.rest);
            self.rest.clear();
        }
        let (blocks, rest) = bytes.split_at(bytes.len() / BLOCK_BYTES * BLOCK_BYTES);
        take(&mut self.words, blocks);
        self.rest.extend_from_slice(rest);
    }

    /// The hash of all bytes.
    pub fn finish(mut self) -> Sha256 {
        let bits = self.bytes.wrapping_mul(8);
        self.rest.push(0x80);
        let end = (self.rest.len() + 8).next_multiple_of(BLOCK_BYTES);
        self.rest.resize(end - 8, 0);
        self.rest.extend_from_slice(&bits.to_be_bytes());
        take(&mut self.words, &self.rest);
        let mut hash = [0; 32];
        for (bytes, word) in hash.chunks_exact_mut(4).zip(self.words) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Sha256(hash)
    }

    /// The state as text: hexadecimal digits of its words, and of the bytes that do not fill a block yet.
    pub fn to_text(&self) -> String {
        let words = self.words.iter().map(|word| format!("{word:08x}"));
        let rest = self.rest.iter().map(|byte| format!("{byte:02x}"));
        words.chain(rest).collect()
    }

    /// The state after `bytes` bytes from its text; `None` for what is no such text.
    pub fn from_text(text: &str, bytes: u64) -> Option<Self> {
        // Below 64.
        let rest = (bytes % BLOCK_BYTES as u64) as usize;
        let hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !hex || text.len() != 64 + 2 * rest {
            return None;
        }
        let number = |start: usize, digits: usize| {
            u32::from_str_radix(text.get(start..start + digits)?, 16).ok()
        };
        let mut words = [0; 8];
        for (index, word) in words.iter_mut().enumerate() {
            *word = number(index * 8, 8)?;
        }
        let rest = (0..rest).map(|index| u8::try_from(number(64 + index * 2, 2)?).ok());
        Some(Self {
            words,
            bytes,
            rest: rest.collect::<Option<Vec<_>>>()?,
        })
    }
}

/// Takes up whole blocks.
fn take(state: &mut [u32; 8], bytes: &[u8]) {
    for block in bytes.as_chunks::<BLOCK_BYTES>().0 {
        compress256(state, &[(*block).into()]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(pieces: &[&[u8]]) -> Sha256 {
        let mut hash = ResumableSha256::default();
        pieces.iter().for_each(|piece| hash.update(piece));
        hash.finish()
    }

    #[test]
    fn it_is_the_hash_of_the_standard() {
        // FIPS 180-4, the examples of no, one and two blocks.
        for text in [
            "",
            "abc",
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        ] {
            assert_eq!(
                of(&[text.as_bytes()]),
                Sha256::of(text.as_bytes()),
                "{text}"
            );
        }
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(&[b"abc"]).to_string(), abc);
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_come_to_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            cuts in prop::collection::vec(0usize..400, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(of(&pieces), Sha256::of(&bytes));
        }

        #[test]
        fn put_aside_and_taken_up_again_it_comes_to_the_same(
            before in prop::collection::vec(any::<u8>(), 0..300),
            after in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut hash = ResumableSha256::default();
            hash.update(&before);
            let again = ResumableSha256::from_text(&hash.to_text(), before.len() as u64).unwrap();
            prop_assert_eq!(&again, &hash);
            let mut hash = again;
            hash.update(&after);
            prop_assert_eq!(hash.finish(), Sha256::of(&[before, after].concat()));
        }
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let text = ResumableSha256::default().to_text();
        assert!(ResumableSha256::from_text(&text, 128).is_some());
        for (text, bytes) in [
            (text.as_str(), 1),
            ("", 0),
            (&"g".repeat(64), 0),
            (&"ä".repeat(32), 0),
        ] {
            assert_eq!(
                ResumableSha256::from_text(text, bytes),
                None,
                "{text} {bytes}"
            );
        }
    }
}
