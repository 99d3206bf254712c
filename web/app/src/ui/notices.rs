//! Lines that hold for the whole page: what the model is, where it runs, a newer version.

use leptos::ev;
use leptos::html::{button, p, span};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::SharedClient;
use crate::state::{App, Keeping};
use crate::{actions, pwa};

/// What holds for every model.
const EVERY_ANSWER: &str = "Every answer is a draft. Please check it.";

/// All of them; most of the time one or none.
pub fn notices(app: App, client: SharedClient) -> impl IntoView {
    // One line is always there, so that nothing moves when a model says something of its own.
    let of_model = move || {
        let text = app
            .model
            .with(|model| model.as_ref().and_then(|model| model.notice.clone()));
        match text {
            Some(text) => p().class("notice notice-model").child(text).into_any(),
            None => p().class("notice").child(EVERY_ANSWER).into_any(),
        }
    };
    let processor = move || {
        // A processor that was measured to be the faster one needs no excuse.
        let why = app
            .adapter
            .with(|adapter| adapter.as_ref().and_then(|a| a.why_not_gpu.clone()));
        why.map(|why| {
            p().class("notice")
                .child((why, " Answers come from the processor, which is slower."))
        })
    };
    let elsewhere = move || {
        app.in_use.get().then(|| {
            let take_over = move |_| client.with_value(|client| actions::take_over(app, client));
            p().class("notice").attr("role", "status").child((
                span().child("The model is at work in another tab of this page. "),
                button()
                    .class("link")
                    .attr("type", "button")
                    .attr("data-testid", "take-over")
                    .on(ev::click, take_over)
                    .child("Use it here"),
            ))
        })
    };
    let evicted = move || {
        let names: Vec<String> = app
            .evicted
            .with(|evicted| evicted.values().cloned().collect());
        let (are, them) = match names.len() {
            0 => return None,
            1 => ("is", "it"),
            _ => ("are", "them"),
        };
        let gone = format!(
            "No longer on this device {are}: {}. The browser has cleared {them}, as browsers do when a disk is full or a person removes a page\u{2019}s data. Add {them} again (Models).",
            names.join(", ")
        );
        Some(
            p().class("notice")
                .attr("role", "status")
                .attr("data-testid", "evicted")
                .child(gone),
        )
    };
    // Never while an answer is being written or a model added: taking over loads the page again.
    let update = move || {
        (app.update_waiting.get() && !pwa::is_busy(app)).then(|| {
            p().class("notice").child((
                span().child(move || match app.keeping.get() {
                    Keeping::Off(_) => {
                        "A newer version is here. The conversation on this page will be cleared. "
                    }
                    _ => "A newer version is here. The page will load again. ",
                }),
                button()
                    .class("link")
                    .attr("type", "button")
                    .on(ev::click, move |_| {
                        spawn_local(async move {
                            if actions::all_stored(app).await {
                                pwa::update();
                            }
                        });
                    })
                    .child("Use it now"),
            ))
        })
    };
    let not_stored = move || match app.keeping.get() {
        Keeping::Off(why) => Some(p().class("notice").child(why)),
        _ => None,
    };
    (of_model, processor, elsewhere, evicted, not_stored, update)
}
