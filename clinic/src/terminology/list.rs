//! Own lists of codes, as CSV: a header `system,code,display`, and after these any number of columns `synonym`.

use std::collections::{BTreeSet, HashSet};

use csv_core::{ReadFieldResult, Reader};

use super::shown;
use super::table::{Entry, Table, Term, TermKind};
use crate::error::{Error, Result};

const LIST: &str = "the list of codes";

/// Columns that every list begins with.
const COLUMNS: [&str; 3] = ["system", "code", "display"];

/// Reads a list.
///
/// release: what it calls itself; `None` where it does not.
///
/// # Errors
///
/// Where the header is another one, a cell is empty, a code stands twice, or not all codes are of one system.
pub fn read(csv: &str, title: &str, release: Option<&str>) -> Result<Table> {
    let mut rows = rows(csv.trim_start_matches('\u{feff}'))?.into_iter();
    let header = rows.next().map(|(_, cells)| cells).unwrap_or_default();
    let synonyms = header.get(COLUMNS.len()..).unwrap_or_default();
    if header.iter().take(COLUMNS.len()).ne(COLUMNS)
        || synonyms.iter().any(|name| name != "synonym")
    {
        let detail = format!(
            "it begins with `{}` instead of `{}` and columns `synonym`",
            shown(&header.join(",")),
            COLUMNS.join(",")
        );
        return Err(broken(1, detail));
    }
    let mut system: Option<String> = None;
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for (line, cells) in rows {
        for (place, name) in COLUMNS.iter().enumerate() {
            if cells.get(place).is_none_or(String::is_empty) {
                return Err(broken(
                    line,
                    format!("column {} ({name}) is empty", place + 1),
                ));
            }
        }
        let mut cells = cells.into_iter();
        let [own, code, display] = [(); 3].map(|()| cells.next().unwrap_or_default());
        let expected = system.get_or_insert_with(|| own.clone());
        if *expected != own {
            let (own, expected) = (shown(&own), shown(expected));
            let detail = format!("column 1 (system) `{own}` differs from `{expected}` above");
            return Err(broken(line, detail));
        }
        if !seen.insert(code.clone()) {
            let code = shown(&code);
            let detail = format!("column 2 (code) `{code}` stands twice");
            return Err(broken(line, detail));
        }
        entries.push(Entry {
            code,
            display,
            complete: true,
            terms: cells
                .filter(|text| !text.is_empty())
                .map(|text| Term {
                    kind: TermKind::Synonym,
                    text,
                })
                .collect(),
            ..Entry::default()
        });
    }
    let system = system.ok_or_else(|| broken(1, "no codes follow its header".to_owned()))?;
    Ok(Table {
        system,
        title: title.to_owned(),
        release: release.unwrap_or_default().to_owned(),
        entries,
        abbreviations: BTreeSet::new(),
    })
}

/// Each row that is not empty: its line, and its cells without white space around them.
fn rows(csv: &str) -> Result<Vec<(u64, Vec<String>)>> {
    let mut reader = Reader::new();
    let mut rows = Vec::new();
    let mut cells: Vec<String> = Vec::new();
    let mut cell = Vec::new();
    let mut rest = csv.as_bytes();
    let mut buffer = [0u8; 1024];
    let mut line = 1;
    loop {
        let (result, read, written) = reader.read_field(rest, &mut buffer);
        rest = rest.get(read..).unwrap_or_default();
        cell.extend_from_slice(buffer.get(..written).unwrap_or_default());
        match result {
            // All of the text was given; what is asked for next is told that it has ended.
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                let text = std::str::from_utf8(&cell)
                    .map_err(|_| broken(line, "a cell is not UTF-8".to_owned()))?;
                cells.push(text.trim().to_owned());
                cell.clear();
                if record_end {
                    let row = std::mem::take(&mut cells);
                    if row.iter().any(|text| !text.is_empty()) {
                        rows.push((line, row));
                    }
                    line = reader.line();
                }
            }
            ReadFieldResult::End => return Ok(rows),
        }
    }
}

fn broken(line: u64, detail: String) -> Error {
    Error::Table {
        table: LIST,
        line,
        detail,
    }
}
