//! What a text is about, as one direction: the mean of the input embeddings of its tokens.
//!
//! These are rows of the model's embedding matrix, as they stand in its file; no layer is run over them, so word order and
//! context do not matter and a text costs only the reading of its rows. It tells texts of kindred words from others, and is no
//! substitute for an embedding model.

use super::Engine;
use crate::error::Result;
use crate::tokenizer::Span;

/// Most rows that are read back at once: 2.5 MiB with 2,560 columns.
const MOST_ROWS: usize = 256;

impl Engine {
    /// The direction of each text: the mean of its tokens' rows of `token_embd`, of length 1; zeros for a text without tokens.
    /// Control tokens in a text are ordinary characters. -> for each text `[hidden]`
    ///
    /// # Errors
    /// [`crate::error::Error::LimitExceeded`] for more than 2 MiB of text, [`crate::error::Error::Device`] if the device fails.
    pub async fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        // Each token with the text that it is of.
        let mut tokens: Vec<(u32, usize)> = Vec::new();
        for (text, words) in texts.iter().enumerate() {
            let ids = self.tokenizer.encode_spans(&[Span::untrusted(words)])?;
            tokens.extend(ids.into_iter().map(|id| (id, text)));
        }
        let decoder = self.core.model().decoder();
        let hidden = decoder.config().hidden_size;
        let mut sums = vec![vec![0.0f64; hidden]; texts.len()];
        for part in tokens.chunks(MOST_ROWS) {
            let ids: Vec<u32> = part.iter().map(|(id, _)| *id).collect();
            let rows = self.core.read(decoder.embed(&ids)).await?;
            for (row, (_, text)) in rows.chunks_exact(hidden).zip(part) {
                let sum = sums.get_mut(*text).into_iter().flatten();
                sum.zip(row)
                    .for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        Ok(sums.iter().map(|sum| direction(sum)).collect())
    }
}

/// Of length 1. The mean has the direction of the sum.
fn direction(sum: &[f64]) -> Vec<f32> {
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    let scale = if length > 0.0 { length.recip() } else { 0.0 };
    sum.iter().map(|value| (value * scale) as f32).collect()
}
