//! The form of a record, and how what stands in it becomes one: nothing is kept that the transcript does not say.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::instructions;
use crate::assertion::{self, Relative};
use crate::drafting::{Dropped, Reason};
use crate::form::{Fault, Field, Form, Item, Kind, List, Member};
use crate::quote::Transcript;
use crate::record::{Allergy, Condition, Medication, Record, Span, Vital};

/// What a model is asked.
pub const INSTRUCTION: &str = include_str!("instruction.txt").trim_ascii();

const QUOTE: Field = field("quote", Kind::Text);

const fn field(key: &'static str, kind: Kind) -> Field {
    Field::new(key, kind)
}

const VERIFICATION: Kind = Kind::Choice(&["confirmed", "unconfirmed", "refuted"]);

/// The form. Its words are those of [`crate::record`].
pub const FORM: Form = Form {
    most_chars: 300,
    members: &[
        Member::List(List {
            key: "medications",
            most: 40,
            fields: &[
                QUOTE,
                field("name", Kind::Text),
                field("strength", Kind::OptionalText),
                field("dose", Kind::OptionalText),
                field("route", Kind::OptionalText),
                field("frequency", Kind::OptionalText),
                field("duration", Kind::OptionalText),
                field(
                    "status",
                    Kind::Choice(&[
                        "active",
                        "completed",
                        "intended",
                        "stopped",
                        "on-hold",
                        "not-taken",
                        "unknown",
                    ]),
                ),
            ],
        }),
        Member::List(List {
            key: "conditions",
            most: 40,
            fields: &[
                QUOTE,
                field("name", Kind::Text),
                field(
                    "clinical_status",
                    Kind::OptionalChoice(&[
                        "active",
                        "recurrence",
                        "relapse",
                        "inactive",
                        "remission",
                        "resolved",
                    ]),
                ),
                field("verification", VERIFICATION),
                field("onset", Kind::OptionalText),
                field("subject", Kind::Choice(&["patient", "family"])),
            ],
        }),
        Member::List(List {
            key: "allergies",
            most: 20,
            fields: &[
                QUOTE,
                field("substance", Kind::Text),
                field("reaction", Kind::OptionalText),
                field("verification", VERIFICATION),
            ],
        }),
        Member::List(List {
            key: "vitals",
            most: 20,
            fields: &[
                QUOTE,
                field(
                    "sign",
                    Kind::Choice(&[
                        "heart-rate",
                        "respiratory-rate",
                        "body-temperature",
                        "systolic-blood-pressure",
                        "diastolic-blood-pressure",
                        "oxygen-saturation",
                        "body-weight",
                        "body-height",
                    ]),
                ),
                field("value", Kind::Number),
                field(
                    "unit",
                    Kind::Choice(&[
                        "/min", "Cel", "[degF]", "mm[Hg]", "%", "kg", "g", "[lb_av]", "cm", "m",
                        "[in_i]",
                    ]),
                ),
            ],
        }),
    ],
};

/// What came of a draft.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    /// What the transcript supports.
    pub record: Record,
    /// What it does not.
    pub dropped: Vec<Dropped>,
    /// What the writer should mend.
    pub faults: Vec<Fault>,
}

/// Reads a draft against its transcript.
pub fn read(draft: &str, transcript: &Transcript<'_>) -> Read {
    let filled = FORM.read(draft);
    let mut read = Read {
        faults: filled.faults,
        ..Read::default()
    };
    for item in filled.items {
        read.take(item, transcript);
    }
    read
}

