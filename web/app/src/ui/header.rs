//! The instrument panel: which model, how far it is, where it runs, what it takes.

use leptos::ev;
use leptos::html::{button, dd, div, dl, dt, input, span};
use leptos::prelude::*;
use outpost_protocol::{DeviceKind, format};

use super::icons::{self, icon};
use super::{SharedClient, models};
use crate::state::App;
use crate::{actions, pwa};

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
        format::bytes(
            app.models
                .with(|models| models.iter().map(|model| model.bytes).sum()),
        )
    };
    let runs_on = move || {
        app.adapter.with(|adapter| match adapter {
            None => "\u{2013}".to_owned(),
            Some(adapter) if adapter.kind == DeviceKind::Cpu => "Processor".to_owned(),
            Some(adapter) if adapter.name.is_empty() => "Graphics processor".to_owned(),
            Some(adapter) => adapter.name.clone(),
        })
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
        readout("Runs on", "readout readout-wide", span().child(runs_on)),
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
    let files = NodeRef::<leptos::html::Input>::new();
    let import = move |_| {
        if let Some(input) = files.get_untracked() {
            client.with_value(|client| actions::import(app, client, chosen_files(&input)));
        }
    };
    let dialog = NodeRef::new();
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
        // The file input itself is what is pressed, so that it works like any button everywhere.
        span().class("command file-command").child((
            icon(icons::ADD_FILE),
            span()
                .class("command-name")
                .attr("aria-hidden", "true")
                .child("Add model files"),
            input()
                .node_ref(files)
                .attr("type", "file")
                .attr("multiple", "")
                .attr("accept", ".gguf")
                .attr("data-testid", "import-files")
                .attr(
                    "title",
                    "Add model files: a model and its picture file (mmproj), both .gguf",
                )
                .attr(
                    "aria-label",
                    "Add model files: a model and its picture file (mmproj), both .gguf",
                )
                .on(ev::change, import),
        )),
        button()
            .class("command")
            .attr("type", "button")
            .on(ev::click, move |_| models::open(dialog))
            .child((
                icon(icons::MODELS),
                span().class("command-name").child("Models"),
            )),
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
        models::dialog(app, client, dialog),
    )
}

/// The files that were chosen; the input forgets them, so that the same ones can be chosen again.
pub fn chosen_files(input: &web_sys::HtmlInputElement) -> Vec<web_sys::File> {
    let files = input.files().map_or(Vec::new(), |list| {
        (0..list.length()).filter_map(|i| list.get(i)).collect()
    });
    input.set_value("");
    files
}
