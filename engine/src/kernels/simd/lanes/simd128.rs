//! Vectors on WebAssembly with simd128: each is two of the target's.

use core::arch::wasm32::*;

use super::{Lanes, Work};

/// A module with these instructions does not start where they are missing, so there is nothing to detect.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Simd128;

/// Two vectors of 128 bits.
pub(in super::super) type Two = (v128, v128);

/// An operation on both vectors.
macro_rules! both {
    ($op:ident, $x:expr) => {{
        let x = $x;
        ($op(x.0), $op(x.1))
    }};
    ($op:ident, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        ($op(a.0, b.0), $op(a.1, b.1))
    }};
}

impl Lanes for Simd128 {
    type F32 = Two;
    type I32 = Two;
    type I16 = Two;

    const TILE: (usize, usize) = (2, 2);
    const INTEGER_TILE: (usize, usize) = (2, 2);
    const LINE_ROWS: usize = 2;

    #[inline(always)]
    fn call<W: Work>(self, work: W) -> W::Output {
        call(self, work)
    }

    #[inline(always)]
    fn prefetch(self, _from: &[u8], _ahead: usize) {}
    #[inline(always)]
    fn splat(self, x: f32) -> Two {
        let x = f32x4_splat(x);
        (x, x)
    }
    #[inline(always)]
    fn load(self, from: &[f32; 8]) -> Two {
        load(from)
    }
    #[inline(always)]
    fn store(self, x: Two, to: &mut [f32; 8]) {
        store(x, to);
    }
    #[inline(always)]
    fn add(self, a: Two, b: Two) -> Two {
        both!(f32x4_add, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Two, b: Two) -> Two {
        both!(f32x4_sub, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Two, b: Two) -> Two {
        both!(f32x4_mul, a, b)
    }
    #[inline(always)]
    fn div(self, a: Two, b: Two) -> Two {
        both!(f32x4_div, a, b)
    }
    #[inline(always)]
    fn min(self, a: Two, b: Two) -> Two {
        both!(f32x4_pmin, a, b)
    }
    #[inline(always)]
    fn max(self, a: Two, b: Two) -> Two {
        both!(f32x4_pmax, a, b)
    }
    #[inline(always)]
    fn mul_add(self, a: Two, b: Two, c: Two) -> Two {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn sum(self, x: Two) -> f32 {
        let four = f32x4_add(x.0, x.1);
        let two = f32x4_add(four, i32x4_shuffle::<2, 3, 2, 3>(four, four));
        f32x4_extract_lane::<0>(two) + f32x4_extract_lane::<1>(two)
    }
    #[inline(always)]
    fn sums(self, x: [Two; 4]) -> [f32; 4] {
        let [a, b, c, d] = x.map(|x| f32x4_add(x.0, x.1));
        let ab = f32x4_add(
            i32x4_shuffle::<0, 4, 1, 5>(a, b),
            i32x4_shuffle::<2, 6, 3, 7>(a, b),
        );
        let cd = f32x4_add(
            i32x4_shuffle::<0, 4, 1, 5>(c, d),
            i32x4_shuffle::<2, 6, 3, 7>(c, d),
        );
        let all = f32x4_add(i64x2_shuffle::<0, 2>(ab, cd), i64x2_shuffle::<1, 3>(ab, cd));
        [
            f32x4_extract_lane::<0>(all),
            f32x4_extract_lane::<1>(all),
            f32x4_extract_lane::<2>(all),
            f32x4_extract_lane::<3>(all),
        ]
    }
    #[inline(always)]
    fn round(self, x: Two) -> Two {
        both!(i32x4_trunc_sat_f32x4, both!(f32x4_nearest, x))
    }
    #[inline(always)]
    fn power_of_two(self, n: Two) -> Two {
        let biased = self.add_i32(n, (i32x4_splat(127), i32x4_splat(127)));
        (i32x4_shl(biased.0, 23), i32x4_shl(biased.1, 23))
    }
    #[inline(always)]
    fn to_f32(self, x: Two) -> Two {
        both!(f32x4_convert_i32x4, x)
    }
    #[inline(always)]
    fn store_i32(self, x: Two, to: &mut [i32; 8]) {
        store(x, to);
    }
    #[inline(always)]
    fn add_i32(self, a: Two, b: Two) -> Two {
        both!(i32x4_add, a, b)
    }

    #[inline(always)]
    fn first(self, x: Two, count: usize) -> Two {
        both!(v128_and, x, load(super::first(count)))
    }
    #[inline(always)]
    fn spread(self, from: &[f32; 8], pair: usize) -> Two {
        (f32x4_splat(from[2 * pair]), f32x4_splat(from[2 * pair + 1]))
    }
    #[inline(always)]
    fn half(self, bits: u16) -> f32 {
        super::half(bits)
    }
    #[inline(always)]
    fn halves(self, from: &[u8; 16]) -> Two {
        let bits = load_one(from);
        (
            halves(u32x4_extend_low_u16x8(bits)),
            halves(u32x4_extend_high_u16x8(bits)),
        )
    }
    #[inline(always)]
    fn bfloats(self, from: &[u8; 16]) -> Two {
        let (bits, zero) = (load_one(from), i16x8_splat(0));
        (
            i16x8_shuffle::<8, 0, 9, 1, 10, 2, 11, 3>(bits, zero),
            i16x8_shuffle::<8, 4, 9, 5, 10, 6, 11, 7>(bits, zero),
        )
    }
    #[inline(always)]
    fn bytes(self, from: [i8; 8]) -> Two {
        let wide = i16x8_extend_low_i8x16(i64x2_splat(i64::from_le_bytes(from.map(|x| x as u8))));
        widen(wide)
    }

    #[inline(always)]
    fn load_i16(self, from: &[i16; 16]) -> Two {
        load(from)
    }
    #[inline(always)]
    fn store_i16(self, x: Two, to: &mut [i16; 16]) {
        store(x, to);
    }
    #[inline(always)]
    fn splat_i16(self, x: i16) -> Two {
        let x = i16x8_splat(x);
        (x, x)
    }
    #[inline(always)]
    fn runs(self, first: &[u8; 16], second: &[u8; 16]) -> Two {
        (load_one(first), load_one(second))
    }
    #[inline(always)]
    fn bytes_twice(self, from: &[u8; 16], half: usize) -> Two {
        let x = load_one(from);
        match half {
            0 => (
                i8x16_shuffle::<0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3>(x, x),
                i8x16_shuffle::<8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 11>(x, x),
            ),
            _ => (
                i8x16_shuffle::<4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7>(x, x),
                i8x16_shuffle::<12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 15>(
                    x, x,
                ),
            ),
        }
    }
    #[inline(always)]
    fn bytes_four_times(self, from: &[u8; 8], half: usize) -> Two {
        let x = i64x2_splat(i64::from_le_bytes(*from));
        match half {
            0 => (
                i8x16_shuffle::<0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1>(x, x),
                i8x16_shuffle::<4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5>(x, x),
            ),
            _ => (
                i8x16_shuffle::<2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3>(x, x),
                i8x16_shuffle::<6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7>(x, x),
            ),
        }
    }
    #[inline(always)]
    fn and(self, a: Two, b: Two) -> Two {
        both!(v128_and, a, b)
    }
    #[inline(always)]
    fn or(self, a: Two, b: Two) -> Two {
        both!(v128_or, a, b)
    }
    #[inline(always)]
    fn sub_i16(self, a: Two, b: Two) -> Two {
        both!(i16x8_sub, a, b)
    }
    #[inline(always)]
    fn equal(self, a: Two, b: Two) -> Two {
        both!(i16x8_eq, a, b)
    }
    #[inline(always)]
    fn by_turns(self, a: Two, b: Two) -> Two {
        (
            i16x8_shuffle::<0, 9, 2, 11, 4, 13, 6, 15>(a.0, b.0),
            i16x8_shuffle::<0, 9, 2, 11, 4, 13, 6, 15>(a.1, b.1),
        )
    }
    #[inline(always)]
    fn mul_i16(self, a: Two, b: Two) -> Two {
        both!(i16x8_mul, a, b)
    }
    #[inline(always)]
    fn shift_left<const N: i32>(self, x: Two) -> Two {
        (i16x8_shl(x.0, N as u32), i16x8_shl(x.1, N as u32))
    }
    #[inline(always)]
    fn shift_right<const N: i32>(self, x: Two) -> Two {
        (u16x8_shr(x.0, N as u32), u16x8_shr(x.1, N as u32))
    }
    #[inline(always)]
    fn shift_right_signed<const N: i32>(self, x: Two) -> Two {
        (i16x8_shr(x.0, N as u32), i16x8_shr(x.1, N as u32))
    }
    #[inline(always)]
    fn widen(self, x: Two) -> (Two, Two) {
        (widen(x.0), widen(x.1))
    }
    #[inline(always)]
    fn dot(self, a: Two, b: Two) -> Two {
        both!(i32x4_dot_i16x8, a, b)
    }
}

#[inline(never)]
#[target_feature(enable = "simd128")]
fn call<W: Work>(lanes: Simd128, work: W) -> W::Output {
    work.run(lanes)
}

/// Eight i16 as f32.
#[inline(always)]
fn widen(x: v128) -> Two {
    (
        f32x4_convert_i32x4(i32x4_extend_low_i16x8(x)),
        f32x4_convert_i32x4(i32x4_extend_high_i16x8(x)),
    )
}

/// The values of four halves, each in 32 bits; as [`super::half`].
#[inline(always)]
fn halves(bits: v128) -> v128 {
    let magnitude = v128_and(bits, u32x4_splat(0x7fff));
    let sign = u32x4_shl(v128_xor(bits, magnitude), 16);
    let raised = u32x4_add(u32x4_shl(magnitude, 13), u32x4_splat(224 << 23));
    let normal = f32x4_mul(raised, u32x4_splat(15 << 23));
    let half = u32x4_splat(126 << 23);
    let subnormal = f32x4_sub(v128_or(magnitude, half), half);
    let is_subnormal = i32x4_lt(magnitude, i32x4_splat(0x400));
    v128_or(v128_bitselect(subnormal, normal, is_subnormal), sign)
}

/// Arrays of sixteen bytes.
#[inline(always)]
fn load_one(from: &[u8; 16]) -> v128 {
    // SAFETY: the array is as long as what is read, and any alignment will do.
    unsafe { v128_load(from.as_ptr().cast()) }
}

/// Arrays of 32 bytes.
#[inline(always)]
fn load<T>(from: &T) -> Two {
    const { assert!(size_of::<T>() == 32) };
    let from = (&raw const *from).cast::<v128>();
    // SAFETY: `T` is as long as what is read, and any alignment will do.
    unsafe { (v128_load(from), v128_load(from.add(1))) }
}

/// Arrays of 32 bytes, for which any bits are values.
#[inline(always)]
fn store<T: bytemuck::Pod>(x: Two, to: &mut T) {
    const { assert!(size_of::<T>() == 32) };
    let to = (&raw mut *to).cast::<v128>();
    // SAFETY: `T` is as long as what is written, any bits are values of it, and any alignment will do.
    unsafe {
        v128_store(to, x.0);
        v128_store(to.add(1), x.1);
    }
}
