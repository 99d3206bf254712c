//! A SOAP note: section by section, each sentence with the words that it rests on, and what a person should look at.

use leptos::prelude::*;

use super::parts::{Shown, capital, fold, group, is, line, list, live, node, quote, text, titled};
use super::{View, going, tried};
use crate::actions;
use crate::state::consulting::{Asked, Noted, Sentence};

/// The sections, by the word of the result and by their name.
const SECTIONS: [(&str, &str); 4] = [
    ("subjective", "Subjective: what the patient says"),
    ("objective", "Objective: what was found and measured"),
    ("assessment", "Assessment: what it is thought to be"),
    ("plan", "Plan: what is to be done"),
];

/// The note, or the button that asks for one.
pub fn note(view: View, shown: &Shown) -> AnyView {
    let consulting = view.app.consulting;
    let shown = shown.clone();
    let written = move || match consulting.note.get() {
        Some(noted) => vec![written(&shown, &noted)],
        None => vec![ask(view)],
    };
    node(
        "div",
        vec![is("class", "note"), is("data-testid", "note")],
        vec![live(written)],
    )
}

fn ask(view: View) -> AnyView {
    let app = view.app;
    let ask = going::Ask {
        asked: Asked::Note,
        name: "Write a SOAP note",
        run: "note-run",
        stop: "note-stop",
        can: move || actions::can_draft(app),
        act: actions::make_note,
    };
    titled("note-ask", "SOAP note", vec![ask.button(view)])
}

fn written(shown: &Shown, noted: &Noted) -> AnyView {
    let by = match noted.way.as_str() {
        "fallback" => "SOAP note, sorted by simple rules \u{b7} not checked",
        "blocked" => "SOAP note: none",
        _ => "SOAP note, draft by the model \u{b7} not checked",
    };
    let mut parts = vec![
        node("h3", vec![is("class", "draft-mark")], vec![text(by)]),
        line(
            "fine",
            urgency(noted.model_urgency.as_deref(), &noted.urgency),
        ),
    ];
    match &noted.sentences {
        Some(all) => parts.extend(SECTIONS.map(|(word, name)| {
            let sentences = all.iter().filter(|it| it.section == word);
            let sentences: Vec<_> = sentences.map(|it| sentence(shown, it)).collect();
            match sentences.is_empty() {
                true => titled(
                    "kind",
                    name,
                    vec![line("empty", "Empty: nothing was said.")],
                ),
                false => titled("kind", name, vec![list("fact-list", sentences)]),
            }
        })),
        None => parts.push(line(
            "empty",
            "There is no note: nothing that was drafted is supported by what was said.",
        )),
    }
    if !noted.notices.is_empty() {
        let notices = noted.notices.iter().map(|it| line("", it.clone()));
        parts.push(list("notice-list", notices.collect()));
    }
    parts.push(fold(
        "What was tried for the note",
        "note-log",
        tried::attempts(&noted.repair_log),
    ));
    let attributes = vec![is("class", "draft"), is("data-testid", "note-written")];
    node("section", attributes, parts)
}

/// How urgent the model thinks it is, and what stands with the danger signs.
pub fn urgency(by_model: Option<&str>, urgency: &str) -> String {
    let urgency = capital(urgency);
    match by_model {
        Some(model) => {
            format!("Urgency by the model: {model}. With the danger signs: {urgency}.")
        }
        None => format!("Urgency by the danger signs: {urgency}."),
    }
}

fn sentence(shown: &Shown, sentence: &Sentence) -> AnyView {
    let said = node("p", vec![is("class", "note-text")], flagged(sentence));
    let mut parts = vec![said];
    parts.extend(sentence.flags.iter().map(|flag| {
        let number = flag.span.of(&sentence.text);
        let why = match flag.kind.as_str() {
            "converted" => "was said in another unit",
            "unit-differs" => "was said with another unit, or with none",
            _ => "was not said",
        };
        line("flag", format!("Check: \u{201c}{number}\u{201d} {why}."))
    }));
    parts.push(group("quotes", vec![quote(shown, sentence.evidence)]));
    group("fact", parts)
}

/// The sentence with the numbers and names marked that a person should look at.
fn flagged(sentence: &Sentence) -> Vec<AnyView> {
    let mut parts = Vec::new();
    let mut from = 0;
    for flag in &sentence.flags {
        let (Some(before), Some(number)) = (
            sentence.text.get(from..flag.span.start),
            sentence.text.get(flag.span.start..flag.span.end),
        ) else {
            continue;
        };
        parts.push(text(before));
        parts.push(node("mark", vec![], vec![text(number)]));
        from = flag.span.end;
    }
    let rest = sentence.text.get(from..).unwrap_or_default();
    parts.push(text(rest));
    parts
}
