//! Every fast kernel against the plain one, with each set of vector instructions that this machine has, on random numbers
//! and awkward shapes.
#![allow(clippy::unwrap_used, clippy::panic)]

use outpost_engine::kernels::params::{EmbedParams, LinearParams, NormParams, Planes, RopeParams};
use outpost_engine::kernels::simd::job::Job;
use outpost_engine::kernels::simd::{self, Activations, Level};
use outpost_engine::kernels::{Activation, AttentionParams, CacheType, cpu, params::CopyParams};
use outpost_engine::weights::{BlockType, Part};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Of the length of the factors: what 16-bit activations may cost.
const INTEGER_TOLERANCE: f32 = 5e-5;

/// The same for products of numbers.
const TOLERANCE: f32 = 2e-6;

/// Rows of random blocks, packed as a piece of a matrix is.
struct Weights {
    block: BlockType,
    planes: Planes,
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
}

impl Weights {
    fn new(block: BlockType, rows: usize, cols: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut bytes = Vec::new();
        let starts = Part::ALL.map(|part| {
            bytes.resize(bytes.len().next_multiple_of(16), 0);
            let start = bytes.len() / 16;
            let mut part_bytes = vec![0; block.part_bytes(part, (rows * cols) as u64) as usize];
            rng.fill(part_bytes.as_mut_slice());
            make_numbers(block, part, &mut part_bytes, rng);
            bytes.extend(part_bytes);
            start
        });
        let [_, high, scales, super_scales] = starts;
        Self {
            block,
            planes: Planes {
                high,
                scales,
                super_scales,
            },
            rows,
            cols,
            bytes,
        }
    }

    fn params(&self, tokens: usize, first_row: usize, out_cols: usize) -> LinearParams {
        LinearParams {
            block: self.block,
            planes: self.planes,
            tokens,
            rows: self.rows,
            cols: self.cols,
            first_row,
            out_cols,
        }
    }

    fn row(&self, row: usize) -> Vec<f32> {
        let p = EmbedParams {
            block: self.block,
            planes: self.planes,
            tokens: 1,
            rows: self.rows,
            cols: self.cols,
            first_row: 0,
            scale: 1.0,
        };
        let mut out = vec![0.0; self.cols];
        cpu::linear::embed(&[row as u32], &self.bytes, &mut out, &p);
        out
    }
}

/// Makes whatever is a number with a fraction one that a weight could be.
fn make_numbers(block: BlockType, part: Part, bytes: &mut [u8], rng: &mut ChaCha8Rng) {
    let halves = match (block, part) {
        (BlockType::F32, Part::Values) => {
            for word in bytes.chunks_exact_mut(4) {
                word.copy_from_slice(&rng.random_range(-1.0f32..1.0).to_le_bytes());
            }
            return;
        }
        (BlockType::Bf16, Part::Values) => {
            for word in bytes.chunks_exact_mut(2) {
                let value = half::bf16::from_f32(rng.random_range(-1.0..1.0));
                word.copy_from_slice(&value.to_le_bytes());
            }
            return;
        }
        (BlockType::F16, Part::Values) | (_, Part::SuperScales) => (1, 1),
        // Two halves in each eight are the block's; the other bytes are scales of groups.
        (BlockType::Q4K | BlockType::Q5K, Part::Scales) => (2, 8),
        (BlockType::Q2K | BlockType::Q3K | BlockType::Q6K, Part::Scales) => return,
        (_, Part::Scales) => (1, 1),
        _ => return,
    };
    for run in bytes.chunks_mut(2 * halves.1) {
        for half in run.chunks_exact_mut(2).take(halves.0) {
            half.copy_from_slice(&random_half(rng).to_le_bytes());
        }
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

/// Mostly small numbers and a few large ones, as activations are.
fn activations(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut one = || rng.random_range(-1.0f32..1.0).powi(5) * 20.0 + 0.05;
    (0..count).map(|_| one()).collect()
}

fn random(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
}

fn length(x: &[f32]) -> f32 {
    x.iter().map(|x| x * x).sum::<f32>().sqrt()
}

fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        let off = (f - e).abs();
        assert!(off <= tolerance, "{what}: {f} at {index}, plainly {e}");
    }
}

