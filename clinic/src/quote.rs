//! A transcript as words, and where it has the words of a quote: what was not said is not kept.
//!
//! Words are compared without regard to case, white space, punctuation around them and the shape of apostrophes, quotation
//! marks and dashes. Nothing else is forgiven: a word that was not said is no evidence, and half a word is none. A letter that
//! is composed of other characters is another letter.

use std::ops::Range;

use crate::record::Span;

/// What stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Space, or a hyphen inside of a word.
    Nothing,
    Comma,
    /// A colon, a dash or a bracket.
    Colon,
    /// The end of a sentence or a line.
    Stop,
    /// The end of a question.
    Question,
}

impl Before {
    fn of(between: &str) -> Self {
        let has = |marks: &[char]| between.contains(marks);
        if has(&['?']) {
            Self::Question
        } else if has(&['.', '!', ';', '\n', '\r', '…']) {
            Self::Stop
        } else if has(&[':', '(', ')', '–', '—', '"']) || between.contains(" - ") {
            Self::Colon
        } else if has(&[',']) {
            Self::Comma
        } else {
            Self::Nothing
        }
    }

    pub(crate) fn ends_sentence(self) -> bool {
        matches!(self, Self::Stop | Self::Question)
    }
}

/// A word of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it is compared.
    pub folded: String,
    /// Where it stands, without punctuation at its ends.
    pub span: Span,
    /// What stands before it.
    pub before: Before,
    /// Whether a hyphen makes it one with the word before it: a quote does not part them.
    pub hyphenated: bool,
    /// Which sentence it is in, counted from 0. A sentence may go on in the next line.
    pub sentence: usize,
}

impl Word {
    fn is_said_by(&self, other: &Self) -> bool {
        self.folded == other.folded && self.hyphenated == other.hyphenated
    }
}

/// A transcript, made ready to find words in.
#[derive(Debug, Clone)]
pub struct Transcript<'t> {
    text: &'t str,
    words: Vec<Word>,
    /// What stands after the last word.
    end: Before,
}

/// Where a transcript first has the words of a quote. `None` where it does not have them, and for a quote without words.
///
/// ```
/// use outpost_clinic::quote::find;
///
/// let transcript = "She can’t\n sleep,  at night.";
/// let span = find("can't sleep at", transcript).unwrap();
/// assert_eq!(span.of(transcript), Some("can’t\n sleep,  at"));
/// assert_eq!(find("leep", transcript), None);
/// ```
pub fn find(quote: &str, transcript: &str) -> Option<Span> {
    Transcript::new(transcript).find(quote)
}

impl<'t> Transcript<'t> {
    /// Takes a transcript apart.
    pub fn new(text: &'t str) -> Self {
        let mut words: Vec<Word> = Vec::new();
        let (mut end, mut sentence) = (0, 0);
        while let Some(span) = next_word(text, end) {
            let between = &text[end..span.start];
            let first = words.is_empty();
            sentence += usize::from(!first && ends_sentence(between, &text[span.start..]));
            words.push(Word {
                folded: fold(&text[span.range()]),
                span,
                before: Before::of(between),
                hyphenated: !first && is_hyphen(between),
                sentence,
            });
            end = span.end;
        }
        Self {
            text,
            words,
            end: Before::of(&text[end..]),
        }
    }

    /// The transcript itself.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Where `quote` is said, word after word; the first place if there are several.
    pub fn find(&self, quote: &str) -> Option<Span> {
        self.places(0..self.words.len(), quote)
            .next()
            .map(|found| self.span(found))
    }

