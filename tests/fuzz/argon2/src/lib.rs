//! What the vault uses of argon2, without its work: the key is the password and the salt, folded together.

use std::fmt;

/// Nothing fails here but what is no cost.
#[derive(Debug)]
pub struct Error;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no cost")
    }
}

/// The one that is used.
pub enum Algorithm {
    /// Argon2id.
    Argon2id,
}

/// The one that is used.
pub enum Version {
    /// 19.
    V0x13,
}

/// One KiB of memory.
#[derive(Clone, Copy)]
pub struct Block(pub [u64; 128]);

impl Default for Block {
    fn default() -> Self {
        Self([0; 128])
    }
}

#[cfg(feature = "zeroize")]
impl zeroize::Zeroize for Block {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// A cost.
pub struct Params;

impl Params {
    /// Any cost will do.
    pub fn new(
        _memory: u32,
        _passes: u32,
        _lanes: u32,
        _length: Option<usize>,
    ) -> Result<Self, Error> {
        Ok(Self)
    }

    /// Memory that is wanted, in blocks.
    pub fn block_count(&self) -> usize {
        1
    }
}

/// The derivation.
pub struct Argon2;

impl Argon2 {
    /// Any derivation will do.
    pub fn new(_algorithm: Algorithm, _version: Version, _params: Params) -> Self {
        Self
    }

    /// Fills `out`.
    pub fn hash_password_into_with_memory(
        &self,
        password: &[u8],
        salt: &[u8],
        out: &mut [u8],
        _memory: impl AsMut<[Block]>,
    ) -> Result<(), Error> {
        for (index, byte) in password.iter().chain(salt).enumerate() {
            out[index % 32] = out[index % 32].rotate_left(3) ^ byte;
        }
        Ok(())
    }
}
