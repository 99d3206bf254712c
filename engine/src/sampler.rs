//! Picks the next token from the logits.
//!
//! The order is that of Hugging Face's `generate` (generation/utils.py, `_get_logits_processor`): repetition penalty,
//! mask, temperature, top-k, top-p, min-p. Ties go to the lower id. The same seed and the same logits give the same
//! tokens on every machine, up to the last bit of `exp`, which is taken in f64.

use std::cmp::Ordering;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How tokens are picked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplerOptions {
    /// 0 always picks the most likely token; 1 samples from the model's own distribution. 0..=100.
    pub temperature: f32,
    /// Samples from this many most likely tokens; 0 from all.
    pub top_k: usize,
    /// Samples from the fewest tokens that together have this probability; 1 from all. Above 0, at most 1.
    pub top_p: f32,
    /// Samples from tokens at least this fraction as likely as the most likely one; 0 from all. 0..=1.
    pub min_p: f32,
    /// Divides the logits of tokens that occurred (multiplies negative ones); 1 changes nothing. 0.01..=100.
    pub repetition_penalty: f32,
    /// How many of the latest tokens count as having occurred; 0 for all.
    pub repetition_window: usize,
    /// Where the random numbers start.
    pub seed: u64,
}

/// The most likely token always, as in all published evaluations of MedGemma.
impl Default for SamplerOptions {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            repetition_window: 0,
            seed: 0,
        }
    }
}

