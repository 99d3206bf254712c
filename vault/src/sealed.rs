//! A sealed record, byte by byte.
//!
//! ```text
//! version u8 = 1 | data key u8 | revision u64 | nonce 12 | ciphertext | tag 16        numbers little-endian
//! plaintext:  length u32 | content | zeros up to a multiple of the step
//! associated: label | version | data key | revision | id of the record
//! ```
//!
//! The nonce is random: a store that is put back to an earlier day would make a counter repeat itself. How often one key
//! may be used so is limited in `vault.rs`.

use std::rc::Rc;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ports::{Cipher, NONCE_BYTES, TAG_BYTES};

/// The format that is written here.
pub(crate) const VERSION: u8 = 1;

const LABEL: &[u8] = b"outpost vault record";
/// Version, data key and revision.
const HEAD_BYTES: usize = 1 + 1 + 8;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

/// Data keys, ready for use.
#[derive(Debug, Clone)]
pub(crate) struct Ring<K> {
    /// By number; the last one seals.
    pub keys: Rc<Vec<(u8, K)>>,
}

impl<K: Clone> Ring<K> {
    /// The key that seals, with its number.
    fn newest(&self) -> Result<(u8, K)> {
        self.keys.last().cloned().ok_or(Error::Locked)
    }

    fn numbered(&self, number: u8) -> Option<K> {
        let found = self.keys.iter().find(|(known, _)| *known == number);
        found.map(|(_, key)| key.clone())
    }

    /// The number of the key that seals.
    pub(crate) fn newest_number(&self) -> Result<u8> {
        self.newest().map(|(number, _)| number)
    }
}

/// What a record says about itself, before anything of it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Number of the data key.
    pub key: u8,
    /// When it was written, as the counter of all writes.
    pub revision: u64,
}

impl Head {
    fn bytes(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[0] = VERSION;
        bytes[1] = self.key;
        bytes[2..].copy_from_slice(&self.revision.to_le_bytes());
        bytes
    }

    /// Reads the head of a record.
    pub(crate) fn of(what: &str, record: &[u8]) -> Result<Self> {
        let Some((&[version, key, ref revision @ ..], _)) =
            record.split_first_chunk::<HEAD_BYTES>()
        else {
            return Err(Error::tampered(what));
        };
        if version > VERSION {
            return Err(Error::NewerVersion {
                what: what.to_owned(),
                found: version.into(),
                known: VERSION.into(),
            });
        }
        if version != VERSION {
            return Err(Error::tampered(what));
        }
        Ok(Self {
            key,
            revision: u64::from_le_bytes(*revision),
        })
    }
}

fn associated(head: &[u8; HEAD_BYTES], id: &str) -> Vec<u8> {
    [LABEL, head, id.as_bytes()].concat()
}

/// Encrypts the content of record `id`.
pub(crate) async fn seal<C: Cipher>(
    cipher: &C,
    ring: &Ring<C::Key>,
    id: &str,
    revision: u64,
    content: &[u8],
    step: usize,
) -> Result<Vec<u8>> {
    let (number, key) = ring.newest()?;
    let head = Head {
        key: number,
        revision,
    }
    .bytes();
    let mut nonce = [0; NONCE_BYTES];
    cipher.random(&mut nonce)?;
    let plaintext = padded(content, step)?;
    let sealed = cipher
        .seal(&key, &nonce, &associated(&head, id), &plaintext)
        .await?;
    Ok([&head[..], &nonce, &sealed].concat())
}

/// Decrypts record `id` -> its revision, which the caller compares with what it knows, and its content.
pub(crate) async fn open<C: Cipher>(
    cipher: &C,
    ring: &Ring<C::Key>,
    id: &str,
    what: &str,
    record: &[u8],
) -> Result<(u64, Zeroizing<Vec<u8>>)> {
    let head = Head::of(what, record)?;
    let tampered = || Error::tampered(what);
    let rest = record.get(HEAD_BYTES..).ok_or_else(tampered)?;
    let (nonce, sealed) = rest
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or_else(tampered)?;
    if sealed.len() < TAG_BYTES {
        return Err(tampered());
    }
    let key = ring.numbered(head.key).ok_or_else(tampered)?;
    let opened = cipher
        .open(&key, nonce, &associated(&head.bytes(), id), sealed)
        .await?;
    let plaintext = Zeroizing::new(opened.ok_or_else(tampered)?);
    let content = unpadded(&plaintext).ok_or_else(tampered)?;
    Ok((head.revision, content))
}

/// Length, content, and zeros up to a multiple of `step`.
pub(crate) fn padded(content: &[u8], step: usize) -> Result<Zeroizing<Vec<u8>>> {
    let length = u32::try_from(content.len()).map_err(|_| Error::TooLarge {
        what: "record in bytes",
        value: content.len() as u64,
        limit: u32::MAX.into(),
    })?;
    let whole = (LENGTH_BYTES + content.len()).next_multiple_of(step.max(1));
    let mut plaintext = Zeroizing::new(Vec::with_capacity(whole));
    plaintext.extend_from_slice(&length.to_le_bytes());
    plaintext.extend_from_slice(content);
    plaintext.resize(whole, 0);
    Ok(plaintext)
}

/// The content; `None` where the length is none.
pub(crate) fn unpadded(plaintext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (length, rest) = plaintext.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    Some(Zeroizing::new(rest.get(..length)?.to_vec()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn padding_comes_off_again_and_lengths_are_steps(
            content in proptest::collection::vec(any::<u8>(), 0..3000),
            step in 1_usize..2000,
        ) {
            let plaintext = padded(&content, step).unwrap();
            prop_assert_eq!(plaintext.len() % step, 0);
            prop_assert!(plaintext.len() < 4 + content.len() + step);
            prop_assert_eq!(&*unpadded(&plaintext).unwrap(), &content);
        }

        #[test]
        fn no_bytes_make_reading_panic(record in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Head::of("x", &record);
            let _ = unpadded(&record);
        }
    }

    #[test]
    fn contents_of_nearly_the_same_length_cannot_be_told_apart() {
        let long = |length| padded(&vec![1; length], 1024).unwrap().len();
        assert_eq!(long(0), 1024);
        assert_eq!(long(1020), 1024);
        assert_eq!(long(1021), 2048);
    }
}
