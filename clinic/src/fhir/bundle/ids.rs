//! Addresses inside a Bundle: UUIDs that follow from a seed, the transcript and what they name, so that the same input
//! gives the same bytes.

use sha2::{Digest, Sha256};

/// Makes addresses.
pub struct Ids {
    base: Sha256,
}

impl Ids {
    pub fn new(seed: u64, transcript: &str) -> Self {
        let base = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(Sha256::digest(transcript));
        Self { base }
    }

    /// `urn:uuid:` and a UUID of version 8 (RFC 9562, section 5.8: what its bits say is the maker's own affair).
    pub fn url(&self, name: &str) -> String {
        let digest = self.base.clone().chain_update(name).finalize();
        let mut bytes = [0_u8; 16];
        bytes
            .iter_mut()
            .zip(digest)
            .for_each(|(byte, from)| *byte = from);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex(&bytes);
        let group = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        format!(
            "urn:uuid:{}-{}-{}-{}-{}",
            group(0..8),
            group(8..12),
            group(12..16),
            group(16..20),
            group(20..32)
        )
    }
}

/// SHA-256 of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `bytes` in base64 (RFC 4648, section 4).
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for nth in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * nth)) as usize & 63];
            text.push(if nth > group.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let rows = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in rows {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn an_address_follows_from_seed_transcript_and_name() {
        let url = Ids::new(1, "a").url("patient");
        assert_eq!(url, Ids::new(1, "a").url("patient"));
        for other in [
            Ids::new(2, "a").url("patient"),
            Ids::new(1, "b").url("patient"),
            Ids::new(1, "a").url("encounter"),
        ] {
            assert_ne!(url, other);
        }
        assert_eq!(url.as_bytes()[9 + 14], b'8', "the version: {url}");
        assert!(
            matches!(url.as_bytes()[9 + 19], b'8' | b'9' | b'a' | b'b'),
            "the variant: {url}"
        );
    }
}
