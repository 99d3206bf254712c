//! A long day in one browser: answers, loads, imports and removals by the hundred, and whether memory and storage are flat at
//! its end. What is done and measured is in `tests/browser/soak.mjs`.

use std::path::PathBuf;

use crate::build;
use crate::error::Result;
use crate::places::Places;
use crate::setup;

/// Builds the page and runs it. `json` is where the figures go, besides stdout.
pub fn run(places: &Places, json: Option<&PathBuf>) -> Result<()> {
    let browser = setup::for_browser_tests(places)?;
    build::dist(places)?;
    browser
        .script(places, "browser/soak.mjs")?
        .args(json)
        .run()
        .map_err(|failure| failure.remedy("see above what grew or went wrong"))
}
