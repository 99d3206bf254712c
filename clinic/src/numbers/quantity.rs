//! What a text holds: an exact number, a pair of them, a date or a name with digits, and its unit.

use super::units::Unit;
use crate::record::Span;

/// An exact number: a fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    top: i128,
    bottom: i128,
}

impl Number {
    /// `top / bottom`; `None` if that is no number.
    pub fn new(top: i128, bottom: i128) -> Option<Self> {
        if bottom == 0 {
            return None;
        }
        let (mut a, mut b) = (top.unsigned_abs(), bottom.unsigned_abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = i128::try_from(a.max(1)).ok()?;
        Some(Self {
            top: top / divisor,
            bottom: bottom / divisor,
        })
    }

    /// A whole number.
    pub fn whole(number: u64) -> Self {
        Self {
            top: i128::from(number),
            bottom: 1,
        }
    }

    /// The sum; `None` if it grows too large.
    pub fn plus(self, other: Self) -> Option<Self> {
        let left = self.top.checked_mul(other.bottom)?;
        let right = other.top.checked_mul(self.bottom)?;
        Self::new(
            left.checked_add(right)?,
            self.bottom.checked_mul(other.bottom)?,
        )
    }

    /// As the nearest floating-point number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "at most fifteen digits are read"
    )]
    pub fn to_f64(self) -> f64 {
        self.top as f64 / self.bottom as f64
    }

    /// Whether it is less than a whole number.
    pub fn is_below(self, whole: i128) -> bool {
        whole
            .checked_mul(self.bottom)
            .is_none_or(|whole| self.top < whole)
    }

    /// Less a whole number.
    pub fn minus(self, less: i128) -> Option<Self> {
        Self::new(
            self.top.checked_sub(less.checked_mul(self.bottom)?)?,
            self.bottom,
        )
    }

    /// Times `top / bottom`.
    pub fn times(self, top: i128, bottom: i128) -> Option<Self> {
        Self::new(self.top.checked_mul(top)?, self.bottom.checked_mul(bottom)?)
    }
}

/// What stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One number.
    Number(Number),
    /// A range, or a pair such as `120/80`.
    Pair(Number, Number),
    /// A date (day, month, year as far as it is written) or a time.
    Parts(Vec<u64>),
    /// A word with digits, such as `B12`, in lower case, or a number that is too long.
    Name(String),
}

impl Value {
    /// The numbers in it.
    pub fn numbers(&self) -> Vec<Number> {
        match self {
            Self::Number(number) => vec![*number],
            Self::Pair(first, second) => vec![*first, *second],
            Self::Parts(parts) => parts.iter().copied().map(Number::whole).collect(),
            Self::Name(_) => Vec::new(),
        }
    }
}

/// A number with its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// The number.
    pub value: Value,
    /// Its unit, if one follows.
    pub unit: Option<Unit>,
    /// Where it stands.
    pub span: Span,
    /// Whether it is written in letters.
    pub in_words: bool,
}

impl Quantity {
    /// Whether this is the word `one` alone.
    pub fn is_pronoun(&self) -> bool {
        self.in_words && self.unit.is_none() && self.value == Value::Number(Number::whole(1))
    }
}
