//! `outpost tokenize`: text to token ids.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use outpost_engine::tokenizer::Tokenizer;
use serde::Serialize;

use crate::args::TokenizeArgs;
use crate::error::{Error, Result};
use crate::output;
use crate::source::Model;

#[derive(Serialize)]
struct Tokens<'a> {
    ids: &'a [u32],
    pieces: Vec<&'a str>,
}

/// Prints ids and pieces.
pub fn run(args: &TokenizeArgs) -> Result<()> {
    let tokenizer = open(&args.model)?;
    let ids = tokenizer.encode(&args.text)?;
    let pieces = ids
        .iter()
        .map(|&id| tokenizer.piece(id).unwrap_or_default());
    let pieces: Vec<_> = pieces.collect();
    if args.json {
        return output::json(&Tokens { ids: &ids, pieces });
    }
    for (id, piece) in ids.iter().zip(pieces) {
        output::line(&format!("{id:>7}  {piece:?}"))?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<Tokenizer> {
    if path.extension() == Some(OsStr::new("json")) {
        let bytes = fs::read(path).map_err(|error| Error::read(path, &error))?;
        return Tokenizer::from_json(&bytes).map_err(Error::of(path));
    }
    let model = Model::open(path, None)?;
    Tokenizer::from_metadata(model.text.metadata()).map_err(Error::of(path))
}