    /// Whether `words` are said within `span`, one after the other.
    pub fn says(&self, span: Span, words: &str) -> bool {
        self.places(self.inside(span), words).next().is_some()
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
        let wanted = Transcript::new(words).words;
        let said = |wanted: &Word| around().any(|said| said.is_said_by(wanted));
        !wanted.is_empty() && wanted.iter().all(said)
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

    /// Its words.
    pub(crate) fn words(&self) -> &[Word] {
        &self.words
    }

    /// The word at `at`, as it is compared; empty behind the last one.
    pub(crate) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| &word.folded)
    }

    /// What stands before the word at `at`, or after the last one.
    pub(crate) fn before(&self, at: usize) -> Before {
        self.words.get(at).map_or(self.end, |word| word.before)
    }

    /// The words of each sentence.
    pub(crate) fn by_sentence(&self) -> impl Iterator<Item = Range<usize>> {
        let sentences = self.words.chunk_by(|a, b| a.sentence == b.sentence);
        sentences.scan(0, |start, words| {
            let from = *start;
            *start += words.len();
            Some(from..*start)
        })
    }

    /// Which words lie within `span`.
    pub(crate) fn inside(&self, span: Span) -> Range<usize> {
        let start = self
            .words
            .partition_point(|word| word.span.start < span.start);
        let end = self.words.partition_point(|word| word.span.end <= span.end);
        start..end.max(start)
    }

    /// Every place `among` words where `quote` is said, word after word.
    pub(crate) fn places(
        &self,
        among: Range<usize>,
        quote: &str,
    ) -> impl Iterator<Item = Range<usize>> + use<'_, 't> {
        let wanted = Transcript::new(quote).words;
        let starts = match wanted.len() {
            0 => 0..0,
            count => among.start..(among.end + 1).saturating_sub(count).max(among.start),
        };
        starts.filter_map(move |start| {
            let found = start..start + wanted.len();
            let whole = |at: usize| !self.words.get(at).is_some_and(|word| word.hyphenated);
            let said = self.words.get(found.clone())?;
            let same = said
                .iter()
                .zip(&wanted)
                .all(|(it, other)| it.is_said_by(other));
            (same && whole(start) && whole(found.end)).then_some(found)
        })
    }

    /// From the beginning of the first word to the end of the last.
    pub(crate) fn span(&self, words: Range<usize>) -> Span {
        let said = self.words.get(words).unwrap_or_default();
        Span {
            start: said.first().map_or(0, |word| word.span.start),
            end: said.last().map_or(0, |word| word.span.end),
        }
    }
}

/// The first word from `from` on: letters and digits, and what holds them together. A percent sign, a degree, a plus beside it
/// and what makes a number negative belong to it.
fn next_word(text: &str, from: usize) -> Option<Span> {
    let mut last: Option<char> = None;
    let mut word: Option<Span> = None;
    for (at, c) in text[from..].char_indices() {
        let at = from + at;
        let end = at + c.len_utf8();
        let next = text[end..].chars().next();
        let next_is = |is: fn(char) -> bool| next.is_some_and(is);
        let belongs = match (last, c) {
            _ if is_of_word(c) => true,
            (Some(_), _) if is_invisible(c) => true,
            (Some(before), '+') => is_of_word(before),
            (None, '+') => next_is(char::is_alphanumeric),
            // The sign of a number, where no word is before it.
            (None, '-' | '\u{2212}') => {
                let behind_word = text[..at].ends_with(is_of_word);
                !behind_word && next_is(|c| c.is_ascii_digit())
            }
            (Some(_), '\'' | '\u{2018}' | '\u{2019}') => next_is(char::is_alphanumeric),
            (Some(before), '.' | ',' | ':' | '/') => {
                before.is_ascii_digit() && next_is(|c| c.is_ascii_digit())
            }
            _ => false,
        };
        match (belongs, &mut word) {
            (true, Some(word)) => word.end = end,
            (true, None) => word = Some(Span { start: at, end }),
            (false, Some(_)) => break,
            (false, None) => {}
        }
        last = belongs.then_some(c);
    }
    word
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c) || matches!(c, '%' | '°')
}

/// Marks on letters that are no letters themselves: accents, Arabic vowels, and the sign that an Indian consonant has no vowel.
fn is_mark(c: char) -> bool {
    let virama = matches!(c, '\u{900}'..='\u{dff}') && u32::from(c) & 0x7f == 0x4d;
    matches!(c, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}') || virama
}

/// Characters that say only where a word may be parted or not.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'
    )
}

