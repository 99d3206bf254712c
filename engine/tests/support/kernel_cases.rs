//! Every GPU kernel against its plain CPU reference, on random numbers and awkward shapes.
//!
//! Used natively and in a browser's worker, so the cases are drawn from a seeded generator and run one by one.
#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::{DType, Int, Tensor, TensorData};
use outpost_engine::error::Result;
use outpost_engine::kernels::{
    self, Activation, AttentionParams, CacheType, ComputeDevice, DeviceChoice, Matrix,
};
use outpost_engine::weights::{BlockType, Metadata, Part, TensorInfo, WeightSource};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Difference that rounding in another order explains, as part of the sum of magnitudes.
const TOLERANCE: f32 = 2e-5;

/// One tensor of random blocks.
struct RandomWeights {
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    /// In the order of [`Part::ALL`].
    parts: [Vec<u8>; 4],
}

impl RandomWeights {
    fn new(block: BlockType, rows: usize, cols: usize, rng: &mut ChaCha8Rng) -> Self {
        let info = TensorInfo {
            name: "w".to_owned(),
            shape: vec![rows as u64, cols as u64],
            block,
        };
        let elements = info.elements();
        let parts = Part::ALL.map(|part| {
            let mut bytes = vec![0u8; block.part_bytes(part, elements) as usize];
            rng.fill(bytes.as_mut_slice());
            // Every number with a fraction is one that a weight could be.
            let halves = match (block, part) {
                (BlockType::F32, Part::Values) => {
                    for word in bytes.chunks_exact_mut(4) {
                        word.copy_from_slice(&rng.random_range(-1.0f32..1.0).to_le_bytes());
                    }
                    None
                }
                (BlockType::Bf16, Part::Values) => {
                    for word in bytes.chunks_exact_mut(2) {
                        let value = half::bf16::from_f32(rng.random_range(-1.0..1.0));
                        word.copy_from_slice(&value.to_le_bytes());
                    }
                    None
                }
                (BlockType::F16, Part::Values) | (_, Part::SuperScales) => Some((1, 1)),
                // Two halves in each eight are the block's; the other bytes are scales of groups.
                (BlockType::Q4K | BlockType::Q5K, Part::Scales) => Some((2, 8)),
                (BlockType::Q2K | BlockType::Q3K | BlockType::Q6K, Part::Scales) => None,
                (_, Part::Scales) => Some((1, 1)),
                _ => None,
            };
            if let Some((count, of)) = halves {
                for run in bytes.chunks_mut(2 * of) {
                    for half in run.chunks_exact_mut(2).take(count) {
                        half.copy_from_slice(&random_half(rng).to_le_bytes());
                    }
                }
            }
            bytes
        });
        Self {
            metadata: Metadata::default(),
            tensors: vec![info],
            parts,
        }
    }

    /// The largest magnitude of a weight.
    fn largest(&self) -> f32 {
        let values = self.read_f32(&self.tensors[0]).unwrap();
        values.iter().fold(0.0, |most, value| most.max(value.abs()))
    }

    fn matrix(&self, device: &ComputeDevice, piece_bytes: u64) -> Matrix {
        Matrix::load_in_pieces(self, &self.tensors[0], device, piece_bytes).unwrap()
    }
}

impl WeightSource for RandomWeights {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    fn read_part(&self, _: &TensorInfo, part: Part, offset: u64, buf: &mut [u8]) -> Result<()> {
        let bytes = &self.parts[part as usize];
        buf.copy_from_slice(&bytes[offset as usize..offset as usize + buf.len()]);
        Ok(())
    }
}

/// Zero, subnormal, negative and ordinary halves.
fn random_half(rng: &mut ChaCha8Rng) -> half::f16 {
    match rng.random_range(0..8) {
        0 => half::f16::from_bits(0),
        1 => half::f16::from_bits(rng.random_range(1..1024)),
        2 => half::f16::from_bits(0x8000 | rng.random_range(1..1024)),
        _ => half::f16::from_f32(rng.random_range(-0.1..0.1)),
    }
}

fn random(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
}

fn rows(values: &[f32], cols: usize, device: &ComputeDevice) -> Tensor<2> {
    let shape = [values.len() / cols, cols];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device.burn())
}

fn vector(values: &[f32], device: &ComputeDevice) -> Tensor<1> {
    Tensor::from_data(
        TensorData::new(values.to_vec(), [values.len()]),
        device.burn(),
    )
}

async fn read(tensor: Tensor<2>) -> Vec<f32> {
    tensor
        .into_data_async()
        .await
        .unwrap()
        .try_to_vec::<f32>()
        .unwrap()
}

/// Ways of splitting a row over threads, whatever this adapter would choose.
const SPLITS: [usize; 4] = [1, 4, 16, 64];