impl Read {
    fn take(&mut self, mut item: Item, transcript: &Transcript<'_>) {
        let Some(evidence) = self.evidence(&item, transcript) else {
            return;
        };
        let named = match item.list {
            "allergies" => "substance",
            "vitals" => "value",
            _ => "name",
        };
        if named != "value" {
            self.strip(&mut item, named, evidence, transcript);
        }
        if matches!(item.list, "conditions" | "allergies")
            && !self.asserted(&mut item, named, transcript)
        {
            return;
        }
        item.fields.remove("quote");
        let span = [("start", evidence.start), ("end", evidence.end)];
        let span = span.map(|(key, at)| (key.to_owned(), Value::from(at)));
        item.fields.insert(
            "evidence".to_owned(),
            Value::Object(span.into_iter().collect()),
        );
        let record = &mut self.record;
        let path = item.path();
        let added = match item.list {
            "medications" => add(&mut record.medications, item, |a: &Medication, b| {
                a.evidence == b.evidence && same(&a.name, &b.name)
            }),
            "conditions" => add(&mut record.conditions, item, |a: &Condition, b| {
                a.subject == b.subject && same(&a.name, &b.name)
            }),
            "allergies" => add(&mut record.allergies, item, |a: &Allergy, b| {
                same(&a.substance, &b.substance)
            }),
            _ => add(&mut record.vitals, item, |a: &Vital, b| {
                a.evidence == b.evidence && a.sign == b.sign
            }),
        };
        match added {
            Ok(()) => {}
            Err(NotAdded::Repeated(said)) => self.drop(path, said, Reason::Repeated),
            Err(NotAdded::Unfit(problem)) => self.faults.push(Fault::new(path, problem)),
        }
    }

    /// Where the transcript says what the item is about. What it does not say is dropped, and a fault.
    fn evidence(&mut self, item: &Item, transcript: &Transcript<'_>) -> Option<Span> {
        let quote = item.text("quote").unwrap_or_default();
        let said = item.text("name").or_else(|| item.text("substance"));
        let said = said.or_else(|| item.text("sign")).unwrap_or_default();
        let Some(evidence) = transcript.find(quote) else {
            let problem = "is not in the transcript; copy its words, or leave the item out";
            self.faults
                .push(Fault::new(format!("{}.quote", item.path()), problem));
            self.drop(item.path(), said.to_owned(), Reason::NotSaid);
            return None;
        };
        if let Some(problem) = unit_problem(item) {
            self.faults
                .push(Fault::new(format!("{}.unit", item.path()), problem));
            self.drop(item.path(), said.to_owned(), Reason::Unfit);
            return None;
        }
        if instructions::within(transcript, evidence) {
            self.drop(item.path(), said.to_owned(), Reason::Instruction);
            return None;
        }
        let (key, names_it) = match item.fields.get("value").and_then(Value::as_f64) {
            Some(value) => ("value", numbers(transcript, evidence).any(|it| it == value)),
            None if item.list == "allergies" => ("substance", transcript.says(evidence, said)),
            None => ("name", transcript.says(evidence, said)),
        };
        if !names_it {
            let problem = "is not in its quote; use the words of the quote, or quote others";
            self.faults
                .push(Fault::new(format!("{}.{key}", item.path()), problem));
            self.drop(item.path(), said.to_owned(), Reason::NotInQuote);
            return None;
        }
        Some(evidence)
    }

    /// Sets right what an item makes of its words, where these surely say otherwise: each is a fault for the writer to mend, and
    /// where it does not, the words count. `false` where the item is no statement about anybody.
    fn asserted(&mut self, item: &mut Item, named: &str, transcript: &Transcript<'_>) -> bool {
        let name = item.text(named).unwrap_or_default().to_owned();
        let quote = item.text("quote").unwrap_or_default();
        let Some(said) = assertion::of_name(transcript, quote, &name) else {
            return true;
        };
        let is = |item: &Item, key: &str, word: &str| item.text(key) == Some(word);
        if said.hypothetical {
            let problem = "is only what to return for, not what is there; leave it out";
            self.faults.push(Fault::new(item.path(), problem));
            self.drop(item.path(), name, Reason::Hypothetical);
            return false;
        }
        let mut overrule = |item: &mut Item, key: &str, right: Value, reason, problem: &str| {
            let path = format!("{}.{key}", item.path());
            self.faults.push(Fault::new(path.clone(), problem));
            self.drop(path, name.clone(), reason);
            item.fields.insert(key.to_owned(), right);
        };
        if said.denied && !is(item, "verification", "refuted") {
            let problem = "the transcript says that it is not there; write refuted";
            overrule(
                item,
                "verification",
                "refuted".into(),
                Reason::Denied,
                problem,
            );
            item.fields.remove("clinical_status");
        }
        if said.relative == Relative::Surely && is(item, "subject", "patient") {
            let problem = "the transcript says it of a relative; write family";
            overrule(
                item,
                "subject",
                "family".into(),
                Reason::OfRelative,
                problem,
            );
            item.fields.remove("clinical_status");
        }
        if said.past && is(item, "clinical_status", "active") {
            let problem = "the transcript says that it is over; write resolved, or null";
            overrule(item, "clinical_status", Value::Null, Reason::Past, problem);
        }
        true
    }

