//! Index files that are broken or built to do harm: each is refused with a reason, and none panics.

use outpost_clinic::terminology::{Entry, Index, Table, Term, TermKind};
use proptest::prelude::*;
use twox_hash::XxHash64;

/// Magic, version and checksum.
const HEADER_BYTES: usize = 20;

/// A small table that has everything a file can have. INVENTED.
fn table() -> Table {
    let entry = |code: &str, display: &str| Entry {
        code: code.to_owned(),
        display: display.to_owned(),
        complete: true,
        ..Entry::default()
    };
    let mut marsh = entry("M01.1", "Marsh fever");
    marsh.terms.push(Term {
        kind: TermKind::Synonym,
        text: "bog ague".to_owned(),
    });
    marsh.terms.push(Term {
        kind: TermKind::Mention,
        text: "Sümpf".to_owned(),
    });
    marsh.complete = false;
    marsh.endings = vec![('A', "first".to_owned()), ('D', "later".to_owned())];
    let mut brand = entry("M02", "Zanofex");
    brand.ingredients.push("M01.1".to_owned());
    Table {
        system: "urn:own".to_owned(),
        title: "own".to_owned(),
        release: "1".to_owned(),
        entries: vec![brand, marsh],
        abbreviations: [("mf".to_owned(), "marsh fever".to_owned())].into(),
    }
}

/// The file with another body, and a checksum that fits it.
fn sealed(file: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = file[..12].to_vec();
    bytes.extend_from_slice(&XxHash64::oneshot(0, body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Reads it, and if that succeeds, uses all of it.
fn use_it(bytes: &[u8]) -> bool {
    let Ok(index) = Index::from_bytes(bytes) else {
        return false;
    };
    for query in [
        "marsh fever",
        "mf",
        "marhs fevr later",
        "mars",
        "M01.1",
        "zanofex",
        "bogague",
    ] {
        for candidate in index.search(query, 5) {
            assert!((0.0..=1.0).contains(&candidate.score));
            let _ = index.lookup(&candidate.coding.code);
        }
    }
    let _ = index.codes().count() + index.counts().0 + index.ingredients("M02").len();
    true
}

#[test]
fn a_file_holds_what_its_table_did() {
    let index = Index::from_bytes(&table().to_bytes().unwrap()).unwrap();
    let codes: Vec<(String, bool)> = index.codes().collect();
    let expected = [
        ("M01.1", false),
        ("M01.1XXA", true),
        ("M01.1XXD", true),
        ("M02", true),
    ];
    assert!(
        codes
            .iter()
            .map(|(code, complete)| (code.as_str(), *complete))
            .eq(expected)
    );
    assert_eq!(
        index.lookup("m011xxd").unwrap().display,
        "Marsh fever, later"
    );
    assert!(index.lookup("M01.1XA").is_none());
    assert!(index.lookup("M01.1XXZ").is_none());
    assert_eq!(index.search("mf", 1)[0].coding.code, "M01.1");
    assert_eq!(
        index.search("marsh fever, later", 1)[0].coding.code,
        "M01.1XXD"
    );
    assert_eq!(index.ingredients("M02")[0].display, "Marsh fever");
    assert_eq!(
        (index.system(), index.title(), index.release()),
        ("urn:own", "own", "1")
    );
}

#[test]
fn a_code_that_stands_twice_or_has_no_name_makes_no_file() {
    let mut twice = table();
    twice.entries.push(twice.entries[0].clone());
    assert!(
        twice
            .to_bytes()
            .unwrap_err()
            .to_string()
            .contains("`M02` stands twice")
    );
    let mut nameless = table();
    nameless.entries[0].display = " - ".to_owned();
    assert!(
        nameless
            .to_bytes()
            .unwrap_err()
            .to_string()
            .contains("`M02` has no name")
    );
}

#[test]
fn another_file_an_older_one_and_a_changed_one_are_told_apart() {
    let file = table().to_bytes().unwrap();
    let refused = |bytes: &[u8]| Index::from_bytes(bytes).unwrap_err().to_string();
    assert!(refused(b"").contains("ends too early"));
    assert!(refused(&[b'x'; 40]).contains("does not begin as one"));
    let mut older = file.clone();
    older[8] = 9;
    assert!(refused(&older).contains("it is of version 9, and 1 is read"));
    let mut changed = file.clone();
    changed[HEADER_BYTES] ^= 1;
    assert!(refused(&changed).contains("checksum"));
    assert!(
        refused(&sealed(&file, &[&file[HEADER_BYTES..], b"x"].concat())).contains("1 bytes follow")
    );
}

#[test]
fn every_body_that_ends_early_is_refused() {
    let file = table().to_bytes().unwrap();
    for end in HEADER_BYTES..file.len() {
        assert!(!use_it(&sealed(&file, &file[HEADER_BYTES..end])), "{end}");
    }
}

#[test]
fn every_body_with_a_byte_changed_is_refused_or_used_without_harm() {
    let file = table().to_bytes().unwrap();
    let mut refused = 0;
    for place in HEADER_BYTES..file.len() {
        for byte in [
            0,
            1,
            0x7f,
            0x80,
            0xff,
            file[place].wrapping_add(1),
            file[place] ^ 0x20,
        ] {
            let mut body = file[HEADER_BYTES..].to_vec();
            body[place - HEADER_BYTES] = byte;
            refused += usize::from(!use_it(&sealed(&file, &body)));
        }
    }
    assert!(refused > file.len(), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_does_harm(body in proptest::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200)) {
        use_it(&sealed(&table().to_bytes().unwrap(), &body));
    }

    #[test]
    fn no_question_does_harm(query in "\\PC{0,60}", limit in 0usize..4) {
        let index = Index::from_bytes(&table().to_bytes().unwrap()).unwrap();
        prop_assert!(index.search(&query, limit).len() <= limit);
    }
}
