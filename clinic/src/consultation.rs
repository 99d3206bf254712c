//! From the words of a consultation to what a program takes: facts with codes, a valid FHIR R4 Bundle, and danger signs.
//!
//! ```text
//! transcript ── extract (model, repair, rules) ── code (tables) ── Bundle ── validate ── result
//!           └── danger signs (rules over transcript and record)
//! ```
//! A Bundle that is not valid is not handed out. What was tried, dropped and left out is in the result.

pub mod review;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assertion::{self, Relative};
use crate::coding::{self, Coded, Codes};
use crate::danger::{Assessment, Patient, Rules};
use crate::error::Result;
use crate::extract::{self, Attempt, Dropped, Fault, Overlooked, Reason, Transcript, Way};
use crate::fhir::bundle::{self, Built, Kind, Making, Setting, Source};
use crate::fhir::{Issue, validate};
use crate::record::{Allergy, Condition, Medication, Record, Span, Subject, Vital};
use crate::terminology::{Candidate, ICD10CM_SYSTEM, RXNORM_SYSTEM, Terminology};
use crate::writer::Writer;

/// Where everything is computed, for whoever reads the result.
pub const PRIVACY: &str = "on-device";

/// How a consultation is processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// How it is extracted.
    pub extract: extract::Options,
    /// Whether a Bundle is made. It is validated, or there is none.
    pub validate_fhir: bool,
    /// Whether the Bundle is one that a server carries out.
    pub transaction: bool,
    /// Whether the transcript's words go into the Bundle.
    pub with_transcript: bool,
    /// Makes the addresses in the Bundle.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            extract: extract::Options::default(),
            validate_fhir: true,
            transaction: false,
            with_transcript: true,
            seed: 0,
        }
    }
}

/// What a consultation is processed with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The tables of codes.
    pub terminology: &'a Terminology,
    /// What is known of the patient.
    pub patient: Patient,
    /// How and when it is made.
    pub making: Making,
    /// Options.
    pub options: Options,
}

/// A medication with its code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MedicationItem {
    /// What was said. `name`, `strength`, `dose`, `route`, `frequency`, `duration`, `status`, `evidence`.
    #[serde(flatten)]
    pub said: Medication,
    /// Dose, route, frequency and duration in one line, as they were said.
    pub dosage: Option<String>,
    /// Its code in RxNorm; `None` without one, or without RxNorm.
    pub rxnorm_code: Option<String>,
    /// How its code was found, and what else it could have been.
    pub coded: Coded,
    /// The words of the transcript.
    pub quote: String,
}

/// A condition with its code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConditionItem {
    /// What was said. `name`, `clinical_status`, `verification`, `onset`, `subject`, `evidence`.
    #[serde(flatten)]
    pub said: Condition,
    /// Its code in ICD-10-CM; `None` without one.
    pub icd10_code: Option<String>,
    /// How its code was found, and what else it could have been.
    pub coded: Coded,
    /// The words of the transcript.
    pub quote: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Data {
    /// Medications.
    pub medications: Vec<MedicationItem>,
    /// Conditions, refuted ones and those of relatives among them.
    pub conditions: Vec<ConditionItem>,
    /// Allergies.
    pub allergies: Vec<Allergy>,
    /// Measurements.
    pub vital_signs: Vec<Vital>,
}

/// Whether an item is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Validity {
    /// Whether its resource is valid.
    pub valid: bool,
    /// What is wrong with it, or why it is not in the Bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What validation says, item by item.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Validation {
    /// Whether there is a Bundle, and nothing is wrong with it.
    pub bundle_valid: bool,
    /// Of each medication.
    pub medications: Vec<Validity>,
    /// Of each condition.
    pub conditions: Vec<Validity>,
    /// Of each allergy.
    pub allergies: Vec<Validity>,
    /// Of each measurement.
    pub vital_signs: Vec<Validity>,
    /// Everything that is wrong with the Bundle.
    pub issues: Vec<Issue>,
}

/// What computed, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The model.
    pub model: String,
    /// How its weights are stored.
    pub quantization: String,
    /// What computed.
    pub device: String,
    /// Where: always on this device.
    pub privacy: String,
}

impl ModelInfo {
    pub(crate) fn of(making: &Making) -> Self {
        Self {
            model: making.model.clone(),
            quantization: making.quantisation.clone(),
            device: making.device.clone(),
            privacy: PRIVACY.to_owned(),
        }
    }

    /// How a record is made by this model, at the moment `recorded`, when it was asked `prompt`.
    pub fn making(&self, prompt: String, recorded: String) -> Making {
        let program = concat!("Outpost ", env!("CARGO_PKG_VERSION"));
        Making {
            program: program.to_owned(),
            model: self.model.clone(),
            quantisation: self.quantization.clone(),
            device: self.device.clone(),
            prompt,
            validators: vec![format!("{program}, FHIR R4")],
            edits: Vec::new(),
            recorded,
        }
    }
}

