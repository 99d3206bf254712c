//! From a transcript to codes, a valid Bundle and danger signs, with a writer that follows a script. Names and codes of the
//! tables here are invented.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod script;

use outpost_clinic::Result;
use outpost_clinic::coding::{ChosenBy, Coded};
use outpost_clinic::consultation::review::{Review, Reviewed, review};
use outpost_clinic::consultation::{Options, Processed, Setup, process};
use outpost_clinic::danger::{Age, Patient, Urgency};
use outpost_clinic::extract::Way;
use outpost_clinic::fhir::bundle::Making;
use outpost_clinic::fhir::validate;
use outpost_clinic::terminology::{Index, Terminology, list};
use outpost_engine::chat::Part;
use script::Script;
use serde_json::{Value, json};

const SAID: &str = "She has had a chest cold for three days, and ear trouble. No grey fever.\n\
    Oxygen saturation 88 %, pulse 72. She is allergic to Pelvimol.\n\
    I prescribed Fenatulex 35 mg, twice a day for 5 days.";

const CONDITIONS: &str = "system,code,display,synonym\n\
    urn:invented:conditions,C-01,chest cold,cold of the chest\n\
    urn:invented:conditions,C-02,grey fever,\n\
    urn:invented:conditions,C-03,ear trouble of the left ear,\n\
    urn:invented:conditions,C-04,ear trouble of the right ear,\n";

const MEDICATIONS: &str = "system,code,display,synonym\nhttp://www.nlm.nih.gov/research/umls/rxnorm,9001,Fenatulex,Fenatulex brand\n";

const RECORDED: &str = "2026-01-31T10:00:00Z";

fn index(csv: &str) -> Index {
    let table = list::read(csv, "invented", None).unwrap();
    Index::from_bytes(&table.to_bytes().unwrap()).unwrap()
}

fn tables() -> Terminology {
    Terminology {
        conditions: vec![index(CONDITIONS)],
        medications: vec![index(MEDICATIONS)],
    }
}

fn run(script: &mut Script, terminology: &Terminology, options: Options) -> Processed {
    run_on(SAID, script, terminology, options)
}

fn run_on(
    said: &str,
    script: &mut Script,
    terminology: &Terminology,
    options: Options,
) -> Processed {
    let setup = Setup {
        terminology,
        patient: Patient {
            age: Some(Age::Years(40)),
            ..Patient::default()
        },
        making: Making {
            program: "Outpost".to_owned(),
            model: "a script".to_owned(),
            quantisation: "none".to_owned(),
            device: "a test".to_owned(),
            recorded: RECORDED.to_owned(),
            ..Making::default()
        },
        options,
    };
    pollster::block_on(process(script, said, &setup)).unwrap()
}

fn draft() -> String {
    json!({
        "medications": [{ "quote": "prescribed Fenatulex 35 mg, twice a day for 5 days", "name": "Fenatulex", "strength": "35 mg",
            "frequency": "twice a day", "duration": "5 days", "status": "intended" }],
        "conditions": [
            { "quote": "a chest cold for three days", "name": "chest cold", "clinical_status": "active", "verification": "confirmed",
                "onset": "three days", "subject": "patient" },
            { "quote": "ear trouble", "name": "ear trouble", "verification": "confirmed", "subject": "patient" },
            { "quote": "No grey fever", "name": "grey fever", "verification": "refuted", "subject": "patient" },
        ],
        "allergies": [{ "quote": "allergic to Pelvimol", "substance": "Pelvimol", "verification": "confirmed" }],
        "vitals": [
            { "quote": "Oxygen saturation 88 %", "sign": "oxygen-saturation", "value": 88, "unit": "%" },
            { "quote": "pulse 72", "sign": "heart-rate", "value": 72, "unit": "/min" },
        ],
    })
    .to_string()
}

fn code(coded: &Coded) -> Option<&str> {
    coded.coding.as_ref().map(|coding| &*coding.code)
}

fn resources<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    let entries = bundle["entry"].as_array().unwrap();
    let all = entries.iter().map(|entry| &entry["resource"]);
    all.filter(|resource| resource["resourceType"] == kind)
        .collect()
}

