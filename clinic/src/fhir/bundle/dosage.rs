//! How a medication is taken, as R4's Dosage: the words always, and as numbers what reads without doubt.
//!
//! Without doubt means: the whole text is one of a few forms. `two tablets at night` stays words; `2 tablets`, `every 8
//! hours`, `twice a day`, `for 5 days` become numbers as well.

use serde_json::{Value, json};

use super::{clean, set};
use crate::record::Medication;

const UCUM: &str = "http://unitsofmeasure.org";

/// The dosage of a medication; `None` where nothing was said.
pub fn dosage(medication: &Medication) -> Option<Value> {
    let texts = [
        &medication.dose,
        &medication.route,
        &medication.frequency,
        &medication.duration,
    ];
    let words: Vec<String> = texts
        .into_iter()
        .filter_map(|text| clean(text.as_deref()?))
        .collect();
    if words.is_empty() {
        return None;
    }
    let mut dosage = json!({"text": words.join(", ")});
    if let Some(route) = medication.route.as_deref().and_then(clean) {
        set(&mut dosage, "route", json!({"text": route}));
    }
    if let Some(dose) = medication.dose.as_deref().and_then(dose) {
        set(&mut dosage, "doseAndRate", json!([{"doseQuantity": dose}]));
    }
    let mut repeat = json!({});
    match medication.frequency.as_deref().and_then(frequency) {
        Some(Frequency::Every {
            times,
            period,
            unit,
        }) => {
            set(&mut repeat, "frequency", json!(times));
            set(&mut repeat, "period", json!(period));
            set(&mut repeat, "periodUnit", json!(unit));
        }
        Some(Frequency::AsNeeded) => set(&mut dosage, "asNeededBoolean", json!(true)),
        None => {}
    }
    if let Some((count, word, unit)) = medication.duration.as_deref().and_then(duration) {
        let bounds = json!({"value": count, "unit": word, "system": UCUM, "code": unit});
        set(&mut repeat, "boundsDuration", bounds);
    }
    if repeat.as_object().is_some_and(|repeat| !repeat.is_empty()) {
        set(&mut dosage, "timing", json!({"repeat": repeat}));
    }
    Some(dosage)
}

#[derive(Debug, PartialEq, Eq)]
enum Frequency {
    Every {
        times: u32,
        period: u32,
        unit: &'static str,
    },
    AsNeeded,
}

/// Small letters, one space between words, no dot at the end.
fn words(text: &str) -> Vec<String> {
    text.trim()
        .trim_end_matches('.')
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn frequency(text: &str) -> Option<Frequency> {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let every = |times, period, unit| {
        Some(Frequency::Every {
            times,
            period,
            unit,
        })
    };
    match words.as_slice() {
        ["as", "needed"] | ["when", "needed"] | ["as", "required"] | ["prn"] => {
            Some(Frequency::AsNeeded)
        }
        ["daily"] | ["nightly"] | ["every", "night"] => every(1, 1, "d"),
        ["hourly"] => every(1, 1, "h"),
        ["weekly"] => every(1, 1, "wk"),
        ["monthly"] => every(1, 1, "mo"),
        ["every", unit] => every(1, 1, time_unit(unit)?),
        ["every", count, unit] => every(1, whole(count)?, time_unit(unit)?),
        ["once" | "twice", "daily"] | ["once" | "twice", "a" | "per" | "every" | "each", _] => {
            let unit = words.get(2).map_or(Some("d"), |unit| time_unit(unit))?;
            every(if words.first() == Some(&"once") { 1 } else { 2 }, 1, unit)
        }
        [count, "times", "daily"] => every(whole(count)?, 1, "d"),
        [count, "times", "a" | "per" | "every" | "each", unit] => {
            every(whole(count)?, 1, time_unit(unit)?)
        }
        _ => None,
    }
}

/// A count, the word for its unit, and UCUM's code for it.
fn duration(text: &str) -> Option<(u32, String, &'static str)> {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["for", count, unit] | [count, unit] => {
            Some((whole(count)?, (*unit).to_owned(), time_unit(unit)?))
        }
        _ => None,
    }
}

