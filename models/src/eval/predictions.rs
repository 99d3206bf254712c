//! Facts that were found in transcripts elsewhere, against those that are in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use outpost_clinic::eval::facts::Fact;
use outpost_clinic::eval::transcript::Extracted;
use outpost_clinic::eval::{Kind, Question};
use serde::Deserialize;

use super::{Asking, print};
use crate::error::{Error, Result};

/// What was found in one transcript.
#[derive(Deserialize)]
struct Prediction {
    id: String,
    facts: Vec<Fact>,
}

/// Scores the facts of a file. A transcript of which nothing is said counts as one in which nothing was found.
pub fn run(asking: &Asking<'_>, path: &Path, questions: &[Question]) -> Result<()> {
    let most = asking.args.limit.unwrap_or(usize::MAX);
    let mut found = predictions(path)?;
    let mut extracted = Extracted::default();
    for question in questions.iter().take(most) {
        if let Kind::Facts { expected, .. } = &question.kind {
            extracted.found(&found.remove(&question.id).unwrap_or_default(), expected);
        }
    }
    if let (Some(id), None) = (found.keys().next(), asking.args.limit) {
        let problem = format!("has facts of {id}, which is none of the transcripts");
        return Err(Error::file(path, problem, "name each transcript by its id"));
    }
    print::transcripts(&extracted, asking.args.json)
}

fn predictions(path: &Path) -> Result<BTreeMap<String, Vec<Fact>>> {
    let text = fs::read_to_string(path).map_err(|error| Error::read(path, &error))?;
    let mut found = BTreeMap::new();
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let remedy = "write each line as {\"id\", \"facts\": [{\"kind\", \"name\", ..}, ..]}, each transcript once";
        let prediction: Prediction = serde_json::from_str(line).map_err(|error| {
            Error::file(
                path,
                format!("line {number} has no facts ({error})"),
                remedy,
            )
        })?;
        if found
            .insert(prediction.id.clone(), prediction.facts)
            .is_some()
        {
            let problem = format!("line {number} is of {} again", prediction.id);
            return Err(Error::file(path, problem, remedy));
        }
    }
    Ok(found)
}
