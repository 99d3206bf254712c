//! Own lists of codes, as CSV: a header `system,code,display`, and after these any number of columns `synonym`.

use std::collections::HashSet;
use std::fmt;

use csv_core::ReadFieldResult;

use super::shown;
use super::table::{Entry, Table, Term, TermKind};
use crate::error::{Error, Result};

const LIST: &str = "the list of codes";

/// Columns that every list begins with.
const COLUMNS: [&str; 3] = ["system", "code", "display"];

/// Most codes of a list. Tables with more than that are published, and read in their own format.
const MOST_CODES: usize = 250_000;

/// Most bytes of all cells together.
const MOST_TEXT_BYTES: usize = 32 << 20;

/// Longest cell, in bytes.
const MOST_CELL_BYTES: usize = 65_535;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a whole list.
///
/// release: what it calls itself; `None` where it does not.
///
/// # Errors
///
/// As [`Reader`].
pub fn read(csv: &str, title: &str, release: Option<&str>) -> Result<Table> {
    let mut reader = Reader::of(title, release);
    reader.push(csv.as_bytes())?;
    reader.finish()
}

/// Reads a list that comes in pieces.
///
/// Its functions fail where the header is another one, a cell is empty, a code stands twice, not all codes are of one system, or
/// there is more than memory should hold. After that it is of no use any more.
pub struct Reader {
    csv: csv_core::Reader,
    /// What may be a byte order mark, until it is whole.
    begun: Option<Vec<u8>>,
    /// Where the row begins that is being read.
    line: u64,
    cells: Vec<String>,
    cell: Vec<u8>,
    rows: Rows,
}

impl Reader {
    /// release: what the list calls itself; `None` where it does not.
    pub fn of(title: &str, release: Option<&str>) -> Self {
        let table = Table {
            title: title.to_owned(),
            release: release.unwrap_or_default().to_owned(),
            ..Table::default()
        };
        Self {
            csv: csv_core::Reader::new(),
            begun: Some(Vec::new()),
            line: 1,
            cells: Vec::new(),
            cell: Vec::new(),
            rows: Rows {
                has_header: false,
                seen: HashSet::new(),
                text_bytes: 0,
                table,
            },
        }
    }

    /// The next bytes.
    ///
    /// # Errors
    ///
    /// See [`Reader`].
    pub fn push(&mut self, piece: &[u8]) -> Result<()> {
        let Some(begun) = &mut self.begun else {
            return self.read(piece);
        };
        begun.extend_from_slice(piece);
        match begun.len() < BYTE_ORDER_MARK.len() {
            true => Ok(()),
            false => self.begin(),
        }
    }

    /// The table.
    ///
    /// # Errors
    ///
    /// See [`Reader`].
    pub fn finish(mut self) -> Result<Table> {
        self.begin()?;
        // No bytes are the end.
        self.read_on(&[])?;
        self.rows.finish()
    }

    fn begin(&mut self) -> Result<()> {
        let begun = self.begun.take().unwrap_or_default();
        let first = begun.strip_prefix(BYTE_ORDER_MARK);
        self.read(first.unwrap_or(&begun))
    }

    fn read(&mut self, piece: &[u8]) -> Result<()> {
        match piece.is_empty() {
            true => Ok(()),
            false => self.read_on(piece),
        }
    }

    fn read_on(&mut self, mut rest: &[u8]) -> Result<()> {
        let is_last = rest.is_empty();
        let mut buffer = [0u8; 1024];
        while is_last || !rest.is_empty() {
            let (result, read, written) = self.csv.read_field(rest, &mut buffer);
            rest = rest.get(read..).unwrap_or_default();
            let written = buffer.get(..written).unwrap_or_default();
            if self.cell.len() + written.len() > MOST_CELL_BYTES {
                let detail = format!(
                    "a cell has more than {MOST_CELL_BYTES} bytes, as where a quotation mark is not closed"
                );
                return Err(broken(self.line, detail));
            }
            self.cell.extend_from_slice(written);
            match result {
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::Field { record_end } => self.end_cell(record_end)?,
                ReadFieldResult::End => break,
            }
        }
        Ok(())
    }

    fn end_cell(&mut self, ends_row: bool) -> Result<()> {
        let text = std::str::from_utf8(&self.cell)
            .map_err(|_| broken(self.line, "a cell is not UTF-8".to_owned()))?;
        self.cells.push(text.trim().to_owned());
        self.cell.clear();
        if self.cells.len() > MOST_CELL_BYTES {
            return Err(broken(self.line, "it has too many cells".to_owned()));
        }
        if ends_row {
            let cells = std::mem::take(&mut self.cells);
            if cells.iter().any(|text| !text.is_empty()) {
                self.rows.take(self.line, cells)?;
            }
            self.line = self.csv.line();
        }
        Ok(())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list at line {}", self.line)
    }
}

/// The rows of a list that are read: the first is its header.
struct Rows {
    has_header: bool,
    seen: HashSet<String>,
    text_bytes: usize,
    table: Table,
}

impl Rows {
    /// A row that is not empty: its line, and its cells without white space around them.
    fn take(&mut self, line: u64, cells: Vec<String>) -> Result<()> {
        if !self.has_header {
            self.has_header = true;
            return check_header(&cells);
        }
        for (place, name) in COLUMNS.iter().enumerate() {
            if cells.get(place).is_none_or(String::is_empty) {
                return Err(broken(
                    line,
                    format!("column {} ({name}) is empty", place + 1),
                ));
            }
        }
        let exceeded = |what, value, limit| Error::LimitExceeded { what, value, limit };
        self.text_bytes += cells.iter().map(String::len).sum::<usize>();
        if self.text_bytes > MOST_TEXT_BYTES {
            let (found, most) = (self.text_bytes as u64, MOST_TEXT_BYTES as u64);
            return Err(exceeded("bytes of a list", found, most));
        }
        if self.table.entries.len() == MOST_CODES {
            let (found, most) = (MOST_CODES as u64 + 1, MOST_CODES as u64);
            return Err(exceeded("the number of codes of a list", found, most));
        }
        let mut cells = cells.into_iter();
        let [own, code, display] = [(); 3].map(|()| cells.next().unwrap_or_default());
        let system = &mut self.table.system;
        if system.is_empty() {
            system.clone_from(&own);
        }
        if *system != own {
            let (own, expected) = (shown(&own), shown(system));
            let detail = format!("column 1 (system) `{own}` differs from `{expected}` above");
            return Err(broken(line, detail));
        }
        if !self.seen.insert(code.clone()) {
            let code = shown(&code);
            let detail = format!("column 2 (code) `{code}` stands twice");
            return Err(broken(line, detail));
        }
        self.table.entries.push(Entry {
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
        Ok(())
    }

    fn finish(self) -> Result<Table> {
        if !self.has_header {
            check_header(&[])?;
        }
        match self.table.entries.is_empty() {
            true => Err(broken(1, "no codes follow its header".to_owned())),
            false => Ok(self.table),
        }
    }
}

fn check_header(header: &[String]) -> Result<()> {
    let synonyms = header.get(COLUMNS.len()..).unwrap_or_default();
    if header.iter().take(COLUMNS.len()).eq(COLUMNS)
        && synonyms.iter().all(|name| name == "synonym")
    {
        return Ok(());
    }
    let detail = format!(
        "it begins with `{}` instead of `{}` and columns `synonym`",
        shown(&header.join(",")),
        COLUMNS.join(",")
    );
    Err(broken(1, detail))
}

fn broken(line: u64, detail: String) -> Error {
    Error::Table {
        table: LIST,
        line,
        detail,
    }
}
