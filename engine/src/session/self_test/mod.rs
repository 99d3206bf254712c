//! Whether a GPU computes what the plain reference does, and which way of computing is the fastest of those that are right.
//!
//! Drivers are wrong now and then, and a wrong product reads like a poor model. So before a GPU answers anything, every
//! kernel that the model needs has computed something small on it, which was compared. Where there is another way, the
//! wrong one is switched off; where there is none, the GPU is not used.

mod cases;

use std::collections::BTreeSet;

use self::cases::{Case, TOKENS, only_ways, products};
use super::probe::product_ms;
use crate::error::{Error, Result};
use crate::kernels::{Arithmetic, CacheType, ComputeDevice, DeviceChoice, Tuning};
use crate::model::{KvCache, TextConfig, VisionConfig};
use crate::ports::Clock;
use crate::session::EngineOptions;
use crate::weights::{BlockType, TensorInfo, WeightSource};

/// Tokens with which ways of computing many at once are timed.
const TIMED_TOKENS: usize = 128;

/// How many times as fast as exact products rounded ones have to be.
const ROUNDED_MARGIN: f64 = 1.2;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How products are worked out from now on.
    pub tuning: Tuning,
    /// What this device computes wrongly, and what is therefore not used.
    pub switched_off: Vec<String>,
}

/// What a model computes with, as far as kernels differ in it.
#[derive(Debug, Clone)]
pub struct Needs {
    text: TextConfig,
    vision: Option<VisionConfig>,
    cache: CacheType,
    blocks: BTreeSet<BlockType>,
    rounded_products: bool,
}

impl Needs {
    /// Of the model in these files, set up like this.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn of(
        text: &dyn WeightSource,
        vision: Option<&dyn WeightSource>,
        options: &EngineOptions,
    ) -> Result<Self> {
        let embedding = text.tensor("token_embd.weight");
        let vocab_size = embedding.map_or(1, TensorInfo::rows);
        let config = TextConfig::from_metadata(text.metadata(), vocab_size)?;
        let both = [Some(text), vision].into_iter().flatten();
        let matrices = both.flat_map(WeightSource::tensors);
        let vision = vision.map(|vision| VisionConfig::from_metadata(vision.metadata()));
        let vision = vision.transpose()?;
        let chunk_tokens = options.chunk_tokens_for(vision.as_ref());
        let context_tokens = config.usable_positions(options.context_tokens);
        Ok(Self {
            cache: KvCache::type_for(&config, context_tokens, chunk_tokens, options.cache),
            blocks: matrices
                .filter(|tensor| tensor.shape.len() > 1)
                .map(|tensor| tensor.block)
                .collect(),
            text: config,
            vision,
            rounded_products: options.rounded_products,
        })
    }
}

/// Tries everything that the model in `text` needs on `gpu`. Without a clock nothing is timed.
///
/// # Errors
/// [`Error::Device`] if the GPU is wrong where there is no other way, and those of reading the file.
pub async fn prove(
    text: &dyn WeightSource,
    needs: &Needs,
    gpu: &ComputeDevice,
    clock: Option<&dyn Clock>,
) -> Result<Verdict> {
    let reference = ComputeDevice::open(DeviceChoice::Cpu).await?;
    let reference = reference.with_tuning(Tuning::PLAIN);
    for case in only_ways(needs) {
        let expected = case.values(&reference).await?;
        if let Some(fault) = case.fault(gpu, &expected).await? {
            return Err(wrong(gpu, fault));
        }
    }
    let candidates = Candidates::of(gpu, needs.rounded_products);
    let mut switched_off = Vec::new();

    let cases = |tokens| -> Vec<Case> {
        let blocks = needs.blocks.iter();
        blocks.flat_map(|block| products(*block, tokens)).collect()
    };
    let line = |(few, threads_per_row, subgroups)| Tuning {
        threads_per_row,
        few,
        subgroups,
        ..gpu.tuning()
    };
    let lines = candidates.lines(gpu).into_iter().map(line);
    let single = cases(1);
    let lines = right(lines.collect(), &single, gpu, &reference, &mut switched_off).await?;
    let tuning = fastest(lines, 1, text, gpu, clock).await?;

    let tile = |(many, square)| Tuning {
        square,
        many,
        ..tuning
    };
    let tiles = candidates.tiles().into_iter().map(tile);
    let several = cases(TOKENS);
    let tiles = right(
        tiles.collect(),
        &several,
        gpu,
        &reference,
        &mut switched_off,
    )
    .await?;
    let tuning = fastest(tiles, TIMED_TOKENS, text, gpu, clock).await?;
    Ok(Verdict {
        tuning,
        switched_off,
    })
}

