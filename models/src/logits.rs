//! `outpost logits`: the scores of every next token at every position.

use outpost_engine::image::RgbImage;
use outpost_engine::session::Engine;

use crate::args::{InputArgs, TensorArgs};
use crate::error::Result;
use crate::load::Compute;
use crate::tensors::{self, Tensor};
use crate::{load, output};

/// Writes `tokens` i32 `[n]` and `logits` f32 [n, vocab].
pub fn run(args: &TensorArgs, compute: Compute) -> Result<()> {
    let pictures = load::pictures(&args.images)?;
    let mut engine = load::engine(&args.model, compute)?.engine;
    let tokens = tokens(&engine, &args.input, &pictures)?;
    let logits = pollster::block_on(engine.logits(&tokens, &pictures))?;
    let vocabulary = logits.len() / tokens.len().max(1);
    let named = [
        ("tokens".to_owned(), Tensor::tokens(&tokens)),
        (
            "logits".to_owned(),
            Tensor::f32(vec![tokens.len(), vocabulary], &logits),
        ),
    ];
    tensors::write(&args.out, &named)?;
    output::line(&format!(
        "{}: tokens [{n}], logits [{n}, {vocabulary}]",
        args.out.display(),
        n = tokens.len(),
    ))
}

/// The ids that go in, image placeholders among them.
pub fn tokens(engine: &Engine, input: &InputArgs, pictures: &[RgbImage]) -> Result<Vec<u32>> {
    if let Some(tokens) = &input.tokens {
        return Ok(tokens.clone());
    }
    let prompt = input.prompt.as_deref().unwrap_or_default();
    let conversation = load::question(None, prompt, pictures.len(), true)?;
    let prompt = engine
        .template()
        .render(engine.tokenizer(), &conversation)?;
    Ok(prompt.tokens)
}
