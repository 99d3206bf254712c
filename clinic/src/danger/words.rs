//! Named signs in a transcript: words in order, said of the patient.
//!
//! A sign is left out only where [`crate::assertion`] is sure that it was denied, is a relative's, or is what to return for. All
//! else counts, and so do, knowingly: signs of the past, and signs of `my mother`, who may be the patient.

use crate::assertion::{Manner, Relative, assertion, is_denial};
use crate::quote::{Before, Transcript};
use crate::record::Span;

/// Words that may stand for a `..` of a phrase.
const GAP: usize = 4;

/// A part of a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Word(String),
    /// A word that begins so.
    Beginning(String),
    /// Up to [`GAP`] words.
    Gap,
    /// The end of a clause.
    End,
}

/// Words that name a sign. The head of `signs.tsv` describes how they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    parts: Vec<Part>,
    /// It counts where it is denied.
    inverted: bool,
}

impl Phrase {
    /// Reads a phrase; `None` if it holds no words.
    pub fn read(text: &str) -> Option<Self> {
        let (inverted, text) = match text.strip_prefix('!') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let part = |word: &str| match word {
            ".." => Part::Gap,
            "$" => Part::End,
            _ => match word.strip_suffix('*') {
                Some(beginning) => Part::Beginning(beginning.to_owned()),
                None => Part::Word(word.to_owned()),
            },
        };
        let parts: Vec<Part> = text.split_whitespace().map(part).collect();
        let starts_with_word = matches!(parts.first(), Some(Part::Word(_) | Part::Beginning(_)));
        starts_with_word.then_some(Self { parts, inverted })
    }

    /// Whether it counts where it is denied.
    pub fn is_inverted(&self) -> bool {
        self.inverted
    }

    /// The words without signs for gaps and endings: what a person might say.
    pub fn sample(&self) -> String {
        let words: Vec<&str> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Word(word) | Part::Beginning(word) => Some(word.as_str()),
                Part::Gap | Part::End => None,
            })
            .collect();
        words.join(" ")
    }

    /// Whether the phrase itself holds a denial, as `cannot drink` does.
    pub fn denies(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Word(word) => is_denial(word) || word == "unable" || word == "stopped",
            _ => false,
        })
    }
}

/// Where one of the phrases was first said of the patient.
///
/// `maternal`: the patient is pregnant or gave birth.
pub fn find(transcript: &Transcript<'_>, phrases: &[Phrase], maternal: bool) -> Option<Span> {
    // What is inside of words that do not count does not count either: `no new confusion` holds `confusion`.
    let mut covered = 0;
    for start in 0..transcript.words().len() {
        for phrase in phrases {
            let Some(end) = matches(transcript, &phrase.parts, start) else {
                continue;
            };
            let manner = Manner {
                inverted: phrase.inverted,
                denies: phrase.denies(),
                maternal,
            };
            let said = assertion(transcript, start..end, manner);
            let another = said.relative == Relative::Surely || said.hypothetical;
            if phrase.inverted == said.denied && !another && start >= covered {
                return Some(transcript.span(start..end));
            }
            if another || !phrase.inverted {
                covered = covered.max(end);
            }
        }
    }
    None
}

/// The word after the last one that the parts match, from `start` on. A phrase does not reach over a mark.
fn matches(transcript: &Transcript<'_>, parts: &[Part], start: usize) -> Option<usize> {
    let clear = |at: usize| transcript.before(at) == Before::Nothing;
    let mut at = start;
    for (index, part) in parts.iter().enumerate() {
        let joined = at == start || clear(at);
        let word = transcript.word(at);
        match part {
            Part::Word(wanted) if joined && word == wanted => at += 1,
            Part::Beginning(wanted) if joined && word.starts_with(wanted.as_str()) => at += 1,
            Part::Gap => {
                let rest = parts.get(index + 1..).unwrap_or_default();
                return (0..=GAP)
                    .take_while(|skipped| (0..*skipped).all(|word| clear(at + word)))
                    .find_map(|skipped| {
                        clear(at + skipped).then(|| matches(transcript, rest, at + skipped))?
                    });
            }
            Part::End if at >= transcript.words().len() || !clear(at) => {}
            _ => return None,
        }
    }
    Some(at)
}

impl std::fmt::Display for Phrase {
    /// For a reader: `not: able to drink`, `rash … spreading`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Word(word) => Some(word.clone()),
                Part::Beginning(word) => Some(format!("{word}-")),
                Part::Gap => Some("…".to_owned()),
                Part::End => None,
            })
            .collect();
        let prefix = if self.inverted { "not: " } else { "" };
        write!(f, "{prefix}{}", words.join(" "))
    }
}
