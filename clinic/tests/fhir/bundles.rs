//! Every Bundle that is made is valid, and holds what it was made of.

use outpost_clinic::fhir::bundle::{EVIDENCE, Kind, Making, Note, Section, Setting, build};
use outpost_clinic::fhir::{Built, Codes, Source, validate};
use outpost_clinic::record::{
    Allergy, ClinicalStatus, Coding, Condition, Medication, MedicationStatus, Record, Span,
    Subject, Verification, Vital, VitalSign,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::sample;

/// Everything that a Bundle is made of, owned.
#[derive(Debug)]
struct Case {
    transcript: String,
    record: Record,
    codes: Codes,
    note: Note,
    making: Making,
    kind: Kind,
    setting: Setting,
    with_transcript: bool,
    name: Option<String>,
    seed: u64,
}

impl Case {
    fn build(&self) -> Built {
        build(&Source {
            record: &self.record,
            codes: &self.codes,
            transcript: &self.transcript,
            with_transcript: self.with_transcript,
            note: Some(&self.note),
            patient_name: self.name.as_deref(),
            setting: self.setting,
            making: &self.making,
            kind: self.kind,
            seed: self.seed,
        })
        .unwrap()
    }
}

/// Words such as a transcript has, and texts that it should not have.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-zA-Z0-9äß ]{1,20}", 1 => "\\PC{0,12}", 1 => any::<String>()]
}

