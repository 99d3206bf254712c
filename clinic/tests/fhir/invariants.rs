//! Each invariant of R4 that the table has, where it holds and where it does not: the rows of `invariants.jsonl`.
//!
//! A row has a resource that follows the rule (`holds`) and one that breaks it, and nothing else (`broken`).

use std::collections::BTreeSet;

use outpost_clinic::fhir::validate::{advise, invariants};
use outpost_clinic::fhir::{Links, validate_with};
use serde_json::{Map, Value};

const ROWS: &str = include_str!("invariants.jsonl");

/// The rules that `resource` breaks; those that only advise are asked for by name.
fn broken(resource: &Value, rule: &str) -> Vec<&'static str> {
    let issues = validate_with(resource, Links::Anywhere);
    let advice = advise(resource)
        .into_iter()
        .filter(|issue| issue.rule == rule);
    issues
        .into_iter()
        .chain(advice)
        .map(|issue| issue.rule)
        .collect()
}

#[test]
fn each_invariant_is_checked_both_ways() {
    let mut tested = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in ROWS.lines() {
        let row: Map<String, Value> = serde_json::from_str(line).unwrap();
        let rule = row["rule"].as_str().unwrap();
        tested.insert(rule.to_owned());
        let (holds, breaks) = (broken(&row["holds"], rule), broken(&row["broken"], rule));
        if !holds.is_empty() || breaks != [rule] {
            wrong.push(format!(
                "{rule}: where it holds {holds:?}, where it does not {breaks:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let untested: Vec<_> = invariants()
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| !tested.contains(*key))
        .collect();
    assert_eq!(
        untested,
        Vec::<&str>::new(),
        "each rule of the table is tested"
    );
}

#[test]
fn each_invariant_of_the_table_is_written() {
    let missing: Vec<_> = invariants()
        .into_iter()
        .filter(|(_, known)| !known)
        .map(|(key, _)| key)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