/// What came of a consultation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Processed {
    /// Whether there is a record and, where one was asked for, a valid Bundle.
    pub success: bool,
    /// The record.
    pub data: Data,
    /// What validation says.
    pub validation: Validation,
    /// The Bundle; `None` if there is no valid one.
    pub bundle: Option<Value>,
    /// How the record came about.
    pub way: Way,
    /// What the draft says beyond the transcript.
    pub dropped: Vec<Dropped>,
    /// What simple rules find in the transcript and the draft does not have.
    pub overlooked: Vec<Overlooked>,
    /// Every draft, and what was wrong with it.
    pub repair_log: Vec<Attempt>,
    /// Danger signs by rule. No model has a say in them.
    pub danger_signs: Assessment,
    /// What the user should know, in words.
    pub notices: Vec<String>,
    /// How long it took; the host has the clock.
    pub processing_time_ms: Option<f64>,
    /// What computed.
    pub model_info: ModelInfo,
}

/// Processes a consultation.
///
/// # Errors
/// What keeps the writer from writing, and [`crate::Error::Unsupported`] if `making.recorded` is no instant of FHIR.
pub async fn process<W: Writer>(
    writer: &mut W,
    transcript: &str,
    setup: &Setup<'_>,
) -> Result<Processed> {
    process_with(writer, transcript, setup, None).await
}

/// Processes a consultation about which there is a note, for the Bundle.
pub(crate) async fn process_with<W: Writer>(
    writer: &mut W,
    transcript: &str,
    setup: &Setup<'_>,
    note: Option<&bundle::Note>,
) -> Result<Processed> {
    let fits = |record: &Record| match setup.options.validate_fhir {
        true => faults(transcript, record, note, setup),
        false => Vec::new(),
    };
    let extraction = extract::extract(
        writer,
        transcript,
        setup.terminology,
        &fits,
        &setup.options.extract,
    )
    .await?;
    let record = extraction.record;
    let text = Transcript::new(transcript);
    let codes = coding::code(writer, &record, &text, setup.terminology).await?;
    let blocked = extraction.way == Way::Blocked;
    let overlooked = match extraction.way {
        Way::FirstPass | Way::Repaired => extract::overlooked(&text, setup.terminology, &record),
        Way::Fallback | Way::Blocked => Vec::new(),
    };
    let built = match setup.options.validate_fhir && !blocked {
        true => Some(build(transcript, &record, &codes, note, setup)?),
        false => None,
    };
    let validation = validation(&record, built.as_ref());
    let bundle = built
        .filter(|_| validation.bundle_valid)
        .map(|it| it.bundle);
    Ok(Processed {
        success: !blocked && (validation.bundle_valid || !setup.options.validate_fhir),
        danger_signs: Rules::shipped()?.assess(&setup.patient, &record, transcript),
        notices: notices(
            &record,
            &codes,
            extraction.way,
            &extraction.dropped,
            &text,
            setup,
        ),
        data: data(record, codes, transcript),
        validation,
        bundle,
        way: extraction.way,
        dropped: extraction.dropped,
        overlooked,
        repair_log: extraction.log,
        processing_time_ms: None,
        model_info: ModelInfo::of(&setup.making),
    })
}

fn build(
    transcript: &str,
    record: &Record,
    codes: &Codes,
    note: Option<&bundle::Note>,
    setup: &Setup<'_>,
) -> Result<Built> {
    let Setup {
        making, options, ..
    } = setup;
    to_bundle(transcript, record, codes, note, making, options)
}

fn to_bundle(
    transcript: &str,
    record: &Record,
    codes: &Codes,
    note: Option<&bundle::Note>,
    making: &Making,
    options: &Options,
) -> Result<Built> {
    let coding = |coded: &Coded| coded.coding.clone();
    let codes = bundle::Codes {
        medications: codes.medications.iter().map(coding).collect(),
        conditions: codes.conditions.iter().map(coding).collect(),
        allergies: Vec::new(),
    };
    bundle::build(&Source {
        record,
        codes: &codes,
        transcript,
        with_transcript: options.with_transcript,
        note,
        patient_name: None,
        setting: Setting::default(),
        making,
        kind: match options.transaction {
            true => Kind::Transaction,
            false => Kind::Collection,
        },
        seed: options.seed,
    })
}

/// What is wrong with what a record would become, by the record's own places.
fn faults(
    transcript: &str,
    record: &Record,
    note: Option<&bundle::Note>,
    setup: &Setup<'_>,
) -> Vec<Fault> {
    // What is wrong with the host's own words is told when the Bundle itself is made.
    let Ok(built) = build(transcript, record, &Codes::default(), note, setup) else {
        return Vec::new();
    };
    let issues = validate(&built.bundle);
    let fault = |issue: &Issue| Fault {
        path: place(&built, issue).unwrap_or_else(|| issue.path.clone()),
        problem: issue.message.clone(),
    };
    issues.iter().map(fault).collect()
}

/// Which fact of the record an issue is about.
fn place(built: &Built, issue: &Issue) -> Option<String> {
    let nth = issue.path.strip_prefix("Bundle.entry[")?;
    let (nth, _) = nth.split_once(']')?;
    let entry = built.bundle.get("entry")?.get(nth.parse::<usize>().ok()?)?;
    let url = entry.get("fullUrl")?.as_str()?;
    let (name, _) = built.addresses.iter().find(|(_, address)| address == url)?;
    Some(name.clone())
}

