//! RxNorm from the files that the National Library of Medicine publishes: names in RXNCONSO.RRF, and in RXNREL.RRF which brand
//! has which ingredients.
//!
//! Columns and their meaning: RxNorm Technical Documentation, sections on RXNCONSO.RRF and RXNREL.RRF. Only RxNorm's own names
//! are taken (`SAB` is `RXNORM`), in English, and only those that are not suppressed.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Entry, Table, Term, TermKind};
use super::{RXNORM_SYSTEM, shown};
use crate::error::{Error, Result};

const NAMES: &str = "RXNCONSO.RRF";
const RELATIONS: &str = "RXNREL.RRF";

/// Columns of RXNCONSO.RRF; each ends with `|`.
const NAME_COLUMNS: [&str; 18] = [
    "RXCUI", "LAT", "TS", "LUI", "STT", "SUI", "ISPREF", "RXAUI", "SAUI", "SCUI", "SDUI", "SAB",
    "TTY", "CODE", "STR", "SRL", "SUPPRESS", "CVF",
];

/// Columns of RXNREL.RRF.
const RELATION_COLUMNS: [&str; 16] = [
    "RXCUI1", "RXAUI1", "STYPE1", "REL", "RXCUI2", "RXAUI2", "STYPE2", "RELA", "RUI", "SRUI",
    "SAB", "SL", "DIR", "RG", "SUPPRESS", "CVF",
];

/// Term types that are taken; the first one that a concept has is its name, the others are further names.
///
/// Ingredient, precise ingredient, several ingredients, brand, clinical and branded drugs, packs, components and forms; then
/// names for prescribing, and synonyms.
const TERM_TYPES: [&str; 14] = [
    "IN", "PIN", "MIN", "BN", "SCD", "SBD", "GPCK", "BPCK", "SCDC", "SCDF", "SBDF", "PSN", "TMSY",
    "SY",
];

/// Reads names, and relations where they are there.
///
/// release: which one, such as the date of its file's name.
///
/// # Errors
///
/// Where a line has too few or too many columns or one of them is not what it should be: line and column are named.
pub fn read(names: &str, relations: Option<&str>, release: &str) -> Result<Table> {
    let mut concepts: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    for (index, line) in names.lines().enumerate() {
        let row = Row::read(NAMES, &NAME_COLUMNS, index, line)?;
        let [id, language, source, kind, name] =
            ["RXCUI", "LAT", "SAB", "TTY", "STR"].map(|column| row.get(column));
        if row.is_suppressed()? || language != "ENG" || source != "RXNORM" {
            continue;
        }
        let Some(rank) = TERM_TYPES.iter().position(|known| *known == kind) else {
            continue;
        };
        if name.trim().is_empty() {
            return Err(row.error("STR", "is empty"));
        }
        concepts
            .entry(row.id("RXCUI", id)?)
            .or_default()
            .push((rank, name.trim()));
    }
    for list in concepts.values_mut() {
        list.sort_unstable();
        list.dedup();
    }
    let brands = match relations {
        Some(relations) => ingredients_of_brands(relations, &concepts)?,
        None => BTreeMap::new(),
    };
    Ok(Table {
        system: RXNORM_SYSTEM.to_owned(),
        title: "RxNorm".to_owned(),
        release: release.to_owned(),
        entries: entries(&concepts, &brands),
        abbreviations: BTreeSet::new(),
    })
}

