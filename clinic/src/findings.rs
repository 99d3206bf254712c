//! Findings in a medical picture as data: what, where, how certain, and what in the picture shows it.
//!
//! A draft, as all that is read here. "Left" and "right" are the patient's. A finding without a word on what shows it is
//! dropped and counted; if all of them are, the draft is refused. No finding at all is an answer.

use outpost_engine::chat::{Conversation, Message, Part, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::danger::Urgency;
use crate::draft;
use crate::error::{Error, Result};
use crate::numbers::{self, Flag};

/// What a model is asked for findings.
pub const INSTRUCTION: &str = "Describe the findings in this medical image as JSON: modality, view, findings, impression, urgency (routine, urgent or emergency) and limitations. Each finding has `what`, `side` (the patient's), `zone`, `certainty`, and `evidence`: what is visible in the image that shows it. List no finding that is not visible. Say in `limitations` what cannot be judged.";

/// Most findings of a draft.
const MAX_FINDINGS: usize = 16;

/// Most characters of a text.
const MAX_CHARS: usize = 400;

/// How a picture was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// A radiograph.
    XRay,
    /// Computed tomography.
    Ct,
    /// Magnetic resonance.
    Mr,
    /// Ultrasound.
    Ultrasound,
    /// A photograph, of skin for example.
    Photograph,
    /// The back of the eye.
    Fundus,
    /// Tissue under a microscope.
    Microscopy,
    /// Something else, or it cannot be told.
    Other,
}

/// On which side of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The patient's left.
    Left,
    /// The patient's right.
    Right,
    /// Both sides.
    Both,
    /// In the middle.
    Midline,
    /// A side means nothing here.
    None,
}

/// How certain a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// It is there.
    Present,
    /// It is more likely there than not.
    Probable,
    /// It may be there.
    Possible,
    /// It was looked for and is not there.
    Absent,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// On which side.
    pub side: Side,
    /// Where on that side, such as `lower zone`; empty where it does not apply.
    #[serde(default)]
    pub zone: String,
    /// How certain.
    pub certainty: Certainty,
    /// What is visible that shows it.
    #[serde(default)]
    pub evidence: String,
}

/// What a model drafted about a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How the picture was made.
    pub modality: Modality,
    /// From where, such as `PA`; empty where it does not apply.
    pub view: String,
    /// The findings.
    pub findings: Vec<Finding>,
    /// All in a sentence or two.
    pub impression: String,
    /// How urgent the model thinks it is. [`Urgency::with_floor`] with the danger signs says what is shown.
    pub urgency: Urgency,
    /// What cannot be judged.
    pub limitations: String,
}

/// Findings that each say what shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedFindings {
    /// The draft, without the findings that were dropped.
    pub findings: Findings,
    /// Findings that do not say what shows them.
    pub dropped: Vec<Finding>,
    /// Numbers of the impression that neither the question nor a finding has.
    pub numbers_in_impression: Vec<Flag>,
    /// Numbers of each finding that is left, such as sizes, that the question does not have: a model cannot measure.
    pub numbers_in_findings: Vec<Vec<Flag>>,
}

impl Findings {
    /// The conversation that asks for the findings in one picture. The picture stands first.
    pub fn ask(question: &str) -> Conversation {
        let text = format!("{INSTRUCTION}\n{}", question.trim());
        Conversation {
            system: None,
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Image, Part::Text(text.trim_end().to_owned())],
            }],
        }
    }

    /// The JSON Schema of the form, for constrained decoding.
    pub fn schema() -> Value {
        let text = json!({"type": "string", "maxLength": MAX_CHARS});
        let words = json!({"type": "string", "minLength": 1, "maxLength": MAX_CHARS});
        let finding = json!({
            "type": "object",
            "properties": {
                "what": words,
                "side": {"enum": ["left", "right", "both", "midline", "none"]},
                "zone": text,
                "certainty": {"enum": ["present", "probable", "possible", "absent"]},
                "evidence": words
            },
            "required": ["what", "side", "zone", "certainty", "evidence"],
            "additionalProperties": false
        });
        json!({
            "type": "object",
            "properties": {
                "modality": {"enum": ["x-ray", "ct", "mr", "ultrasound", "photograph", "fundus", "microscopy", "other"]},
                "view": text,
                "findings": {"type": "array", "maxItems": MAX_FINDINGS, "items": finding},
                "impression": words,
                "urgency": {"enum": ["routine", "urgent", "emergency"]},
                "limitations": words
            },
            "required": ["modality", "view", "findings", "impression", "urgency", "limitations"],
            "additionalProperties": false
        })
    }

    /// Reads the first JSON object of a draft. Its form is checked, not what it says.
    ///
    /// # Errors
    /// [`Error::NotJson`], [`Error::BadForm`], and [`Error::MissingSection`] for a field that is absent or an impression
    /// or limitations without words.
    pub fn parse(draft: &str) -> Result<Self> {
        let mut object = draft::object(draft)?;
        let fields = [
            "modality",
            "view",
            "findings",
            "impression",
            "urgency",
            "limitations",
        ];
        if let Some(section) = fields
            .into_iter()
            .find(|field| !object.contains_key(*field))
        {
            return Err(Error::MissingSection { section });
        }
        let findings = Self {
            modality: draft::field(&mut object, "modality")?,
            view: draft::field(&mut object, "view")?,
            findings: draft::field(&mut object, "findings")?,
            impression: draft::field(&mut object, "impression")?,
            urgency: draft::field(&mut object, "urgency")?,
            limitations: draft::field(&mut object, "limitations")?,
        };
        for (section, text) in [
            ("impression", &findings.impression),
            ("limitations", &findings.limitations),
        ] {
            if !has_words(text) {
                return Err(Error::MissingSection { section });
            }
        }
        Ok(findings)
    }

    /// Keeps the findings that say what shows them; to repeat the finding itself says nothing. `question` is what the
    /// model was given besides the picture.
    ///
    /// # Errors
    /// [`Error::NoEvidence`] if there were findings and none is left: the impression then rests on nothing.
    pub fn check(mut self, question: &str) -> Result<CheckedFindings> {
        let (left, dropped): (Vec<Finding>, Vec<Finding>) = std::mem::take(&mut self.findings)
            .into_iter()
            .partition(|finding| {
                let repeats = finding
                    .evidence
                    .trim()
                    .eq_ignore_ascii_case(finding.what.trim());
                has_words(&finding.what) && has_words(&finding.evidence) && !repeats
            });
        if left.is_empty() && !dropped.is_empty() {
            return Err(Error::NoEvidence {
                dropped: dropped.len(),
            });
        }
        let text =
            |finding: &Finding| format!("{}\n{}\n{}", finding.what, finding.zone, finding.evidence);
        let described: Vec<String> = left.iter().map(text).collect();
        let known = format!("{question}\n{}", described.join("\n"));
        self.findings = left;
        Ok(CheckedFindings {
            numbers_in_impression: numbers::check(&known, &self.impression),
            numbers_in_findings: described
                .iter()
                .map(|text| numbers::check(question, text))
                .collect(),
            findings: self,
            dropped,
        })
    }
}

fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn draft() -> Value {
        json!({
            "modality": "x-ray",
            "view": "PA",
            "findings": [
                {"what": "Consolidation", "side": "right", "zone": "lower", "certainty": "probable", "evidence": "White area of 4 cm with air bronchograms"},
                {"what": "Effusion", "side": "left", "zone": "", "certainty": "possible", "evidence": " effusion "}
            ],
            "impression": "Probable pneumonia of 4 cm, 3 days old.",
            "urgency": "urgent",
            "limitations": "One view only."
        })
    }

    #[test]
    fn a_finding_that_does_not_say_what_shows_it_is_dropped() {
        let checked = Findings::parse(&draft().to_string())
            .unwrap()
            .check("")
            .unwrap();
        assert_eq!(checked.findings.findings.len(), 1);
        assert_eq!(checked.findings.findings[0].side, Side::Right);
        assert_eq!(checked.dropped[0].what, "Effusion");
    }

    #[test]
    fn sizes_and_times_that_were_not_given_are_flagged() {
        let checked = Findings::parse(&draft().to_string())
            .unwrap()
            .check("Cough")
            .unwrap();
        assert_eq!(checked.numbers_in_findings.len(), 1);
        assert_eq!(checked.numbers_in_findings[0].len(), 1);
        let impression = &checked.findings.impression;
        let flagged: Vec<&str> = checked
            .numbers_in_impression
            .iter()
            .filter_map(|flag| flag.span.of(impression))
            .collect();
        assert_eq!(flagged, ["3 days"]);
        let told = Findings::parse(&draft().to_string())
            .unwrap()
            .check("Cough for three days, 4 cm")
            .unwrap();
        assert!(told.numbers_in_impression.is_empty() && told.numbers_in_findings[0].is_empty());
    }

    #[test]
    fn findings_without_any_evidence_are_refused_and_no_findings_are_an_answer() {
        let mut bare = draft();
        bare["findings"][0]["evidence"] = json!(" .");
        assert_eq!(
            Findings::parse(&bare.to_string()).unwrap().check(""),
            Err(Error::NoEvidence { dropped: 2 })
        );
        let mut none = draft();
        none["findings"] = json!([]);
        assert!(
            Findings::parse(&none.to_string())
                .unwrap()
                .check("")
                .unwrap()
                .dropped
                .is_empty()
        );
    }

    #[test]
    fn every_section_is_required_and_of_its_type() {
        for name in [
            "modality",
            "view",
            "findings",
            "impression",
            "urgency",
            "limitations",
        ] {
            let mut without = draft();
            without.as_object_mut().unwrap().remove(name);
            let error = Findings::parse(&without.to_string()).unwrap_err();
            assert_eq!(error, Error::MissingSection { section: name });
            let mut other = draft();
            other[name] = json!(7);
            let error = Findings::parse(&other.to_string()).unwrap_err();
            assert!(
                matches!(error, Error::BadForm { field, .. } if field == name),
                "{name}"
            );
        }
        for name in ["impression", "limitations"] {
            let mut empty = draft();
            empty[name] = json!(" - ");
            assert_eq!(
                Findings::parse(&empty.to_string()),
                Err(Error::MissingSection { section: name })
            );
        }
    }

    #[test]
    fn the_schema_s_words_are_those_that_are_read() {
        let schema = Findings::schema();
        let of = |path: &str| {
            schema.pointer(path).unwrap()["enum"]
                .as_array()
                .unwrap()
                .clone()
        };
        for word in of("/properties/modality") {
            assert!(serde_json::from_value::<Modality>(word).is_ok());
        }
        for word in of("/properties/urgency") {
            assert!(serde_json::from_value::<Urgency>(word).is_ok());
        }
        let finding = "/properties/findings/items/properties";
        for word in of(&format!("{finding}/side")) {
            assert!(serde_json::from_value::<Side>(word).is_ok());
        }
        for word in of(&format!("{finding}/certainty")) {
            assert!(serde_json::from_value::<Certainty>(word).is_ok());
        }
        let required = schema["required"].as_array().unwrap();
        assert_eq!(
            required.len(),
            schema["properties"].as_object().unwrap().len()
        );
    }
}
