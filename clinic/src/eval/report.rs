//! What came out of a run, whatever was asked: scores, shares with their intervals, and both in the harness's form.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::question::{Kind, Question};
use super::sample::Sample;
use super::summary::{Share, Summary};
use super::transcript::Extracted;
use super::words::WordScores;
use crate::error::{Error, Result};

/// What came out of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Of questions with choices.
    Choices(Summary),
    /// Of prompts with expected words.
    Words(WordScores),
    /// Of transcripts with expected facts.
    Transcripts(Extracted),
}

impl Report {
    /// Of a run over these questions that has not begun.
    pub fn new(questions: &[Question]) -> Self {
        match questions.first().map(|question| &question.kind) {
            Some(Kind::Words(_)) => Self::Words(WordScores::default()),
            Some(Kind::Facts { .. }) => Self::Transcripts(Extracted::default()),
            _ => Self::Choices(Summary::new(questions.len())),
        }
    }

    /// One more answer, as the log has it. A run that was gone on with so has the report of one that was never interrupted.
    ///
    /// # Errors
    /// [`Error::Questions`] for a line of something else.
    pub fn add(&mut self, question: &Question, sample: &Sample) -> Result<()> {
        match (self, &question.kind) {
            (Self::Choices(summary), Kind::Choice(_)) => {
                summary.add(question.subject.as_deref(), &marks(sample));
                Ok(())
            }
            (Self::Words(scores), Kind::Words(words)) => {
                let answer = sample.filtered_resps.get(0).and_then(Value::as_str);
                let answer = answer.ok_or_else(|| other_kind(sample))?;
                scores.add(words, answer);
                Ok(())
            }
            (Self::Transcripts(extracted), Kind::Facts { expected, .. }) => {
                extracted.add(expected, sample)
            }
            _ => Err(other_kind(sample)),
        }
    }

    /// All of it, as programs read it.
    pub fn json(&self) -> Value {
        match self {
            Self::Choices(summary) => json!(summary),
            Self::Words(scores) => json!(scores),
            Self::Transcripts(extracted) => extracted.json(),
        }
    }

    /// Everything that is a share, with its interval.
    pub fn shares(&self) -> BTreeMap<String, Share> {
        match self {
            Self::Choices(summary) => summary.metrics.clone(),
            Self::Words(scores) => {
                let total = Share::of(scores.total.right, scores.total.count);
                [("exact_match".to_owned(), total)].into()
            }
            Self::Transcripts(extracted) => {
                let ways = extracted.ways.clone().unwrap_or_default();
                let shares = [
                    ("first_pass", ways.first_pass),
                    ("repaired", ways.repaired),
                    ("fallback", ways.fallback),
                    ("blocked", ways.blocked),
                    ("valid_bundle", ways.valid_bundles),
                ];
                let share = |(name, right): (&str, u64)| {
                    (name.to_owned(), Share::of(right, extracted.transcripts))
                };
                shares.map(share).into()
            }
        }
    }

    /// What a person looks at first: its name, and its value of 1; `None` before there is one.
    pub fn headline(&self) -> Option<(&'static str, f64)> {
        match self {
            Self::Choices(summary) => ["acc", "exact_match"].into_iter().find_map(|metric| {
                let share = summary.metrics.get(metric)?;
                Some((metric, share.share))
            }),
            Self::Words(scores) => {
                (scores.total.count > 0).then(|| ("exact_match", scores.total.percent / 100.0))
            }
            Self::Transcripts(extracted) => Some(("f1", extracted.scores.facts.f1()?)),
        }
    }

    /// What lm-evaluation-harness has in `results_*.json`: shares with their standard errors, and, under a name of its own,
    /// all of the report. `questions`: of the whole file; `answered`: how many of them are.
    pub fn results(&self, task: &str, config: &Value, questions: usize, answered: usize) -> Value {
        let mut result = serde_json::Map::new();
        result.insert("alias".to_owned(), json!(task));
        for (metric, share) in self.shares() {
            result.insert(format!("{metric},none"), json!(share.share));
            result.insert(format!("{metric}_stderr,none"), share.standard_error());
        }
        if let Self::Transcripts(extracted) = self {
            result.insert("f1,none".to_owned(), json!(extracted.scores.facts.f1()));
        }
        json!({
            "results": {task: result},
            "n-shot": {task: 0},
            "n-samples": {task: {"original": questions, "effective": answered}},
            "config": config,
            "outpost": self.json(),
        })
    }
}

fn marks(sample: &Sample) -> BTreeMap<String, bool> {
    let names = sample.metrics.iter();
    names
        .filter_map(|name| Some((name.clone(), sample.mark(name)?)))
        .collect()
}

fn other_kind(sample: &Sample) -> Error {
    Error::Questions {
        problem: format!(
            "answer {} is one to another kind of question",
            sample.doc_id
        ),
        remedy: "begin anew with another log",
    }
}
