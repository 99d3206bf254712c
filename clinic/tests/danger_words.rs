//! Danger signs in words: said, denied, a relative's, asked, advised.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod danger_case;

use danger_case::{beside, someone};
use outpost_clinic::danger::{Age, Evidence, Patient, Pregnancy, Rules, Sex, Urgency};
use outpost_clinic::record::Record;
use proptest::prelude::*;

fn rules() -> Rules {
    Rules::shipped().unwrap()
}

#[test]
fn every_named_sign_is_found_where_it_is_said_and_not_where_it_is_denied_or_of_a_relative() {
    let rules = rules();
    let mut signs = 0;
    for rule in rules.rows() {
        let indexed = rule.groups.iter().enumerate();
        let phrases: Vec<_> = indexed
            .flat_map(|(index, group)| group.phrases.iter().map(move |phrase| (index, phrase)))
            .collect();
        if phrases.is_empty() {
            continue;
        }
        signs += 1;
        let mut denials = 0;
        for (index, phrase) in phrases {
            let sample = phrase.sample();
            let not = if phrase.is_inverted() { "not " } else { "" };
            // A rule that counts several signs has all but this one.
            let (record, before) = beside(rule, index);
            let find = |text: &str| {
                let assessment =
                    rules.assess(&someone(rule), &record, &format!("{text}\n{before}"));
                assessment
                    .found
                    .into_iter()
                    .find(|sign| sign.rule == rule.id)
            };
            let present = format!("Cough for two days. Today: {not}{sample}.");
            let found =
                find(&present).unwrap_or_else(|| panic!("{} is not found in {present}", rule.id));
            let words = found.evidence.iter().filter_map(|evidence| match evidence {
                Evidence::Words(span) => span.of(&present),
                Evidence::Vital(_) => None,
            });
            let shown = words
                .into_iter()
                .any(|words| sample.contains(words) || words.contains(&sample));
            assert!(shown, "{} in {present}", rule.id);
            for other in [
                format!("Her brother had {not}{sample}."),
                format!("Family history: no. There is a family history of {sample}."),
            ] {
                assert_eq!(find(&other), None, "{} in {other}", rule.id);
            }
            // What is itself a denial, such as `cannot drink`, cannot surely be denied once more.
            if phrase.denies() && !phrase.is_inverted() {
                continue;
            }
            denials += 1;
            let denied = match phrase.is_inverted() {
                true => vec![format!("The child is {sample}.")],
                false => vec![
                    format!("No {sample}."),
                    format!("She denies {sample}."),
                    format!("He is without {sample}."),
                    format!("There was not any {sample}."),
                    format!("Any {sample}? No."),
                    format!("{sample}: absent."),
                ],
            };
            for denied in denied {
                assert_eq!(find(&denied), None, "{} in {denied}", rule.id);
            }
        }
        assert!(
            denials > 0,
            "{} has no phrase whose denial can be tested",
            rule.id
        );
    }
    assert!(signs >= 80, "{signs}");
}

