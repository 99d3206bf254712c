//! SHA-256 (FIPS 180-4) that can be put aside as text and gone on with: of a file that comes through a network over days,
//! and of which nothing is kept but the shards that it became. Everything that is there whole is hashed by the engine's.

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

/// Constants of the rounds (4.2.2): cube roots of the first 64 primes.
const ROUNDS: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
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
        let blocks = bytes.chunks_exact(BLOCK_BYTES);
        self.rest.extend_from_slice(blocks.remainder());
        blocks.for_each(|block| take(&mut self.words, block));
    }

    /// The hash of all bytes.
    pub fn finish(mut self) -> Sha256 {
        let bits = self.bytes.wrapping_mul(8);
        self.rest.push(0x80);
        let end = (self.rest.len() + 8).next_multiple_of(BLOCK_BYTES);
        self.rest.resize(end - 8, 0);
        self.rest.extend_from_slice(&bits.to_be_bytes());
        for block in self.rest.chunks_exact(BLOCK_BYTES) {
            take(&mut self.words, block);
        }
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

/// Takes up one block (6.2.2).
fn take(state: &mut [u32; 8], block: &[u8]) {
    // The sixteen words on which the next one depends.
    let mut window = [0u32; 16];
    for (word, bytes) in window.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (round, constant) in ROUNDS.iter().enumerate() {
        let word = window[round % 16];
        let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let first = h
            .wrapping_add(sum1)
            .wrapping_add(choice)
            .wrapping_add(*constant)
            .wrapping_add(word);
        let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(sum0).wrapping_add(majority));

        let (near, far) = (window[(round + 14) % 16], window[(round + 1) % 16]);
        let sigma1 = near.rotate_right(17) ^ near.rotate_right(19) ^ (near >> 10);
        let sigma0 = far.rotate_right(7) ^ far.rotate_right(18) ^ (far >> 3);
        window[round % 16] = word
            .wrapping_add(sigma0)
            .wrapping_add(window[(round + 9) % 16])
            .wrapping_add(sigma1);
    }
    for (word, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(new);
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
