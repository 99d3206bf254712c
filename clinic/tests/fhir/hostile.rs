//! Values that nobody would write by mistake: they are refused, soon, and without a panic.

use std::time::{Duration, Instant};

use outpost_clinic::fhir::validate::{MAX_ISSUES, advise};
use outpost_clinic::fhir::{Links, validate, validate_with};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::sample;
use outpost_clinic::fhir::bundle::Kind;

fn takes_at_most(limit: Duration, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    assert!(start.elapsed() < limit, "{:?}", start.elapsed());
}

#[test]
fn what_lies_too_deep_is_refused_unread() {
    let mut extension = json!({"url": "urn:x", "valueBoolean": true});
    for _ in 0..2000 {
        extension = json!({"url": "urn:x", "extension": [extension]});
    }
    let patient = json!({"resourceType": "Patient", "extension": [extension]});
    let issues = validate(&patient);
    assert_eq!(
        issues.iter().map(|issue| issue.rule).collect::<Vec<_>>(),
        ["depth"]
    );
    // Dropping what lies deep would need a deep stack as well.
    std::mem::forget(patient);
}

#[test]
fn bundles_in_bundles_are_refused_too() {
    let mut bundle = json!({"resourceType": "Bundle", "type": "collection"});
    for _ in 0..500 {
        bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": bundle}]});
    }
    assert_eq!(
        validate(&bundle)
            .iter()
            .map(|issue| issue.rule)
            .collect::<Vec<_>>(),
        ["depth"]
    );
    std::mem::forget(bundle);
}

#[test]
fn reasons_are_not_gathered_without_end() {
    let names: Map<String, Value> = (0..100_000).map(|n| (format!("x{n}"), json!(n))).collect();
    let mut patient = Value::Object(names);
    patient["resourceType"] = json!("Patient");
    takes_at_most(Duration::from_secs(5), || {
        assert_eq!(validate(&patient).len(), MAX_ISSUES)
    });
}

/// Comparing each with each would take more than a thousand million steps.
#[test]
fn many_entries_and_many_contained_resources_take_no_longer_than_their_number() {
    let url = |n: usize| format!("urn:uuid:00000000-0000-4000-8000-{n:012x}");
    let count = 40_000;
    let entries: Vec<Value> = (0..count)
        .map(|n| {
            let link = json!([{"other": {"reference": url((n + 1) % count)}, "type": "seealso"}]);
            json!({"fullUrl": url(n), "resource": {"resourceType": "Patient", "link": link}})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
    takes_at_most(Duration::from_secs(20), || {
        assert_eq!(validate(&bundle), vec![]);
    });

    let contained: Vec<Value> = (0..count)
        .map(|n| json!({"resourceType": "Patient", "id": format!("p{n}"), "active": true}))
        .collect();
    let links: Vec<Value> = (0..count)
        .map(|n| json!({"other": {"reference": format!("#p{n}")}, "type": "seealso"}))
        .collect();
    let patient = json!({"resourceType": "Patient", "contained": contained, "link": links});
    takes_at_most(Duration::from_secs(20), || {
        assert_eq!(validate(&patient), vec![]);
    });
}

/// Any JSON, with names that mean something among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "Patient",
            "Bundle",
            "Observation",
            "#",
            "#a",
            "urn:uuid:",
            "2020-02-30",
            "<div",
            "Patient/"
        ])
        .prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "resourceType",
            "entry",
            "resource",
            "contained",
            "id",
            "_id",
            "extension",
            "url",
            "code",
            "coding",
            "system",
            "valueQuantity",
            "component",
            "subject",
            "reference",
            "text",
            "div",
            "name",
            "_name",
            "meta",
            "profile",
            "type",
            "fullUrl",
            "request",
            "status",
            "period",
            "start",
            "end",
            "value",
            "timing",
            "repeat",
            "when",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_json_at_all_is_read_without_a_panic(value in any_json()) {
        validate_with(&value, Links::Anywhere);
        advise(&value);
    }

    #[test]
    fn a_valid_bundle_with_any_json_in_any_place_is_read_without_a_panic(value in any_json(), pick in any::<u64>()) {
        let mut bundle = sample::bundle(Kind::Collection);
        let places = places(&bundle);
        let at = &places[usize::try_from(pick % places.len() as u64).unwrap()];
        *bundle.pointer_mut(at).unwrap() = value;
        validate(&bundle);
        advise(&bundle);
    }
}

fn places(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Array(all) => all
                .iter()
                .enumerate()
                .for_each(|(nth, one)| walk(one, &format!("{at}/{nth}"), found)),
            Value::Object(all) => all
                .iter()
                .for_each(|(name, one)| walk(one, &format!("{at}/{name}"), found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}
