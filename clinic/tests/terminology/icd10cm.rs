//! The whole of ICD-10-CM: every code is there, and 300 queries find theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use outpost_clinic::terminology::measure::{self, SHOWN, place};
use outpost_clinic::terminology::{Candidate, Index, Table, choose, icd10cm, rxnorm};

const QUERIES: &str = include_str!("queries.tsv");
const NAMES: &str = include_str!("RXNCONSO.RRF");
const RELATIONS: &str = include_str!("RXNREL.RRF");

/// Least share of queries whose first candidate is expected, by kind: a little under what was measured.
const LEAST_FIRST: [(&str, f64); 7] = [
    ("abbreviation", 0.90),
    ("brand", 0.95),
    ("dropped", 0.75),
    ("exact", 0.97),
    ("lay", 0.95),
    ("misspelling", 0.95),
    ("reordered", 0.85),
];

/// Least share of all queries with an expected code among five candidates.
const LEAST_FIVE: f64 = 0.98;

/// Most of the codes that are chosen without asking may be wrong.
const MOST_WRONG: f64 = 0.04;

/// The published files, which are in no checkout.
fn folder() -> PathBuf {
    let folder = std::env::var_os("OUTPOST_ICD10CM").map(PathBuf::from);
    folder.expect(
        "OUTPOST_ICD10CM names no folder with the files of ICD-10-CM; run `cargo xtask test --only native`, which \
         fetches them, or set it to `simple_icd_10_cm/data` of the unpacked wheel simple-icd-10-cm 1.5.0",
    )
}

fn read(begins: &str) -> (String, String) {
    let entries = std::fs::read_dir(folder()).unwrap();
    let path = entries
        .map(|entry| entry.unwrap().path())
        .find(|path| name(path).starts_with(begins))
        .unwrap();
    (std::fs::read_to_string(&path).unwrap(), name(&path))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let (tabular, _) = read("icd10c");
        let (codes, _) = read("code-list");
        icd10cm::read(&tabular, &codes, "April 1 2026").unwrap()
    })
}

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| Index::from_bytes(&table().to_bytes().unwrap()).unwrap())
}

#[test]
fn every_listed_code_is_there_and_no_other() {
    let (list, _) = read("code-list");
    let listed: BTreeSet<&str> = list
        .lines()
        .map(str::trim)
        .filter(|code| !code.contains('-') && code.parse::<u32>().is_err())
        .collect();
    let codes: Vec<(String, bool)> = index().codes().collect();
    let held: BTreeSet<String> = codes
        .iter()
        .map(|(code, _)| code.replace('.', ""))
        .collect();
    assert!(held.iter().map(String::as_str).eq(listed.iter().copied()));
    assert_eq!(held.len(), codes.len(), "no code stands twice");
    // A code is complete where no other listed one is longer and begins with it.
    let heads: BTreeSet<&str> = listed
        .iter()
        .flat_map(|code| (3..code.len()).map(|end| &code[..end]))
        .flat_map(|head| [head, head.trim_end_matches('X')])
        .collect();
    for (code, complete) in &codes {
        let plain = code.replace('.', "");
        assert_eq!(*complete, !heads.contains(plain.as_str()), "{code}");
    }
    assert_eq!(index().counts(), (98_186, 74_719));
}

#[test]
fn every_code_is_found_by_itself_with_and_without_its_dot() {
    for (code, complete) in index().codes().step_by(7) {
        let coding = index().lookup(&code).unwrap();
        assert_eq!(coding.code, code);
        assert_eq!(index().lookup(&code.replace('.', "")).unwrap(), coding);
        assert_eq!(index().lookup(&code.to_lowercase()).unwrap(), coding);
        assert_eq!(index().is_complete_code(&code), complete);
        assert_eq!(coding.version.as_deref(), Some("April 1 2026"));
    }
}

#[test]
fn every_display_finds_its_code() {
    // Several codes may have names of the same words.
    let index = index();
    for (code, _) in index.codes().step_by(997) {
        let coding = index.lookup(&code).unwrap();
        let found = index.search(&coding.display, 5);
        assert!(
            found.iter().any(|candidate| candidate.coding.code == code),
            "{coding:?}: {found:?}"
        );
    }
}

#[test]
fn the_file_is_small_enough_to_bring() {
    let bytes = table().to_bytes().unwrap();
    assert!(bytes.len() < 3_500_000, "{} bytes", bytes.len());
    assert_eq!(
        bytes,
        table().to_bytes().unwrap(),
        "the same table makes the same file"
    );
}

#[derive(Default)]
struct Count {
    all: usize,
    first: usize,
    five: usize,
    chosen: usize,
    wrong: usize,
}

#[test]
fn queries_find_their_codes() {
    let medications = rxnorm::read(NAMES, Some(RELATIONS), "invented").unwrap();
    let medications = Index::from_bytes(&medications).unwrap();
    let conditions = index();
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut times_ms = Vec::new();
    for query in measure::queries(QUERIES).unwrap() {
        let index = if query.table == "rxnorm" {
            &medications
        } else {
            conditions
        };
        let begun = Instant::now();
        let found = index.search(query.text, SHOWN);
        let chosen = choose(&found);
        times_ms.push(begun.elapsed().as_secs_f64() * 1000.0);
        let right = place(index, &query, &found);
        let count = counts.entry(query.kind).or_default();
        count.all += 1;
        count.first += usize::from(right == Some(0));
        count.five += usize::from(right.is_some());
        count.chosen += usize::from(chosen.is_some());
        let is_right = |one: &Candidate| place(index, &query, std::slice::from_ref(one)).is_some();
        count.wrong += usize::from(chosen.is_some_and(|one| !is_right(one)));
    }
    times_ms.sort_by(f64::total_cmp);
    for (kind, count) in &counts {
        println!(
            "{kind:13} {:3} queries: first {}, among five {}, chosen {}, of these wrong {}",
            count.all, count.first, count.five, count.chosen, count.wrong
        );
    }
    println!(
        "a query took {:.2} ms (median), {:.2} ms (worst)",
        times_ms[times_ms.len() / 2],
        times_ms[times_ms.len() - 1]
    );
    let sum = |of: fn(&Count) -> usize| counts.values().map(of).sum::<usize>();
    assert_eq!(sum(|count| count.all), 300);
    for (kind, least) in LEAST_FIRST {
        let count = &counts[kind];
        let share = count.first as f64 / count.all as f64;
        assert!(
            share >= least,
            "{kind}: {share:.3} of the first candidates, and {least} is the least"
        );
    }
    assert!(sum(|count| count.five) as f64 >= LEAST_FIVE * 300.0);
    assert!(sum(|count| count.wrong) as f64 <= MOST_WRONG * sum(|count| count.chosen) as f64);
}