    /// Empties the optional texts of an item that the sentences around its evidence do not say.
    fn strip(&mut self, item: &mut Item, named: &str, evidence: Span, transcript: &Transcript<'_>) {
        let path = item.path();
        let chosen = [
            "quote",
            "status",
            "clinical_status",
            "verification",
            "subject",
            "sign",
            "unit",
        ];
        for (key, value) in &mut item.fields {
            let Some(said) = value.as_str().map(str::to_owned) else {
                continue;
            };
            let checked = key != named && !chosen.contains(&key.as_str());
            if checked && !transcript.says_around(evidence, &said) {
                let path = format!("{path}.{key}");
                let problem = "is not said about this; use the transcript's words, or null";
                self.faults.push(Fault::new(path.clone(), problem));
                self.dropped.push(Dropped {
                    path,
                    said,
                    reason: Reason::NotSaid,
                });
                *value = Value::Null;
            }
        }
    }

    fn drop(&mut self, path: String, said: String, reason: Reason) {
        self.dropped.push(Dropped { path, said, reason });
    }
}

/// What is wrong with the unit of a measurement.
fn unit_problem(item: &Item) -> Option<String> {
    let units: &[&str] = match item.text("sign")? {
        "heart-rate" | "respiratory-rate" => &["/min"],
        "body-temperature" => &["Cel", "[degF]"],
        "systolic-blood-pressure" | "diastolic-blood-pressure" => &["mm[Hg]"],
        "oxygen-saturation" => &["%"],
        "body-weight" => &["kg", "g", "[lb_av]"],
        _ => &["cm", "m", "[in_i]"],
    };
    let unit = item.text("unit")?;
    let wrong = !units.contains(&unit);
    wrong.then(|| {
        format!(
            "{unit:?} measures something else; write {}",
            units.join(" or ")
        )
    })
}

/// Why an item is not added.
enum NotAdded {
    Repeated(String),
    Unfit(String),
}

fn add<T: DeserializeOwned>(
    to: &mut Vec<T>,
    item: Item,
    same: impl Fn(&T, &T) -> bool,
) -> Result<(), NotAdded> {
    let said = item.text("name").or_else(|| item.text("substance"));
    let said = said
        .or_else(|| item.text("sign"))
        .unwrap_or_default()
        .to_owned();
    let fact: T = serde_json::from_value(Value::Object(item.fields))
        .map_err(|error| NotAdded::Unfit(format!("cannot be read ({error}); write it anew")))?;
    if to.iter().any(|it| same(it, &fact)) {
        return Err(NotAdded::Repeated(said));
    }
    to.push(fact);
    Ok(())
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// The numbers that are said within `span`, those of `120/80` among them. A comma before other than three digits is a
/// decimal comma.
fn numbers<'t>(transcript: &Transcript<'t>, span: Span) -> impl Iterator<Item = f64> + use<'t> {
    let said = span.of(transcript.text()).unwrap_or_default();
    let runs = said.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ','));
    runs.filter_map(|run| {
        let run = run.trim_matches(['.', ',']);
        let decimal = matches!(run.rsplit_once(','), Some((_, behind)) if behind.len() != 3);
        run.replace(',', if decimal { "." } else { "" })
            .parse()
            .ok()
    })
}