fn wrong(device: &ComputeDevice, fault: String) -> Error {
    log::error!("{} computes wrongly: {fault}", device.adapter());
    Error::Device {
        device: device.adapter().to_owned(),
        detail: format!("it computes wrongly ({fault}); compute on the processor"),
    }
}

/// Ways of computing that may suit a device, what is likeliest first.
struct Candidates {
    arithmetics: Vec<Arithmetic>,
    threads_per_row: &'static [usize],
    squares: &'static [usize],
}

impl Candidates {
    fn of(device: &ComputeDevice, rounded_products: bool) -> Self {
        let rounded = [Arithmetic::F16, Arithmetic::I8];
        let rounded = rounded.into_iter().filter(|_| rounded_products);
        let arithmetics = std::iter::once(Arithmetic::F32).chain(rounded);
        let (threads_per_row, squares): (&[usize], &[usize]) = match device.is_software() {
            // Barriers are dear where threads are emulated, and workgroup memory is as slow as any other.
            true => (&[1], &[0]),
            false => (&[16, 4, 64], &[8, 4, 0]),
        };
        Self {
            arithmetics: arithmetics.filter(|a| device.offers(*a)).collect(),
            threads_per_row,
            squares,
        }
    }

    /// Ways for few tokens: arithmetic, threads a row, and whether these add up as a subgroup.
    fn lines(&self, device: &ComputeDevice) -> Vec<(Arithmetic, usize, bool)> {
        let mut ways = Vec::new();
        for &arithmetic in &self.arithmetics {
            for &threads in self.threads_per_row {
                match arithmetic {
                    // Halves are for tiles.
                    Arithmetic::F16 => {}
                    Arithmetic::I8 => ways.push((arithmetic, threads, false)),
                    Arithmetic::F32 => {
                        ways.push((arithmetic, threads, false));
                        if device.has_subgroups_of(threads) {
                            ways.push((arithmetic, threads, true));
                        }
                    }
                }
            }
        }
        ways
    }

    /// Ways for many tokens: arithmetic, and the side of a thread's square.
    fn tiles(&self) -> Vec<(Arithmetic, usize)> {
        let arithmetics = self.arithmetics.iter();
        let ways = arithmetics.flat_map(|a| self.squares.iter().map(|square| (*a, *square)));
        ways.filter(|(a, square)| *a != Arithmetic::F16 || *square > 0)
            .collect()
    }
}

/// A way, for a message.
fn name(way: &Tuning) -> String {
    let Tuning {
        threads_per_row,
        square,
        few,
        many,
        subgroups,
        ..
    } = way;
    let shared = if *subgroups { " by subgroups" } else { "" };
    format!("{threads_per_row} threads a row{shared} in {few:?}, tiles of {square} in {many:?}")
}

/// Those of `ways` that are right in all `cases`. The others are noted.
async fn right(
    ways: Vec<Tuning>,
    cases: &[Case],
    gpu: &ComputeDevice,
    reference: &ComputeDevice,
    switched_off: &mut Vec<String>,
) -> Result<Vec<Tuning>> {
    let mut expected = Vec::new();
    let mut expected_in = None;
    let mut found = Vec::new();
    let mut last_fault = String::new();
    'ways: for way in ways {
        // The plain reference rounds as this way does.
        let plain = way.plainly();
        if expected_in.replace(plain) != Some(plain) {
            expected.clear();
            for case in cases {
                expected.push(case.values(&reference.with_tuning(plain)).await?);
            }
        }
        for (case, expected) in cases.iter().zip(&expected) {
            if let Some(fault) = case.fault(&gpu.with_tuning(way), expected).await? {
                last_fault = format!("{fault}, {}", name(&way));
                log::warn!("{} computes wrongly: {last_fault}", gpu.adapter());
                switched_off.push(last_fault.clone());
                continue 'ways;
            }
        }
        found.push(way);
    }
    match found.is_empty() {
        true => Err(wrong(gpu, last_fault)),
        false => Ok(found),
    }
}

