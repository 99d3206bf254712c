//! Functions of vectors.

use super::lanes::Lanes;

/// Beyond this an exponential is taken to be that at the limit: below, 0.
const LIMIT: f32 = 88.0;

/// `eˣ`, within 2e-7 of its value for |x| up to 87; 0 from -88 down.
///
/// `eˣ = 2ⁿ eʳ` with `n` the integer nearest to `x / ln 2`. `|r|` is at most 0.35, where eight terms of the series leave 6e-9.
#[inline(always)]
pub(super) fn exp<L: Lanes>(lanes: L, x: L::F32) -> L::F32 {
    // ln 2 in two parts: the first has few enough bits that its product with `n` is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = lanes.max(lanes.min(x, lanes.splat(LIMIT)), lanes.splat(-LIMIT));
    let n = lanes.round(lanes.mul(x, lanes.splat(std::f32::consts::LOG2_E)));
    let whole = lanes.to_f32(n);
    let r = lanes.mul_add(whole, lanes.splat(-LN_2_HIGH), x);
    let r = lanes.mul_add(whole, lanes.splat(-LN_2_LOW), r);
    let mut series = lanes.splat(1.0 / 5040.0);
    for term in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = lanes.mul_add(series, r, lanes.splat(term));
    }
    lanes.mul(series, lanes.power_of_two(n))
}

/// `0.5 x (1 + tanh u)` with `u = √(2/π) (x + 0.044715 x³)`, as the equal `x / (1 + e⁻²ᵘ)`.
#[inline(always)]
pub(super) fn gelu_tanh<L: Lanes>(lanes: L, x: L::F32) -> L::F32 {
    const MINUS_TWO_ROOTS: f32 = -1.595_769;
    let square = lanes.mul(x, x);
    let cubic = lanes.mul_add(square, lanes.splat(0.044_715), lanes.splat(1.0));
    let power = lanes.mul(lanes.mul(x, cubic), lanes.splat(MINUS_TWO_ROOTS));
    lanes.div(x, lanes.add(exp(lanes, power), lanes.splat(1.0)))
}
