//! Vectors on x86-64 with AVX2, FMA and F16C, and with AVX-512 beside them.

use core::arch::x86_64::*;

use super::{Aligned, Lanes, Work, products};

/// Proof that the processor has the three extensions; if `WIDE`, AVX-512 too, of which the products of many numbers make use.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct X86<const WIDE: bool>(());

impl<const WIDE: bool> X86<WIDE> {
    pub(in super::super) fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        (there && (wide || !WIDE)).then_some(Self(()))
    }
}

/// An intrinsic that takes and gives values.
macro_rules! op {
    ($intrinsic:ident $(::<$n:ident>)? ($($x:expr),*)) => {
        // SAFETY: `self` exists, so the processor has the instruction.
        unsafe { $intrinsic $(::<$n>)? ($($x),*) }
    };
}

impl<const WIDE: bool> Lanes for X86<WIDE> {
    type F32 = __m256;
    type I32 = __m256i;
    type I16 = __m256i;

    const TILE: (usize, usize) = if WIDE { (4, 6) } else { (4, 3) };
    const INTEGER_TILE: (usize, usize) = (4, 2);
    const LINE_ROWS: usize = 1;

    #[inline(always)]
    fn call<W: Work>(self, work: W) -> W::Output {
        match WIDE {
            true => op!(wide(self, work)),
            false => op!(narrow(self, work)),
        }
    }

    #[inline(always)]
    fn products<const R: usize, const T: usize>(
        self,
        w: [&[Aligned]; R],
        x: [&[Aligned]; T],
    ) -> [[__m256; T]; R] {
        match WIDE {
            // SAFETY: `self` is the proof that the processor has AVX-512.
            true => unsafe { self.wide_products(w, x) },
            false => products(self, w, x),
        }
    }

    #[inline(always)]
    fn prefetch(self, from: &[u8], ahead: usize) {
        // SAFETY: nothing is read: the instruction is a hint, and ignored for an address that is not there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().wrapping_add(ahead).cast()) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        op!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, from: &[f32; 8]) -> __m256 {
        // SAFETY: `self` exists; the array is as long as what is read, and any alignment will do.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, x: __m256, to: &mut [f32; 8]) {
        // SAFETY: as in `load`.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        op!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        op!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn sum(self, x: __m256) -> f32 {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    fn sums(self, [a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: `self` exists; the array is as long as what is written, and any alignment will do.
        unsafe {
            let each = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let all = _mm_add_ps(
                _mm256_castps256_ps128(each),
                _mm256_extractf128_ps::<1>(each),
            );
            _mm_storeu_ps(out.as_mut_ptr(), all);
        }
        out
    }
    #[inline(always)]
    fn round(self, x: __m256) -> __m256i {
        op!(_mm256_cvtps_epi32(x))
    }
    #[inline(always)]
    fn power_of_two(self, n: __m256i) -> __m256 {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe {
            let biased = _mm256_add_epi32(n, _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn to_f32(self, x: __m256i) -> __m256 {
        op!(_mm256_cvtepi32_ps(x))
    }
    #[inline(always)]
    fn store_i32(self, x: __m256i, to: &mut [i32; 8]) {
        // SAFETY: `self` exists; the array is as long as what is written, and any alignment will do.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn add_i32(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_add_epi32(a, b))
    }

    #[inline(always)]
    fn first(self, x: __m256, count: usize) -> __m256 {
        let mask = super::first(count);
        // SAFETY: as in `load`.
        unsafe { _mm256_and_ps(x, _mm256_loadu_ps(mask.as_ptr().cast())) }
    }
    #[inline(always)]
    fn spread(self, from: &[f32; 8], pair: usize) -> __m256 {
        let first = 2 * pair as i32;
        let second = first + 1;
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe {
            let order =
                _mm256_setr_epi32(first, first, first, first, second, second, second, second);
            _mm256_permutevar8x32_ps(self.load(from), order)
        }
    }
    #[inline(always)]
    fn half(self, bits: u16) -> f32 {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits)))) }
    }
    #[inline(always)]
    fn halves(self, from: &[u8; 16]) -> __m256 {
        // SAFETY: `self` exists; the array is as long as what is read, and any alignment will do.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())) }
    }
    #[inline(always)]
    fn bfloats(self, from: &[u8; 16]) -> __m256 {
        // SAFETY: as in `halves`.
        unsafe {
            let upper = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.as_ptr().cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(upper))
        }
    }
    #[inline(always)]
    fn bytes(self, from: [i8; 8]) -> __m256 {
        // SAFETY: as in `halves`.
        unsafe {
            let bytes = _mm_loadl_epi64(from.as_ptr().cast());
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))
        }
    }

    #[inline(always)]
    fn load_i16(self, from: &[i16; 16]) -> __m256i {
        // SAFETY: as in `halves`.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_i16(self, x: __m256i, to: &mut [i16; 16]) {
        // SAFETY: as in `store_i32`.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn splat_i16(self, x: i16) -> __m256i {
        op!(_mm256_set1_epi16(x))
    }
    #[inline(always)]
    fn runs(self, first: &[u8; 16], second: &[u8; 16]) -> __m256i {
        // SAFETY: as in `halves`.
        unsafe {
            let first = _mm_loadu_si128(first.as_ptr().cast());
            let second = _mm_loadu_si128(second.as_ptr().cast());
            _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(first), second)
        }
    }
    #[inline(always)]
    fn bytes_twice(self, from: &[u8; 16], half: usize) -> __m256i {
        const ORDERS: [[u8; 16]; 2] = [
            [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3],
            [4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7],
        ];
        // SAFETY: as in `halves`.
        unsafe {
            let both = _mm_loadu_si128(from.as_ptr().cast());
            let runs = _mm256_permute4x64_epi64::<0b01_01_00_00>(_mm256_castsi128_si256(both));
            self.shuffle(runs, &ORDERS[half])
        }
    }
    #[inline(always)]
    fn bytes_four_times(self, from: &[u8; 8], half: usize) -> __m256i {
        const ORDERS: [[u8; 16]; 2] = [
            [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
            [2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3],
        ];
        // SAFETY: as in `halves`.
        unsafe {
            let both = _mm_loadl_epi64(from.as_ptr().cast());
            let order = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
            let runs = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(both), order);
            self.shuffle(runs, &ORDERS[half])
        }
    }
    #[inline(always)]
    fn and(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_and_si256(a, b))
    }
    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_or_si256(a, b))
    }
    #[inline(always)]
    fn sub_i16(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_sub_epi16(a, b))
    }
    #[inline(always)]
    fn equal(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_cmpeq_epi16(a, b))
    }
    #[inline(always)]
    fn by_turns(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the processor has the instruction.
        unsafe { _mm256_blend_epi16::<0b1010_1010>(a, b) }
    }
    #[inline(always)]
    fn mul_i16(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_mullo_epi16(a, b))
    }
    #[inline(always)]
    fn shift_left<const N: i32>(self, x: __m256i) -> __m256i {
        op!(_mm256_slli_epi16::<N>(x))
    }
    #[inline(always)]
    fn shift_right<const N: i32>(self, x: __m256i) -> __m256i {
        op!(_mm256_srli_epi16::<N>(x))
    }
    #[inline(always)]
    fn shift_right_signed<const N: i32>(self, x: __m256i) -> __m256i {
        op!(_mm256_srai_epi16::<N>(x))
    }
    #[inline(always)]
    fn widen(self, x: __m256i) -> (__m256, __m256) {
        // SAFETY: `self` exists, so the processor has these instructions.
        unsafe {
            let first = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(x));
            let second = _mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(x));
            (_mm256_cvtepi32_ps(first), _mm256_cvtepi32_ps(second))
        }
    }
    #[inline(always)]
    fn dot(self, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_madd_epi16(a, b))
    }
}

