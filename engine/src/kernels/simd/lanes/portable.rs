//! Vectors as arrays, in loops that compilers turn into whatever the target has: NEON on aarch64, SSE2 on x86-64.

use super::{Lanes, Work, half};

/// Needs nothing.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Portable;

/// A function of one or two arrays, lane by lane.
macro_rules! map {
    ($x:ident => $value:expr) => {{
        let mut out = $x.map(|_| Default::default());
        for (out, $x) in out.iter_mut().zip($x) {
            *out = $value;
        }
        out
    }};
    ($a:ident, $b:ident => $value:expr) => {{
        let mut out = $a;
        for (out, ($a, $b)) in out.iter_mut().zip($a.into_iter().zip($b)) {
            *out = $value;
        }
        out
    }};
}

impl Lanes for Portable {
    type F32 = [f32; 8];
    type I32 = [i32; 8];
    type I16 = [i16; 16];

    // With larger tiles compilers take vectors apart.
    const TILE: (usize, usize) = (1, 2);
    const INTEGER_TILE: (usize, usize) = (1, 2);
    const LINE_ROWS: usize = 2;

    #[inline(never)]
    fn call<W: Work>(self, work: W) -> W::Output {
        work.run(self)
    }

    #[inline(always)]
    fn prefetch(self, _from: &[u8], _ahead: usize) {}
    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 8] {
        [x; 8]
    }
    #[inline(always)]
    fn load(self, from: &[f32; 8]) -> [f32; 8] {
        *from
    }
    #[inline(always)]
    fn store(self, x: [f32; 8], to: &mut [f32; 8]) {
        *to = x;
    }
    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map!(a, b => a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map!(a, b => a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map!(a, b => a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map!(a, b => a / b)
    }
    #[inline(always)]
    fn min(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map!(a, b => if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map!(a, b => if a > b { a } else { b })
    }
    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        let mut out = c;
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            // A fused product is one instruction on aarch64, and a call of a function on plain x86-64.
            *out = match cfg!(target_arch = "aarch64") {
                true => a.mul_add(b, *out),
                false => a * b + *out,
            };
        }
        out
    }
    #[inline(always)]
    fn sum(self, x: [f32; 8]) -> f32 {
        let [a, b, c, d, e, f, g, h] = x;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
    #[inline(always)]
    fn sums(self, x: [[f32; 8]; 4]) -> [f32; 4] {
        map!(x => self.sum(x))
    }
    #[inline(always)]
    fn round(self, x: [f32; 8]) -> [i32; 8] {
        // Adding 1.5 · 2²³ leaves no bits for a fraction. Larger numbers have none anyway.
        const WHOLE: f32 = 12_582_912.0;
        map!(x => {
            let whole = if x.abs() < 4_194_304.0 { (x + WHOLE) - WHOLE } else { x };
            whole as i32
        })
    }
    #[inline(always)]
    fn power_of_two(self, n: [i32; 8]) -> [f32; 8] {
        map!(n => f32::from_bits((n.wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    fn to_f32(self, x: [i32; 8]) -> [f32; 8] {
        map!(x => x as f32)
    }
    #[inline(always)]
    fn store_i32(self, x: [i32; 8], to: &mut [i32; 8]) {
        *to = x;
    }
    #[inline(always)]
    fn add_i32(self, a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        map!(a, b => a.wrapping_add(b))
    }

    #[inline(always)]
    fn first(self, x: [f32; 8], count: usize) -> [f32; 8] {
        let mask = *super::first(count);
        map!(x, mask => f32::from_bits(x.to_bits() & mask))
    }
    #[inline(always)]
    fn spread(self, from: &[f32; 8], pair: usize) -> [f32; 8] {
        let (a, b) = (from[2 * pair], from[2 * pair + 1]);
        [a, a, a, a, b, b, b, b]
    }
    #[inline(always)]
    fn half(self, bits: u16) -> f32 {
        half(bits)
    }
    #[inline(always)]
    fn halves(self, from: &[u8; 16]) -> [f32; 8] {
        let bits = pairs(*from);
        map!(bits => half(bits))
    }
    #[inline(always)]
    fn bfloats(self, from: &[u8; 16]) -> [f32; 8] {
        let bits = pairs(*from);
        map!(bits => f32::from_bits(u32::from(bits) << 16))
    }
    #[inline(always)]
    fn bytes(self, from: [i8; 8]) -> [f32; 8] {
        map!(from => f32::from(from))
    }

    #[inline(always)]
    fn load_i16(self, from: &[i16; 16]) -> [i16; 16] {
        *from
    }
    #[inline(always)]
    fn store_i16(self, x: [i16; 16], to: &mut [i16; 16]) {
        *to = x;
    }
    #[inline(always)]
    fn splat_i16(self, x: i16) -> [i16; 16] {
        [x; 16]
    }
    #[inline(always)]
    fn runs(self, first: &[u8; 16], second: &[u8; 16]) -> [i16; 16] {
        let mut out = [0; 16];
        for (run, bytes) in [first, second].into_iter().enumerate() {
            for (i, bits) in pairs(*bytes).into_iter().enumerate() {
                out[8 * run + i] = bits as i16;
            }
        }
        out
    }
    #[inline(always)]
    fn bytes_twice(self, from: &[u8; 16], half: usize) -> [i16; 16] {
        let mut out = [0; 16];
        for (i, out) in out.iter_mut().enumerate() {
            *out = i16::from(from[i / 8 * 8 + 4 * half + i % 8 / 2]);
        }
        out
    }
    #[inline(always)]
    fn bytes_four_times(self, from: &[u8; 8], half: usize) -> [i16; 16] {
        let mut out = [0; 16];
        for (i, out) in out.iter_mut().enumerate() {
            *out = i16::from(from[i / 8 * 4 + 2 * half + i % 8 / 4]);
        }
        out
    }
    #[inline(always)]
    fn and(self, a: [i16; 16], b: [i16; 16]) -> [i16; 16] {
        map!(a, b => a & b)
    }
    #[inline(always)]
    fn or(self, a: [i16; 16], b: [i16; 16]) -> [i16; 16] {
        map!(a, b => a | b)
    }
    #[inline(always)]
    fn sub_i16(self, a: [i16; 16], b: [i16; 16]) -> [i16; 16] {
        map!(a, b => a.wrapping_sub(b))
    }
    #[inline(always)]
    fn equal(self, a: [i16; 16], b: [i16; 16]) -> [i16; 16] {
        map!(a, b => -i16::from(a == b))
    }
    #[inline(always)]
    fn by_turns(self, a: [i16; 16], b: [i16; 16]) -> [i16; 16] {
        let mut out = a;
        for i in 0..8 {
            out[2 * i + 1] = b[2 * i + 1];
        }
        out
    }
    #[inline(always)]
    fn mul_i16(self, a: [i16; 16], b: [i16; 16]) -> [i16; 16] {
        map!(a, b => a.wrapping_mul(b))
    }
    #[inline(always)]
    fn shift_left<const N: i32>(self, x: [i16; 16]) -> [i16; 16] {
        map!(x => x << N)
    }
    #[inline(always)]
    fn shift_right<const N: i32>(self, x: [i16; 16]) -> [i16; 16] {
        map!(x => (x as u16 >> N) as i16)
    }
    #[inline(always)]
    fn shift_right_signed<const N: i32>(self, x: [i16; 16]) -> [i16; 16] {
        map!(x => x >> N)
    }
    #[inline(always)]
    fn widen(self, x: [i16; 16]) -> ([f32; 8], [f32; 8]) {
        let (mut first, mut second) = ([0.0; 8], [0.0; 8]);
        for i in 0..8 {
            first[i] = f32::from(x[i]);
            second[i] = f32::from(x[8 + i]);
        }
        (first, second)
    }
    #[inline(always)]
    fn dot(self, a: [i16; 16], b: [i16; 16]) -> [i32; 8] {
        let mut out = [0; 8];
        for (i, out) in out.iter_mut().enumerate() {
            // SSE2 adds neighbours in one instruction, NEON the halves of a register.
            let (one, other) = match cfg!(target_arch = "x86_64") {
                true => (2 * i, 2 * i + 1),
                false => (i / 4 * 8 + i % 4, i / 4 * 8 + i % 4 + 4),
            };
            let product = |at: usize| i32::from(a[at]) * i32::from(b[at]);
            *out = product(one).wrapping_add(product(other));
        }
        out
    }
}

#[inline(always)]
fn pairs(bytes: [u8; 16]) -> [u16; 8] {
    let mut out = [0; 8];
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = u16::from_le_bytes(*bytes);
    }
    out
}
