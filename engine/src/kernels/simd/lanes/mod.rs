//! Vectors of 256 bits, so that every algorithm is written once: eight f32, eight i32, or two runs of eight i16.
//!
//! An implementation is a token: whoever holds one runs on a processor that has its instructions. All methods are
//! `#[inline(always)]`, and so must be whatever uses them, up to the function behind [`Lanes::call`] that enables the
//! instructions: only there do they become single instructions.

#[cfg(not(target_arch = "wasm32"))]
pub(super) mod portable;
#[cfg(target_arch = "wasm32")]
pub(super) mod simd128;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

use bytemuck::{Pod, Zeroable};

use super::level::Work;

/// Lanes of a vector of f32.
pub(super) const LANES: usize = 8;

/// Numbers where a vector can be read at once: one that lies across two lines of the cache takes twice as long.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(32))]
pub(super) struct Aligned(pub(super) [f32; LANES]);

impl Aligned {
    pub(super) const ZERO: Self = Self([0.0; LANES]);
}

/// Two vectors that fill a line of the cache: what is read by twos begins with one.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct CacheLine([Aligned; 2]);

impl CacheLine {
    pub(super) const ZERO: Self = Self([Aligned::ZERO; 2]);
}

/// Eight words of ones and eight of zeros: from word `8 - n` on there is a mask of the first `n` lanes.
const FIRST: [u32; 16] = {
    let mut words = [0; 16];
    let mut i = 0;
    while i < 8 {
        words[i] = u32::MAX;
        i += 1;
    }
    words
};

/// A mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> &'static [u32; 8] {
    static WORDS: [u32; 16] = FIRST;
    WORDS[8 - count.min(8)..].first_chunk().unwrap_or(&[0; 8])
}

/// What the kernels need of a processor.
pub(super) trait Lanes: Copy {
    /// Eight f32.
    type F32: Copy;
    /// Eight i32.
    type I32: Copy;
    /// Two runs of eight i16. Where an operation moves bytes, it stays within a run.
    type I16: Copy;

    /// Rows and tokens whose sums fit the registers when many tokens meet many rows of numbers.
    const TILE: (usize, usize);
    /// The same for rows of integers.
    const INTEGER_TILE: (usize, usize);
    /// Rows that share what is loaded of a single token: one where memory is what one waits for, because a processor
    /// foresees best what is read in order.
    const LINE_ROWS: usize;

    /// Does `work` in a function of its own that is compiled for these vectors. What is small and hot goes into one, because
    /// compilers keep an array of vectors in registers as long as the function around it is not large.
    fn call<W: Work>(self, work: W) -> W::Output;

    /// Of each row of `w` and each of `x`, the products of their numbers, added up lane by lane; as many as all rows have.
    #[inline(always)]
    fn products<const R: usize, const T: usize>(
        self,
        w: [&[Aligned]; R],
        x: [&[Aligned]; T],
    ) -> [[Self::F32; T]; R] {
        products(self, w, x)
    }

    /// Asks for the line of the cache that lies `ahead` bytes after the beginning of `from`, wherever that is. Only a hint.
    fn prefetch(self, from: &[u8], ahead: usize);

