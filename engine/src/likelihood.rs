//! How likely a text is as the continuation of another: the sum of the logarithms of its tokens' probabilities.
//!
//! The probabilities are those of the softmax over the whole vocabulary. Sums are in f64: of 262,144 terms in f32 the
//! small ones would be lost.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How likely one continuation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LogLikelihood {
    /// Sum of the natural logarithms of its tokens' probabilities; at most 0.
    pub sum: f64,
    /// How many tokens it has.
    pub tokens: usize,
    /// Whether each of its tokens is the likeliest at its place.
    pub greedy: bool,
}

impl LogLikelihood {
    /// Of no token yet.
    pub fn start() -> Self {
        Self {
            sum: 0.0,
            tokens: 0,
            greedy: true,
        }
    }

    /// Goes on with the token `id`, whose place has these scores. logits: `[vocab]`
    ///
    /// # Errors
    /// [`Error::Device`] if a score is not a number or infinitely large, [`Error::Request`] if `id` has no score.
    pub fn push(&mut self, logits: &[f32], id: u32) -> Result<()> {
        let (log_probability, likeliest) = log_probability(logits, id)?;
        self.sum += log_probability;
        self.tokens += 1;
        self.greedy &= likeliest;
        Ok(())
    }
}

/// The natural logarithm of the softmax of `logits` at `id`, and whether no token is likelier. Of several equally likely
/// ones the first is the likeliest, as for the sampler.
fn log_probability(logits: &[f32], id: u32) -> Result<(f64, bool)> {
    let mut best = (f32::NEG_INFINITY, 0);
    for (place, &logit) in logits.iter().enumerate() {
        if logit.is_nan() || logit == f32::INFINITY {
            return Err(Error::Device {
                device: "compute device".to_owned(),
                detail: format!("the logit of token {place} is {logit}"),
            });
        }
        if logit > best.0 {
            best = (logit, place);
        }
    }
    let Some(&logit) = logits.get(id as usize) else {
        return Err(Error::Request {
            problem: format!("token {id} is not in the vocabulary of {}", logits.len()),
            remedy: "use ids of this model's tokenizer".to_owned(),
        });
    };
    // Relative to the likeliest, so that nothing overflows.
    let largest = f64::from(best.0);
    let weights = logits
        .iter()
        .map(|logit| (f64::from(*logit) - largest).exp());
    let total: f64 = weights.sum();
    Ok((
        f64::from(logit) - largest - total.ln(),
        best.1 == id as usize,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(logits: &[f32], ids: &[u32]) -> LogLikelihood {
        let mut found = LogLikelihood::start();
        for id in ids {
            found.push(logits, *id).unwrap();
        }
        found
    }

    #[test]
    fn equal_scores_share_the_probability() {
        let found = of(&[3.0; 8], &[0, 5]);
        assert!((found.sum - 2.0 * (1.0_f64 / 8.0).ln()).abs() < 1e-12);
        assert_eq!(found.tokens, 2);
    }

    #[test]
    fn probabilities_of_all_tokens_add_up_to_one_however_large_the_scores() {
        for offset in [0.0, -3e4, 3e4] {
            let logits: Vec<f32> = (0..1000u16).map(|i| offset + f32::from(i % 37)).collect();
            let each = (0..1000).map(|id| of(&logits, &[id]).sum.exp());
            let total: f64 = each.sum();
            assert!((total - 1.0).abs() < 1e-9, "{total}");
        }
    }

    #[test]
    fn greedy_means_the_likeliest_everywhere_and_the_first_of_equals() {
        let logits = [1.0, 4.0, 4.0, 2.0];
        assert!(of(&logits, &[1, 1]).greedy);
        assert!(!of(&logits, &[1, 2]).greedy);
        assert!(!of(&logits, &[0, 1]).greedy);
    }

    #[test]
    fn what_is_no_score_is_refused() {
        let mut found = LogLikelihood::start();
        assert!(found.push(&[1.0, f32::NAN], 0).is_err());
        assert!(found.push(&[1.0, f32::INFINITY], 0).is_err());
        assert!(found.push(&[1.0, 2.0], 2).is_err());
        assert_eq!(found, LogLikelihood::start());
        // A token that cannot come is possible to score, and cannot come.
        found.push(&[1.0, f32::NEG_INFINITY], 1).unwrap();
        assert_eq!(found.sum, f64::NEG_INFINITY);
    }
}
