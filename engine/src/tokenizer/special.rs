//! Splits text at the tokens that are recognised as a whole, before any merging.
//!
//! Hugging Face and llama.cpp both do this on the raw text, leftmost first and the longest at each place. Here a
//! control token counts only where all of its bytes come from a trusted span; anywhere else it is ordinary text.

use std::borrow::Cow;
use std::ops::Range;

use super::Span;
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};

/// Longest text that is tokenised at once. The largest context, 131,072 tokens, is far below.
const MAX_TEXT_BYTES: u64 = 1 << 21;

/// Longest token that is recognised as a whole, far above those of Gemma 3. One of each length is looked up at
/// every place of a text, so long ones would make that slow.
const MAX_TOKEN_BYTES: u64 = 256;

/// A stretch of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fragment<'a> {
    /// Not empty; the model tokenises it.
    Text(&'a str),
    /// A token recognised as a whole.
    Token(u32),
}

/// Finds the tokens that are recognised as a whole.
#[derive(Debug)]
pub(super) struct SpecialTokens {
    /// For each first byte the lengths of the tokens that begin with it, longest first. [256][..]
    lengths: Vec<Vec<usize>>,
}

impl SpecialTokens {
    /// The control and user-defined tokens of `vocabulary`.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a very long one.
    pub(super) fn new(vocabulary: &Vocabulary) -> Result<Self> {
        let mut lengths = vec![Vec::new(); 256];
        for (_, piece, kind) in vocabulary.iter() {
            if !matches!(kind, Kind::Control | Kind::UserDefined) {
                continue;
            }
            if piece.len() as u64 > MAX_TOKEN_BYTES {
                return Err(Error::LimitExceeded {
                    what: "the length of a token that is no ordinary text, in bytes,".to_owned(),
                    value: piece.len() as u64,
                    limit: MAX_TOKEN_BYTES,
                });
            }
            if let Some(&first) = piece.as_bytes().first()
                && let Some(lengths) = lengths.get_mut(first as usize)
                && !lengths.contains(&piece.len())
            {
                lengths.push(piece.len());
            }
        }
        for lengths in &mut lengths {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        Ok(Self { lengths })
    }

    /// Splits the text of `spans`, taken as one, and hands each fragment to `take` in order.
    pub(super) fn split(
        &self,
        vocabulary: &Vocabulary,
        spans: &[Span<'_>],
        mut take: impl FnMut(Fragment<'_>) -> Result<()>,
    ) -> Result<()> {
        let (text, trusted) = join(spans)?;
        let bytes = text.as_bytes();
        let (mut start, mut at) = (0, 0);
        while let Some(&first) = bytes.get(at) {
            let lengths = self.lengths.get(first as usize).map_or(&[][..], |l| l);
            let found = lengths.iter().find_map(|length| {
                let range = at..at.checked_add(*length)?;
                let id = vocabulary.id(text.get(range.clone())?)?;
                let counts = match vocabulary.kind(id)? {
                    Kind::UserDefined => true,
                    Kind::Control => covers(&trusted, &range),
                    _ => false,
                };
                counts.then_some((id, range.end))
            });
            match found {
                Some((id, end)) => {
                    if let Some(before) = text.get(start..at).filter(|text| !text.is_empty()) {
                        take(Fragment::Text(before))?;
                    }
                    take(Fragment::Token(id))?;
                    (start, at) = (end, end);
                }
                None => at += 1,
            }
        }
        match text.get(start..).filter(|text| !text.is_empty()) {
            Some(rest) => take(Fragment::Text(rest)),
            None => Ok(()),
        }
    }
}

/// The text of all spans, and the ranges of it that are trusted, joined where they touch.
fn join<'a>(spans: &[Span<'a>]) -> Result<(Cow<'a, str>, Vec<Range<usize>>)> {
    let bytes = spans.iter().map(|span| span.text.len() as u64).sum();
    if bytes > MAX_TEXT_BYTES {
        return Err(Error::LimitExceeded {
            what: "the length of the text in bytes".to_owned(),
            value: bytes,
            limit: MAX_TEXT_BYTES,
        });
    }
    let mut trusted: Vec<Range<usize>> = Vec::new();
    let mut end = 0;
    for span in spans {
        let range = end..end + span.text.len();
        end = range.end;
        match trusted.last_mut() {
            _ if !span.trusted || range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => trusted.push(range),
        }
    }
    let text = match spans {
        [one] => Cow::Borrowed(one.text),
        _ => Cow::Owned(spans.iter().map(|span| span.text).collect()),
    };
    Ok((text, trusted))
}

/// Whether one of the sorted, separate `ranges` holds all of `range`.
fn covers(ranges: &[Range<usize>], range: &Range<usize>) -> bool {
    let candidate = ranges.partition_point(|r| r.end < range.end);
    ranges
        .get(candidate)
        .is_some_and(|r| r.start <= range.start)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const PIECES: [(&str, Kind); 7] = [
        ("<eos>", Kind::Control),
        ("\n", Kind::UserDefined),
        ("\n\n", Kind::UserDefined),
        ("<h1>", Kind::UserDefined),
        ("<unused1>", Kind::Control),
        ("<unused11>", Kind::Control),
        ("eos", Kind::Normal),
    ];

    fn split(spans: &[(&str, bool)]) -> Vec<String> {
        let vocabulary = Vocabulary::new(PIECES.len(), PIECES.into_iter()).unwrap();
        let spans: Vec<Span<'_>> = spans
            .iter()
            .map(|&(text, trusted)| Span { text, trusted })
            .collect();
        let mut out = Vec::new();
        SpecialTokens::new(&vocabulary)
            .unwrap()
            .split(&vocabulary, &spans, |fragment| {
                out.push(match fragment {
                    Fragment::Text(text) => text.to_owned(),
                    Fragment::Token(id) => format!("#{id}"),
                });
                Ok(())
            })
            .unwrap();
        out
    }

    #[test]
    fn the_leftmost_and_then_the_longest_token_wins() {
        assert_eq!(split(&[("a\n\n\nb", true)]), ["a", "#2", "#1", "b"]);
        assert_eq!(
            split(&[("<unused11><unused1>1>", true)]),
            ["#5", "#4", "1>"]
        );
        assert_eq!(split(&[("é<h1>é", false)]), ["é", "#3", "é"]);
        assert!(split(&[("", true)]).is_empty());
    }

    #[test]
    fn a_control_token_counts_only_where_every_byte_is_trusted() {
        assert_eq!(split(&[("a<eos>b", true)]), ["a", "#0", "b"]);
        assert_eq!(split(&[("a<eos>b", false)]), ["a<eos>b"]);
        assert_eq!(split(&[("<e", true), ("os>", true)]), ["#0"]);
        assert_eq!(split(&[("<e", true), ("", false), ("os>", true)]), ["#0"]);
        assert_eq!(split(&[("<e", true), ("os>", false)]), ["<eos>"]);
        assert_eq!(split(&[("<", false), ("eos>", true)]), ["<eos>"]);
        assert_eq!(
            split(&[("<e", true), ("o", false), ("s>", true)]),
            ["<eos>"]
        );
        assert_eq!(
            split(&[("<eos>", false), ("<eos>", true), ("<eos>", false)]),
            ["<eos>", "#0", "<eos>"]
        );
    }

    #[test]
    fn user_defined_tokens_cross_the_borders_of_spans() {
        assert_eq!(
            split(&[("a\n", true), ("\n", false), ("b", true)]),
            ["a", "#2", "b"]
        );
    }

    #[test]
    fn a_token_that_would_make_looking_slow_is_refused() {
        let long = "a".repeat(257);
        let new = |piece: &str, kind| {
            SpecialTokens::new(&Vocabulary::new(1, [(piece, kind)].into_iter()).unwrap())
        };
        for kind in [Kind::Control, Kind::UserDefined] {
            assert!(matches!(new(&long, kind), Err(Error::LimitExceeded { .. })));
            assert!(new(&long[..256], kind).is_ok());
        }
        assert!(new(&long, Kind::Normal).is_ok());
    }

    #[test]
    fn text_beyond_the_limit_is_refused() {
        let text = "a".repeat(MAX_TEXT_BYTES as usize / 2 + 1);
        let half = Span {
            text: &text,
            trusted: false,
        };
        assert!(matches!(
            join(&[half, half]),
            Err(Error::LimitExceeded { .. })
        ));
    }
}