/// Whether a child of two years has convulsions, cannot drink or vomits everything, by what was said.
#[test]
fn negation_reaches_as_far_as_it_is_sure_and_no_further() {
    let rules = rules();
    let child = Patient {
        age: Some(Age::Years(2)),
        ..Patient::default()
    };
    let convulsions = "imci-convulsions";
    let drink = "imci-not-able-to-drink";
    let vomits = "imci-vomits-everything";
    let table = [
        (convulsions, true, "He had convulsions this morning."),
        (convulsions, true, "He has not slept since the convulsions."),
        (convulsions, true, "No fever, convulsions yesterday."),
        (convulsions, true, "No, convulsions twice."),
        (convulsions, true, "No fever and convulsions since noon."),
        (convulsions, true, "No fever but convulsions."),
        (convulsions, true, "No fever. Convulsions since noon."),
        (convulsions, true, "The convulsions have not stopped."),
        (convulsions, true, "It is not only convulsions."),
        (convulsions, true, "No change in the convulsions."),
        (convulsions, true, "The mother does not deny convulsions."),
        (convulsions, true, "His mother saw convulsions."),
        (
            convulsions,
            true,
            "His mother is worried that he has convulsions.",
        ),
        (convulsions, true, "My son had a fit."),
        (convulsions, true, "My brother had convulsions."),
        (convulsions, true, "Any convulsions? Yes, two."),
        (convulsions, true, "Any convulsions? He shook."),
        (
            convulsions,
            true,
            "If he has convulsions he bites his tongue.",
        ),
        (convulsions, true, "No cough, no fever, had convulsions."),
        (convulsions, true, "No convulsions until this morning."),
        (convulsions, true, "Never had convulsions before today."),
        (
            convulsions,
            true,
            "No medication, convulsions of the left arm and leg or both.",
        ),
        (
            convulsions,
            true,
            "Today or yesterday. No fever, convulsions since noon.",
        ),
        (convulsions, true, "Without warning had convulsions."),
        (convulsions, true, "no fever convulsions today"),
        (convulsions, true, "no fever or cough convulsions today"),
        (convulsions, true, "not eating convulsions since noon"),
        (convulsions, true, "No one saw the convulsions."),
        (
            convulsions,
            true,
            "None of the medicines stopped the convulsions.",
        ),
        (convulsions, true, "Convulsions: no change."),
        (convulsions, true, "Any convulsions? No doubt, three."),
        (convulsions, true, "Any convulsions? No, only yesterday."),
        (convulsions, true, "The mother has convulsions."),
        (
            convulsions,
            true,
            "If you can, bring him, he has convulsions.",
        ),
        (
            convulsions,
            true,
            "He should go to the hospital because of convulsions.",
        ),
        (
            convulsions,
            true,
            "He looks as if he had convulsions, so I come to you.",
        ),
        (
            convulsions,
            true,
            "I don't think it is a fever, he has convulsions.",
        ),
        (convulsions, false, "No fever or convulsions."),
        (convulsions, false, "He has not had any convulsions."),
        (
            convulsions,
            false,
            "He does not have fever, cough or convulsions.",
        ),
        (convulsions, false, "His older brother had convulsions."),
        (
            convulsions,
            false,
            "Return if he has fever, convulsions or a rash.",
        ),
        (convulsions, false, "In case of convulsions come back."),
        ("etat-coma", false, "Is he unconscious? No."),
        (convulsions, false, "No convulsions."),
        (convulsions, false, "No fever, cough or convulsions."),
        (convulsions, false, "No fever, convulsions or cough."),
        (
            convulsions,
            false,
            "The mother denies fever, vomiting and convulsions.",
        ),
        (convulsions, false, "He hasn’t had any convulsions."),
        (convulsions, false, "She has never had a convulsion."),
        (
            convulsions,
            false,
            "Doctor: Any convulsions? Mother: No, never.",
        ),
        (convulsions, false, "Any fever, cough, or convulsions? No."),
        (convulsions, false, "Convulsions: none. Stridor: none."),
        (convulsions, false, "Convulsions are absent."),
        (convulsions, false, "His brother has had convulsions."),
        (
            convulsions,
            false,
            "Come back at once if he has convulsions.",
        ),
        (
            convulsions,
            false,
            "If there are convulsions, bring him to the hospital.",
        ),
        (drink, true, "She is not able to drink."),
        (drink, true, "She isn't really able to drink."),
        (drink, true, "She is no longer able to breastfeed."),
        (drink, true, "Is she able to drink? No."),
        (drink, true, "Able to drink: no."),
        (drink, true, "He can't drink."),
        (drink, true, "Is she not able to drink? No."),
        (drink, false, "She is able to drink."),
        (drink, false, "No trouble, she is able to drink."),
        (drink, false, "Is she able to drink? Yes."),
        (drink, false, "There is no problem being able to drink."),
        (
            vomits,
            true,
            "She is not sleeping well and vomits everything.",
        ),
        (vomits, true, "No diarrhoea, but she vomits everything."),
        (vomits, true, "He can't keep any food down."),
        (vomits, true, "CAN’T KEEP ANYTHING DOWN"),
        (vomits, false, "She does not vomit everything."),
        (vomits, false, "Vomited once."),
    ];
    for (rule, expected, text) in table {
        let assessment = rules.assess(&child, &Record::default(), text);
        let found = assessment.found.iter().any(|sign| sign.rule == rule);
        assert_eq!(found, expected, "{rule} in `{text}`");
    }
}

