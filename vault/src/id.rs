//! Names of records: random, so that they say nothing.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Result;
use crate::ports::Cipher;

/// The record that holds the key slots.
pub(crate) const KEYS: &str = "keys";
/// The record that says which others there are.
pub(crate) const INDEX: &str = "index";
/// Stands in the place of the index while everything is being removed: no index begins like this, so nobody writes.
pub(crate) const WIPING: &[u8] = &[0];

/// Names one record: 128 random bits, shown as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId([u8; 16]);

impl RecordId {
    /// An id that nothing else has.
    ///
    /// # Errors
    /// What the source of randomness says.
    pub fn random(cipher: &impl Cipher) -> Result<Self> {
        let mut bytes = [0; 16];
        cipher.random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// From its digits; `None` where they are none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let lower = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
        if digits.len() != 32 || !digits.iter().all(lower) {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(0..) {
            *byte = u8::from_str_radix(text.get(pair * 2..pair * 2 + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(32);
        for byte in self.0 {
            write!(text, "{byte:02x}")?;
        }
        formatter.write_str(&text)
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not the id of a record"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_digits_and_nothing_else_is_one() {
        let text = "00ff10a0c3d4e5f60718293a4b5c6d7e";
        assert_eq!(RecordId::parse(text).unwrap().to_string(), text);
        for other in [
            "",
            "keys",
            "00FF10a0c3d4e5f60718293a4b5c6d7e",
            "+0ff10a0c3d4e5f60718293a4b5c6d7e",
            "00ff10a0c3d4e5f60718293a4b5c6d7",
            "00ff10a0c3d4e5f60718293a4b5c6d7e0",
        ] {
            assert_eq!(RecordId::parse(other), None, "{other}");
        }
    }
}
