//! The invariants of FHIR R4 by their keys. Each says what its expression in FHIRPath says about the element it stands at.
//!
//! `definitions/r4.txt` says which type has which; `walk.rs` checks the few that need more than the element itself.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::Value;

use super::walk::Object;
use super::{date, ucum};

const CONDITION_VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CONDITION_CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const ALLERGY_VERIFICATION: &str =
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";

/// Whether `holds` or `walk.rs` has this rule.
pub fn is_known(key: &str) -> bool {
    super::vitals::KEYS.contains(&key) || rule(key).is_some()
}

/// Whether the invariant `key` holds for `object`. One that is not known does not.
pub fn holds(key: &str, object: &Object) -> bool {
    super::vitals::KEYS.contains(&key) || rule(key).is_some_and(|rule| rule(&At(object)))
}

/// An element, asked as FHIRPath asks.
struct At<'a>(&'a Object);

impl<'a> At<'a> {
    /// Whether the element is there; a primitive also by its extensions, a choice by any of its types.
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name) || self.0.keys().any(|key| key.strip_prefix('_') == Some(name))
    }

    /// Whether any type of a choice is there.
    fn chose(&self, stem: &str) -> bool {
        self.0.keys().any(|key| {
            let rest = key.trim_start_matches('_').strip_prefix(stem);
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        })
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = At<'a>> + use<'a> {
        self.0
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .map(At)
    }

    fn inner(&self, name: &str) -> Option<At<'a>> {
        self.0.get(name)?.as_object().map(At)
    }

    /// Whether the concept `name` has one of `codes` of `system`.
    fn has_code(&self, name: &str, system: &str, codes: &[&str]) -> bool {
        self.inner(name)
            .is_some_and(|concept| concept.is_code(Some(system), codes))
    }

    fn is_code(&self, system: Option<&str>, codes: &[&str]) -> bool {
        self.all("coding").any(|coding| {
            system.is_none_or(|system| coding.text("system") == Some(system))
                && coding
                    .text("code")
                    .is_some_and(|code| codes.contains(&code))
        })
    }

    /// `(system.empty() or system = %ucum)`.
    fn is_ucum_or_none(&self) -> bool {
        self.text("system")
            .is_none_or(|system| system == ucum::SYSTEM)
    }

    /// `(code.exists() or value.empty())`.
    fn has_code_with_value(&self) -> bool {
        self.has("code") || !self.has("value")
    }
}

