//! Rotary position embedding: the cosine and sine of every pair at every position, made once.
//!
//! Angles are formed in f32 as the reference implementation does; sines are taken on the host, because a
//! shader's are only good to 2⁻¹¹.

use burn::tensor::{Device, Tensor, TensorData};

/// [positions * head_dim]: for each position and pair, cosine then sine of `position · base^(-2j/d) / factor`.
pub fn table(
    positions: usize,
    head_dim: usize,
    base: f32,
    factor: f32,
    device: &Device,
) -> Tensor<1> {
    let frequencies: Vec<f32> = (0..head_dim / 2)
        .map(|j| (1.0 / f64::from(base).powf(2.0 * j as f64 / head_dim as f64)) as f32 / factor)
        .collect();
    let mut values = Vec::with_capacity(positions * head_dim);
    for position in 0..positions {
        for frequency in &frequencies {
            let angle = f64::from(position as f32 * frequency);
            values.push(angle.cos() as f32);
            values.push(angle.sin() as f32);
        }
    }
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
