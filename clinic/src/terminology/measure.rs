//! How often a search finds the code that is expected: queries with their codes, and two ways of searching side by side.
//!
//! Queries are lines of tab-separated values: `query`, `kind`, `codes` (one or more, with spaces between), `table`; the first
//! line names these columns. A code is right if it is one of them, or below one of them and says no more than it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Candidate, Index};
use crate::error::{Error, Result};
use crate::eval::paired::Pairs;

/// The columns.
const HEADER: &str = "query\tkind\tcodes\ttable";

/// Candidates among which the right one counts as found.
pub const SHOWN: usize = 5;

/// What to look for, and what should be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'t> {
    /// What was said.
    pub text: &'t str,
    /// What kind of query it is, such as `misspelling`.
    pub kind: &'t str,
    /// The codes, any of which is right.
    pub expected: Vec<&'t str>,
    /// The table that it is asked of, such as `icd10cm`.
    pub table: &'t str,
}

/// How two ways of searching did on the same queries: alone (`a`) and re-ranked (`b`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Whether the first candidate is right.
    pub first: Pairs,
    /// Whether one of the first [`SHOWN`] is.
    pub five: Pairs,
}

/// Reads queries.
///
/// # Errors
/// [`Error::Question`] for a line with other columns, [`Error::Questions`] for a file of something else.
pub fn queries(text: &str) -> Result<Vec<Query<'_>>> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(Error::Questions {
            problem: "these are no queries".to_owned(),
            remedy: "begin with the line `query`, `kind`, `codes`, `table`, with tabs between",
        });
    }
    (2..)
        .zip(lines)
        .map(|(line, text)| query(line, text))
        .collect()
}

fn query(line: usize, text: &str) -> Result<Query<'_>> {
    let columns: Vec<&str> = text.split('\t').collect();
    match columns[..] {
        [text, kind, codes, table] if !codes.trim().is_empty() => Ok(Query {
            text,
            kind,
            expected: codes.split_whitespace().collect(),
            table,
        }),
        _ => Err(Error::Question {
            line,
            problem: format!("it has {} columns or no code", columns.len()),
            remedy: "write a query, its kind, its codes and a table, with tabs between",
        }),
    }
}

/// The place of the first right candidate, from 0.
pub fn place(index: &Index, query: &Query<'_>, found: &[Candidate]) -> Option<usize> {
    let right =
        |code: &str| query.expected.contains(&code) || says_no_more(index, &query.expected, code);
    found.iter().position(|it| right(&it.coding.code))
}

impl Counts {
    /// One more query; the places of the first right candidate, either way.
    pub fn add(&mut self, alone: Option<usize>, reranked: Option<usize>) {
        let within = |place: Option<usize>, most: usize| place.is_some_and(|place| place < most);
        self.first.add(within(alone, 1), within(reranked, 1));
        self.five.add(within(alone, SHOWN), within(reranked, SHOWN));
    }
}

/// Whether a code is below an expected one and differs from it only in saying that it is unspecified.
fn says_no_more(index: &Index, expected: &[&str], code: &str) -> bool {
    let words = |code: &str| -> Option<BTreeSet<String>> {
        let display = index.lookup(code)?.display.to_lowercase();
        let words = display.split(|letter: char| !letter.is_alphanumeric());
        let words = words.filter(|word| !word.is_empty() && *word != "unspecified");
        Some(words.map(str::to_owned).collect())
    };
    let own = words(code);
    let same = |head: &&str| code.starts_with(head) && own.is_some() && words(head) == own;
    expected.iter().any(same)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn queries_are_read_line_by_line() {
        let text = format!("{HEADER}\ngray ear\tlay\tX1 X2\ticd10cm\n");
        let read = queries(&text).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(
            (read[0].text, &read[0].expected[..]),
            ("gray ear", &["X1", "X2"][..])
        );
    }

    #[test]
    fn what_is_no_query_is_refused_with_its_line() {
        assert!(matches!(
            queries("gray ear\tlay\tX1\ticd10cm"),
            Err(Error::Questions { .. })
        ));
        for line in ["gray ear", "gray ear\tlay\t \ticd10cm", "a\tb\tc\td\te"] {
            let text = format!("{HEADER}\nok\tlay\tX1\ticd10cm\n{line}");
            assert!(
                matches!(queries(&text), Err(Error::Question { line: 3, .. })),
                "{line}"
            );
        }
    }

    #[test]
    fn places_count_as_first_or_among_five() {
        let mut counts = Counts::default();
        counts.add(Some(0), Some(4));
        counts.add(None, Some(0));
        counts.add(Some(5), None);
        assert_eq!(
            (
                counts.first.only_a,
                counts.first.only_b,
                counts.first.neither
            ),
            (1, 1, 1)
        );
        assert_eq!(
            (counts.five.both, counts.five.only_b, counts.five.neither),
            (1, 1, 1)
        );
    }
}
