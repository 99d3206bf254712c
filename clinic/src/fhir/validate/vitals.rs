//! R4's profiles of vital signs. An Observation with one of their LOINC codes, or that says it follows one, follows it:
//! its category, code, subject, time, and the units of its values.

use serde_json::Value;

use super::walk::{Object, Walk};
use super::{rule, ucum};
use crate::fhir::table::{Measure, Vital};

const LOINC: &str = "http://loinc.org";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const PROFILE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Invariants of the vital signs profile, checked here.
pub const KEYS: [&str; 3] = ["vs-1", "vs-2", "vs-3"];

/// Checks an Observation, if it is of a vital sign.
pub fn check(walk: &mut Walk, observation: &Object) {
    let claimed: Vec<&str> = observation
        .get("meta")
        .and_then(|meta| meta.get("profile"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|profile| profile.as_str()?.strip_prefix(PROFILE))
        .map(|name| name.split('|').next().unwrap_or(name))
        .collect();
    let vitals = walk.table.vitals();
    let codes = observation.get("code");
    let vital = vitals.iter().find(|vital| {
        claimed.contains(&vital.name)
            || codes.is_some_and(|code| has_code(code, vital.measure.code))
    });
    if vital.is_none() && !claimed.contains(&"vitalsigns") {
        return;
    }
    common(walk, observation);
    if let Some(vital) = vital {
        if !codes.is_some_and(|code| has_code(code, vital.measure.code)) {
            let message = format!("{} has the LOINC code {}", vital.name, vital.measure.code);
            walk.at(".code", |walk| walk.issue(rule::VITAL_SIGN, message));
        }
        values(walk, observation, vital);
    }
}

fn common(walk: &mut Walk, observation: &Object) {
    let in_category = |category: &Value| {
        codings(category)
            .any(|(system, code)| system == Some(CATEGORY) && code == Some("vital-signs"))
    };
    let categories = observation.get("category").and_then(Value::as_array);
    if !categories.into_iter().flatten().any(in_category) {
        walk.at(".category", |walk| {
            walk.issue(
                rule::VITAL_SIGN,
                format!("a vital sign is in the category vital-signs of {CATEGORY}"),
            );
        });
    }
    if !observation.contains_key("subject") {
        walk.at(".subject", |walk| {
            walk.issue(rule::VITAL_SIGN, "a vital sign says whose it is")
        });
    }
    let time = ["effectiveDateTime", "_effectiveDateTime", "effectivePeriod"];
    if !time.iter().any(|name| observation.contains_key(*name)) {
        walk.at(".effective", |walk| {
            walk.issue(
                rule::VITAL_SIGN,
                "a vital sign says when it was: effectiveDateTime or effectivePeriod",
            );
        });
    }
    let effective = observation.get("effectiveDateTime").and_then(Value::as_str);
    if effective.is_some_and(|time| time.len() < 8) {
        walk.at(".effective.ofType(dateTime)", |walk| broken(walk, "vs-1"));
    }
    let components = observation.get("component").and_then(Value::as_array);
    if components.is_none()
        && !observation.contains_key("hasMember")
        && !has_value_or_reason(observation)
    {
        broken(walk, "vs-2");
    }
    for (nth, component) in components.into_iter().flatten().enumerate() {
        if component
            .as_object()
            .is_some_and(|component| !has_value_or_reason(component))
        {
            walk.at(&format!(".component[{nth}]"), |walk| broken(walk, "vs-3"));
        }
    }
}

fn broken(walk: &mut Walk, key: &'static str) {
    let words = walk.table.words("vitalsigns", key);
    walk.issue(key, words);
}

fn values(walk: &mut Walk, observation: &Object, vital: &'static Vital) {
    if !vital.measure.units.is_empty() {
        quantity(walk, observation, &vital.measure);
    }
    if vital.components.is_empty() {
        return;
    }
    if observation.contains_key("valueQuantity") {
        walk.at(".value.ofType(Quantity)", |walk| {
            walk.issue(
                rule::VITAL_SIGN,
                "a panel has no value of its own; its components have",
            );
        });
    }
    let components = observation.get("component").and_then(Value::as_array);
    for measure in &vital.components {
        let mut count = 0;
        for (nth, component) in components.into_iter().flatten().enumerate() {
            let Some(component) = component.as_object() else {
                continue;
            };
            if component
                .get("code")
                .is_some_and(|code| has_code(code, measure.code))
            {
                count += 1;
                walk.at(&format!(".component[{nth}]"), |walk| {
                    quantity(walk, component, measure)
                });
            }
        }
        if count != 1 {
            walk.at(".component", |walk| {
                let message = format!(
                    "the component {} ({}) is there once, not {count} times",
                    measure.code, measure.display
                );
                walk.issue(rule::VITAL_SIGN, message);
            });
        }
    }
}

/// A value in one of the units of `measure`, if there is a value.
fn quantity(walk: &mut Walk, object: &Object, measure: &Measure) {
    let other = object
        .keys()
        .find(|name| *name != "valueQuantity" && is_value(name));
    if let Some(other) = other {
        let message = format!("{} is a Quantity, not {other}", measure.code);
        walk.at(".value", |walk| walk.issue(rule::VITAL_SIGN, message));
    }
    let Some(value) = object.get("valueQuantity") else {
        return;
    };
    walk.at(".value.ofType(Quantity)", |walk| {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        for name in ["value", "unit"] {
            if value.get(name).is_none() {
                walk.at(&format!(".{name}"), |walk| {
                    walk.issue(rule::VITAL_SIGN, format!("a vital sign has a {name}"))
                });
            }
        }
        if text("system") != Some(ucum::SYSTEM) {
            walk.at(".system", |walk| {
                walk.issue(rule::VITAL_SIGN, format!("the system is {}", ucum::SYSTEM))
            });
        }
        if !text("code").is_some_and(|code| measure.units.contains(&code)) {
            let message = format!(
                "the unit of {} is {}",
                measure.code,
                measure.units.join(" or ")
            );
            walk.at(".code", |walk| walk.issue(rule::VITAL_SIGN, message));
        }
    });
}

fn has_value_or_reason(object: &Object) -> bool {
    object
        .keys()
        .any(|name| name.trim_start_matches('_').starts_with("value") || name == "dataAbsentReason")
}

/// Whether it is `value` with a type.
fn is_value(name: &str) -> bool {
    name.strip_prefix("value")
        .is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn has_code(concept: &Value, code: &str) -> bool {
    codings(concept).any(|(system, found)| system == Some(LOINC) && found == Some(code))
}

fn codings(concept: &Value) -> impl Iterator<Item = (Option<&str>, Option<&str>)> {
    let codings = concept.get("coding").and_then(Value::as_array);
    codings.into_iter().flatten().map(|coding| {
        (
            coding.get("system").and_then(Value::as_str),
            coding.get("code").and_then(Value::as_str),
        )
    })
}