fn maybe(of: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Option<String>> {
    prop::option::of(of).boxed()
}

fn verification() -> impl Strategy<Value = Verification> {
    prop::sample::select(vec![
        Verification::Unconfirmed,
        Verification::Confirmed,
        Verification::Refuted,
    ])
}

fn evidence() -> impl Strategy<Value = Span> {
    (0..60_usize, 0..20_usize).prop_map(|(start, length)| Span {
        start,
        end: start + length,
    })
}

fn medication() -> impl Strategy<Value = Medication> {
    use MedicationStatus::{Active, Completed, Intended, NotTaken, OnHold, Stopped, Unknown};
    let status = prop::sample::select(vec![
        Active, Completed, Intended, NotTaken, OnHold, Stopped, Unknown,
    ]);
    let dose = prop_oneof![
        text(),
        Just("2 tablets".to_owned()),
        Just("500 mg".to_owned()),
        Just("1e999 mg".to_owned())
    ];
    let frequency = prop_oneof![
        text(),
        Just("every 8 hours".to_owned()),
        Just("as needed".to_owned())
    ];
    let duration = prop_oneof![text(), Just("for 5 days".to_owned())];
    (
        text(),
        maybe(text()),
        maybe(dose),
        maybe(text()),
        maybe(frequency),
        maybe(duration),
        status,
        evidence(),
    )
        .prop_map(
            |(name, strength, dose, route, frequency, duration, status, evidence)| Medication {
                name,
                strength,
                dose,
                route,
                frequency,
                duration,
                status,
                evidence,
            },
        )
}

fn condition() -> impl Strategy<Value = Condition> {
    use ClinicalStatus::{Active, Inactive, Recurrence, Relapse, Remission, Resolved};
    let clinical = prop::sample::select(vec![
        Active, Recurrence, Relapse, Inactive, Remission, Resolved,
    ]);
    let subject = prop::sample::select(vec![Subject::Patient, Subject::Family]);
    (
        text(),
        prop::option::of(clinical),
        verification(),
        maybe(text()),
        subject,
        evidence(),
    )
        .prop_map(
            |(name, clinical_status, verification, onset, subject, evidence)| Condition {
                name,
                clinical_status,
                verification,
                onset,
                subject,
                evidence,
            },
        )
}

fn allergy() -> impl Strategy<Value = Allergy> {
    (text(), maybe(text()), verification(), evidence()).prop_map(
        |(substance, reaction, verification, evidence)| Allergy {
            substance,
            reaction,
            verification,
            evidence,
        },
    )
}

fn vital() -> impl Strategy<Value = Vital> {
    use VitalSign::{
        BodyHeight, BodyTemperature, BodyWeight, DiastolicBloodPressure, HeartRate,
        OxygenSaturation, RespiratoryRate, SystolicBloodPressure,
    };
    let sign = prop::sample::select(vec![
        HeartRate,
        RespiratoryRate,
        BodyTemperature,
        SystolicBloodPressure,
        DiastolicBloodPressure,
        OxygenSaturation,
        BodyWeight,
        BodyHeight,
    ]);
    let unit = prop_oneof![
        8 => prop::sample::select(vec!["/min", "Cel", "[degF]", "mm[Hg]", "%", "kg", "g", "[lb_av]", "cm", "m", "[in_i]", "[ft_i]"])
            .prop_map(str::to_owned),
        1 => text(),
    ];
    let value = prop_oneof![8 => 0.0..300.0, 1 => any::<f64>()];
    (sign, value, unit, evidence()).prop_map(|(sign, value, unit, evidence)| Vital {
        sign,
        value,
        unit,
        evidence,
    })
}

fn coding() -> impl Strategy<Value = Option<Coding>> {
    let invented = ("[A-Z][0-9]{2}", text(), maybe(Just("2026".to_owned()))).prop_map(
        |(code, display, version)| Coding {
            system: "urn:invented".to_owned(),
            code,
            display,
            version,
        },
    );
    prop::option::of(invented)
}

fn case() -> impl Strategy<Value = Case> {
    let list = || prop::collection::vec(coding(), 0..4);
    let record = (
        prop::collection::vec(medication(), 0..4),
        prop::collection::vec(condition(), 0..4),
        prop::collection::vec(allergy(), 0..3),
        prop::collection::vec(vital(), 0..5),
    );
    let sections = prop::collection::vec((text(), text()), 0..3);
    let making = (text(), text(), text(), prop::collection::vec(text(), 0..3));
    let kind = prop::sample::select(vec![Kind::Collection, Kind::Transaction]);
    let setting = prop::sample::select(vec![
        Setting::Ambulatory,
        Setting::Emergency,
        Setting::Inpatient,
        Setting::Home,
        Setting::Virtual,
    ]);
    let transcript = prop_oneof!["[a-zäß,. ]{0,120}", any::<String>()];
    let codes = (list(), list(), list());
    (
        transcript,
        record,
        codes,
        sections,
        making,
        kind,
        setting,
        any::<bool>(),
        maybe(text()),
        any::<u64>(),
    )
        .prop_map(
            |(
                transcript,
                record,
                codes,
                sections,
                making,
                kind,
                setting,
                with_transcript,
                name,
                seed,
            )| Case {
                transcript,
                record: Record {
                    medications: record.0,
                    conditions: record.1,
                    allergies: record.2,
                    vitals: record.3,
                },
                codes: Codes {
                    medications: codes.0,
                    conditions: codes.1,
                    allergies: codes.2,
                },
                note: Note {
                    title: making.0.clone(),
                    sections: sections
                        .into_iter()
                        .map(|(title, text)| Section { title, text })
                        .collect(),
                },
                making: Making {
                    program: making.0,
                    model: making.1.clone(),
                    prompt: making.1,
                    device: making.2,
                    validators: making.3,
                    recorded: "2026-01-31T10:00:00.5+01:00".to_owned(),
                    ..sample::making()
                },
                kind,
                setting,
                with_transcript,
                name,
                seed,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn every_bundle_that_is_made_is_valid(case in case()) {
        let built = case.build();
        prop_assert_eq!(validate(&built.bundle), vec![]);
        let facts = case.record.medications.len() + case.record.conditions.len() + case.record.allergies.len() + case.record.vitals.len();
        prop_assert_eq!(built.addresses.len() + built.left_out.len(), facts, "each fact is in it or left out, once");
    }
}

/// What other validators are given: `clinic/tests/fhir/other_validators.py` reads these lines.
#[test]
fn bundles_for_other_validators_are_valid_and_printed() {
    let mut runner = TestRunner::deterministic();
    let strategy = case();
    for _ in 0..200 {
        let bundle = strategy
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .build()
            .bundle;
        assert_eq!(validate(&bundle), vec![]);
        println!("{}", json!({"valid": bundle}));
    }
    for kind in [Kind::Collection, Kind::Transaction] {
        let bundle = sample::bundle(kind);
        assert_eq!(validate(&bundle), vec![]);
        println!("{}", json!({"valid": bundle}));
    }
}

fn resources<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    let entries = bundle["entry"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| &entry["resource"])
        .filter(|resource| resource["resourceType"] == kind)
        .collect()
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(
        sample::bundle(Kind::Collection).to_string(),
        sample::bundle(Kind::Collection).to_string()
    );
}

#[test]
fn medications_that_are_taken_are_statements_and_intended_ones_are_proposals() {
    let bundle = sample::bundle(Kind::Collection);
    let taken = resources(&bundle, "MedicationStatement");
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0]["status"], "active");
    assert_eq!(
        taken[0]["medicationCodeableConcept"]["text"],
        "Zalvoran 250 mg"
    );
    assert_eq!(
        taken[0]["medicationCodeableConcept"]["coding"][0]["code"],
        "M-1"
    );
    let dosage = &taken[0]["dosage"][0];
    assert_eq!(
        dosage["text"],
        "two tablets, by mouth, every 8 hours, 5 days"
    );
    assert_eq!(
        dosage["doseAndRate"][0]["doseQuantity"],
        json!({"value": 2, "unit": "tablets"})
    );
    assert_eq!(dosage["timing"]["repeat"]["period"], 8);
    assert_eq!(dosage["timing"]["repeat"]["boundsDuration"]["code"], "d");
    let proposed = resources(&bundle, "MedicationRequest");
    assert_eq!(
        (&proposed[0]["status"], &proposed[0]["intent"]),
        (&json!("draft"), &json!("proposal"))
    );
    assert_eq!(
        proposed[0]["medicationCodeableConcept"],
        json!({"text": "Mibutrine"}),
        "no code is text only"
    );
}

