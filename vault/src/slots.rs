//! The record `keys`: the ring of data keys, once for each way to open it.
//!
//! ```text
//! version u8 = 1 | slots u8 | slot ...                                               numbers little-endian
//! slot: kind u8 | length u16 | body
//!   0 in the clear: ring
//!   1 passphrase:   memory in KiB u32 | passes u32 | lanes u32 | salt 16 | nonce 12 | sealed ring
//!   2 passkey:      input of the PRF 32 | length u16 | credential | nonce 12 | sealed ring
//! ring: keys u8 | number u8, key 32 | ...                    the last key seals, the others only open
//! associated: label | version | kind | body up to the nonce
//! ```

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::kdf::{self, Cost, SALT_BYTES};
use crate::ports::{Cipher, KEY_BYTES, NONCE_BYTES};
use crate::sealed::Ring;

const VERSION: u8 = 1;
const LABEL: &[u8] = b"outpost vault key slot";
/// Most slots, on writing and on reading.
const MOST_SLOTS: usize = 4;
/// Longest credential id (WebAuthn, 4.: at most 1,023 bytes).
const MOST_CREDENTIAL_BYTES: usize = 1023;
/// What messages call the record.
const WHAT: &str = "the stored key";

/// Bytes of what a passkey's PRF takes and gives.
pub const PRF_BYTES: usize = 32;

const CLEAR: u8 = 0;
const PASSPHRASE: u8 = 1;
const PASSKEY: u8 = 2;

/// What opens a vault.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    /// What a person typed, in Unicode's form NFKC, so that every keyboard gives the same bytes.
    Passphrase(&'a str),
    /// What a passkey gave.
    Passkey {
        /// The credential's id.
        credential: &'a [u8],
        /// What its PRF was asked with: random for each slot.
        input: &'a [u8; PRF_BYTES],
        /// What it answered.
        output: &'a [u8; PRF_BYTES],
    },
}

/// What to ask a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// The credential's id.
    pub credential: Vec<u8>,
    /// What its PRF is to be asked with.
    pub input: [u8; PRF_BYTES],
}

/// What keeps the conversations from being read by whoever has the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// Nothing: the key lies beside the records.
    None,
    /// One of these opens them.
    Secret {
        /// A passphrase.
        passphrase: bool,
        /// Passkeys.
        passkeys: Vec<Passkey>,
    },
}

/// Data keys as bytes, for the moment in which they are wrapped or taken in.
#[derive(Clone)]
pub(crate) struct RawRing(Vec<(u8, Zeroizing<[u8; KEY_BYTES]>)>);

impl RawRing {
    /// One key, numbered 1.
    pub(crate) fn begin(cipher: &impl Cipher) -> Result<Self> {
        let mut ring = Self(Vec::new());
        ring.push(cipher, 1)?;
        Ok(ring)
    }

    /// The keys that are `needed` and a fresh one, which seals from now on.
    pub(crate) fn renewed(
        &self,
        cipher: &impl Cipher,
        needed: impl Fn(u8) -> bool,
    ) -> Result<Self> {
        let kept = self.0.iter().filter(|(number, _)| needed(*number));
        let mut ring = Self(kept.cloned().collect());
        let newest = self.0.last().map_or(0, |(number, _)| *number);
        // A number comes again only after 255 changes, and never while a record needs its key.
        let taken = |number: &u8| self.0.iter().any(|(known, _)| known == number);
        let free = (newest..u8::MAX)
            .map(|number| number + 1)
            .chain(1..=newest)
            .find(|number| !taken(number))
            .ok_or(Error::KeyWorn)?;
        ring.push(cipher, free)?;
        Ok(ring)
    }

