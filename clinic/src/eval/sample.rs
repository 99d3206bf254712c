//! One line of a log: what was asked, what came back, and whether it was right.
//!
//! Names and nesting are those that lm-evaluation-harness writes with `--log_samples` (lm_eval/evaluator.py,
//! lm_eval/loggers/evaluation_tracker.py), so its tools read these logs too. Log-likelihoods and whether they are greedy
//! are texts there, `True` and `False` as Python has them.

use std::collections::BTreeMap;

use outpost_engine::likelihood::LogLikelihood;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::digest;
use super::facts::{Fact, FactScores};
use super::question::{Choices, Words, letter};
use super::transcript::{self, WAYS};
use super::{Plan, Question, letter as answers};
use crate::consultation::Processed;
use crate::error::{Error, Result};

/// What stands for an answer that names no choice, as in the harness's `regex` filter.
const UNPARSED: &str = "[invalid]";

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Place of the question, from 0.
    pub doc_id: usize,
    /// The question's line.
    pub doc: Map<String, Value>,
    /// What is right: the place of the choice, or its label.
    pub target: String,
    /// Prompt and continuation, or prompt and how it was continued, of each request.
    pub arguments: Map<String, Value>,
    /// What came back, of each request.
    pub resps: Value,
    /// What was read out of it.
    pub filtered_resps: Value,
    /// Always `none`.
    pub filter: String,
    /// The names of what follows.
    pub metrics: Vec<String>,
    /// SHA-256 of `doc`.
    pub doc_hash: String,
    /// SHA-256 of the prompt.
    pub prompt_hash: String,
    /// SHA-256 of the target.
    pub target_hash: String,
    /// For each metric 1 or 0; of transcripts also F1 and how many facts were dropped.
    #[serde(flatten)]
    pub marks: BTreeMap<String, Value>,
}

impl Sample {
    /// Whether this metric says right; `None` if the line does not have it, or it is no matter of right and wrong.
    pub fn mark(&self, metric: &str) -> Option<bool> {
        match self.number(metric)? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        }
    }

    /// What this metric says.
    pub fn number(&self, metric: &str) -> Option<f64> {
        self.marks.get(metric)?.as_f64()
    }

    /// The line, with its end.
    ///
    /// # Errors
    /// [`Error::Questions`] if it cannot be written.
    pub fn line(&self) -> Result<String> {
        let line = serde_json::to_string(self).map_err(|error| Error::Questions {
            problem: format!(
                "the answer to question {} cannot be logged ({error})",
                self.doc_id
            ),
            remedy: "leave this question out",
        })?;
        Ok(line + "\n")
    }
}

/// SHA-256 of a question's line.
pub fn doc_hash(doc: &Map<String, Value>) -> String {
    digest(&Value::Object(doc.clone()).to_string())
}

/// What a question was asked with.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its place, from 0.
    pub doc_id: usize,
    /// The question.
    pub question: &'a Question,
    /// How it was asked.
    pub plan: Plan,
    /// The prompt as text.
    pub prompt: &'a str,
}

/// The line of a question that was scored: `found` has the labels, then the texts where these are others.
pub fn scored(
    asked: Asked<'_>,
    choices: &Choices,
    continuations: &[String],
    found: &[LogLikelihood],
) -> Sample {
    let count = choices.options.len();
    let (labels, texts) = found.split_at(count.min(found.len()));
    let texts = match texts.is_empty() {
        true => labels,
        false => texts,
    };
    let sums = labels.iter().map(|found| found.sum);
    let of_each_character = texts
        .iter()
        .zip(&choices.options)
        .map(|(found, option)| found.sum / option.chars().count().max(1) as f64);
    let right = Some(choices.right);
    let responses: Vec<_> = found.iter().map(response).collect();
    let each_alone: Vec<_> = responses.iter().map(|response| json!([response])).collect();
    let arguments = continuations.iter().map(|continuation| json!(continuation));
    sample(
        asked,
        choices.right.to_string(),
        arguments,
        (json!(each_alone), json!(responses)),
        &[
            ("acc", mark(greatest(sums) == right)),
            ("acc_norm", mark(greatest(of_each_character) == right)),
        ],
    )
}

