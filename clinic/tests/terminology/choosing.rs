//! Which candidate is taken. All codes are INVENTED.

use outpost_clinic::terminology::{Candidate, Entry, Index, Table, Term, TermKind, choose};

/// Codes with their names; those with three characters head others.
fn index(codes: &[(&str, &[&str])]) -> Index {
    let entries = codes.iter().map(|(code, names)| Entry {
        code: (*code).to_owned(),
        display: names[0].to_owned(),
        complete: code.len() > 3,
        terms: names[1..]
            .iter()
            .map(|name| Term {
                kind: TermKind::Synonym,
                text: (*name).to_owned(),
            })
            .collect(),
        ..Entry::default()
    });
    let table = Table {
        system: "urn:own".to_owned(),
        entries: entries.collect(),
        ..Table::default()
    };
    Index::from_bytes(&table.to_bytes().unwrap()).unwrap()
}

fn chosen(index: &Index, text: &str) -> Option<String> {
    choose(&index.search(text, 5)).map(|candidate| candidate.coding.code.clone())
}

fn marsh() -> Index {
    index(&[
        ("M01", &["Marsh fever"]),
        ("M01.0", &["Marsh fever with chills"]),
        ("M01.8", &["Other marsh fever"]),
        ("M01.9", &["Marsh fever, unspecified"]),
        ("M02", &["Reed pox"]),
        ("M02.0", &["Reed pox with chills"]),
        ("M03.1", &["Bog itch of left ear", "bog itch"]),
        ("M04.1", &["Bog itch of right ear", "bog itch"]),
    ])
}

#[test]
fn what_heads_others_gives_way_to_the_code_that_says_no_more() {
    assert_eq!(chosen(&marsh(), "marsh fever").as_deref(), Some("M01.9"));
    assert_eq!(chosen(&marsh(), "Fever, marsh").as_deref(), Some("M01.9"));
    assert_eq!(chosen(&marsh(), "marsh fevre").as_deref(), Some("M01.9"));
}

#[test]
fn detail_that_was_not_said_is_not_made_up() {
    assert_eq!(chosen(&marsh(), "reed pox").as_deref(), Some("M02"));
}

#[test]
fn detail_that_was_said_is_kept() {
    assert_eq!(
        chosen(&marsh(), "marsh fever with chills").as_deref(),
        Some("M01.0")
    );
}

#[test]
fn nothing_is_chosen_where_two_codes_are_meant_alike() {
    assert_eq!(marsh().search("bog itch", 5).len(), 2);
    assert_eq!(chosen(&marsh(), "bog itch"), None);
}

#[test]
fn nothing_is_chosen_for_half_of_what_was_said() {
    assert_eq!(chosen(&marsh(), "marsh fever and broken arm"), None);
    assert_eq!(chosen(&marsh(), "chills"), None);
    assert_eq!(chosen(&marsh(), "mars"), None);
    assert_eq!(chosen(&marsh(), ""), None);
    assert_eq!(choose(&Vec::<Candidate>::new()), None);
}
