//! Before the first question: what this is, and a few ways to begin.

use leptos::ev;
use leptos::html::{button, div, h2, h3, img, li, p, section, span, ul};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Response};

use super::SharedClient;
use crate::actions;
use crate::state::App;

/// Drawn pictures: file, what it is, what to ask about it.
const PICTURES: [(&str, &str, &str); 2] = [
    (
        "examples/round-opacity.png",
        "Drawn chest X-ray, first example",
        "Describe this X-ray.",
    ),
    (
        "examples/fluid-level.png",
        "Drawn chest X-ray, second example",
        "Which side is the finding on?",
    ),
];

/// What to do, and the words that go into the composer.
const PROMPTS: [(&str, &str); 3] = [
    (
        "Write a SOAP note",
        "Write a SOAP note.\nA 34 year old woman came with cough for 5 days. She also has tiredness. There is no chills. \
         Temperature 37.8. Pulse 88. Chest clear. This looks like chest cold. Advice: rest. Review in 7 days.",
    ),
    (
        "Turn a prescription into data",
        "Extract drug, dose, frequency and condition as JSON.\nA 52 year old man came today. It is heartburn. \
         I give Lorabolin 20 mg every evening. Review in 10 days.",
    ),
    ("Ask what it can do", "What can you do?"),
];

/// The welcome.
pub fn welcome(app: App, client: SharedClient) -> impl IntoView {
    let set_aside = move || {
        app.set_aside.with(Option::is_some).then(|| {
            button()
                .class("link")
                .attr("type", "button")
                .on(ev::click, move |_| actions::bring_back(app))
                .child("Back to the last conversation")
        })
    };
    section().class("welcome").child((
        h2().class("title")
            .child("Ask about text or a\u{a0}picture."),
        p().class("lead")
            .child("It works with no network. What you type or show stays on this device."),
        set_aside,
        h3().class("begin").child("Try one"),
        div().class("starts").child((
            ul().class("start-pictures").child(
                PICTURES
                    .map(|example| picture(app, client, example))
                    .into_iter()
                    .collect_view(),
            ),
            ul().class("start-prompts").child(
                PROMPTS
                    .map(|example| prompt(app, example))
                    .into_iter()
                    .collect_view(),
            ),
        )),
    ))
}

fn picture(
    app: App,
    client: SharedClient,
    (file, alt, question): (&'static str, &'static str, &'static str),
) -> AnyView {
    let choose = move |_| {
        spawn_local(async move {
            match fetch(file).await {
                Some(blob) => {
                    app.pictures
                        .with_untracked(|all| all.iter().map(|known| known.id).collect::<Vec<_>>())
                        .into_iter()
                        .for_each(|id| actions::detach(app.pictures, id));
                    actions::attach(app, blob, alt);
                    actions::set_draft(app, question);
                    client.with_value(|client| actions::ask(app, client));
                }
                None => app.fail(
                    "The example picture is not here.",
                    "Attach a picture of your own.",
                ),
            }
        });
    };
    li().child(
        button()
            .class("start-picture")
            .attr("type", "button")
            .on(ev::click, choose)
            .child((
                img()
                    .attr("src", file)
                    .attr("alt", alt)
                    .attr("width", "400")
                    .attr("height", "480"),
                span().child(question.replace('-', "\u{2011}")),
            )),
    )
    .into_any()
}

fn prompt(app: App, (name, words): (&'static str, &'static str)) -> AnyView {
    let choose = move |_| {
        actions::set_draft(app, words);
        if let Some(area) = actions::prompt_area() {
            let _ = area.focus();
        }
    };
    let example = words.split_once('\n').map_or(words, |(_, example)| example);
    li().child(
        button()
            .class("start-prompt")
            .attr("type", "button")
            .on(ev::click, choose)
            .child((
                span().class("start-name").child(name),
                span().class("start-words").child(example),
            )),
    )
    .into_any()
}

async fn fetch(file: &str) -> Option<Blob> {
    let response: Response = JsFuture::from(window().fetch_with_str(file))
        .await
        .ok()?
        .dyn_into()
        .ok()?;
    if !response.ok() {
        return None;
    }
    JsFuture::from(response.blob().ok()?)
        .await
        .ok()?
        .dyn_into()
        .ok()
}
