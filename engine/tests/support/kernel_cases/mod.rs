//! Every GPU kernel against its plain CPU reference, on random numbers and awkward shapes.
//!
//! Used natively and in a browser's worker, so the cases are drawn from a seeded generator and run one by one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod attention;
mod candidates;
mod products;

pub use attention::{attention_matches, heads_and_rings_match, steps_match};
pub use candidates::candidates_match;
pub use products::{
    looked_up_rows_are_exact, products_match, rounded_products_round_as_the_reference,
    stacked_products_match, transposed_products_match,
};

use burn::tensor::{Tensor, TensorData};
use outpost_engine::error::Result;
use outpost_engine::kernels::{
    self, Activation, Arithmetic, ComputeDevice, DeviceChoice, Matrix, Tuning,
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
        Matrix::load_stacked(self, &[&self.tensors[0]], device, piece_bytes).unwrap()
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

/// The same where there are fewer bits: halves are added up, or an activation was rounded to the other one of its neighbours.
const ROUNDED: f32 = 6e-4;

/// Threads of a row and sides of tiles, whatever this adapter would choose.
const SPLITS: [(usize, usize); 6] = [(1, 0), (4, 0), (16, 0), (64, 0), (1, 4), (1, 8)];

/// Runs `operation` on both devices and compares; `magnitude` is what rounding errors are measured by.
async fn same_on_both(what: &str, magnitude: f32, operation: impl Fn(&ComputeDevice) -> Tensor<2>) {
    same_with(&SPLITS[..1], what, magnitude, operation).await;
}

/// The same for products, which each of `splits` divides among threads in another way.
async fn same_with(
    splits: &[(usize, usize)],
    what: &str,
    magnitude: f32,
    operation: impl Fn(&ComputeDevice) -> Tensor<2>,
) {
    same_in(&[Arithmetic::F32], splits, what, magnitude, operation).await;
}

/// The same in those of `arithmetics` that the GPU has, each beside the reference that rounds alike.
async fn same_in(
    arithmetics: &[Arithmetic],
    splits: &[(usize, usize)],
    what: &str,
    magnitude: f32,
    operation: impl Fn(&ComputeDevice) -> Tensor<2>,
) {
    let cpu = ComputeDevice::open(DeviceChoice::Cpu).await.unwrap();
    let gpu = ComputeDevice::open(DeviceChoice::Gpu).await.unwrap();
    kernels::use_level(None);
    for &arithmetic in arithmetics.iter().filter(|a| gpu.offers(**a)) {
        let plain = Tuning {
            few: arithmetic,
            many: arithmetic,
            ..Tuning::PLAIN
        };
        let tolerance = match arithmetic {
            Arithmetic::F32 => TOLERANCE,
            _ => ROUNDED,
        };
        let expected = read(operation(&cpu.with_tuning(plain))).await;
        // Only these are worked out otherwise in halves.
        let in_tiles = |(_, square): &&(usize, usize)| arithmetic != Arithmetic::F16 || *square > 0;
        let ways = splits.iter().filter(in_tiles);
        let ways = ways.flat_map(|split| [(split, false), (split, true)]);
        for (&(threads_per_row, square), subgroups) in ways {
            if subgroups
                && (arithmetic != Arithmetic::F32 || !gpu.has_subgroups_of(threads_per_row))
            {
                continue;
            }
            let tuning = Tuning {
                threads_per_row,
                square,
                subgroups,
                ..plain
            };
            let found = read(operation(&gpu.with_tuning(tuning))).await;
            assert_eq!(found.len(), expected.len(), "{what}");
            for (index, (f, e)) in found.iter().zip(&expected).enumerate() {
                let off = (f - e).abs();
                assert!(
                    off <= tolerance * magnitude,
                    "{what}, {tuning:?}: {f} at {index}, reference {e}"
                );
            }
        }
    }
}

/// The columns of a case, as many of them as blocks of this type can hold.
fn whole_blocks(block: BlockType, cols: usize) -> usize {
    cols.next_multiple_of(block.block_elements())
}

/// Normalisations, with and without residual.
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
            added(d, &x, &weight, &residual, &bias).0
        })
        .await;
        same_on_both(&what, 2.0 * magnitude, |d| {
            added(d, &x, &weight, &residual, &bias).1
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
}

/// The sum that follows a layer's part, and its norm.
fn added(
    device: &ComputeDevice,
    x: &[f32],
    weight: &[f32],
    residual: &[f32],
    next_weight: &[f32],
) -> (Tensor<2>, Tensor<2>) {
    let cols = weight.len();
    kernels::add_norm(
        rows(x, cols, device),
        &vector(weight, device),
        rows(residual, cols, device),
        &vector(next_weight, device),
        1e-6,
    )
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
        let small: Vec<f32> = x.iter().map(|x| x.clamp(-8.0, 8.0)).collect();
        for (gate, magnitude) in [(&x, 300_000.0), (&small, 16.0)] {
            let both = gate.chunks_exact(cols).zip(y.chunks_exact(cols));
            let both: Vec<f32> = both.flat_map(|(gate, up)| [gate, up].concat()).collect();
            same_on_both(&what, magnitude, |d| {
                kernels::geglu(rows(&both, 2 * cols, d))
            })
            .await;
        }
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
