//! `outpost fhir`: whether files are valid FHIR R4.

use std::fs;

use outpost_clinic::fhir::{Issue, Links, validate_with};
use serde::Serialize;

use crate::args::{FhirCommand, ValidateArgs};
use crate::error::{Error, Result};
use crate::output;

/// One file.
#[derive(Serialize)]
struct Report {
    path: String,
    valid: bool,
    issues: Vec<Issue>,
}

#[derive(Serialize)]
struct Reports {
    files: Vec<Report>,
    valid: usize,
    invalid: usize,
}

/// Does what is asked of FHIR.
pub fn run(command: &FhirCommand) -> Result<()> {
    match command {
        FhirCommand::Validate(args) => validate(args),
    }
}

/// Prints what is wrong with each file; an error if anything is.
fn validate(args: &ValidateArgs) -> Result<()> {
    let links = if args.self_contained {
        Links::Inside
    } else {
        Links::Anywhere
    };
    let mut files = Vec::new();
    for path in &args.files {
        let text = fs::read_to_string(path).map_err(|error| Error::read(path, &error))?;
        let resource = serde_json::from_str(&text).map_err(|error| {
            let detail = format!("is not JSON ({error})");
            Error::file(path, detail, "give a resource of FHIR in its JSON form")
        })?;
        let issues = validate_with(&resource, links);
        files.push(Report {
            path: path.display().to_string(),
            valid: issues.is_empty(),
            issues,
        });
    }
    let invalid = files.iter().filter(|file| !file.valid).count();
    let reports = Reports {
        valid: files.len() - invalid,
        invalid,
        files,
    };
    if args.json {
        output::json(&reports)?;
    } else {
        print(&reports.files)?;
    }
    if invalid > 0 {
        return Err(Error::Invalid {
            invalid,
            files: reports.files.len(),
        });
    }
    Ok(())
}

fn print(files: &[Report]) -> Result<()> {
    for file in files {
        if file.valid {
            output::line(&format!("{}: valid", file.path))?;
        }
        for issue in &file.issues {
            let Issue {
                path,
                rule,
                message,
            } = issue;
            output::line(&format!("{}: {path}: {message} [{rule}]", file.path))?;
        }
    }
    Ok(())
}
