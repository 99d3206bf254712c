//! What rules find in a transcript without a model: little, and only what is said in so many words.
//!
//! Measurements behind their names, medications with a strength beside a verb that says what is done with them, what
//! somebody is allergic to, and names that tables know. Anything said otherwise is missed: this is what is left when a model
//! has failed, and the result says so.

use std::ops::Range;

use super::{Lexicon, instructions};
use crate::assertion::{Assertion, Manner, Relative, assertion};
use crate::quote::{Before, Transcript, Word};
use crate::record::{
    Allergy, Condition, Medication, MedicationStatus, Record, Span, Subject, Verification, Vital,
    VitalSign,
};

/// Longest name of a condition or medication, in words.
const MOST_NAME_WORDS: usize = 6;
/// How far behind its name a number may stand, in words.
const REACH: usize = 3;

/// What measurements are called. Longer names first.
const SIGNS: &[(&[&str], VitalSign)] = &[
    (&["respiratory", "rate"], VitalSign::RespiratoryRate),
    (&["breathing", "rate"], VitalSign::RespiratoryRate),
    (&["respirations"], VitalSign::RespiratoryRate),
    (&["heart", "rate"], VitalSign::HeartRate),
    (&["pulse"], VitalSign::HeartRate),
    (&["temperature"], VitalSign::BodyTemperature),
    (&["blood", "pressure"], VitalSign::SystolicBloodPressure),
    (&["bp"], VitalSign::SystolicBloodPressure),
    (&["oxygen", "saturation"], VitalSign::OxygenSaturation),
    (&["spo2"], VitalSign::OxygenSaturation),
    (&["saturation"], VitalSign::OxygenSaturation),
    (&["weight"], VitalSign::BodyWeight),
    (&["weighs"], VitalSign::BodyWeight),
    (&["height"], VitalSign::BodyHeight),
];

/// What units are called, and how UCUM writes them. Without one of these, a temperature, weight or height is not taken: the
/// number alone does not say which it is.
const UNITS: &[(VitalSign, &[&str], &str)] = &[
    (VitalSign::BodyTemperature, &["c", "°c", "celsius"], "Cel"),
    (
        VitalSign::BodyTemperature,
        &["f", "°f", "fahrenheit"],
        "[degF]",
    ),
    (
        VitalSign::BodyWeight,
        &["kg", "kilos", "kilo", "kilograms", "kilogram"],
        "kg",
    ),
    (VitalSign::BodyWeight, &["g", "grams", "gram"], "g"),
    (
        VitalSign::BodyWeight,
        &["lb", "lbs", "pounds", "pound"],
        "[lb_av]",
    ),
    (
        VitalSign::BodyHeight,
        &["cm", "centimetres", "centimeters"],
        "cm",
    ),
    (
        VitalSign::BodyHeight,
        &["m", "metres", "meters", "metre", "meter"],
        "m",
    ),
    (VitalSign::BodyHeight, &["in", "inches", "inch"], "[in_i]"),
];

const STRENGTH_UNITS: &[&str] = &[
    "mg",
    "g",
    "ml",
    "mcg",
    "micrograms",
    "milligrams",
    "millilitres",
    "milliliters",
    "units",
    "iu",
    "drops",
    "tablets",
    "tablet",
    "capsules",
    "capsule",
    "puffs",
];

/// Verbs beside a medication, and what they say about it.
const VERBS: &[(&[&str], MedicationStatus)] = &[
    (
        &["stop", "stopped", "discontinue", "discontinued"],
        MedicationStatus::Stopped,
    ),
    (
        &[
            "prescribe",
            "prescribed",
            "start",
            "started",
            "give",
            "given",
            "gave",
        ],
        MedicationStatus::Intended,
    ),
    (
        &[
            "take",
            "takes",
            "taking",
            "took",
            "uses",
            "using",
            "continue",
            "continues",
        ],
        MedicationStatus::Active,
    ),
];

/// Words that stand before a number without being what it is the strength of.
const NO_NAMES: &[&str] = &[
    "about",
    "and",
    "another",
    "dose",
    "doses",
    "for",
    "gave",
    "give",
    "given",
    "of",
    "only",
    "or",
    "prescribed",
    "start",
    "started",
    "take",
    "takes",
    "taking",
    "than",
    "then",
    "took",
    "uses",
    "using",
    "was",
    "with",
];

