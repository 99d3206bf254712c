//! Questions with known answers: how they are asked, how far that is, and what came out.
//!
//! What the Worker tells travels as text of JSON: numbers stay as they were written, to the last digit, and the page's module
//! need not know every field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::consultation::ModelInUse;

/// The folder, in the page's own storage, of what is kept of evaluations.
pub const EVALUATIONS: &str = "evaluations";

/// How questions are asked. The same questions asked in the same way of the same model are one evaluation, which goes on
/// where it was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct EvaluationOptions {
    /// How an answer to a multiple-choice question is found.
    pub by: AnswerBy,
    /// Whether such questions are asked as plain text, without the chat template.
    pub plain: bool,
    /// Most tokens of an answer; as many as suit if not given.
    pub max_tokens: Option<u32>,
    /// Only so many questions, the first ones; how many are asked makes no other evaluation.
    pub limit: Option<u32>,
    /// What MedMCQA's `cop` counts from, 0 or 1, where the file does not show it.
    pub cop_from: Option<u32>,
    /// Whether to begin anew instead of going on.
    pub again: bool,
}

/// How an answer to a multiple-choice question is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerBy {
    /// By which choice is likeliest.
    #[default]
    Likelihood,
    /// By what the model writes.
    Generation,
}

/// How far an evaluation is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluationProgress {
    /// Questions that are answered.
    pub done: u64,
    /// Questions that are to be answered.
    pub total: u64,
    /// Of those answered, how many were when this began.
    pub already: u64,
    /// What `value` is: `acc`, `exact_match` or `f1`; nothing before there is one.
    pub metric: Option<String>,
    /// What came out so far, of 1.
    pub value: Option<f64>,
}

/// How often something was so.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Times that it was.
    pub right: u64,
    /// Times that it could have been.
    pub count: u64,
    /// right / count
    pub share: f64,
    /// Wilson's interval of 95 %.
    pub interval: Interval,
}

/// Where something lies, with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What came out of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// What was asked: `choices`, `words` or `transcripts`.
    pub kind: String,
    /// What answered.
    pub model: ModelInUse,
    /// Questions in the file.
    pub questions: u64,
    /// How many of them are answered.
    pub answered: u64,
    /// How many were when this began.
    pub already: u64,
    /// F1 of all facts; of transcripts only.
    pub f1: Option<f64>,
    /// Everything that is a share, by name.
    pub shares: BTreeMap<String, Share>,
    /// What `outpost eval --json` prints.
    pub report: Value,
    /// The log, a line of JSON for each answer, as lm-evaluation-harness has it.
    pub log: String,
}
