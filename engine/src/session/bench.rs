//! How fast an engine is: prompts and answers of an exact length, the same in the command and in the page.

use serde::{Deserialize, Serialize};

use super::core::Scores;
use super::{Engine, Event, Flow};
use crate::error::{Error, Result};
use crate::kernels::CandidateParams;
use crate::ports::Clock;
use crate::sampler::SamplerOptions;

/// Tokens of the prompt that is read before anything is measured: kernels are made for one token and for several.
const WARM_UP_TOKENS: usize = 40;

/// Tokens that are decoded before anything is measured.
const WARM_UP_DECODED: usize = 3;

/// The one score that a greedy answer reads.
const LIKELIEST: Scores = Scores::Best(CandidateParams {
    count: 1,
    penalty: None,
});

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// From the prompt to the first token.
    pub prefill_ms: f64,
    /// Prompt tokens a second.
    pub prefill_tok_s: f64,
    /// Tokens decoded after the first one.
    pub decoded_tokens: usize,
    /// From the first token to the last.
    pub decode_ms: f64,
    /// Decoded tokens a second.
    pub decode_tok_s: f64,
}

impl Engine {
    /// Reads a prompt of `prompt_tokens` tokens and decodes `tokens` after the first, greedily and past every end. Kernels
    /// are made and the device's pace is learnt before anything counts. `on_event` may wait, so that a host can look whether
    /// it has been told to stop.
    ///
    /// # Errors
    /// [`Error::ContextFull`] if there is no room, [`Error::Request`] if `on_event` stops it, [`Error::Device`] if the
    /// device fails.
    pub async fn bench(
        &mut self,
        prompt_tokens: usize,
        tokens: usize,
        clock: &dyn Clock,
        on_event: &mut impl AsyncFnMut(Event) -> Flow,
    ) -> Result<Measured> {
        let needed_tokens = prompt_tokens.saturating_add(tokens).saturating_add(1);
        self.core.check_room(needed_tokens)?;
        let short = prompt_tokens.min(WARM_UP_TOKENS);
        self.timed(short, tokens.min(WARM_UP_DECODED), clock, on_event)
            .await?;
        self.timed(prompt_tokens, tokens, clock, on_event).await
    }

    async fn timed(
        &mut self,
        prompt_tokens: usize,
        tokens: usize,
        clock: &dyn Clock,
        on_event: &mut impl AsyncFnMut(Event) -> Flow,
    ) -> Result<Measured> {
        self.forget();
        let prompt = self.words(prompt_tokens);
        let greedy = SamplerOptions::default();
        let mut generation = self.start_tokens(&prompt, &[], tokens + 1, &greedy, clock)?;
        while let Some(event) = generation.step().await? {
            if on_event(event).await == Flow::Stop {
                return Err(Error::Request {
                    problem: "the measurement was stopped".to_owned(),
                    remedy: "begin it again when there is time for it".to_owned(),
                });
            }
        }
        let outcome = generation.finish();
        let decoded_tokens = outcome.completion_tokens.saturating_sub(1);
        Ok(Measured {
            prompt_tokens,
            prefill_ms: outcome.prefill_ms,
            prefill_tok_s: rate(prompt_tokens, outcome.prefill_ms),
            decoded_tokens,
            decode_ms: outcome.decode_ms,
            decode_tok_s: rate(decoded_tokens, outcome.decode_ms),
        })
    }

    /// Decodes `tokens` tokens from `position` on, whatever is in the cache there -> milliseconds a token. What the cache
    /// held is forgotten.
    ///
    /// # Errors
    /// As [`bench`](Self::bench).
    pub async fn bench_at(
        &mut self,
        position: usize,
        tokens: usize,
        clock: &dyn Clock,
    ) -> Result<f64> {
        self.core.check_room(position + tokens)?;
        self.forget();
        // The first ones make kernels and record them.
        for _ in 0..2 {
            let reading = self.core.step(0, position, LIKELIEST)?;
            reading.finish().await?;
        }
        let began_ms = clock.now_ms();
        for token in 0..tokens {
            let reading = self.core.step(0, position + token, LIKELIEST)?;
            reading.finish().await?;
        }
        let elapsed_ms = clock.now_ms() - began_ms;
        self.forget();
        Ok(elapsed_ms / tokens.max(1) as f64)
    }

    /// Ordinary tokens in no order that any text has.
    fn words(&self, count: usize) -> Vec<u32> {
        let vocab = self.core.model().decoder().config().vocab_size as u64;
        let ordinary = |index: u64| (index * 7919 + 13) % vocab;
        let ids = (0..count as u64).map(|index| ordinary(index) as u32);
        let placeholder = self.template.soft_token();
        ids.map(|id| if Some(id) == placeholder { 0 } else { id })
            .collect()
    }
}

/// Tokens a second; 0 where no time passed.
pub(super) fn rate(tokens: usize, milliseconds: f64) -> f64 {
    match milliseconds > 0.0 {
        true => tokens as f64 * 1000.0 / milliseconds,
        false => 0.0,
    }
}
