//! Facts that were found in transcripts, against those that are in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use outpost_clinic::eval::facts::{Counts, Fact, FactScores};
use outpost_clinic::eval::{Kind, Question};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::error::{Error, Result};
use crate::output;

/// What was found in one transcript.
#[derive(Deserialize)]
struct Prediction {
    id: String,
    facts: Vec<Fact>,
}

/// Scores the facts of `--predictions`. A transcript of which nothing is said counts as one in which nothing was found.
pub fn run(asking: &Asking<'_>, questions: &[Question]) -> Result<()> {
    let Some(path) = &asking.args.predictions else {
        return Err(Error::file(
            asking.questions,
            "holds transcripts, and nothing says what was found in them",
            "name a file with `--predictions`",
        ));
    };
    let mut found = predictions(path)?;
    let most = asking.args.limit.unwrap_or(usize::MAX);
    let mut scores = FactScores::default();
    for question in questions.iter().take(most) {
        if let Kind::Facts { expected, .. } = &question.kind {
            scores.add(&found.remove(&question.id).unwrap_or_default(), expected);
        }
    }
    if let (Some(id), None) = (found.keys().next(), asking.args.limit) {
        let problem = format!("has facts of {id}, which is none of the transcripts");
        return Err(Error::file(path, problem, "name each transcript by its id"));
    }
    if asking.args.json {
        return output::json(&json!({
            "facts": told(&scores.facts),
            "kinds": all(&scores.kinds),
            "fields": all(&scores.fields),
        }));
    }
    line("all facts", &scores.facts)?;
    for (names, counts) in [("", &scores.kinds), ("field ", &scores.fields)] {
        for (name, counts) in counts {
            line(&format!("{names}{name}"), counts)?;
        }
    }
    Ok(())
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

fn all(counts: &BTreeMap<String, Counts>) -> Value {
    counts
        .iter()
        .map(|(name, counts)| (name.clone(), told(counts)))
        .collect()
}

fn told(counts: &Counts) -> Value {
    json!({
        "right": counts.right,
        "found": counts.found,
        "expected": counts.expected,
        "precision": counts.precision(),
        "recall": counts.recall(),
        "f1": counts.f1(),
    })
}

fn line(name: &str, counts: &Counts) -> Result<()> {
    let percent = |share: Option<f64>| {
        share.map_or("  -".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    output::line(&format!(
        "{name:<32} F1 {:>7}  precision {:>7}  recall {:>7}  {} right of {} found, {} expected",
        percent(counts.f1()),
        percent(counts.precision()),
        percent(counts.recall()),
        counts.right,
        counts.found,
        counts.expected,
    ))
}
