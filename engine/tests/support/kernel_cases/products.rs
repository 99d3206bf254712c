//! Products with packed weights, and rows looked up in them.

use super::*;
use outpost_engine::kernels::PIECE_BYTES;

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
        (17, 70, 64),
        (70, 130, 96),
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
                    _ => &[(1, 0), (1, 4), (1, 8)],
                };
                same_with(splits, &what, magnitude, |device| {
                    weights
                        .matrix(device, piece_bytes)
                        .linear(rows(&x, cols, device))
                })
                .await;
            }
            // Few tokens go row by row, many in tiles: one shape of each kind, whose kernels take long to compile.
            if ![2, 33].contains(&tokens) {
                continue;
            }
            let (rounded, splits): (&[Arithmetic], &[_]) = match block {
                BlockType::Q4_0 => (
                    &[Arithmetic::F16, Arithmetic::I8],
                    &[(1, 0), (16, 0), (1, 4), (1, 8)],
                ),
                BlockType::Q2K | BlockType::Q3K => continue,
                block if block.is_dense() => continue,
                _ => (&[Arithmetic::I8], &[(1, 4)]),
            };
            let what = format!("{} product {tokens}x{cols} · {out}x{cols}", block.name());
            same_in(rounded, splits, &what, magnitude, |device| {
                weights
                    .matrix(device, 1 << 20)
                    .linear(rows(&x, cols, device))
            })
            .await;
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
            (40, 67, 136),
            (70, 34, 48),
        ] {
            let weights = RandomWeights::new(block, out, cols, &mut rng);
            let x = random(tokens * cols, &mut rng);
            let what = format!(
                "{} ragged product {tokens}x{cols} · {out}x{cols}",
                block.name()
            );
            let arithmetics = [Arithmetic::F32, Arithmetic::F16];
            same_in(&arithmetics, &SPLITS, &what, cols as f32, |device| {
                weights
                    .matrix(device, 1 << 20)
                    .linear(rows(&x, cols, device))
            })
            .await;
        }
    }
}

/// A rounded product is nearer to the reference that rounds alike than to the exact one: it was rounded, and in that way.
pub async fn rounded_products_round_as_the_reference() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let cpu = ComputeDevice::open(DeviceChoice::Cpu).await.unwrap();
    let gpu = ComputeDevice::open(DeviceChoice::Gpu).await.unwrap();
    let rounded = Tuning {
        few: Arithmetic::I8,
        many: Arithmetic::I8,
        square: 4,
        ..Tuning::PLAIN
    };
    let served = BlockType::ALL
        .into_iter()
        .filter(|block| !block.is_dense() && !matches!(block, BlockType::Q2K | BlockType::Q3K));
    // Natively naga translates them for every device, and Chromium has them everywhere.
    assert!(gpu.offers(Arithmetic::I8));
    for block in served {
        for tokens in [1, 5, 40] {
            let cols = whole_blocks(block, 512);
            let weights = RandomWeights::new(block, 70, cols, &mut rng);
            let x = random(tokens * cols, &mut rng);
            let product = async |device: &ComputeDevice, tuning| {
                let device = device.with_tuning(tuning);
                let matrix = weights.matrix(&device, 1 << 20);
                read(matrix.linear(rows(&x, cols, &device))).await
            };
            let found = product(&gpu, rounded).await;
            let off = |expected: Vec<f32>| -> f32 {
                let pairs = found.iter().zip(&expected);
                pairs.map(|(f, e)| (f - e).abs()).sum()
            };
            let (alike, exact) = (
                off(product(&cpu, rounded.plainly()).await),
                off(product(&cpu, Tuning::PLAIN).await),
            );
            assert!(
                10.0 * alike < exact,
                "{}, {tokens} tokens: off by {alike}, from the exact product by {exact}",
                block.name()
            );
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

/// Tensors of several types below each other, in one and several pieces; gates above their partners among them.
pub async fn stacked_products_match() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (q4, q6) = (BlockType::Q4_0, BlockType::Q6K);
    for (blocks, heights) in [
        (vec![q4, q4], vec![64, 64]),
        (vec![q4, q4, q4], vec![130, 7, 9]),
        (vec![BlockType::Q4K, BlockType::Q4K, q6], vec![128, 66, 64]),
        (vec![BlockType::F16, BlockType::F32], vec![3, 5]),
    ] {
        let cols = 512;
        let parts: Vec<RandomWeights> = blocks
            .iter()
            .zip(&heights)
            .map(|(block, height)| RandomWeights::new(*block, *height, cols, &mut rng))
            .collect();
        let stack = Stacked::new(parts);
        for tokens in [1, 5] {
            let x = random(tokens * cols, &mut rng);
            let magnitude = cols as f32 * stack.largest().max(1.0);
            for piece_bytes in [1, PIECE_BYTES] {
                let what = format!("{blocks:?} stacked {heights:?}, {tokens} tokens");
                let matrix = |device: &ComputeDevice| {
                    let infos: Vec<&TensorInfo> = stack.tensors().iter().collect();
                    Matrix::load_stacked(&stack, &infos, device, piece_bytes).unwrap()
                };
                let product =
                    |device: &ComputeDevice| matrix(device).linear(rows(&x, cols, device));
                same_with(&SPLITS, &what, magnitude, product).await;
                let (integers, splits) = (&[Arithmetic::I8], &[(1, 0), (16, 0)]);
                same_in(integers, splits, &what, magnitude, product).await;
                if heights.iter().sum::<usize>().is_multiple_of(2) {
                    let squared = magnitude * magnitude;
                    let what = format!("{what}, gated");
                    let product = |device: &ComputeDevice| {
                        matrix(device).linear_geglu(rows(&x, cols, device))
                    };
                    same_with(&SPLITS, &what, squared, product).await;
                    same_in(integers, splits, &what, squared, product).await;
                }
            }
        }
    }
}

/// Several tensors of one file.
struct Stacked {
    parts: Vec<RandomWeights>,
    tensors: Vec<TensorInfo>,
}

impl Stacked {
    fn new(parts: Vec<RandomWeights>) -> Self {
        let tensors = parts.iter().enumerate().map(|(index, part)| TensorInfo {
            name: index.to_string(),
            ..part.tensors[0].clone()
        });
        Self {
            tensors: tensors.collect(),
            parts,
        }
    }

    fn largest(&self) -> f32 {
        self.parts
            .iter()
            .map(RandomWeights::largest)
            .fold(0.0, f32::max)
    }
}

impl WeightSource for Stacked {
    fn metadata(&self) -> &Metadata {
        &self.parts[0].metadata
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    fn read_part(&self, info: &TensorInfo, part: Part, offset: u64, buf: &mut [u8]) -> Result<()> {
        let index: usize = info.name.parse().unwrap();
        self.parts[index].read_part(info, part, offset, buf)
    }
}