fn product_matches(weights: &Weights, tokens: usize, first_row: usize, more: usize, x: &[f32]) {
    let out_cols = first_row + weights.rows + more;
    let p = weights.params(tokens, first_row, out_cols);
    let mut expected = vec![7.0; tokens * out_cols];
    cpu::linear::linear(x, &weights.bytes, &mut expected, &p);
    let tolerance = match weights.block.is_dense() {
        true => TOLERANCE,
        false => INTEGER_TOLERANCE,
    };
    let rows: Vec<f32> = (0..weights.rows).map(|r| length(&weights.row(r))).collect();
    for level in Level::available() {
        let mut y = vec![7.0; tokens * out_cols];
        let shared = Activations::with_level(level, x, tokens, weights.cols);
        simd::linear_with(&shared, &weights.bytes, &mut y, &p);
        for (index, (f, e)) in y.iter().zip(&expected).enumerate() {
            let (token, column) = (index / out_cols, index % out_cols);
            let row = column.checked_sub(first_row).and_then(|row| rows.get(row));
            let x = &x[token * weights.cols..][..weights.cols];
            // Columns of other pieces stay as they were.
            let allowed = row.map_or(0.0, |row| tolerance * row * length(x));
            assert!(
                (f - e).abs() <= allowed,
                "{} {tokens}x{}x{} {level:?}: {f} at token {token}, column {column}, plainly {e}",
                weights.block,
                weights.cols,
                weights.rows
            );
        }
    }
}

#[test]
fn products_are_those_of_the_plain_kernel() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let shapes = [
        (1, 1, 32),
        (1, 2, 64),
        (2, 63, 96),
        (3, 65, 160),
        (4, 5, 256),
        (5, 17, 320),
        (17, 33, 1312),
        (1, 65, 640),
        (1, 9, 1280),
        (7, 3, 1024),
        (260, 2, 32),
    ];
    for block in BlockType::ALL {
        for (tokens, rows, cols) in shapes {
            let cols = (cols as usize).next_multiple_of(block.block_elements());
            let weights = Weights::new(block, rows, cols, &mut rng);
            let x = activations(tokens * cols, &mut rng);
            product_matches(&weights, tokens, 0, 0, &x);
            product_matches(&weights, tokens, 3, 2, &x);
        }
    }
}

#[test]
fn rows_of_numbers_may_have_any_length() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let shapes = [
        (1, 5, 1),
        (1, 5, 2),
        (3, 70, 34),
        (4, 9, 588),
        (2, 65, 136),
        (1, 7, 31),
        (9, 66, 4304),
        (200, 3, 9),
    ];
    for block in [BlockType::F32, BlockType::F16, BlockType::Bf16] {
        for (tokens, rows, cols) in shapes {
            let weights = Weights::new(block, rows, cols, &mut rng);
            let x = activations(tokens * cols, &mut rng);
            product_matches(&weights, tokens, 1, 1, &x);
        }
    }
}