#[test]
fn what_was_denied_is_refuted_and_a_relatives_condition_is_not_the_patients() {
    let bundle = sample::bundle(Kind::Collection);
    let conditions = resources(&bundle, "Condition");
    assert_eq!(conditions.len(), 2);
    assert_eq!(
        conditions[0]["clinicalStatus"]["coding"][0]["code"],
        "active"
    );
    assert_eq!(conditions[0]["onsetString"], "three days ago");
    assert_eq!(
        conditions[1]["verificationStatus"]["coding"][0]["code"],
        "refuted"
    );
    assert_eq!(conditions[1].get("clinicalStatus"), None);
    let family = resources(&bundle, "FamilyMemberHistory");
    assert_eq!(family[0]["condition"][0]["code"]["text"], "asthma");
}

#[test]
fn the_words_of_the_transcript_can_be_found_from_every_fact() {
    let bundle = sample::bundle(Kind::Collection);
    let mut count = 0;
    for kind in [
        "MedicationStatement",
        "MedicationRequest",
        "Condition",
        "FamilyMemberHistory",
        "AllergyIntolerance",
        "Observation",
    ] {
        for resource in resources(&bundle, kind) {
            let evidence = &resource["extension"][0];
            assert_eq!(evidence["url"], EVIDENCE);
            let parts = evidence["extension"].as_array().unwrap();
            let number = |nth: usize| {
                usize::try_from(parts[nth]["valueUnsignedInt"].as_u64().unwrap()).unwrap()
            };
            assert_eq!(
                parts[2]["valueString"],
                sample::TRANSCRIPT[number(0)..number(1)]
            );
            count += 1;
        }
    }
    assert_eq!(count, 9);
}

