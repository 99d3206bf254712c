//! f32 to stored blocks: what an import does to weights that come as ordinary numbers.
//!
//! Q8_0 and Q4_0 are the reference's byte by byte (gguf, quants.py, which repeats ggml-quants.c, `quantize_row_*_ref`).
//! Q4_K fixes only what a block means; see `q4_k` for how its scales are found here.

use half::{bf16, f16};

use super::BlockType;
use crate::error::{Error, Result};

/// The types that weights can be brought to.
pub const TARGETS: [BlockType; 6] = [
    BlockType::F32,
    BlockType::F16,
    BlockType::Bf16,
    BlockType::Q8_0,
    BlockType::Q4_0,
    BlockType::Q4K,
];

/// Elements of a group of Q4_K.
const GROUP: usize = 32;

/// Groups of a block of Q4_K.
const GROUPS: usize = 8;

/// Largest quant of Q4_K.
const MAX_QUANT: f32 = 15.0;

/// Largest scale or minimum of a group of Q4_K.
const MAX_SCALE: f32 = 63.0;

/// How far the steps that a group's search tries first lie above and below `range / 15`, in quants. More of them make the
/// error of normally distributed weights less than a hundredth smaller.
const STEP_OFFSETS: [f32; 8] = [0.0, -1.0, -0.6, -0.3, 0.3, 0.6, 0.9, 1.3];

/// What rows of `cols` elements are stored as where `wanted` is asked for: `wanted` if its blocks divide a row, else Q8_0
/// if that does, else F16. (llama.cpp takes Q5_0 in place of Q4_K; Q8_0 loses less and is larger.)
pub fn target(wanted: BlockType, cols: u64) -> BlockType {
    let divides = |block: BlockType| cols.is_multiple_of(block.block_elements() as u64);
    let choice = [wanted, BlockType::Q8_0].into_iter().find(|b| divides(*b));
    choice.unwrap_or(BlockType::F16)
}

/// Checks that `block` is one of [`TARGETS`].
///
/// # Errors
/// [`Error::Unsupported`].
pub fn check_target(block: BlockType) -> Result<()> {
    match TARGETS.contains(&block) {
        true => Ok(()),
        false => Err(Error::Unsupported {
            what: format!("quantising to {block}"),
            remedy: "choose Q8_0, Q4_0, Q4_K, BF16, F16 or F32".to_owned(),
        }),
    }
}

/// Turns whole blocks of values into blocks as a GGUF file stores them. Values that are not finite give a block that means
/// nothing, and never a panic.
///
/// values: `[blocks · block_elements]`, out: `[blocks · block_bytes]`. The shorter of the two says how many.
///
/// # Errors
/// [`Error::Unsupported`] for a type that is not among [`TARGETS`].
pub fn quantise(block: BlockType, values: &[f32], out: &mut [u8]) -> Result<()> {
    check_target(block)?;
    let values = values.chunks_exact(block.block_elements());
    let out = out.chunks_exact_mut(block.block_bytes());
    for (values, out) in values.zip(out) {
        match (block, values) {
            (BlockType::Q8_0, _) => q8_0(values, out),
            (BlockType::Q4_0, _) => q4_0(values, out),
            (BlockType::Q4K, _) => q4_k(values, out),
            (BlockType::F16, [x]) => out.copy_from_slice(&f16::from_f32(*x).to_le_bytes()),
            (BlockType::Bf16, [x]) => out.copy_from_slice(&bf16::from_f32(*x).to_le_bytes()),
            (_, [x]) => out.copy_from_slice(&x.to_le_bytes()),
            _ => {}
        }
    }
    Ok(())
}

/// `d`, `qs[32]`: the greatest magnitude becomes 127, halves are rounded away from zero.
fn q8_0(values: &[f32], out: &mut [u8]) {
    let d = values.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0;
    let inverse = inverse(d);
    let (scale, quants) = out.split_at_mut(2);
    scale.copy_from_slice(&f16::from_f32(d).to_le_bytes());
    for (x, q) in values.iter().zip(quants) {
        *q = (x * inverse).round() as i8 as u8;
    }
}

/// `d`, `qs[16]`: the value of the greatest magnitude, the first of equals, becomes -8.
fn q4_0(values: &[f32], out: &mut [u8]) {
    let mut most = values.first().copied().unwrap_or(0.0);
    for x in values {
        if x.abs() > most.abs() {
            most = *x;
        }
    }
    let d = most / -8.0;
    let inverse = inverse(d);
    let quant = |x: &f32| ((x * inverse + 8.5) as u8).min(15);
    let (scale, quants) = out.split_at_mut(2);
    scale.copy_from_slice(&f16::from_f32(d).to_le_bytes());
    let (low, high) = values.split_at(values.len() / 2);
    for ((low, high), q) in low.iter().zip(high).zip(quants) {
        *q = quant(low) | quant(high) << 4;
    }
}

fn inverse(d: f32) -> f32 {
    match d == 0.0 {
        true => 0.0,
        false => 1.0 / d,
    }
}

