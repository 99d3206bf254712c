//! Named signs in a transcript: words in order, and whether they were said of the patient.
//!
//! Not understanding, but a fixed procedure that a reader can follow. A sign is left out only where it was surely denied
//! (`no convulsions`, `Any fits? No.`, `stridor: absent`), surely a relative's (`her brother had fits`, `family history
//! of ..`), or only spoken of as what to return for (`come back if he has fits`). All else counts, and so do, knowingly:
//! signs of the past, signs of `my mother` (who may be the patient), what stands behind another thing that was denied
//! without a comma and an `or` (`no fever convulsions today`), and an answer to a question that held a negation itself.

use super::lists::{
    ADVICE, ANSWERS, BREAKS, DENY, DESCRIBE, LIMITS, MOTHERS, NO, NOT, OPEN, OWNERS, PASS,
    RELATIVES, SUFFERS, UNTIL, VERBS,
};
use crate::record::Span;

/// Words that may stand for a `..` of a phrase.
const GAP: usize = 4;

/// Words between a relative and the sign, with both.
const NEAR: usize = 6;

/// Words that a list of denied things may hold, as in `no fever, cough or convulsions`.
const LIST: usize = 16;

/// Words that a thing in such a list may have behind the sign.
const SHORT: usize = 3;

/// What stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
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

    fn ends_sentence(self) -> bool {
        matches!(self, Self::Stop | Self::Question)
    }
}

struct Word {
    text: String,
    span: Span,
    before: Before,
}

/// A text as words.
pub struct Text {
    words: Vec<Word>,
    /// What stands after the last word.
    end: Before,
}

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

fn is(word: &str, list: &[&str]) -> bool {
    list.contains(&word)
}

fn is_not(word: &str) -> bool {
    is(word, NOT) || word.ends_with("n't")
}

fn is_denial(word: &str) -> bool {
    is_not(word) || is(word, NO) || is(word, DENY)
}

impl Text {
    /// Splits a text into words.
    pub fn new(text: &str) -> Self {
        let mut words: Vec<Word> = Vec::new();
        let mut end = 0;
        let mut rest = text.char_indices().peekable();
        while let Some((start, first)) = rest.next() {
            if !first.is_alphanumeric() {
                continue;
            }
            let mut stop = start + first.len_utf8();
            while let Some(&(at, next)) = rest.peek() {
                let after = text[at + next.len_utf8()..].chars().next();
                let joins = matches!(next, '\'' | '’') && after.is_some_and(char::is_alphanumeric);
                let decimal = matches!(next, '.' | ',')
                    && text[..at].ends_with(|c: char| c.is_ascii_digit())
                    && after.is_some_and(|c| c.is_ascii_digit());
                if !next.is_alphanumeric() && !joins && !decimal {
                    break;
                }
                stop = at + next.len_utf8();
                rest.next();
            }
            words.push(Word {
                text: text[start..stop].to_lowercase().replace('’', "'"),
                span: Span { start, end: stop },
                before: Before::of(&text[end..start]),
            });
            end = stop;
        }
        Self {
            words,
            end: Before::of(&text[end..]),
        }
    }