    fn splat(self, x: f32) -> Self::F32;
    fn load(self, from: &[f32; 8]) -> Self::F32;
    fn store(self, x: Self::F32, to: &mut [f32; 8]);
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The smaller of each two; either where one is no number.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The larger of each two, likewise.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a · b + c`, rounded once or twice.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The sum of all lanes.
    fn sum(self, x: Self::F32) -> f32;
    /// The sums of all lanes of each.
    fn sums(self, x: [Self::F32; 4]) -> [f32; 4];
    /// The nearest integers, for `|x| < 2³¹`.
    fn round(self, x: Self::F32) -> Self::I32;
    /// `2ⁿ` for n from -127, which gives 0, to 127.
    fn power_of_two(self, n: Self::I32) -> Self::F32;
    fn to_f32(self, x: Self::I32) -> Self::F32;
    fn store_i32(self, x: Self::I32, to: &mut [i32; 8]);
    fn add_i32(self, a: Self::I32, b: Self::I32) -> Self::I32;

    /// The first `count` lanes, and zeros; at most 8.
    fn first(self, x: Self::F32, count: usize) -> Self::F32;
    /// Lanes 0..4 are `from[2 pair]`, lanes 4..8 `from[2 pair + 1]`; pair is below 4.
    fn spread(self, from: &[f32; 8], pair: usize) -> Self::F32;
    /// The value of an IEEE half.
    fn half(self, bits: u16) -> f32;
    /// Eight IEEE halves, little endian.
    fn halves(self, from: &[u8; 16]) -> Self::F32;
    /// Eight upper halves of singles, little endian.
    fn bfloats(self, from: &[u8; 16]) -> Self::F32;
    /// Eight signed bytes.
    fn bytes(self, from: [i8; 8]) -> Self::F32;

    fn load_i16(self, from: &[i16; 16]) -> Self::I16;
    fn store_i16(self, x: Self::I16, to: &mut [i16; 16]);
    fn splat_i16(self, x: i16) -> Self::I16;
    /// One run of bytes after the other, two bytes to a lane.
    fn runs(self, first: &[u8; 16], second: &[u8; 16]) -> Self::I16;
    /// Lane `k` of run `r` has byte `8 r + 4 half + k / 2` below, and anything above.
    fn bytes_twice(self, from: &[u8; 16], half: usize) -> Self::I16;
    /// Lane `k` of run `r` has byte `4 r + 2 half + k / 4` below, and anything above.
    fn bytes_four_times(self, from: &[u8; 8], half: usize) -> Self::I16;
    fn and(self, a: Self::I16, b: Self::I16) -> Self::I16;
    fn or(self, a: Self::I16, b: Self::I16) -> Self::I16;
    fn sub_i16(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// Ones where two lanes are equal, zeros elsewhere.
    fn equal(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// The even lanes of `a` and the odd ones of `b`.
    fn by_turns(self, a: Self::I16, b: Self::I16) -> Self::I16;
    /// The low 16 bits of the products.
    fn mul_i16(self, a: Self::I16, b: Self::I16) -> Self::I16;
    fn shift_left<const N: i32>(self, x: Self::I16) -> Self::I16;
    /// Zeros come in.
    fn shift_right<const N: i32>(self, x: Self::I16) -> Self::I16;
    /// The sign comes in.
    fn shift_right_signed<const N: i32>(self, x: Self::I16) -> Self::I16;
    /// Each run as f32.
    fn widen(self, x: Self::I16) -> (Self::F32, Self::F32);
    /// Products, added in twos within each run. Which two is the implementation's choice.
    fn dot(self, a: Self::I16, b: Self::I16) -> Self::I32;
}

/// [`Lanes::products`], a vector at a time. Sums are reached by constant indices: through iterators, compilers move them
/// from registers to memory.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
fn products<L: Lanes, const R: usize, const T: usize>(
    lanes: L,
    w: [&[Aligned]; R],
    x: [&[Aligned]; T],
) -> [[L::F32; T]; R] {
    let vectors = w.iter().chain(&x).map(|row| row.len()).min().unwrap_or(0);
    let (w, x) = (w.map(|row| &row[..vectors]), x.map(|row| &row[..vectors]));
    let mut sums = [[lanes.splat(0.0); T]; R];
    for i in 0..vectors {
        let mut values = [lanes.splat(0.0); T];
        for t in 0..T {
            values[t] = lanes.load(&x[t][i].0);
        }
        for r in 0..R {
            let weights = lanes.load(&w[r][i].0);
            for t in 0..T {
                sums[r][t] = lanes.mul_add(weights, values[t], sums[r][t]);
            }
        }
    }
    sums
}

/// The value of an IEEE half, without a branch and without a subnormal single on the way, which is slow.
#[inline(always)]
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    // Exponents moved to the top of a single's range, so that the largest, of infinity, is the largest again.
    let normal = f32::from_bits((magnitude << 13) + (224 << 23)) * f32::from_bits(15 << 23);
    // The last bit of a number in 0.5..1 is worth 2⁻²⁴, as that of a subnormal half.
    let subnormal = f32::from_bits(magnitude | 126 << 23) - 0.5;
    let value = if magnitude < 0x400 { subnormal } else { normal };
    f32::from_bits(value.to_bits() | sign)
}
