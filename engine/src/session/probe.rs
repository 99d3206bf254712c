//! Which device is faster with this model: both do one product of it, and the clock decides.

use burn::tensor::Tensor;

use crate::error::Result;
use crate::kernels::{self, ComputeDevice, Matrix};
use crate::ports::Clock;
use crate::weights::WeightSource;

/// What both devices multiply with: a matrix of the first layer, and the largest kind that a layer has.
const PROBED: &str = "blk.0.ffn_gate.weight";

/// Runs that count; the fastest of them does.
const RUNS: usize = 3;

/// Products before anything is read back: a read takes as long as several, and a token has hundreds of them.
const BATCH: usize = 8;

/// The faster of two devices for decoding with the model in `source`. Without a clock, a GPU that a processor imitates is
/// taken to be the slower one.
///
/// # Errors
/// Those of reading the model or of a device.
pub async fn faster(
    source: &dyn WeightSource,
    gpu: ComputeDevice,
    cpu: ComputeDevice,
    clock: Option<&dyn Clock>,
) -> Result<ComputeDevice> {
    let unmeasured = if gpu.is_software() { &cpu } else { &gpu };
    let Some(clock) = clock else {
        return Ok(unmeasured.clone());
    };
    let gpu_ms = product_ms(source, &gpu, 1, clock).await?;
    let cpu_ms = product_ms(source, &cpu, 1, clock).await?;
    let (Some(gpu_ms), Some(cpu_ms)) = (gpu_ms, cpu_ms) else {
        return Ok(unmeasured.clone());
    };
    log::info!("one product takes {gpu_ms:.2} ms on the GPU, {cpu_ms:.2} ms on the CPU");
    Ok(if gpu_ms <= cpu_ms { gpu } else { cpu })
}

/// Milliseconds of a product of the model; `None` where it has no such matrix.
pub(super) async fn product_ms(
    source: &dyn WeightSource,
    device: &ComputeDevice,
    tokens: usize,
    clock: &dyn Clock,
) -> Result<Option<f64>> {
    let Some(info) = source.tensor(PROBED) else {
        return Ok(None);
    };
    let matrix = Matrix::load(source, info, device)?;
    let mut best_ms = f64::INFINITY;
    // The first run makes the kernel.
    for run in 0..=RUNS {
        let x = Tensor::<2>::ones([tokens, matrix.cols()], device.burn());
        let began_ms = clock.now_ms();
        let mut y = matrix.linear(x.clone());
        for _ in 1..BATCH {
            y = matrix.linear(x.clone());
        }
        kernels::read(y, device.kind()).await?;
        let elapsed_ms = (clock.now_ms() - began_ms) / BATCH as f64;
        if run > 0 {
            best_ms = best_ms.min(elapsed_ms);
        }
    }
    Ok(Some(best_ms))
}