    fn push(&mut self, cipher: &impl Cipher, number: u8) -> Result<()> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        cipher.random(&mut *key)?;
        self.0.push((number, key));
        Ok(())
    }

    /// Takes the keys in for use.
    pub(crate) async fn ready<C: Cipher>(&self, cipher: &C) -> Result<Ring<C::Key>> {
        let mut keys = Vec::with_capacity(self.0.len());
        for (number, raw) in &self.0 {
            keys.push((*number, cipher.key(raw).await?));
        }
        Ok(Ring { keys: keys.into() })
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + self.0.len() * (1 + KEY_BYTES)));
        bytes.push(self.0.len() as u8);
        for (number, key) in &self.0 {
            bytes.push(*number);
            bytes.extend_from_slice(&key[..]);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, keys) = bytes.split_first()?;
        let entries = keys.chunks_exact(1 + KEY_BYTES);
        let whole =
            *count > 0 && entries.remainder().is_empty() && entries.len() == usize::from(*count);
        let entry = |entry: &[u8]| {
            let (number, key) = entry.split_first()?;
            Some((
                *number,
                Zeroizing::new(<[u8; KEY_BYTES]>::try_from(key).ok()?),
            ))
        };
        whole.then(|| entries.map(entry).collect::<Option<Vec<_>>>().map(Self))?
    }
}

/// One way to open the ring, as stored.
struct Slot<'a> {
    kind: u8,
    body: &'a [u8],
}

/// The parts of a wrapped ring.
struct Wrapped<'a> {
    /// What the wrapping is bound to: everything before the nonce.
    bound: &'a [u8],
    nonce: &'a [u8; NONCE_BYTES],
    sealed: &'a [u8],
}

impl<'a> Slot<'a> {
    /// Splits behind `bound` bytes.
    fn wrapped(&self, bound: usize) -> Option<Wrapped<'a>> {
        let (bound, rest) = self.body.split_at_checked(bound)?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        Some(Wrapped {
            bound,
            nonce,
            sealed,
        })
    }

    fn passkey(&self) -> Option<(Passkey, Wrapped<'a>)> {
        let (input, rest) = self.body.split_first_chunk::<PRF_BYTES>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length));
        let passkey = Passkey {
            credential: rest.get(..length)?.to_vec(),
            input: *input,
        };
        Some((passkey, self.wrapped(PRF_BYTES + 2 + length)?))
    }

    fn passphrase(&self) -> Result<(Cost, [u8; SALT_BYTES], Wrapped<'a>)> {
        let tampered = || Error::tampered(WHAT);
        let wrapped = self
            .wrapped(Cost::BYTES + SALT_BYTES)
            .ok_or_else(tampered)?;
        let (cost, rest) = wrapped.bound.split_first_chunk().ok_or_else(tampered)?;
        let (salt, _) = rest.split_first_chunk().ok_or_else(tampered)?;
        Ok((Cost::from_bytes(cost)?, *salt, wrapped))
    }
}

fn slots(record: &[u8]) -> Result<Vec<Slot<'_>>> {
    let tampered = || Error::tampered(WHAT);
    let (&[version, count], mut rest) = record.split_first_chunk::<2>().ok_or_else(tampered)?;
    if version > VERSION {
        return Err(Error::NewerVersion {
            what: WHAT.to_owned(),
            found: version.into(),
            known: VERSION.into(),
        });
    }
    let count = usize::from(count);
    if version != VERSION || count == 0 || count > MOST_SLOTS {
        return Err(tampered());
    }
    let mut slots = Vec::with_capacity(count);
    for _ in 0..count {
        let (&[kind, low, high], after) = rest.split_first_chunk::<3>().ok_or_else(tampered)?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (body, after) = after.split_at_checked(length).ok_or_else(tampered)?;
        if ![CLEAR, PASSPHRASE, PASSKEY].contains(&kind) {
            return Err(tampered());
        }
        slots.push(Slot { kind, body });
        rest = after;
    }
    // A ring in the clear beside a wrapped one would make the wrapping pointless.
    let clear = slots.iter().any(|slot| slot.kind == CLEAR);
    if !rest.is_empty() || (clear && count > 1) {
        return Err(tampered());
    }
    Ok(slots)
}

/// What the record `keys` says about itself.
pub(crate) fn protection(record: &[u8]) -> Result<Protection> {
    let slots = slots(record)?;
    if slots.iter().any(|slot| slot.kind == CLEAR) {
        return Ok(Protection::None);
    }
    let passkeys = slots.iter().filter(|slot| slot.kind == PASSKEY);
    Ok(Protection::Secret {
        passphrase: slots.iter().any(|slot| slot.kind == PASSPHRASE),
        passkeys: passkeys
            .map(|slot| slot.passkey().map(|(passkey, _)| passkey))
            .collect::<Option<_>>()
            .ok_or_else(|| Error::tampered(WHAT))?,
    })
}

