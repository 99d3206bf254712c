//! What a GPU computes to show that it can: each kernel, on something small that follows no pattern.

use burn::tensor::{DType, Int, Tensor, TensorData};

use super::Needs;
use crate::error::Result;
use crate::kernels::{
    self, Activation, AttentionParams, CacheType, ComputeDevice, HeadParams, Matrix, StepParams,
    StepState,
};
use crate::model::{TextConfig, VisionConfig};
use crate::session::noise::{Noise, numbers};
use crate::weights::BlockType;

/// Rows of the matrices that are tried: not a whole tile.
const ROWS: usize = 72;

/// Columns: two of the longest blocks.
const COLS: usize = 512;

/// Tokens that are tried together: more than rows are met with one by one, and not a whole tile.
pub const TOKENS: usize = 40;

/// Positions before those tokens.
const BEFORE: usize = 30;

/// Differences that are no mistake, as parts of the largest number: what rounding in another order explains,
const ROUNDING: f32 = 1e-4;

/// what fewer bits explain: halves, or an activation that was rounded to the other one of its neighbours,
const ROUNDED: f32 = 5e-3;

/// what exponentials explain, which no driver has to get right to the last bit,
const EXPONENTIAL: f32 = 1e-3;

/// and what half precision explains, where keys may round to different neighbours.
const HALF: f32 = 1e-2;

/// A computation on a device.
type Compute = Box<dyn Fn(&ComputeDevice) -> Result<Tensor<2>>>;

/// Something small to compute.
pub struct Case {
    what: String,
    /// Largest difference that is no mistake, as a part of the largest number.
    tolerance: f32,
    /// Tokens of its products, if it is one.
    tokens: usize,
    compute: Compute,
}

impl Case {
    /// A case.
    pub fn new(
        what: impl Into<String>,
        tolerance: f32,
        compute: impl Fn(&ComputeDevice) -> Result<Tensor<2>> + 'static,
    ) -> Self {
        Self {
            what: what.into(),
            tolerance,
            tokens: 1,
            compute: Box::new(compute),
        }
    }

    /// The same for products with so many tokens.
    fn of_tokens(self, tokens: usize) -> Self {
        Self { tokens, ..self }
    }

    /// What `device` computes.
    pub async fn values(&self, device: &ComputeDevice) -> Result<Vec<f32>> {
        let result = kernels::with_level(device.tuning().level, || (self.compute)(device))?;
        kernels::read(result, device.kind()).await
    }

    /// What is wrong with `device`, if anything is, where the reference computes `expected`.
    pub async fn fault(&self, device: &ComputeDevice, expected: &[f32]) -> Result<Option<String>> {
        let found = self.values(device).await?;
        let tolerance = match device.tuning().is_exact(self.tokens) {
            true => self.tolerance,
            false => self.tolerance.max(ROUNDED),
        };
        Ok(difference(&found, expected, tolerance).map(|how| format!("{}: {how}", self.what)))
    }
}

/// The first place at which two results differ by more than `tolerance` of the largest number.
fn difference(found: &[f32], expected: &[f32], tolerance: f32) -> Option<String> {
    if found.len() != expected.len() {
        return Some(format!("{} numbers, not {}", found.len(), expected.len()));
    }
    let largest = expected.iter().fold(0.0f32, |most, e| most.max(e.abs()));
    let allowed = tolerance * largest;
    let pairs = found.iter().zip(expected);
    let place = pairs
        .clone()
        .position(|(f, e)| f.is_nan() || (f - e).abs() > allowed)?;
    Some(format!("{} where it is {}", found[place], expected[place]))
}

/// Products with matrices of a type.
pub fn products(block: BlockType, tokens: usize) -> Vec<Case> {
    let cols = COLS.next_multiple_of(block.block_elements());
    let load = move |device: &ComputeDevice| {
        let source = Noise::new(block, ROWS, cols);
        Matrix::load(&source, source.info(), device)
    };
    let x = move |device: &ComputeDevice| rows(numbers(tokens * cols, 1), cols, device);
    let name = block.name();
    let mut cases = vec![
        Case::new(format!("a product of {name}"), ROUNDING, move |device| {
            Ok(load(device)?.linear(x(device)))
        })
        .of_tokens(tokens),
    ];
    if tokens == 1 {
        cases.push(Case::new(
            format!("a gated product of {name}"),
            EXPONENTIAL,
            move |device| Ok(load(device)?.linear_geglu(x(device))),
        ));
        cases.push(Case::new(
            format!("rows of {name}"),
            ROUNDING,
            move |device| Ok(load(device)?.embed(&[0, 7, ROWS as u32 - 1], 1.0)),
        ));
    }
    cases
}

/// Everything else that the model needs.
pub fn only_ways(needs: &Needs) -> Vec<Case> {
    let mut cases = common_ways(needs.text.hidden_size);
    cases.extend(attention_ways(&needs.text, needs.cache));
    if let Some(vision) = &needs.vision {
        cases.extend(picture_ways(vision));
    }
    cases
}

