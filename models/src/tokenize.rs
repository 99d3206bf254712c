//! `outpost tokenize`: text to token ids.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use outpost_engine::tokenizer::{Span, Tokenizer};
use serde::{Deserialize, Serialize};

use crate::args::TokenizeArgs;
use crate::error::{Error, Result};
use crate::output;
use crate::source::Model;

/// One line of `--file`.
#[derive(Deserialize)]
struct Line {
    text: String,
}

#[derive(Serialize)]
struct Tokens<'a> {
    ids: &'a [u32],
    pieces: Vec<&'a str>,
}

/// Prints ids and pieces.
pub fn run(args: &TokenizeArgs) -> Result<()> {
    let tokenizer = open(&args.model)?;
    let Some(file) = &args.file else {
        let text = args.text.as_deref().unwrap_or_default();
        return print(&tokenizer, text, !args.untrusted, args.json);
    };
    for text in read(file)? {
        print(&tokenizer, &text, !args.untrusted, true)?;
    }
    Ok(())
}

fn print(tokenizer: &Tokenizer, text: &str, trusted: bool, json: bool) -> Result<()> {
    let ids = tokenizer.encode_spans(&[Span { text, trusted }])?;
    let pieces = ids
        .iter()
        .map(|&id| tokenizer.piece(id).unwrap_or_default());
    let pieces: Vec<_> = pieces.collect();
    if json {
        return output::json(&Tokens { ids: &ids, pieces });
    }
    for (id, piece) in ids.iter().zip(pieces) {
        output::line(&format!("{id:>7}  {piece:?}"))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| Error::read(path, &error))?;
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let texts = lines.map(|(number, line)| match serde_json::from_str(line) {
        Ok(Line { text }) => Ok(text),
        Err(error) => Err(Error::file(
            path,
            format!("line {number} holds no text ({error})"),
            "write each line as {\"text\": ..}",
        )),
    });
    texts.collect()
}

fn open(path: &Path) -> Result<Tokenizer> {
    if path.extension() == Some(OsStr::new("json")) {
        let bytes = fs::read(path).map_err(|error| Error::read(path, &error))?;
        return Tokenizer::from_json(&bytes).map_err(Error::of(path));
    }
    let model = Model::open(path, None)?;
    Tokenizer::from_metadata(model.text.metadata()).map_err(Error::of(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn texts_are_read_line_by_line_and_a_bad_line_is_named() {
        let path = std::env::temp_dir().join(format!("outpost-texts-{}", std::process::id()));
        fs::write(&path, "{\"text\": \"a\\nb\\u2028\"}\n\n{\"text\": \"\"}\n").unwrap();
        assert_eq!(read(&path).unwrap(), ["a\nb\u{2028}", ""]);
        fs::write(&path, "{\"text\": \"a\"}\n{\"words\": \"b\"}\n").unwrap();
        let message = read(&path).unwrap_err().one_line();
        fs::remove_file(&path).unwrap();
        assert!(message.contains("line 2 holds no text"), "{message}");
    }
}
