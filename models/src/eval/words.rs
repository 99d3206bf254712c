//! Prompts with expected words, and the share that comes out right.
//!
//! An answer is exact when its words are those expected, up to the white space around them. Where a question names
//! `fields`, each that can be read from the expected answer is also scored alone.

use std::collections::BTreeMap;
use std::path::Path;

use outpost_engine::image::RgbImage;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Event, Flow, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Asking;
use crate::error::{Error, Result};
use crate::load::{self, Loaded};
use crate::output;

/// One line of the questions.
#[derive(Debug, Deserialize)]
struct Question {
    id: String,
    task: String,
    prompt: String,
    #[serde(alias = "expect")]
    expected: String,
    system: Option<String>,
    /// Relative to the file of the questions.
    image: Option<String>,
    image_first: Option<bool>,
    #[serde(default)]
    fields: Map<String, Value>,
}

/// How often something was right.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
struct Score {
    count: u32,
    right: u32,
    /// Of 100.
    percent: f64,
}

impl Score {
    fn add(&mut self, right: bool) {
        self.count += 1;
        self.right += u32::from(right);
        self.percent = f64::from(self.right) * 100.0 / f64::from(self.count);
    }
}

#[derive(Debug, Default, Serialize)]
struct Scores {
    exact: Score,
    fields: BTreeMap<String, Score>,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    total: Score,
    tasks: BTreeMap<String, Scores>,
}

/// Asks every question, greedily, and prints the share of right answers for each task.
pub fn run(asking: &Asking<'_>, text: &str) -> Result<()> {
    let args = asking.args;
    if args.log.is_some() || args.no_template {
        return Err(Error::file(
            asking.questions,
            "holds prompts with expected words, which are asked in the chat template and not logged",
            "leave out `--log` and `--no-template`, or write multiple-choice questions",
        ));
    }
    let mut questions = read(asking.questions, text)?;
    questions.truncate(args.limit.unwrap_or(usize::MAX));
    let mut loaded = asking.load()?;
    let mut report = Report::default();
    for (index, question) in questions.iter().enumerate() {
        let pictures = match &question.image {
            Some(name) => vec![load::picture(&asking.beside(name))?],
            None => Vec::new(),
        };
        let answer = ask(&mut loaded, question, &pictures, asking.max_tokens())?;
        let right = report.add(question, &answer);
        let mark = if right { "right" } else { "wrong" };
        eprintln!("{}/{} {} {mark}", index + 1, questions.len(), question.id);
        if !right {
            eprintln!("  expected {:?}\n  answered {answer:?}", question.expected);
        }
    }
    if args.json {
        return output::json(&report);
    }
    for (task, scores) in &report.tasks {
        line(&format!("{task}, exact"), &scores.exact)?;
        for (field, score) in &scores.fields {
            line(&format!("{task}, {field}"), score)?;
        }
    }
    line("all, exact", &report.total)
}

fn line(name: &str, score: &Score) -> Result<()> {
    output::line(&format!(
        "{name:<32} {:>5.1} %  {} of {}",
        score.percent, score.right, score.count
    ))
}

fn read(path: &Path, text: &str) -> Result<Vec<Question>> {
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let questions = lines.map(|(number, line)| {
        serde_json::from_str(line).map_err(|error| {
            Error::file(
                path,
                format!("line {number} is no question ({error})"),
                "write each line as {\"id\", \"task\", \"prompt\", \"expected\", ..}",
            )
        })
    });
    let questions = questions.collect::<Result<Vec<_>>>()?;
    if questions.is_empty() {
        return Err(Error::file(
            path,
            "holds no question",
            "write one on each line",
        ));
    }
    Ok(questions)
}

fn ask(
    loaded: &mut Loaded,
    question: &Question,
    pictures: &[RgbImage],
    max_tokens: usize,
) -> Result<String> {
    let request = Request {
        conversation: load::question(
            question.system.as_deref(),
            &question.prompt,
            pictures.len(),
            question.image_first.unwrap_or(true),
        )?,
        max_tokens,
        sampler: SamplerOptions::default(),
        constraint: None,
    };
    let mut on_event = |_: Event| Flow::Continue;
    let answering = loaded
        .engine
        .generate(&request, pictures, &loaded.clock, &mut on_event);
    Ok(pollster::block_on(answering)?.text)
}

impl Report {
    /// Whether the answer is exact.
    fn add(&mut self, question: &Question, answer: &str) -> bool {
        let scores = self.tasks.entry(question.task.clone()).or_default();
        let exact = answer.trim() == question.expected.trim();
        scores.exact.add(exact);
        self.total.add(exact);
        for (name, value) in &question.fields {
            // A question about the side says nothing of the zone.
            if says(&question.expected, name, value) {
                let score = scores.fields.entry(name.clone()).or_default();
                score.add(says(answer, name, value));
            }
        }
        exact
    }
}

/// Whether a text gives a field its value: as a member of a JSON object, as a line `name: value`, or, in plain words,
/// by containing it.
fn says(text: &str, name: &str, value: &Value) -> bool {
    if let Ok(Value::Object(members)) = serde_json::from_str(text) {
        return members.get(name) == Some(value);
    }
    let Some(value) = value.as_str() else {
        return false;
    };
    let labelled = |line: &str| Some(line.split_once(": ")?.0.trim().to_owned());
    if text
        .lines()
        .any(|line| labelled(line).as_deref() == Some(name))
    {
        return text
            .lines()
            .any(|line| line.trim() == format!("{name}: {value}"));
    }
    let words = |text: &str| {
        let letters = text
            .to_lowercase()
            .replace(|c: char| !c.is_alphanumeric(), " ");
        format!(
            " {} ",
            letters.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    };
    !value.is_empty() && words(text).contains(&words(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_read_from_json_from_labelled_lines_and_from_words() {
        let json_answer = r#"{"drug": "aspirin", "dose": null}"#;
        assert!(says(json_answer, "drug", &json!("aspirin")));
        assert!(says(json_answer, "dose", &Value::Null));
        assert!(!says(json_answer, "frequency", &Value::Null));

        let note = "S: Cough for 2 days.\nP: Rest.";
        assert!(says(note, "S", &json!("Cough for 2 days.")));
        assert!(!says(note, "P", &json!("Rest")));

        let words = "There is a round opacity in the left upper zone.";
        assert!(says(words, "kind", &json!("round opacity")));
        assert!(!says(words, "side", &json!("right")));
        assert!(!says("It is upright.", "side", &json!("right")));
    }

    #[test]
    fn only_fields_that_the_expected_answer_names_are_scored() {
        let line = json!({
            "id": "1", "task": "picture", "prompt": "Which side?", "expected": "The left.",
            "fields": {"side": "left", "zone": "upper", "kind": null},
        });
        let question: Question = serde_json::from_value(line).unwrap();
        let mut report = Report::default();
        assert!(!report.add(&question, "On the left."));
        let scores = &report.tasks["picture"];
        assert_eq!(scores.exact.right, 0);
        assert_eq!(scores.fields.len(), 1);
        assert_eq!(scores.fields["side"].percent, 100.0);
    }
}
