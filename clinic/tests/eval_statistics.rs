//! Intervals and tests against values that were worked out elsewhere (`eval/intervals.py`), and what must hold of any counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use outpost_clinic::eval::facts::{Counts, Fact, FactScores};
use outpost_clinic::eval::interval::wilson;
use outpost_clinic::eval::paired::Pairs;
use outpost_clinic::record::Record;
use proptest::prelude::*;
use serde_json::{Value, json};

fn golden(name: &str) -> Vec<Vec<f64>> {
    let text = fs::read_to_string("tests/eval/intervals.json").unwrap();
    let tables: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(tables[name].clone()).unwrap()
}

fn pairs(counts: &[f64]) -> Pairs {
    Pairs {
        both: counts[0] as u64,
        only_a: counts[1] as u64,
        only_b: counts[2] as u64,
        neither: counts[3] as u64,
    }
}

fn assert_near(found: f64, wanted: f64, tolerance: f64, what: &impl std::fmt::Debug) {
    assert!(
        (found - wanted).abs() <= tolerance,
        "{what:?}: {found} where {wanted} is expected"
    );
}

#[test]
fn wilsons_interval_is_that_of_statsmodels() {
    let rows = golden("wilson");
    assert_eq!(rows.len(), 11);
    for row in rows {
        let found = wilson(row[0] as u64, row[1] as u64);
        assert_near(found.low, row[2], 1e-12, &row);
        assert_near(found.high, row[3], 1e-12, &row);
    }
}

#[test]
fn tangos_interval_is_that_of_a_likelihood_maximised_numerically() {
    let rows = golden("paired");
    assert_eq!(rows.len(), 13);
    for row in rows {
        let found = pairs(&row).interval();
        // As near as a numerical maximum comes.
        assert_near(found.low, row[4], 1e-6, &row);
        assert_near(found.high, row[5], 1e-6, &row);
    }
}

#[test]
fn mcnemars_exact_test_is_that_of_statsmodels() {
    for row in golden("paired") {
        assert_near(pairs(&row).mcnemar(), row[6], 1e-10, &row);
    }
}

#[test]
fn of_no_questions_nothing_is_known() {
    let (share, difference) = (wilson(0, 0), Pairs::default().interval());
    assert_eq!((share.low, share.high), (0.0, 1.0));
    assert_eq!((difference.low, difference.high), (-1.0, 1.0));
    assert_eq!(Pairs::default().mcnemar(), 1.0);
}

proptest! {
    #[test]
    fn intervals_hold_what_was_observed_and_stay_within_what_is_possible(
        both in 0u64..3000, only_a in 0u64..400, only_b in 0u64..400, neither in 0u64..3000,
    ) {
        let pairs = Pairs { both, only_a, only_b, neither };
        prop_assume!(pairs.count() > 0);
        let found = pairs.interval();
        let slack = 1e-12;
        prop_assert!(found.low >= -1.0 && found.high <= 1.0);
        prop_assert!(found.low <= pairs.difference() + slack, "{found:?}");
        prop_assert!(found.high >= pairs.difference() - slack, "{found:?}");
        let share = wilson(both, pairs.count());
        let observed = both as f64 / pairs.count() as f64;
        prop_assert!(share.low <= observed && observed <= share.high);
        prop_assert!((0.0..=1.0).contains(&pairs.mcnemar()));
    }

    #[test]
    fn the_other_way_round_everything_is_mirrored(
        both in 0u64..300, only_a in 0u64..60, only_b in 0u64..60, neither in 0u64..300,
    ) {
        let pairs = Pairs { both, only_a, only_b, neither };
        prop_assume!(pairs.count() > 0);
        let mirrored = Pairs { only_a: only_b, only_b: only_a, ..pairs };
        let (found, other) = (pairs.interval(), mirrored.interval());
        prop_assert!((found.low + other.high).abs() < 1e-9, "{found:?} {other:?}");
        prop_assert!((found.high + other.low).abs() < 1e-9, "{found:?} {other:?}");
        prop_assert_eq!(pairs.mcnemar(), mirrored.mcnemar());
    }
}

