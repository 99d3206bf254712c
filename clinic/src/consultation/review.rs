//! What a person changes in a draft: a fact is left out, another of its candidates is its code. The Bundle is made and
//! validated anew, and its Provenance says what was changed.
//!
//! Nothing can be added here: no fact without its words in the transcript, and no code that was not found in a table. Danger
//! signs stay those of the draft.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Data, ModelInfo, Options, Validation, data, to_bundle, validation};
use crate::coding::{ChosenBy, Coded, Codes};
use crate::error::Error;
use crate::extract;
use crate::fhir::bundle::Edit;
use crate::record::Record;
use crate::soap;

/// A draft, and what a person changes in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// The draft's facts.
    pub record: Record,
    /// Their codes.
    pub codes: Codes,
    /// What computed it.
    pub model_info: ModelInfo,
    /// The note about it, where the Bundle is to have one.
    pub note: Option<soap::form::Note>,
    /// The changes. Of two of the same fact the later one counts.
    pub changes: Vec<Change>,
}

impl Review {
    /// From JSON: what [`super::process`] gave, a [`soap::form::Note`] or null, and changes.
    ///
    /// # Errors
    /// What stands there in another form.
    pub fn read(processed: &Value, note: Value, changes: Value) -> serde_json::Result<Self> {
        let of = |place: &str| processed.pointer(place).cloned().unwrap_or_default();
        // Each item has its code beside what was said, and more that follows from both.
        let coded = |place: &str| -> serde_json::Result<Vec<Coded>> {
            let items = processed.pointer(place).and_then(Value::as_array);
            let coded = items
                .into_iter()
                .flatten()
                .map(|it| it.get("coded").cloned());
            coded
                .map(|it| serde_json::from_value(it.unwrap_or_default()))
                .collect()
        };
        Ok(Self {
            record: Record {
                medications: serde_json::from_value(of("/data/medications"))?,
                conditions: serde_json::from_value(of("/data/conditions"))?,
                allergies: serde_json::from_value(of("/data/allergies"))?,
                vitals: serde_json::from_value(of("/data/vital_signs"))?,
            },
            codes: Codes {
                medications: coded("/data/medications")?,
                conditions: coded("/data/conditions")?,
            },
            model_info: serde_json::from_value(of("/model_info"))?,
            note: serde_json::from_value(note)?,
            changes: serde_json::from_value(changes)?,
        })
    }
}

/// A change of one fact.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Row")]
pub struct Change {
    /// The fact by its place in the draft's [`Data`], such as `conditions[0]` or `vital_signs[2]`.
    pub place: String,
    /// What becomes of it.
    pub to: To,
}

/// What becomes of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// It is left out.
    LeaveOut,
    /// It has the code of one of its candidates.
    TakeCode {
        /// Which one, by its place in [`Coded::candidates`].
        candidate: usize,
    },
    /// It has no code.
    NoCode,
}

/// A change as it is written.
#[derive(Deserialize)]
struct Row {
    place: String,
    change: String,
    candidate: Option<usize>,
}

impl TryFrom<Row> for Change {
    type Error = String;

    fn try_from(row: Row) -> Result<Self, String> {
        let to = match (&*row.change, row.candidate) {
            ("leave-out", None) => To::LeaveOut,
            ("take-code", Some(candidate)) => To::TakeCode { candidate },
            ("no-code", None) => To::NoCode,
            _ => {
                return Err(format!(
                    "`{}` of {} is none of `leave-out`, `no-code` and, with a candidate, `take-code`",
                    row.change, row.place
                ));
            }
        };
        Ok(Self {
            place: row.place,
            to,
        })
    }
}

/// What came of a review: the parts of [`super::Processed`] that are others now, and what was changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reviewed {
    /// Whether there is a valid Bundle.
    pub success: bool,
    /// The facts that are left.
    pub data: Data,
    /// What validation says of them.
    pub validation: Validation,
    /// The Bundle; `None` if it would not be valid.
    pub bundle: Option<Value>,
    /// What is other than in the draft.
    pub edits: Vec<Edit>,
}

