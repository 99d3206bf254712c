//! Attention and what comes before it.

use super::*;
use burn::tensor::{DType, Int};
use outpost_engine::kernels::{AttentionParams, CacheType, HeadParams, StepParams, StepState};

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

/// Two rings of `capacity` rows.
type Rings = (Tensor<2, Int>, Tensor<2, Int>);

fn rings(
    capacity: usize,
    width: usize,
    cache: CacheType,
    fill: Option<&[f32]>,
    device: &ComputeDevice,
) -> Rings {
    let shape = [capacity, cache.words(width)];
    let ring = |numbers: &[f32]| -> Tensor<2, Int> {
        let words: Vec<i32> = match cache {
            CacheType::F32 => numbers.iter().map(|x| x.to_bits() as i32).collect(),
            CacheType::F16 => numbers
                .chunks_exact(2)
                .map(|pair| {
                    let half = |x: f32| u32::from(half::f16::from_f32(x).to_bits());
                    (half(pair[0]) | half(pair[1]) << 16) as i32
                })
                .collect(),
        };
        Tensor::from_data(TensorData::new(words, shape), (device.burn(), DType::I32))
    };
    let numbers = fill.map_or(vec![0.0; 2 * capacity * width], <[f32]>::to_vec);
    let (keys, values) = numbers.split_at(capacity * width);
    (ring(keys), ring(values))
}

/// Where halves end, become subnormal, vanish, or lie between two of them.
const EDGES: [f32; 18] = [
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

/// Queries, keys and values made ready: what goes to the rings, and attention that reads them.
pub async fn heads_and_rings_match() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let base = HeadParams {
        tokens: 1,
        heads: 1,
        kv_heads: 1,
        head_dim: 8,
        position: 0,
        capacity: 4,
        epsilon: 1e-6,
        cache: CacheType::F32,
    };
    let cases = [
        base,
        HeadParams {
            tokens: 3,
            heads: 4,
            kv_heads: 2,
            head_dim: 32,
            position: 14,
            capacity: 5,
            ..base
        },
        HeadParams {
            tokens: 2,
            heads: 3,
            kv_heads: 3,
            head_dim: 72,
            position: 1,
            ..base
        },
        HeadParams {
            tokens: 5,
            heads: 2,
            kv_heads: 1,
            head_dim: 256,
            position: 7,
            capacity: 9,
            ..base
        },
    ];
    for cache in [CacheType::F32, CacheType::F16] {
        for p in cases.map(|p| HeadParams { cache, ..p }) {
            let mut qkv = random(p.tokens * p.width(), &mut rng);
            // The last columns are values, which go to the ring as they are.
            let kv_width = p.kv_heads * p.head_dim;
            let last = qkv.len() - kv_width;
            for (value, edge) in qkv[last..].iter_mut().zip(EDGES) {
                *value = edge;
            }
            let norms = random(2 * p.head_dim, &mut rng);
            let table = random((p.position + p.tokens) * p.head_dim, &mut rng);
            let prepared = |d: &ComputeDevice| {
                let rings = rings(p.capacity, kv_width, cache, None, d);
                let (norms, table) = (vector(&norms, d), vector(&table, d));
                kernels::prepare_heads(rows(&qkv, p.width(), d), &norms, &table, rings, p)
            };
            same_on_both(&format!("queries of {p:?}"), 64.0, |d| prepared(d).0).await;
            let mut stored = Vec::new();
            kernels::use_level(None);
            for choice in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
                let device = ComputeDevice::open(choice).await.unwrap();
                let (_, keys, values) = prepared(&device);
                let values = values.into_data_async().await.unwrap();
                let keys = keys.into_data_async().await.unwrap();
                stored.push((
                    values.try_to_vec::<i32>().unwrap(),
                    numbers(&keys.try_to_vec::<i32>().unwrap(), cache),
                ));
            }
            assert_eq!(stored[0].0, stored[1].0, "values of {p:?}");
            let allowed = if cache == CacheType::F16 { 0.01 } else { 1e-4 };
            for (a, b) in stored[0].1.iter().zip(&stored[1].1) {
                assert!((a - b).abs() <= allowed, "keys of {p:?}: {a} and {b}");
            }
        }
    }
}

