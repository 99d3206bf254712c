//! How much work goes to the device at a time.
//!
//! A browser takes a GPU away from a page whose submit runs for seconds, and a person who stops an answer should not wait
//! long. So a prompt goes in chunks, and a chunk in submits of a few layers, sized by what earlier ones took.

/// What a submit should take at most. Windows ends one after 2 s, Chromium's watchdog after about 10.
const SUBMIT_MS: f64 = 400.0;

/// Tokens of the first chunk, from which the device's speed is learnt.
const FIRST_TOKENS: usize = 32;

/// Fewest tokens of a chunk: with fewer, a matrix is read again for little work.
const LEAST_TOKENS: usize = 8;

/// What the device was seen to take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    ms_per_token_and_layer: Option<f64>,
    steady: bool,
}

impl Pace {
    /// Tokens of the next chunk, at most `most`.
    pub fn chunk_tokens(&self, most: usize) -> usize {
        if self.steady {
            return FIRST_TOKENS.min(most);
        }
        let tokens = match self.ms_per_token_and_layer {
            None => FIRST_TOKENS,
            Some(ms) => (SUBMIT_MS / ms) as usize,
        };
        tokens.max(LEAST_TOKENS).min(most)
    }

    /// Has chunks be of the same size however long they take, so that the same work is rounded in the same way each time.
    pub fn keep_steady(&mut self, steady: bool) {
        self.steady = steady;
    }

    /// Layers of a submit for a chunk of `tokens`.
    pub fn layers_per_submit(&self, tokens: usize) -> usize {
        match self.ms_per_token_and_layer {
            None => 1,
            Some(ms) => ((SUBMIT_MS / (ms * tokens as f64)) as usize).max(1),
        }
    }

    /// Learns that a chunk of `tokens` went through `layers` layers in `elapsed_ms`.
    pub fn learn(&mut self, tokens: usize, layers: usize, elapsed_ms: f64) {
        let found = elapsed_ms / (tokens * layers).max(1) as f64;
        // Of two, the slower one: a device slows down as it warms, and the first chunk also makes pipelines.
        let known = self.ms_per_token_and_layer;
        self.ms_per_token_and_layer = Some(known.map_or(found, |known| match found > known {
            true => found,
            false => f64::midpoint(found, known),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_gets_little_at_a_time() {
        let pace = Pace::default();
        assert_eq!(
            (pace.chunk_tokens(256), pace.layers_per_submit(32)),
            (32, 1)
        );
        assert_eq!(pace.chunk_tokens(5), 5);
    }

    #[test]
    fn a_fast_device_gets_everything_at_once() {
        let mut pace = Pace::default();
        pace.learn(32, 34, 10.0);
        assert_eq!(pace.chunk_tokens(256), 256);
        assert!(pace.layers_per_submit(256) >= 34);
    }

    #[test]
    fn no_submit_of_a_slow_device_takes_longer_than_it_should() {
        let mut pace = Pace::default();
        // 20 ms a token and layer.
        pace.learn(32, 34, 32.0 * 34.0 * 20.0);
        assert_eq!(
            (pace.chunk_tokens(256), pace.layers_per_submit(20)),
            (20, 1)
        );
        assert_eq!(pace.layers_per_submit(5), 4);
    }

    #[test]
    fn a_steady_pace_does_not_look_at_the_clock() {
        let mut pace = Pace::default();
        pace.keep_steady(true);
        for elapsed_ms in [0.0, 1e6] {
            pace.learn(32, 34, elapsed_ms);
            assert_eq!((pace.chunk_tokens(256), pace.chunk_tokens(9)), (32, 9));
        }
        pace.keep_steady(false);
        assert_eq!(pace.chunk_tokens(256), 8);
    }

    #[test]
    fn a_clock_that_stands_still_is_a_fast_device() {
        let mut pace = Pace::default();
        pace.learn(32, 34, 0.0);
        assert_eq!(pace.chunk_tokens(256), 256);
        assert!(pace.layers_per_submit(256) >= 34);
    }
}
