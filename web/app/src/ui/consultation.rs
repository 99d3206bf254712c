//! The view in which a consultation becomes data: what was said goes in, danger signs and a draft record come out.

mod danger;
mod findings;
mod form;
mod going;
mod note;
mod parts;
mod record;
mod said;
mod tried;

use leptos::html::{Dialog, dialog as dialog_element};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use self::parts::{Shown, group, is, live, live_text, node as element, press, text};
use super::forms::twice;
use super::{SharedClient, close_dialog, dialog_head, show_dialog};
use crate::actions;
use crate::state::{App, Keeping};

/// What the parts of the view share.
#[derive(Clone, Copy)]
struct View {
    app: App,
    client: SharedClient,
    dialog: NodeRef<Dialog>,
    models: NodeRef<Dialog>,
}

/// Shows the view, and finds out whether everything is here.
pub fn open(app: App, client: SharedClient, node: NodeRef<Dialog>) {
    show_dialog(node);
    client.with_value(|client| actions::check_health(app, client));
}

/// The view, closed. What is going on in it goes on when it is closed.
pub fn dialog(
    app: App,
    client: SharedClient,
    node: NodeRef<Dialog>,
    models: NodeRef<Dialog>,
) -> impl IntoView {
    let view = View {
        app,
        client,
        dialog: node,
        models,
    };
    Effect::new(move |_| {
        if matches!(app.keeping.get(), Keeping::Locked | Keeping::Refused(_)) {
            close_dialog(node);
        }
    });
    let consulting = app.consulting;
    let is_outcome = Memo::new(move |_| consulting.is_outcome_shown.get());
    let result = move || {
        let outcome = consulting.outcome.get();
        let outcome = outcome.filter(|_| is_outcome.get());
        let shown = outcome.map(|outcome| Shown {
            outcome,
            pointed: RwSignal::new(None),
        });
        let view = shown.map(|shown| outcome_view(view, &shown));
        view.into_iter().collect()
    };
    let announced = element(
        "p",
        vec![
            is("class", "sr-only"),
            is("role", "status"),
            is("data-testid", "consultation-said"),
        ],
        vec![live_text(move || announcement(view))],
    );
    dialog_element()
        .class("dialog consultation")
        .node_ref(node)
        .attr("aria-labelledby", "consultation-title")
        .attr("data-testid", "consultation")
        .child((
            dialog_head("consultation-title", "Consultation", node),
            announced,
            form::form(view, is_outcome),
            live(result),
        ))
}

fn outcome_view(view: View, shown: &Shown) -> AnyView {
    let consulting = view.app.consulting;
    let edit = move || {
        consulting.problem.set(None);
        consulting.is_outcome_shown.set(false);
    };
    let commands = vec![
        press(
            "link",
            vec![is("data-testid", "consultation-edit")],
            edit,
            vec![text("Change what was said")],
        ),
        next(view),
    ];
    let commands = group("device-line", commands);
    let result = group(
        "outcome",
        vec![
            danger::danger(shown),
            record::record(view, shown),
            note::note(view, shown),
            findings::findings(view),
            group(
                "going",
                vec![form::problem(view), going::progress_line(view)],
            ),
            tried::after(view, shown),
            commands,
        ],
    );
    request_animation_frame(focus_outcome);
    group("outcome-view", vec![result, said::said(shown)])
}

/// Takes this consultation off the page, once that was pressed twice: its words are nowhere else.
fn next(view: View) -> AnyView {
    let clear = move || {
        view.client
            .with_value(|client| actions::clear_consultation(view.app, client));
    };
    twice(
        "Next consultation",
        "Clear this one now",
        Some("consultation-next"),
        clear,
    )
    .into_any()
}

/// What came of it, for who cannot see it come.
fn announcement(view: View) -> String {
    let consulting = view.app.consulting;
    let outcome = consulting.outcome.get();
    let outcome = outcome.filter(|_| consulting.is_outcome_shown.get());
    let review = consulting.review.get();
    match (outcome, &review.outcome) {
        (None, _) => String::new(),
        (Some(_), Some(reviewed)) => match reviewed.bundle {
            Some(_) => "Changed. The Bundle is valid.".to_owned(),
            None => "Changed. The Bundle is not valid.".to_owned(),
        },
        (Some(outcome), None) => record::summary(&outcome),
    }
}

/// Puts the focus where the outcome begins: the button that was pressed last is not there any more.
fn focus_outcome() {
    let begin = document().get_element_by_id(danger::TITLE);
    if let Some(begin) = begin.and_then(|it| it.dyn_into::<HtmlElement>().ok()) {
        let _ = begin.focus();
    }
}
