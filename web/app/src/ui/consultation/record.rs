//! The draft record: what the model, or simple rules, took from what was said. Each fact with its words and its code.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::View;
use super::parts::{
    Shown, capital, fold, follows, group, is, line, list, live, marked, node, press, quote, text,
    titled, words,
};
use crate::actions;
use crate::state::consulting::{Coded, Coding, Fact, Outcome, Processed, Review, To, Validity};
use crate::ui::icons;

/// Facts of one kind.
struct Kind<'a> {
    title: &'static str,
    /// What is said where there are none; empty where nothing needs to be said.
    none: &'static str,
    facts: Vec<Placed<'a>>,
}

/// A fact of the draft.
struct Placed<'a> {
    /// Its place there, such as `conditions[0]`.
    place: String,
    fact: &'a Fact,
    /// What a person lets become of it.
    to: Option<To>,
    /// What validation says of it.
    validity: Option<&'a Validity>,
}

/// The section.
pub fn record(view: View, shown: &Shown) -> AnyView {
    let result = &shown.outcome.result;
    let facts = {
        let (shown, review) = (shown.clone(), view.app.consulting.review);
        live(move || {
            keep_focus();
            let review = review.get();
            let kinds = kinds(&shown.outcome.result, &review).into_iter();
            kinds.filter_map(|it| kind(view, &shown, it)).collect()
        })
    };
    let facts = match result.way.as_str() {
        "blocked" => line("empty", BLOCKED),
        _ => facts,
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
    parts.push(group("kinds", vec![facts]));
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

fn kinds<'a>(result: &'a Processed, review: &'a Review) -> Vec<Kind<'a>> {
    let data = &result.data;
    let reviewed = review.outcome.as_deref().map(|it| &it.result.validation);
    let validation = reviewed.unwrap_or(&result.validation);
    // Once facts were left out, validation speaks of those that are left.
    let placed = |list: &str, facts: &'a [Fact], checked: &'a [Validity]| {
        let mut checked_left = checked.iter();
        let placed = facts.iter().enumerate().map(|(index, fact)| {
            let place = format!("{list}[{index}]");
            let to = review.changes.get(&place).copied();
            let validity = match (reviewed, to) {
                (_, Some(To::LeaveOut)) => None,
                (Some(_), _) => checked_left.next(),
                (None, _) => checked.get(index),
            };
            Placed {
                place,
                fact,
                to,
                validity,
            }
        });
        placed.collect::<Vec<_>>()
    };
    let is_left_out = |it: &Placed<'_>| it.to == Some(To::LeaveOut);
    let mut left_out = Vec::new();
    let mut kept = |placed: Vec<Placed<'a>>| {
        let (out, kept): (Vec<_>, Vec<_>) = placed.into_iter().partition(is_left_out);
        left_out.extend(out);
        kept
    };
    let medications = kept(placed(
        "medications",
        &data.medications,
        &validation.medications,
    ));
    let conditions = kept(placed(
        "conditions",
        &data.conditions,
        &validation.conditions,
    ));
    let allergies = kept(placed("allergies", &data.allergies, &validation.allergies));
    let vital_signs = kept(placed(
        "vital_signs",
        &data.vital_signs,
        &validation.vital_signs,
    ));
    let (relatives, own): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .partition(|it| it.fact.subject.as_deref() == Some("family"));
    let (refuted, own): (Vec<_>, Vec<_>) = own
        .into_iter()
        .partition(|it| it.fact.verification.as_deref() == Some("refuted"));
    let kind = |title, none, facts| Kind { title, none, facts };
    vec![
        kind("Medications", "None.", medications),
        kind("Conditions of the patient", "None.", own),
        kind("Said not to be there", "", refuted),
        kind("Conditions of relatives", "", relatives),
        kind(
            "Allergies",
            "None. That does not mean that there are none.",
            allergies,
        ),
        kind("Vital signs", "None.", vital_signs),
        kind(LEFT_OUT, "", left_out),
    ]
}

const LEFT_OUT: &str = "Left out by you";

fn kind(view: View, shown: &Shown, kind: Kind<'_>) -> Option<AnyView> {
    if kind.facts.is_empty() {
        let none = (!kind.none.is_empty()).then(|| vec![line("empty", kind.none)]);
        return none.map(|none| titled("kind", kind.title, none));
    }
    let facts = kind.facts.into_iter();
    let facts = facts.map(|it| fact(view, shown, &it));
    Some(titled(
        "kind",
        kind.title,
        vec![list("fact-list", facts.collect())],
    ))
}

fn fact(view: View, shown: &Shown, placed: &Placed<'_>) -> AnyView {
    let fact = placed.fact;
    let name = match &fact.strength {
        Some(strength) => format!("{} {strength}", fact.name),
        None => named(&fact.name),
    };
    let mut head = vec![words("fact-name", name)];
    if let Some(value) = fact.value {
        let unit = unit(fact.unit.as_deref().unwrap_or_default());
        head.push(words("fact-value", format!("{value}{unit}")));
    }
    if placed.to == Some(To::LeaveOut) {
        head.push(change(view, placed, "Put back", "put-back", None));
        let attributes = vec![is("class", "fact"), is("data-testid", "left-out")];
        return node("div", attributes, vec![group("fact-head", head)]);
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
        parts.push(code(view, placed, coded));
    }
    let mut check: Vec<_> = placed.validity.map(valid).into_iter().collect();
    let leave_out = Some(To::LeaveOut);
    check.push(change(view, placed, "Leave out", "leave-out", leave_out));
    let end = vec![quote(shown, fact.evidence), group("fact-check", check)];
    parts.push(group("fact-end", end));
    let attributes = vec![is("class", "fact"), is("data-testid", "fact")];
    node("div", attributes, parts)
}

/// A button that lets something else become of a fact.
fn change(
    view: View,
    placed: &Placed<'_>,
    name: &'static str,
    test_id: &'static str,
    to: Option<To>,
) -> AnyView {
    let (app, place) = (view.app, placed.place.clone());
    let consulting = app.consulting;
    let busy = move || {
        let is_busy = consulting.call.get().is_some() || consulting.review.with(|it| it.is_going);
        is_busy.then_some("true")
    };
    let mut attributes = vec![
        is("data-testid", test_id),
        is("aria-label", format!("{name}: {}", placed.fact.name)),
        is("data-place", place.clone()),
        follows("aria-disabled", busy),
    ];
    if matches!(test_id, "leave-out" | "put-back") {
        attributes.push(is("id", format!("{CHANGE}{place}")));
    }
    let act = move || {
        if busy().is_none() {
            view.client
                .with_value(|client| actions::change_fact(app, client, &place, to));
        }
    };
    press("link change", attributes, act, vec![text(name)])
}

/// How the ids begin of the buttons that leave a fact out or put it back.
const CHANGE: &str = "change-";

/// Puts the focus, after the facts were painted anew, on the button of the same fact, if it was on one.
fn keep_focus() {
    let focused = document().active_element();
    let Some(place) = focused.and_then(|it| it.get_attribute("data-place")) else {
        return;
    };
    request_animation_frame(move || {
        let button = document().get_element_by_id(&format!("{CHANGE}{place}"));
        if let Some(button) = button.and_then(|it| it.dyn_into::<HtmlElement>().ok()) {
            let _ = button.focus();
        }
    });
}

/// The code, who chose it, and what else it could have been.
fn code(view: View, placed: &Placed<'_>, coded: &Coded) -> AnyView {
    let is_medication = placed.fact.status.is_some();
    let table = if is_medication { "RxNorm" } else { "ICD-10-CM" };
    let chosen = match placed.to {
        Some(To::TakeCode(candidate)) => coded.candidates.get(candidate).map(|it| &it.coding),
        Some(_) => None,
        None => coded.coding.as_ref(),
    };
    let is_changed = placed.to.is_some();
    let others = coded.candidates.iter().enumerate();
    let others = others.filter(|(_, it)| chosen != Some(&it.coding));
    let mut others: Vec<_> = others
        .map(|(index, it)| {
            let heads = match it.complete {
                true => "",
                false => " (heads several codes)",
            };
            // What was drafted is no change.
            let is_drafted = coded.coding.as_ref() == Some(&it.coding);
            let to = (!is_drafted).then_some(To::TakeCode(index));
            let take = change(view, placed, "Take this code", "take-code", to);
            group("candidate", vec![coding(&it.coding, heads), take])
        })
        .collect();
    let mut parts = match chosen {
        Some(chosen) => {
            let by = match coded.chosen_by.as_str() {
                _ if is_changed => format!("{table} \u{b7} chosen by you"),
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
                _ if is_changed => "you took it out",
                true => "nothing in a table on this device fits",
                false => "none was clearly meant",
            };
            vec![line("code none", format!("No code: {why}"))]
        }
    };
    let name = match (chosen, others.len()) {
        (Some(_), count) => format!("{count} other candidates"),
        (None, count) => format!("{count} candidates"),
    };
    if chosen.is_some() {
        let to = coded.coding.is_some().then_some(To::NoCode);
        others.push(change(view, placed, "No code", "no-code", to));
    }
    if !others.is_empty() {
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