#[test]
fn both_blood_pressures_are_one_panel_and_a_lone_one_says_what_is_missing() {
    let bundle = sample::bundle(Kind::Collection);
    let observations = resources(&bundle, "Observation");
    assert_eq!(observations.len(), 3);
    let values: Vec<&Value> = observations[1]["component"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["valueQuantity"]["value"])
        .collect();
    assert_eq!(values, [&json!(130), &json!(85)]);

    let mut record = sample::record();
    record
        .vitals
        .retain(|vital| vital.sign == VitalSign::SystolicBloodPressure);
    let (codes, making) = (Codes::default(), sample::making());
    let source = Source {
        record: &record,
        codes: &codes,
        transcript: sample::TRANSCRIPT,
        with_transcript: false,
        note: None,
        patient_name: Some("Invented Person"),
        setting: Setting::Home,
        making: &making,
        kind: Kind::Collection,
        seed: 0,
    };
    let bundle = build(&source).unwrap().bundle;
    assert_eq!(validate(&bundle), vec![]);
    let component = &resources(&bundle, "Observation")[0]["component"];
    assert_eq!(
        component[1]["dataAbsentReason"]["coding"][0]["code"],
        "unknown"
    );
    assert_eq!(
        resources(&bundle, "DocumentReference")[0]["content"][0]["attachment"].get("data"),
        None
    );
    assert_eq!(
        resources(&bundle, "Patient")[0]["name"][0]["text"],
        "Invented Person"
    );
}

#[test]
fn a_height_in_metres_is_converted_and_an_unknown_unit_has_no_code() {
    let mut record = Record::default();
    let evidence = sample::span("pulse is 88");
    for (sign, value, unit) in [
        (VitalSign::BodyHeight, 1.83, "m"),
        (VitalSign::BodyWeight, 11.0, "[stone_av]"),
        (VitalSign::BodyTemperature, 310.0, "K"),
        (VitalSign::HeartRate, 88.0, "bpm"),
    ] {
        record.vitals.push(Vital {
            sign,
            value,
            unit: unit.to_owned(),
            evidence,
        });
    }
    let case = Case {
        transcript: sample::TRANSCRIPT.to_owned(),
        record,
        codes: Codes::default(),
        note: Note::default(),
        making: sample::making(),
        kind: Kind::Collection,
        setting: Setting::Ambulatory,
        with_transcript: false,
        name: None,
        seed: 0,
    };
    let bundle = case.build().bundle;
    assert_eq!(validate(&bundle), vec![]);
    let all = resources(&bundle, "Observation");
    assert_eq!(
        (
            &all[0]["valueQuantity"]["value"],
            &all[0]["valueQuantity"]["code"]
        ),
        (&json!(183), &json!("cm"))
    );
    assert_eq!(
        (
            &all[1]["valueQuantity"]["value"],
            &all[1]["valueQuantity"]["code"]
        ),
        (&json!(154), &json!("[lb_av]"))
    );
    assert_eq!(
        (&all[2]["code"], &all[2]["valueQuantity"]["code"]),
        (&json!({"text": "Body temperature"}), &json!("K"))
    );
    assert_eq!(all[3]["valueQuantity"], json!({"value": 88, "unit": "bpm"}));
}

#[test]
fn a_fact_without_evidence_is_left_out_and_said_so() {
    let mut record = sample::record();
    record.conditions[0].evidence = Span {
        start: 0,
        end: 100_000,
    };
    record.medications[1].name = " ".to_owned();
    record.conditions[2].verification = Verification::Refuted;
    let case = Case {
        transcript: sample::TRANSCRIPT.to_owned(),
        record,
        codes: sample::codes(),
        note: Note::default(),
        making: sample::making(),
        kind: Kind::Collection,
        setting: Setting::Ambulatory,
        with_transcript: false,
        name: None,
        seed: 0,
    };
    let built = case.build();
    let names: Vec<&str> = built
        .left_out
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["medications[1]", "conditions[0]", "conditions[2]"]);
    assert_eq!(validate(&built.bundle), vec![]);
}

#[test]
fn a_moment_that_is_no_instant_is_an_error() {
    let (record, codes) = (sample::record(), sample::codes());
    let making = Making {
        recorded: "yesterday".to_owned(),
        ..sample::making()
    };
    let source = Source {
        record: &record,
        codes: &codes,
        transcript: sample::TRANSCRIPT,
        with_transcript: true,
        note: None,
        patient_name: None,
        setting: Setting::Ambulatory,
        making: &making,
        kind: Kind::Collection,
        seed: 0,
    };
    assert!(build(&source).is_err());
}
