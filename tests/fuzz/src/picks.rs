//! Numbers that follow from an input, for choices that its format has no place for.

/// A stream of numbers (splitmix64) that starts at an input's last bytes.
#[derive(Debug, Clone)]
pub struct Picks {
    state: u64,
}

impl Picks {
    /// Numbers for `data`. A change of its last eight bytes changes them all.
    pub fn new(data: &[u8]) -> Self {
        let tail = data.last_chunk::<8>().copied().unwrap_or_default();
        Self {
            state: u64::from_le_bytes(tail),
        }
    }

    /// A number below `limit`; 0 if there is none.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }

    /// One of `choices`.
    pub fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