fn validation(record: &Record, built: Option<&Built>) -> Validation {
    let Some(built) = built else {
        return Validation::default();
    };
    let issues = validate(&built.bundle);
    let of = |list: &str, count: usize| -> Vec<Validity> {
        let validity = |index| {
            let name = format!("{list}[{index}]");
            let left_out = built.left_out.iter().find(|(it, _)| *it == name);
            let wrong = issues
                .iter()
                .find(|issue| place(built, issue).as_deref() == Some(&*name));
            let error = left_out.map(|(_, why)| format!("is not in the Bundle: {why}"));
            let error = wrong.map(|issue| issue.message.clone()).or(error);
            Validity {
                valid: error.is_none(),
                error,
            }
        };
        (0..count).map(validity).collect()
    };
    Validation {
        bundle_valid: issues.is_empty(),
        medications: of("medications", record.medications.len()),
        conditions: of("conditions", record.conditions.len()),
        allergies: of("allergies", record.allergies.len()),
        vital_signs: of("vitals", record.vitals.len()),
        issues,
    }
}

fn data(record: Record, codes: Codes, transcript: &str) -> Data {
    let quote = |span: Span| span.of(transcript).unwrap_or_default().to_owned();
    // Own lists have codes of their own, which are in `coded`.
    let code = |coded: &Coded, system| {
        let coding = coded
            .coding
            .as_ref()
            .filter(|coding| coding.system == system);
        coding.map(|coding| coding.code.clone())
    };
    let medications = record.medications.into_iter().zip(codes.medications);
    let conditions = record.conditions.into_iter().zip(codes.conditions);
    Data {
        medications: medications
            .map(|(said, coded)| MedicationItem {
                dosage: dosage(&said),
                rxnorm_code: code(&coded, RXNORM_SYSTEM),
                coded,
                quote: quote(said.evidence),
                said,
            })
            .collect(),
        conditions: conditions
            .map(|(said, coded)| ConditionItem {
                icd10_code: code(&coded, ICD10CM_SYSTEM),
                coded,
                quote: quote(said.evidence),
                said,
            })
            .collect(),
        allergies: record.allergies,
        vital_signs: record.vitals,
    }
}

fn dosage(said: &Medication) -> Option<String> {
    let parts = [&said.dose, &said.route, &said.frequency, &said.duration];
    let parts: Vec<_> = parts.into_iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn notices(
    record: &Record,
    codes: &Codes,
    way: Way,
    dropped: &[Dropped],
    transcript: &Transcript<'_>,
    setup: &Setup<'_>,
) -> Vec<String> {
    let mut notices = Vec::new();
    match way {
        Way::FirstPass | Way::Repaired => {}
        Way::Fallback => notices.push(
            "The model's drafts could not be used. This was found by simple rules, which miss much.".to_owned(),
        ),
        Way::Blocked => notices.push("Nothing could be extracted. Write the record by hand.".to_owned()),
    }
    let overruled = dropped.iter().filter_map(|it| {
        let name = &it.said;
        let recorded = match it.reason {
            Reason::Denied => "as not there, for the transcript denies it",
            Reason::OfRelative => "as a relative's, for the transcript says so",
            Reason::Past => "without a state, for the transcript says that it is over",
            _ => return None,
        };
        Some(format!(
            "\u{201c}{name}\u{201d} is recorded {recorded}; the draft said otherwise."
        ))
    });
    let overruled: Vec<String> = overruled.collect();
    let left_out = dropped.len() - overruled.len();
    if left_out > 0 {
        notices.push(format!(
            "{} not supported by the transcript and left out.",
            crate::counted(left_out, "statement", "the draft")
        ));
    }
    notices.extend(overruled);
    for it in &record.conditions {
        let quote = it.evidence.of(transcript.text()).unwrap_or_default();
        let said = assertion::of_name(transcript, quote, &it.name);
        let perhaps = said.is_some_and(|said| said.relative == Relative::Perhaps);
        if perhaps && it.subject == Subject::Patient {
            let name = &it.name;
            notices.push(format!(
                "\u{201c}{name}\u{201d} may be a relative's: say whose it is."
            ));
        }
    }
    for (it, coded) in record.conditions.iter().zip(&codes.conditions) {
        let chosen = |candidate: &&Candidate| Some(&candidate.coding) == coded.coding.as_ref();
        if coded
            .candidates
            .iter()
            .find(chosen)
            .is_some_and(|it| !it.complete)
        {
            let name = &it.name;
            notices.push(format!(
                "The code of \u{201c}{name}\u{201d} heads several: say more to have a complete one."
            ));
        }
    }
    if !record.medications.is_empty() && setup.terminology.medications.is_empty() {
        notices.push("RxNorm is not installed: medications have no codes.".to_owned());
    }
    if !record.conditions.is_empty() && setup.terminology.conditions.is_empty() {
        notices.push("ICD-10-CM is not installed: conditions have no codes.".to_owned());
    }
    notices
}