/// The fastest of `ways`, by a product of the model itself; the first where nothing can be timed.
async fn fastest(
    ways: Vec<Tuning>,
    tokens: usize,
    text: &dyn WeightSource,
    gpu: &ComputeDevice,
    clock: Option<&dyn Clock>,
) -> Result<Tuning> {
    let first = ways[0];
    let (Some(clock), true) = (clock, ways.len() > 1) else {
        return Ok(first);
    };
    let (mut best, mut best_ms) = (first, f64::INFINITY);
    for way in ways {
        let Some(ms) = product_ms(text, &gpu.with_tuning(way), tokens, clock).await? else {
            return Ok(first);
        };
        log::debug!("{tokens} tokens, {}: {ms:.3} ms", name(&way));
        let ms = match way.is_exact(tokens) {
            true => ms,
            false => ms * ROUNDED_MARGIN,
        };
        if ms < best_ms {
            (best, best_ms) = (way, ms);
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::cases::rows;
    use super::*;
    use crate::session::noise::numbers;

    fn devices() -> (ComputeDevice, ComputeDevice) {
        let cpu = pollster::block_on(ComputeDevice::open(DeviceChoice::Cpu)).unwrap();
        let fast = cpu.with_tuning(Tuning {
            square: 8,
            ..cpu.tuning()
        });
        (fast, cpu.with_tuning(Tuning::PLAIN))
    }

    fn way(square: usize) -> Tuning {
        Tuning {
            square,
            ..Tuning::PLAIN
        }
    }

    /// Right but for tiles of `wrong`, with which one of the numbers is off by `off`.
    fn case(wrong: usize, off: f32) -> Case {
        Case::new("a sum", 0.5, move |device| {
            let mut values = numbers(8, 1);
            if device.tuning().square == wrong {
                values[5] += off;
            }
            Ok(rows(values, 4, device))
        })
    }

    #[test]
    fn a_way_that_is_wrong_is_switched_off_and_named_and_the_others_stay() {
        let (device, reference) = devices();
        for off in [0.6, -0.6, f32::NAN, f32::INFINITY] {
            let mut switched_off = Vec::new();
            let cases = [case(99, off), case(4, off)];
            let ways = vec![way(8), way(4), way(0)];
            let tried = right(ways, &cases, &device, &reference, &mut switched_off);
            assert_eq!(pollster::block_on(tried).unwrap(), [way(8), way(0)]);
            assert_eq!(switched_off.len(), 1);
            assert!(switched_off[0].contains("a sum") && switched_off[0].contains("tiles of 4"));
        }
    }

    #[test]
    fn what_rounding_explains_is_no_fault() {
        let (device, reference) = devices();
        let case = case(8, 0.4);
        let expected = pollster::block_on(case.values(&reference)).unwrap();
        let tried = case.fault(&device, &expected);
        assert_eq!(pollster::block_on(tried).unwrap(), None);
    }

    #[test]
    fn a_device_that_is_wrong_in_every_way_is_refused_with_what_to_do() {
        let (device, reference) = devices();
        let (cases, mut switched_off) = ([case(4, 1.0)], Vec::new());
        let tried = right(vec![way(4)], &cases, &device, &reference, &mut switched_off);
        let refused = pollster::block_on(tried).unwrap_err().to_string();
        assert!(refused.contains("computes wrongly (a sum"), "{refused}");
        assert!(refused.contains("on the processor"), "{refused}");
    }
}