fn is_hyphen(between: &str) -> bool {
    let mut characters = between.chars();
    let hyphen = |c| matches!(c, '-' | '\u{2010}'..='\u{2013}' | '\u{2212}');
    characters.next().is_some_and(hyphen) && characters.next().is_none()
}

/// Whether what stands between two words ends a sentence; `next`: the text from the second word on.
fn ends_sentence(between: &str, next: &str) -> bool {
    let marked =
        between.contains(['.', '!', '?', ';', '…']) && between.contains(char::is_whitespace);
    // People dictate without full stops: a line that goes on in small letters is the same sentence.
    let line = between.rsplit_once('\n').is_some_and(|(_, behind)| {
        let goes_on = next.starts_with(|c: char| c.is_lowercase() || c.is_numeric());
        !(behind.trim().is_empty() && goes_on)
    });
    marked || line
}

fn fold(word: &str) -> String {
    let fold = |c: char| match c {
        '\u{2018}' | '\u{2019}' | '\u{02bc}' => '\'',
        '\u{2212}' => '-',
        // The same letter at the end of a word.
        'ς' => 'σ',
        other => other,
    };
    word.chars()
        .filter(|c| !is_invisible(*c))
        .flat_map(char::to_lowercase)
        .map(fold)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const SAID: &str = "She takes Fenatulex,  35 mg\ntwice a day. No rash; temperature 38.4 °C. It’s better.\n\
        Follow-up in 3-4 days (fever/cough: \u{201c}bad\u{201d}), \u{2212}2.5 °C outside—cold. BP 120/80.";

    fn found(quote: &str) -> Option<&'static str> {
        find(quote, SAID).and_then(|span| span.of(SAID))
    }

    #[test]
    fn words_are_found_as_they_were_said() {
        for (quote, said) in [
            ("Fenatulex, 35 mg", "Fenatulex,  35 mg"),
            ("fenatulex 35 MG twice", "Fenatulex,  35 mg\ntwice"),
            ("\"No rash\"", "No rash"),
            ("rash, temperature", "rash; temperature"),
            ("38.4", "38.4"),
            ("It's better", "It’s better"),
            ("it\u{2018}s better.", "It’s better"),
            ("follow\u{2011}up", "Follow-up"),
            ("3\u{2013}4 days", "3-4 days"),
            ("fever", "fever"),
            ("\"BAD\"", "bad"),
            ("-2.5 °c", "\u{2212}2.5 °C"),
            ("outside - cold", "outside—cold"),
            ("120/80", "120/80"),
        ] {
            assert_eq!(found(quote), Some(said), "{quote}");
        }
    }

    #[test]
    fn what_was_not_said_is_not_found() {
        for quote in [
            "",
            " ",
            "...",
            "Fenatul",
            "atulex",
            "35 mg once",
            "rash temperature 38.5",
            "38",
            "2.5 °C",
            "120",
            "up in",
            "4 days",
            "3 4 days",
            "follow up",
            "It better",
            "fever bad",
            "120/80. And more",
        ] {
            assert_eq!(found(quote), None, "{quote:?}");
        }
        assert_eq!(find("fever", ""), None);
    }

    #[test]
    fn letters_of_any_script_keep_their_place() {
        for (said, quote, words) in [
            ("İstanbul visit, then fever", "fever", "fever"),
            ("İstanbul visit", "i\u{307}stanbul", "İstanbul"),
            ("ΠΟΝΟΣ χθες", "πονος", "ΠΟΝΟΣ"),
            (
                "sore\u{200b}ness, im\u{ad}proved",
                "soreness improved",
                "sore\u{200b}ness, im\u{ad}proved",
            ),
            ("उसे हफ्ते से बुखार है", "हफ्ते से बुखार", "हफ्ते से बुखार"),
        ] {
            assert_eq!(
                find(quote, said).and_then(|span| span.of(said)),
                Some(words)
            );
        }
        assert_eq!(find("हफ", "उसे हफ्ते से"), None, "half a word of marks");
    }

    #[test]
    fn around_a_place_means_its_sentences() {
        let transcript = Transcript::new(SAID);
        let drug = transcript.find("Fenatulex").unwrap();
        assert!(!transcript.says(drug, "twice a day"));
        assert!(!transcript.says_around(drug, "rash"));
        assert!(!transcript.says_around(drug, ""));
        let no = transcript.sentences(transcript.find("No").unwrap());
        assert_eq!(no.of(SAID), Some("No rash"));
        assert!(transcript.says_around(drug, "a day twice"));
        let lines = Transcript::new("Fenatulex 35 mg\nNo rash");
        assert!(!lines.says_around(lines.find("Fenatulex").unwrap(), "rash"));
    }

    /// Words, what may stand between them, and how a quote may write that.
    fn spoken() -> impl Strategy<Value = Vec<(String, &'static str)>> {
        let word = "[a-zA-Zà-ÿ]{1,6}([’'][a-z])?(-[a-z0-9]{1,3})?|-?[0-9]{1,3}([.,/][0-9]{1,2})?%?|[а-яΑ-ΡΣ-Ω]{1,5}";
        let between = prop::sample::select(vec![
            " ",
            "  ",
            ", ",
            ". ",
            "\n",
            " (",
            ") ",
            "; ",
            "? ",
            "! ",
            ": \u{201c}",
        ]);
        prop::collection::vec((word, between), 1..24)
    }

    proptest! {
        #[test]
        fn a_quote_cut_at_the_borders_of_words_is_found_with_its_own_words(
            spoken in spoken(), from in 0..24usize, count in 1..8usize, upper in any::<bool>(), dots in any::<bool>(),
        ) {
            let text: String = spoken.iter().map(|(word, between)| format!("{word}{between}")).collect();
            let words: Vec<&str> = spoken.iter().map(|(word, _)| word.as_str()).collect();
            let from = from % words.len();
            let cut = &words[from..words.len().min(from + count)];
            let mut quote = cut.join(" ").replace('’', "'");
            if upper {
                // Letters that have no single capital of their own stay as they are.
                quote = quote.chars().map(|c| if c.is_ascii() { c.to_ascii_uppercase() } else { c }).collect();
            }
            if dots {
                quote = format!("“{quote}.”");
            }
            let transcript = Transcript::new(&text);
            let span = transcript.find(&quote).unwrap();
            let folded = |text: &str| Transcript::new(text).words.into_iter().map(|it| it.folded).collect::<Vec<_>>();
            prop_assert_eq!(folded(span.of(&text).unwrap()), folded(&quote));
            prop_assert!(transcript.says(span, &quote));
            prop_assert!(transcript.says_around(span, &quote));
        }

        #[test]
        fn a_quote_with_a_changed_word_is_never_found(spoken in spoken(), from in 0..24usize, count in 1..8usize, place in 0..8usize) {
            let text: String = spoken.iter().map(|(word, between)| format!("{word}{between}")).collect();
            let words: Vec<&str> = spoken.iter().map(|(word, _)| word.as_str()).collect();
            let from = from % words.len();
            let cut = &words[from..words.len().min(from + count)];
            let place = place % cut.len();
            for changed in [format!("{}q", cut[place]), format!("q{}", cut[place]), format!("1{}", cut[place]), "unsaid".to_owned()] {
                let said = Transcript::new(&changed).words.iter().all(|it| words.iter().any(|word| {
                    Transcript::new(word).words.iter().any(|said| said.is_said_by(it))
                }));
                prop_assume!(!said);
                let mut quote = cut.to_vec();
                quote[place] = &changed;
                prop_assert_eq!(find(&quote.join(" "), &text), None);
            }
        }

        #[test]
        fn every_run_of_pieces_of_any_text_is_found(text in "\\PC{0,60}", from in 0..8usize, count in 1..5usize) {
            let pieces: Vec<_> = text.split_whitespace().skip(from).take(count).collect();
            let quote = pieces.join(" ");
            let transcript = Transcript::new(&text);
            let has_words = !Transcript::new(&quote).words.is_empty();
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