    /// Where one of the phrases was first said of the patient.
    ///
    /// `maternal`: the patient is pregnant or gave birth.
    pub fn find(&self, phrases: &[Phrase], maternal: bool) -> Option<Span> {
        // What is inside of words that do not count does not count either: `no new confusion` holds `confusion`.
        let mut covered = 0;
        for start in 0..self.words.len() {
            for phrase in phrases {
                let Some(end) = self.matches(&phrase.parts, start) else {
                    continue;
                };
                let denied = self.denied(start, end, phrase);
                let another = self.of_relative(start, maternal) || self.is_advice(start);
                if phrase.inverted == denied && !another && start >= covered {
                    return Some(Span {
                        start: self.words.get(start)?.span.start,
                        end: self.words.get(end - 1)?.span.end,
                    });
                }
                if another || !phrase.inverted {
                    covered = covered.max(end);
                }
            }
        }
        None
    }

    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| &word.text)
    }

    /// What stands before the word at `at`, or after the last one.
    fn before(&self, at: usize) -> Before {
        self.words.get(at).map_or(self.end, |word| word.before)
    }

    /// The word after the last one that the parts match, from `start` on. A phrase does not reach over a mark.
    fn matches(&self, parts: &[Part], start: usize) -> Option<usize> {
        let mut at = start;
        for (index, part) in parts.iter().enumerate() {
            let joined = at == start || self.before(at) == Before::Nothing;
            match part {
                Part::Word(word) if joined && self.word(at) == word => at += 1,
                Part::Beginning(word) if joined && self.word(at).starts_with(word.as_str()) => {
                    at += 1
                }
                Part::Gap => {
                    let rest = parts.get(index + 1..).unwrap_or_default();
                    return (0..=GAP)
                        .take_while(|skipped| {
                            (0..*skipped).all(|word| self.before(at + word) == Before::Nothing)
                        })
                        .find_map(|skipped| {
                            let clear = self.before(at + skipped) == Before::Nothing;
                            clear.then(|| self.matches(rest, at + skipped))?
                        });
                }
                Part::End if at >= self.words.len() || self.before(at) != Before::Nothing => {}
                _ => return None,
            }
        }
        Some(at)
    }

    fn denied(&self, start: usize, end: usize, phrase: &Phrase) -> bool {
        self.denied_before(start, end, phrase)
            || self.denied_after(end)
            || self.answered_no(start, end, phrase)
    }

    /// Whether a denial in the same sentence surely reaches the words.
    fn denied_before(&self, start: usize, end: usize, phrase: &Phrase) -> bool {
        let joined = |at: &usize| matches!(self.before(at + 1), Before::Nothing | Before::Comma);
        let back = (start.saturating_sub(LIST)..start).rev().take_while(joined);
        let Some(at) = back.into_iter().find(|&at| is_denial(self.word(at))) else {
            return false;
        };
        let denial = self.word(at);
        let last = at
            .checked_sub(1)
            .filter(|_| self.before(at) == Before::Nothing);
        let twice =
            last.is_some_and(|last| is_denial(self.word(last)) || self.word(last) == "nothing");
        // `No, convulsions twice.` answers something else.
        let answer = self.before(at + 1) == Before::Comma;
        // `no convulsions until today`
        let until = self.before(end) == Before::Nothing
            && (end..end + 2).any(|at| is(self.word(at), UNTIL));
        let any = |list: &[&str]| (at + 1..start).any(|at| is(self.word(at), list));
        if twice || answer || until || any(BREAKS) || any(OPEN) {
            return false;
        }
        let parts = |at: &usize| matches!(self.word(*at), "or" | "nor" | "and" | "plus");
        let comma = (at + 1..=start).any(|at| self.before(at) == Before::Comma);
        let and = any(&["and", "plus"]);
        // What stands in the same part as the sign must be such as `any`, or it is the thing that is denied.
        let own_part = (at + 1..start)
            .rev()
            .take_while(|at| !parts(at) && self.before(at + 1) != Before::Comma);
        if !own_part.into_iter().all(|at| is(self.word(at), PASS)) {
            return false;
        }
        if !comma && !and && !any(&["or", "nor"]) {
            let longer = denial == "no" && self.word(at + 1) == "longer";
            // Only `not` denies an ability; `no trouble feeding` says nothing against it.
            return !phrase.inverted || is_not(denial) || longer;
        }
        let verb = (at + 2..start).any(|at| is(self.word(at), VERBS));
        let listed = !comma || self.is_list(at, start, end);
        !phrase.inverted && !verb && listed && (!and || is(denial, DENY))
    }

    /// Whether the things after a denial are a list up to its last: with an `or`, and after `denies` also with an `and`.
    fn is_list(&self, denial: usize, start: usize, end: usize) -> bool {
        let word = self.word(denial);
        let ends = |at: usize| match self.word(at) {
            "or" | "nor" => true,
            "and" => is(word, DENY),
            _ => false,
        };
        let mut since_comma = 0;
        let after = (end..self.words.len()).take_while(|&at| {
            since_comma = if self.before(at) == Before::Comma {
                0
            } else {
                since_comma + 1
            };
            let own = is(self.word(at), BREAKS) || is(self.word(at), VERBS);
            let joined = matches!(self.before(at), Before::Nothing | Before::Comma);
            !own && joined && since_comma <= SHORT
        });
        (denial + 1..start).any(ends) || after.into_iter().any(ends)
    }

    /// `stridor: absent`, `chest pain is denied`, `(convulsions - no)`.
    fn denied_after(&self, end: usize) -> bool {
        let closes = |at: usize| at >= self.words.len() || self.before(at) != Before::Nothing;
        if self.before(end) == Before::Colon && is(self.word(end), ANSWERS) {
            return closes(end + 1);
        }
        let copula = matches!(self.word(end), "is" | "was" | "are" | "were");
        copula
            && self.before(end) == Before::Nothing
            && self.before(end + 1) == Before::Nothing
            && matches!(self.word(end + 1), "absent" | "denied" | "negative")
            && closes(end + 2)
    }

    /// A question that the next sentence answers with no. A question with a denial in it stays open.
    fn answered_no(&self, start: usize, end: usize, phrase: &Phrase) -> bool {
        let Some(next) = (end..self.words.len()).find(|&at| self.before(at).ends_sentence()) else {
            return false;
        };
        let first = (0..start)
            .rev()
            .find(|&at| self.before(at + 1).ends_sentence())
            .map_or(0, |at| at + 1);
        let denial_inside = (first..next).any(|at| is_denial(self.word(at)));
        if self.before(next) != Before::Question || denial_inside || phrase.denies() {
            return false;
        }
        // The name of who speaks, as in `Mother: No.`
        let label = (1..=3).find(|&words| self.before(next + words) == Before::Colon);
        let answer = next + label.unwrap_or(0);
        let no = matches!(self.word(answer), "no" | "nope" | "nah" | "never" | "none")
            || (self.word(answer) == "not" && self.word(answer + 1) == "at");
        // `No, but yesterday he had one.`
        let rest =
            (answer + 1..self.words.len()).take_while(|&at| !self.before(at).ends_sentence());
        no && !rest.into_iter().any(|at| {
            is(self.word(at), UNTIL) || is(self.word(at), OPEN) || is(self.word(at), LIMITS)
        })
    }

    /// `her brother had convulsions`, `family history of convulsions`. A mother may be the patient where `maternal`.
    fn of_relative(&self, start: usize, maternal: bool) -> bool {
        let joined = |at: &usize| self.before(at + 1) == Before::Nothing;
        for at in (start.saturating_sub(NEAR)..start).rev().take_while(joined) {
            let word = self.word(at);
            let own = |from: usize| {
                (from..start).any(|at| is(self.word(at), BREAKS) || is(self.word(at), VERBS))
            };
            if word == "history" && at > 0 && self.word(at - 1) == "family" {
                return !own(at + 1) && (at + 1..start).all(|at| self.word(at) != "and");
            }
            let owner = (1..=2).any(|back| at >= back && is(self.word(at - back), OWNERS));
            let relative = is(word, RELATIVES) && !(maternal && is(word, MOTHERS));
            let verb = at + 1;
            let suffers = is(self.word(verb), SUFFERS) || self.word(verb).ends_with("n't");
            if relative && owner && suffers && verb < start {
                // Between the verb and the sign only words that describe it.
                return (verb + 1..start).all(|at| is(self.word(at), DESCRIBE));
            }
        }
        false
    }

    /// `come back if he has convulsions`: advice and `if` before the sign, or `if` before it and advice behind.
    fn is_advice(&self, start: usize) -> bool {
        let joined = |at: &usize| matches!(self.before(at + 1), Before::Nothing | Before::Comma);
        let sentence: Vec<usize> = (0..start).rev().take_while(joined).collect();
        let condition = |at: &&usize| match self.word(**at) {
            "if" => at.checked_sub(1).is_none_or(|last| self.word(last) != "as"),
            "case" => at
                .checked_sub(1)
                .is_some_and(|last| self.word(last) == "in"),
            _ => false,
        };
        let Some(&condition) = sentence.iter().find(condition) else {
            return false;
        };
        let advice = |at: usize| is(self.word(at), ADVICE);
        let reason = |at: usize| {
            matches!(
                self.word(at),
                "because" | "due" | "since" | "so" | "as" | "now" | "today"
            )
        };
        if (condition + 1..start).any(|at| advice(at) || reason(at)) {
            return false;
        }
        let before = sentence.into_iter().any(|at| at < condition && advice(at));
        let mut behind = (start..self.words.len())
            .take_while(|&at| at == start || !self.before(at).ends_sentence());
        before || behind.any(advice)
    }
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
