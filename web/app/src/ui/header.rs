//! The instrument panel: which model, how far it is, where it runs, what it takes.

use leptos::ev;
use leptos::html::{button, dd, div, dl, dt, span};
use leptos::prelude::*;
use outpost_protocol::{Adapter, DeviceKind, format};

use super::files::file_input;
use super::icons::{self, icon};
use super::{
    SharedClient, consultation, conversations, locked, models, privacy, show_dialog, speed, tables,
};
use crate::state::App;
use crate::{actions, pwa};

/// Names of files that may hold a model.
pub const MODEL_FILES: &str = ".gguf,.tar,.json,.bin";
/// What choosing them is called.
pub const ADD_MODEL_FILES: &str =
    "Add model files: a model and its picture file (mmproj), both .gguf";

/// The read-outs.
pub fn status(app: App) -> impl IntoView {
    let state = move || app.state.get().name();
    let name = move || {
        app.model.with(|model| {
            model
                .as_ref()
                .map_or("None yet".to_owned(), |model| model.name.clone())
        })
    };
    let stored = move || {
        let models = app
            .models
            .with(|models| models.iter().map(|model| model.bytes).sum::<u64>());
        let tables = app
            .tables
            .with(|tables| tables.iter().map(|table| table.bytes).sum::<u64>());
        format::bytes(models + tables)
    };
    let runs_on = move || {
        app.adapter.with(|adapter| match adapter {
            None => "\u{2013}",
            Some(adapter) if adapter.kind == DeviceKind::Cpu => "Processor",
            Some(_) => "Graphics processor",
        })
    };
    let adapter = move || {
        let name =
            |adapter: &Adapter| (adapter.kind == DeviceKind::Gpu).then(|| adapter.name.clone());
        app.adapter.with(|adapter| adapter.as_ref().and_then(name))
    };
    let offline = move || {
        if app.offline_ready.get() {
            "Ready"
        } else {
            "Not yet"
        }
    };
    dl().class("readouts").child((
        readout(
            "Model",
            "readout readout-model",
            span().attr("data-testid", "model-name").child(name),
        ),
        readout(
            "State",
            "readout readout-state",
            span()
                .class("state")
                .attr("role", "status")
                .attr("data-testid", "model-state")
                .attr("data-state", state)
                .child(state),
        ),
        readout(
            "On this device",
            "readout readout-storage",
            span().attr("data-testid", "storage-used").child(stored),
        ),
        readout(
            "Runs on",
            "readout readout-wide",
            (
                runs_on,
                span()
                    .class("readout-more")
                    .child(move || adapter().unwrap_or("\u{a0}".to_owned())),
            ),
        ),
        readout(
            "Without network",
            "readout readout-wide",
            span().child(offline),
        ),
    ))
}

fn readout(
    label: &'static str,
    class: &'static str,
    value: impl IntoView + 'static,
) -> impl IntoView {
    div()
        .class(class)
        .child((dt().child(label), dd().child(value)))
}

/// What can be done at any time.
pub fn commands(app: App, client: SharedClient) -> impl IntoView {
    let import = move |files| client.with_value(|client| actions::import(app, client, files));
    let dialog = NodeRef::new();
    let speed_dialog = NodeRef::new();
    let tables_dialog = NodeRef::new();
    let conversations_dialog = NodeRef::new();
    let privacy_dialog = NodeRef::new();
    let consultation_dialog = NodeRef::new();
    let show_conversations = move |_| conversations::open(app, conversations_dialog);
    (
        button()
            .class("command")
            .attr("type", "button")
            .on(ev::click, move |_| {
                client.with_value(|client| actions::new_conversation(app, client))
            })
            .child((
                icon(icons::NEW),
                span().class("command-name").child("New conversation"),
            )),
        button()
            .class("command")
            .attr("type", "button")
            .attr("data-testid", "consultation-open")
            .on(ev::click, move |_| {
                consultation::open(app, client, consultation_dialog)
            })
            .child((
                icon(icons::CONSULTATION),
                span().class("command-name").child("Consultation"),
            )),
        button()
            .class("command")
            .attr("type", "button")
            .on(ev::click, show_conversations)
            .child((
                icon(icons::EARLIER),
                span().class("command-name").child("Conversations"),
            )),
        span().class("command file-command").child((
            icon(icons::ADD_FILE),
            span()
                .class("command-name")
                .attr("aria-hidden", "true")
                .child("Add model files"),
            file_input(MODEL_FILES, ADD_MODEL_FILES, Some("import-files"), import),
        )),
        button()
            .class("command")
            .attr("type", "button")
            .on(ev::click, move |_| show_dialog(dialog))
            .child((
                icon(icons::MODELS),
                span().class("command-name").child("Models"),
            )),
        move || {
            app.protected.get().then(|| {
                button()
                    .class("command")
                    .attr("type", "button")
                    .on(ev::click, move |_| {
                        client.with_value(|client| actions::lock(app, client))
                    })
                    .child((
                        icon(icons::LOCK),
                        span().class("command-name").child("Lock now"),
                    ))
            })
        },
        move || {
            app.installable.get().then(|| {
                button()
                    .class("command command-install")
                    .attr("type", "button")
                    .on(ev::click, move |_| pwa::install(app))
                    .child((
                        icon(icons::INSTALL),
                        span().class("command-name").child("Put on home screen"),
                    ))
            })
        },
        models::dialog(app, client, dialog, speed_dialog, tables_dialog),
        tables::dialog(app, client, tables_dialog),
        speed::dialog(app, client, speed_dialog),
        conversations::dialog(app, client, conversations_dialog, privacy_dialog),
        privacy::dialog(app, client, privacy_dialog),
        consultation::dialog(app, client, consultation_dialog, dialog),
        locked::dialog(app, client),
    )
}
