//! How long single products take, beside those of other engines.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::noise::Noise;
use crate::error::{Error, Result};
use crate::kernels::{self, ComputeDevice, Matrix};
use crate::ports::Clock;
use crate::weights::BlockType;

/// How long a shape is measured.
const MEASURED_MS: f64 = 100.0;

/// Most products before anything is read back.
const MOST_PRODUCTS: usize = 256;

/// Largest matrix that is measured, in elements.
const MOST_ELEMENTS: u64 = 1 << 28;

/// A product `x · Wᵀ`: x [tokens, cols], W [rows, cols].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductShape {
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of both.
    pub cols: usize,
    /// Rows of `x`.
    pub tokens: usize,
}

/// Milliseconds of a product with 4-bit weights (Q4_0), many of them with one wait at the end.
///
/// # Errors
/// [`Error::Request`] for a shape that is empty, too large or not made of blocks of 32; [`Error::Device`] if the device
/// fails.
pub async fn product_ms(
    device: &ComputeDevice,
    shape: ProductShape,
    clock: &dyn Clock,
) -> Result<f64> {
    let ProductShape { rows, cols, tokens } = shape;
    let elements = rows as u64 * cols as u64;
    let fits = elements > 0 && elements <= MOST_ELEMENTS && (1..=4096).contains(&tokens);
    if !fits || !cols.is_multiple_of(32) {
        return Err(Error::Request {
            problem: format!("a product of {tokens}x{cols} and {rows}x{cols} cannot be measured"),
            remedy: "give rows, tokens, and columns in blocks of 32".to_owned(),
        });
    }
    let source = Noise::new(BlockType::Q4_0, rows, cols);
    let matrix = Matrix::load(&source, source.info(), device)?;
    let x = Tensor::<2>::ones([tokens, cols], device.burn());
    // The first makes the kernel, the second says how many of them make a measurement.
    kernels::read(matrix.linear(x.clone()), device.kind()).await?;
    let mut count = 1;
    loop {
        let began_ms = clock.now_ms();
        let mut y = matrix.linear(x.clone());
        for _ in 1..count {
            y = matrix.linear(x.clone());
        }
        kernels::read(y.slice([0..1, 0..1]), device.kind()).await?;
        let elapsed_ms = clock.now_ms() - began_ms;
        if elapsed_ms >= MEASURED_MS || count >= MOST_PRODUCTS {
            return Ok(elapsed_ms / count as f64);
        }
        let wanted = (count as f64 * MEASURED_MS / elapsed_ms.max(0.1)).ceil() as usize;
        count = wanted.clamp(count + 1, MOST_PRODUCTS);
    }
}
