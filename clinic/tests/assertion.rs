//! What is said of a thing: danger signs, rules and the check of drafts agree on it, each case asked of all three.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use outpost_clinic::Result;
use outpost_clinic::assertion::{Assertion, Relative, of_name};
use outpost_clinic::danger::{Age, Patient, Rules};
use outpost_clinic::extract::{Lexicon, Options, extract};
use outpost_clinic::quote::Transcript;
use outpost_clinic::record::{Condition, Record, Subject, Verification};
use outpost_clinic::writer::{Ask, Draft, Writer};

const THING: &str = "convulsions";

struct Names;

impl Lexicon for Names {
    fn is_condition(&self, words: &str) -> bool {
        words.to_lowercase() == THING
    }

    fn is_medication(&self, _: &str) -> bool {
        false
    }
}

/// Writes nothing of use, so that rules do the work.
struct Mute;

impl Writer for Mute {
    async fn write(&mut self, _: &Ask) -> Result<Draft> {
        let (text, cut) = (String::new(), false);
        Ok(Draft { text, cut })
    }
}

/// What rules alone make of it.
fn by_rules(said: &str) -> Vec<Condition> {
    let fine = |_: &Record| Vec::new();
    let (mut mute, options) = (Mute, Options::default());
    let found = extract(&mut mute, said, &Names, &fine, &options);
    pollster::block_on(found).unwrap().record.conditions
}

/// Whether it is a danger sign of a child of two years.
fn is_danger_sign(said: &str) -> bool {
    let child = Patient {
        age: Some(Age::Years(2)),
        ..Patient::default()
    };
    let found = Rules::shipped()
        .unwrap()
        .assess(&child, &Record::default(), said);
    found
        .found
        .iter()
        .any(|sign| sign.rule == "imci-convulsions")
}

fn assertion(said: &str) -> Assertion {
    of_name(&Transcript::new(said), THING, THING).unwrap()
}

#[test]
fn what_is_there_is_a_danger_sign_and_the_patients() {
    for said in [
        "Convulsions since noon.",
        "He has had convulsions since noon.",
        "No fever, convulsions yesterday.",
        "No fever but convulsions.",
        "No fever. Convulsions since noon.",
        "It is not only convulsions.",
        "The convulsions have not stopped.",
        "No change in the convulsions.",
        "Any convulsions? Yes, two.",
        "Mother: He had convulsions.",
        "His mother saw convulsions.",
        "It is not known whether he had convulsions.",
        "He had convulsions as a child.",
        "No medication/convulsions since noon.",
    ] {
        assert!(is_danger_sign(said), "{said}");
        let said_of = assertion(said);
        assert_eq!(
            (said_of.denied, said_of.relative, said_of.hypothetical),
            (false, Relative::No, false),
            "{said}"
        );
        let record = by_rules(said);
        assert_eq!(record.len(), 1, "{said}");
        assert_eq!(record[0].verification, Verification::Unconfirmed, "{said}");
        assert_eq!(record[0].subject, Subject::Patient, "{said}");
    }
}

#[test]
fn what_is_denied_is_no_danger_sign_and_refuted() {
    for said in [
        "No convulsions.",
        "He has no known convulsions.",
        "She denies fever, vomiting and convulsions.",
        "No fever, cough or convulsions.",
        "He hasn’t had any convulsions.",
        "She does not have fever or convulsions.",
        "Convulsions: none.",
        "Convulsions are absent.",
        "Doctor: Any convulsions? Mother: No, never.",
        "Without convulsions.",
        "This is without convulsions.",
    ] {
        assert!(!is_danger_sign(said), "{said}");
        assert!(assertion(said).denied, "{said}");
        let record = by_rules(said);
        assert_eq!(record.len(), 1, "{said}");
        assert_eq!(record[0].verification, Verification::Refuted, "{said}");
    }
}

#[test]
fn what_is_a_relatives_is_no_danger_sign_and_family_history() {
    for said in [
        "Her mother has convulsions.",
        "His older brother had convulsions.",
        "There is a family history of convulsions.",
        "Convulsions in the family.",
        "Convulsions runs in her family.",
        "Doctor: And at home? Patient: Well. My father had convulsions.",
    ] {
        assert!(!is_danger_sign(said), "{said}");
        assert_eq!(assertion(said).relative, Relative::Surely, "{said}");
        let record = by_rules(said);
        assert_eq!(record.len(), 1, "{said}");
        assert_eq!(record[0].subject, Subject::Family, "{said}");
    }
}

/// Who brings a patient says `my mother` of the patient: the sign counts, and the record leaves it to a person.
#[test]
fn whose_it_may_be_besides_is_kept_from_both_sides() {
    for said in [
        "My mother has convulsions.",
        "The father had convulsions.",
        "Daughter: My mother has convulsions.",
    ] {
        assert!(is_danger_sign(said), "{said}");
        assert_eq!(assertion(said).relative, Relative::Perhaps, "{said}");
        assert_eq!(by_rules(said)[0].subject, Subject::Family, "{said}");
    }
}

#[test]
fn what_to_return_for_is_neither() {
    for said in [
        "Cough. Come back at once if he has convulsions.",
        "If there are convulsions, bring him to the hospital.",
        "In case of convulsions come back.",
    ] {
        assert!(!is_danger_sign(said), "{said}");
        assert!(assertion(said).hypothetical, "{said}");
        assert_eq!(by_rules(said), [], "{said}");
    }
}

#[test]
fn what_is_over_is_said_in_so_many_words() {
    for (said, past) in [
        ("He had convulsions as a child.", true),
        ("He had severe convulsions three years ago.", true),
        ("She used to have convulsions.", true),
        ("He had convulsions last year and still has them.", false),
        ("He has had convulsions since last year.", false),
        ("He has had convulsions for years.", false),
        ("He had convulsions.", false),
        ("He had fever three years ago. Convulsions today.", false),
    ] {
        assert_eq!(assertion(said).past, past, "{said}");
    }
}