type Concepts<'a> = BTreeMap<&'a str, Vec<(usize, &'a str)>>;
type Brands<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn entries(concepts: &Concepts<'_>, brands: &Brands<'_>) -> Vec<Entry> {
    let mut found: BTreeMap<&str, Entry> = BTreeMap::new();
    for (&id, names) in concepts {
        let Some(((_, display), others)) = names.split_first() else {
            continue;
        };
        let synonym = |(_, text): &(usize, &str)| Term {
            kind: TermKind::Synonym,
            text: (*text).to_owned(),
        };
        let entry = Entry {
            code: id.to_owned(),
            display: (*display).to_owned(),
            complete: true,
            terms: others.iter().map(synonym).collect(),
            endings: Vec::new(),
            ingredients: brands
                .get(id)
                .map(|list| list.iter().map(|&id| id.to_owned()).collect())
                .unwrap_or_default(),
        };
        found.insert(id, entry);
    }
    // A brand of one ingredient is a name of it. One of several is a name of none of them.
    for (&brand, ingredients) in brands {
        let Some((&ingredient, true)) =
            ingredients.first().map(|one| (one, ingredients.len() == 1))
        else {
            continue;
        };
        let name = found.get(brand).map(|entry| entry.display.clone());
        if let (Some(text), Some(entry)) = (name, found.get_mut(ingredient)) {
            let kind = TermKind::Brand;
            entry.terms.push(Term { kind, text });
        }
    }
    found.into_values().collect()
}

/// The second concept of a row has the relation to the first: `brand` is `tradename_of` an ingredient where it stands second.
fn ingredients_of_brands<'a>(relations: &'a str, concepts: &Concepts<'a>) -> Result<Brands<'a>> {
    let is = |id: &str, kind: &str| {
        concepts
            .get(id)
            .and_then(|names| names.first())
            .is_some_and(|(rank, _)| TERM_TYPES[*rank] == kind)
    };
    let mut brands = Brands::new();
    for (index, line) in relations.lines().enumerate() {
        let row = Row::read(RELATIONS, &RELATION_COLUMNS, index, line)?;
        if row.is_suppressed()? || row.get("SAB") != "RXNORM" {
            continue;
        }
        let (brand, ingredient) = match row.get("RELA") {
            "tradename_of" => ("RXCUI2", "RXCUI1"),
            "has_tradename" => ("RXCUI1", "RXCUI2"),
            _ => continue,
        };
        let [brand, ingredient] = [brand, ingredient].map(|column| row.get(column));
        if is(brand, "BN") && is(ingredient, "IN") {
            brands.entry(brand).or_default().insert(ingredient);
        }
    }
    Ok(brands)
}

/// A line of a file in NLM's Rich Release Format.
struct Row<'a> {
    table: &'static str,
    line: u64,
    columns: &'static [&'static str],
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn read(
        table: &'static str,
        columns: &'static [&'static str],
        index: usize,
        line: &'a str,
    ) -> Result<Self> {
        let mut cells: Vec<&str> = line.split('|').collect();
        // The last column ends with a separator too.
        let ended = cells.pop() == Some("");
        let row = Self {
            table,
            line: index as u64 + 1,
            columns,
            cells,
        };
        if ended && row.cells.len() == columns.len() {
            Ok(row)
        } else {
            let detail = format!(
                "{} columns that end with `|`, where {} belong",
                row.cells.len(),
                columns.len()
            );
            Err(row.broken(detail))
        }
    }

    fn get(&self, column: &str) -> &'a str {
        self.place(column)
            .and_then(|place| self.cells.get(place).copied())
            .unwrap_or_default()
    }

    /// A concept's number.
    fn id(&self, column: &str, value: &'a str) -> Result<&'a str> {
        let number =
            (1..=8).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
        if number {
            Ok(value)
        } else {
            Err(self.error(column, "is no number of at most 8 digits"))
        }
    }

    /// `N` says that a row holds; `O` that it is obsolete, `Y` and `E` that it is suppressed by its source or by an editor.
    fn is_suppressed(&self) -> Result<bool> {
        match self.get("SUPPRESS") {
            "N" | "" => Ok(false),
            "O" | "Y" | "E" => Ok(true),
            _ => Err(self.error("SUPPRESS", "is none of N, O, Y, E")),
        }
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| *name == column)
    }

    fn error(&self, column: &str, what: &str) -> Error {
        let number = self.place(column).map_or(0, |place| place + 1);
        let value = shown(self.get(column));
        self.broken(format!("column {number} ({column}) `{value}` {what}"))
    }

    fn broken(&self, detail: String) -> Error {
        Error::Table {
            table: self.table,
            line: self.line,
            detail,
        }
    }
}
