//! The dialog that lists what is installed and says how to add more.

use leptos::ev;
use leptos::html::{
    Dialog, a, button, dialog as dialog_element, div, h2, label, li, option, p, select, span,
    strong, ul,
};
use leptos::prelude::*;
use outpost_protocol::{DeviceChoice, Fit, ModelInfo, ModelStatus, Rating, Verdict, format};

use super::files::file_input;
use super::header::{ADD_MODEL_FILES, MODEL_FILES};
use super::icons::{self, icon};
use super::{SharedClient, close_dialog, dialog_head, evaluation, speed, tables};
use crate::actions;
use crate::state::{App, Fitting};

/// The dialog, closed.
pub fn dialog(
    app: App,
    client: SharedClient,
    node: NodeRef<Dialog>,
    speed_dialog: NodeRef<Dialog>,
    tables_dialog: NodeRef<Dialog>,
) -> impl IntoView {
    let list = move || {
        let models = app.models.get();
        let rows: Vec<_> = models
            .into_iter()
            .map(|model| row(app, client, node, model))
            .collect();
        match rows.is_empty() {
            true => p().child("None yet.").into_any(),
            false => ul().class("model-list").child(rows).into_any(),
        }
    };
    let measure = move |_| {
        close_dialog(node);
        speed::open(app, client, speed_dialog);
    };
    let add = move |files| {
        close_dialog(node);
        client.with_value(|client| actions::import(app, client, files));
    };
    dialog_element().class("dialog").node_ref(node).attr("aria-labelledby", "models-title").child((
        dialog_head("models-title", "Models on this device", node),
        list,
        p().class("device-line").child((
            device_choice(app, client),
            button()
                .class("link")
                .attr("type", "button")
                .attr("data-testid", "measure")
                .attr("disabled", move || (!actions::can_measure(app)).then_some(""))
                .on(ev::click, measure)
                .child("Measure speed"),
            evaluation::opener(app, node),
            tables::opener(client, node, tables_dialog),
        )),
        h2().child("Add MedGemma"),
        p().child(
            "Google gives it to those who accept its terms (developers.google.com/health-ai-developer-foundations/terms); they are \
             shown before it is added. Fetch two files there, and choose both together:",
        ),
        ul().class("needed").child((
            li().child("the model: its name ends in Q4_0.gguf (smaller) or Q8_0.gguf"),
            li().child("its picture file: its name begins with mmproj and ends in .gguf"),
        )),
        p().class("fine").child(
            "Without the picture file it answers about text only. The files stay on this device.",
        ),
        fits(app, client),
        span().class("wide file-command").child((
            icon(icons::ADD_FILE),
            span().attr("aria-hidden", "true").child("Add model files"),
            file_input(MODEL_FILES, ADD_MODEL_FILES, None, add),
        )),
        p().class("device-line").child(elsewhere("Add a model from an address")),
        p().class("fine").child(
            "From one device to the next without a network: Save makes one file of a model, which is added there in the same way.",
        ),
    ))
}

/// The page that may ask other hosts.
fn elsewhere(name: &'static str) -> AnyView {
    a().class("link")
        .attr("href", "install/")
        .attr("data-testid", "add-address")
        .child(name)
        .into_any()
}

/// Whether MedGemma would run here, once somebody asks.
fn fits(app: App, client: SharedClient) -> impl IntoView {
    let check = move |_| client.with_value(|client| actions::check_fit(app, client));
    let ask = button()
        .class("link")
        .attr("type", "button")
        .attr("data-testid", "check-fit")
        .attr("disabled", move || {
            (!free(app) || app.fitting.get() == Fitting::Checking).then_some("")
        })
        .on(ev::click, check)
        .child("Will MedGemma 4B run here?");
    let found = move || match app.fitting.get() {
        Fitting::Unknown => None,
        Fitting::Checking => Some(
            p().child("Trying it: memory, storage and speed \u{2026}")
                .into_any(),
        ),
        Fitting::Failed(why) => Some(p().child(why).into_any()),
        Fitting::Known(fit) => Some(verdict(&fit).into_any()),
    };
    (
        p().class("device-line").child(ask),
        div()
            .attr("role", "status")
            .attr("data-testid", "fit")
            .child(found),
    )
}

fn verdict(fit: &Fit) -> impl IntoView {
    let Verdict {
        rating,
        why,
        remedy,
    } = fit.verdict();
    let rating = match rating {
        Rating::Well => "It runs well here. ",
        Rating::Slowly => "It runs slowly here. ",
        Rating::Not => "It does not run here. ",
    };
    let kept = match fit.is_kept {
        true => "The browser keeps it until you remove it.",
        false => "The browser may remove it when the device is short of space.",
    };
    (
        p().child((strong().child(rating), why, " ", remedy)),
        p().class("fine").child(kept),
    )
}