/// Runs `operation` on both devices and compares; `magnitude` is what rounding errors are measured by.
async fn same_on_both(what: &str, magnitude: f32, operation: impl Fn(&ComputeDevice) -> Tensor<2>) {
    same_with(&[1], what, magnitude, operation).await;
}

/// The same for operations that split rows over threads, with each number of them.
async fn same_with(
    splits: &[usize],
    what: &str,
    magnitude: f32,
    operation: impl Fn(&ComputeDevice) -> Tensor<2>,
) {
    let cpu = ComputeDevice::open(DeviceChoice::Cpu).await.unwrap();
    let gpu = ComputeDevice::open(DeviceChoice::Gpu).await.unwrap();
    let expected = read(operation(&cpu)).await;
    for &threads in splits {
        let found = read(operation(&gpu.with_threads_per_row(threads))).await;
        assert_eq!(found.len(), expected.len(), "{what}");
        for (index, (f, e)) in found.iter().zip(&expected).enumerate() {
            let off = (f - e).abs();
            assert!(
                off <= TOLERANCE * magnitude,
                "{what}, {threads} threads a row: {f} at {index}, reference {e}"
            );
        }
    }
}

/// The columns of a case, as many of them as blocks of this type can hold.
fn whole_blocks(block: BlockType, cols: usize) -> usize {
    cols.next_multiple_of(block.block_elements())
}

/// Products, of every type, with one and several tokens, in one and several pieces.
pub async fn products_match() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let shapes = [
        (1, 1, 32),
        (1, 3, 96),
        (2, 65, 64),
        (5, 200, 320),
        (7, 130, 32),
        (33, 64, 160),
    ];
    for block in BlockType::ALL {
        for (tokens, out, cols) in shapes {
            let cols = whole_blocks(block, cols);
            let weights = RandomWeights::new(block, out, cols, &mut rng);
            let x = random(tokens * cols, &mut rng);
            let magnitude = cols as f32 * weights.largest().max(1.0);
            for piece_bytes in [1, 1 << 20] {
                let what = format!("{} product {tokens}x{cols} · {out}x{cols}", block.name());
                // How rows are split and how blocks are decoded do not meet, so one type goes through every split.
                let splits = match block {
                    BlockType::Q4_0 => &SPLITS[..],
                    _ => &SPLITS[..1],
                };
                same_with(splits, &what, magnitude, |device| {
                    weights
                        .matrix(device, piece_bytes)
                        .linear(rows(&x, cols, device))
                })
                .await;
            }
        }
    }
    // Rows that no block divides, as the image encoder has them.
    for block in [BlockType::F32, BlockType::F16, BlockType::Bf16] {
        for (tokens, out, cols) in [
            (1, 5, 2),
            (3, 70, 34),
            (4, 9, 588),
            (2, 65, 136),
            (1, 7, 8),
            (9, 66, 4304),
        ] {
            let weights = RandomWeights::new(block, out, cols, &mut rng);
            let x = random(tokens * cols, &mut rng);
            let what = format!(
                "{} ragged product {tokens}x{cols} · {out}x{cols}",
                block.name()
            );
            same_with(&[1, 16], &what, cols as f32, |device| {
                weights
                    .matrix(device, 1 << 20)
                    .linear(rows(&x, cols, device))
            })
            .await;
        }
    }
}

/// Products with inputs as rows.
pub async fn transposed_products_match() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for block in [BlockType::F32, BlockType::F16, BlockType::Bf16] {
        for (tokens, inputs, outputs) in [(1, 2, 2), (4, 32, 64), (9, 70, 130)] {
            let weights = RandomWeights::new(block, inputs, outputs, &mut rng);
            let x = random(tokens * inputs, &mut rng);
            let what = format!(
                "{} transposed product {tokens}x{inputs} · {inputs}x{outputs}",
                block.name()
            );
            same_on_both(&what, inputs as f32, |device| {
                weights
                    .matrix(device, 1 << 20)
                    .linear_transposed(rows(&x, inputs, device))
            })
            .await;
        }
    }
}

/// Looking up rows dequantises them bit for bit.
pub async fn looked_up_rows_are_exact() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for block in BlockType::ALL {
        let cols = whole_blocks(block, 96);
        let weights = RandomWeights::new(block, 300, cols, &mut rng);
        let info = weights.tensors[0].clone();
        let expected = weights.read_f32(&info).unwrap();
        let ids = [0u32, 299, 64, 63, 128, 1, 255];
        for choice in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
            let device = ComputeDevice::open(choice).await.unwrap();
            for piece_bytes in [1, 1 << 20] {
                let found = read(weights.matrix(&device, piece_bytes).embed(&ids, 1.0)).await;
                for (id, row) in ids.iter().zip(found.chunks_exact(cols)) {
                    let start = *id as usize * cols;
                    assert_eq!(
                        row,
                        &expected[start..start + cols],
                        "{} row {id} {choice:?}",
                        block.name()
                    );
                }
            }
        }
    }
}

