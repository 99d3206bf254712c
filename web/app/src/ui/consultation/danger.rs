//! Danger signs by rule: first, and apart from what a model wrote. Urgency is said in words and by an icon, never by a
//! colour alone.

use leptos::prelude::*;
use outpost_protocol::format;

use super::parts::{Shown, capital, fold, group, icon, is, line, list, node, quote, text, words};
use crate::state::consulting::{Danger, Sign, Span};
use crate::ui::icons;

/// The id of what an outcome begins with.
pub const TITLE: &str = "danger-title";

/// What an urgency asks for.
fn meaning(urgency: &str) -> &'static str {
    match urgency {
        "emergency" => "Treat, or send to a hospital, at once.",
        "urgent" => "To be seen soon, before others.",
        _ => "No danger sign was found by the rules. That does not mean that there is none.",
    }
}

/// The section.
pub fn danger(shown: &Shown) -> AnyView {
    let danger = &shown.outcome.result.danger_signs;
    let floor = match danger.floor.as_str() {
        "" => "routine".to_owned(),
        floor => floor.to_owned(),
    };
    let lines = match floor.as_str() {
        "routine" => icons::CLOCK,
        _ => icons::ALARM,
    };
    let title = vec![
        is("id", TITLE),
        is("tabindex", "-1"),
        is("data-testid", "urgency"),
    ];
    let head = vec![
        icon(lines),
        group(
            "danger-words",
            vec![
                words("fine", "Urgency by published rules, at least"),
                node("h3", title, vec![text(capital(&floor))]),
            ],
        ),
    ];
    let mut parts = vec![
        group("danger-head", head),
        line("danger-meaning", meaning(&floor)),
    ];
    let signs: Vec<_> = danger.found.iter().map(|it| sign(shown, it)).collect();
    if !signs.is_empty() {
        parts.push(list("sign-list", signs));
    }
    parts.extend(not_applied(danger));
    let attributes = vec![
        is("class", "danger-signs"),
        is("data-testid", "danger-signs"),
        is("data-urgency", floor),
        is("aria-labelledby", TITLE),
    ];
    node("section", attributes, parts)
}

fn sign(shown: &Shown, sign: &Sign) -> AnyView {
    let vitals = &shown.outcome.result.data.vital_signs;
    let place = |vital: usize| vitals.get(vital).map(|fact| fact.evidence);
    let mut places: Vec<Span> = Vec::new();
    for it in &sign.evidence {
        let found = it.words.or_else(|| it.vital.and_then(place));
        places.extend(found.filter(|found| !places.contains(found)));
    }
    let quotes: Vec<_> = places.into_iter().map(|span| quote(shown, span)).collect();
    let source = &sign.source;
    let parts = vec![
        group(
            "sign-head",
            vec![
                words("sign-name", capital(&sign.shown)),
                words("urgency-word", capital(&sign.urgency)),
            ],
        ),
        group("quotes", quotes),
        fold(
            format!("Source: {}", source.publisher),
            "source",
            vec![
                line("fine", format!("{}, {}.", source.title, source.year)),
                line("fine", source.place.clone()),
                line("fine address", source.url.clone()),
            ],
        ),
    ];
    group("sign", parts)
}

/// Which rules nobody could apply, and what would help.
fn not_applied(danger: &Danger) -> Option<AnyView> {
    let count = |why: &str| {
        let same = danger.not_applied.iter();
        same.filter(|it| *it == why).count()
    };
    let (age, pregnancy) = (count("age-unknown"), count("pregnancy-unknown"));
    let unreadable = danger.not_applied.len() - age - pregnancy;
    let rules = |count: usize| format::count(u32::try_from(count).unwrap_or(u32::MAX), "rule");
    let mut said = Vec::new();
    if age > 0 {
        said.push(format!(
            "Not applied: {} for children; say the age.",
            rules(age)
        ));
    }
    if pregnancy > 0 {
        said.push(format!(
            "Not applied: {} for pregnancy; say the sex, and whether there is one.",
            rules(pregnancy)
        ));
    }
    if unreadable > 0 {
        said.push(format!(
            "Not applied: {}; a measurement could not be compared.",
            rules(unreadable)
        ));
    }
    (!said.is_empty()).then(|| line("fine", said.join(" ")))
}
