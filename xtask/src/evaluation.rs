//! The demonstration model on transcripts that it was not trained on, in the page: see `tests/browser/evaluation.mjs`.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::build;
use crate::error::Result;
use crate::places::Places;
use crate::setup;

/// What to measure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only the first transcripts, so many; 0 for all.
    pub limit: u32,
    /// Whether what is built is taken as it is.
    pub as_built: bool,
    /// Where the figures go as JSON, besides stdout.
    pub json: Option<PathBuf>,
}

impl Options {
    /// The arguments after `evaluation`.
    pub fn parse(parser: &mut lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut options = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("limit") => options.limit = parser.value()?.parse()?,
                Long("no-build") => options.as_built = true,
                Long("json") => options.json = Some(PathBuf::from(parser.value()?)),
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }
}

/// Builds the page and measures.
pub fn run(places: &Places, options: &Options) -> Result<()> {
    let browser = setup::for_browser_tests(places)?;
    if !options.as_built {
        build::dist(places)?;
    }
    browser
        .script(places, "browser/evaluation.mjs")?
        .arg(options.limit.to_string())
        .args(&options.json)
        .run()
}
