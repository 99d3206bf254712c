//! Drafts that make of their words what these surely do not say: told, mended, or overruled.

use outpost_clinic::extract::{MOST_REPAIRS, Reason, Way};
use outpost_clinic::record::{Subject, Verification};
use serde_json::{Value, json};

use super::{Script, run, run_on};

/// A draft of one condition.
fn condition(quote: &str, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut form = json!({
        "medications": [],
        "conditions": [{
            "quote": quote, "name": name, "clinical_status": "active", "verification": "confirmed", "onset": null,
            "subject": "patient",
        }],
        "allergies": [], "vitals": [],
    });
    change(&mut form["conditions"][0]);
    form.to_string()
}

/// What a draft makes of its words, how the writer is told, and what the record has, whether it is mended or not.
#[test]
fn what_the_transcript_surely_says_otherwise_is_told_and_then_counts() {
    let refuted = condition("No fever", "fever", |it| {
        it["verification"] = json!("refuted");
        it["clinical_status"] = Value::Null;
    });
    let family = condition("mother has grey ear", "grey ear", |it| {
        it["subject"] = json!("family");
        it["clinical_status"] = Value::Null;
    });
    for (bad, told, mended, reason) in [
        (
            condition("No fever", "fever", |_| ()),
            "conditions[0].verification: the transcript says that it is not there; write refuted",
            &refuted,
            Reason::Denied,
        ),
        (
            // The quote leaves out what denies it.
            condition("fever", "fever", |it| {
                it["verification"] = json!("unconfirmed")
            }),
            "write refuted",
            &refuted,
            Reason::Denied,
        ),
        (
            condition("mother has grey ear", "grey ear", |_| ()),
            "conditions[0].subject: the transcript says it of a relative; write family",
            &family,
            Reason::OfRelative,
        ),
    ] {
        let mut script = Script::of([&bad, mended]);
        let found = run(&mut script);
        assert!(script.told().contains(told), "{}", script.told());
        assert_eq!((found.way, found.dropped.len()), (Way::Repaired, 0));
        let right = found.record;

        let stays = run(&mut Script::of([&bad, &bad, &bad]));
        assert_eq!(stays.way, Way::Repaired);
        assert_eq!(stays.log.len(), 1 + MOST_REPAIRS);
        assert_eq!(stays.dropped.len(), 1, "never silently");
        assert_eq!(stays.dropped[0].reason, reason);
        let mut by_rule = stays.record;
        by_rule.conditions[0].evidence = right.conditions[0].evidence;
        assert_eq!(by_rule, right, "{bad}");
    }
}

#[test]
fn a_denied_allergy_is_told_and_then_counts() {
    let said = "She has no known allergy to Pelvimol.";
    let bad = json!({
        "medications": [], "conditions": [], "vitals": [],
        "allergies": [{ "quote": "allergy to Pelvimol", "substance": "Pelvimol", "reaction": null, "verification": "confirmed" }],
    })
    .to_string();
    let found = run_on(said, &mut Script::of([&bad, &bad, &bad]), true);
    assert_eq!(
        found.record.allergies[0].verification,
        Verification::Refuted
    );
    assert_eq!(found.dropped[0].path, "allergies[0].verification");
}

#[test]
fn what_to_return_for_and_what_is_over_are_not_what_is_there() {
    let said = "Come back if she has a fever. She had grey ear as a child.";
    let advice = condition("she has a fever", "fever", |_| ());
    let found = run_on(said, &mut Script::of([&advice, &advice, &advice]), true);
    assert_eq!(found.dropped.len() + found.record.conditions.len(), 1);
    assert!(
        found.record.conditions.iter().all(|it| it.name != "fever"),
        "{found:?}"
    );
    assert_eq!(found.log[0].dropped[0].reason, Reason::Hypothetical);

    let over = condition("had grey ear as a child", "grey ear", |_| ());
    let found = run_on(said, &mut Script::of([&over, &over, &over]), true);
    assert_eq!(found.record.conditions[0].clinical_status, None);
    assert_eq!(found.dropped[0].reason, Reason::Past);
    let resolved = condition("had grey ear as a child", "grey ear", |it| {
        it["clinical_status"] = json!("resolved");
    });
    assert_eq!(
        run_on(said, &mut Script::of([&resolved]), true).way,
        Way::FirstPass
    );
}

#[test]
fn where_it_is_not_sure_the_draft_counts() {
    for (said, quote, name) in [
        // Said twice: the words quoted are those of either.
        ("No fever yesterday. A fever today.", "fever", "fever"),
        ("It is not only a fever.", "not only a fever", "fever"),
        (
            "No chest cold but fever since noon.",
            "fever since noon",
            "fever",
        ),
        ("My mother has grey ear.", "mother has grey ear", "grey ear"),
        (
            "Her mother says she has grey ear.",
            "she has grey ear",
            "grey ear",
        ),
        ("If it is a fever she rests.", "a fever", "fever"),
        (
            "She had a fever last year and still has it.",
            "had a fever last year",
            "fever",
        ),
    ] {
        let draft = condition(quote, name, |_| ());
        let found = run_on(said, &mut Script::of([&draft]), true);
        assert_eq!(
            (found.way, found.dropped.len()),
            (Way::FirstPass, 0),
            "{said}"
        );
        assert_eq!(
            found.record.conditions[0].verification,
            Verification::Confirmed
        );
        assert_eq!(found.record.conditions[0].subject, Subject::Patient);
    }
}