/// A number and a unit: UCUM's where it is one of weight, volume or action, else words such as `tablets`.
fn dose(text: &str) -> Option<Value> {
    let text = text.trim();
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = match text.split_at_checked(at) {
        Some(("", rest)) => {
            let (word, rest) = rest.split_once(' ')?;
            (f64::from(whole(&word.to_lowercase())?), rest)
        }
        Some((digits, rest)) if !digits.starts_with('.') && !digits.ends_with('.') => {
            (digits.parse().ok()?, rest)
        }
        _ => return None,
    };
    if number <= 0.0 || number > 1e9 {
        return None;
    }
    let unit = rest.trim().to_lowercase();
    let code = match unit.as_str() {
        "mg" | "milligram" | "milligrams" => Some("mg"),
        "g" | "gram" | "grams" => Some("g"),
        "mcg" | "µg" | "μg" | "ug" | "microgram" | "micrograms" => Some("ug"),
        "ml" | "millilitre" | "millilitres" | "milliliter" | "milliliters" => Some("mL"),
        "tablet" | "tablets" | "capsule" | "capsules" | "puff" | "puffs" | "drop" | "drops"
        | "unit" | "units" => None,
        _ => return None,
    };
    let value = if number.fract() == 0.0 {
        json!(number as u64)
    } else {
        json!(number)
    };
    let mut quantity = json!({"value": value, "unit": unit});
    if let Some(code) = code {
        set(&mut quantity, "system", json!(UCUM));
        set(&mut quantity, "code", json!(code));
    }
    Some(quantity)
}

fn time_unit(word: &str) -> Option<&'static str> {
    match word {
        "minute" | "minutes" => Some("min"),
        "hour" | "hours" => Some("h"),
        "day" | "days" => Some("d"),
        "week" | "weeks" => Some("wk"),
        "month" | "months" => Some("mo"),
        "year" | "years" => Some("a"),
        _ => None,
    }
}

/// A whole number from 1 to 999, in digits or up to twelve in words.
fn whole(word: &str) -> Option<u32> {
    const WORDS: [&str; 12] = [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    let named = (1..)
        .zip(WORDS)
        .find_map(|(number, name)| (name == word).then_some(number));
    let digits = || {
        word.bytes()
            .all(|c| c.is_ascii_digit())
            .then(|| word.parse().ok())?
    };
    named
        .or_else(digits)
        .filter(|number| (1..1000).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_frequencies_become_numbers() {
        for (text, times, period, unit) in [
            ("every 8 hours", 1, 8, "h"),
            ("Twice a day", 2, 1, "d"),
            ("once daily.", 1, 1, "d"),
            ("three times  a day", 3, 1, "d"),
            ("4 times daily", 4, 1, "d"),
            ("every six hours", 1, 6, "h"),
            ("daily", 1, 1, "d"),
            ("once a week", 1, 1, "wk"),
            ("every day", 1, 1, "d"),
        ] {
            assert_eq!(
                frequency(text),
                Some(Frequency::Every {
                    times,
                    period,
                    unit
                }),
                "{text}"
            );
        }
        assert_eq!(frequency("as needed"), Some(Frequency::AsNeeded));
    }

    #[test]
    fn what_could_mean_something_else_stays_words() {
        for text in [
            "",
            "every other day",
            "twice",
            "at night",
            "every 4 to 6 hours",
            "with meals",
            "every 0 hours",
            "day",
            "once a blue moon",
            "twice a day as needed",
        ] {
            assert_eq!(frequency(text), None, "{text}");
        }
        for text in [
            "",
            "a few days",
            "5",
            "5-7 days",
            "until finished",
            "0 days",
            "-3 days",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
        for text in [
            "",
            "mg",
            "some mg",
            "1.5.2 mg",
            "1 or 2 tablets",
            "2",
            "0 mg",
            ".5 mg",
            "5. mg",
            "two spoons",
        ] {
            assert_eq!(dose(text), None, "{text}");
        }
    }

    #[test]
    fn doses_and_durations_have_units() {
        assert_eq!(
            dose("500 mg"),
            Some(json!({"value": 500, "unit": "mg", "system": UCUM, "code": "mg"}))
        );
        assert_eq!(
            dose("2.5mL"),
            Some(json!({"value": 2.5, "unit": "ml", "system": UCUM, "code": "mL"}))
        );
        assert_eq!(
            dose("two tablets"),
            Some(json!({"value": 2, "unit": "tablets"}))
        );
        assert_eq!(duration("for 5 days"), Some((5, "days".to_owned(), "d")));
        assert_eq!(duration("two weeks"), Some((2, "weeks".to_owned(), "wk")));
    }
}
