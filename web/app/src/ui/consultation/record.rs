//! The draft record: what the model, or simple rules, took from what was said. Each fact with its words and its code.

use leptos::prelude::*;

use super::parts::{
    Shown, capital, fold, group, is, line, list, marked, node, quote, text, titled, words,
};
use crate::state::consulting::{Coded, Coding, Fact, Outcome, Processed, Validity};
use crate::ui::icons;

/// Facts of one kind, with what validation says of each.
struct Kind<'a> {
    title: &'static str,
    /// What is said where there are none; empty where nothing needs to be said.
    none: &'static str,
    facts: Vec<(&'a Fact, Option<&'a Validity>)>,
}

/// The section.
pub fn record(shown: &Shown) -> AnyView {
    let result = &shown.outcome.result;
    let kinds: Vec<_> = match result.way.as_str() {
        "blocked" => vec![line("empty", BLOCKED)],
        _ => kinds(result)
            .into_iter()
            .filter_map(|it| kind(shown, it))
            .collect(),
    };
    let attributes = vec![
        is("class", "record draft"),
        is("data-testid", "record"),
        is("data-way", result.way.clone()),
    ];
    let mut parts = vec![
        node(
            "h3",
            vec![is("class", "draft-mark")],
            vec![text(mark(&result.way))],
        ),
        line("fine", way(result)),
    ];
    parts.extend(overlooked(shown));
    parts.push(group("kinds", kinds));
    node("section", attributes, parts)
}

/// What simple rules find in what was said and the draft does not have: it stands before what the draft has.
fn overlooked(shown: &Shown) -> Option<AnyView> {
    let places = &shown.outcome.result.overlooked;
    let quotes = places.iter().map(|span| quote(shown, *span));
    let parts = vec![
        marked("", icons::ALARM, "Said, but not in this draft:"),
        group("quotes", quotes.collect()),
    ];
    let attributes = vec![is("class", "overlooked"), is("data-testid", "overlooked")];
    (!places.is_empty()).then(|| node("div", attributes, parts))
}

const BLOCKED: &str = "There is no record. Neither the model nor simple rules found a fact that what was said supports. \
                       Say more, or write the record by hand.";

/// Who wrote it, and that nobody has checked it.
fn mark(way: &str) -> &'static str {
    match way {
        "fallback" => "Draft by simple rules \u{b7} not checked",
        "blocked" => "No draft",
        _ => "Draft by the model \u{b7} not checked",
    }
}

fn way(result: &Processed) -> &'static str {
    match result.way.as_str() {
        "first-pass" => "Check each line against what was said before you use it.",
        "repaired" => {
            "It was mended after checks found faults. Check each line against what was said before you use it."
        }
        "fallback" => {
            "The model\u{2019}s drafts could not be used. Simple rules miss much: check what is here, and what is not."
        }
        _ => "Nothing is taken over.",
    }
}

fn kinds(result: &Processed) -> Vec<Kind<'_>> {
    let (data, validation) = (&result.data, &result.validation);
    let conditions = paired(&data.conditions, &validation.conditions);
    let (relatives, own): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .partition(|(fact, _)| fact.subject.as_deref() == Some("family"));
    let (refuted, own): (Vec<_>, Vec<_>) = own.into_iter().partition(|(fact, _)| is_refuted(fact));
    let kind = |title, none, facts| Kind { title, none, facts };
    vec![
        kind(
            "Medications",
            "None found.",
            paired(&data.medications, &validation.medications),
        ),
        kind("Conditions of the patient", "None found.", own),
        kind("Said not to be there", "", refuted),
        kind("Conditions of relatives", "", relatives),
        kind(
            "Allergies",
            "None found. That does not mean that there are none.",
            paired(&data.allergies, &validation.allergies),
        ),
        kind(
            "Vital signs",
            "None found.",
            paired(&data.vital_signs, &validation.vital_signs),
        ),
    ]
}

fn paired<'a>(
    facts: &'a [Fact],
    validity: &'a [Validity],
) -> Vec<(&'a Fact, Option<&'a Validity>)> {
    let validity = validity.iter().map(Some).chain(std::iter::repeat(None));
    facts.iter().zip(validity).collect()
}

fn is_refuted(fact: &Fact) -> bool {
    fact.verification.as_deref() == Some("refuted")
}

fn kind(shown: &Shown, kind: Kind<'_>) -> Option<AnyView> {
    if kind.facts.is_empty() {
        let none = (!kind.none.is_empty()).then(|| vec![line("empty", kind.none)]);
        return none.map(|none| titled("kind", kind.title, none));
    }
    let facts = kind.facts.into_iter();
    let facts = facts.map(|(it, validity)| fact(shown, it, validity));
    Some(titled(
        "kind",
        kind.title,
        vec![list("fact-list", facts.collect())],
    ))
}

fn fact(shown: &Shown, fact: &Fact, validity: Option<&Validity>) -> AnyView {
    let name = match &fact.strength {
        Some(strength) => format!("{} {strength}", fact.name),
        None => named(&fact.name),
    };
    let mut head = vec![words("fact-name", name)];
    if let Some(value) = fact.value {
        let unit = unit(fact.unit.as_deref().unwrap_or_default());
        head.push(words("fact-value", format!("{value}{unit}")));
    }
    let states = [&fact.status, &fact.clinical_status, &fact.verification];
    let states = states.into_iter().flatten().filter_map(|it| state(it));
    head.extend(states.map(|it| words("fact-state", it)));
    let mut parts = vec![group("fact-head", head)];
    let onset = fact.onset.as_ref().map(|onset| format!("Since: {onset}"));
    let reaction = fact.reaction.as_ref().map(|it| format!("Reaction: {it}"));
    let details = [fact.dosage.clone(), onset, reaction].into_iter().flatten();
    parts.extend(details.map(|it| line("fact-detail", it)));
    if let Some(coded) = &fact.coded {
        parts.push(code(coded, fact.status.is_some()));
    }
    let mut end = vec![quote(shown, fact.evidence)];
    end.extend(validity.map(valid));
    parts.push(group("fact-end", end));
    let attributes = vec![is("class", "fact"), is("data-testid", "fact")];
    node("div", attributes, parts)
}

