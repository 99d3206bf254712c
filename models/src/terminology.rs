//! `outpost terminology`: tables of codes to index files, and what these answer.

mod measure;

use std::io::Write;
use std::path::{Path, PathBuf};

use outpost_clinic::terminology::{Candidate, Index, Table, choose, icd10cm, list, rxnorm};
use serde_json::json;

use crate::args::{TerminologyBuildArgs, TerminologyCommand, TerminologySearchArgs};
use crate::error::{Error, Result};
use crate::load::Compute;

/// Runs the command.
pub fn run(command: &TerminologyCommand, compute: Compute) -> Result<()> {
    match command {
        TerminologyCommand::Build(args) => build(args),
        TerminologyCommand::Search(args) => search(args),
        TerminologyCommand::Measure(args) => measure::run(args, compute),
    }
}

fn build(args: &TerminologyBuildArgs) -> Result<()> {
    let bytes = if let Some(files) = &args.source.icd10cm {
        icd10cm_table(files, args.release.as_deref())?.to_bytes()?
    } else if let Some(names) = &args.source.rxnorm {
        let relations = args.relations.as_deref().map(text).transpose()?;
        let release = args.release.as_deref().unwrap_or_default();
        let named = Error::clinic(names);
        rxnorm::read(&text(names)?, relations.as_deref(), release).map_err(named)?
    } else if let Some(csv) = &args.source.csv {
        let title = csv.file_stem().unwrap_or_default().to_string_lossy();
        let table = list::read(&text(csv)?, &title, args.release.as_deref());
        table.map_err(Error::clinic(csv))?.to_bytes()?
    } else {
        return Ok(());
    };
    let index = Index::from_bytes(&bytes)?;
    std::fs::write(&args.out, &bytes).map_err(|error| Error::write(&args.out, &error))?;
    let (codes, complete) = index.counts();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} {}: {codes} codes, {complete} of them complete; {} bytes in {}",
        index.title(),
        index.release(),
        bytes.len(),
        args.out.display()
    )?;
    Ok(())
}

fn search(args: &TerminologySearchArgs) -> Result<()> {
    let bytes = std::fs::read(&args.index).map_err(|error| Error::read(&args.index, &error))?;
    let index = Index::from_bytes(&bytes).map_err(Error::clinic(&args.index))?;
    let found = index.search(&args.query, args.limit);
    let chosen = choose(&found).map(|candidate| &candidate.coding);
    let mut out = std::io::stdout().lock();
    if args.json {
        let answer = json!({
            "query": args.query,
            "system": index.system(),
            "release": index.release(),
            "chosen": chosen,
            "candidates": found,
        });
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    for candidate in &found {
        let mark = if Some(&candidate.coding) == chosen {
            "*"
        } else {
            " "
        };
        writeln!(out, "{mark} {}", line(candidate))?;
    }
    if found.is_empty() {
        writeln!(
            out,
            "nothing like it in {} {}",
            index.title(),
            index.release()
        )?;
    }
    Ok(())
}

fn line(candidate: &Candidate) -> String {
    let head = if candidate.complete {
        ""
    } else {
        " (heads others)"
    };
    let term = if candidate.term == candidate.coding.display {
        String::new()
    } else {
        format!(", by `{}`", candidate.term)
    };
    format!(
        "{:.3} {:<8} {}{term}{head}",
        candidate.score, candidate.coding.code, candidate.coding.display
    )
}

/// The tabular list and the list of codes: named one after the other, or found in a folder by how they begin and end.
fn icd10cm_table(files: &[PathBuf], release: Option<&str>) -> Result<Table> {
    let (tabular, codes) = match files {
        [folder] => (
            only(folder, "icd10c", ".xml")?,
            only(folder, "code-list", ".txt")?,
        ),
        [tabular, codes, ..] => (tabular.clone(), codes.clone()),
        [] => {
            return Err(Error::file(
                Path::new(""),
                "no file is named",
                "name a folder, or two files",
            ));
        }
    };
    let release = match release {
        Some(release) => release.to_owned(),
        None => release_of(&tabular),
    };
    icd10cm::read(&text(&tabular)?, &text(&codes)?, &release).map_err(Error::clinic(&tabular))
}

/// The one file of a folder with such a name.
fn only(folder: &Path, begins: &str, ends: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::read(folder, &error))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::read(folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(begins) && name.ends_with(ends) {
            found.push(entry.path());
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Error::file(
            folder,
            format!("it holds {} files `{begins}*{ends}`", found.len()),
            "name the tabular list and the list of codes one after the other",
        )),
    }
}

/// `icd10cm-tabular-April-1-2026.xml` is of `April 1 2026`.
fn release_of(tabular: &Path) -> String {
    let stem = tabular.file_stem().unwrap_or_default().to_string_lossy();
    let rest = stem.split_once("tabular-").map_or("", |(_, rest)| rest);
    rest.replace(['-', '_'], " ")
}

fn text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::read(path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let detail = format!("byte {place} is not UTF-8");
        Error::file(path, detail, "take the file as it was published")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_name_of_the_file() {
        assert_eq!(
            release_of(Path::new("a/icd10c-tabular-April-1-2026.xml")),
            "April 1 2026"
        );
        assert_eq!(release_of(Path::new("list.xml")), "");
    }
}
