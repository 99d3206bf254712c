//! A SOAP note whose every sentence names the words of the consultation that support it.

use outpost_engine::chat::Conversation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::danger::Urgency;
use crate::error::{Error, Result};
use crate::numbers::{self, Flag};
use crate::record::Span;
use crate::{draft, quote};

/// What a model is asked for such a note.
pub const INSTRUCTION: &str = "Write a SOAP note about the consultation below as JSON with the lists subjective, objective, assessment and plan, and with urgency (routine, urgent or emergency). Each entry has `text`, one sentence of the note, and `quote`, the words of the consultation that it rests on, copied exactly. Leave a list empty if nothing was said. Write nothing that was not said.";

/// Most sentences of a section.
const MAX_SENTENCES: usize = 16;

/// Most characters of a sentence or a quote.
const MAX_CHARS: usize = 400;

/// A part of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// What the patient says.
    Subjective,
    /// What was found and measured.
    Objective,
    /// What it is thought to be.
    Assessment,
    /// What is to be done.
    Plan,
}

impl Section {
    /// All, in the order of a note.
    pub const ALL: [Self; 4] = [
        Self::Subjective,
        Self::Objective,
        Self::Assessment,
        Self::Plan,
    ];

    /// Its name in the form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subjective => "subjective",
            Self::Objective => "objective",
            Self::Assessment => "assessment",
            Self::Plan => "plan",
        }
    }
}

/// A sentence as a model drafted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// The sentence.
    pub text: String,
    /// The words of the consultation that it is said to rest on.
    pub quote: String,
}

/// A note as a model drafted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoapForm {
    /// The sentences, in the order of the note.
    pub sentences: Vec<(Section, Sentence)>,
    /// How urgent the model thinks it is. [`Urgency::with_floor`] with the danger signs says what is shown.
    pub urgency: Urgency,
}

/// A sentence whose quote is in the consultation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supported {
    /// Where in the note.
    pub section: Section,
    /// The sentence.
    pub text: String,
    /// The words of the consultation that it rests on.
    pub evidence: Span,
    /// Numbers in it that the consultation does not have.
    pub numbers: Vec<Flag>,
}

/// A note of which every sentence has its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedNote {
    /// What is left, in the order of the note.
    pub sentences: Vec<Supported>,
    /// What was dropped because its quote is not in the consultation.
    pub dropped: Vec<(Section, Sentence)>,
    /// Sections without a sentence that is left. They are shown as empty, never filled in.
    pub empty: Vec<Section>,
    /// How urgent the model thinks it is.
    pub urgency: Urgency,
}

impl SoapForm {
    /// The conversation that asks for a note about `consultation`.
    pub fn ask(consultation: &str) -> Conversation {
        crate::ask(INSTRUCTION, consultation)
    }

    /// The JSON Schema of the form, for constrained decoding.
    pub fn schema() -> Value {
        let text = json!({"type": "string", "minLength": 1, "maxLength": MAX_CHARS});
        let section = json!({
            "type": "array",
            "maxItems": MAX_SENTENCES,
            "items": {
                "type": "object",
                "properties": {"text": text, "quote": text},
                "required": ["text", "quote"],
                "additionalProperties": false
            }
        });
        json!({
            "type": "object",
            "properties": {
                "subjective": section,
                "objective": section,
                "assessment": section,
                "plan": section,
                "urgency": {"enum": ["routine", "urgent", "emergency"]}
            },
            "required": ["subjective", "objective", "assessment", "plan", "urgency"],
            "additionalProperties": false
        })
    }

    /// Reads the first JSON object of a draft. Its form is checked, not what it says.
    ///
    /// # Errors
    /// [`Error::NotJson`], [`Error::MissingSection`] for a list that is not there (an empty one is), and
    /// [`Error::BadForm`] for a field of another type.
    pub fn parse(draft: &str) -> Result<Self> {
        let mut object = draft::object(draft)?;
        let mut sentences = Vec::new();
        for section in Section::ALL {
            let name = section.name();
            if !object.contains_key(name) {
                return Err(Error::MissingSection { section: name });
            }
            let drafted: Vec<Sentence> = draft::field(&mut object, name)?;
            sentences.extend(drafted.into_iter().map(|sentence| (section, sentence)));
        }
        Ok(Self {
            sentences,
            urgency: draft::field(&mut object, "urgency")?,
        })
    }

