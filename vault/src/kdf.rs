//! Keys from what a person knows or holds: Argon2id (RFC 9106) for a passphrase, HKDF-SHA-256 (RFC 5869) for what a
//! passkey gives.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};
use crate::ports::KEY_BYTES;

/// Bytes of a passphrase's salt.
pub(crate) const SALT_BYTES: usize = 16;

/// What a passkey's key is for, so that the same output used elsewhere gives another key.
const PASSKEY_LABEL: &[u8] = b"outpost vault passkey 1";

/// What guessing a passphrase once costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// Least and most memory, in KiB. The least is what OWASP's password storage cheat sheet asks for; the most keeps a
    /// changed record or backup, of which nothing is authentic yet, from taking a phone's memory.
    const MEMORY_KIB: (u32, u32) = (19 * 1024, 64 * 1024);
    /// Fewest and most passes over it. The page stands still meanwhile.
    const PASSES: (u32, u32) = (2, 4);
    /// Fewest and most lanes.
    const LANES: (u32, u32) = (1, 4);

    /// Bytes of a stored cost.
    pub(crate) const BYTES: usize = 12;

    /// A cost within the limits.
    ///
    /// # Errors
    /// Names the number that is not.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self> {
        for (what, value, (least, most)) in [
            ("memory of Argon2id in KiB", memory_kib, Self::MEMORY_KIB),
            ("passes of Argon2id", passes, Self::PASSES),
            ("lanes of Argon2id", lanes, Self::LANES),
        ] {
            if value > most {
                return Err(Error::TooLarge {
                    what,
                    value: value.into(),
                    limit: most.into(),
                });
            }
            if value < least {
                return Err(Error::Request {
                    problem: format!("{what} is {value}"),
                    remedy: format!("use at least {least}"),
                });
            }
        }
        Ok(Self {
            memory_kib,
            passes,
            lanes,
        })
    }

    /// As stored: three little-endian numbers of 32 bits.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let numbers = [self.memory_kib, self.passes, self.lanes];
        for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Result<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        let number = u32::from_le_bytes;
        Self::new(
            number([a, b, c, d]),
            number([e, f, g, h]),
            number([i, j, k, l]),
        )
    }
}

impl Default for Cost {
    /// 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self {
            memory_kib: Self::MEMORY_KIB.0,
            passes: Self::PASSES.0,
            lanes: Self::LANES.0,
        }
    }
}

/// The key of a passphrase. Takes as long as `cost` says.
pub(crate) fn passphrase_key(
    passphrase: &str,
    salt: &[u8; SALT_BYTES],
    cost: Cost,
) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
    let failed = |error: argon2::Error| Error::Cipher {
        detail: error.to_string(),
    };
    let params =
        Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_BYTES)).map_err(failed)?;
    let mut memory: Vec<Block> = Vec::new();
    memory
        .try_reserve_exact(params.block_count())
        .map_err(|_| Error::Cipher {
            detail: format!(
                "there are no {} KiB of memory for the passphrase",
                cost.memory_kib
            ),
        })?;
    memory.resize(params.block_count(), Block::default());
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let made = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut *key, &mut memory);
    // The last block is the key but for one hash.
    memory.iter_mut().for_each(Zeroize::zeroize);
    made.map_err(failed)?;
    Ok(key)
}

/// The key of a passkey's PRF output; `salt` is what the passkey was asked with.
pub(crate) fn passkey_key(output: &[u8], salt: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    Hkdf::<Sha256>::new(Some(salt), output)
        .expand(PASSKEY_LABEL, &mut *key)
        .map_err(|error| Error::Cipher {
            detail: error.to_string(),
        })?;
    Ok(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;

    fn bytes(digits: &str) -> Vec<u8> {
        (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn argon2id_gives_what_rfc_9106_says() {
        // RFC 9106, section 5.3.
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).unwrap())
            .output_len(32)
            .build()
            .unwrap();
        let argon2 =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut tag = [0; 32];
        argon2
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(tag.to_vec(), bytes(expected));
    }

    #[test]
    fn a_passphrase_gives_the_key_that_the_reference_implementation_gives() {
        // argon2-cffi 25.1: low_level.hash_secret_raw(passphrase, bytes(range(16)), 2, 19456, 1, 32, Type.ID)
        let salt = std::array::from_fn(|at| at as u8);
        let key = passphrase_key("correct horse battery staple", &salt, Cost::default()).unwrap();
        assert_eq!(
            key.to_vec(),
            bytes("818259b6310026a8e0dbac5d2e6927abcfdb07b32258fac4f61b18b80f929085")
        );
    }

    #[test]
    fn hkdf_gives_what_rfc_5869_says() {
        // RFC 5869, appendices A.1, A.2 and A.3 (SHA-256).
        let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        for (key, salt, info, expected) in [
            (
                vec![0x0b; 22],
                range(0x00, 0x0c),
                range(0xf0, 0xf9),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            ),
            (
                range(0x00, 0x4f),
                range(0x60, 0xaf),
                range(0xb0, 0xff),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb\
                 41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
            (
                vec![0x0b; 22],
                vec![],
                vec![],
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            ),
        ] {
            let expected = bytes(expected);
            let mut found = vec![0; expected.len()];
            Hkdf::<Sha256>::new(Some(&salt), &key)
                .expand(&info, &mut found)
                .unwrap();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_passkey_gives_hkdf_with_the_label() {
        let mut expected = [0; 32];
        Hkdf::<Sha256>::new(Some(&[7; 32]), &[9; 32])
            .expand(b"outpost vault passkey 1", &mut expected)
            .unwrap();
        assert_eq!(*passkey_key(&[9; 32], &[7; 32]).unwrap(), expected);
    }

    #[test]
    fn a_cost_beyond_the_limits_is_refused_before_memory_is_taken() {
        for (memory_kib, passes, lanes) in [
            (4 * 1024 * 1024, 2, 1),
            (u32::MAX, 2, 1),
            (64 * 1024 + 1, 2, 1),
            (19 * 1024 - 1, 2, 1),
            (0, 2, 1),
            (19 * 1024, 1, 1),
            (19 * 1024, 5, 1),
            (19 * 1024, u32::MAX, 1),
            (19 * 1024, 2, 0),
            (19 * 1024, 2, 5),
        ] {
            assert!(
                Cost::new(memory_kib, passes, lanes).is_err(),
                "{memory_kib} {passes} {lanes}"
            );
        }
        let cost = Cost::new(64 * 1024, 4, 4).unwrap();
        assert_eq!(Cost::from_bytes(&cost.to_bytes()).unwrap(), cost);
    }
}
