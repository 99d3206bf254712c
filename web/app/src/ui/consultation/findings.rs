//! Findings in the pictures of a consultation: which pictures, what is seen in them and what shows it.

use leptos::prelude::*;

use super::parts::{capital, fold, group, icon, is, line, list, live, node, text, titled, words};
use super::{View, going, note, tried};
use crate::actions;
use crate::state::consulting::{Asked, Described, Finding, Seen};
use crate::ui::files::file_input;
use crate::ui::{composer, icons};

/// The findings, or the pictures and the button that asks for them.
pub fn findings(view: View) -> AnyView {
    let consulting = view.app.consulting;
    let written = move || match consulting.described.get() {
        Some(described) => vec![thumbnails(view), written(&described)],
        None => vec![ask(view)],
    };
    node(
        "div",
        vec![is("class", "note"), is("data-testid", "findings")],
        vec![live(written)],
    )
}

fn thumbnails(view: View) -> AnyView {
    composer::pictures(view.app.consulting.pictures).into_any()
}

fn ask(view: View) -> AnyView {
    let (app, pictures) = (view.app, view.app.consulting.pictures);
    let any = Memo::new(move |_| pictures.with(|it| !it.is_empty()));
    let ask = going::Ask {
        asked: Asked::Findings,
        name: "List what is seen in them",
        run: "findings-run",
        stop: "findings-stop",
        can: move || any.get() && actions::can_look(app),
        act: actions::make_findings,
    };
    let chosen = move |files| actions::add_pictures(app, files);
    let choose = node(
        "span",
        vec![is("class", "wide plain file-command")],
        vec![
            icon(icons::PICTURE),
            node(
                "span",
                vec![is("aria-hidden", "true")],
                vec![text("Add pictures")],
            ),
            file_input(
                actions::ACCEPTED,
                "Add pictures to the consultation",
                Some("findings-pictures"),
                chosen,
            )
            .into_any(),
        ],
    );
    let blind = move || match actions::can_draft(app) && !actions::can_look(app) {
        true => vec![line(
            "fine",
            "This model cannot look at pictures. Add it again together with its picture file (mmproj).",
        )],
        false => vec![],
    };
    titled(
        "note-ask",
        "Findings in pictures",
        vec![
            line(
                "fine",
                "X-rays and photographs of this consultation. They stay on this page, as what was said does.",
            ),
            thumbnails(view),
            choose,
            live(blind),
            ask.button(view),
        ],
    )
}

fn written(described: &Described) -> AnyView {
    let by = match described.seen {
        Some(_) => "Findings, draft by the model \u{b7} not checked",
        None => "Findings: none could be written",
    };
    let mut parts = vec![
        node("h3", vec![is("class", "draft-mark")], vec![text(by)]),
        line(
            "fine",
            note::urgency(described.model_urgency.as_deref(), &described.urgency),
        ),
    ];
    match &described.seen {
        Some(seen) => parts.extend(all_seen(seen)),
        None => parts.push(line(
            "empty",
            "No draft could be used, and there are no rules that could look instead. Describe the pictures by hand.",
        )),
    }
    if !described.notices.is_empty() {
        let notices = described.notices.iter().map(|it| line("", it.clone()));
        parts.push(list("notice-list", notices.collect()));
    }
    parts.push(fold(
        "What was tried for the findings",
        "findings-log",
        tried::attempts(&described.repair_log),
    ));
    let attributes = vec![is("class", "draft"), is("data-testid", "findings-written")];
    node("section", attributes, parts)
}

fn all_seen(seen: &Seen) -> Vec<AnyView> {
    let picture = match seen.view.trim() {
        "" => modality(&seen.modality).to_owned(),
        view => format!("{}, {view}", modality(&seen.modality)),
    };
    let findings: Vec<_> = seen.findings.iter().map(finding).collect();
    let findings = match findings.is_empty() {
        true => line(
            "empty",
            "None were listed. That does not mean that there are none.",
        ),
        false => list("fact-list", findings),
    };
    let mut parts = vec![
        titled("kind", "The picture", vec![line("", picture)]),
        titled("kind", "Findings", vec![findings]),
        titled(
            "kind",
            "Impression",
            vec![line("note-text", seen.impression.clone())],
        ),
        titled(
            "kind",
            "What cannot be judged",
            vec![line("note-text", seen.limitations.clone())],
        ),
    ];
    parts.extend(seen.numbers.iter().map(|number| {
        let why = "was not given, and a model cannot measure";
        line("flag", format!("Check: \u{201c}{number}\u{201d} {why}."))
    }));
    parts
}

fn finding(finding: &Finding) -> AnyView {
    let place = [side(&finding.side), &finding.zone];
    let place: Vec<_> = place
        .into_iter()
        .filter(|it| !it.trim().is_empty())
        .collect();
    let head = vec![
        words("fact-name", capital(&finding.what)),
        words("fact-state", capital(&finding.certainty)),
    ];
    let mut parts = vec![group("fact-head", head)];
    if !place.is_empty() {
        parts.push(line("", place.join(", ")));
    }
    parts.push(line("fine", format!("Seen: {}", finding.evidence)));
    group("fact", parts)
}

/// The side in words: it is the patient's.
fn side(side: &str) -> &str {
    match side {
        "left" => "The patient\u{2019}s left",
        "right" => "The patient\u{2019}s right",
        "both" => "Both sides",
        "midline" => "In the middle",
        _ => "",
    }
}

fn modality(modality: &str) -> &str {
    match modality {
        "x-ray" => "X-ray",
        "ct" => "CT",
        "mr" => "MR",
        "ultrasound" => "Ultrasound",
        "photograph" => "Photograph",
        "fundus" => "Back of the eye",
        "microscopy" => "Microscopy",
        _ => "Another kind of picture",
    }
}