    /// Keeps the sentences whose quote is in `consultation`, but for white space and case.
    ///
    /// # Errors
    /// [`Error::NoEvidence`] if nothing is left: then there is no note.
    pub fn check(self, consultation: &str) -> Result<CheckedNote> {
        let mut checked = CheckedNote {
            sentences: Vec::new(),
            dropped: Vec::new(),
            empty: Vec::new(),
            urgency: self.urgency,
        };
        for (section, sentence) in self.sentences {
            let has_words = sentence.text.chars().any(char::is_alphanumeric);
            match quote::find(&sentence.quote, consultation).filter(|_| has_words) {
                Some(evidence) => checked.sentences.push(Supported {
                    section,
                    evidence,
                    numbers: numbers::check(consultation, &sentence.text),
                    text: sentence.text,
                }),
                None => checked.dropped.push((section, sentence)),
            }
        }
        if checked.sentences.is_empty() {
            return Err(Error::NoEvidence {
                dropped: checked.dropped.len(),
            });
        }
        let has = |section| {
            checked
                .sentences
                .iter()
                .any(|sentence| sentence.section == section)
        };
        checked.empty = Section::ALL
            .into_iter()
            .filter(|section| !has(*section))
            .collect();
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const CONSULTATION: &str = "Patient: I've had a cough for 3 days.\nDoctor: Chest is clear, 37.2. Rest, and come back in 5 days.";

    fn draft() -> Value {
        json!({
            "subjective": [{"text": "Cough for three days.", "quote": "cough for 3 days"}],
            "objective": [{"text": "Chest clear, 37.2 °C.", "quote": "CHEST IS  CLEAR, 37.2"}],
            "assessment": [{"text": "Pneumonia.", "quote": "it is pneumonia"}],
            "plan": [{"text": "Review in 7 days.", "quote": "come back in 5 days"}],
            "urgency": "routine"
        })
    }

    #[test]
    fn a_sentence_whose_quote_was_not_said_is_dropped_and_kept_for_the_log() {
        let note = SoapForm::parse(&draft().to_string())
            .unwrap()
            .check(CONSULTATION)
            .unwrap();
        let left: Vec<&str> = note
            .sentences
            .iter()
            .map(|sentence| sentence.text.as_str())
            .collect();
        assert_eq!(
            left,
            [
                "Cough for three days.",
                "Chest clear, 37.2 °C.",
                "Review in 7 days."
            ]
        );
        assert_eq!(note.dropped.len(), 1);
        assert_eq!(note.dropped[0].0, Section::Assessment);
        assert_eq!(note.empty, [Section::Assessment]);
        assert_eq!(
            note.sentences[0].evidence.of(CONSULTATION),
            Some("cough for 3 days")
        );
    }

    #[test]
    fn a_number_that_was_not_said_is_flagged_though_its_sentence_stays() {
        let note = SoapForm::parse(&draft().to_string())
            .unwrap()
            .check(CONSULTATION)
            .unwrap();
        let kinds: Vec<Vec<numbers::Kind>> = note
            .sentences
            .iter()
            .map(|sentence| sentence.numbers.iter().map(|flag| flag.kind).collect())
            .collect();
        assert_eq!(
            kinds,
            [
                vec![],
                vec![numbers::Kind::UnitDiffers],
                vec![numbers::Kind::Absent]
            ]
        );
    }

    #[test]
    fn a_note_without_evidence_is_refused() {
        let form = SoapForm::parse(&draft().to_string()).unwrap();
        assert_eq!(
            form.check("Nothing of this."),
            Err(Error::NoEvidence { dropped: 4 })
        );
        let empty = json!({"subjective": [], "objective": [], "assessment": [], "plan": [], "urgency": "urgent"});
        let form = SoapForm::parse(&empty.to_string()).unwrap();
        assert_eq!(
            form.check(CONSULTATION),
            Err(Error::NoEvidence { dropped: 0 })
        );
    }

    #[test]
    fn a_section_or_urgency_that_is_missing_or_of_another_type_is_an_error() {
        for section in Section::ALL {
            let mut without = draft();
            without.as_object_mut().unwrap().remove(section.name());
            let error = SoapForm::parse(&without.to_string()).unwrap_err();
            assert_eq!(
                error,
                Error::MissingSection {
                    section: section.name()
                }
            );
            let mut other = draft();
            other[section.name()] = json!("text");
            assert!(
                matches!(SoapForm::parse(&other.to_string()), Err(Error::BadForm { field, .. }) if field == section.name())
            );
        }
        for urgency in [json!(null), json!("soon"), json!(2)] {
            let mut other = draft();
            other["urgency"] = urgency;
            assert!(matches!(
                SoapForm::parse(&other.to_string()),
                Err(Error::BadForm {
                    field: "urgency",
                    ..
                })
            ));
        }
        assert!(matches!(
            SoapForm::parse("S: cough"),
            Err(Error::NotJson { .. })
        ));
    }

    #[test]
    fn the_schema_asks_for_what_is_read() {
        let schema = SoapForm::schema();
        let required: Vec<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let names: Vec<&str> = Section::ALL
            .into_iter()
            .map(Section::name)
            .chain(["urgency"])
            .collect();
        assert_eq!(required, names);
        for name in names {
            assert!(schema["properties"][name].is_object(), "{name}");
        }
        for urgency in schema["properties"]["urgency"]["enum"].as_array().unwrap() {
            assert!(serde_json::from_value::<Urgency>(urgency.clone()).is_ok());
        }
    }
}