/// `d`, `dmin`, `scales[12]`, `qs[128]`: element i of group g is `d · scale_g · q_i - dmin · minimum_g`.
///
/// For each group by itself, steps of several sizes give integers q, and weighted least squares give the scale and the
/// minimum that suit those integers best; the best pair is kept. `d` and `dmin` then make the largest scale and the
/// largest minimum 63. The integers are chosen again for what scales and minima have become by rounding, and `d` and `dmin`
/// fitted once more to all 256 values, which is kept where it helps. Errors of large values count more.
fn q4_k(values: &[f32], out: &mut [u8]) {
    let mut groups = [Group::default(); GROUPS];
    for (group, values) in groups.iter_mut().zip(values.as_chunks::<GROUP>().0) {
        *group = Group::fit(values);
    }
    let largest = |of: fn(&Group) -> f32| groups.iter().map(of).fold(0.0, f32::max);
    let mut block = Block::rounded(
        &groups,
        rounded(largest(|group| group.scale) / MAX_SCALE),
        rounded(largest(|group| group.minimum) / MAX_SCALE),
    );
    block.choose_quants(&groups);
    if let Some((d, dmin)) = block.fit(&groups) {
        let mut other = Block { d, dmin, ..block };
        other.choose_quants(&groups);
        if other.error < block.error {
            block = other;
        }
    }
    block.store(out);
}

/// 32 values, and what they are fitted with.
#[derive(Clone, Copy)]
struct Group {
    values: [f32; GROUP],
    weights: [f32; GROUP],
    /// Not negative.
    scale: f32,
    /// Subtracted; not negative.
    minimum: f32,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            values: [0.0; GROUP],
            weights: [0.0; GROUP],
            scale: 0.0,
            minimum: 0.0,
        }
    }
}

impl Group {
    fn fit(values: &[f32; GROUP]) -> Self {
        let mean_square = sum(values, |x| x * x) / GROUP as f32;
        let typical = mean_square.sqrt();
        let weights = values.map(|x| typical + x.abs());
        let mut group = Self {
            values: *values,
            weights,
            ..Self::default()
        };
        let least = values.iter().fold(0.0f32, |least, x| least.min(*x));
        let most = values.iter().fold(least, |most, x| most.max(*x));
        let range = most - least;
        if range == 0.0 {
            group.minimum = -least;
        }
        // Also where something is not a number.
        if !(range > 0.0 && range.is_finite()) {
            return group;
        }
        let sums = Sums::of(&group);
        let mut best = f32::INFINITY;
        for offset in STEP_OFFSETS {
            let quants = quants(values, (MAX_QUANT + offset) / range, -least);
            let (scale, minimum, error) = sums.solve(&group, &quants);
            if error < best {
                (group.scale, group.minimum, best) = (scale, minimum, error);
            }
        }
        group
    }
}

/// Sums over a group that do not depend on the integers. x: the values, w: their weights.
struct Sums {
    w: f32,
    wx: f32,
    wxx: f32,
}

impl Sums {
    fn of(group: &Group) -> Self {
        let pairs = |f: fn(f32, f32) -> f32| sum_2(&group.weights, &group.values, f);
        Self {
            w: pairs(|w, _| w),
            wx: pairs(|w, x| w * x),
            wxx: pairs(|w, x| w * x * x),
        }
    }

    /// The scale and the minimum, neither of them negative, that make the weighted square error of `scale · q - minimum`
    /// least, and that error.
    fn solve(&self, group: &Group, quants: &[f32; GROUP]) -> (f32, f32, f32) {
        let wq = sum_2(&group.weights, quants, |w, q| w * q);
        let wqq = sum_2(&group.weights, quants, |w, q| w * q * q);
        let wx = std::array::from_fn(|i| group.weights[i] * group.values[i]);
        let wxq = sum_2(&wx, quants, |wx, q| wx * q);
        let determinant = self.w * wqq - wq * wq;
        let (mut scale, mut minimum) = (0.0, 0.0);
        if determinant > 0.0 {
            scale = (self.w * wxq - self.wx * wq) / determinant;
            minimum = (wq * wxq - wqq * self.wx) / determinant;
        }
        if determinant <= 0.0 || minimum < 0.0 {
            minimum = 0.0;
            scale = if wqq > 0.0 { wxq / wqq } else { 0.0 };
        }
        let error = self.wxx + scale * scale * wqq + minimum * minimum * self.w
            - 2.0 * (scale * wxq - minimum * self.wx + scale * minimum * wq);
        match scale >= 0.0 {
            true => (scale, minimum, error),
            false => (0.0, 0.0, self.wxx),
        }
    }
}

/// A block as it will be stored.
#[derive(Clone, Copy)]
struct Block {
    d: f32,
    dmin: f32,
    /// 0 to 63.
    scales: [f32; GROUPS],
    minima: [f32; GROUPS],
    /// 0 to 15.
    quants: [[f32; GROUP]; GROUPS],
    /// Weighted square error over all values.
    error: f32,
}