#[test]
fn zeros_and_tiny_numbers_give_numbers() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for block in BlockType::ALL {
        let weights = Weights::new(block, 5, 512, &mut rng);
        for tokens in [1, 6] {
            for value in [0.0, -0.0, 1e-45, 1e-38, -1e-30] {
                let x = vec![value; tokens * 512];
                for level in Level::available() {
                    let mut y = vec![7.0; tokens * 5];
                    let shared = Activations::with_level(level, &x, tokens, 512);
                    simd::linear_with(
                        &shared,
                        &weights.bytes,
                        &mut y,
                        &weights.params(tokens, 0, 5),
                    );
                    assert!(
                        y.iter().all(|y| y.abs() < 1e-20),
                        "{block} {value} {level:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_follows_a_row_does_not_matter() {
    // One and a half blocks a row, followed by halves that are no numbers.
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for block in [
        BlockType::Q4_0,
        BlockType::Q4_1,
        BlockType::Q5_1,
        BlockType::Q8_0,
    ] {
        for tokens in [1, 5] {
            let mut weights = Weights::new(block, 3, 352, &mut rng);
            weights.bytes.extend([0xff; 64]);
            let x = activations(tokens * 352, &mut rng);
            product_matches(&weights, tokens, 0, 0, &x);
        }
    }
}

#[test]
fn slices_of_the_wrong_length_are_no_reason_to_fail() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for block in BlockType::ALL {
        let weights = Weights::new(block, 4, 512, &mut rng);
        let x = activations(6 * 512, &mut rng);
        let p = weights.params(6, 2, 8);
        for level in Level::available() {
            for cut in [0, 1, 100, weights.bytes.len() / 2, weights.bytes.len() - 1] {
                let mut y = vec![0.0; 48];
                let shared = Activations::with_level(level, &x, 6, 512);
                simd::linear_with(&shared, &weights.bytes[..cut], &mut y, &p);
            }
            for (x_len, y_len) in [
                (0, 48),
                (511, 48),
                (512 * 5 + 7, 48),
                (x.len(), 0),
                (x.len(), 41),
            ] {
                let mut y = vec![0.0; y_len];
                let shared = Activations::with_level(level, &x[..x_len], 6, 512);
                simd::linear_with(&shared, &weights.bytes, &mut y, &p);
            }
            let mut y = vec![0.0; 48];
            let shared = Activations::with_level(level, &x, 6, 512);
            for wrong in [
                LinearParams { cols: 0, ..p },
                LinearParams { cols: 500, ..p },
                LinearParams { out_cols: 0, ..p },
                LinearParams { out_cols: 3, ..p },
                LinearParams { first_row: 9, ..p },
                LinearParams {
                    rows: usize::MAX,
                    ..p
                },
                LinearParams {
                    tokens: usize::MAX,
                    ..p
                },
            ] {
                simd::linear_with(&shared, &weights.bytes, &mut y, &wrong);
            }
        }
    }
}

#[test]
fn attention_is_that_of_the_plain_kernel() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let base = AttentionParams {
        tokens: 1,
        heads: 4,
        kv_heads: 2,
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
            position: 40,
            ..base
        },
        AttentionParams { tokens: 50, ..base },
        AttentionParams {
            tokens: 33,
            position: 31,
            ..base
        },
        // A ring that has gone round, and a window.
        AttentionParams {
            tokens: 9,
            position: 200,
            window: 40,
            ..base
        },
        AttentionParams {
            tokens: 40,
            position: 0,
            window: 3,
            ..base
        },
        AttentionParams {
            tokens: 64,
            heads: 3,
            kv_heads: 3,
            head_dim: 72,
            bidirectional: true,
            ..base
        },
        AttentionParams {
            tokens: 20,
            position: 30,
            window: 16,
            bidirectional: true,
            ..base
        },
        AttentionParams {
            tokens: 5,
            heads: 8,
            kv_heads: 1,
            head_dim: 256,
            scale: 0.3,
            ..base
        },
        AttentionParams {
            tokens: 3,
            position: 6,
            heads: 1,
            kv_heads: 1,
            head_dim: 6,
            ..base
        },
    ];
    for p in cases {
        let row = p.kv_heads * p.head_dim;
        let q = random(p.tokens * p.heads * p.head_dim, &mut rng);
        let (k, v) = (
            random(p.capacity * row, &mut rng),
            random(p.capacity * row, &mut rng),
        );
        let kept = |x: &[f32], cache: CacheType| {
            let mut words = vec![0; cache.words(x.len())];
            let copy = CopyParams {
                rows: p.capacity,
                cols: row,
                source_row: 0,
                target_row: 0,
                target_rows: p.capacity,
            };
            cpu::elementwise::store_rows(&mut words, x, &copy, cache);
            words
        };
        for cache in [CacheType::F32, CacheType::F16] {
            let (k_words, v_words) = (kept(&k, cache), kept(&v, cache));
            let stored = |words| cpu::elementwise::stored_floats(words, cache).into_owned();
            let (k, v) = (stored(&k_words), stored(&v_words));
            let expected = cpu::attention::attention(&q, &k, &v, &p);
            for level in Level::available() {
                let what = format!("{p:?} {cache:?} {level:?}");
                let mut out = vec![7.0; q.len()];
                simd::cached_attention(level, &q, &k_words, &v_words, &mut out, &p, cache);
                close(&what, &out, &expected, 1e-5);
                out.fill(7.0);
                simd::attention(level, &q, &k, &v, &mut out, &p);
                close(&what, &out, &expected, 1e-5);
                // Short slices leave everything as it is.
                simd::attention(level, &q, &k[1..], &v, &mut out, &p);
                simd::attention(level, &q[1..], &k, &v, &mut out, &p);
                close(&what, &out, &expected, 1e-5);
            }
        }
    }
}

#[test]
fn normalisations_are_those_of_the_plain_kernels() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for (rows, cols) in [(1, 1), (3, 7), (2, 640), (5, 1152), (1, 2563)] {
        let x = activations(rows * cols, &mut rng);
        let residual = random(rows * cols, &mut rng);
        let (weight, bias) = (random(cols, &mut rng), random(cols, &mut rng));
        let p = NormParams {
            rows,
            cols,
            epsilon: 1e-6,
        };
        for level in Level::available() {
            let what = format!("{rows}x{cols} {level:?}");
            for residual in [None, Some(&residual[..])] {
                let expected = cpu::norm::rms_norm(&x, &weight, residual, &p);
                let found = simd::rms_norm(level, &x, &weight, residual, &p);
                close(&what, &found, &expected, 1e-4);
            }
            let expected = cpu::norm::layer_norm(&x, &weight, &bias, &p);
            let found = simd::layer_norm(level, &x, &weight, &bias, &p);
            // One column has no variance, and its rounding is magnified.
            if cols > 1 {
                close(&what, &found, &expected, 1e-4);
            }
        }
    }
}

