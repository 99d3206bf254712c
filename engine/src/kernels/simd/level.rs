//! Which vector instructions there are, and functions compiled for them.

use super::lanes::Lanes;
#[cfg(target_arch = "x86_64")]
use super::lanes::avx2::Avx2;
#[cfg(not(target_arch = "wasm32"))]
use super::lanes::portable::Portable;
#[cfg(target_arch = "wasm32")]
use super::lanes::simd128::Simd128;

/// A set of vector instructions. On a processor without them the portable kernels run in their place; WebAssembly has
/// only its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// What the target always has.
    Portable,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// WebAssembly with vectors of 128 bits.
    Simd128,
}

impl Level {
    /// The best that this machine has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if Avx2::detect().is_some() {
            return Self::Avx2;
        }
        match cfg!(target_arch = "wasm32") {
            true => Self::Simd128,
            false => Self::Portable,
        }
    }

    /// Whether integers are the faster way to multiply many tokens with quantised weights: where products are not fused and
    /// those of integers add up in one instruction.
    pub(super) fn prefers_integers(self) -> bool {
        cfg!(target_arch = "wasm32")
    }

    /// Does `work` with these instructions, or without where they are missing.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        if let (Self::Avx2, Some(lanes)) = (self, Avx2::detect()) {
            return lanes.call(work);
        }
        Portable.call(work)
    }

    /// The same. A module starts only where it has these instructions, so other kernels would only make it larger.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        Simd128.call(work)
    }
}

/// Something to do with vectors. `run` and all that it calls with the token are `#[inline(always)]`.
pub(super) trait Work {
    type Output;
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}
