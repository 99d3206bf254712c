//! The largest logits.

use super::*;
use outpost_engine::kernels::TokenRules;

/// The device's candidates are those of the reference, number by number: ties, infinities and too few logits among them.
pub async fn candidates_match() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    for (vocab, count) in [
        (1, 1),
        (3, 5),
        (500, 64),
        (4097, 1),
        (10_000, 7),
        (262_208, 64),
    ] {
        let mut plain = random(vocab, &mut rng);
        let mut coarse: Vec<f32> = plain.iter().map(|x| (2.0 * x).round()).collect();
        coarse[vocab / 2] = f32::NEG_INFINITY;
        plain[vocab / 3] = f32::NAN;
        for logits in [
            plain,
            coarse,
            vec![0.0; vocab],
            vec![f32::NEG_INFINITY; vocab],
        ] {
            same_on_both(&format!("{count} of {vocab}"), 0.0, |d| {
                let found = kernels::top_candidates(rows(&logits, vocab, d), count);
                // Infinities have no difference; these bounds are as good.
                found.clamp(-1e30, 1e30)
            })
            .await;
            // Several rows, each for itself.
            same_on_both(&format!("{count} of {vocab}, twice"), 0.0, |d| {
                let reversed = logits.iter().rev();
                let both: Vec<f32> = logits.iter().chain(reversed).copied().collect();
                kernels::top_candidates(rows(&both, vocab, d), count).clamp(-1e30, 1e30)
            })
            .await;
            for penalty in [1.0, 1.3, 0.5] {
                let chosen = ruled(vocab, &mut rng);
                same_on_both(&format!("{count} of {vocab} by rules"), 0.0, |d| {
                    let mut rules = TokenRules::new(vocab, d);
                    rules.set(Some(&chosen.0), &chosen.1);
                    let logits = rows(&logits, vocab, d);
                    let found = kernels::top_candidates_under(logits, count, &rules, penalty);
                    found.clamp(-1e30, 1e30)
                })
                .await;
            }
        }
    }
}

/// Every other token allowed, in bits, and some that have occurred, one of them twice, one in no vocabulary.
fn ruled(vocab: usize, rng: &mut ChaCha8Rng) -> (Vec<u32>, Vec<u32>) {
    let allowed = (0..vocab.div_ceil(32)).map(|_| rng.random()).collect();
    let mut occurred: Vec<u32> = (0..50).map(|_| rng.random_range(0..vocab as u32)).collect();
    occurred.extend([occurred[0], u32::MAX]);
    (allowed, occurred)
}