/// Normalisations, with and without residual, and of heads with rotation.
pub async fn norms_match() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for (count, cols) in [(1, 1), (1, 64), (3, 65), (5, 300), (2, 1152)] {
        let x = random(count * cols, &mut rng);
        let residual = random(count * cols, &mut rng);
        let (weight, bias) = (random(cols, &mut rng), random(cols, &mut rng));
        let what = format!("norm of {count}x{cols}");
        let magnitude = 2.0 * (cols as f32).sqrt() + 4.0;
        same_on_both(&what, magnitude, |d| {
            kernels::rms_norm(rows(&x, cols, d), &vector(&weight, d), 1e-6)
        })
        .await;
        same_on_both(&what, magnitude, |d| {
            kernels::rms_norm_add(
                rows(&x, cols, d),
                &vector(&weight, d),
                rows(&residual, cols, d),
                1e-6,
            )
        })
        .await;
        if cols > 1 {
            same_on_both(&what, magnitude, |d| {
                kernels::layer_norm(
                    rows(&x, cols, d),
                    &vector(&weight, d),
                    &vector(&bias, d),
                    1e-6,
                )
            })
            .await;
        }
    }
    for (tokens, heads, head_dim, position) in
        [(1, 1, 4, 0), (3, 4, 32, 5), (2, 3, 72, 1), (5, 2, 256, 7)]
    {
        let x = random(tokens * heads * head_dim, &mut rng);
        let weight = random(head_dim, &mut rng);
        let table = random((position + tokens) * head_dim, &mut rng);
        let what = format!("rope of {tokens} tokens, {heads} heads of {head_dim} from {position}");
        same_on_both(&what, 64.0, |d| {
            let x = rows(&x, heads * head_dim, d);
            kernels::head_norm_rope(x, &vector(&weight, d), &vector(&table, d), position, 1e-6)
        })
        .await;
    }
}

/// Attention: windows, rings that wrapped, grouped heads, pictures.
pub async fn attention_matches() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let base = AttentionParams {
        tokens: 1,
        heads: 1,
        kv_heads: 1,
        head_dim: 32,
        position: 0,
        capacity: 64,
        window: 0,
        bidirectional: false,
        scale: 0.2,
    };
    let cases = [
        base,
        AttentionParams {
            tokens: 7,
            heads: 4,
            kv_heads: 2,
            ..base
        },
        AttentionParams {
            tokens: 3,
            heads: 4,
            kv_heads: 1,
            head_dim: 48,
            position: 61,
            ..base
        },
        AttentionParams {
            tokens: 9,
            heads: 2,
            kv_heads: 2,
            head_dim: 72,
            bidirectional: true,
            ..base
        },
        AttentionParams {
            position: 63,
            head_dim: 256,
            heads: 8,
            kv_heads: 4,
            ..base
        },
        AttentionParams {
            position: 200,
            window: 16,
            capacity: 24,
            tokens: 8,
            ..base
        },
        AttentionParams {
            position: 1000,
            window: 130,
            capacity: 140,
            tokens: 10,
            heads: 2,
            ..base
        },
        AttentionParams {
            position: 3,
            window: 16,
            capacity: 40,
            tokens: 16,
            bidirectional: true,
            ..base
        },
        AttentionParams {
            tokens: 130,
            capacity: 130,
            bidirectional: true,
            head_dim: 4,
            ..base
        },
        AttentionParams {
            position: 299,
            capacity: 300,
            heads: 3,
            kv_heads: 3,
            head_dim: 100,
            ..base
        },
    ];
    for p in cases {
        let q = random(p.tokens * p.heads * p.head_dim, &mut rng);
        let k = random(p.capacity * p.kv_heads * p.head_dim, &mut rng);
        let v = random(p.capacity * p.kv_heads * p.head_dim, &mut rng);
        same_on_both(&format!("{p:?}"), 8.0, |d| {
            let width = p.kv_heads * p.head_dim;
            kernels::attention(
                rows(&q, p.heads * p.head_dim, d),
                rows(&k, width, d),
                rows(&v, width, d),
                p,
            )
        })
        .await;
    }
}

