//! What a share of right answers is worth: Wilson's score interval.
//!
//! E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209–212. Unlike
//! p ± z·s it stays between 0 and 1 and says something where all or none are right.

use serde::{Deserialize, Serialize};

/// The normal distribution's quantile of 97.5 %: intervals here are those of 95 %.
pub const Z: f64 = 1.959_963_984_540_054;

/// Where a share or a difference lies, with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Wilson's interval for `right` of `count`; of none everything is possible.
pub fn wilson(right: u64, count: u64) -> Interval {
    if count == 0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let (n, right) = (count as f64, right.min(count) as f64);
    let share = right / n;
    let middle = (right + Z * Z / 2.0) / (n + Z * Z);
    let half = Z * (n * share * (1.0 - share) + Z * Z / 4.0).sqrt() / (n + Z * Z);
    Interval {
        // At the ends, where rounding would leave a trace of the other side.
        low: if right == 0.0 {
            0.0
        } else {
            (middle - half).max(0.0)
        },
        high: if right == n {
            1.0
        } else {
            (middle + half).min(1.0)
        },
    }
}
