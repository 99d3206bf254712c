//! RxNorm's files: which of their rows count. All names and numbers are INVENTED.

use outpost_clinic::terminology::{Index, Match, RXNORM_SYSTEM, Terminology, choose, rxnorm};

fn row(id: &str, source: &str, kind: &str, name: &str, suppress: &str) -> String {
    format!("{id}|ENG||||||A1||||{source}|{kind}|{id}|{name}||{suppress}|4096|")
}

fn relation(first: &str, second: &str, relation: &str) -> String {
    format!("{first}||CUI|RO|{second}||CUI|{relation}|R1||RXNORM|RXNORM||||4096|")
}

fn index(names: &[String], relations: Option<&[String]>) -> Index {
    let relations = relations.map(|rows| rows.join("\n"));
    let file = rxnorm::read(&names.join("\n"), relations.as_deref(), "invented").unwrap();
    Index::from_bytes(&file).unwrap()
}

fn sample() -> Vec<String> {
    vec![
        row("90000001", "RXNORM", "IN", "belaborin", "N"),
        row("90000002", "RXNORM", "IN", "corecilol", "N"),
        row("90000003", "RXNORM", "BN", "Zanofex", "N"),
        row("90000004", "RXNORM", "BN", "Duovivum", "N"),
        row("90000005", "RXNORM", "SY", "corecilol 5 mg tab", "N"),
        row(
            "90000005",
            "RXNORM",
            "SCD",
            "corecilol 5 MG Oral Tablet",
            "N",
        ),
    ]
}

#[test]
fn a_brand_of_one_ingredient_leads_to_it() {
    let relations = [relation("90000001", "90000003", "tradename_of")];
    let index = index(&sample(), Some(&relations));
    let found = index.search("zanofex", 5);
    assert_eq!(found[0].coding.display, "belaborin");
    assert_eq!(found[0].matched, Match::Brand);
    assert_eq!(found[0].coding.system, RXNORM_SYSTEM);
    assert_eq!(choose(&found), Some(&found[0]));
    assert_eq!(index.ingredients("90000003")[0].code, "90000001");
}

#[test]
fn either_direction_of_a_relation_says_the_same() {
    let relations = [relation("90000003", "90000001", "has_tradename")];
    assert_eq!(
        index(&sample(), Some(&relations)).search("zanofex", 1)[0]
            .coding
            .code,
        "90000001"
    );
}

#[test]
fn a_brand_of_several_ingredients_is_none_of_them() {
    let relations = [
        relation("90000001", "90000004", "tradename_of"),
        relation("90000002", "90000004", "tradename_of"),
    ];
    let index = index(&sample(), Some(&relations));
    let found = index.search("duovivum", 5);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].coding.code, "90000004");
    assert_eq!(index.ingredients("90000004").len(), 2);
}

#[test]
fn without_relations_a_brand_is_itself() {
    let index = index(&sample(), None);
    assert_eq!(index.search("zanofex", 5)[0].coding.code, "90000003");
    assert!(index.ingredients("90000003").is_empty());
}

#[test]
fn the_name_of_a_concept_is_that_of_its_leading_term_type() {
    let index = index(&sample(), None);
    assert_eq!(
        index.lookup("90000005").unwrap().display,
        "corecilol 5 MG Oral Tablet"
    );
    assert_eq!(
        index.search("corecilol 5 mg tab", 1)[0].coding.code,
        "90000005"
    );
}

#[test]
fn rows_that_are_suppressed_foreign_or_of_another_source_do_not_count() {
    let mut names = vec![row("90000001", "RXNORM", "IN", "belaborin", "N")];
    for (place, suppress) in ["O", "Y", "E"].into_iter().enumerate() {
        names.push(row(
            &format!("9000001{place}"),
            "RXNORM",
            "IN",
            "hidden",
            suppress,
        ));
    }
    names.push(row("90000020", "INVENTED", "IN", "hidden", "N"));
    names.push(row("90000021", "RXNORM", "DF", "hidden", "N"));
    names.push(row("90000022", "RXNORM", "IN", "hidden", "N").replace("|ENG|", "|SPA|"));
    let index = index(&names, None);
    assert_eq!(index.counts(), (1, 1));
    assert!(index.search("hidden", 5).is_empty());
}

#[test]
fn what_is_wrong_with_a_file_is_named_by_line_and_column() {
    let good = row("90000001", "RXNORM", "IN", "belaborin", "N");
    let cases = [
        (good.replace("|4096|", "|4096"), "line 2: 17 columns"),
        (format!("{good}more|"), "line 2: 19 columns"),
        (row("9x", "RXNORM", "IN", "a", "N"), "column 1 (RXCUI) `9x`"),
        (row("90000001", "RXNORM", "IN", " ", "N"), "column 15 (STR)"),
        (
            row("90000001", "RXNORM", "IN", "a", "?"),
            "column 17 (SUPPRESS) `?`",
        ),
    ];
    for (bad, said) in cases {
        let error = rxnorm::read(&format!("{good}\n{bad}"), None, "")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("RXNCONSO.RRF, line 2") && error.contains(said),
            "{error}"
        );
    }
    let error = rxnorm::read(&good, Some("90000001|"), "")
        .unwrap_err()
        .to_string();
    assert!(error.contains("RXNREL.RRF, line 1: 1 columns"), "{error}");
}

#[test]
fn with_no_table_a_medication_has_no_code() {
    assert!(Terminology::default().medication("belaborin", 5).is_empty());
}
