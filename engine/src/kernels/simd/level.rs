//! Which vector instructions there are, and functions compiled for them.

use super::lanes::Lanes;
#[cfg(not(target_arch = "wasm32"))]
use super::lanes::portable::Portable;

#[cfg(target_arch = "x86_64")]
use super::lanes::avx2::Avx2;
#[cfg(target_arch = "wasm32")]
use super::lanes::simd128::Simd128;

/// A set of vector instructions. On a processor without them the portable kernels run in their place.
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

    /// Does `work` with these instructions, or without where they are missing.
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => match Avx2::detect() {
                // SAFETY: the token is there, so the processor has these extensions.
                Some(lanes) => unsafe { run_avx2(lanes, work) },
                None => work.run(Portable),
            },
            // A module with vector instructions runs only where they are, so no others are needed.
            #[cfg(target_arch = "wasm32")]
            _ => run_simd128(work),
            #[cfg(not(target_arch = "wasm32"))]
            _ => work.run(Portable),
        }
    }
}

/// Something to do with vectors. `run` and all that it calls with the token are `#[inline(always)]`.
pub(super) trait Work {
    type Output;
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn run_avx2<W: Work>(lanes: Avx2, work: W) -> W::Output {
    work.run(lanes)
}

#[cfg(target_arch = "wasm32")]
#[target_feature(enable = "simd128")]
fn run_simd128<W: Work>(work: W) -> W::Output {
    work.run(Simd128)
}
