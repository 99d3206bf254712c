//! Finds the words of a draft in the transcript: what was not said is not kept.
//!
//! Words are compared without regard to case, white space, the shape of quotation marks and dashes, and punctuation at their
//! ends. Nothing else is forgiven: a word that was not said is no evidence.

use crate::record::Span;

/// A word of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// As it is compared.
    pub folded: String,
    /// Where it stands, without punctuation at its ends.
    pub span: Span,
    /// Which sentence it is in, counted from 0.
    pub sentence: usize,
    /// Whether a comma or the like follows it.
    pub ends_clause: bool,
}

/// A transcript, made ready to find words in.
#[derive(Debug, Clone)]
pub struct Transcript<'t> {
    text: &'t str,
    words: Vec<Word>,
}

impl<'t> Transcript<'t> {
    /// Takes a transcript apart.
    pub fn new(text: &'t str) -> Self {
        let mut words = Vec::new();
        let mut sentence = 0;
        let mut from = 0;
        for piece in text.split_inclusive(char::is_whitespace) {
            let bare = piece.trim();
            if let Some(span) = bare_span(piece, from) {
                let folded = fold(&text[span.range()]);
                words.push(Word {
                    folded,
                    span,
                    sentence,
                    ends_clause: bare.ends_with([',', ':', ';', '.', '!', '?', ')']),
                });
            }
            from += piece.len();
            // People dictate without full stops: a line that goes on in small letters is the same sentence.
            let next = text[from..].trim_start().chars().next();
            let line_ends =
                piece.ends_with('\n') && !next.is_some_and(|c| c.is_lowercase() || c.is_numeric());
            if line_ends || bare.ends_with(['.', '!', '?', ';']) {
                sentence += 1;
            }
        }
        Self { text, words }
    }

    /// The transcript itself.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Its words by sentence.
    pub(super) fn by_sentence(&self) -> impl Iterator<Item = &[Word]> {
        self.words.chunk_by(|a, b| a.sentence == b.sentence)
    }

    /// Where `quote` is said, word after word; the first place if there are several.
    pub fn find(&self, quote: &str) -> Option<Span> {
        self.find_in(0..self.words.len(), quote)
    }

    /// Whether `words` are said within `span`, one after the other.
    pub fn says(&self, span: Span, words: &str) -> bool {
        self.find_in(self.inside(span), words).is_some()
    }

    /// Whether every word is said in a sentence that `span` touches, in any order.
    pub fn says_around(&self, span: Span, words: &str) -> bool {
        let inside = &self.words[self.inside(span)];
        let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
            return false;
        };
        let sentences = first.sentence..=last.sentence;
        let around = || {
            self.words
                .iter()
                .filter(|word| sentences.contains(&word.sentence))
        };
        let mut wanted = bare_words(words).peekable();
        wanted.peek().is_some() && wanted.all(|word| around().any(|said| said.folded == word))
    }

    /// The whole sentences that `span` touches.
    pub fn sentences(&self, span: Span) -> Span {
        let inside = &self.words[self.inside(span)];
        let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
            return span;
        };
        let of = |sentence| {
            self.words
                .iter()
                .filter(move |word| word.sentence == sentence)
        };
        let start = of(first.sentence).map(|word| word.span.start).min();
        let end = of(last.sentence).map(|word| word.span.end).max();
        Span {
            start: start.unwrap_or(span.start),
            end: end.unwrap_or(span.end),
        }
    }

    /// Which words lie within `span`.
    fn inside(&self, span: Span) -> std::ops::Range<usize> {
        let start = self
            .words
            .partition_point(|word| word.span.start < span.start);
        let end = self.words.partition_point(|word| word.span.end <= span.end);
        start..end.max(start)
    }

    fn find_in(&self, among: std::ops::Range<usize>, words: &str) -> Option<Span> {
        let wanted: Vec<_> = bare_words(words).collect();
        if wanted.is_empty() {
            return None;
        }
        let found = self.words[among].windows(wanted.len()).find(|said| {
            said.iter()
                .zip(&wanted)
                .all(|(said, wanted)| said.folded == *wanted)
        })?;
        Some(Span {
            start: found.first()?.span.start,
            end: found.last()?.span.end,
        })
    }
}

