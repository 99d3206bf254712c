//! A consultation with everything in it. Drugs and their codes are invented; `Zalvoran` and the system `urn:invented`
//! exist nowhere.

use outpost_clinic::fhir::bundle::{Edit, Kind, Making, Note, Section, Setting, build};
use outpost_clinic::fhir::{Codes, Source};
use outpost_clinic::record::{
    Allergy, ClinicalStatus, Coding, Condition, Medication, MedicationStatus, Record, Span,
    Subject, Verification, Vital, VitalSign,
};
use serde_json::Value;

pub const TRANSCRIPT: &str = "I take Zalvoran 250 mg, two tablets by mouth every 8 hours. You should start Mibutrine from \
    today. I have had a cough for three days. No fever. My mother had asthma. Nuts give me a rash. Your pulse is 88, \
    blood pressure 130 over 85, temperature 37.5.";

/// Where the transcript says `words`.
pub fn span(words: &str) -> Span {
    let start = TRANSCRIPT.find(words).unwrap();
    Span {
        start,
        end: start + words.len(),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub fn record() -> Record {
    let medication = |name: &str, status, evidence| Medication {
        name: name.to_owned(),
        strength: None,
        dose: None,
        route: None,
        frequency: None,
        duration: None,
        status,
        evidence: span(evidence),
    };
    let condition = |name: &str, verification, subject, evidence| Condition {
        name: name.to_owned(),
        clinical_status: Some(ClinicalStatus::Active),
        verification,
        onset: None,
        subject,
        evidence: span(evidence),
    };
    let vital = |sign, value, unit: &str, evidence| Vital {
        sign,
        value,
        unit: unit.to_owned(),
        evidence: span(evidence),
    };
    Record {
        medications: vec![
            Medication {
                strength: some("250 mg"),
                dose: some("two tablets"),
                route: some("by mouth"),
                frequency: some("every 8 hours"),
                duration: some("5 days"),
                ..medication("Zalvoran", MedicationStatus::Active, "Zalvoran 250 mg")
            },
            medication("Mibutrine", MedicationStatus::Intended, "start Mibutrine"),
        ],
        conditions: vec![
            Condition {
                onset: some("three days ago"),
                ..condition(
                    "cough",
                    Verification::Confirmed,
                    Subject::Patient,
                    "a cough for three days",
                )
            },
            condition("fever", Verification::Refuted, Subject::Patient, "No fever"),
            condition(
                "asthma",
                Verification::Confirmed,
                Subject::Family,
                "My mother had asthma",
            ),
        ],
        allergies: vec![Allergy {
            substance: "nuts".to_owned(),
            reaction: some("rash"),
            verification: Verification::Confirmed,
            evidence: span("Nuts give me a rash"),
        }],
        vitals: vec![
            vital(VitalSign::HeartRate, 88.0, "/min", "pulse is 88"),
            vital(
                VitalSign::SystolicBloodPressure,
                130.0,
                "mm[Hg]",
                "130 over 85",
            ),
            vital(
                VitalSign::DiastolicBloodPressure,
                85.0,
                "mm[Hg]",
                "130 over 85",
            ),
            vital(VitalSign::BodyTemperature, 37.5, "Cel", "temperature 37.5"),
        ],
    }
}

pub fn codes() -> Codes {
    let invented = |code: &str| {
        Some(Coding {
            system: "urn:invented".to_owned(),
            code: code.to_owned(),
            display: code.to_owned(),
            version: None,
        })
    };
    Codes {
        medications: vec![invented("M-1"), None],
        conditions: vec![invented("C-1")],
        allergies: vec![],
    }
}

pub fn making() -> Making {
    Making {
        program: "Outpost".to_owned(),
        model: "demo".to_owned(),
        quantisation: "Q4_0".to_owned(),
        device: "CPU".to_owned(),
        prompt: "Extract.".to_owned(),
        validators: vec!["outpost fhir validate".to_owned()],
        edits: vec![Edit {
            place: "conditions[0].name".to_owned(),
            before: "caugh".to_owned(),
            after: "cough".to_owned(),
        }],
        recorded: "2026-01-31T10:00:00Z".to_owned(),
    }
}

pub fn note() -> Note {
    let section = |title: &str, text: &str| Section {
        title: title.to_owned(),
        text: text.to_owned(),
    };
    Note {
        title: "Consultation".to_owned(),
        sections: vec![
            section("Subjective", "Cough for three days.\nNo fever."),
            section("Plan", "Rest & fluids < 2 l"),
        ],
    }
}

/// The Bundle of the whole consultation.
pub fn bundle(kind: Kind) -> Value {
    let (record, codes, making, note) = (record(), codes(), making(), note());
    build(&Source {
        record: &record,
        codes: &codes,
        transcript: TRANSCRIPT,
        with_transcript: true,
        note: Some(&note),
        patient_name: None,
        setting: Setting::Ambulatory,
        making: &making,
        kind,
        seed: 1,
    })
    .unwrap()
    .bundle
}
