//! Numbers within bounds, digit by digit: whether what was written so far can still become one.
//!
//! A number is a whole multiple of a unit, a power of ten. What begins with certain digits covers a few intervals of such
//! multiples, so that a look at the bounds tells whether one of them is left. At most 15 digits, which f64 tells apart.

/// Most digits of a number: f64 tells two decimals of 15 digits apart.
pub const MAX_DIGITS: u32 = 15;

/// Which numbers are allowed, in units of 10^-decimals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberSpec {
    /// Digits after the point, at most.
    pub decimals: u32,
    /// Digits before it, at most.
    pub whole_digits: u32,
    /// The smallest, in units.
    pub least: i64,
    /// The largest, in units.
    pub most: i64,
    /// They are multiples of this many units.
    pub multiple_of: i64,
}

/// The beginning of a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    negative: bool,
    /// The digits as one number, without the point.
    digits: i64,
    /// Digits before the point.
    whole: u8,
    /// Digits after it, once there is one.
    decimals: Option<u8>,
}

impl NumberSpec {
    /// `prefix` with one byte more, if a number can still begin so.
    pub fn step(&self, prefix: Prefix, byte: u8) -> Option<Prefix> {
        let mut longer = prefix;
        match byte {
            b'-' if prefix == Prefix::default() => longer.negative = true,
            b'.' if prefix.decimals.is_none() && prefix.whole > 0 && self.decimals > 0 => {
                longer.decimals = Some(0);
            }
            b'0'..=b'9' => {
                match &mut longer.decimals {
                    Some(decimals) if u32::from(*decimals) < self.decimals => *decimals += 1,
                    Some(_) => return None,
                    // A number has no leading zeros.
                    None if prefix.whole > 0 && prefix.digits == 0 => return None,
                    None if u32::from(prefix.whole) >= self.whole_digits => return None,
                    None => longer.whole += 1,
                }
                longer.digits = prefix.digits * 10 + i64::from(byte - b'0');
            }
            _ => return None,
        }
        self.can_become_one(longer).then_some(longer)
    }

    /// Whether `prefix` is an allowed number as it is.
    pub fn is_complete(&self, prefix: Prefix) -> bool {
        let decimals = match prefix.decimals {
            Some(0) => return false,
            Some(decimals) => u32::from(decimals),
            None => 0,
        };
        let value = prefix.digits * power(self.decimals - decimals);
        prefix.whole > 0 && self.has_between(prefix.negative, value, value)
    }

    /// Whether any number is allowed.
    pub fn is_possible(&self) -> bool {
        let all = power(self.whole_digits + self.decimals) - 1;
        self.has_between(false, 0, all) || self.has_between(true, 0, all)
    }

    fn can_become_one(&self, prefix: Prefix) -> bool {
        let between = |low, high| self.has_between(prefix.negative, low, high);
        let begins = |digits: i64, unit: i64| between(digits * unit, (digits + 1) * unit - 1);
        match (prefix.whole, prefix.decimals) {
            (0, _) => between(0, power(self.whole_digits + self.decimals) - 1),
            (_, Some(decimals)) => {
                begins(prefix.digits, power(self.decimals - u32::from(decimals)))
            }
            (_, None) if prefix.digits == 0 => begins(0, power(self.decimals)),
            (whole, None) => (0..=self.whole_digits - u32::from(whole))
                .any(|more| begins(prefix.digits, power(more + self.decimals))),
        }
    }

    /// Whether a number of that sign is allowed whose size is within `low..=high`. There is no negative zero.
    fn has_between(&self, negative: bool, low: i64, high: i64) -> bool {
        let (least, most) = match negative {
            false => (self.least.max(0), self.most),
            true => ((-self.most).max(1), -self.least),
        };
        let (low, high) = (low.max(least), high.min(most));
        let first = low.saturating_add(self.multiple_of - 1) / self.multiple_of;
        low <= high && first * self.multiple_of <= high
    }
}

/// 10^exponent
pub fn power(exponent: u32) -> i64 {
    10_i64.saturating_pow(exponent)
}