proptest! {
    #[test]
    fn whatever_was_said_around_it_a_sign_in_a_sentence_of_its_own_counts(before in "\\PC*", after in "\\PC*") {
        let text = format!("{before}\nShe has had convulsions today.\n{after}");
        let child = Patient { age: Some(Age::Years(2)), ..Patient::default() };
        let assessment = rules().assess(&child, &Record::default(), &text);
        prop_assert_eq!(assessment.floor, Urgency::Emergency);
        for sign in assessment.found {
            for evidence in sign.evidence {
                if let Evidence::Words(span) = evidence {
                    prop_assert!(span.of(&text).is_some_and(|words| !words.is_empty()));
                }
            }
        }
    }
}

/// Consultations as they are spoken, each with the floor that a reader of the table would set.
#[test]
fn a_mother_is_the_patient_where_a_birth_is_spoken_of() {
    let mut patient = Patient {
        age: Some(Age::Years(27)),
        sex: Some(Sex::Female),
        pregnancy: Some(Pregnancy::Postpartum),
    };
    let said = "The baby is well. His mother has convulsions.";
    assert_eq!(
        rules().assess(&patient, &Record::default(), said).floor,
        Urgency::Emergency
    );
    patient.pregnancy = Some(Pregnancy::No);
    assert_eq!(
        rules().assess(&patient, &Record::default(), said).floor,
        Urgency::Routine
    );
}

#[test]
fn whole_consultations_have_the_floor_that_their_words_ask_for() {
    let rules = rules();
    let age = |age| Patient {
        age: Some(age),
        ..Patient::default()
    };
    let pregnant = Patient {
        age: Some(Age::Years(27)),
        sex: Some(Sex::Female),
        pregnancy: Some(Pregnancy::Pregnant),
    };
    for (patient, expected, text) in [
        (
            age(Age::Years(3)),
            Urgency::Routine,
            "Doctor: What brings you in? Mother: He has had a runny nose and a cough for two days. Doctor: Any fever, vomiting or convulsions? Mother: No, nothing like that. Doctor: Is he drinking? Mother: Yes, he drinks well. Doctor: Temperature is 37.4, respiratory rate 28, no chest indrawing, no stridor. Come back at once if he cannot drink, breathes fast or has convulsions.",
        ),
        (
            age(Age::Years(3)),
            Urgency::Urgent,
            "Mother: He coughs and breathes fast. Doctor: I count 44 breaths in one minute. No chest indrawing. He is alert and drinks.",
        ),
        (
            age(Age::Months(7)),
            Urgency::Emergency,
            "Mother: She throws up everything since the morning. Doctor: Does she have diarrhoea? Mother: No.",
        ),
        (
            age(Age::Days(20)),
            Urgency::Emergency,
            "Mother: My baby is hot. Doctor: The temperature is 38.1. She is feeding well.",
        ),
        (
            age(Age::Years(46)),
            Urgency::Routine,
            "Patient: My knee hurts when I climb stairs. Doctor: Any chest pain or shortness of breath? Patient: No. My father had a stroke. Doctor: Blood pressure 128 over 82, pulse 72, sats 98%. No swelling, no redness.",
        ),
        (
            age(Age::Years(70)),
            Urgency::Emergency,
            "Patient: Since this morning I have a tight chest. Doctor: Did you faint? Patient: No. Doctor: Pulse 88.",
        ),
        (
            age(Age::Years(58)),
            Urgency::Emergency,
            "Wife: His face is drooping and his speech is slurred since breakfast. He has not fallen.",
        ),
        (
            pregnant,
            Urgency::Emergency,
            "Patient: I have a bad headache and see flashing lights. Doctor: BP is 150/100.",
        ),
        (
            pregnant,
            Urgency::Routine,
            "Patient: All is well. Doctor: No headache, no visual disturbance, no bleeding? Patient: None. Doctor: Blood pressure 112/70, pulse 84, temperature 36.8. The baby moves well.",
        ),
    ] {
        let assessment = rules.assess(&patient, &Record::default(), text);
        let found: Vec<&str> = assessment
            .found
            .iter()
            .map(|sign| sign.rule.as_str())
            .collect();
        assert_eq!(assessment.floor, expected, "{found:?} in `{text}`");
    }
}
