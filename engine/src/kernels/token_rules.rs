//! Which tokens may come next, and which have occurred: two bits for every token, on the device.

use burn::tensor::{Int, Tensor};

use super::device::ComputeDevice;
use super::device_words::DeviceWords;

/// Rules by which candidates are chosen.
#[derive(Debug)]
pub struct TokenRules {
    /// [2, ceil(vocab / 32)]: what is allowed, then what has occurred; token `id` is bit `id % 32` of word `id / 32`.
    words: DeviceWords,
    vocab_size: usize,
}

impl TokenRules {
    /// Every token is allowed, and none has occurred.
    pub fn new(vocab_size: usize, device: &ComputeDevice) -> Self {
        let words = words(vocab_size, None, &[]);
        Self {
            words: DeviceWords::new(&words, device),
            vocab_size,
        }
    }

    /// Other rules: `allowed`, [ceil(vocab / 32)], all tokens if it is not given, and the ids of those that have occurred.
    pub fn set(&mut self, allowed: Option<&[u32]>, occurred: &[u32]) {
        self.words.set(&words(self.vocab_size, allowed, occurred));
    }

    /// [2 * ceil(vocab / 32)]
    pub fn words(&self) -> &Tensor<1, Int> {
        self.words.words()
    }
}

fn words(vocab_size: usize, allowed: Option<&[u32]>, occurred: &[u32]) -> Vec<u32> {
    let count = vocab_size.div_ceil(32);
    let mut words = match allowed {
        Some(allowed) => allowed.to_vec(),
        None => vec![u32::MAX; count],
    };
    words.resize(count, 0);
    words.resize(2 * count, 0);
    for &id in occurred {
        if (id as usize) < vocab_size {
            words[count + id as usize / 32] |= 1 << (id % 32);
        }
    }
    words
}