/// Rows stored in rings of either kind, and attention over them.
pub async fn cached_attention_matches() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    // Where halves end, become subnormal, vanish, or lie between two of them.
    let edges = [
        0.0,
        -0.0,
        65504.0,
        65519.9,
        65520.0,
        -7e4,
        1e30,
        6.1035e-5,
        6.0e-5,
        5.96e-8,
        2.98e-8,
        2.99e-8,
        -1e-9,
        1.0,
        1.000_488_3,
        1.001_464_8,
        -2049.0,
        2051.0,
    ];
    for cache in [CacheType::F32, CacheType::F16] {
        let (cols, ring_rows, count) = (24, 5, 4);
        let mut source = random(cols * count, &mut rng);
        source[..edges.len()].copy_from_slice(&edges);
        let mut stored = Vec::new();
        for choice in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
            let device = ComputeDevice::open(choice).await.unwrap();
            let ring = empty_ring(ring_rows, cols, cache, &device);
            let ring = kernels::store_rows(ring, rows(&source, cols, &device), 13, cache);
            let words = ring.into_data_async().await.unwrap();
            stored.push(words.try_to_vec::<i32>().unwrap());
        }
        assert_eq!(stored[0], stored[1], "{cache:?}");
    }
    let base = AttentionParams {
        tokens: 1,
        heads: 4,
        kv_heads: 2,
        head_dim: 256,
        position: 70,
        capacity: 80,
        window: 0,
        bidirectional: false,
        scale: 0.1,
    };
    let cases = [
        base,
        AttentionParams {
            tokens: 9,
            window: 33,
            ..base
        },
        AttentionParams {
            tokens: 16,
            head_dim: 40,
            window: 20,
            bidirectional: true,
            ..base
        },
    ];
    for cache in [CacheType::F32, CacheType::F16] {
        for p in cases {
            let width = p.kv_heads * p.head_dim;
            let seen = p.position + p.tokens;
            let q = random(p.tokens * p.heads * p.head_dim, &mut rng);
            let k = random(seen * width, &mut rng);
            let v = random(seen * width, &mut rng);
            same_on_both(&format!("{cache:?} {p:?}"), 8.0, |d| {
                let fill = |x: &[f32]| {
                    let ring = empty_ring(p.capacity, width, cache, d);
                    // More rows than the ring has: the last ones stay.
                    let first = seen.saturating_sub(p.capacity);
                    kernels::store_rows(ring, rows(&x[first * width..], width, d), first, cache)
                };
                let q = rows(&q, p.heads * p.head_dim, d);
                kernels::cached_attention(q, fill(&k), fill(&v), p, cache)
            })
            .await;
        }
    }
}

fn empty_ring(
    rows: usize,
    cols: usize,
    cache: CacheType,
    device: &ComputeDevice,
) -> Tensor<2, Int> {
    Tensor::zeros([rows, cache.words(cols)], (device.burn(), DType::I32))
}

/// Activations at every magnitude, additions, copies and pooling.
pub async fn elementwise_matches() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for (count, cols) in [(1, 1), (3, 70), (2, 1024)] {
        // Up to where f16 and a naive tanh would overflow.
        let scale = [0.01, 1.0, 30.0, 70_000.0];
        let x: Vec<f32> = random(count * cols, &mut rng)
            .iter()
            .enumerate()
            .map(|(i, x)| x * scale[i % 4])
            .collect();
        let y = random(count * cols, &mut rng);
        let bias = random(cols, &mut rng);
        let what = format!("elementwise {count}x{cols}");
        same_on_both(&what, 300_000.0, |d| {
            kernels::geglu(rows(&x, cols, d), rows(&y, cols, d))
        })
        .await;
        let small: Vec<f32> = x.iter().map(|x| x.clamp(-8.0, 8.0)).collect();
        same_on_both(&what, 16.0, |d| {
            kernels::geglu(rows(&small, cols, d), rows(&y, cols, d))
        })
        .await;
        for activation in [Activation::Identity, Activation::GeluTanh] {
            same_on_both(&what, 16.0, |d| {
                kernels::bias_activation(rows(&small, cols, d), &vector(&bias, d), activation)
            })
            .await;
        }
        same_on_both(&what, 16.0, |d| {
            kernels::add(rows(&small, cols, d), rows(&y, cols, d))
        })
        .await;
    }
    for (target_rows, source_row, target_row, copied) in
        [(4, 0, 0, 4), (5, 2, 4, 3), (8, 1, 23, 6), (1, 6, 0, 1)]
    {
        let source = random(9 * 33, &mut rng);
        let target = random(target_rows * 33, &mut rng);
        same_on_both(&format!("copy to row {target_row}"), 0.0, |d| {
            kernels::copy_rows(
                rows(&target, 33, d),
                rows(&source, 33, d),
                source_row,
                target_row,
                copied,
            )
        })
        .await;
    }
    for (side, kernel, cols) in [(4, 4, 3), (8, 4, 70), (9, 3, 5), (6, 1, 2)] {
        let x = random(side * side * cols, &mut rng);
        same_on_both(&format!("pool {side} by {kernel}"), 4.0, |d| {
            kernels::average_pool(rows(&x, cols, d), side, kernel)
        })
        .await;
    }
}
