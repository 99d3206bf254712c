//! Two logs of the same questions: how much better or worse the second is, and how sure that is.

use serde::{Deserialize, Serialize};

use super::interval::Interval;
use super::paired::Pairs;
use super::sample::Sample;
use super::summary::Share;
use crate::error::{Error, Result};

/// The loss that a comparison is asked about: one question in a hundred.
pub const MARGIN: f64 = -0.01;

/// Metrics that are compared unless one is named, the first that both logs have.
const METRICS: [&str; 3] = ["acc", "exact_match", "acc_norm"];

/// Two logs side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What is compared.
    pub metric: String,
    /// The first log's share.
    pub a: Share,
    /// The second log's share.
    pub b: Share,
    /// Question by question.
    pub pairs: Pairs,
    /// The second's share minus the first's.
    pub difference: f64,
    /// Tango's interval of 95 % for it.
    pub interval: Interval,
    /// McNemar's exact test: how likely a difference like this is if there is none.
    pub mcnemar_p: f64,
    /// Whether both were asked in the same words.
    pub same_prompts: bool,
    /// Whether the loss is less than one in a hundred.
    pub verdict: Verdict,
}

/// Whether the second loses less than one question in a hundred against the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval is above -1 %: yes.
    Less,
    /// The whole interval is below -1 %: no.
    More,
    /// The interval holds -1 %: more questions are needed.
    Open,
}

impl Verdict {
    fn of(interval: Interval) -> Self {
        match (interval.low > MARGIN, interval.high < MARGIN) {
            (true, _) => Self::Less,
            (_, true) => Self::More,
            _ => Self::Open,
        }
    }
}

/// The answers of a whole log. A last line without an end is left out.
///
/// # Errors
/// [`Error::Question`] for a line that is no answer.
pub fn samples(log: &str) -> Result<Vec<Sample>> {
    let lines = log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    (1..)
        .zip(lines)
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| Error::Question {
                line: number,
                problem: format!("this is no answer of a log ({error})"),
                remedy: "name a `samples_*.jsonl` file",
            })
        })
        .collect()
}

/// Compares two logs by `metric`, or by the first that both have.
///
/// # Errors
/// [`Error::Questions`] if they are not of the same questions, or do not have the metric.
pub fn compare(a: &[Sample], b: &[Sample], metric: Option<&str>) -> Result<Comparison> {
    let refuse = |problem: String, remedy| Err(Error::Questions { problem, remedy });
    if a.is_empty() || b.is_empty() {
        return refuse(
            "a log holds no answer".to_owned(),
            "run the questions first",
        );
    }
    if a.len() != b.len() {
        return refuse(
            format!("one log has {} answers, the other {}", a.len(), b.len()),
            "run the same questions to the same end with both models",
        );
    }
    let other = a.iter().zip(b).find(|(a, b)| {
        a.doc_id != b.doc_id || a.doc_hash != b.doc_hash || a.target_hash != b.target_hash
    });
    if let Some((a, _)) = other {
        return refuse(
            format!(
                "the logs are of other questions from question {} on",
                a.doc_id
            ),
            "compare logs of the same file, asked in the same way",
        );
    }
    let has = |metric: &str| {
        a.iter()
            .chain(b)
            .all(|sample| sample.mark(metric).is_some())
    };
    let named = metric
        .map(|metric| vec![metric])
        .unwrap_or(METRICS.to_vec());
    let Some(metric) = named.iter().find(|metric| has(metric)) else {
        return refuse(
            format!(
                "not both logs have {} for every question",
                named.join(" or ")
            ),
            "ask with both models in the same way",
        );
    };
    let mut pairs = Pairs::default();
    for (a, b) in a.iter().zip(b) {
        pairs.add(a.mark(metric) == Some(true), b.mark(metric) == Some(true));
    }
    let interval = pairs.interval();
    Ok(Comparison {
        metric: (*metric).to_owned(),
        a: Share::of(pairs.both + pairs.only_a, pairs.count()),
        b: Share::of(pairs.both + pairs.only_b, pairs.count()),
        difference: pairs.difference(),
        interval,
        mcnemar_p: pairs.mcnemar(),
        same_prompts: a.iter().zip(b).all(|(a, b)| a.prompt_hash == b.prompt_hash),
        verdict: Verdict::of(interval),
        pairs,
    })
}
