//! `outpost fhir validate` as its users see it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use std::fs;
use std::path::Path;

use serde_json::json;
use support::{outpost, scratch};

const VALID: &str = r#"{"resourceType": "Patient", "birthDate": "2020-02-29"}"#;
const INVALID: &str = r#"{"resourceType": "Patient", "birthDate": "2021-02-29"}"#;

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn valid_resources_are_said_to_be_valid() {
    let folder = scratch("fhir-valid");
    let file = written(&folder, "a.json", VALID);
    assert_eq!(
        outpost(&["fhir", "validate", &file]).text(),
        format!("{file}: valid\n")
    );
    let report = outpost(&["fhir", "validate", &file, "--json"]).json();
    assert_eq!(
        report,
        json!({"files": [{"path": file, "valid": true, "issues": []}], "valid": 1, "invalid": 0})
    );
}

#[test]
fn an_invalid_one_is_named_with_its_place_and_rule_and_the_command_fails() {
    let folder = scratch("fhir-invalid");
    let (good, bad) = (
        written(&folder, "a.json", VALID),
        written(&folder, "b.json", INVALID),
    );
    let run = outpost(&["fhir", "validate", &good, &bad]);
    assert_eq!(run.status, Some(1));
    assert!(
        run.stdout.contains(&format!("{bad}: Patient.birthDate: ")),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("[date]"), "{}", run.stdout);
    assert!(
        run.stderr.starts_with("error: 1 of 2 files are not valid"),
        "{}",
        run.stderr
    );
}

#[test]
fn references_may_lead_out_of_a_bundle_unless_it_is_to_be_self_contained() {
    let folder = scratch("fhir-links");
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {
        "resourceType": "Condition", "subject": {"reference": "Patient/1"},
    }}]});
    let file = written(&folder, "a.json", &bundle.to_string());
    outpost(&["fhir", "validate", &file]).text();
    let run = outpost(&["fhir", "validate", "--self-contained", &file]);
    assert_eq!(run.status, Some(1));
    assert!(run.stdout.contains("[unresolved]"), "{}", run.stdout);
}

#[test]
fn what_is_not_json_is_an_error_that_says_so() {
    let folder = scratch("fhir-text");
    let file = written(&folder, "a.json", "{");
    let refusal = outpost(&["fhir", "validate", &file]).refusal();
    assert!(refusal.contains("is not JSON"), "{refusal}");
    let missing = folder.join("none.json").display().to_string();
    assert!(
        outpost(&["fhir", "validate", &missing])
            .refusal()
            .contains("cannot be read")
    );
}
