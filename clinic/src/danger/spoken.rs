//! Measurements in a transcript, read by a fixed procedure, so that one which a model overlooked still counts.
//!
//! The name of a vital sign, at most four words, and its number in the same sentence: `temp is 39.5`, `BP 170 over 110`,
//! `sats 88%`; or the number before `breaths`. A sentence with `if`, and one that names a target, is no measurement.
//! A temperature without a unit is Celsius up to 50 and Fahrenheit above: no living person is both.

use crate::numbers::quantity::{Number, Quantity, Value};
use crate::numbers::read::quantities;
use crate::record::{Span, Vital, VitalSign};

/// Words that may stand between a name and its number.
const GAP: usize = 4;

/// The highest number that is a temperature in Celsius where no unit is said.
const CELSIUS_UP_TO: f64 = 50.0;

/// Numbers that a thermometer for people may show, in either unit.
const THERMOMETER: std::ops::RangeInclusive<f64> = 25.0..=115.0;

/// Names of vital signs as they are said; the longer before the shorter that they hold.
const NAMES: &[(&str, VitalSign)] = &[
    ("body temperature", VitalSign::BodyTemperature),
    ("temperature", VitalSign::BodyTemperature),
    ("temp", VitalSign::BodyTemperature),
    ("fever of", VitalSign::BodyTemperature),
    ("heart rate", VitalSign::HeartRate),
    ("pulse rate", VitalSign::HeartRate),
    ("pulse", VitalSign::HeartRate),
    ("hr", VitalSign::HeartRate),
    ("respiratory rate", VitalSign::RespiratoryRate),
    ("respiration rate", VitalSign::RespiratoryRate),
    ("respirations", VitalSign::RespiratoryRate),
    ("breathing rate", VitalSign::RespiratoryRate),
    ("rr", VitalSign::RespiratoryRate),
    ("systolic", VitalSign::SystolicBloodPressure),
    ("diastolic", VitalSign::DiastolicBloodPressure),
    ("blood pressure", VitalSign::SystolicBloodPressure),
    ("bp", VitalSign::SystolicBloodPressure),
    ("pulse oximetry", VitalSign::OxygenSaturation),
    ("pulse oximeter", VitalSign::OxygenSaturation),
    ("pulse ox", VitalSign::OxygenSaturation),
    ("oximetry", VitalSign::OxygenSaturation),
    ("oxygen saturation", VitalSign::OxygenSaturation),
    ("o2 saturation", VitalSign::OxygenSaturation),
    ("o2 sats", VitalSign::OxygenSaturation),
    ("saturation", VitalSign::OxygenSaturation),
    ("saturations", VitalSign::OxygenSaturation),
    ("sats", VitalSign::OxygenSaturation),
    ("spo2", VitalSign::OxygenSaturation),
];

/// Make a number one to come or to wish for.
const NOT_MEASURED: &[&str] = &[
    "if", "unless", "should", "target", "goal", "aim", "until", "whether", "normal",
];

/// The measurements of a transcript, in its order.
pub fn vitals(transcript: &str) -> Vec<Vital> {
    let mut numbers = quantities(transcript);
    numbers.retain(|quantity| !matches!(quantity.value, Value::Name(_) | Value::Parts(_)));
    let mut vitals: Vec<Vital> = Vec::new();
    for (index, quantity) in numbers.iter().enumerate() {
        let start = quantity.span.start;
        let before = transcript.get(..start).unwrap_or_default();
        let from = before
            .rfind(['!', '?', ';', '\n'])
            .map_or(0, |at| at + 1)
            .max(last_stop(before));
        let words = words(transcript.get(from..start).unwrap_or_default(), from);
        if words
            .iter()
            .any(|(word, _)| NOT_MEASURED.contains(&word.as_str()))
        {
            continue;
        }
        // A name has one number, but for another of its own kind behind a time: `BP two days ago 180/100`.
        let since = vitals.last().map_or(0, |last| last.evidence.end);
        let Some((sign, span)) = named(&words, since) else {
            if followed_by_breaths(transcript, quantity) {
                vitals.extend(measured(
                    VitalSign::RespiratoryRate,
                    quantity,
                    quantity.span,
                ));
            }
            continue;
        };
        let last = index.checked_sub(1).and_then(|last| numbers.get(last));
        let behind_another = last.is_some_and(|last| last.span.start > span.start);
        let surely = quantity.unit.is_some()
            || matches!(quantity.value, Value::Pair(..))
            || sign == VitalSign::BodyTemperature;
        if surely || !behind_another {
            vitals.extend(measured(sign, quantity, span));
        }
    }
    vitals
}

