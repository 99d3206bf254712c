//! Which candidate is meant, where one clearly is. No code is better than a wrong one, and a code for what is known is better
//! than one for detail that nobody mentioned.

use super::words;
use super::{Candidate, Match};

/// Least score of a candidate with the words that were said.
const LEAST_EXACT: f32 = 0.96;

/// Least score of a candidate with the words that were said, in another order or form.
const LEAST_WORDS: f32 = 0.90;

/// Least score of a candidate whose words are spelt otherwise.
const LEAST_SPELLING: f32 = 0.88;

/// How far the next best must be behind.
const LEAD: f32 = 0.03;

/// The same, where the words are those that were said.
const LEAD_OF_EXACT: f32 = 0.002;

/// The candidate that is meant, from candidates sorted by score; `None` where it is not clear.
///
/// A code that only heads others gives way to the one below it that says no more than it does: that it is unspecified.
pub fn choose(candidates: &[Candidate]) -> Option<&Candidate> {
    let (best, rest) = candidates.split_first()?;
    let enough = match best.matched {
        Match::Exact | Match::Brand => LEAST_EXACT,
        Match::Abbreviation | Match::Words => LEAST_WORDS,
        Match::Spelling => LEAST_SPELLING,
        Match::Prefix => return None,
    };
    if best.score < enough {
        return None;
    }
    let exact = matches!(best.matched, Match::Exact | Match::Brand);
    let lead = if exact { LEAD_OF_EXACT } else { LEAD };
    let rivals = rest
        .iter()
        .take_while(|other| best.score - other.score < lead)
        .any(|other| {
            !((is_below(best, other) || is_below(other, best)) && says_the_same(best, other))
        });
    if rivals {
        return None;
    }
    let unspecified = rest
        .iter()
        .find(|other| other.complete && is_below(best, other) && says_the_same(best, other));
    Some(unspecified.filter(|_| !best.complete).unwrap_or(best))
}

fn is_below(head: &Candidate, other: &Candidate) -> bool {
    let (head, other) = (&head.coding, &other.coding);
    head.system == other.system
        && other.code.len() > head.code.len()
        && other.code.starts_with(&head.code)
}

/// Whether two codes differ in nothing but that one says that no more is known, by their names or by what was found.
fn says_the_same(one: &Candidate, other: &Candidate) -> bool {
    let names = [&other.coding.display, &other.term].map(|name| said(name));
    let own = [&one.coding.display, &one.term].map(|name| said(name));
    names.iter().any(|name| own.contains(name))
}

fn said(name: &str) -> Vec<String> {
    let mut said = words::words(name);
    said.retain(|word| !words::is_unspecified(word));
    said.sort();
    said
}
