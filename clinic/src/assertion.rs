//! What a transcript says of a thing that it names: that it is there, denied, a relative's, what to return for, or over.
//!
//! Not understanding, but a fixed procedure that a reader can follow, for whoever must not take a word for a fact: danger signs,
//! the rules that extract without a model, and the check of what a model drafted. Each asks here, so that they agree. An
//! answer is given only where it is sure: a thing was denied (`no convulsions`, `Any fits? No.`, `stridor: absent`), is a
//! relative's (`her brother had fits`, `family history of ..`), is only spoken of as what to return for (`come back if he has
//! fits`), or is over (`had fits as a child`). Not sure, and so not said to be denied: what stands behind another thing that was
//! denied, without a comma and an `or` (`no fever convulsions today`), and an answer to a question that held a negation
//! itself. The terms are those of ConText (Harkema et al., J Biomed Inform 2009): negation, experiencer, hypothetical, historical.

mod lists;

use std::ops::Range;

use self::lists::{
    ADVICE, ANSWERS, BREAKS, DENY, DESCRIBE, LASTING, LIMITS, MOTHERS, NO, NOT, OPEN, OWNERS, PASS,
    RELATIVES, SUFFERS, UNTIL, VERBS,
};
use crate::quote::{Before, Transcript};

/// Words between a relative and the thing, with both.
const NEAR: usize = 6;

/// Words that a list of denied things may hold, as in `no fever, cough or convulsions`.
const LIST: usize = 16;

/// Words that a thing in such a list may have behind the one that is asked for.
const SHORT: usize = 3;

/// Whether a thing is a relative's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relative {
    /// Nothing says so.
    #[default]
    No,
    /// `my mother`, `the mother`: who may be the patient herself, spoken of by another.
    Perhaps,
    /// `her mother`, a family history, or `my mother` in the patient's own words.
    Surely,
}

/// What is said of a thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Assertion {
    /// It is said not to be there.
    pub denied: bool,
    /// It is said of a relative.
    pub relative: Relative,
    /// It is only what to return for.
    pub hypothetical: bool,
    /// It is over.
    pub past: bool,
}

/// How a thing is named, where that bears on what is said of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// It counts where it is denied, as an ability does.
    pub inverted: bool,
    /// Its own words hold a denial.
    pub denies: bool,
    /// The patient is pregnant or gave birth: a mother may be the patient.
    pub maternal: bool,
}

/// What is said of `words`, by their places in the transcript.
pub(crate) fn assertion(
    transcript: &Transcript<'_>,
    words: Range<usize>,
    manner: Manner,
) -> Assertion {
    let named = Named {
        said: transcript,
        start: words.start,
        end: words.end,
        manner,
    };
    Assertion {
        denied: named.denied(),
        relative: named.relative(),
        hypothetical: named.is_advice(),
        past: named.past(),
    }
}

/// What is said of `name` wherever the transcript has it in `quote`: what holds at every such place. `None` if there is none.
///
/// ```
/// use outpost_clinic::assertion::{Relative, of_name};
/// use outpost_clinic::quote::Transcript;
///
/// let said = Transcript::new("No fever, no rash. Her mother has asthma.");
/// assert!(of_name(&said, "no rash", "rash").unwrap().denied);
/// assert_eq!(of_name(&said, "mother has asthma", "asthma").unwrap().relative, Relative::Surely);
/// assert_eq!(of_name(&said, "cough", "cough"), None);
/// ```
pub fn of_name(transcript: &Transcript<'_>, quote: &str, name: &str) -> Option<Assertion> {
    let all = 0..transcript.words().len();
    let places = transcript
        .places(all, quote)
        .flat_map(|quoted| transcript.places(quoted, name));
    places
        .map(|words| assertion(transcript, words, Manner::default()))
        .reduce(|one, other| Assertion {
            denied: one.denied && other.denied,
            relative: one.relative.min(other.relative),
            hypothetical: one.hypothetical && other.hypothetical,
            past: one.past && other.past,
        })
}

