//! The terms of a model whose files were chosen, before any of it is kept.

use leptos::ev;
use leptos::html::{button, div, input, label, p, span, strong};
use leptos::prelude::*;

use super::SharedClient;
use crate::actions;
use crate::state::App;

/// Shown until the person has accepted them, or not.
pub fn terms(app: App, client: SharedClient) -> Option<impl IntoView> {
    let asked = app.terms.get()?;
    let agreed = RwSignal::new(false);
    let accept = move |_| client.with_value(|client| actions::accept_terms(app, client));
    Some(
        div()
            .class("terms-asked")
            .attr("role", "alertdialog")
            .attr("aria-labelledby", "terms-of")
            .attr("data-testid", "terms")
            .child((
                p().attr("id", "terms-of")
                    .child(("Terms of ", strong().child(asked.name))),
                p().class("fine").child((asked.terms, " ", asked.notice)),
                label().class("agree").child((
                    input()
                        .attr("type", "checkbox")
                        .attr("data-testid", "terms-agree")
                        .on(ev::change, move |event| {
                            agreed.set(event_target_checked(&event))
                        }),
                    span().child("I have read these terms and accept them."),
                )),
                p().class("device-line").child((
                    button()
                        .class("link")
                        .attr("type", "button")
                        .attr("data-testid", "terms-accept")
                        .attr("disabled", move || (!agreed.get()).then_some(""))
                        .on(ev::click, accept)
                        .child("Accept and add"),
                    button()
                        .class("link")
                        .attr("type", "button")
                        .attr("data-testid", "terms-refuse")
                        .on(ev::click, move |_| app.terms.set(None))
                        .child("Do not add it"),
                )),
            )),
    )
}