/// Norms, activations and the choice of candidates.
fn common_ways(hidden: usize) -> Vec<Case> {
    let norm = move |device: &ComputeDevice| {
        let weight = vector(numbers(hidden, 2), device);
        kernels::rms_norm(rows(numbers(3 * hidden, 3), hidden, device), &weight, 1e-6)
    };
    let added = move |device: &ComputeDevice| {
        let (weight, next) = (
            vector(numbers(hidden, 4), device),
            vector(numbers(hidden, 5), device),
        );
        let x = rows(numbers(3 * hidden, 6), hidden, device);
        let residual = rows(numbers(3 * hidden, 7), hidden, device);
        kernels::add_norm(x, &weight, residual, &next, 1e-6)
    };
    vec![
        Case::new("a norm", ROUNDING, move |device| Ok(norm(device))),
        Case::new("a sum with a norm", ROUNDING, move |device| {
            Ok(added(device).0)
        }),
        Case::new("the norm of a sum", ROUNDING, move |device| {
            Ok(added(device).1)
        }),
        Case::new("a gate", EXPONENTIAL, |device| {
            Ok(kernels::geglu(rows(numbers(3 * 128, 8), 128, device)))
        }),
        // Thousands of scores, as a vocabulary has them.
        Case::new("the likeliest tokens", 0.0, |device| {
            let scores = rows(numbers(5000, 9), 5000, device);
            Ok(kernels::top_candidates(scores, 64))
        }),
    ]
}

/// The decoder's attention, with many tokens and with one.
fn attention_ways(config: &TextConfig, cache: CacheType) -> Vec<Case> {
    let (heads, kv_heads, head_dim) = (config.heads, config.kv_heads, config.head_dim);
    let capacity = BEFORE + TOKENS + 1;
    let window = capacity / 2;
    let kv_width = kv_heads * head_dim;
    let epsilon = config.norm_epsilon;
    let head = HeadParams {
        tokens: TOKENS,
        heads,
        kv_heads,
        head_dim,
        position: BEFORE,
        capacity,
        epsilon,
        cache,
    };
    let many = AttentionParams {
        tokens: TOKENS,
        heads,
        kv_heads,
        head_dim,
        position: BEFORE,
        capacity,
        window,
        bidirectional: false,
        scale: config.query_scale,
    };
    let one = StepParams {
        heads,
        kv_heads,
        head_dim,
        capacity,
        window,
        scale: config.query_scale,
        epsilon,
        cache,
    };
    let ring = move |seed: u64, device: &ComputeDevice| -> Tensor<2, Int> {
        let words = cached(&numbers(capacity * kv_width, seed), cache);
        let shape = [capacity, cache.words(kv_width)];
        Tensor::from_data(TensorData::new(words, shape), (device.burn(), DType::I32))
    };
    let rings = move |device: &ComputeDevice| (ring(10, device), ring(11, device));
    let weights = move |device: &ComputeDevice| {
        let norms = vector(numbers(2 * head_dim, 12), device);
        (norms, vector(numbers(capacity * head_dim, 13), device))
    };
    let qkv = move |tokens: usize, device: &ComputeDevice| {
        rows(numbers(tokens * head.width(), 14), head.width(), device)
    };
    vec![
        Case::new(format!("attention over {cache:?}"), HALF, move |device| {
            let (norms, table) = weights(device);
            let prepared =
                kernels::prepare_heads(qkv(TOKENS, device), &norms, &table, rings(device), head);
            let (q, keys, values) = prepared;
            Ok(kernels::cached_attention(q, keys, values, many, cache))
        }),
        Case::new(
            format!("a token's attention over {cache:?}"),
            HALF,
            move |device| {
                let (norms, table) = weights(device);
                let mut state = StepState::new(device);
                state.set(0, BEFORE + TOKENS);
                let attended = kernels::attention_step(
                    qkv(1, device),
                    &norms,
                    &table,
                    rings(device),
                    state.words(),
                    one,
                );
                Ok(attended.0)
            },
        ),
    ]
}

/// What only pictures need.
fn picture_ways(config: &VisionConfig) -> Vec<Case> {
    let (hidden, heads) = (config.hidden_size, config.heads);
    let head_dim = hidden / heads;
    let epsilon = config.norm_epsilon;
    let params = AttentionParams {
        tokens: 70,
        heads,
        kv_heads: heads,
        head_dim,
        position: 0,
        capacity: 70,
        window: 0,
        bidirectional: true,
        scale: 1.0 / (head_dim as f32).sqrt(),
    };
    let patches =
        move |seed: u64, device: &ComputeDevice| rows(numbers(70 * hidden, seed), hidden, device);
    vec![
        Case::new("attention among patches", EXPONENTIAL, move |device| {
            let (q, k, v) = (
                patches(20, device),
                patches(21, device),
                patches(22, device),
            );
            Ok(kernels::attention(q, k, v, params))
        }),
        Case::new("a layer norm", ROUNDING, move |device| {
            let (weight, bias) = (
                vector(numbers(hidden, 23), device),
                vector(numbers(hidden, 24), device),
            );
            Ok(kernels::layer_norm(
                patches(25, device),
                &weight,
                &bias,
                epsilon,
            ))
        }),
        Case::new("an activation", EXPONENTIAL, move |device| {
            let bias = vector(numbers(hidden, 26), device);
            Ok(kernels::bias_activation(
                patches(27, device),
                &bias,
                Activation::GeluTanh,
            ))
        }),
    ]
}

/// Numbers as words of a ring.
fn cached(numbers: &[f32], cache: CacheType) -> Vec<i32> {
    match cache {
        CacheType::F32 => numbers.iter().map(|x| x.to_bits() as i32).collect(),
        CacheType::F16 => {
            let bits = |x: f32| u32::from(half::f16::from_f32(x).to_bits());
            let pairs = numbers.chunks_exact(2);
            pairs
                .map(|pair| (bits(pair[0]) | bits(pair[1]) << 16) as i32)
                .collect()
        }
    }
}

/// `values` row by row.
pub fn rows(values: Vec<f32>, cols: usize, device: &ComputeDevice) -> Tensor<2> {
    let shape = [values.len() / cols, cols];
    Tensor::from_data(TensorData::new(values, shape), device.burn())
}

fn vector(values: Vec<f32>, device: &ComputeDevice) -> Tensor<1> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device.burn())
}