fn is(word: &str, list: &[&str]) -> bool {
    list.contains(&word)
}

fn is_not(word: &str) -> bool {
    is(word, NOT) || word.ends_with("n't")
}

/// Whether a word denies what follows.
pub(crate) fn is_denial(word: &str) -> bool {
    is_not(word) || is(word, NO) || is(word, DENY)
}

/// A thing that a transcript names.
struct Named<'a, 't> {
    said: &'a Transcript<'t>,
    /// Its first word.
    start: usize,
    /// The word behind its last one.
    end: usize,
    manner: Manner,
}

impl<'a> Named<'a, '_> {
    fn word(&self, at: usize) -> &'a str {
        self.said.word(at)
    }

    fn before(&self, at: usize) -> Before {
        self.said.before(at)
    }

    fn denied(&self) -> bool {
        self.denied_before() || self.denied_after() || self.answered_no()
    }

    /// Whether a denial in the same sentence surely reaches the words.
    fn denied_before(&self) -> bool {
        let (start, end) = (self.start, self.end);
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
        // `no known allergy` is a denial, `not known whether` is none.
        let known = usize::from(denial == "no" && self.word(at + 1) == "known");
        let open = (at + 1 + known..start).any(|at| is(self.word(at), OPEN));
        if twice || answer || until || any(BREAKS) || open {
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
            return !self.manner.inverted || is_not(denial) || longer;
        }
        let verb = (at + 2..start).any(|at| is(self.word(at), VERBS));
        let listed = !comma || self.is_list(at);
        !self.manner.inverted && !verb && listed && (!and || is(denial, DENY))
    }

    /// Whether the things after a denial are a list up to its last: with an `or`, and after `denies` also with an `and`.
    fn is_list(&self, denial: usize) -> bool {
        let (start, end) = (self.start, self.end);
        let word = self.word(denial);
        let ends = |at: usize| match self.word(at) {
            "or" | "nor" => true,
            "and" => is(word, DENY),
            _ => false,
        };
        let mut since_comma = 0;
        let after = (end..self.said.words().len()).take_while(|&at| {
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
    fn denied_after(&self) -> bool {
        let end = self.end;
        let closes =
            |at: usize| at >= self.said.words().len() || self.before(at) != Before::Nothing;
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
    fn answered_no(&self) -> bool {
        let (start, end) = (self.start, self.end);
        let Some(next) = (end..self.said.words().len()).find(|&at| self.before(at).ends_sentence())
        else {
            return false;
        };
        let first = (0..start)
            .rev()
            .find(|&at| self.before(at + 1).ends_sentence())
            .map_or(0, |at| at + 1);
        let denial_inside = (first..next).any(|at| is_denial(self.word(at)));
        if self.before(next) != Before::Question || denial_inside || self.manner.denies {
            return false;
        }
        // The name of who speaks, as in `Mother: No.`
        let label = (1..=3).find(|&words| self.before(next + words) == Before::Colon);
        let answer = next + label.unwrap_or(0);
        let no = matches!(self.word(answer), "no" | "nope" | "nah" | "never" | "none")
            || (self.word(answer) == "not" && self.word(answer + 1) == "at");
        // `No, but yesterday he had one.`
        let rest = (answer + 1..self.said.words().len())
            .take_while(|&at| !self.before(at).ends_sentence());
        no && !rest.into_iter().any(|at| {
            is(self.word(at), UNTIL) || is(self.word(at), OPEN) || is(self.word(at), LIMITS)
        })
    }

    /// `her brother had convulsions`, `family history of convulsions`, `convulsions in the family`. A mother may be the patient
    /// where `maternal`.
    fn relative(&self) -> Relative {
        let start = self.start;
        let behind: Vec<&str> = (self.end..self.end + 4)
            .take_while(|&at| self.before(at) == Before::Nothing)
            .map(|at| self.word(at))
            .filter(|word| *word != "runs")
            .collect();
        if let ["in", "the" | "my" | "his" | "her" | "their", "family", ..] = behind[..] {
            return Relative::Surely;
        }
        let joined = |at: &usize| self.before(at + 1) == Before::Nothing;
        for at in (start.saturating_sub(NEAR)..start).rev().take_while(joined) {
            let word = self.word(at);
            let own = |from: usize| {
                (from..start).any(|at| is(self.word(at), BREAKS) || is(self.word(at), VERBS))
            };
            if word == "history" && at > 0 && self.word(at - 1) == "family" {
                let and = (at + 1..start).any(|at| self.word(at) == "and");
                return match own(at + 1) || and {
                    true => Relative::No,
                    false => Relative::Surely,
                };
            }
            let relative = is(word, RELATIVES) && !(self.manner.maternal && is(word, MOTHERS));
            let verb = at + 1;
            let suffers = is(self.word(verb), SUFFERS) || self.word(verb).ends_with("n't");
            // Between the verb and the sign only words that describe it.
            let describes = (verb + 1..start).all(|at| is(self.word(at), DESCRIBE));
            if relative && suffers && verb < start && describes {
                let before = |back| at.checked_sub(back).map_or("", |at| self.word(at));
                let whose = [before(1), before(2)];
                let known = whose.iter().any(|word| is(word, OWNERS));
                let own = whose.contains(&"my") && self.is_patient_speaking(at);
                return match known || own {
                    true => Relative::Surely,
                    false => Relative::Perhaps,
                };
            }
        }
        Relative::No
    }

    /// Whether the name of who speaks, as in `Patient: My father ..`, says that it is the patient.
    fn is_patient_speaking(&self, at: usize) -> bool {
        let label = (0..at).rev().find(|&label| {
            let begins = label == 0 || self.before(label).ends_sentence();
            begins && self.before(label + 1) == Before::Colon
        });
        label.is_some_and(|label| self.word(label) == "patient")
    }

    /// `had asthma as a child`, `used to have asthma`: over, in so many words.
    fn past(&self) -> bool {
        let start = self.start;
        let describes = |from: usize| (from..start).all(|at| is(self.word(at), DESCRIBE));
        let joined = |at: &usize| self.before(at + 1) == Before::Nothing;
        let near = || (start.saturating_sub(NEAR)..start).rev().take_while(joined);
        let had = near().any(|at| {
            let perfect = at > 0 && matches!(self.word(at - 1), "has" | "have" | "having" | "not");
            self.word(at) == "had" && !perfect && describes(at + 1)
        });
        let used = near().any(|at| {
            let verb = matches!(self.word(at), "have" | "get" | "suffer");
            verb && at > 1
                && self.word(at - 1) == "to"
                && self.word(at - 2) == "used"
                && describes(at + 1)
        });
        let behind: Vec<&str> = (self.end..self.said.words().len())
            .take_while(|&at| matches!(self.before(at), Before::Nothing | Before::Comma))
            .map(|at| self.word(at))
            .collect();
        let lasts = behind.iter().any(|word| is(word, LASTING));
        let long_ago = |words: &[&str]| {
            matches!(
                words,
                ["years" | "year", "ago", ..]
                    | ["last", "year", ..]
                    | [
                        "as",
                        "a",
                        "child" | "boy" | "girl" | "baby" | "teenager",
                        ..
                    ]
                    | ["in", "childhood", ..]
                    | ["in", "his" | "her" | "my", "childhood", ..]
            )
        };
        let ended = (0..behind.len()).any(|at| long_ago(&behind[at..]));
        !lasts && (used || (had && ended))
    }

    /// `come back if he has convulsions`: advice and `if` before the sign, or `if` before it and advice behind.
    fn is_advice(&self) -> bool {
        let start = self.start;
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
        let mut behind = (start..self.said.words().len())
            .take_while(|&at| at == start || !self.before(at).ends_sentence());
        before || behind.any(advice)
    }
}
