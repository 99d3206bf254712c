//! The largest logits, found where they are, so that a few hundred bytes are read back instead of a megabyte.
//!
//! Logits are ordered by size, equal ones by place. A first pass keeps the best of each group; the best `count` logits lie
//! in the `count` groups whose bests are best. One workgroup then picks those groups, and from them the logits.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::super::params::CandidateParams;
use super::{UNITS, arg, elements, empty, grid};

/// Groups of logits; element `i` of group `g` is logit `g + i · GROUPS`, so that neighbours read neighbours.
const GROUPS: usize = 4096;

/// No place.
const NOWHERE: u32 = u32::MAX;

/// Below every number.
const NOTHING: f32 = f32::NEG_INFINITY;

/// A logit that can be compared: infinite if it is no number. By its bits, since a compiler may take every number for one.
#[cube]
fn comparable(logit: f32) -> f32 {
    let bits = u32::reinterpret(logit);
    let strange = (bits & 2_147_483_647u32) > 2_139_095_040u32;
    select(strange, f32::reinterpret(2_139_095_040u32), logit)
}

/// What logit `at` of the row that begins at `start` counts for: itself, or what rules make of it.
#[cube]
fn counted(
    logits: &[f32],
    rules: &[u32],
    start: usize,
    at: u32,
    vocab: u32,
    penalty: f32,
    #[comptime] ruled: bool,
) -> f32 {
    let mut logit = comparable(logits[start + at as usize]);
    if comptime!(ruled) {
        let word = at / 32u32;
        let bit = at % 32u32;
        let allowed = (rules[word as usize] >> bit) & 1u32;
        let occurred = (rules[(vocab.div_ceil(32u32) + word) as usize] >> bit) & 1u32;
        let fallen = select(logit < 0.0f32, logit * penalty, logit / penalty);
        logit = select(occurred == 1u32, fallen, logit);
        let nothing = f32::reinterpret(comptime!(NOTHING.to_bits()).runtime());
        logit = select(allowed == 1u32, logit, nothing);
    }
    logit
}

/// Whether (value, place) comes before (other, other_place).
#[cube]
fn before(value: f32, place: u32, other: f32, other_place: u32) -> bool {
    value > other || (value == other && place < other_place)
}

/// One thread a group, and so many workgroups below each other as there are rows.
#[cube(launch_unchecked)]
fn best_of_groups_kernel(
    logits: &[f32],
    rules: &[u32],
    values: &mut [f32],
    places: &mut [u32],
    count: u32,
    penalty: f32,
    #[comptime] ruled: bool,
) {
    let group = CUBE_POS_X as usize * comptime!(UNITS) + UNIT_POS as usize;
    let row = CUBE_POS_Y as usize;
    let start = row * count as usize;
    let mut value = f32::reinterpret(comptime!(NOTHING.to_bits()).runtime());
    let mut place = comptime!(NOWHERE).runtime();
    let mut at = group as u32;
    while at < count {
        let logit = counted(logits, rules, start, at, count, penalty, ruled);
        if before(logit, at, value, place) {
            value = logit;
            place = at;
        }
        at += comptime!(GROUPS as u32);
    }
    values[row * comptime!(GROUPS) + group] = value;
    places[row * comptime!(GROUPS) + group] = place;
}

/// The first of all threads' candidates, in every thread. values, places: `[UNITS]`, free for reuse afterwards.
#[cube]
fn first_of_units(
    values: &mut Shared<[f32]>,
    places: &mut Shared<[u32]>,
    value: f32,
    place: u32,
) -> u32 {
    let unit = UNIT_POS as usize;
    values[unit] = value;
    places[unit] = place;
    sync_cube();
    let mut best = values[0];
    let mut best_place = places[0];
    for other in 1..comptime!(UNITS) {
        if before(values[other], places[other], best, best_place) {
            best = values[other];
            best_place = places[other];
        }
    }
    sync_cube();
    best_place
}

