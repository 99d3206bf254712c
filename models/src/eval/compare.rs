//! Two logs of the same questions side by side.

use std::fs;
use std::path::{Path, PathBuf};

use outpost_clinic::eval::compare::{Verdict, compare, samples};
use outpost_clinic::eval::sample::Sample;

use super::log;
use super::print::line;
use crate::error::{Error, Result};
use crate::output;

/// Prints how much better or worse the second log is.
pub fn run(a: &Path, b: &Path, metric: Option<&str>, as_json: bool) -> Result<()> {
    let found = compare(&read(a)?, &read(b)?, metric)?;
    if as_json {
        return output::json(&found);
    }
    line(&format!("A {}, {}", log::name(a), found.metric), &found.a)?;
    line(&format!("B {}, {}", log::name(b), found.metric), &found.b)?;
    let pairs = &found.pairs;
    output::line(&format!(
        "both right {}, only A {}, only B {}, neither {}",
        pairs.both, pairs.only_a, pairs.only_b, pairs.neither
    ))?;
    output::line(&format!(
        "B - A: {:+.2} % (95 %: {:+.2} to {:+.2}), McNemar p = {:.3}",
        found.difference * 100.0,
        found.interval.low * 100.0,
        found.interval.high * 100.0,
        found.mcnemar_p,
    ))?;
    output::line(match found.verdict {
        Verdict::Less => "B loses less than 1 % against A: the whole interval is above -1 %",
        Verdict::More => "B loses more than 1 % against A: the whole interval is below -1 %",
        Verdict::Open => {
            "whether B loses less than 1 % against A is open: the interval holds -1 %; ask more questions"
        }
    })?;
    if !found.same_prompts {
        output::line("the prompts were not the same")?;
    }
    Ok(())
}

/// The answers of a log, or of the only log in a folder.
fn read(path: &Path) -> Result<Vec<Sample>> {
    let path = match path.is_dir() {
        true => only_log(path)?,
        false => path.to_owned(),
    };
    let text = fs::read_to_string(&path).map_err(|error| Error::read(&path, &error))?;
    samples(&text).map_err(Error::questions(&path))
}

fn only_log(folder: &Path) -> Result<PathBuf> {
    let failed = |error| Error::read(folder, &error);
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("samples_") && name.ends_with(".jsonl") {
            logs.push(entry.path());
        }
    }
    match logs.as_slice() {
        [one] => Ok(one.clone()),
        logs => Err(Error::file(
            folder,
            format!("holds {} logs (`samples_*.jsonl`)", logs.len()),
            "name one of them",
        )),
    }
}