/// The ring; without a secret only one that lies in the clear.
pub(crate) async fn open<C: Cipher>(
    cipher: &C,
    record: &[u8],
    secret: Option<&Secret<'_>>,
) -> Result<RawRing> {
    let tampered = || Error::tampered(WHAT);
    let slots = slots(record)?;
    if let Some(slot) = slots.iter().find(|slot| slot.kind == CLEAR) {
        return RawRing::from_bytes(slot.body).ok_or_else(tampered);
    }
    for slot in &slots {
        let (key, wrapped) = match (slot.kind, secret) {
            (_, None) => return Err(Error::Locked),
            (PASSPHRASE, Some(Secret::Passphrase(passphrase))) => {
                let (cost, salt, wrapped) = slot.passphrase()?;
                (kdf::passphrase_key(passphrase, &salt, cost)?, wrapped)
            }
            (
                PASSKEY,
                Some(Secret::Passkey {
                    credential, output, ..
                }),
            ) => {
                let (passkey, wrapped) = slot.passkey().ok_or_else(tampered)?;
                if passkey.credential != *credential {
                    continue;
                }
                (kdf::passkey_key(&output[..], &passkey.input)?, wrapped)
            }
            _ => continue,
        };
        let key = cipher.key(&key).await?;
        let associated = associated(slot.kind, wrapped.bound);
        let opened = cipher
            .open(&key, wrapped.nonce, &associated, wrapped.sealed)
            .await?;
        if let Some(ring) = opened.map(Zeroizing::new) {
            return RawRing::from_bytes(&ring).ok_or_else(tampered);
        }
    }
    Err(Error::WrongSecret { what: WHAT })
}

/// The record `keys` that `secrets` open; nothing wraps the ring if there are none.
pub(crate) async fn seal<C: Cipher>(
    cipher: &C,
    ring: &RawRing,
    secrets: &[Secret<'_>],
    cost: Cost,
) -> Result<Vec<u8>> {
    if secrets.len() > MOST_SLOTS {
        return Err(Error::TooLarge {
            what: "number of ways to open",
            value: secrets.len() as u64,
            limit: MOST_SLOTS as u64,
        });
    }
    let ring = ring.to_bytes();
    let mut record = vec![VERSION, secrets.len().max(1) as u8];
    if secrets.is_empty() {
        append(&mut record, CLEAR, &ring);
    }
    for secret in secrets {
        let (kind, bound, key) = match secret {
            Secret::Passphrase(passphrase) => {
                let mut salt = [0; SALT_BYTES];
                cipher.random(&mut salt)?;
                let key = kdf::passphrase_key(passphrase, &salt, cost)?;
                (PASSPHRASE, [&cost.to_bytes()[..], &salt].concat(), key)
            }
            Secret::Passkey {
                credential,
                input,
                output,
            } => {
                if credential.len() > MOST_CREDENTIAL_BYTES {
                    return Err(Error::TooLarge {
                        what: "credential id in bytes",
                        value: credential.len() as u64,
                        limit: MOST_CREDENTIAL_BYTES as u64,
                    });
                }
                let length = (credential.len() as u16).to_le_bytes();
                let key = kdf::passkey_key(&output[..], &input[..])?;
                (PASSKEY, [&input[..], &length, credential].concat(), key)
            }
        };
        let mut nonce = [0; NONCE_BYTES];
        cipher.random(&mut nonce)?;
        let key = cipher.key(&key).await?;
        let sealed = cipher
            .seal(&key, &nonce, &associated(kind, &bound), &ring)
            .await?;
        append(&mut record, kind, &[&bound[..], &nonce, &sealed].concat());
    }
    Ok(record)
}

fn append(record: &mut Vec<u8>, kind: u8, body: &[u8]) {
    record.push(kind);
    // At most 255 keys of 33 bytes, and a credential of 1,023.
    record.extend_from_slice(&(body.len() as u16).to_le_bytes());
    record.extend_from_slice(body);
}

fn associated(kind: u8, bound: &[u8]) -> Vec<u8> {
    [LABEL, &[VERSION, kind], bound].concat()
}