/// The code, who chose it, and what else it could have been.
fn code(coded: &Coded, is_medication: bool) -> AnyView {
    let table = if is_medication { "RxNorm" } else { "ICD-10-CM" };
    let others = coded.candidates.iter();
    let others = others.filter(|it| coded.coding.as_ref() != Some(&it.coding));
    let others: Vec<_> = others
        .map(|it| {
            let heads = match it.complete {
                true => "",
                false => " (heads several codes)",
            };
            coding(&it.coding, heads)
        })
        .collect();
    let mut parts = match &coded.coding {
        Some(chosen) => {
            let by = match coded.chosen_by.as_str() {
                "model" => format!(
                    "{table} \u{b7} chosen by the model among {}: check it",
                    coded.candidates.len()
                ),
                _ => format!("{table} \u{b7} chosen by rule: the table has these words"),
            };
            vec![coding(chosen, ""), line("fine", by)]
        }
        None => {
            let why = match coded.candidates.is_empty() {
                true => "nothing in a table on this device fits",
                false => "none was clearly meant",
            };
            vec![line("code none", format!("No code: {why}"))]
        }
    };
    if !others.is_empty() {
        let name = match coded.coding {
            Some(_) => format!("{} other candidates", others.len()),
            None => format!("{} candidates", others.len()),
        };
        parts.push(fold(name, "candidates", vec![list("candidates", others)]));
    }
    group("coded", parts)
}

fn coding(coding: &Coding, more: &str) -> AnyView {
    group(
        "code",
        vec![
            words("code-value", coding.code.clone()),
            words("code-name", format!("{}{more}", coding.display)),
        ],
    )
}

/// Whether it is in the Bundle, and if not, why.
fn valid(validity: &Validity) -> AnyView {
    match (&validity.error, validity.valid) {
        (_, true) => marked("validity", icons::DONE, "Valid FHIR"),
        (Some(error), _) => {
            let error = match error.strip_prefix("is not in the Bundle: ") {
                Some(why) => format!("Not in the Bundle: {why}"),
                None => format!("Not valid: {error}"),
            };
            marked("validity invalid", icons::CLOSE, error)
        }
        (None, false) => marked("validity invalid", icons::CLOSE, "Not valid"),
    }
}

/// What FHIR's words for a state mean; nothing for what goes without saying.
fn state(word: &str) -> Option<&'static str> {
    Some(match word {
        "active" => "Now",
        "completed" => "Taken to its end",
        "intended" => "Prescribed",
        "stopped" => "Stopped",
        "on-hold" => "Paused",
        "not-taken" => "Not taken",
        "unknown" => "Not said whether taken",
        "recurrence" => "Came back",
        "relapse" => "Relapse",
        "inactive" => "No signs now",
        "remission" => "In remission",
        "resolved" => "Over",
        "unconfirmed" => "Not confirmed",
        "refuted" => "No",
        _ => return None,
    })
}

/// A vital sign's name in words; anything else as it is.
fn named(name: &str) -> String {
    capital(&match name {
        "heart-rate" => "Heart rate".to_owned(),
        "respiratory-rate" => "Breathing rate".to_owned(),
        "body-temperature" => "Temperature".to_owned(),
        "systolic-blood-pressure" => "Blood pressure, upper".to_owned(),
        "diastolic-blood-pressure" => "Blood pressure, lower".to_owned(),
        "oxygen-saturation" => "Oxygen saturation".to_owned(),
        "body-weight" => "Weight".to_owned(),
        "body-height" => "Height".to_owned(),
        other => other.to_owned(),
    })
}

/// A UCUM unit as it is written by hand.
fn unit(ucum: &str) -> String {
    match ucum {
        "/min" => "/min".to_owned(),
        "Cel" => " \u{b0}C".to_owned(),
        "[degF]" => " \u{b0}F".to_owned(),
        "mm[Hg]" => " mmHg".to_owned(),
        "[lb_av]" => " lb".to_owned(),
        "[in_i]" => " in".to_owned(),
        other => format!(" {other}"),
    }
}

/// How many facts there are, for who cannot see them come.
pub fn summary(outcome: &Outcome) -> String {
    use outpost_protocol::format::count;
    let result = &outcome.result;
    if result.way == "blocked" {
        return "No draft: nothing could be taken from what was said.".to_owned();
    }
    let data = &result.data;
    let of = |facts: &[Fact], one| count(u32::try_from(facts.len()).unwrap_or(u32::MAX), one);
    format!(
        "The draft is here. Urgency at least {}. {}, {}, {} and {}.",
        result.danger_signs.floor,
        of(&data.medications, "medication"),
        of(&data.conditions, "condition"),
        match data.allergies.len() {
            1 => "1 allergy".to_owned(),
            count => format!("{count} allergies"),
        },
        of(&data.vital_signs, "vital sign"),
    )
}
