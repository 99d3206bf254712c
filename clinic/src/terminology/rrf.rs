//! NLM's Rich Release Format in pieces, so that a file of any length goes through little memory: lines, and the columns of one.

use super::shown;
use crate::error::{Error, Result};

/// Longest line, in bytes; published ones have a tenth of that.
pub(super) const MOST_LINE_BYTES: usize = u16::MAX as usize;

/// Parts bytes that come in pieces into lines.
#[derive(Debug)]
pub(super) struct Lines {
    table: &'static str,
    /// What came of a line that has not ended.
    begun: Vec<u8>,
    /// Lines that have ended.
    ended: u64,
}

impl Lines {
    /// table: the name of the file, for messages.
    pub(super) fn of(table: &'static str) -> Self {
        Self {
            table,
            begun: Vec::new(),
            ended: 0,
        }
    }

    /// Lines that have ended.
    pub(super) fn count(&self) -> u64 {
        self.ended
    }

    /// The next bytes; `use_line` has each line that ends in them, with its number from 1.
    pub(super) fn push(
        &mut self,
        mut piece: &[u8],
        mut use_line: impl FnMut(u64, &str) -> Result<()>,
    ) -> Result<()> {
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = piece.split_at(end);
            piece = rest.get(1..).unwrap_or_default();
            if self.begun.is_empty() {
                self.ended += 1;
                use_line(self.ended, self.text(line)?)?;
            } else {
                self.begin(line)?;
                self.end(&mut use_line)?;
            }
        }
        self.begin(piece)
    }

    /// A last line that no line feed ends.
    pub(super) fn finish(
        &mut self,
        mut use_line: impl FnMut(u64, &str) -> Result<()>,
    ) -> Result<()> {
        match self.begun.is_empty() {
            true => Ok(()),
            false => self.end(&mut use_line),
        }
    }

    fn begin(&mut self, piece: &[u8]) -> Result<()> {
        if self.begun.len() + piece.len() > MOST_LINE_BYTES {
            self.ended += 1;
            return Err(self.too_long());
        }
        self.begun.extend_from_slice(piece);
        Ok(())
    }

    fn end(&mut self, use_line: &mut impl FnMut(u64, &str) -> Result<()>) -> Result<()> {
        let line = std::mem::take(&mut self.begun);
        self.ended += 1;
        use_line(self.ended, self.text(&line)?)?;
        self.begun = line;
        self.begun.clear();
        Ok(())
    }

    fn text<'a>(&self, line: &'a [u8]) -> Result<&'a str> {
        if line.len() > MOST_LINE_BYTES {
            return Err(self.too_long());
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        std::str::from_utf8(line).map_err(|error| {
            let place = error.valid_up_to() + 1;
            self.broken(format!("byte {place} is not UTF-8"))
        })
    }

    fn too_long(&self) -> Error {
        self.broken(format!("it has more than {MOST_LINE_BYTES} bytes"))
    }

    fn broken(&self, detail: String) -> Error {
        Error::Table {
            table: self.table,
            line: self.ended,
            detail,
        }
    }
}

/// A line as its columns, each of which ends with `|`.
#[derive(Debug)]
pub(super) struct Row<'a, const COLUMNS: usize> {
    table: &'static str,
    line: u64,
    columns: &'static [&'static str; COLUMNS],
    cells: [&'a str; COLUMNS],
}

impl<'a, const COLUMNS: usize> Row<'a, COLUMNS> {
    /// table: the name of the file; line: from 1.
    pub(super) fn read(
        table: &'static str,
        columns: &'static [&'static str; COLUMNS],
        line: u64,
        text: &'a str,
    ) -> Result<Self> {
        let mut row = Self {
            table,
            line,
            columns,
            cells: [""; COLUMNS],
        };
        let mut rest = text.split('|');
        for cell in &mut row.cells {
            *cell = rest.next().unwrap_or_default();
        }
        // The last column ends with a separator too.
        if rest.next() == Some("") && rest.next().is_none() {
            return Ok(row);
        }
        let found = text.split('|').count() - 1;
        Err(row.broken(format!(
            "{found} columns that end with `|`, where {COLUMNS} belong"
        )))
    }

    /// The text of a column.
    pub(super) fn get(&self, column: &str) -> &'a str {
        self.place(column)
            .and_then(|place| self.cells.get(place).copied())
            .unwrap_or_default()
    }

    /// `N` says that a row holds; `O` that it is obsolete, `Y` and `E` that it is suppressed by its source or by an editor.
    pub(super) fn is_suppressed(&self) -> Result<bool> {
        match self.get("SUPPRESS") {
            "N" | "" => Ok(false),
            "O" | "Y" | "E" => Ok(true),
            _ => Err(self.error("SUPPRESS", "is none of N, O, Y, E")),
        }
    }

    /// What is wrong with a column.
    pub(super) fn error(&self, column: &str, what: &str) -> Error {
        let number = self.place(column).map_or(0, |place| place + 1);
        let value = shown(self.get(column));
        self.broken(format!("column {number} ({column}) `{value}` {what}"))
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| *name == column)
    }

    fn broken(&self, detail: String) -> Error {
        Error::Table {
            table: self.table,
            line: self.line,
            detail,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Result<Vec<(u64, String)>> {
        let mut found = Vec::new();
        let mut lines = Lines::of("a table");
        for piece in pieces {
            lines.push(piece, |number, line| {
                found.push((number, line.to_owned()));
                Ok(())
            })?;
        }
        lines.finish(|number, line| {
            found.push((number, line.to_owned()));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn lines_are_the_same_wherever_pieces_end() {
        let text = "a|\r\n\nbä|\nlast|";
        let expected: Vec<(u64, String)> = (1..).zip(text.lines().map(str::to_owned)).collect();
        assert_eq!(lines(&[text.as_bytes()]).unwrap(), expected);
        for length in 1..text.len() {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(length).collect();
            assert_eq!(lines(&pieces).unwrap(), expected, "pieces of {length}");
        }
    }

    #[test]
    fn a_line_that_never_ends_fills_no_memory() {
        let piece = [b'a'; 1000];
        let refused = lines(&[&piece[..]; 66]).unwrap_err().to_string();
        assert!(refused.contains("line 1: it has more than"), "{refused}");
        let whole = [b'a'; 66_000];
        assert!(lines(&[&whole, b"\n"]).is_err());
        assert!(lines(&[&[&whole[..], b"\n"].concat()]).is_err());
    }

    #[test]
    fn what_is_not_utf_8_is_named_by_its_line() {
        let refused = lines(&[b"a\nb\xff"]).unwrap_err().to_string();
        assert!(refused.contains("line 2: byte 2 is not UTF-8"), "{refused}");
    }
}
