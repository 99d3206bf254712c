//! Bundles that are wrong in one way, each with the one reason for which it is refused: the rows of `invalid.jsonl`.
//!
//! A row changes a `resource` of a valid Bundle (`Observation:1` is the second Observation, `Bundle` the Bundle itself) at
//! JSON pointers, where null takes away, and says at which path below that resource which rule is broken.

use outpost_clinic::fhir::bundle::Kind;
use outpost_clinic::fhir::validate;
use serde_json::{Map, Value, json};

use crate::sample;

const ROWS: &str = include_str!("invalid.jsonl");

/// Makes a change; a pointer ends at a place in an object or an array.
fn change(value: &mut Value, at: &str, to: &Value) {
    let (parent, name) = at.rsplit_once('/').unwrap();
    match value
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no {parent}"))
    {
        Value::Array(all) => {
            let nth: usize = name.parse().unwrap();
            if to.is_null() {
                all.remove(nth);
            } else if nth < all.len() {
                all[nth] = to.clone();
            } else {
                all.push(to.clone());
            }
        }
        Value::Object(all) if to.is_null() => {
            drop(all.remove(name).unwrap_or_else(|| panic!("no {at}")))
        }
        Value::Object(all) => drop(all.insert(name.to_owned(), to.clone())),
        _ => panic!("{parent} has no children"),
    }
}

/// The path of what is changed, and the place of it.
fn find<'a>(bundle: &'a mut Value, resource: &str) -> (String, &'a mut Value) {
    let (kind, nth) = resource.split_once(':').unwrap_or((resource, "0"));
    if kind == "Bundle" {
        return ("Bundle".to_owned(), bundle);
    }
    let entries = bundle["entry"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate();
    let (at, entry) = entries
        .filter(|(_, entry)| entry["resource"]["resourceType"] == kind)
        .nth(nth.parse().unwrap())
        .unwrap_or_else(|| panic!("no {resource}"));
    (
        format!("Bundle.entry[{at}].resource"),
        &mut entry["resource"],
    )
}

#[test]
fn each_wrong_bundle_is_refused_for_its_reason_and_no_other() {
    let (collection, transaction) = (
        sample::bundle(Kind::Collection),
        sample::bundle(Kind::Transaction),
    );
    for valid in [&collection, &transaction] {
        assert_eq!(
            validate(valid),
            vec![],
            "what the changes are made to is valid"
        );
    }
    let mut wrong = Vec::new();
    for line in ROWS.lines() {
        let row: Map<String, Value> = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap();
        let mut bundle = if row.contains_key("kind") {
            transaction.clone()
        } else {
            collection.clone()
        };
        let (prefix, resource) = find(&mut bundle, text("resource"));
        for (at, to) in row["change"].as_object().unwrap() {
            change(resource, at, to);
        }
        let found: Vec<(String, &str)> = validate(&bundle)
            .into_iter()
            .map(|issue| (issue.path, issue.rule))
            .collect();
        if found != [(format!("{prefix}{}", text("path")), text("rule"))] {
            wrong.push(format!("{line}\n  found {found:?}"));
        }
        println!(
            "{}",
            json!({"invalid": bundle, "name": text("name"), "rule": text("rule")})
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ROWS.lines().count() >= 60);
}