/// The byte after the last full stop that ends a sentence: one with a space behind it.
fn last_stop(text: &str) -> usize {
    text.rfind(". ").map_or(0, |at| at + 2)
}

/// The words of a text in lower case, with the place of their first byte.
fn words(text: &str, offset: usize) -> Vec<(String, usize)> {
    let mut words: Vec<(String, usize)> = Vec::new();
    let mut inside = false;
    for (at, c) in text.char_indices() {
        if c.is_alphanumeric() {
            if !inside {
                words.push((String::new(), offset + at));
            }
            if let Some((word, _)) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        inside = c.is_alphanumeric();
    }
    words
}

/// The name nearest before a number, with the place of its first byte as a span without an end.
fn named(words: &[(String, usize)], since: usize) -> Option<(VitalSign, Span)> {
    let ends = |parts: usize, back: usize, name: &str| {
        let end = words.len().checked_sub(back)?;
        let start = end.checked_sub(parts)?;
        let found = words.get(start..end)?;
        let same = found
            .iter()
            .map(|(word, _)| word.as_str())
            .eq(name.split(' '));
        found
            .first()
            .filter(|first| same && first.1 >= since)
            .map(|first| first.1)
    };
    (0..=GAP).find_map(|back| {
        NAMES.iter().find_map(|(name, sign)| {
            let start = ends(name.split(' ').count(), back, name)?;
            Some((*sign, Span { start, end: start }))
        })
    })
}

fn followed_by_breaths(transcript: &str, quantity: &Quantity) -> bool {
    let after = transcript
        .get(quantity.span.end..)
        .unwrap_or_default()
        .trim_start();
    after.to_lowercase().starts_with("breath")
}

/// A quantity as a vital sign; a blood pressure is two. Empty if its unit is of something else.
fn measured(sign: VitalSign, quantity: &Quantity, name: Span) -> Vec<Vital> {
    let evidence = Span {
        start: name.start.min(quantity.span.start),
        end: quantity.span.end,
    };
    let vital = |sign, number: Number, unit: &str| Vital {
        sign,
        value: number.to_f64(),
        unit: unit.to_owned(),
        evidence,
    };
    let has_unit = |names: &[&str]| match &quantity.unit {
        None => true,
        Some(unit) => names.iter().any(|name| unit.is(name)),
    };
    match (sign, &quantity.value) {
        (VitalSign::BodyTemperature, Value::Number(number))
            if has_unit(&["°C", "°F", "degrees"]) && THERMOMETER.contains(&number.to_f64()) =>
        {
            let fahrenheit = match &quantity.unit {
                Some(unit) if unit.is("°C") => false,
                Some(unit) if unit.is("°F") => true,
                _ => number.to_f64() > CELSIUS_UP_TO,
            };
            vec![vital(
                sign,
                *number,
                if fahrenheit { "[degF]" } else { "Cel" },
            )]
        }
        (VitalSign::HeartRate | VitalSign::RespiratoryRate, Value::Number(number))
            if has_unit(&["bpm"]) =>
        {
            vec![vital(sign, *number, "/min")]
        }
        (VitalSign::OxygenSaturation, Value::Number(number)) if has_unit(&["%"]) => {
            vec![vital(sign, *number, "%")]
        }
        (
            VitalSign::SystolicBloodPressure | VitalSign::DiastolicBloodPressure,
            Value::Number(number),
        ) if has_unit(&["mmHg"]) => {
            vec![vital(sign, *number, "mm[Hg]")]
        }
        (VitalSign::SystolicBloodPressure, Value::Pair(upper, lower)) if has_unit(&["mmHg"]) => {
            vec![
                vital(VitalSign::SystolicBloodPressure, *upper, "mm[Hg]"),
                vital(VitalSign::DiastolicBloodPressure, *lower, "mm[Hg]"),
            ]
        }
        // A range of measurements: both ends count.
        (_, Value::Pair(first, second)) => [*first, *second]
            .into_iter()
            .flat_map(|number| {
                let single = Quantity {
                    value: Value::Number(number),
                    ..quantity.clone()
                };
                measured(sign, &single, name)
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Sign, number and unit of each measurement, and the words it was read from.
    fn read(text: &str) -> Vec<(VitalSign, f64, &str, &str)> {
        let unit = |unit: &str| {
            ["Cel", "[degF]", "/min", "mm[Hg]", "%"]
                .into_iter()
                .find(|known| *known == unit)
                .unwrap()
        };
        vitals(text)
            .into_iter()
            .map(|vital| {
                (
                    vital.sign,
                    vital.value,
                    unit(&vital.unit),
                    vital.evidence.of(text).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn measurements_are_read_as_they_are_said() {
        use VitalSign::{
            BodyTemperature, DiastolicBloodPressure, HeartRate, OxygenSaturation, RespiratoryRate,
            SystolicBloodPressure,
        };
        for (text, sign, value, unit, words) in [
            (
                "Temp is 39.5.",
                BodyTemperature,
                39.5,
                "Cel",
                "Temp is 39.5",
            ),
            (
                "His temperature was thirty-nine point five",
                BodyTemperature,
                39.5,
                "Cel",
                "temperature was thirty-nine point five",
            ),
            (
                "T fine. Temperature: 103 F",
                BodyTemperature,
                103.0,
                "[degF]",
                "Temperature: 103 F",
            ),
            (
                "a fever of 101.3",
                BodyTemperature,
                101.3,
                "[degF]",
                "fever of 101.3",
            ),
            (
                "Heart rate 140 bpm",
                HeartRate,
                140.0,
                "/min",
                "Heart rate 140 bpm",
            ),
            (
                "the pulse today is about 48",
                HeartRate,
                48.0,
                "/min",
                "pulse today is about 48",
            ),
            ("RR 56", RespiratoryRate, 56.0, "/min", "RR 56"),
            (
                "I count 62 breaths a minute",
                RespiratoryRate,
                62.0,
                "/min",
                "62",
            ),
            ("sats 88% on air", OxygenSaturation, 88.0, "%", "sats 88%"),
            (
                "pulse oximetry 93",
                OxygenSaturation,
                93.0,
                "%",
                "pulse oximetry 93",
            ),
            (
                "BP two days ago was 85 mmHg",
                SystolicBloodPressure,
                85.0,
                "mm[Hg]",
                "BP two days ago was 85 mmHg",
            ),
            (
                "temperature for 3 days, 39.1",
                BodyTemperature,
                39.1,
                "Cel",
                "temperature for 3 days, 39.1",
            ),
            ("SpO2 of 91", OxygenSaturation, 91.0, "%", "SpO2 of 91"),
            (
                "systolic 85",
                SystolicBloodPressure,
                85.0,
                "mm[Hg]",
                "systolic 85",
            ),
            (
                "diastolic of 112 mmHg",
                DiastolicBloodPressure,
                112.0,
                "mm[Hg]",
                "diastolic of 112 mmHg",
            ),
        ] {
            assert_eq!(read(text), [(sign, value, unit, words)], "{text}");
        }
        let pair = read("BP 170 over 110, pulse 90");
        assert_eq!(
            pair.iter()
                .map(|vital| (vital.0, vital.1))
                .collect::<Vec<_>>(),
            [
                (SystolicBloodPressure, 170.0),
                (DiastolicBloodPressure, 110.0),
                (HeartRate, 90.0)
            ]
        );
    }

    #[test]
    fn what_is_no_measurement_is_not_read() {
        for text in [
            "temperature for 3 days",
            "temperature normal, 3 tablets",
            "Come back if the temperature is above 39.",
            "Target blood pressure 130/80",
            "take 500 mg with the pulse of the day two times",
            "blood pressure tablets 5 mg",
            "pulse. 40 years old",
            "in 1988",
            "temperature 2 days ago, 3 stools",
            "pulse taken for 2 days, 12 visits",
            "",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
    }
}