#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c")]
fn narrow<W: Work, L: Lanes>(lanes: L, work: W) -> W::Output {
    work.run(lanes)
}

#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
fn wide<W: Work, L: Lanes>(lanes: L, work: W) -> W::Output {
    work.run(lanes)
}

impl<const WIDE: bool> X86<WIDE> {
    /// [`products`], two vectors at a time.
    ///
    /// # Safety
    ///
    /// The processor has AVX-512.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    unsafe fn wide_products<const R: usize, const T: usize>(
        self,
        w: [&[Aligned]; R],
        x: [&[Aligned]; T],
    ) -> [[__m256; T]; R] {
        let vectors = w.iter().chain(&x).map(|row| row.len()).min().unwrap_or(0);
        // SAFETY: the caller vouches for the instructions. What is read are two vectors of every row from an even one on,
        // and no row has fewer than `vectors`.
        let mut folded = unsafe {
            let mut sums = [[_mm512_setzero_ps(); T]; R];
            for i in (0..vectors / 2 * 2).step_by(2) {
                let mut values = [_mm512_setzero_ps(); T];
                for t in 0..T {
                    values[t] = _mm512_loadu_ps(x[t].as_ptr().add(i).cast());
                }
                for r in 0..R {
                    let weights = _mm512_loadu_ps(w[r].as_ptr().add(i).cast());
                    for t in 0..T {
                        sums[r][t] = _mm512_fmadd_ps(weights, values[t], sums[r][t]);
                    }
                }
            }
            let mut folded = [[_mm256_setzero_ps(); T]; R];
            for r in 0..R {
                for t in 0..T {
                    let upper = _mm512_castps_pd(sums[r][t]);
                    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(upper));
                    folded[r][t] = _mm256_add_ps(_mm512_castps512_ps256(sums[r][t]), upper);
                }
            }
            folded
        };
        if vectors % 2 == 1 {
            for r in 0..R {
                for t in 0..T {
                    let (w, x) = (&w[r][vectors - 1].0, &x[t][vectors - 1].0);
                    folded[r][t] = self.mul_add(self.load(w), self.load(x), folded[r][t]);
                }
            }
        }
        folded
    }

    /// Byte `i` of each run becomes the run's byte `order[i]`.
    #[inline(always)]
    fn shuffle(self, x: __m256i, order: &[u8; 16]) -> __m256i {
        // SAFETY: `self` exists; the array is as long as what is read, and any alignment will do.
        unsafe {
            let order = _mm_loadu_si128(order.as_ptr().cast());
            _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order))
        }
    }
}