/// Where models compute. Changing it loads the one in use again.
fn device_choice(app: App, client: SharedClient) -> impl IntoView {
    let named = |choice| match choice {
        DeviceChoice::Auto => "Whichever is faster",
        DeviceChoice::Gpu => "Graphics processor",
        DeviceChoice::Cpu => "Processor",
    };
    let options = DeviceChoice::ALL.map(|choice| {
        option()
            .attr("value", choice.name())
            .attr("selected", move || {
                (app.device.get() == choice).then_some("")
            })
            .child(named(choice))
    });
    let changed = move |event| {
        if let Some(choice) = DeviceChoice::named(&event_target_value(&event)) {
            client.with_value(|client| actions::choose_device(app, client, choice));
        }
    };
    label().child((
        "Runs on ",
        select()
            .attr("data-testid", "device-choice")
            .attr("disabled", move || (!free(app)).then_some(""))
            .on(ev::change, changed)
            .child(options.into_iter().collect::<Vec<_>>()),
    ))
}

/// Whether nothing goes on that needs the model as it is.
fn free(app: App) -> bool {
    app.answering.get().is_none() && !app.state.get().is_busy()
}

fn row(app: App, client: SharedClient, node: NodeRef<Dialog>, model: ModelInfo) -> impl IntoView {
    let id = StoredValue::new(model.id.clone());
    let in_use = move || {
        app.model.with(|used| {
            used.as_ref()
                .is_some_and(|used| id.with_value(|id| *id == used.id))
        })
    };
    let choose = move |_| {
        close_dialog(node);
        client.with_value(|client| id.with_value(|id| actions::use_model(app, client, id)));
    };
    let check = move |_| {
        client.with_value(|client| id.with_value(|id| actions::verify_model(app, client, id)))
    };
    let save = move |_| {
        client.with_value(|client| id.with_value(|id| actions::save_model(app, client, id)))
    };
    let asked = RwSignal::new(false);
    let remove = move |_| match asked.get_untracked() {
        true => {
            client.with_value(|client| id.with_value(|id| actions::delete_model(app, client, id)))
        }
        false => asked.set(true),
    };
    let commands = match &model.status {
        ModelStatus::Installed => (
            Some(command(
                app,
                move || !in_use(),
                choose,
                move || {
                    if in_use() { "In use" } else { "Use" }
                },
            )),
            Some(command(
                app,
                || true,
                check,
                move || {
                    let found = app.verified.get();
                    match found.filter(|(found, _)| id.with_value(|id| id == found)) {
                        Some((_, true)) => "Whole",
                        _ => "Check",
                    }
                },
            )),
            Some(command(app, || true, save, || "Save")),
        ),
        _ if actions::is_elsewhere(&model.source) => (Some(elsewhere("Go on")), None, None),
        _ if model.source.ends_with(".json") => {
            let source = model.source.clone();
            let go_on = move |_| {
                close_dialog(node);
                client.with_value(|client| actions::go_on(app, client, &source));
            };
            (Some(command(app, || true, go_on, || "Go on")), None, None)
        }
        _ => (None, None, None),
    };
    let facts = facts(&model);
    li().child((
        span().class("model-facts").child((
            strong().child(model.name),
            span().class("fine").child(facts),
            model.terms.map(|terms| {
                let accepted = model.accepted_ms.map_or("", |_| " (accepted)");
                let terms = format!("Terms{accepted}: {terms}");
                span().class("fine terms").child(terms)
            }),
        )),
        span().class("model-actions").child((
            commands,
            command(
                app,
                || true,
                remove,
                move || {
                    if asked.get() {
                        "Remove it now"
                    } else {
                        "Remove"
                    }
                },
            ),
        )),
    ))
}

/// What there is of a model.
fn facts(model: &ModelInfo) -> String {
    let fetched = model.source.ends_with(".json") || actions::is_elsewhere(&model.source);
    let files = match fetched {
        true => String::new(),
        false => format!(" Add {} again to go on.", model.source),
    };
    match &model.status {
        ModelStatus::Installed if model.vision => {
            format!("{}, text and pictures", format::bytes(model.bytes))
        }
        ModelStatus::Installed => format!("{}, text only", format::bytes(model.bytes)),
        ModelStatus::Unfinished {
            done_bytes,
            total_bytes,
        } => format!(
            "Not complete: {}.{files}",
            format::bytes_of(*done_bytes, *total_bytes)
        ),
        ModelStatus::Damaged { missing } => format!(
            "Damaged: {} missing.{files}",
            format::count(u32::try_from(missing.len()).unwrap_or(u32::MAX), "part")
        ),
    }
}

/// A button of a row, which rests while the model in use is needed as it is.
fn command(
    app: App,
    enabled: impl Fn() -> bool + Send + 'static,
    press: impl FnMut(ev::MouseEvent) + 'static,
    name: impl Fn() -> &'static str + Send + 'static,
) -> AnyView {
    button()
        .class("link")
        .attr("type", "button")
        .attr("disabled", move || (!enabled() || !free(app)).then_some(""))
        .on(ev::click, press)
        .child(name)
        .into_any()
}