impl Block {
    fn rounded(groups: &[Group; GROUPS], d: f32, dmin: f32) -> Self {
        let steps = |value: f32, step: f32| (value * inverse(step)).round().clamp(0.0, MAX_SCALE);
        Self {
            d,
            dmin,
            scales: groups.each_ref().map(|group| steps(group.scale, d)),
            minima: groups.each_ref().map(|group| steps(group.minimum, dmin)),
            quants: [[0.0; GROUP]; GROUPS],
            error: f32::INFINITY,
        }
    }

    /// Chooses the nearest integer for every value, and for each group the minimum that then is best.
    fn choose_quants(&mut self, groups: &[Group; GROUPS]) {
        self.error = 0.0;
        for (index, group) in groups.iter().enumerate() {
            let scale = self.d * self.scales[index];
            let mut best = f32::INFINITY;
            let middle = self.minima[index];
            for minimum in [middle, middle - 1.0, middle + 1.0] {
                if !(0.0..=MAX_SCALE).contains(&minimum) {
                    continue;
                }
                let offset = self.dmin * minimum;
                let quants = quants(&group.values, inverse(scale), offset);
                let made = quants.map(|q| scale * q - offset);
                let differences = std::array::from_fn(|i| group.values[i] - made[i]);
                let error = sum_2(&group.weights, &differences, |w, e| w * e * e);
                if error < best {
                    best = error;
                    self.minima[index] = minimum;
                    self.quants[index] = quants;
                }
            }
            self.error += best;
        }
    }

    /// The `d` and `dmin` that suit the integers best, as halves; `None` where they are not determined.
    fn fit(&self, groups: &[Group; GROUPS]) -> Option<(f32, f32)> {
        // x ≈ d·a - dmin·b with a = scale · q and b = minimum.
        let (mut aa, mut ab, mut bb, mut xa, mut xb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (index, group) in groups.iter().enumerate() {
            let (scale, b) = (self.scales[index], self.minima[index]);
            let quants = &self.quants[index];
            let wx: [f32; GROUP] = std::array::from_fn(|i| group.weights[i] * group.values[i]);
            let w = sum(&group.weights, |w| w);
            aa += scale * scale * sum_2(&group.weights, quants, |w, q| w * q * q);
            ab += scale * b * sum_2(&group.weights, quants, |w, q| w * q);
            bb += w * b * b;
            xa += scale * sum_2(&wx, quants, |wx, q| wx * q);
            xb += b * sum(&wx, |wx| wx);
        }
        let determinant: f32 = aa * bb - ab * ab;
        let (d, dmin) = match determinant > 1e-6 * aa * bb {
            true => (
                (xa * bb - xb * ab) / determinant,
                (xa * ab - xb * aa) / determinant,
            ),
            false if bb == 0.0 && aa > 0.0 => (xa / aa, 0.0),
            false => return None,
        };
        let sound = d > 0.0 && dmin >= 0.0 && d.is_finite() && dmin.is_finite();
        sound.then(|| (rounded(d), rounded(dmin)))
    }

    fn store(&self, out: &mut [u8]) {
        let (head, quants) = out.split_at_mut(16);
        let (halves, packed) = head.split_at_mut(4);
        halves[..2].copy_from_slice(&f16::from_f32(self.d).to_le_bytes());
        halves[2..].copy_from_slice(&f16::from_f32(self.dmin).to_le_bytes());
        // Six bits each; the upper two of the last four groups lie above the first four (ggml-quants.c, get_scale_min_k4).
        for group in 0..4 {
            let (scale, minimum) = (self.scales[group] as u8, self.minima[group] as u8);
            let (scale_4, minimum_4) = (self.scales[group + 4] as u8, self.minima[group + 4] as u8);
            packed[group] = scale | scale_4 >> 4 << 6;
            packed[group + 4] = minimum | minimum_4 >> 4 << 6;
            packed[group + 8] = scale_4 & 15 | (minimum_4 & 15) << 4;
        }
        let pairs = self.quants.as_chunks::<2>().0;
        for ([low, high], out) in pairs.iter().zip(quants.chunks_exact_mut(GROUP)) {
            for ((low, high), out) in low.iter().zip(high).zip(out) {
                *out = *low as u8 | (*high as u8) << 4;
            }
        }
    }
}

/// The integers that `(x + offset) · inverse_step` is nearest to, 0 to 15.
fn quants(values: &[f32; GROUP], inverse_step: f32, offset: f32) -> [f32; GROUP] {
    // What is added and taken away leaves no bits for a fraction, and unlike `round` it needs no call on any target.
    const NO_FRACTION: f32 = 12_582_912.0; // 1.5 · 2²³
    values.map(|x| {
        let q = ((x + offset) * inverse_step).clamp(0.0, MAX_QUANT);
        q + NO_FRACTION - NO_FRACTION
    })
}

/// What a half keeps of a number.
fn rounded(value: f32) -> f32 {
    f16::from_f32(value).to_f32()
}

fn sum(values: &[f32; GROUP], of: impl Fn(f32) -> f32) -> f32 {
    sum_2(values, values, |x, _| of(x))
}

/// The sum over pairs, in eight lanes that a compiler can keep side by side.
fn sum_2(a: &[f32; GROUP], b: &[f32; GROUP], of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += of(*a, *b);
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
