//! Tables that come in pieces: wherever these end, the index is the same byte by byte, and what is wrong is said of the same line.
//! All names and codes are INVENTED.

use std::collections::{BTreeMap, BTreeSet};

use outpost_clinic::Result;
use outpost_clinic::terminology::{
    Entry, Index, RXNORM_SYSTEM, Table, Term, TermKind, list, rxnorm,
};
use proptest::prelude::*;

const NAMES: &str = include_str!("RXNCONSO.RRF");
const RELATIONS: &str = include_str!("RXNREL.RRF");
const LIST: &str = "\u{feff}system,code,display,synonym,synonym\r\n\
    urn:own,M1,\"Marsh fever, \"\"wet\"\"\",bog ague,\r\n\r\n\
    urn:own,M3,\"Fièvre\nof reeds\",,\u{2019}tis\r\nurn:own,M2,Reed pox";

/// Cuts bytes at these lengths, the last one as often as needed.
fn cut<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    let last = lengths.last().copied().unwrap_or(1);
    for &length in lengths.iter().chain(std::iter::repeat(&last)) {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

fn rxnorm_of(names: &str, relations: &str, lengths: &[usize]) -> Result<Vec<u8>> {
    let mut reader = rxnorm::Reader::of("invented");
    for piece in cut(names.as_bytes(), lengths) {
        reader.names(piece)?;
    }
    for piece in cut(relations.as_bytes(), lengths) {
        reader.relations(piece)?;
    }
    Ok(reader.finish()?.into_pieces().collect::<Vec<_>>().concat())
}

fn list_of(csv: &str, lengths: &[usize]) -> Result<Vec<u8>> {
    let mut reader = list::Reader::of("own", Some("2"));
    for piece in cut(csv.as_bytes(), lengths) {
        reader.push(piece)?;
    }
    reader.finish()?.to_bytes()
}

/// The test's own reading of the two files, by nothing but their description.
fn by_hand() -> Table {
    let types = "IN PIN MIN BN SCD SBD GPCK BPCK SCDC SCDF SBDF PSN TMSY SY";
    let types: Vec<&str> = types.split(' ').collect();
    let mut concepts: BTreeMap<&str, BTreeSet<(usize, &str)>> = BTreeMap::new();
    for line in NAMES.lines() {
        let cells: Vec<&str> = line.split('|').collect();
        let rank = types.iter().position(|kind| *kind == cells[12]);
        let counts = cells[1] == "ENG" && cells[11] == "RXNORM" && ["N", ""].contains(&cells[16]);
        if let (Some(rank), true) = (rank, counts) {
            concepts
                .entry(cells[0])
                .or_default()
                .insert((rank, cells[14]));
        }
    }
    let kind = |id: &str| Some(types[concepts.get(id)?.first()?.0]);
    let mut brands: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in RELATIONS.lines() {
        let cells: Vec<&str> = line.split('|').collect();
        let (brand, ingredient) = match cells[7] {
            "tradename_of" => (cells[4], cells[0]),
            "has_tradename" => (cells[0], cells[4]),
            _ => continue,
        };
        if kind(brand) == Some("BN") && kind(ingredient) == Some("IN") {
            brands.entry(brand).or_default().insert(ingredient);
        }
    }
    let term = |kind, text: &str| Term {
        kind,
        text: text.to_owned(),
    };
    let entry = |(id, names): (&&str, &BTreeSet<(usize, &str)>)| {
        let own = names.iter().skip(1);
        let own = own.map(|(_, name)| term(TermKind::Synonym, name));
        let sold_as = brands.iter().filter(|(_, of)| of.iter().eq([id]));
        let sold_as = sold_as.map(|(brand, _)| {
            let (_, name) = concepts[brand].first().unwrap();
            term(TermKind::Brand, name)
        });
        Entry {
            code: (*id).to_owned(),
            display: names.first().unwrap().1.to_owned(),
            complete: true,
            terms: own.chain(sold_as).collect(),
            endings: Vec::new(),
            ingredients: brands.get(id).map_or(Vec::new(), |of| {
                of.iter().map(|&code| code.to_owned()).collect()
            }),
        }
    };
    Table {
        system: RXNORM_SYSTEM.to_owned(),
        title: "RxNorm".to_owned(),
        release: "invented".to_owned(),
        entries: concepts.iter().map(entry).collect(),
        abbreviations: BTreeSet::new(),
    }
}

#[test]
fn the_index_of_rxnorm_is_that_of_the_table_that_its_description_makes() {
    let expected = by_hand();
    assert!(expected.entries.len() > 200);
    assert_eq!(
        rxnorm::read(NAMES, Some(RELATIONS), "invented").unwrap(),
        expected.to_bytes().unwrap()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn wherever_pieces_end_the_index_is_the_same(
        lengths in prop::collection::vec(1usize..3_000, 1..9),
    ) {
        let whole = rxnorm::read(NAMES, Some(RELATIONS), "invented").unwrap();
        prop_assert!(rxnorm_of(NAMES, RELATIONS, &lengths).unwrap() == whole);
    }

    #[test]
    fn wherever_pieces_end_a_list_is_the_same(
        lengths in prop::collection::vec(1usize..12, 1..9),
    ) {
        let whole = list::read(LIST, "own", Some("2")).unwrap().to_bytes().unwrap();
        prop_assert!(list_of(LIST, &lengths).unwrap() == whole);
    }

    #[test]
    fn wherever_pieces_end_the_same_is_wrong(
        lengths in prop::collection::vec(1usize..3_000, 1..9),
        cut_off in 1usize..9_000,
    ) {
        let names = &NAMES[..NAMES.len() - cut_off.min(NAMES.len())];
        let whole = rxnorm::read(names, Some(RELATIONS), "invented");
        let pieces = rxnorm_of(names, RELATIONS, &lengths);
        prop_assert!(whole == pieces);
        let csv = LIST.replace("M2", "M1");
        let whole = list::read(&csv, "own", Some("2")).unwrap_err();
        prop_assert_eq!(list_of(&csv, &lengths).unwrap_err(), whole);
    }
}

#[test]
fn a_list_means_the_same_with_and_without_its_mark() {
    let index = |csv: &str| list_of(csv, &[1]).unwrap();
    assert!(index(LIST) == index(LIST.trim_start_matches('\u{feff}')));
    let read = Index::from_bytes(&index(LIST)).unwrap();
    assert_eq!(read.lookup("M3").unwrap().display, "Fièvre\nof reeds");
}

#[test]
fn a_file_with_nothing_to_take_is_refused() {
    let row = "90000001|ENG||||||A1||||RXNORM|IN|1|belaborin||O|4096|\n";
    let refused = |names: &str| rxnorm::read(names, None, "").unwrap_err().to_string();
    assert!(refused("").contains("RXNCONSO.RRF, line 0: it is empty"));
    assert!(refused(row).contains("line 1: it ends, and none of its names"));
}

#[test]
fn a_line_that_is_cut_off_is_named() {
    let half = &NAMES[..NAMES.len() - 9];
    let error = rxnorm::read(half, None, "").unwrap_err().to_string();
    assert!(error.contains("line 720: 15 columns"), "{error}");
}

#[test]
fn a_quotation_mark_that_is_not_closed_fills_no_memory() {
    let open = format!(
        "system,code,display\nurn:own,M1,\"{}",
        "a,b\n".repeat(20_000)
    );
    let error = list::read(&open, "own", None).unwrap_err().to_string();
    assert!(
        error.contains("line 2: a cell has more than 65535 bytes"),
        "{error}"
    );
}

#[test]
fn more_codes_than_a_list_may_have_are_refused() {
    let rows: String = (0..250_001)
        .map(|code| format!("urn:own,{code},a\n"))
        .collect();
    let error = list::read(&format!("system,code,display\n{rows}"), "own", None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the number of codes of a list is 250001, above the limit of 250000"),
        "{error}"
    );
}
