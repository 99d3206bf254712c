//! Candidates in another order: also by how near their terms are to what was said, in vectors of the loaded model.
//!
//! The search knows words by their letters alone; vectors may know that two words mean the same. Whether that helps depends on
//! the model, and is measured: `outpost terminology measure`. Coding does not use it (see [`crate::coding`]).

use super::Candidate;

/// Candidates that are brought into another order: more than are shown.
pub const RETRIEVED: usize = 20;

/// How much the vectors count beside the search's own score, unless a caller chooses otherwise: the best of 0.02 to 0.8 on
/// queries that no figure is taken from (`make_queries.py --tuning`), with the demonstration model.
pub const WEIGHT: f32 = 0.4;

/// A text as it is embedded: as in the middle of a sentence, for words at its beginning are other tokens.
pub fn embedded(text: &str) -> String {
    format!(" {}", text.to_lowercase())
}

/// Sorts by `(1 - weight) · score + weight · cosine`, which becomes the score; of equals the earlier stays before.
///
/// said: `[dim]`; terms: for each candidate `[dim]`; all of length 1 or 0. A candidate without a vector keeps its part of the
/// search's score alone.
pub fn rerank(
    candidates: Vec<Candidate>,
    said: &[f32],
    terms: &[Vec<f32>],
    weight: f32,
) -> Vec<Candidate> {
    let mut found = candidates;
    for (index, candidate) in found.iter_mut().enumerate() {
        let term = terms.get(index).map_or(&[][..], Vec::as_slice);
        let cosine: f32 = said.iter().zip(term).map(|(one, other)| one * other).sum();
        candidate.score = (1.0 - weight) * candidate.score + weight * cosine;
    }
    found.sort_by(|one, other| other.score.total_cmp(&one.score));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Coding;
    use crate::terminology::Match;

    fn candidate(code: &str, score: f32) -> Candidate {
        Candidate {
            coding: Coding {
                system: "invented".to_owned(),
                code: code.to_owned(),
                display: code.to_owned(),
                version: None,
            },
            score,
            matched: Match::Words,
            term: code.to_owned(),
            complete: true,
        }
    }

    fn order(weight: f32, terms: &[Vec<f32>]) -> Vec<String> {
        let found = vec![
            candidate("a", 0.8),
            candidate("b", 0.7),
            candidate("c", 0.7),
        ];
        let found = rerank(found, &[1.0, 0.0], terms, weight);
        found.into_iter().map(|it| it.coding.code).collect()
    }

    #[test]
    fn the_nearer_term_comes_first_as_far_as_vectors_count() {
        let terms = [vec![0.0, 1.0], vec![0.0, 1.0], vec![1.0, 0.0]];
        assert_eq!(order(0.0, &terms), ["a", "b", "c"]);
        assert_eq!(order(0.05, &terms), ["a", "c", "b"]);
        assert_eq!(order(0.2, &terms), ["c", "a", "b"]);
    }

    #[test]
    fn without_vectors_the_order_stays() {
        assert_eq!(order(0.2, &[]), ["a", "b", "c"]);
    }
}