type Rule = fn(&At<'_>) -> bool;

fn rule(key: &str) -> Option<Rule> {
    resource_rule(key)
        .or_else(|| bundle_rule(key))
        .or_else(|| type_rule(key))
        .or_else(|| timing_rule(key))
}

fn resource_rule(key: &str) -> Option<Rule> {
    let rule: Rule = match key {
        "dom-2" => |at| at.all("contained").all(|inner| !inner.has("contained")),
        "dom-4" => |at| {
            let versioned = |meta: At<'_>| meta.has("versionId") || meta.has("lastUpdated");
            at.all("contained")
                .all(|inner| !inner.inner("meta").is_some_and(versioned))
        },
        "dom-5" => |at| {
            at.all("contained")
                .all(|inner| !inner.inner("meta").is_some_and(|meta| meta.has("security")))
        },
        "dom-6" => |at| at.inner("text").is_some_and(|text| text.has("div")),
        "ait-1" => |at| {
            at.has_code("verificationStatus", ALLERGY_VERIFICATION, ERROR)
                || at.has("clinicalStatus")
        },
        "ait-2" => |at| {
            !at.has_code("verificationStatus", ALLERGY_VERIFICATION, ERROR)
                || !at.has("clinicalStatus")
        },
        "con-1" => |at| at.has("summary") || at.has("assessment"),
        "con-2" => |at| at.has("code") || at.has("detail"),
        "con-3" => |at| {
            at.has("clinicalStatus")
                || at.has_code("verificationStatus", CONDITION_VERIFICATION, ERROR)
                || !at
                    .all("category")
                    .any(|category| category.is_code(None, &["problem-list-item"]))
        },
        "con-4" => |at| {
            let over = ["resolved", "remission", "inactive"];
            !at.chose("abatement") || at.has_code("clinicalStatus", CONDITION_CLINICAL, &over)
        },
        "con-5" => |at| {
            !at.has_code("verificationStatus", CONDITION_VERIFICATION, ERROR)
                || !at.has("clinicalStatus")
        },
        "cmp-1" => |at| at.has("text") || at.has("entry") || at.has("section"),
        "cmp-2" => |at| !at.has("emptyReason") || !at.has("entry"),
        "fhs-1" => |at| !at.chose("age") || !at.chose("born"),
        "fhs-2" => |at| at.chose("age") || !at.has("estimatedAge"),
        "obs-3" => |at| at.has("low") || at.has("high") || at.has("text"),
        "obs-6" => |at| !at.has("dataAbsentReason") || !at.chose("value"),
        "obs-7" => |at| !at.chose("value") || !shares_code_with_component(at),
        "org-1" => |at| at.has("identifier") || at.has("name"),
        "org-2" | "org-3" => |at| at.text("use") != Some("home"),
        "pat-1" => |at| {
            ["name", "telecom", "address", "organization"]
                .iter()
                .any(|name| at.has(name))
        },
        _ => return None,
    };
    Some(rule)
}

const ERROR: &[&str] = &["entered-in-error"];

fn bundle_rule(key: &str) -> Option<Rule> {
    let rule: Rule = match key {
        "bdl-1" => |at| !at.has("total") || is_of(at, &["searchset", "history"]),
        "bdl-2" => {
            |at| is_of(at, &["searchset"]) || !at.all("entry").any(|entry| entry.has("search"))
        }
        "bdl-3" => |at| {
            let asks = is_of(at, &["batch", "transaction", "history"]);
            at.all("entry").all(|entry| entry.has("request") == asks)
        },
        "bdl-4" => |at| {
            let answers = is_of(at, &["batch-response", "transaction-response", "history"]);
            at.all("entry")
                .all(|entry| entry.has("response") == answers)
        },
        "bdl-5" => |at| at.has("resource") || at.has("request") || at.has("response"),
        "bdl-7" => |at| is_of(at, &["history"]) || are_distinct(at),
        "bdl-8" => |at| {
            !at.text("fullUrl")
                .is_some_and(|url| url.contains("/_history/"))
        },
        "bdl-9" => |at| {
            let named = |identifier: At<'_>| identifier.has("system") && identifier.has("value");
            !is_of(at, &["document"]) || at.inner("identifier").is_some_and(named)
        },
        "bdl-10" => |at| !is_of(at, &["document"]) || at.text("timestamp").is_some(),
        "bdl-11" => |at| !is_of(at, &["document"]) || begins_with(at, "Composition"),
        "bdl-12" => |at| !is_of(at, &["message"]) || begins_with(at, "MessageHeader"),
        _ => return None,
    };
    Some(rule)
}

fn is_of(bundle: &At<'_>, types: &[&str]) -> bool {
    bundle
        .text("type")
        .is_some_and(|found| types.contains(&found))
}

fn begins_with(bundle: &At<'_>, name: &str) -> bool {
    let first = bundle
        .all("entry")
        .next()
        .and_then(|entry| entry.inner("resource"));
    first.is_some_and(|resource| resource.text("resourceType") == Some(name))
}

fn are_distinct(bundle: &At<'_>) -> bool {
    let mut seen = HashSet::new();
    bundle
        .all("entry")
        .filter_map(|entry| Some((entry.text("fullUrl")?, entry)))
        .all(|(url, entry)| {
            let meta = entry
                .inner("resource")
                .and_then(|resource| resource.inner("meta"));
            seen.insert((url, meta.and_then(|meta| meta.text("versionId"))))
        })
}

fn shares_code_with_component(observation: &At<'_>) -> bool {
    let key = |coding: At<'_>| Value::Object(coding.0.clone()).to_string();
    let own: HashSet<String> = observation
        .inner("code")
        .into_iter()
        .flat_map(|code| code.all("coding"))
        .map(key)
        .collect();
    observation
        .all("component")
        .filter_map(|component| component.inner("code"))
        .flat_map(|code| code.all("coding"))
        .any(|coding| own.contains(&key(coding)))
}

fn type_rule(key: &str) -> Option<Rule> {
    let rule: Rule = match key {
        "ext-1" => |at| at.has("extension") != at.chose("value"),
        "att-1" => |at| !at.has("data") || at.has("contentType"),
        "cpt-2" => |at| !at.has("value") || at.has("system"),
        "exp-1" => |at| at.has("expression") || at.has("reference"),
        "per-1" => |at| {
            let moment = |name| at.text(name).and_then(|text| date::date_time(text).ok());
            let order = moment("start")
                .zip(moment("end"))
                .and_then(|(start, end)| start.compare(&end));
            order != Some(Ordering::Greater)
        },
        "qty-3" => |at| !at.has("code") || at.has("system"),
        "sqty-1" => |at| !at.has("comparator"),
        "age-1" => |at| {
            at.has_code_with_value()
                && at.is_ucum_or_none()
                && at.number("value").is_none_or(|age| age > 0.0)
        },
        "cnt-3" => |at| {
            at.has_code_with_value()
                && at.is_ucum_or_none()
                && at.text("code").is_none_or(|code| code == "1")
                && at.number("value").is_none_or(|count| count.fract() == 0.0)
        },
        "dis-1" => |at| at.has_code_with_value() && at.is_ucum_or_none(),
        "drt-1" => {
            |at| !at.has("code") || (at.text("system") == Some(ucum::SYSTEM) && at.has("value"))
        }
        "rng-2" => |at| {
            let (Some(low), Some(high)) = (at.inner("low"), at.inner("high")) else {
                return true;
            };
            let unit = |of: &At<'_>| {
                (
                    of.text("system").map(str::to_owned),
                    of.text("code").or(of.text("unit")).map(str::to_owned),
                )
            };
            let numbers = low.number("value").zip(high.number("value"));
            unit(&low) != unit(&high) || numbers.is_none_or(|(low, high)| low <= high)
        },
        "rat-1" => |at| {
            let numerator = at.has("numerator");
            numerator == at.has("denominator") && (numerator || at.has("extension"))
        },
        "drq-1" | "drq-2" => |at| at.has("path") != at.has("searchParam"),
        "trd-1" => |at| !at.has("data") || !at.chose("timing"),
        "trd-2" => |at| !at.has("condition") || at.has("data"),
        "trd-3" => |at| match at.text("type") {
            Some("named-event") => at.has("name"),
            Some("periodic") => at.chose("timing"),
            Some(kind) if kind.starts_with("data-") => at.has("data"),
            _ => true,
        },
        _ => return None,
    };
    Some(rule)
}

fn timing_rule(key: &str) -> Option<Rule> {
    let rule: Rule = match key {
        "tim-1" => |at| !at.has("duration") || at.has("durationUnit"),
        "tim-2" => |at| !at.has("period") || at.has("periodUnit"),
        "tim-4" => |at| at.number("duration").is_none_or(|duration| duration >= 0.0),
        "tim-5" => |at| at.number("period").is_none_or(|period| period >= 0.0),
        "tim-6" => |at| !at.has("periodMax") || at.has("period"),
        "tim-7" => |at| !at.has("durationMax") || at.has("duration"),
        "tim-8" => |at| !at.has("countMax") || at.has("count"),
        "tim-9" => |at| {
            let when: Vec<&str> =
                at.0.get("when")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
            let meal = |when: &&str| ["C", "CM", "CD", "CV"].contains(when);
            !at.has("offset") || (!when.is_empty() && !when.iter().any(meal))
        },
        "tim-10" => |at| !at.has("timeOfDay") || !at.has("when"),
        _ => return None,
    };
    Some(rule)
}
