//! What a constraint costs with a vocabulary of 262,144 tokens: time per token until the mask is known. Prints the figures.
//!
//! `OUTPOST_TOKENIZER` may name a `tokenizer.json` to take instead of the made-up vocabulary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/answers.rs"]
mod answers;

use std::rc::Rc;
use std::time::Instant;

use answers::{SCHEMAS, STOP, pick, tokens};
use outpost_engine::constraint::{Constraint, Grammar, Rule, Vocabulary};
use outpost_engine::tokenizer::Tokenizer;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Bounds that a slow and busy machine keeps and a walk through the whole vocabulary for each token would not.
const MEDIAN_MS: f64 = 4.0;
const WORST_MS: f64 = 150.0;

#[test]
fn the_mask_of_a_large_vocabulary_is_known_in_little_time() {
    let began = Instant::now();
    let vocabulary = match std::env::var_os("OUTPOST_TOKENIZER") {
        Some(path) => {
            let tokenizer = Tokenizer::from_json(&std::fs::read(path).unwrap()).unwrap();
            Vocabulary::new(&tokenizer)
        }
        None => Vocabulary::of_tokens(tokens().into_iter()),
    };
    let vocabulary = Rc::new(vocabulary.unwrap());
    println!(
        "vocabulary: {} tokens, {:?}",
        vocabulary.len(),
        began.elapsed()
    );
    for (name, schema) in SCHEMAS {
        let began = Instant::now();
        let grammar = Rc::new(Grammar::new(&Rule::JsonSchema(schema.to_owned())).unwrap());
        let compiled = began.elapsed();
        let mut times = Vec::new();
        for seed in 0..8 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut constraint =
                Constraint::new(vocabulary.clone(), grammar.clone(), &[STOP]).unwrap();
            for _ in 0..150 {
                if constraint.must_stop() {
                    break;
                }
                let began = Instant::now();
                constraint.mask().unwrap();
                let masked = began.elapsed();
                let id = pick(&mut constraint, &vocabulary, &mut rng);
                if id == STOP {
                    break;
                }
                let began = Instant::now();
                constraint.accept(id).unwrap();
                times.push((masked + began.elapsed()).as_secs_f64() * 1000.0);
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        let (median, worst) = (at(0.5), at(1.0));
        println!(
            "{name:>10}: {:4} tokens, median {median:.4} ms, 99 % {:.3}, worst {worst:.3}; compiled in {compiled:?}",
            times.len(),
            at(0.99),
        );
        assert!(median < MEDIAN_MS && worst < WORST_MS, "{name}");
    }
}
