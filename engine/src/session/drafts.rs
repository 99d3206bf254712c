//! Tokens that are guessed because the conversation has been there before: what followed the same words the last time.
//!
//! A note quotes its transcript. Where it does, several tokens can be run at once, and those are kept that the model picks
//! itself, so that the answer is the same (prompt lookup decoding; Leviathan et al., arXiv:2211.17192, for the principle).
//! Running several takes longer than running one, so guessing goes on only where the clock says that it pays.

/// Tokens that have to be the same before it is guessed what follows, the most telling first.
const SAME_TOKENS: [usize; 2] = [3, 2];

/// Most tokens of a draft.
const DRAFT_TOKENS: usize = 6;

/// Tokens in the time of one from which on guessing goes on.
const LEAST_GAIN: f64 = 1.1;

/// What is expected before anything was measured.
const HOPED_GAIN: f64 = 1.5;

/// Tokens without a guess after guessing did not pay.
const REST_TOKENS: usize = 48;

/// Drafts, and what they were seen to gain.
#[derive(Debug, Clone)]
pub struct Drafts {
    single_ms: Option<f64>,
    gain: f64,
    rest_tokens: usize,
}

impl Default for Drafts {
    fn default() -> Self {
        Self {
            single_ms: None,
            gain: HOPED_GAIN,
            rest_tokens: 0,
        }
    }
}

impl Drafts {
    /// What may follow `tokens`: at most `most` tokens, often none.
    pub fn propose(&mut self, tokens: &[u32], most: usize) -> Vec<u32> {
        if self.single_ms.is_none() {
            return Vec::new();
        }
        if self.rest_tokens > 0 {
            self.rest_tokens -= 1;
            return Vec::new();
        }
        let found = SAME_TOKENS.iter().find_map(|same| follower(tokens, *same));
        let rest = found.and_then(|place| tokens.get(place..));
        let draft = rest.unwrap_or_default();
        draft[..draft.len().min(most).min(DRAFT_TOKENS)].to_vec()
    }

    /// Learns that `picked` tokens took `elapsed_ms`, with a draft or without one.
    pub fn learn(&mut self, drafted: bool, picked: usize, elapsed_ms: f64) {
        let Some(single_ms) = self.single_ms.filter(|_| drafted) else {
            let known = self.single_ms.unwrap_or(elapsed_ms);
            self.single_ms = Some(f64::midpoint(known, elapsed_ms));
            return;
        };
        let gain = match elapsed_ms > 0.0 {
            true => picked as f64 * single_ms / elapsed_ms,
            false => picked as f64,
        };
        self.gain = f64::midpoint(self.gain, gain);
        if self.gain < LEAST_GAIN {
            self.rest_tokens = REST_TOKENS;
            self.gain = HOPED_GAIN;
        }
    }
}

/// The place after the latest earlier occurrence of the last `same` tokens.
fn follower(tokens: &[u32], same: usize) -> Option<usize> {
    let start = tokens.len().checked_sub(same)?;
    let last = &tokens[start..];
    let earlier = tokens.get(..tokens.len() - 1)?;
    let place = earlier.windows(same).rposition(|window| window == last)?;
    Some(place + same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Drafts {
        let mut drafts = Drafts::default();
        drafts.learn(false, 1, 10.0);
        drafts
    }

    #[test]
    fn what_followed_the_same_words_is_guessed_and_the_latest_time_counts() {
        let tokens = [1, 2, 3, 4, 5, 1, 2, 3, 9, 8, 7, 1, 2, 3];
        assert_eq!(measured().propose(&tokens, 10), [9, 8, 7, 1, 2, 3]);
        assert_eq!(measured().propose(&tokens, 2), [9, 8]);
        assert_eq!(measured().propose(&[6, 1, 2, 5, 7, 1, 2], 1), [5]);
    }

    #[test]
    fn nothing_is_guessed_from_nothing() {
        for tokens in [&[][..], &[1], &[1, 2], &[1, 2, 3, 4], &[5, 1, 6, 1]] {
            assert!(measured().propose(tokens, 10).is_empty(), "{tokens:?}");
        }
        let repeated = [1, 2, 1, 2];
        assert!(measured().propose(&repeated, 0).is_empty());
        assert!(Drafts::default().propose(&repeated, 10).is_empty());
    }

    #[test]
    fn guessing_rests_where_it_does_not_pay_and_is_tried_again() {
        let mut drafts = measured();
        let repeated = [1, 2, 1, 2];
        drafts.learn(true, 3, 15.0);
        assert!(!drafts.propose(&repeated, 10).is_empty());
        drafts.learn(true, 1, 40.0);
        drafts.learn(true, 1, 40.0);
        for _ in 0..REST_TOKENS {
            assert!(drafts.propose(&repeated, 10).is_empty());
        }
        assert!(!drafts.propose(&repeated, 10).is_empty());
    }

    #[test]
    fn a_clock_that_stands_still_stops_nothing() {
        let mut drafts = Drafts::default();
        drafts.learn(false, 1, 0.0);
        for _ in 0..20 {
            drafts.learn(true, 2, 0.0);
            assert!(!drafts.propose(&[1, 2, 1, 2], 10).is_empty());
        }
    }
}
