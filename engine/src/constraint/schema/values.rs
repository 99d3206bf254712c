//! Numbers: bounds and multiples, exactly, as decimals.

use super::super::json::Json;
use super::super::number::{MAX_DIGITS, NumberSpec, power};
use super::super::program::NodeId;
use super::{Compiler, refused};
use crate::error::{Result, shown};

/// Digits after the point where no bound has more.
const USUAL_DECIMALS: u32 = 6;

/// Digits before the point where no bound has more.
const USUAL_WHOLE_DIGITS: u32 = 9;

/// A decimal: digits times 10^-decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Decimal {
    digits: i64,
    decimals: u32,
}

impl Decimal {
    /// What `text`, a number of JSON, says; `None` if that takes too many digits.
    fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let mut digits: i64 = format!("{whole}{fraction}").parse().ok()?;
        let mut decimals = i32::try_from(fraction.len()).ok()? - exponent;
        while decimals < 0 {
            digits = digits.checked_mul(10)?;
            decimals += 1;
        }
        let decimals = u32::try_from(decimals).ok()?;
        (digits.abs() < power(MAX_DIGITS) && decimals < MAX_DIGITS)
            .then_some(Self { digits, decimals })
    }

    fn whole_digits(self) -> u32 {
        let whole = self.digits.unsigned_abs() / power(self.decimals).unsigned_abs();
        whole.checked_ilog10().map_or(1, |digits| digits + 1)
    }

    /// In units of 10^-decimals; rounded down if they are too large for it.
    fn in_units(self, decimals: u32) -> i64 {
        match decimals.checked_sub(self.decimals) {
            Some(more) => self.digits * power(more),
            None => self.digits.div_euclid(power(self.decimals - decimals)),
        }
    }

    fn fits(self, decimals: u32) -> bool {
        self.in_units(decimals) * power(self.decimals.saturating_sub(decimals)) == self.digits
            || self.decimals <= decimals
    }
}

impl Compiler<'_> {
    pub(super) fn number(&mut self, schema: &Json, integer: bool, at: &str) -> Result<NodeId> {
        let [minimum, maximum, above, below, multiple] = [
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
        ]
        .map(|word| bound(schema, word, at));
        let (minimum, maximum, above, below, multiple) =
            (minimum?, maximum?, above?, below?, multiple?);
        let bounds = [minimum, maximum, above, below, multiple];
        let needed = |of: fn(Decimal) -> u32| {
            bounds
                .iter()
                .flatten()
                .map(|bound| of(*bound))
                .max()
                .unwrap_or(0)
        };
        let (decimals, whole_digits) = match integer {
            true => (0, MAX_DIGITS),
            false => {
                let whole = needed(Decimal::whole_digits).max(USUAL_WHOLE_DIGITS);
                let usual = USUAL_DECIMALS.min(MAX_DIGITS.saturating_sub(whole));
                (needed(|bound| bound.decimals).max(usual), whole)
            }
        };
        if decimals + whole_digits > MAX_DIGITS {
            let problem = format!("its bounds need numbers of more than {MAX_DIGITS} digits");
            return Err(refused(at, &problem, "use rounder bounds"));
        }
        let largest = power(whole_digits + decimals) - 1;
        // Rounded down: what is above a bound that is no unit begins one unit further.
        let at_least = |bound: Decimal| bound.in_units(decimals) + i64::from(!bound.fits(decimals));
        let at_most = |bound: Decimal| bound.in_units(decimals);
        let least = [
            Some(-largest),
            minimum.map(at_least),
            above.map(|bound| bound.in_units(decimals) + 1),
        ];
        let most = [
            Some(largest),
            maximum.map(at_most),
            below.map(|bound| bound.in_units(decimals) - i64::from(bound.fits(decimals))),
        ];
        let multiple_of = match multiple {
            None => 1,
            Some(multiple) if multiple.digits > 0 && multiple.fits(decimals) => {
                multiple.in_units(decimals)
            }
            Some(_) => {
                return Err(refused(
                    at,
                    "`multipleOf` is no number above 0 that fits the type",
                    "correct it",
                ));
            }
        };
        let spec = NumberSpec {
            decimals,
            whole_digits,
            least: least.into_iter().flatten().max().unwrap_or(-largest),
            most: most.into_iter().flatten().min().unwrap_or(largest),
            multiple_of,
        };
        match spec.is_possible() {
            true => self.program.add_number(spec),
            false => Err(refused(
                at,
                "no number satisfies its bounds",
                "correct one of them",
            )),
        }
    }
}

fn bound(schema: &Json, word: &str, at: &str) -> Result<Option<Decimal>> {
    let Some(value) = schema.get(word) else {
        return Ok(None);
    };
    let read = match value {
        Json::Number(number) => Decimal::read(&number.to_string()),
        _ => {
            return Err(refused(
                at,
                &format!("`{word}` is not a number"),
                "correct it",
            ));
        }
    };
    let decimal = read.ok_or_else(|| {
        let problem = format!("`{word}` is {}", shown(&value.compact()));
        refused(at, &problem, "use a number of at most 15 digits")
    })?;
    Ok(Some(decimal))
}