impl SamplerOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Request`] that names the option.
    pub fn validate(&self) -> Result<()> {
        // Written so that NaN fails.
        let from_0 = |value: f32, limit: f32| (0.0..=limit).contains(&value);
        in_range(
            "temperature",
            self.temperature,
            from_0(self.temperature, 100.0),
            "0 to 100",
        )?;
        in_range(
            "top_p",
            self.top_p,
            self.top_p > 0.0 && self.top_p <= 1.0,
            "above 0, at most 1",
        )?;
        in_range("min_p", self.min_p, from_0(self.min_p, 1.0), "0 to 1")?;
        in_range(
            "repetition_penalty",
            self.repetition_penalty,
            (0.01..=100.0).contains(&self.repetition_penalty),
            "0.01 to 100",
        )
    }
}

/// A token that may be picked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The token.
    pub id: u32,
    /// Its logit.
    pub logit: f32,
}

/// Picks tokens, and keeps the state of the random numbers.
#[derive(Debug, Clone)]
pub struct Sampler {
    options: SamplerOptions,
    rng: ChaCha8Rng,
}

impl Sampler {
    /// A sampler at the beginning of its random numbers.
    ///
    /// # Errors
    /// See [`SamplerOptions::validate`].
    pub fn new(options: SamplerOptions) -> Result<Self> {
        options.validate()?;
        Ok(Self {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            options,
        })
    }

    /// Picks from all logits. `logits`: `[vocab]`, changed where the penalty applies; `history`: all tokens so far;
    /// `allowed`: tokens that a constraint leaves.
    ///
    /// # Errors
    /// [`Error::Device`] if a logit is not a number or infinitely large, [`Error::Request`] if no token is allowed.
    pub fn sample(
        &mut self,
        logits: &mut [f32],
        history: &[u32],
        allowed: Option<&TokenMask>,
    ) -> Result<u32> {
        if self.options.repetition_penalty != 1.0 {
            for id in self.occurred(history) {
                if let Some(logit) = logits.get_mut(id as usize) {
                    *logit = penalise(*logit, self.options.repetition_penalty);
                }
            }
        }
        let candidates = (0u32..)
            .zip(logits.iter())
            .map(|(id, &logit)| Candidate { id, logit });
        self.pick(candidates, allowed)
    }

    /// Picks from candidates that were chosen elsewhere, such as the most likely tokens that a GPU read out.
    ///
    /// Gives what [`Self::sample`] gives for all logits if the candidates hold every token that `top_k` could leave.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub fn sample_candidates(
        &mut self,
        candidates: &[Candidate],
        history: &[u32],
        allowed: Option<&TokenMask>,
    ) -> Result<u32> {
        let penalty = self.options.repetition_penalty;
        let occurred = match penalty == 1.0 {
            true => Vec::new(),
            false => self.occurred(history),
        };
        let penalised =
            candidates
                .iter()
                .map(|candidate| match occurred.binary_search(&candidate.id) {
                    Ok(_) => Candidate {
                        logit: penalise(candidate.logit, penalty),
                        ..*candidate
                    },
                    Err(_) => *candidate,
                });
        self.pick(penalised, allowed)
    }

    /// The tokens that the penalty applies to, sorted, each once.
    pub(crate) fn occurred(&self, history: &[u32]) -> Vec<u32> {
        let start = match self.options.repetition_window {
            0 => 0,
            window => history.len().saturating_sub(window),
        };
        let mut ids = history.get(start..).unwrap_or_default().to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn pick(
        &mut self,
        candidates: impl Iterator<Item = Candidate>,
        allowed: Option<&TokenMask>,
    ) -> Result<u32> {
        let greedy = self.options.temperature == 0.0;
        let mut best: Option<Candidate> = None;
        let mut kept = Vec::new();
        for candidate in candidates {
            if candidate.logit.is_nan() || candidate.logit == f32::INFINITY {
                return Err(Error::Device {
                    device: "compute device".to_owned(),
                    detail: format!("the logit of token {} is {}", candidate.id, candidate.logit),
                });
            }
            let possible = candidate.logit != f32::NEG_INFINITY
                && allowed.is_none_or(|mask| mask.allows(candidate.id));
            if possible {
                if best.is_none_or(|best| likelier(&candidate, &best) == Ordering::Less) {
                    best = Some(candidate);
                }
                if !greedy {
                    kept.push(candidate);
                }
            }
        }
        match best {
            None => Err(Error::Request {
                problem: "no token is allowed here".to_owned(),
                remedy: "relax the constraint on the answer".to_owned(),
            }),
            Some(best) if greedy => Ok(best.id),
            Some(best) => Ok(self.draw(kept, best)),
        }
    }

    /// Filters the candidates and draws one of them.
    fn draw(&mut self, mut kept: Vec<Candidate>, best: Candidate) -> u32 {
        let temperature = f64::from(self.options.temperature);
        // Relative to the most likely token, so that nothing overflows: at most 1.
        let weight = |candidate: &Candidate| {
            ((f64::from(candidate.logit) - f64::from(best.logit)) / temperature).exp()
        };
        let top_k = self.options.top_k;
        if top_k > 0 && top_k < kept.len() {
            kept.select_nth_unstable_by(top_k - 1, likelier);
            kept.truncate(top_k);
        }
        if self.options.top_p < 1.0 {
            keep_top_p(&mut kept, f64::from(self.options.top_p), weight);
        }
        if self.options.min_p > 0.0 {
            let least = f64::from(self.options.min_p);
            kept.retain(|candidate| weight(candidate) >= least);
        }

        // In order of ids, so that a filter that drops nothing changes no pick.
        kept.sort_unstable_by_key(|candidate| candidate.id);
        let weights: Vec<f64> = kept.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        // 53 random bits: uniform in [0, 1).
        let uniform = (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let mut left = uniform * total;
        let mut picked = best.id;
        for (candidate, weight) in kept.iter().zip(weights) {
            if weight > 0.0 {
                picked = candidate.id;
                if left < weight {
                    break;
                }
                left -= weight;
            }
        }
        picked
    }
}

/// Keeps the fewest most likely candidates whose share of all weights reaches `top_p`; at least one.
fn keep_top_p(kept: &mut Vec<Candidate>, top_p: f64, weight: impl Fn(&Candidate) -> f64) {
    let enough = top_p * kept.iter().map(&weight).sum::<f64>();
    // Only the head of the order is needed, so only the head is sorted; mostly it is short.
    let mut head = 256;
    loop {
        head = head.min(kept.len());
        if head < kept.len() {
            kept.select_nth_unstable_by(head, likelier);
        }
        let Some(sorted) = kept.get_mut(..head) else {
            return;
        };
        sorted.sort_unstable_by(likelier);
        let mut sum = 0.0;
        let reached = sorted.iter().position(|candidate| {
            sum += weight(candidate);
            sum >= enough
        });
        if let Some(last) = reached {
            return kept.truncate(last + 1);
        }
        if head == kept.len() {
            return;
        }
        head *= 8;
    }
}

/// The more likely first; of equals the lower id.
fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    // Adding 0 makes -0 equal to 0.
    (b.logit + 0.0)
        .total_cmp(&(a.logit + 0.0))
        .then_with(|| a.id.cmp(&b.id))
}

/// CTRL's repetition penalty (arXiv:1909.05858, section 4.1), with Hugging Face's care for negative logits.
fn penalise(logit: f32, penalty: f32) -> f32 {
    match logit < 0.0 {
        true => logit * penalty,
        false => logit / penalty,
    }
}

fn in_range(name: &str, value: f32, fits: bool, range: &str) -> Result<()> {
    if fits {
        return Ok(());
    }
    Err(Error::Request {
        problem: format!("{name} is {value}"),
        remedy: format!("use a number in the range {range}"),
    })
}

/// A set of tokens, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMask {
    vocab_size: usize,
    /// Bit `id % 32` of word `id / 32`. [ceil(vocab / 32)]
    words: Vec<u32>,
}

impl TokenMask {
    /// Allows nothing.
    pub fn none(vocab_size: usize) -> Self {
        Self {
            vocab_size,
            words: vec![0; vocab_size.div_ceil(32)],
        }
    }

    /// Allows every token.
    pub fn all(vocab_size: usize) -> Self {
        let mut mask = Self {
            vocab_size,
            words: vec![u32::MAX; vocab_size.div_ceil(32)],
        };
        if let Some(last) = mask.words.last_mut()
            && !vocab_size.is_multiple_of(32)
        {
            *last = (1 << (vocab_size % 32)) - 1;
        }
        mask
    }

    /// Allows `id`; ids beyond the vocabulary are ignored.
    pub fn allow(&mut self, id: u32) {
        if (id as usize) < self.vocab_size
            && let Some(word) = self.words.get_mut(id as usize / 32)
        {
            *word |= 1 << (id % 32);
        }
    }

    /// Allows what `other` allows, a mask of as many tokens.
    pub fn allow_all(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// Forbids `id`.
    pub fn forbid(&mut self, id: u32) {
        if let Some(word) = self.words.get_mut(id as usize / 32) {
            *word &= !(1 << (id % 32));
        }
    }

    /// Whether `id` is allowed; nothing beyond the vocabulary is.
    pub fn allows(&self, id: u32) -> bool {
        self.words
            .get(id as usize / 32)
            .is_some_and(|word| word >> (id % 32) & 1 == 1)
    }

    /// How many tokens are allowed.
    pub fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Number of tokens that the mask speaks about.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The bits: token `id` is bit `id % 32` of word `id / 32`. [ceil(vocab / 32)]
    pub fn words(&self) -> &[u32] {
        &self.words
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
