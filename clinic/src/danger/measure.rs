//! Measurements against thresholds, exactly: decimals as they were written, never rounded by binary fractions.
//!
//! 100.4 degrees Fahrenheit are 38 degrees Celsius, neither more nor less, and a rule that says `38 or more` must see it so.

use std::cmp::Ordering;

use crate::record::VitalSign;

/// Decimal places that are kept. No instrument of a clinic shows as many.
const PLACES: usize = 9;

/// Digits before the point that are kept; what is longer is no measurement.
const MAX_WHOLE_DIGITS: usize = 12;

/// A decimal number, counted in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(i128);

impl Decimal {
    /// Reads a number with a decimal point and perhaps a minus sign. Places beyond the ninth are cut off.
    pub fn read(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let sound = !whole.is_empty() && whole.len() <= MAX_WHOLE_DIGITS;
        if !sound || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let places: String = fraction
            .chars()
            .chain("0".repeat(PLACES).chars())
            .take(PLACES)
            .collect();
        let billionths: i128 = format!("{whole}{places}").parse().ok()?;
        Some(Self(if negative { -billionths } else { billionths }))
    }

    /// The decimal number that a floating-point number is shown as, which is the one that was said.
    pub fn of(value: f64) -> Option<Self> {
        value.is_finite().then(|| Self::read(&value.to_string()))?
    }

    /// The number one step of `place` decimal places above this one; for tests of thresholds.
    pub fn step(self, places: u32, up: bool) -> Self {
        let step = 10_i128.pow(u32::try_from(PLACES).unwrap_or(0).saturating_sub(places));
        Self(if up { self.0 + step } else { self.0 - step })
    }

    /// As a floating-point number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "only shown and put into records"
    )]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// A unit of UCUM that measurements may have: `canonical = (number - offset) x factor / divisor`.
struct Unit {
    name: &'static str,
    offset: i128,
    factor: i128,
    divisor: i128,
}

const fn same(name: &'static str) -> Unit {
    Unit {
        name,
        offset: 0,
        factor: 1,
        divisor: 1,
    }
}

const TEMPERATURES: &[Unit] = &[
    same("Cel"),
    Unit {
        name: "[degF]",
        offset: 32_000_000_000,
        factor: 5,
        divisor: 9,
    },
];
const RATES: &[Unit] = &[same("/min"), same("{beats}/min"), same("{breaths}/min")];
const PRESSURES: &[Unit] = &[same("mm[Hg]")];
const SHARES: &[Unit] = &[same("%")];

/// The units that are understood of a vital sign. Weight and height have no thresholds.
fn units(sign: VitalSign) -> &'static [Unit] {
    match sign {
        VitalSign::BodyTemperature => TEMPERATURES,
        VitalSign::HeartRate | VitalSign::RespiratoryRate => RATES,
        VitalSign::SystolicBloodPressure | VitalSign::DiastolicBloodPressure => PRESSURES,
        VitalSign::OxygenSaturation => SHARES,
        VitalSign::BodyWeight | VitalSign::BodyHeight => &[],
    }
}

fn unit(sign: VitalSign, name: &str) -> Option<&'static Unit> {
    units(sign).iter().find(|unit| unit.name == name)
}

/// Whether a vital sign may be measured in a unit.
pub fn fits(sign: VitalSign, name: &str) -> bool {
    unit(sign, name).is_some()
}

/// How a measurement stands to a threshold; `None` if one of the units does not fit the vital sign.
pub fn compare(
    sign: VitalSign,
    value: (Decimal, &str),
    threshold: (Decimal, &str),
) -> Option<Ordering> {
    let (of_value, of_threshold) = (unit(sign, value.1)?, unit(sign, threshold.1)?);
    let scaled = |number: Decimal, unit: &Unit| (number.0 - unit.offset) * unit.factor;
    let left = scaled(value.0, of_value) * of_threshold.divisor;
    let right = scaled(threshold.0, of_threshold) * of_value.divisor;
    Some(left.cmp(&right))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn fahrenheit_and_celsius_meet_exactly() {
        let celsius = (Decimal::read("38").unwrap(), "Cel");
        for (fahrenheit, ordering) in [
            (100.3, Ordering::Less),
            (100.4, Ordering::Equal),
            (100.5, Ordering::Greater),
        ] {
            let value = (Decimal::of(fahrenheit).unwrap(), "[degF]");
            assert_eq!(
                compare(VitalSign::BodyTemperature, value, celsius),
                Some(ordering)
            );
        }
    }

    #[test]
    fn what_is_no_decimal_number_is_not_read() {
        for text in [
            "",
            "-",
            ".5",
            "1e3",
            "NaN",
            "12,5",
            "1.2.3",
            "9999999999999",
        ] {
            assert_eq!(Decimal::read(text), None, "{text}");
        }
        assert_eq!(Decimal::of(f64::NAN), None);
        assert_eq!(Decimal::of(f64::INFINITY), None);
        assert_eq!(Decimal::of(1e300), None);
        assert_eq!(Decimal::read("-3.5"), Decimal::of(-3.5));
    }

    #[test]
    fn a_unit_of_something_else_does_not_compare() {
        let number = Decimal::read("38").unwrap();
        assert_eq!(
            compare(VitalSign::BodyTemperature, (number, "%"), (number, "Cel")),
            None
        );
        assert_eq!(
            compare(VitalSign::BodyWeight, (number, "kg"), (number, "kg")),
            None
        );
    }
}
