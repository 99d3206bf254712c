//! Shares of right answers, each with its interval: overall, and for each subject.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::interval::{Interval, wilson};

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

impl Share {
    /// `right` of `count`.
    pub fn of(right: u64, count: u64) -> Self {
        Self {
            right,
            count,
            share: right as f64 / count.max(1) as f64,
            interval: wilson(right, count),
        }
    }

    /// Of a mean of 0s and 1s, from the sample's deviation (lm_eval/api/metrics.py, `mean_stderr`); `N/A` of fewer than two.
    pub fn standard_error(&self) -> Value {
        match self.count {
            0 | 1 => json!("N/A"),
            count => json!((self.share * (1.0 - self.share) / (count - 1) as f64).sqrt()),
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Questions of the run.
    pub questions: usize,
    /// How many of them are answered.
    pub answered: usize,
    /// By metric: `acc` and `acc_norm`, or `exact_match` and `unparsed`.
    pub metrics: BTreeMap<String, Share>,
    /// The same for each subject; questions without one are not among them.
    pub subjects: BTreeMap<String, BTreeMap<String, Share>>,
}

impl Summary {
    /// Of a run that has not begun.
    pub fn new(questions: usize) -> Self {
        Self {
            questions,
            answered: 0,
            metrics: BTreeMap::new(),
            subjects: BTreeMap::new(),
        }
    }

    /// One more answer.
    pub fn add(&mut self, subject: Option<&str>, marks: &BTreeMap<String, bool>) {
        self.answered += 1;
        let of_subject =
            subject.map(|subject| self.subjects.entry(subject.to_owned()).or_default());
        for shares in std::iter::once(&mut self.metrics).chain(of_subject) {
            for (metric, right) in marks {
                let before = shares
                    .get(metric)
                    .map_or((0, 0), |share| (share.right, share.count));
                let share = Share::of(before.0 + u64::from(*right), before.1 + 1);
                shares.insert(metric.clone(), share);
            }
        }
    }
}
