//! Where a question is put: text, pictures, and the one primary button that sends or stops.

use gloo::events::{EventListener, EventListenerOptions};
use leptos::ev;
use leptos::html::{button, img, li, span, ul};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{ClipboardEvent, DragEvent, File, FileList, KeyboardEvent};

use super::SharedClient;
use super::files::{file_input, files};
use super::icons::{self, icon};
use crate::actions::{self, Pictures};
use crate::state::App;

/// A press on "stop" this soon after "send" is the second half of a double click.
const DOUBLE_CLICK_MS: f64 = 400.0;

/// Listens to the text area of the painted page, and takes over what was typed into it.
pub fn adopt_prompt(app: App, client: SharedClient) {
    let Some(area) = actions::prompt_area() else {
        return;
    };
    app.draft.set(area.value());
    let typed = area.clone();
    EventListener::new(&area, "input", move |_| app.draft.set(typed.value())).forget();
    let options = EventListenerOptions::enable_prevent_default();
    EventListener::new_with_options(&area, "keydown", options, move |event| {
        let Some(event) = event.dyn_ref::<KeyboardEvent>() else {
            return;
        };
        // While an input method is composing, Enter chooses a word.
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            client.with_value(|client| actions::ask(app, client));
        }
    })
    .forget();
    EventListener::new_with_options(&area, "paste", options, move |event| {
        let files = event
            .dyn_ref::<ClipboardEvent>()
            .and_then(ClipboardEvent::clipboard_data);
        if take_files(app, client, files.and_then(|data| data.files())) {
            event.prevent_default();
        }
    })
    .forget();
    if let Some(form) = area.form() {
        EventListener::new_with_options(&form, "submit", options, move |event| {
            event.prevent_default();
            client.with_value(|client| actions::ask(app, client));
        })
        .forget();
    }
}

/// Files dropped anywhere on the page: models are imported, pictures attached.
pub fn accept_dropped_files(app: App, client: SharedClient) {
    let options = EventListenerOptions::enable_prevent_default();
    let target = document();
    EventListener::new_with_options(&target, "dragover", options, |event| {
        event.prevent_default()
    })
    .forget();
    EventListener::new_with_options(&target, "drop", options, move |event| {
        event.prevent_default();
        let files = event
            .dyn_ref::<DragEvent>()
            .and_then(DragEvent::data_transfer);
        take_files(app, client, files.and_then(|data| data.files()));
    })
    .forget();
}

/// Returns whether there were any.
fn take_files(app: App, client: SharedClient, list: Option<FileList>) -> bool {
    let files = files(list);
    let any = !files.is_empty();
    let (models, pictures): (Vec<File>, Vec<File>) = files
        .into_iter()
        .partition(|file| file.name().to_lowercase().ends_with(".gguf"));
    client.with_value(|client| actions::import(app, client, models));
    for picture in pictures {
        let name = picture.name();
        actions::attach(app, picture.into(), &name);
    }
    any
}

/// Thumbnails of pictures, which can be taken away.
pub fn pictures(pictures: Pictures) -> impl IntoView {
    let thumbnail = move |id: u32| {
        let picture =
            pictures.with_untracked(|all| all.iter().find(|picture| picture.id == id).cloned())?;
        Some(
            li().class("thumbnail").child((
                img()
                    .attr("src", picture.url)
                    .attr("alt", format!("Attached picture: {}", picture.name)),
                button()
                    .class("thumbnail-remove")
                    .attr("type", "button")
                    .attr("aria-label", format!("Remove the picture {}", picture.name))
                    .on(ev::click, move |_| actions::detach(pictures, id))
                    .child(icon(icons::CLOSE)),
            )),
        )
    };
    let any = Memo::new(move |_| pictures.with(|pictures| !pictures.is_empty()));
    move || {
        any.get().then(|| {
            let ids = move || {
                pictures.with(|all| all.iter().map(|picture| picture.id).collect::<Vec<_>>())
            };
            ul().class("thumbnails")
                .attr("aria-label", "Attached pictures")
                .child(For(ForProps::builder()
                    .each(ids)
                    .key(|id| *id)
                    .children(thumbnail)
                    .build()))
        })
    }
}

/// The button that chooses pictures.
pub fn attach_button(app: App) -> impl IntoView {
    let attach = move |files: Vec<File>| {
        for file in files {
            let name = file.name();
            actions::attach(app, file.into(), &name);
        }
    };
    span().class("attach file-command").child((
        icon(icons::PICTURE),
        file_input(
            actions::ACCEPTED,
            "Attach a picture",
            Some("attach-image"),
            attach,
        ),
    ))
}

/// One button: it sends, and while an answer is written it stops. It stays the same element, so that focus stays on it.
pub fn primary_button(app: App, client: SharedClient) -> impl IntoView {
    let answering = Memo::new(move |_| app.answering.get().is_some());
    let empty = move || {
        app.draft.with(|draft| draft.trim().is_empty())
            && app.pictures.with(|pictures| pictures.is_empty())
    };
    let sent_ms = StoredValue::new(f64::MIN);
    let press = move |_| {
        client.with_value(|client| {
            if !answering.get_untracked() {
                sent_ms.set_value(actions::now_ms());
                actions::ask(app, client);
            } else if actions::now_ms() - sent_ms.get_value() > DOUBLE_CLICK_MS {
                actions::stop(app, client);
            }
        });
    };
    button()
        .class("primary")
        .attr("type", "button")
        .attr(
            "data-testid",
            move || if answering.get() { "stop" } else { "send" },
        )
        .attr(
            "aria-label",
            move || if answering.get() { "Stop" } else { "Send" },
        )
        .attr(
            "title",
            move || if answering.get() { "Stop" } else { "Send" },
        )
        .attr("disabled", move || {
            (!answering.get() && empty()).then_some("")
        })
        .on(ev::click, press)
        .child(move || {
            icon(if answering.get() {
                icons::STOP
            } else {
                icons::SEND
            })
        })
}