#[test]
fn heads_are_turned_as_by_the_plain_kernel() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for (tokens, heads, head_dim) in [(1, 1, 2), (3, 2, 6), (5, 4, 64), (2, 8, 256)] {
        let p = RopeParams {
            tokens,
            heads,
            head_dim,
            position: 3,
            epsilon: 1e-6,
        };
        let x = random(tokens * heads * head_dim, &mut rng);
        let weight = random(head_dim, &mut rng);
        let table = random((3 + tokens) * head_dim, &mut rng);
        let expected = cpu::norm::head_norm_rope(&x, &weight, &table, &p);
        for level in Level::available() {
            let found = simd::head_norm_rope(level, &x, &weight, &table, &p);
            close(&format!("{p:?} {level:?}"), &found, &expected, 1e-4);
        }
    }
}

#[test]
fn activations_are_those_of_the_plain_kernels() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for (rows, cols) in [(1, 1), (3, 7), (2, 16), (4, 1151)] {
        let mut x = activations(rows * cols, &mut rng);
        x[0] = -100.0;
        let up = random(rows * cols, &mut rng);
        let bias = random(cols, &mut rng);
        for level in Level::available() {
            let what = format!("{rows}x{cols} {level:?}");
            let expected = cpu::elementwise::geglu(&x, &up);
            close(&what, &simd::geglu(level, &x, &up), &expected, 1e-5);
            for activation in [Activation::Identity, Activation::GeluTanh] {
                let expected = cpu::elementwise::bias_activation(&x, &bias, activation);
                let found = simd::bias_activation(level, &x, &bias, activation);
                close(&what, &found, &expected, 1e-5);
            }
        }
    }
}

#[test]
fn a_job_does_what_its_words_say() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let weights = Weights::new(BlockType::Q4K, 6, 512, &mut rng);
    let x = activations(3 * 512, &mut rng);
    let p = weights.params(3, 0, 6);
    let job = Job::from_words(&Job::Linear(p).words()).unwrap();
    assert_eq!(job, Job::Linear(p));
    let (mut found, mut expected) = (vec![0.0; job.output_len()], vec![0.0; 18]);
    job.run(&weights.bytes, &x, &mut found).unwrap();
    simd::linear(&x, &weights.bytes, &mut expected, &p);
    assert_eq!(found, expected);

    let p = EmbedParams {
        block: weights.block,
        planes: weights.planes,
        tokens: 3,
        rows: 6,
        cols: 512,
        first_row: 100,
        scale: 2.5,
    };
    let job = Job::from_words(&Job::Embed(p).words()).unwrap();
    assert_eq!(job, Job::Embed(p));
    let ids = [104u32, 99, 106].map(f32::from_bits);
    let mut found = vec![7.0; job.output_len()];
    job.run(&weights.bytes, &ids, &mut found).unwrap();
    let expected: Vec<f32> = weights.row(4).iter().map(|x| x * 2.5).collect();
    assert_eq!(found[..512], expected);
    assert!(found[512..].iter().all(|&x| x == 0.0));
}

#[test]
fn a_job_that_makes_no_sense_is_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let weights = Weights::new(BlockType::Q8_0, 6, 64, &mut rng);
    let p = weights.params(2, 0, 6);
    let words = Job::Linear(p).words();
    assert!(Job::from_words(&words).is_ok());
    // Kind, type, tokens, rows, columns, first row, columns of the output, and a word without a meaning.
    for (place, value) in [
        (0, 9),
        (1, 5),
        (5, u32::MAX),
        (6, 7),
        (7, 33),
        (8, 1),
        (9, 7),
        (15, 1),
    ] {
        let mut wrong = words;
        wrong[place] = value;
        assert!(Job::from_words(&wrong).is_err(), "word {place}");
    }
    let job = Job::Linear(p);
    let (x, mut y) = (vec![0.0; 128], vec![0.0; 12]);
    assert!(job.run(&weights.bytes, &x, &mut y).is_ok());
    assert!(job.run(&weights.bytes[..400], &x, &mut y).is_err());
    assert!(job.run(&weights.bytes, &x[1..], &mut y).is_err());
    assert!(job.run(&weights.bytes, &x, &mut y[1..]).is_err());
}