#[test]
fn a_consultation_becomes_facts_with_codes_and_a_valid_bundle() {
    let mut script = Script::of([draft(), r#"{"choice":"2"}"#.to_owned()]);
    let done = run(&mut script, &tables(), Options::default());
    assert!(done.success);
    assert_eq!(done.way, Way::FirstPass);
    let medication = &done.data.medications[0];
    assert_eq!(medication.rxnorm_code.as_deref(), Some("9001"));
    assert_eq!(medication.dosage.as_deref(), Some("twice a day, 5 days"));
    let codes: Vec<_> = done
        .data
        .conditions
        .iter()
        .map(|it| (code(&it.coded), it.coded.chosen_by))
        .collect();
    assert_eq!(codes[0], (Some("C-01"), ChosenBy::Rule));
    assert_eq!(codes[2], (Some("C-02"), ChosenBy::Rule));
    assert_eq!(
        done.data.conditions[0].icd10_code, None,
        "a code of an own list is none of ICD-10-CM"
    );
    // The program retrieved two that fit alike; the model named one of them by its number.
    let asked = &script.asked[1];
    let Part::Text(text) = &asked.conversation.messages[0].parts[0] else {
        panic!()
    };
    assert!(text.contains("2. ear trouble of the"), "{text}");
    assert!(!text.contains("C-03"), "codes are not shown to the model");
    assert_eq!(codes[1].1, ChosenBy::Model);
    assert_eq!(
        codes[1].0,
        Some(&*done.data.conditions[1].coded.candidates[1].coding.code)
    );

    let bundle = done.bundle.as_ref().unwrap();
    assert_eq!(validate(bundle), []);
    assert!(done.validation.bundle_valid);
    assert!(done.validation.conditions.iter().all(|it| it.valid));
    assert_eq!(
        resources(bundle, "MedicationRequest").len(),
        1,
        "what was prescribed now"
    );
    let conditions = resources(bundle, "Condition");
    assert_eq!(conditions.len(), 3);
    assert_eq!(
        conditions[2]["verificationStatus"]["coding"][0]["code"],
        "refuted"
    );
    assert_eq!(resources(bundle, "Observation").len(), 2);
    assert_eq!(resources(bundle, "AllergyIntolerance").len(), 1);
    assert_eq!(resources(bundle, "Provenance").len(), 1);
}

#[test]
fn a_code_that_a_model_writes_is_nobodys_choice() {
    for answer in [
        r#"{"choice":"C-04"}"#,
        r#"{"choice":"3"}"#,
        r#"{"choice":"0"}"#,
        r#"{"choice":"none"}"#,
        "C-04",
        r#"{"choice":"#,
        r#"{"code":"2"}"#,
    ] {
        let done = run(
            &mut Script::of([draft(), answer.to_owned()]),
            &tables(),
            Options::default(),
        );
        let trouble = &done.data.conditions[1];
        assert_eq!(
            (code(&trouble.coded), trouble.coded.chosen_by),
            (None, ChosenBy::Nobody),
            "{answer}"
        );
        assert!(done.success, "a fact without a code is words");
        assert!(
            !done.bundle.unwrap().to_string().contains("C-04"),
            "{answer}"
        );
    }
}

#[test]
fn without_tables_there_are_words_and_it_says_so() {
    let done = run(
        &mut Script::of([draft()]),
        &Terminology::default(),
        Options::default(),
    );
    assert!(done.success);
    assert!(
        done.data
            .medications
            .iter()
            .all(|it| it.rxnorm_code.is_none())
    );
    assert!(
        done.notices
            .iter()
            .any(|it| it.contains("RxNorm is not installed"))
    );
    let bundle = done.bundle.unwrap();
    let concept = &resources(&bundle, "MedicationRequest")[0]["medicationCodeableConcept"];
    assert!(
        concept.get("coding").is_none() && concept["text"].as_str().unwrap().contains("Fenatulex")
    );
}

/// What stays wrong in a draft is set right by rule, and the result, its log and its Bundle say so.
#[test]
fn what_the_words_overrule_is_in_the_notices_and_the_bundle() {
    let said = "No grey fever. Her mother has ear trouble. My father had a chest cold.";
    let condition = |quote: &str, name: &str| json!({ "quote": quote, "name": name, "clinical_status": "active", "verification": "confirmed", "subject": "patient" });
    let draft = json!({
        "medications": [], "allergies": [], "vitals": [],
        "conditions": [
            condition("grey fever", "grey fever"),
            condition("mother has ear trouble", "ear trouble"),
            condition("father had a chest cold", "chest cold"),
        ],
    })
    .to_string();
    let none = r#"{"choice":"none"}"#.to_owned();
    let mut script = Script::of([draft.clone(), draft.clone(), draft, none]);
    let done = run_on(said, &mut script, &tables(), Options::default());
    assert_eq!((done.way, done.success), (Way::Repaired, true));
    for notice in [
        "\u{201c}grey fever\u{201d} is recorded as not there, for the transcript denies it; the draft said otherwise.",
        "\u{201c}ear trouble\u{201d} is recorded as a relative's, for the transcript says so; the draft said otherwise.",
        "\u{201c}chest cold\u{201d} may be a relative's: say whose it is.",
    ] {
        assert!(
            done.notices.iter().any(|it| it == notice),
            "{:?}",
            done.notices
        );
    }
    assert!(!done.notices.iter().any(|it| it.contains("left out")));
    for attempt in &done.repair_log {
        assert_eq!(attempt.faults.len(), 2, "{attempt:?}");
    }
    let bundle = done.bundle.unwrap();
    let refuted = |it: &&Value| it["verificationStatus"]["coding"][0]["code"] == "refuted";
    let conditions = resources(&bundle, "Condition");
    assert_eq!(
        conditions.len(),
        2,
        "the relative's is none of the patient's"
    );
    assert_eq!(conditions.iter().filter(|it| refuted(it)).count(), 1);
}

#[test]
fn danger_signs_come_from_rules_whatever_was_drafted() {
    let done = run(
        &mut Script::of([draft(), r#"{"choice":"none"}"#.to_owned()]),
        &tables(),
        Options::default(),
    );
    assert!(
        done.danger_signs.floor >= Urgency::Urgent,
        "saturation of 88 %"
    );
    assert!(
        done.danger_signs
            .found
            .iter()
            .all(|sign| !sign.source.title.is_empty())
    );
}

#[test]
fn what_is_blocked_gives_no_bundle() {
    let no_rules = Options {
        extract: outpost_clinic::extract::Options {
            fallback: false,
            ..Default::default()
        },
        ..Options::default()
    };
    let bad = || "I cannot help with that.".to_owned();
    let done = run(&mut Script::of([bad(), bad(), bad()]), &tables(), no_rules);
    assert_eq!(
        (done.success, done.way, done.bundle),
        (false, Way::Blocked, None)
    );
    assert_eq!(done.repair_log.len(), 3);
    assert!(
        done.danger_signs.floor >= Urgency::Urgent,
        "rules read the transcript themselves"
    );
}

#[test]
fn no_bundle_is_made_unless_it_is_validated() {
    let unchecked = Options {
        validate_fhir: false,
        ..Options::default()
    };
    let done = run(
        &mut Script::of([draft(), r#"{"choice":"1"}"#.to_owned()]),
        &tables(),
        unchecked,
    );
    assert_eq!(
        (done.success, &done.bundle, done.validation.bundle_valid),
        (true, &None, false)
    );
}

#[test]
fn the_same_drafts_give_the_same_bytes_and_a_seed_other_addresses() {
    let run = |seed| {
        let options = Options {
            seed,
            transaction: true,
            ..Options::default()
        };
        let done = run(
            &mut Script::of([draft(), r#"{"choice":"1"}"#.to_owned()]),
            &tables(),
            options,
        );
        serde_json::to_string(&done).unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn what_rules_find_and_the_draft_lacks_is_said() {
    let whole = run(
        &mut Script::of([draft(), r#"{"choice":"none"}"#.to_owned()]),
        &tables(),
        Options {
            validate_fhir: false,
            ..Options::default()
        },
    );
    let lists =
        |done: &Processed| -> Vec<&str> { done.overlooked.iter().map(|it| it.list).collect() };
    assert!(
        lists(&whole).iter().all(|list| *list == "conditions"),
        "{:?}",
        whole.overlooked
    );

    let mut lacking: Value = serde_json::from_str(&draft()).unwrap();
    lacking["medications"] = json!([]);
    lacking["vitals"].as_array_mut().unwrap().truncate(1);
    let done = run(
        &mut Script::of([lacking.to_string(), r#"{"choice":"none"}"#.to_owned()]),
        &tables(),
        Options::default(),
    );
    assert_eq!(done.way, Way::FirstPass);
    let said: Vec<&str> = done.overlooked.iter().map(|it| &*it.quote).collect();
    assert!(said.iter().any(|it| it.contains("Fenatulex")), "{said:?}");
    assert!(said.contains(&"pulse 72"), "{said:?}");
    assert!(
        done.data.medications.is_empty(),
        "a rule's find is no fact of the draft"
    );
}

/// A draft as a host sends it back, with changes.
fn review_of(done: &Processed, changes: &Value, note: &Value) -> Result<Reviewed> {
    let done = serde_json::to_value(done).unwrap();
    let sent = Review::read(&done, note.clone(), changes.clone()).unwrap();
    review(sent, SAID, &Options::default(), RECORDED.to_owned())
}

fn drafted() -> Processed {
    let mut script = Script::of([draft(), r#"{"choice":"2"}"#.to_owned()]);
    run(&mut script, &tables(), Options::default())
}

#[test]
fn a_review_without_changes_changes_nothing() {
    let done = drafted();
    let reviewed = review_of(&done, &json!([]), &Value::Null).unwrap();
    // The scores of candidates travel with four digits.
    let data = |data| serde_json::to_value(data).unwrap();
    assert_eq!(data(reviewed.data), data(done.data));
    assert_eq!(reviewed.validation, done.validation);
    let (before, after) = (done.bundle.unwrap(), reviewed.bundle.unwrap());
    assert!(reviewed.success && reviewed.edits.is_empty());
    for kind in ["Condition", "MedicationRequest", "AllergyIntolerance"] {
        assert_eq!(resources(&after, kind), resources(&before, kind), "{kind}");
    }
}

#[test]
fn what_a_person_changes_is_in_the_bundle_and_its_provenance_says_so() {
    let done = drafted();
    let chosen = done.data.conditions[1].coded.clone();
    let changes = json!([
        {"place": "conditions[0]", "change": "leave-out"},
        {"place": "vital_signs[1]", "change": "leave-out"},
        {"place": "allergies[0]", "change": "leave-out"},
        {"place": "medications[0]", "change": "no-code"},
        {"place": "conditions[1]", "change": "no-code"},
        {"place": "conditions[1]", "change": "take-code", "candidate": 0},
    ]);
    let reviewed = review_of(&done, &changes, &Value::Null).unwrap();
    assert_eq!(reviewed.data.medications[0].rxnorm_code, None);
    let names: Vec<_> = reviewed
        .data
        .conditions
        .iter()
        .map(|it| &*it.said.name)
        .collect();
    assert_eq!(names, ["ear trouble", "grey fever"]);
    assert!(reviewed.data.allergies.is_empty());
    assert_eq!(reviewed.data.vital_signs.len(), 1);
    let taken = &reviewed.data.conditions[0].coded;
    assert_eq!(taken.coding.as_ref(), Some(&chosen.candidates[0].coding));
    assert_ne!(taken.coding, chosen.coding);
    assert_eq!(taken.chosen_by, ChosenBy::Person);

    let bundle = reviewed.bundle.unwrap();
    assert_eq!(validate(&bundle), []);
    let conditions = resources(&bundle, "Condition");
    assert_eq!(conditions.len(), 2);
    assert_eq!(
        conditions[0]["code"]["coding"][0]["code"],
        *code(taken).unwrap()
    );
    assert!(
        resources(&bundle, "MedicationRequest")[0]["medicationCodeableConcept"]
            .get("coding")
            .is_none()
    );
    let provenance = resources(&bundle, "Provenance")[0];
    let revisions = provenance["entity"].as_array().unwrap().iter();
    let revisions: Vec<_> = revisions
        .filter(|it| it["role"] == "revision")
        .map(|it| it["what"]["display"].as_str().unwrap())
        .collect();
    assert_eq!(revisions.len(), reviewed.edits.len());
    assert_eq!(
        revisions,
        [
            "medications[0].coded: `9001 Fenatulex` changed to `no code` by a person",
            "conditions[0]: `chest cold` changed to `left out` by a person",
            &*format!(
                "conditions[1].coded: `{} {}` changed to `{} {}` by a person",
                code(&chosen).unwrap(),
                chosen.coding.as_ref().unwrap().display,
                code(taken).unwrap(),
                taken.coding.as_ref().unwrap().display
            ),
            "allergies[0]: `Pelvimol` changed to `left out` by a person",
            "vital_signs[1]: `72 /min` changed to `left out` by a person",
        ]
    );
}

#[test]
fn everything_may_be_left_out() {
    let done = drafted();
    let data = serde_json::to_value(&done.data).unwrap();
    let places = ["medications", "conditions", "allergies", "vital_signs"]
        .into_iter()
        .flat_map(|list| {
            let count = data[list].as_array().unwrap().len();
            (0..count).map(
                move |index| json!({"place": format!("{list}[{index}]"), "change": "leave-out"}),
            )
        });
    let reviewed = review_of(&done, &places.collect(), &Value::Null).unwrap();
    assert_eq!(validate(&reviewed.bundle.unwrap()), []);
    assert_eq!(reviewed.edits.len(), 7);
}

#[test]
fn a_note_goes_along_with_what_is_reviewed() {
    let note = json!({
        "sentences": [{"section": "plan", "text": "Give Zanrapide 900 mg.", "quote": "", "evidence": {"start": 0, "end": 3},
            "numbers": [{"span": {"start": 15, "end": 21}, "kind": "absent", "source": null}], "names": [{"start": 5, "end": 14}]}],
        "empty": ["subjective", "objective", "assessment"],
    });
    let reviewed = review_of(&drafted(), &json!([]), &note).unwrap();
    let bundle = reviewed.bundle.unwrap();
    assert_eq!(validate(&bundle), []);
    let section = &resources(&bundle, "Composition")[0]["section"][0];
    let text = section["text"]["div"].as_str().unwrap();
    assert!(
        text.contains("[not in the transcript: 900 mg, Zanrapide]"),
        "{text}"
    );
}

#[test]
fn a_change_of_what_is_not_there_is_refused() {
    let done = serde_json::to_value(drafted()).unwrap();
    for change in [
        json!({"place": "conditions[0]", "change": "leave"}),
        json!({"place": "conditions[0]", "change": "take-code"}),
        json!({"place": "conditions[0]", "change": "no-code", "candidate": 0}),
        json!({"change": "leave-out"}),
    ] {
        assert!(
            Review::read(&done, Value::Null, json!([change])).is_err(),
            "{change}"
        );
    }
    for (change, words) in [
        (
            json!({"place": "conditions[3]", "change": "leave-out"}),
            "no conditions[3]",
        ),
        (
            json!({"place": "conditions[-1]", "change": "leave-out"}),
            "no conditions[-1]",
        ),
        (
            json!({"place": "vitals[0]", "change": "leave-out"}),
            "no vitals[0]",
        ),
        (
            json!({"place": "", "change": "no-code"}),
            "the draft has no",
        ),
        (
            json!({"place": "allergies[0]", "change": "no-code"}),
            "never has a code",
        ),
        (
            json!({"place": "vital_signs[0]", "change": "take-code", "candidate": 0}),
            "no candidate 0",
        ),
        (
            json!({"place": "conditions[0]", "change": "take-code", "candidate": 9}),
            "no candidate 9",
        ),
    ] {
        let error = review_of(&drafted(), &json!([change]), &Value::Null).unwrap_err();
        assert!(error.to_string().contains(words), "{change}: {error}");
    }
}
