//! The largest logits.

/// The `count` largest with their places, the largest first; of equals the lower place. What is missing is minus infinity,
/// and what is not a number is infinity, so that it cannot go unseen. -> [2, count]
pub fn top(logits: &[f32], count: usize) -> Vec<f32> {
    // Adding 0 makes -0 equal to 0.
    let visible = |value: f32| match value.is_nan() {
        true => f32::INFINITY,
        false => value + 0.0,
    };
    let mut order: Vec<(usize, f32)> = logits.iter().copied().map(visible).enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.resize(count, (0, f32::NEG_INFINITY));
    let values = order.iter().map(|(_, value)| *value);
    values
        .chain(order.iter().map(|(place, _)| *place as f32))
        .collect()
}
