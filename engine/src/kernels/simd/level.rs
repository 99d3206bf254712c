//! Which vector instructions there are, and functions compiled for them.

use super::lanes::Lanes;
#[cfg(not(target_arch = "wasm32"))]
use super::lanes::portable::Portable;
#[cfg(target_arch = "wasm32")]
use super::lanes::simd128::Simd128;
#[cfg(target_arch = "x86_64")]
use super::lanes::x86::X86;

/// A set of vector instructions. On a processor without them the portable kernels run in their place; WebAssembly has
/// only its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// What the target always has.
    Portable,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// The same with AVX-512 (F, BW and VL).
    Avx512,
    /// WebAssembly with vectors of 128 bits.
    Simd128,
}

impl Level {
    /// Every one that this machine has, the best first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Avx512, Self::Avx2, Self::Simd128, Self::Portable]
            .into_iter()
            .filter(|level| level.is_there())
    }

    /// The best that this machine has.
    pub fn detect() -> Self {
        Self::available().next().unwrap_or(Self::Portable)
    }

    fn is_there(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => X86::<true>::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => X86::<false>::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Simd128 => cfg!(target_arch = "wasm32"),
            Self::Portable => cfg!(not(target_arch = "wasm32")),
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
        match (self, X86::<false>::detect(), X86::<true>::detect()) {
            (Self::Avx512, _, Some(lanes)) => return lanes.call(work),
            (Self::Avx2, Some(lanes), _) => return lanes.call(work),
            _ => {}
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