/// The words of a text as they are compared.
fn bare_words(text: &str) -> impl Iterator<Item = String> + '_ {
    let pieces = text.split_whitespace();
    pieces.filter_map(|piece| bare_span(piece, 0).map(|span| fold(&piece[span.range()])))
}

/// Where the word in `piece` is, without punctuation at its ends; `None` if it is all punctuation. A percent sign, a degree
/// and what makes a number negative belong to the word.
fn bare_span(piece: &str, from: usize) -> Option<Span> {
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '%' | '°' | '+');
    let start = piece.find(belongs)?;
    let start = match piece[..start].strip_suffix(['-', '\u{2212}']) {
        Some(before) if piece[start..].starts_with(|c: char| c.is_ascii_digit()) => before.len(),
        _ => start,
    };
    let (last, end) = piece.char_indices().rfind(|(_, c)| belongs(*c))?;
    Some(Span {
        start: from + start,
        end: from + last + end.len_utf8(),
    })
}

fn fold(word: &str) -> String {
    let fold = |c: char| match c {
        '\u{2018}' | '\u{2019}' | '\u{02bc}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    };
    word.chars()
        .map(fold)
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const SAID: &str =
        "She takes Fenatulex,  35 mg\ntwice a day. No rash; temperature 38.4 °C. It’s better.";

    fn found(quote: &str) -> Option<&'static str> {
        Transcript::new(SAID)
            .find(quote)
            .and_then(|span| span.of(SAID))
    }

    #[test]
    fn words_are_found_as_they_were_said() {
        assert_eq!(found("Fenatulex, 35 mg"), Some("Fenatulex,  35 mg"));
        assert_eq!(
            found("fenatulex 35 MG twice"),
            Some("Fenatulex,  35 mg\ntwice")
        );
        assert_eq!(found("\"No rash\""), Some("No rash"));
        assert_eq!(found("38.4"), Some("38.4"));
        assert_eq!(found("It's better"), Some("It’s better"));
    }

    #[test]
    fn what_was_not_said_is_not_found() {
        for quote in [
            "",
            " ",
            "...",
            "Fenatul",
            "35 mg once",
            "rash temperature 38.5",
            "38",
        ] {
            assert_eq!(found(quote), None, "{quote:?}");
        }
    }

    #[test]
    fn around_a_place_means_its_sentences() {
        let transcript = Transcript::new(SAID);
        let drug = transcript.find("Fenatulex").unwrap();
        assert!(!transcript.says(drug, "twice a day"));
        assert!(!transcript.says_around(drug, "rash"));
        assert!(!transcript.says_around(drug, ""));
        assert_eq!(
            transcript
                .sentences(transcript.find("No").unwrap())
                .of(SAID),
            Some("No rash")
        );
        assert!(transcript.says_around(drug, "a day twice"));
        let lines = Transcript::new("Fenatulex 35 mg\nNo rash");
        assert!(!lines.says_around(lines.find("Fenatulex").unwrap(), "rash"));
    }

    proptest! {
        #[test]
        fn every_run_of_words_is_found_and_lies_on_characters(text in "\\PC{0,60}", from in 0..8usize, count in 1..5usize) {
            let words: Vec<_> = text.split_whitespace().skip(from).take(count).collect();
            let quote = words.join(" ");
            let transcript = Transcript::new(&text);
            let has_words = bare_words(&quote).next().is_some();
            let span = transcript.find(&quote);
            prop_assert_eq!(span.is_some(), has_words);
            if let Some(span) = span {
                let said = span.of(&text).unwrap();
                prop_assert_eq!(transcript.find(said), Some(span));
                prop_assert!(transcript.says(span, &quote));
                prop_assert!(transcript.sentences(span).of(&text).is_some());
            }
        }
    }
}
