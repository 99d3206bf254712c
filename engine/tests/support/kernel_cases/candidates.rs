//! The largest logits.

use super::*;

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
        }
    }
}