/// What the transcript says in so many words.
pub fn record(transcript: &Transcript<'_>, lexicon: &dyn Lexicon) -> Record {
    let mut record = Record::default();
    for sentence in transcript.by_sentence() {
        let words = transcript.words().get(sentence.clone()).unwrap_or_default();
        if words.is_empty() || instructions::within(transcript, transcript.span(sentence.clone())) {
            continue;
        }
        let found = Sentence {
            transcript,
            first: sentence.start,
            words,
            lexicon,
        };
        let measured = record.vitals.len();
        found.vitals(&mut record.vitals);
        found.medications(&mut record.medications);
        found.allergies(&mut record.allergies);
        // What was measured is the name of no condition.
        let measured: Vec<_> = record
            .vitals
            .iter()
            .skip(measured)
            .map(|it| it.evidence)
            .collect();
        found.conditions(&measured, &mut record.conditions);
    }
    record
}

struct Sentence<'a> {
    transcript: &'a Transcript<'a>,
    /// The place of its first word in the transcript.
    first: usize,
    words: &'a [Word],
    lexicon: &'a dyn Lexicon,
}

impl Sentence<'_> {
    fn vitals(&self, into: &mut Vec<Vital>) {
        let mut from = 0;
        while from < self.words.len() {
            let Some((name, sign)) = SIGNS.iter().find(|(name, _)| self.has(from, name)) else {
                from += 1;
                continue;
            };
            let behind = from + name.len();
            let reach = behind..self.words.len().min(behind + REACH);
            let found = reach
                .into_iter()
                .find_map(|at| self.measured(from, at, *sign));
            into.extend(found.into_iter().flatten());
            from = behind;
        }
    }

    /// A measurement whose number is word `at`; its name begins at word `from`.
    fn measured(&self, from: usize, at: usize, sign: VitalSign) -> Option<Vec<Vital>> {
        let vital = |sign, value, unit: &str, last| Vital {
            sign,
            value,
            unit: unit.to_owned(),
            evidence: self.span(from, last),
        };
        let said = self.words.get(at)?.folded.as_str();
        if sign == VitalSign::SystolicBloodPressure {
            let (upper, lower, last) = match said.split_once('/') {
                Some((upper, lower)) => (upper, lower, at),
                None if self.has(at + 1, &["over"]) => {
                    (said, self.words.get(at + 2)?.folded.as_str(), at + 2)
                }
                None => return None,
            };
            let unit = "mm[Hg]";
            return Some(vec![
                vital(sign, upper.parse().ok()?, unit, last),
                vital(
                    VitalSign::DiastolicBloodPressure,
                    lower.parse().ok()?,
                    unit,
                    last,
                ),
            ]);
        }
        let digits = said
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(said.len());
        let (number, glued) = said.split_at(digits);
        let value: f64 = number.parse().ok()?;
        let fixed = match sign {
            VitalSign::HeartRate | VitalSign::RespiratoryRate => Some("/min"),
            VitalSign::OxygenSaturation => Some("%"),
            _ => None,
        };
        if let Some(unit) = fixed {
            return matches!(glued, "" | "%" | "/min").then(|| vec![vital(sign, value, unit, at)]);
        }
        let degrees = usize::from(glued.is_empty() && self.has(at + 1, &["degrees"]));
        let (called, last) = match glued.is_empty() {
            true => (
                self.words.get(at + 1 + degrees)?.folded.as_str(),
                at + 1 + degrees,
            ),
            false => (glued, at),
        };
        let (_, _, unit) = UNITS
            .iter()
            .find(|(of, names, _)| *of == sign && names.contains(&called))?;
        Some(vec![vital(sign, value, unit, last)])
    }

    fn medications(&self, into: &mut Vec<Medication>) {
        let verb = |word: &Word| {
            let said =
                |(verbs, _): &&(&[&str], MedicationStatus)| verbs.contains(&word.folded.as_str());
            VERBS.iter().find(said).map(|(_, status)| *status)
        };
        let Some((verb_at, status)) = (0..)
            .zip(self.words)
            .find_map(|(at, word): (usize, _)| verb(word).map(|status| (at, status)))
        else {
            return;
        };
        let status = match self.assertion(verb_at..verb_at + 1).denied {
            true => MedicationStatus::NotTaken,
            false => status,
        };
        let mut at = 0;
        while at < self.words.len() {
            let Some((count, strength)) = self.medication(at) else {
                at += 1;
                continue;
            };
            let last = strength.map_or(at + count - 1, |_| at + count + 1);
            let (frequency, duration) = (self.frequency(last + 1), self.duration(last + 1));
            let ends = [Some(self.span(at, last)), frequency, duration];
            let end = ends.iter().flatten().map(|span| span.end).max();
            let evidence = Span {
                start: self.span(verb_at.min(at), at).start,
                end: end.unwrap_or(0),
            };
            let medication = Medication {
                name: self.said(self.span(at, at + count - 1)),
                strength: strength.map(|span| self.said(span)),
                dose: None,
                route: None,
                frequency: frequency.map(|span| self.said(span)),
                duration: duration.map(|span| self.said(span)),
                status,
                evidence,
            };
            into.push(medication);
            at = last + 1;
        }
    }

    /// A medication whose name begins at word `at`: how many words it has, and its strength.
    fn medication(&self, at: usize) -> Option<(usize, Option<Span>)> {
        let strength = |behind: usize| {
            let number = self.words.get(behind)?;
            let unit = self.words.get(behind + 1)?;
            let is_number = number.folded.parse::<f64>().is_ok();
            let is_strength = is_number && STRENGTH_UNITS.contains(&unit.folded.as_str());
            is_strength.then(|| self.span(behind, behind + 1))
        };
        let known = (1..=MOST_NAME_WORDS).rev().find(|&count| {
            at + count <= self.words.len()
                && self
                    .lexicon
                    .is_medication(&self.said(self.span(at, at + count - 1)))
        });
        if let Some(count) = known {
            return Some((count, strength(at + count)));
        }
        let name = &self.words[at].folded;
        let like_a_name = name.len() >= 4
            && name.chars().all(char::is_alphabetic)
            && !NO_NAMES.contains(&name.as_str());
        match like_a_name {
            true => strength(at + 1).map(|span| (1, Some(span))),
            false => None,
        }
    }

    fn frequency(&self, from: usize) -> Option<Span> {
        let counts = ["once", "twice", "two", "three", "four", "five", "six"];
        (from..self.words.len()).find_map(|at| {
            let word = self.words[at].folded.as_str();
            let next = |n: usize| {
                self.words
                    .get(at + n)
                    .map_or("", |word| word.folded.as_str())
            };
            let counted = counts.contains(&word) || word.parse::<u32>().is_ok();
            let last = match word {
                "daily" | "nightly" => Some(at),
                "every" if matches!(next(1), "day" | "morning" | "evening" | "night" | "week") => {
                    Some(at + 1)
                }
                "every" if matches!(next(2), "hours" | "days" | "hour" | "day") => Some(at + 2),
                "at" if matches!(next(1), "bedtime" | "night") => Some(at + 1),
                "before" | "after" if next(1) == "meals" => Some(at + 1),
                _ if counted && matches!(next(1), "daily" | "weekly") => Some(at + 1),
                _ if counted && matches!(next(1), "a" | "per") => Some(at + 2),
                _ if counted && next(1) == "times" && next(2) == "daily" => Some(at + 2),
                _ if counted && next(1) == "times" && matches!(next(2), "a" | "per") => {
                    Some(at + 3)
                }
                _ => None,
            };
            last.filter(|&last| last < self.words.len())
                .map(|last| self.span(at, last))
        })
    }

    fn duration(&self, from: usize) -> Option<Span> {
        (from..self.words.len()).find_map(|at| {
            let units = ["day", "days", "week", "weeks", "month", "months"];
            let unit = &self.words.get(at + 2)?.folded;
            let lasts = self.has(at, &["for"]) && units.contains(&unit.as_str());
            lasts.then(|| self.span(at + 1, at + 2))
        })
    }

    fn allergies(&self, into: &mut Vec<Allergy>) {
        for at in 0..self.words.len() {
            let said = self.has(at, &["allergic", "to"])
                || self.has(at, &["allergy", "to"])
                || self.has(at, &["allergies", "to"]);
            let assertion = self.assertion(at..at + 1);
            if !said || assertion.relative != Relative::No || assertion.hypothetical {
                continue;
            }
            let end = self.clause_end(at + 2).min(at + 2 + MOST_NAME_WORDS);
            let stop = |word: &Word| matches!(word.folded.as_str(), "and" | "or" | "but" | "which");
            let substance: Vec<_> = self.words[(at + 2).min(end)..end]
                .iter()
                .take_while(|word| !stop(word))
                .collect();
            let Some(last) = substance.len().checked_sub(1).map(|more| at + 2 + more) else {
                continue;
            };
            let refuted = assertion.denied;
            let start = if refuted { self.clause_start(at) } else { at };
            into.push(Allergy {
                substance: self.said(self.span(at + 2, last)),
                reaction: None,
                verification: if refuted {
                    Verification::Refuted
                } else {
                    Verification::Unconfirmed
                },
                evidence: self.span(start, last),
            });
        }
    }

    fn conditions(&self, measured: &[Span], into: &mut Vec<Condition>) {
        let mut at = 0;
        while at < self.words.len() {
            let here = self.words[at].span;
            if measured
                .iter()
                .any(|it| it.start <= here.start && here.end <= it.end)
            {
                at += 1;
                continue;
            }
            let named = (1..=MOST_NAME_WORDS).rev().find(|&count| {
                at + count <= self.words.len()
                    && self
                        .lexicon
                        .is_condition(&self.said(self.span(at, at + count - 1)))
            });
            let Some(count) = named else {
                at += 1;
                continue;
            };
            let assertion = self.assertion(at..at + count);
            if assertion.hypothetical {
                at += count;
                continue;
            }
            into.push(Condition {
                name: self.said(self.span(at, at + count - 1)),
                // A name alone does not say whether it is over.
                clinical_status: None,
                verification: match assertion.denied {
                    true => Verification::Refuted,
                    false => Verification::Unconfirmed,
                },
                onset: None,
                // Whose it may be besides is for a person to say; as the patient's own it would be a fact.
                subject: match assertion.relative {
                    Relative::No => Subject::Patient,
                    Relative::Perhaps | Relative::Surely => Subject::Family,
                },
                evidence: self.span(self.clause_start(at), at + count - 1),
            });
            at += count;
        }
    }

    fn has(&self, at: usize, wanted: &[&str]) -> bool {
        let said = self.words.iter().skip(at).take(wanted.len());
        said.len() == wanted.len()
            && said
                .zip(wanted)
                .all(|(said, wanted)| said.folded == *wanted)
    }

    /// What is said of words of this sentence.
    fn assertion(&self, words: Range<usize>) -> Assertion {
        let words = self.first + words.start..self.first + words.end;
        assertion(self.transcript, words, Manner::default())
    }

    fn clause_start(&self, at: usize) -> usize {
        let parts = |&at: &usize| {
            let but = at > 0 && matches!(self.words[at - 1].folded.as_str(), "but" | "however");
            but || self.words[at].before != Before::Nothing
        };
        (0..=at).rev().find(parts).unwrap_or(0)
    }

    /// The word behind the clause that `at` is in.
    fn clause_end(&self, at: usize) -> usize {
        let parts = |&at: &usize| self.words[at].before != Before::Nothing;
        (at + 1..self.words.len())
            .find(parts)
            .unwrap_or(self.words.len())
    }

    /// From the beginning of one word to the end of another.
    fn span(&self, first: usize, last: usize) -> Span {
        let last = last.min(self.words.len() - 1);
        Span {
            start: self.words[first.min(last)].span.start,
            end: self.words[last].span.end,
        }
    }

    fn said(&self, span: Span) -> String {
        span.of(self.transcript.text())
            .unwrap_or_default()
            .to_owned()
    }
}
