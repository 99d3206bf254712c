//! Own lists as CSV. All codes are INVENTED.

use outpost_clinic::terminology::{Index, list};

fn index(csv: &str) -> Index {
    let table = list::read(csv, "own", Some("2")).unwrap();
    Index::from_bytes(&table.to_bytes().unwrap()).unwrap()
}

#[test]
fn cells_may_be_quoted_and_rows_may_have_any_number_of_synonyms() {
    let index = index(
        "\u{feff}system,code,display,synonym,synonym\r\n\
         urn:own,M1,\"Marsh fever, \"\"wet\"\"\",bog ague,\r\n\
         \r\n\
         urn:own,M2,Reed pox\r\n",
    );
    let found = index.lookup("M1").unwrap();
    assert_eq!(found.display, "Marsh fever, \"wet\"");
    assert_eq!(
        (found.system.as_str(), found.version.as_deref()),
        ("urn:own", Some("2"))
    );
    assert_eq!(index.search("bog ague", 1)[0].coding, found);
    assert_eq!(index.search("reed pox", 1)[0].coding.code, "M2");
    assert_eq!(index.counts(), (2, 2));
}

#[test]
fn a_long_cell_is_whole() {
    let long = "very ".repeat(500) + "wet";
    let index = index(&format!("system,code,display\nurn:own,M1,{long}"));
    assert_eq!(index.lookup("M1").unwrap().display, long);
}

#[test]
fn what_is_wrong_is_named_by_its_line() {
    let cases = [
        ("", "line 1: it begins with ``"),
        (
            "code,display\nM1,a",
            "line 1: it begins with `code,display`",
        ),
        ("system,code,display\n", "line 1: no codes"),
        (
            "system,code,display\nurn:own,M1,a\nurn:own,,b",
            "line 3: column 2 (code) is empty",
        ),
        (
            "system,code,display\nurn:own,M1",
            "line 2: column 3 (display) is empty",
        ),
        (
            "system,code,display\nurn:own,M1,a\nurn:own,M1,b",
            "line 3: column 2 (code) `M1` stands twice",
        ),
        (
            "system,code,display\nurn:own,M1,a\nurn:other,M2,b",
            "line 3: column 1 (system) `urn:other`",
        ),
    ];
    for (csv, said) in cases {
        let error = list::read(csv, "own", None).unwrap_err().to_string();
        assert!(error.contains(said), "{csv:?}: {error}");
    }
}
