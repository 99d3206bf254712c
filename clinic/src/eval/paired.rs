//! What the difference of two models on the same questions is worth.
//!
//! - The interval is Tango's, the score interval for paired proportions: T. Tango, Equivalence test and confidence interval
//!   for the difference in proportions for the paired-sample design, Statistics in Medicine 17 (1998) 891–908. It holds the
//!   differences d at which |T(d)| ≤ z, where T is the observed difference minus d, over its deviation if d were the true
//!   one. It keeps its 95 % for few questions and where the two never differ, and T(0)² is McNemar's statistic.
//! - The test is McNemar's exact one: of the questions that only one model answers, half should be each one's.

use serde::{Deserialize, Serialize};

use super::interval::{Interval, Z};

/// Halvings of [-1, 1]: below f64's own steps.
const STEPS: u32 = 60;

/// How two models did on the same questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs {
    /// Both right.
    pub both: u64,
    /// Only the first right.
    pub only_a: u64,
    /// Only the second right.
    pub only_b: u64,
    /// Both wrong.
    pub neither: u64,
}

impl Pairs {
    /// One more question.
    pub fn add(&mut self, a: bool, b: bool) {
        match (a, b) {
            (true, true) => self.both += 1,
            (true, false) => self.only_a += 1,
            (false, true) => self.only_b += 1,
            (false, false) => self.neither += 1,
        }
    }

    /// All questions.
    pub fn count(&self) -> u64 {
        self.both + self.only_a + self.only_b + self.neither
    }

    /// The second's share of right answers minus the first's.
    pub fn difference(&self) -> f64 {
        (self.only_b as f64 - self.only_a as f64) / self.count().max(1) as f64
    }

    /// Tango's interval of 95 % for [`difference`](Self::difference); of no questions everything is possible.
    pub fn interval(&self) -> Interval {
        if self.count() == 0 {
            return Interval {
                low: -1.0,
                high: 1.0,
            };
        }
        Interval {
            low: self.where_score_is(Z),
            high: self.where_score_is(-Z),
        }
    }

    /// The two-sided p value of McNemar's exact test.
    pub fn mcnemar(&self) -> f64 {
        let fewer = self.only_a.min(self.only_b);
        let differ = self.only_a + self.only_b;
        if self.only_a == self.only_b {
            return 1.0;
        }
        // Terms of the binomial distribution with one half, as logarithms: 2^-differ alone may be less than any f64.
        let mut log_term = -(differ as f64) * std::f64::consts::LN_2;
        let mut sum = log_term.exp();
        for k in 1..=fewer {
            log_term += ((differ - k + 1) as f64).ln() - (k as f64).ln();
            sum += log_term.exp();
        }
        (2.0 * sum).min(1.0)
    }

    /// Where T is `score`. T falls from one end to the other.
    fn where_score_is(&self, score: f64) -> f64 {
        let (mut low, mut high) = (-1.0, 1.0);
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            match self.score(middle) > score {
                true => low = middle,
                false => high = middle,
            }
        }
        f64::midpoint(low, high)
    }

    /// T at the difference d: (b - c - n d) / sqrt(n (2 q + d (1 - d))), where q is the likeliest probability of `only_a`
    /// if d is the difference, the greater root of 2 n q² + ((2 n - b + c) d - b - c) q - c d (1 - d) = 0.
    fn score(&self, d: f64) -> f64 {
        let n = self.count() as f64;
        let (b, c) = (self.only_b as f64, self.only_a as f64);
        let linear = (2.0 * n - b + c) * d - b - c;
        let constant = -c * d * (1.0 - d);
        let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
        // Not less than makes both probabilities at least 0.
        let q = ((root - linear) / (4.0 * n)).max(0.0).max(-d);
        let deviation = (n * (2.0 * q + d * (1.0 - d))).max(0.0).sqrt();
        let distance = b - c - n * d;
        match (deviation > 0.0, distance == 0.0) {
            (true, _) => distance / deviation,
            // Nothing varies: what was observed is certain, anything else impossible.
            (false, true) => 0.0,
            (false, false) => distance.signum() * f64::INFINITY,
        }
    }
}