/// One workgroup a row. values, places: [rows, GROUPS], out: [2 * rows, count]; `count` is at most `GROUPS`.
#[cube(launch_unchecked)]
fn pick_kernel(
    logits: &[f32],
    rules: &[u32],
    values: &[f32],
    places: &[u32],
    out: &mut [f32],
    vocab: u32,
    penalty: f32,
    #[comptime] count: usize,
    #[comptime] ruled: bool,
) {
    let unit = UNIT_POS as usize;
    let row = CUBE_POS_Y as usize;
    let start = row * vocab as usize;
    let first_group = row * comptime!(GROUPS);
    let nothing = f32::reinterpret(comptime!(NOTHING.to_bits()).runtime());
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let mut scratch_places = Shared::<[u32]>::new_slice(UNITS);
    // Where the chosen groups have their best.
    let mut chosen = Shared::<[u32]>::new_slice(count);
    // Each round takes the first one after that of the round before.
    let mut last = f32::reinterpret(comptime!(f32::INFINITY.to_bits()).runtime());
    let mut last_place = 0u32;
    for round in 0..count {
        let mut value = nothing;
        let mut place = comptime!(NOWHERE).runtime();
        for i in 0..comptime!(GROUPS / UNITS) {
            let group = i * comptime!(UNITS) + unit;
            let best = values[first_group + group];
            let at = places[first_group + group];
            let left = round == 0usize || before(last, last_place, best, at);
            if left && before(best, at, value, place) {
                value = best;
                place = at;
            }
        }
        last_place = first_of_units(&mut scratch, &mut scratch_places, value, place);
        if last_place < vocab {
            last = counted(logits, rules, start, last_place, vocab, penalty, ruled);
        } else {
            last = nothing;
        }
        chosen[round] = last_place;
    }
    sync_cube();

    let height = vocab.div_ceil(comptime!(GROUPS as u32));
    last_place = 0u32;
    for round in 0..count {
        let mut value = nothing;
        let mut place = comptime!(NOWHERE).runtime();
        let mut index = unit as u32;
        while index < height * comptime!(count as u32) {
            let group = chosen[(index / height) as usize];
            let at = group % comptime!(GROUPS as u32) + index % height * comptime!(GROUPS as u32);
            if group < vocab && at < vocab {
                let logit = counted(logits, rules, start, at, vocab, penalty, ruled);
                let left = round == 0usize || before(last, last_place, logit, at);
                if left && before(logit, at, value, place) {
                    value = logit;
                    place = at;
                }
            }
            index += comptime!(UNITS as u32);
        }
        last_place = first_of_units(&mut scratch, &mut scratch_places, value, place);
        if last_place < vocab {
            last = counted(logits, rules, start, last_place, vocab, penalty, ruled);
        } else {
            last = nothing;
        }
        if unit == 0usize {
            // As it was: whoever picks among the candidates applies the penalty exactly.
            let found = last > nothing;
            let place = select(found, last_place, 0u32);
            let logit = comparable(logits[start + place as usize]);
            out[2usize * row * count + round] = select(found, logit, nothing);
            out[(2usize * row + 1usize) * count + round] = f32::cast_from(place);
        }
    }
}

/// logits: [rows, vocab], rules: two bits for each column if there is a penalty, out: [2 * rows, count]
pub fn top_candidates(
    logits: &CubeTensor,
    rules: &CubeTensor,
    out: &CubeTensor,
    params: &CandidateParams,
) {
    let CandidateParams { count, penalty } = *params;
    let ruled = penalty.is_some();
    let penalty = penalty.unwrap_or(1.0);
    let words = elements(rules);
    let [rows, vocab] = logits.meta.shape().dims();
    let values = empty(logits, &[rows * GROUPS]);
    let places = empty(logits, &[rows * GROUPS]);
    // SAFETY: a thread for each group and a workgroup for each row; the kernels check places against the vocabulary's size.
    unsafe {
        best_of_groups_kernel::launch_unchecked(
            &logits.client,
            grid(GROUPS / UNITS, rows),
            CubeDim::new_1d(UNITS as u32),
            arg(logits, rows * vocab),
            arg(rules, words),
            arg(&values, rows * GROUPS),
            arg(&places, rows * GROUPS),
            vocab as u32,
            penalty,
            ruled,
        );
        pick_kernel::launch_unchecked(
            &logits.client,
            grid(1, rows),
            CubeDim::new_1d(UNITS as u32),
            arg(logits, rows * vocab),
            arg(rules, words),
            arg(&values, rows * GROUPS),
            arg(&places, rows * GROUPS),
            arg(out, 2 * rows * count),
            vocab as u32,
            penalty,
            count,
            ruled,
        );
    }
}
