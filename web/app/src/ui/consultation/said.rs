//! What was said, with the words that facts rest on underlined, and those that are pointed at marked.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::parts::{Shown, follows, group, icon, is, live, node, press, text, words};
use crate::state::consulting::{Processed, Span};
use crate::ui::icons;

/// The id of the transcript's words.
const WORDS: &str = "said-words";

/// A piece of the transcript.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'a> {
    text: &'a str,
    is_evidence: bool,
    is_pointed: bool,
}

/// The transcript. On a narrow screen it comes when something is pointed at.
pub fn said(shown: &Shown) -> AnyView {
    let pointed = shown.pointed;
    let outcome = shown.outcome.clone();
    let evidence = evidence(&outcome.result);
    let pieces = move || {
        pieces(&outcome.transcript, &evidence, pointed.get())
            .into_iter()
            .map(view)
            .collect()
    };
    Effect::new(move |_| {
        if pointed.get().is_some() {
            request_animation_frame(bring_into_view);
        }
    });
    let head = vec![
        node(
            "h3",
            vec![is("id", "said-title")],
            vec![text("What was said")],
        ),
        press(
            "quiet said-close",
            vec![is("aria-label", "Hide what was said")],
            move || pointed.set(None),
            vec![icon(icons::CLOSE)],
        ),
    ];
    let area = vec![
        is("id", WORDS),
        is("class", "said-words"),
        is("tabindex", "0"),
        is("role", "region"),
        is("aria-labelledby", "said-title"),
    ];
    node(
        "aside",
        vec![
            is("class", "said"),
            is("aria-labelledby", "said-title"),
            follows("data-pointed", move || pointed.get().map(|_| "")),
        ],
        vec![
            group("said-head", head),
            node("div", area, vec![live(pieces)]),
        ],
    )
}

fn view(piece: Piece<'_>) -> AnyView {
    match (piece.is_pointed, piece.is_evidence) {
        (true, _) => node(
            "mark",
            vec![is("data-testid", "pointed")],
            vec![text(piece.text)],
        ),
        (false, true) => words("evidence", piece.text),
        (false, false) => text(piece.text),
    }
}

/// Scrolls the transcript to the marked words, and the page to what was pressed.
fn bring_into_view() {
    let Some(area) = document().get_element_by_id(WORDS) else {
        return;
    };
    let marked = area.query_selector("mark").ok().flatten();
    if let Some(marked) = marked.and_then(|marked| marked.dyn_into::<HtmlElement>().ok()) {
        let middle = (area.client_height() - marked.offset_height()) / 2;
        area.set_scroll_top(marked.offset_top() - middle.max(0));
    }
    let pressed = document().active_element();
    if let Some(pressed) = pressed.filter(|it| it.class_list().contains("quote")) {
        pressed.scroll_into_view_with_scroll_into_view_options(&nearest());
    }
}

fn nearest() -> web_sys::ScrollIntoViewOptions {
    let options = web_sys::ScrollIntoViewOptions::new();
    options.set_block(web_sys::ScrollLogicalPosition::Nearest);
    options
}

/// Every place that a fact or a danger sign rests on.
fn evidence(result: &Processed) -> Vec<Span> {
    let data = &result.data;
    let facts = data.medications.iter().chain(&data.conditions);
    let facts = facts.chain(&data.allergies).chain(&data.vital_signs);
    let signs = result.danger_signs.found.iter();
    let signs = signs.flat_map(|sign| sign.evidence.iter().filter_map(|it| it.words));
    let overlooked = result.overlooked.iter().copied();
    facts
        .map(|fact| fact.evidence)
        .chain(signs)
        .chain(overlooked)
        .collect()
}

/// The transcript cut where evidence and what is pointed at begin and end. A place that cuts a character is passed over.
fn pieces<'a>(text: &'a str, evidence: &[Span], pointed: Option<Span>) -> Vec<Piece<'a>> {
    let spans = || evidence.iter().chain(&pointed);
    let mut cuts: Vec<usize> = spans()
        .flat_map(|span| [span.start, span.end])
        .filter(|cut| text.is_char_boundary(*cut))
        .collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    let covers = |span: &Span, from: usize, to: usize| span.start <= from && to <= span.end;
    cuts.windows(2)
        .filter_map(|cut| {
            let &[from, to] = cut else { return None };
            Some(Piece {
                text: text.get(from..to)?,
                is_evidence: evidence.iter().any(|span| covers(span, from, to)),
                is_pointed: pointed.iter().any(|span| covers(span, from, to)),
            })
        })
        .collect()
}
