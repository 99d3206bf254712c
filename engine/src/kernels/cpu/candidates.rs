//! The largest logits.

use super::super::params::CandidateParams;

/// The `count` largest with their places, the largest first; of equals the lower place. What is missing is minus infinity,
/// and what is not a number is infinity, so that it cannot go unseen. With a penalty, `rules` say which places are allowed and
/// which have occurred, a bit each. -> [2, count]
pub fn top(logits: &[f32], rules: &[u32], params: CandidateParams) -> Vec<f32> {
    let CandidateParams { count, penalty } = params;
    // Adding 0 makes -0 equal to 0.
    let visible = |value: f32| match value.is_nan() {
        true => f32::INFINITY,
        false => value + 0.0,
    };
    let (allowed, occurred) = rules.split_at(rules.len() / 2);
    let bit = |words: &[u32], place: usize| {
        let word = words.get(place / 32);
        word.is_some_and(|word| word >> (place % 32) & 1 == 1)
    };
    let ruled = |(place, value): (usize, f32)| match penalty {
        Some(_) if !bit(allowed, place) => f32::NEG_INFINITY,
        Some(penalty) if bit(occurred, place) && value < 0.0 => value * penalty,
        Some(penalty) if bit(occurred, place) => value / penalty,
        _ => value,
    };
    let mut order: Vec<(usize, f32)> = logits.iter().copied().map(visible).enumerate().collect();
    order.retain(|&(place, value)| ruled((place, value)) != f32::NEG_INFINITY);
    order.sort_by(|a, b| ruled(*b).total_cmp(&ruled(*a)).then(a.0.cmp(&b.0)));
    order.resize(count, (0, f32::NEG_INFINITY));
    let values = order.iter().map(|(_, value)| *value);
    values
        .chain(order.iter().map(|(place, _)| *place as f32))
        .collect()
}
