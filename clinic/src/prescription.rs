//! What was prescribed, as a model read it from a consultation. Names and doses are copied, never checked.

use outpost_engine::chat::Conversation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::draft;
use crate::error::{Error, Result};

/// What a model is asked for a prescription.
pub const INSTRUCTION: &str = "Extract drug, dose, frequency and condition as JSON.";

/// A drafted prescription. What the text does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prescription {
    /// The drug, as the text names it.
    pub drug: Option<String>,
    /// The dose with its unit, as the text gives it.
    pub dose: Option<String>,
    /// How often.
    pub frequency: Option<String>,
    /// What for.
    pub condition: Option<String>,
}

impl Prescription {
    /// The conversation that asks for the prescription in `consultation`.
    pub fn ask(consultation: &str) -> Conversation {
        crate::ask(INSTRUCTION, consultation)
    }

    /// Reads the first JSON object of a draft, with or without a code fence or text around it.
    ///
    /// # Errors
    /// [`Error::NotJson`], and [`Error::BadField`] for a field that is neither text nor null.
    pub fn parse(draft: &str) -> Result<Self> {
        let object = draft::object(draft)?;
        let field = |name: &'static str| match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
            }
            Some(other) => Err(Error::BadField {
                field: name,
                found: other.to_string(),
            }),
        };
        Ok(Self {
            drug: field("drug")?,
            dose: field("dose")?,
            frequency: field("frequency")?,
            condition: field("condition")?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    // Invented words: nothing here is a drug or a dose.
    const PLAIN: &str = r#"{"drug": "Galitukol", "dose": "35 units", "frequency": "at bedtime", "condition": null}"#;

    #[test]
    fn an_object_is_read_bare_fenced_and_in_prose() {
        let plain = Prescription::parse(PLAIN).unwrap();
        assert_eq!(plain.drug.as_deref(), Some("Galitukol"));
        assert_eq!(plain.condition, None);
        let fenced = format!("```json\n{PLAIN}\n```\nDone.");
        assert_eq!(Prescription::parse(&fenced).unwrap(), plain);
        assert_eq!(
            Prescription::parse(&format!("Here: {PLAIN}")).unwrap(),
            plain
        );
    }

    #[test]
    fn what_is_absent_stays_absent() {
        assert_eq!(Prescription::parse("{}").unwrap(), Prescription::default());
        assert_eq!(Prescription::parse(r#"{"drug": " "}"#).unwrap().drug, None);
    }

    #[test]
    fn what_is_no_object_or_no_text_is_an_error() {
        for draft in ["", "none", "{", r#"{"drug": "#, "[1]"] {
            assert!(
                matches!(Prescription::parse(draft), Err(Error::NotJson { .. })),
                "{draft}"
            );
        }
        let number = Prescription::parse(r#"{"dose": 35}"#);
        assert_eq!(
            number,
            Err(Error::BadField {
                field: "dose",
                found: "35".to_owned()
            })
        );
    }
}
