//! `outpost trace`: every named intermediate tensor, to find where two implementations part.

use crate::args::TensorArgs;
use crate::error::Result;
use crate::load::Compute;
use crate::logits::tokens;
use crate::tensors::{self, Tensor};
use crate::{load, output};

/// Writes `tokens` i32 `[n]` and each tensor as f32 [rows, cols], under the engine's name for it.
pub fn run(args: &TensorArgs, compute: Compute) -> Result<()> {
    let pictures = load::pictures(&args.images)?;
    let mut engine = load::engine(&args.model, compute)?.engine;
    let tokens = tokens(&engine, &args.input, &pictures)?;
    let traced = pollster::block_on(engine.trace(&tokens, &pictures))?;
    let mut named = vec![("tokens".to_owned(), Tensor::tokens(&tokens))];
    for tensor in traced {
        let written = Tensor::f32(tensor.shape.to_vec(), &tensor.values);
        named.push((tensor.name, written));
    }
    tensors::write(&args.out, &named)?;
    output::line(&format!(
        "{}: {} tensors for {} tokens",
        args.out.display(),
        named.len(),
        tokens.len()
    ))
}
