//! What the image encoder made of a picture, as bytes that a host may keep and give again: a picture is encoded once.
//!
//! ```text
//! key 32 | values f32, little-endian: [image tokens, hidden], row by row
//! ```
//!
//! The key is SHA-256 over [`VERSION`], what identifies the encoder's weights, and the pixels that it is given, so features
//! count only for the picture and the encoder that they come from. They are exact: nothing is rounded on the way.

use sha2::{Digest, Sha256};

use super::core::Pixels;
use crate::error::{Error, Result};

/// Raised when the encoder makes something else of the same pixels and weights: what was kept before is then not taken.
const VERSION: u32 = 1;

/// Says which picture it is, and which encoder has seen it.
pub type FeatureKey = [u8; 32];

/// SHA-256 of a picture's pixels.
pub fn digest(pixels: &Pixels) -> [u8; 32] {
    Sha256::digest(bytemuck::cast_slice::<f32, u8>(pixels)).into()
}

/// The key of a picture's features. encoder: [`crate::weights::WeightSource::identity`], picture: its [`digest`]
pub fn key(encoder: &[u8; 32], picture: &[u8; 32]) -> FeatureKey {
    Sha256::new_with_prefix(b"outpost image features")
        .chain_update(VERSION.to_le_bytes())
        .chain_update(encoder)
        .chain_update(picture)
        .finalize()
        .into()
}

/// Features as bytes.
pub fn encode(key: &FeatureKey, values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + size_of_val(values));
    bytes.extend_from_slice(key);
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Features from bytes -> `count` values.
///
/// # Errors
/// [`Error::Request`] for features of another picture, another encoder or another version, for a wrong number of values,
/// and for values that are not finite.
pub fn decode(key: &FeatureKey, count: usize, bytes: &[u8]) -> Result<Vec<f32>> {
    let refused = |problem: String| {
        Err(Error::Request {
            problem,
            remedy: "leave them out: the picture is encoded anew".to_owned(),
        })
    };
    let values = match bytes.split_first_chunk() {
        Some((found, values)) if found == key => values,
        _ => {
            return refused("the features are not those of this picture in this model".to_owned());
        }
    };
    if values.len() != count * size_of::<f32>() {
        let bytes = values.len();
        return refused(format!(
            "the features have {bytes} bytes where {count} values belong"
        ));
    }
    let (words, _) = values.as_chunks();
    let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => refused("a value of the features is not a finite number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const VALUES: [f32; 4] = [1.5, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX];

    #[test]
    fn features_come_back_bit_by_bit() {
        let found = decode(&[7; 32], 4, &encode(&[7; 32], &VALUES)).unwrap();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found), bits(&VALUES));
    }

    #[test]
    fn another_picture_and_another_encoder_have_another_key() {
        let picture = digest(&vec![0.0, 1.0]);
        assert_ne!(picture, digest(&vec![1.0, 0.0]));
        assert_ne!(key(&[1; 32], &picture), key(&[2; 32], &picture));
        assert_ne!(key(&[1; 32], &picture), key(&picture, &[1; 32]));
    }

    #[test]
    fn what_does_not_belong_is_refused_and_says_why() {
        let good = encode(&[7; 32], &VALUES);
        let mut nan = VALUES;
        nan[2] = f32::NAN;
        let mut infinite = VALUES;
        infinite[3] = f32::NEG_INFINITY;
        for (what, bytes) in [
            ("not those of this picture", encode(&[8; 32], &VALUES)),
            ("not those of this picture", Vec::new()),
            ("not those of this picture", good[..31].to_vec()),
            ("0 bytes", good[..32].to_vec()),
            ("15 bytes", good[..good.len() - 1].to_vec()),
            ("20 bytes", [&good[..], &[0; 4]].concat()),
            ("finite", encode(&[7; 32], &nan)),
            ("finite", encode(&[7; 32], &infinite)),
        ] {
            let error = decode(&[7; 32], 4, &bytes).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("; leave"), "{error}");
        }
    }
}
