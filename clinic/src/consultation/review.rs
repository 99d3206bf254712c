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
use crate::error::{Error, Result};
use crate::extract;
use crate::fhir::bundle::Edit;
use crate::record::Record;
use crate::soap;

/// A draft, and what a person changes in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Review {
    /// The draft's facts.
    pub data: Data,
    /// What computed it.
    pub model_info: ModelInfo,
    /// The note about it, where the Bundle is to have one.
    #[serde(default)]
    pub note: Option<soap::form::Note>,
    /// The changes. Of two of the same fact the later one counts.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// A change of one fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The fact by its place in the draft's [`Data`], such as `conditions[0]` or `vital_signs[2]`.
    pub place: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub to: To,
}

/// What becomes of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
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
) -> Result<Reviewed> {
    let Review {
        data: draft,
        model_info,
        note,
        changes,
    } = review;
    let mut changing = Changing::of(&draft, &changes)?;
    let (mut record, mut codes) = (Record::default(), Codes::default());
    for (index, it) in draft.medications.into_iter().enumerate() {
        if let Some(coded) = changing.coded("medications", index, &it.said.name, it.coded) {
            record.medications.push(it.said);
            codes.medications.push(coded);
        }
    }
    for (index, it) in draft.conditions.into_iter().enumerate() {
        if let Some(coded) = changing.coded("conditions", index, &it.said.name, it.coded) {
            record.conditions.push(it.said);
            codes.conditions.push(coded);
        }
    }
    for (index, it) in draft.allergies.into_iter().enumerate() {
        if changing.is_kept("allergies", index, &it.substance) {
            record.allergies.push(it);
        }
    }
    for (index, it) in draft.vital_signs.into_iter().enumerate() {
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
    fn of(draft: &Data, changes: &[Change]) -> Result<Self> {
        for change in changes {
            let place = &change.place;
            let (fact, coded) = fact(draft, place);
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
        let to = changes.iter().map(|it| (it.place.clone(), it.to)).collect();
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
fn fact<'d>(draft: &'d Data, place: &str) -> (bool, Option<&'d Coded>) {
    let parts = place.strip_suffix(']').and_then(|it| it.split_once('['));
    let Some((list, Ok(index))) = parts.map(|(list, index)| (list, index.parse::<usize>())) else {
        return (false, None);
    };
    let coded = match list {
        "medications" => draft.medications.get(index).map(|it| &it.coded),
        "conditions" => draft.conditions.get(index).map(|it| &it.coded),
        "allergies" => return (index < draft.allergies.len(), None),
        "vital_signs" => return (index < draft.vital_signs.len(), None),
        _ => None,
    };
    (coded.is_some(), coded)
}