fn response(found: &LogLikelihood) -> Value {
    let greedy = if found.greedy { "True" } else { "False" };
    json!([found.sum.to_string(), greedy])
}

/// The line of a question whose choice was answered in words.
pub fn answered(asked: Asked<'_>, choices: &Choices, answer: &str) -> Sample {
    let named = answers::named(answer, choices);
    let labels = choices.labels();
    let label = |at: usize| {
        labels
            .get(at)
            .cloned()
            .unwrap_or_else(|| letter(at).to_string())
    };
    let read = named.map_or(UNPARSED.to_owned(), label);
    sample(
        asked,
        label(choices.right),
        std::iter::once(greedily(asked.plan)),
        (json!([[answer]]), json!([read])),
        &[
            ("exact_match", mark(named == Some(choices.right))),
            ("unparsed", mark(named.is_none())),
        ],
    )
}

/// The line of a question that was answered in words that are known.
pub fn said(asked: Asked<'_>, words: &Words, answer: &str) -> Sample {
    sample(
        asked,
        words.expected.clone(),
        std::iter::once(greedily(asked.plan)),
        (json!([[answer]]), json!([answer])),
        &[("exact_match", mark(words.are(answer)))],
    )
}

/// The line of a transcript: all drafts, the facts that were found, and by which way. It is an exact match if every expected
/// fact was found, and no other.
pub fn extracted(asked: Asked<'_>, expected: &[Fact], processed: &Processed) -> Sample {
    let found = Fact::of_record(&transcript::record(processed));
    let mut scores = FactScores::default();
    scores.add(&found, expected);
    let counts = scores.facts;
    let exact = counts.right == counts.found && counts.right == counts.expected;
    let drafts = processed.repair_log.iter().map(|it| it.draft.as_str());
    let drafts: Vec<_> = drafts.filter(|draft| !draft.is_empty()).collect();
    let mut marks = vec![
        ("exact_match", mark(exact)),
        // Of nothing to find and nothing found nothing is wrong.
        ("f1", json!(counts.f1().unwrap_or(1.0))),
    ];
    for (way, name) in WAYS {
        marks.push((name, mark(processed.way == way)));
    }
    marks.push(("valid_bundle", mark(processed.bundle.is_some())));
    marks.push(("dropped", json!(processed.dropped.len())));
    sample(
        asked,
        json!(expected).to_string(),
        std::iter::once(greedily(asked.plan)),
        (json!([drafts]), json!([found])),
        &marks,
    )
}

/// How something is written, in the harness's words.
fn greedily(plan: Plan) -> Value {
    json!({
        "until": ["<end_of_turn>"],
        "do_sample": false,
        "temperature": 0.0,
        "max_gen_toks": plan.max_tokens,
    })
}

fn mark(right: bool) -> Value {
    json!(if right { 1.0 } else { 0.0 })
}

fn sample(
    asked: Asked<'_>,
    target: String,
    arguments: impl Iterator<Item = Value>,
    (resps, filtered_resps): (Value, Value),
    marks: &[(&str, Value)],
) -> Sample {
    let arguments = arguments.enumerate().map(|(at, argument)| {
        let pair = json!({"arg_0": asked.prompt, "arg_1": argument});
        (format!("gen_args_{at}"), pair)
    });
    Sample {
        doc_id: asked.doc_id,
        doc: asked.question.doc.clone(),
        target_hash: digest(&target),
        target,
        arguments: arguments.collect(),
        resps,
        filtered_resps,
        filter: "none".to_owned(),
        metrics: marks.iter().map(|(name, _)| (*name).to_owned()).collect(),
        doc_hash: doc_hash(&asked.question.doc),
        prompt_hash: digest(asked.prompt),
        marks: marks
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    }
}

/// The place of the greatest; of equals the first, as numpy's `argmax`.
fn greatest(values: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (at, value) in values.enumerate() {
        if best.is_none_or(|(_, best)| value > best) {
            best = Some((at, value));
        }
    }
    best.map(|(at, _)| at)
}