/// Carries out the changes. `recorded` is the moment of it, as [`crate::fhir::bundle::Making::recorded`].
///
/// # Errors
/// [`Error::Unsupported`] for a change of what is not there, and for a moment that is no instant of FHIR.
pub fn review(
    review: Review,
    transcript: &str,
    options: &Options,
    recorded: String,
) -> Result<Reviewed, Error> {
    let mut changing = Changing::of(&review)?;
    let Review {
        record: draft,
        codes: drafted,
        model_info,
        note,
        ..
    } = review;
    let (mut record, mut codes) = (Record::default(), Codes::default());
    let medications = draft.medications.into_iter().zip(drafted.medications);
    for (index, (it, coded)) in medications.enumerate() {
        if let Some(coded) = changing.coded("medications", index, &it.name, coded) {
            record.medications.push(it);
            codes.medications.push(coded);
        }
    }
    let conditions = draft.conditions.into_iter().zip(drafted.conditions);
    for (index, (it, coded)) in conditions.enumerate() {
        if let Some(coded) = changing.coded("conditions", index, &it.name, coded) {
            record.conditions.push(it);
            codes.conditions.push(coded);
        }
    }
    for (index, it) in draft.allergies.into_iter().enumerate() {
        if changing.is_kept("allergies", index, &it.substance) {
            record.allergies.push(it);
        }
    }
    for (index, it) in draft.vitals.into_iter().enumerate() {
        if changing.is_kept("vital_signs", index, &format!("{} {}", it.value, it.unit)) {
            record.vitals.push(it);
        }
    }
    let prompt = match note {
        Some(_) => soap::note::prompt(),
        None => extract::INSTRUCTION.to_owned(),
    };
    let mut making = model_info.making(prompt, recorded);
    making.edits.clone_from(&changing.edits);
    let note = note.as_ref().map(soap::note::to_fhir);
    let built = to_bundle(transcript, &record, &codes, note.as_ref(), &making, options)?;
    let validation = validation(&record, Some(&built));
    Ok(Reviewed {
        success: validation.bundle_valid,
        bundle: validation.bundle_valid.then_some(built.bundle),
        validation,
        data: data(record, codes, transcript),
        edits: changing.edits,
    })
}

/// Changes that are being carried out.
struct Changing {
    to: BTreeMap<String, To>,
    edits: Vec<Edit>,
}

impl Changing {
    /// All of them, each of a fact that is there.
    fn of(review: &Review) -> Result<Self, Error> {
        for change in &review.changes {
            let place = &change.place;
            let (fact, coded) = fact(review, place);
            let problem = match change.to {
                _ if !fact => format!("the draft has no {place}"),
                To::TakeCode { candidate }
                    if coded.is_none_or(|it| candidate >= it.candidates.len()) =>
                {
                    format!("{place} has no candidate {candidate} for its code")
                }
                To::NoCode if coded.is_none() => format!("{place} never has a code"),
                _ => continue,
            };
            return Err(Error::Unsupported {
                what: format!("this change: {problem}"),
                remedy: "name a fact of the draft and one of its candidates, each by its place, from 0",
            });
        }
        let to = review
            .changes
            .iter()
            .map(|it| (it.place.clone(), it.to))
            .collect();
        Ok(Self {
            to,
            edits: Vec::new(),
        })
    }

    fn is_kept(&mut self, list: &str, index: usize, said: &str) -> bool {
        let place = format!("{list}[{index}]");
        let is_kept = self.to.get(&place) != Some(&To::LeaveOut);
        if !is_kept {
            self.edit(place, said.to_owned(), "left out".to_owned());
        }
        is_kept
    }

    /// Its code; `None` where it is left out.
    fn coded(&mut self, list: &str, index: usize, said: &str, coded: Coded) -> Option<Coded> {
        if !self.is_kept(list, index, said) {
            return None;
        }
        let place = format!("{list}[{index}]");
        let coding = match self.to.get(&place) {
            Some(To::TakeCode { candidate }) => {
                coded.candidates.get(*candidate).map(|it| it.coding.clone())
            }
            Some(To::NoCode) => None,
            _ => return Some(coded),
        };
        if coding == coded.coding {
            return Some(coded);
        }
        let words = |coding: &Option<_>| match coding {
            Some(crate::record::Coding { code, display, .. }) => format!("{code} {display}"),
            None => "no code".to_owned(),
        };
        self.edit(
            format!("{place}.coded"),
            words(&coded.coding),
            words(&coding),
        );
        Some(Coded {
            coding,
            chosen_by: ChosenBy::Person,
            candidates: coded.candidates,
        })
    }

    fn edit(&mut self, place: String, before: String, after: String) {
        self.edits.push(Edit {
            place,
            before,
            after,
        });
    }
}

/// Whether the draft has the fact at this place, and how that is coded, if facts of its kind are.
fn fact<'d>(review: &'d Review, place: &str) -> (bool, Option<&'d Coded>) {
    let parts = place.strip_suffix(']').and_then(|it| it.split_once('['));
    let Some((list, Ok(index))) = parts.map(|(list, index)| (list, index.parse::<usize>())) else {
        return (false, None);
    };
    let coded = match list {
        "medications" => review.codes.medications.get(index),
        "conditions" => review.codes.conditions.get(index),
        "allergies" => return (index < review.record.allergies.len(), None),
        "vital_signs" => return (index < review.record.vitals.len(), None),
        _ => None,
    };
    (coded.is_some(), coded)
}