fn facts(list: Value) -> Vec<Fact> {
    serde_json::from_value(list).unwrap()
}

fn counts(right: u64, found: u64, expected: u64) -> Counts {
    Counts {
        right,
        found,
        expected,
    }
}

#[test]
fn facts_are_right_by_kind_and_name_and_their_fields_by_value() {
    let expected = facts(json!([
        {"kind": "medication", "name": "Fenatulex", "dose": "85 mg", "route": null},
        {"kind": "medication", "name": "Kelogorel", "dose": "2.5 mg"},
        {"kind": "condition", "name": "upset stomach"},
    ]));
    let found = facts(json!([
        {"kind": "medication", "name": " fenatulex.", "dose": "85  MG", "route": "oral"},
        {"kind": "medication", "name": "Kelogorel", "dose": "25 mg"},
        {"kind": "medication", "name": "upset stomach"},
        {"kind": "medication", "name": "Fenatulex"},
    ]));
    let mut scores = FactScores::default();
    scores.add(&found, &expected);
    assert_eq!(scores.facts, counts(2, 4, 3));
    assert_eq!(scores.kinds["medication"], counts(2, 4, 2));
    assert_eq!(scores.kinds["condition"], counts(0, 0, 1));
    assert_eq!(scores.fields["dose"], counts(1, 2, 2));
    assert_eq!(scores.fields["route"], counts(0, 1, 0));
    assert_eq!(scores.facts.precision(), Some(0.5));
    assert_eq!(scores.facts.recall(), Some(2.0 / 3.0));
    assert_eq!(scores.facts.f1(), Some(4.0 / 7.0));
}

#[test]
fn of_several_facts_of_a_name_the_one_that_agrees_is_meant() {
    let expected = facts(json!([
        {"kind": "vital", "name": "pulse", "value": 80},
        {"kind": "vital", "name": "pulse", "value": 122},
    ]));
    let mut scores = FactScores::default();
    scores.add(
        &facts(json!([{"kind": "vital", "name": "pulse", "value": "122"}])),
        &expected,
    );
    assert_eq!(scores.facts, counts(1, 1, 2));
    assert_eq!(scores.fields["value"], counts(1, 1, 2));
}

#[test]
fn nothing_found_where_nothing_is_has_no_score() {
    let mut scores = FactScores::default();
    scores.add(&[], &[]);
    assert_eq!(scores.facts.f1(), None);
    scores.add(&facts(json!([{"kind": "a", "name": "b"}])), &[]);
    assert_eq!(scores.facts.f1(), Some(0.0));
    assert_eq!(scores.facts.recall(), None);
}

#[test]
fn a_record_is_facts_with_what_was_said_of_them() {
    let evidence = json!({"start": 0, "end": 1});
    let record: Record = serde_json::from_value(json!({
        "medications": [{
            "name": "Kelogorel", "strength": null, "dose": "9 drops", "route": null, "frequency": null, "duration": null,
            "status": "unknown", "evidence": evidence,
        }],
        "conditions": [{
            "name": "cough", "clinical_status": null, "verification": "refuted", "onset": null, "subject": "patient",
            "evidence": evidence,
        }],
        "allergies": [{"substance": "Zanovimex", "reaction": "rash", "verification": "unconfirmed", "evidence": evidence}],
        "vitals": [{"sign": "heart-rate", "value": 122.0, "unit": "/min", "evidence": evidence}],
    }))
    .unwrap();
    let expected = facts(json!([
        {"kind": "medication", "name": "Kelogorel", "dose": "9 drops"},
        {"kind": "condition", "name": "cough", "verification": "refuted"},
        {"kind": "allergy", "name": "Zanovimex", "reaction": "rash"},
        {"kind": "vital-sign", "name": "heart-rate", "value": 122, "unit": "/min"},
    ]));
    let mut scores = FactScores::default();
    scores.add(&Fact::of_record(&record), &expected);
    assert_eq!(scores.facts, counts(4, 4, 4));
    assert!(
        scores.fields.values().all(|field| field.f1() == Some(1.0)),
        "{scores:?}"
    );
    assert_eq!(scores.fields.len(), 5);
}
