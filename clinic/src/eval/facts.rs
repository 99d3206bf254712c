//! Facts that were found in a transcript, against those that are in it: precision, recall and F1.
//!
//! A fact is right if one of the same kind and name is expected; each expected one counts once. A field is right if the
//! right fact has it with the same value. Values are compared in lower case, with single spaces and without punctuation
//! around them; nothing within them is changed, so `2.5 mg` is not `25 mg`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record::Record;

/// A fact: what kind it is, whose name, and what else is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Such as `medication`.
    pub kind: String,
    /// Such as a drug's name.
    pub name: String,
    /// Fields such as `dose`; null is as good as none.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// What a field of a record says when nothing was said.
const UNSAID: [(&str, &str); 3] = [
    ("status", "unknown"),
    ("subject", "patient"),
    ("verification", "unconfirmed"),
];

impl Fact {
    /// The facts of a record, as `medication`, `condition`, `allergy` and `vital-sign`, with its own fields. Where they
    /// were said is no field, and what was not said is none either.
    pub fn of_record(record: &Record) -> Vec<Self> {
        let medications = record
            .medications
            .iter()
            .map(|it| Self::of("medication", "name", it));
        let conditions = record
            .conditions
            .iter()
            .map(|it| Self::of("condition", "name", it));
        let allergies = record
            .allergies
            .iter()
            .map(|it| Self::of("allergy", "substance", it));
        let vitals = record
            .vitals
            .iter()
            .map(|it| Self::of("vital-sign", "sign", it));
        let all = medications.chain(conditions).chain(allergies).chain(vitals);
        all.flatten().collect()
    }

    fn of(kind: &str, name: &str, item: &impl Serialize) -> Option<Self> {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(item) else {
            return None;
        };
        fields.remove("evidence");
        let name = fields.remove(name)?.as_str()?.to_owned();
        fields.retain(|field, value| {
            let unsaid = |(name, word): &(&str, &str)| field == name && value == word;
            !value.is_null() && !UNSAID.iter().any(unsaid)
        });
        Some(Self {
            kind: kind.to_owned(),
            name,
            fields,
        })
    }
}

/// How many were right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Found and expected.
    pub right: u64,
    /// Found.
    pub found: u64,
    /// Expected.
    pub expected: u64,
}

impl Counts {
    /// The share of what was found that is right; `None` if nothing was found.
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.found)
    }

    /// The share of what was expected that was found; `None` if nothing was expected.
    pub fn recall(&self) -> Option<f64> {
        share(self.right, self.expected)
    }

    /// The harmonic mean of both, 2 right / (found + expected); `None` if there was nothing to find and nothing was found.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.right, self.found + self.expected)
    }

    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.found += other.found;
        self.expected += other.expected;
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What was right in one transcript or in many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactScores {
    /// Facts, by kind and name.
    pub facts: Counts,
    /// The facts of each kind.
    pub kinds: BTreeMap<String, Counts>,
    /// The fields of each name, over all facts.
    pub fields: BTreeMap<String, Counts>,
}

impl FactScores {
    /// Adds one transcript: what was found in it, and what is in it.
    pub fn add(&mut self, found: &[Fact], expected: &[Fact]) {
        let mut left: Vec<&Fact> = expected.iter().collect();
        let mut pairs = Vec::new();
        for fact in found {
            let same = |other: &&Fact| {
                normal(&other.kind) == normal(&fact.kind)
                    && normal(&other.name) == normal(&fact.name)
            };
            // Of several of that name the one that agrees in most.
            let agreeing = |other: &&Fact| {
                other
                    .fields
                    .iter()
                    .filter(|(name, value)| agrees(fact, name, value))
                    .count()
            };
            let best = left
                .iter()
                .enumerate()
                .filter(|(_, other)| same(other))
                .max_by_key(|(at, other)| (agreeing(other), usize::MAX - at));
            let best = best.map(|(at, _)| at);
            pairs.push((fact, best.map(|at| left.remove(at))));
        }
        for (fact, expected) in &pairs {
            self.count(fact, u64::from(expected.is_some()), 1, 0);
            for (name, _) in fact.fields.iter().filter(|(_, value)| is_told(value)) {
                let right = expected.is_some_and(|expected| {
                    expected
                        .fields
                        .get(name)
                        .is_some_and(|value| agrees(fact, name, value))
                });
                self.count_field(name, u64::from(right), 1, 0);
            }
        }
        for fact in expected {
            self.count(fact, 0, 0, 1);
            for (name, _) in fact.fields.iter().filter(|(_, value)| is_told(value)) {
                self.count_field(name, 0, 0, 1);
            }
        }
    }

    fn count(&mut self, fact: &Fact, right: u64, found: u64, expected: u64) {
        let counts = Counts {
            right,
            found,
            expected,
        };
        self.facts.add(counts);
        self.kinds
            .entry(normal(&fact.kind))
            .or_default()
            .add(counts);
    }

    fn count_field(&mut self, name: &str, right: u64, found: u64, expected: u64) {
        self.fields.entry(name.to_owned()).or_default().add(Counts {
            right,
            found,
            expected,
        });
    }
}

/// Whether a fact has a field with this value.
fn agrees(fact: &Fact, name: &str, value: &Value) -> bool {
    is_told(value)
        && fact
            .fields
            .get(name)
            .is_some_and(|own| text_of(own) == text_of(value))
}

fn is_told(value: &Value) -> bool {
    !text_of(value).is_empty()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => normal(text),
        // 122 and 122.0 are the same.
        Value::Number(number) => number.as_f64().unwrap_or_default().to_string(),
        other => normal(&other.to_string()),
    }
}

fn normal(text: &str) -> String {
    let lower = text.to_lowercase();
    let words: Vec<_> = lower.split_whitespace().collect();
    let around = |c: char| !c.is_alphanumeric() && !matches!(c, '%' | '+' | '-' | '<' | '>');
    words.join(" ").trim_matches(around).to_owned()
}