fn numbers(words: &[i32], cache: CacheType) -> Vec<f32> {
    let half = |bits: u32| half::f16::from_bits(bits as u16).to_f32();
    match cache {
        CacheType::F32 => words.iter().map(|w| f32::from_bits(*w as u32)).collect(),
        CacheType::F16 => words
            .iter()
            .flat_map(|w| [half(*w as u32), half((*w as u32) >> 16)])
            .collect(),
    }
}

/// One token's attention over rings of either kind: few and many positions, windows, wrapped rings, shared key heads.
pub async fn steps_match() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let base = StepParams {
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        capacity: 80,
        window: 0,
        scale: 0.1,
        epsilon: 1e-6,
        cache: CacheType::F32,
    };
    let cases = [
        (0, base),
        (
            1,
            StepParams {
                heads: 1,
                kv_heads: 1,
                ..base
            },
        ),
        (
            79,
            StepParams {
                head_dim: 256,
                heads: 8,
                kv_heads: 4,
                ..base
            },
        ),
        (
            500,
            StepParams {
                window: 33,
                capacity: 40,
                head_dim: 64,
                ..base
            },
        ),
        (
            31,
            StepParams {
                window: 64,
                head_dim: 8,
                kv_heads: 1,
                ..base
            },
        ),
        // More positions than one workgroup keeps scores of.
        (
            700,
            StepParams {
                capacity: 4000,
                kv_heads: 1,
                head_dim: 16,
                ..base
            },
        ),
        (
            3999,
            StepParams {
                capacity: 4000,
                kv_heads: 1,
                head_dim: 16,
                ..base
            },
        ),
        (
            2,
            StepParams {
                capacity: 4000,
                ..base
            },
        ),
    ];
    for cache in [CacheType::F32, CacheType::F16] {
        for (position, p) in cases.map(|(position, p)| (position, StepParams { cache, ..p })) {
            let width = p.kv_heads * p.head_dim;
            let qkv = random(p.width(), &mut rng);
            let norms = random(2 * p.head_dim, &mut rng);
            let table = random((position + 1) * p.head_dim, &mut rng);
            let fill = random(2 * p.capacity * width, &mut rng);
            let step = |d: &ComputeDevice| {
                let mut state = StepState::new(d);
                state.set(0, position);
                let rings = rings(p.capacity, width, cache, Some(&fill), d);
                let (norms, table) = (vector(&norms, d), vector(&table, d));
                let qkv = rows(&qkv, p.width(), d);
                kernels::attention_step(qkv, &norms, &table, rings, state.words(), p)
            };
            let magnitude = if cache == CacheType::F16 { 64.0 } else { 16.0 };
            same_on_both(&format!("step at {position}, {p:?}"), magnitude, |d| {
                step(d).0
            })
            .await;
            // The token's own value is there for the next one, and nothing else changed.
            let mut rings = Vec::new();
            kernels::use_level(None);
            for choice in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
                let device = ComputeDevice::open(choice).await.unwrap();
                let values = step(&device).2.into_data_async().await.unwrap();
                rings.push(values.try_to_vec::<i32>().unwrap());
            }
            assert_eq!(rings[0], rings[1], "values after {position}, {p:?}");
        }
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
            let q = random(p.tokens * p.heads * p.head_dim, &mut rng);
            let fill = random(2 * p.capacity * width, &mut rng);
            same_on_both(&format!("{cache:?} {p:?}"), 8.0, |d| {
                let (keys, values) = rings(p.capacity, width, cache, Some(&fill), d);
                let q = rows(&q, p.heads * p.head_dim, d);
                kernels::cached_attention(q, keys, values, p, cache)
            })
            .await;
        }
    }
}
