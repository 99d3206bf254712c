//! What a consultation said, as data: medications, conditions, allergies and vital signs, each with the words it came from.
//!
//! A record holds statements, not truths. Each has the place in the transcript that supports it, and none has a code: codes
//! come from tables ([`Coding`]), never from a model. The words for states are those of FHIR R4, so nothing is translated.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Bytes of a transcript, from `start` up to `end`, on the borders of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// As a range to index bytes with.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// The words of `transcript` here; `None` where it does not reach so far or a character would be cut.
    pub fn of(self, transcript: &str) -> Option<&str> {
        transcript.get(self.range())
    }
}

/// A code from a table that someone else keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Coding {
    /// The table, by its FHIR address, such as `http://hl7.org/fhir/sid/icd-10-cm`.
    pub system: String,
    /// The code, as the table writes it.
    pub code: String,
    /// The table's words for it.
    pub display: String,
    /// Which release of the table, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Whom a statement is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The patient.
    #[default]
    Patient,
    /// A relative of the patient: family history.
    Family,
}

/// Whether a medication is taken: `MedicationStatement.status` of FHIR R4, without what only software says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MedicationStatus {
    /// Taken now.
    Active,
    /// Was taken to its end.
    Completed,
    /// Is to be taken from now on: prescribed in this consultation.
    Intended,
    /// Was ended before its end.
    Stopped,
    /// Is paused.
    OnHold,
    /// Is not taken: denied, or declined.
    NotTaken,
    /// Nothing was said.
    #[default]
    Unknown,
}

/// How a condition is going: `Condition.clinicalStatus` of FHIR R4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClinicalStatus {
    /// The patient has it.
    Active,
    /// It came back.
    Recurrence,
    /// It came back after it had become better.
    Relapse,
    /// The patient has no signs of it any more.
    Inactive,
    /// The patient has no signs of it for now.
    Remission,
    /// It is over.
    Resolved,
}

/// How sure a statement is: `Condition.verificationStatus` and `AllergyIntolerance.verificationStatus` of FHIR R4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// Said, and not checked by anyone.
    #[default]
    Unconfirmed,
    /// Said to be there.
    Confirmed,
    /// Said not to be there: a negation.
    Refuted,
}

/// A medication that was spoken of. Every text is as the transcript has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Medication {
    /// What it was called.
    pub name: String,
    /// How much of it is in one unit, such as `250 mg`.
    pub strength: Option<String>,
    /// How much is taken at a time, such as `2 tablets`.
    pub dose: Option<String>,
    /// The way it is taken, such as `by mouth`.
    pub route: Option<String>,
    /// How often, such as `every 8 hours`.
    pub frequency: Option<String>,
    /// For how long, such as `5 days`.
    pub duration: Option<String>,
    /// Whether it is taken.
    #[serde(default)]
    pub status: MedicationStatus,
    /// Where the transcript says so.
    pub evidence: Span,
}

/// A condition that was spoken of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What it was called.
    pub name: String,
    /// How it is going. `None` where it is not the patient's or was refuted.
    pub clinical_status: Option<ClinicalStatus>,
    /// Whether it is there.
    #[serde(default)]
    pub verification: Verification,
    /// When it began, in the transcript's words, such as `three days ago`.
    pub onset: Option<String>,
    /// Whose it is.
    #[serde(default)]
    pub subject: Subject,
    /// Where the transcript says so.
    pub evidence: Span,
}

/// An allergy or intolerance that was spoken of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allergy {
    /// To what.
    pub substance: String,
    /// What it does, such as `rash`.
    pub reaction: Option<String>,
    /// Whether it is there; [`Verification::Refuted`] for `no allergy to ..`.
    #[serde(default)]
    pub verification: Verification,
    /// Where the transcript says so.
    pub evidence: Span,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VitalSign {
    /// Beats a minute.
    HeartRate,
    /// Breaths a minute.
    RespiratoryRate,
    /// Degrees Celsius; Fahrenheit is kept as it was said.
    BodyTemperature,
    /// Millimetres of mercury.
    SystolicBloodPressure,
    /// Millimetres of mercury.
    DiastolicBloodPressure,
    /// Percent.
    OxygenSaturation,
    /// Kilograms; other units are kept as they were said.
    BodyWeight,
    /// Centimetres; other units are kept as they were said.
    BodyHeight,
}

/// A measurement that was spoken of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vital {
    /// What was measured.
    pub sign: VitalSign,
    /// The number.
    pub value: f64,
    /// Its unit in UCUM, such as `Cel`, `[degF]`, `/min`, `mm[Hg]`, `%`, `kg`.
    pub unit: String,
    /// Where the transcript says so.
    pub evidence: Span,
}

/// What a consultation said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Medications, in the order of the transcript.
    pub medications: Vec<Medication>,
    /// Conditions; refuted ones and those of relatives among them.
    pub conditions: Vec<Condition>,
    /// Allergies; refuted ones among them.
    pub allergies: Vec<Allergy>,
    /// Measurements.
    pub vitals: Vec<Vital>,
}

impl Record {
    /// Whether nothing was said that belongs into a record.
    pub fn is_empty(&self) -> bool {
        self.medications.is_empty()
            && self.conditions.is_empty()
            && self.allergies.is_empty()
            && self.vitals.is_empty()
    }
}
