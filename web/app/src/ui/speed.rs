//! The dialog that measures how fast the model is here, and gives what it found to be passed on.

use leptos::ev;
use leptos::html::{Dialog, button, dd, dialog as dialog_element, div, dl, dt, p, progress};
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::{BENCH_PROMPT_TOKENS, BENCH_TOKENS, BenchReport, DeviceKind, format};

use super::icons::{self, icon};
use super::{SharedClient, dialog_head, show_dialog};
use crate::state::{App, Speed};
use crate::{actions, browser};

/// A press this soon after the button has come to mean something else was meant for what it said before.
const DOUBLE_CLICK_MS: f64 = 400.0;

/// What stands where nothing is known yet.
const UNKNOWN: &str = "\u{2013}";

/// Shows the dialog, and begins.
pub fn open(app: App, client: SharedClient, node: NodeRef<Dialog>) {
    show_dialog(node);
    client.with_value(|client| actions::measure(app, client));
}

/// The dialog, closed. Closing it stops what goes on.
pub fn dialog(app: App, client: SharedClient, node: NodeRef<Dialog>) -> impl IntoView {
    let stop = move |_| client.with_value(|client| actions::stop_measuring(app, client));
    let explanation = format!(
        "The model reads {BENCH_PROMPT_TOKENS} tokens that mean nothing, then writes {BENCH_TOKENS}. A token is a word or a part of \
         one. Nothing leaves this device unless you pass it on."
    );
    dialog_element()
        .class("dialog")
        .node_ref(node)
        .attr("aria-labelledby", "speed-title")
        .on(ev::close, stop)
        .child((
            dialog_head("speed-title", "Speed on this device", node),
            going(app, client),
            move || problem(app),
            figures(app),
            pass_on(app),
            p().class("fine").child(explanation),
        ))
}

/// The table. Its rows are there from the start, so that little moves when their values come.
fn figures(app: App) -> impl IntoView {
    let report = Memo::new(move |_| report(app));
    let line =
        |(name, value): (&'static str, String)| div().child((dt().child(name), dd().child(value)));
    let lines = move || {
        report.with(|report| {
            rows(app, report.as_ref())
                .into_iter()
                .map(line)
                .collect::<Vec<_>>()
        })
    };
    dl().class("facts")
        .attr("data-testid", move || {
            report.with(Option::is_some).then_some("measure-result")
        })
        .child(lines)
}

fn report(app: App) -> Option<BenchReport> {
    app.speed.with(|speed| match speed {
        Speed::Measured(report) => Some(report.clone()),
        _ => None,
    })
}

/// What is shown and passed on, as names and values.
fn rows(app: App, report: Option<&BenchReport>) -> Vec<(&'static str, String)> {
    let known = |value: &dyn Fn(&BenchReport) -> Option<String>| {
        report.and_then(value).unwrap_or(UNKNOWN.to_owned())
    };
    let model = app.model.with(|model| {
        let name = model.as_ref().map(|model| model.name.clone());
        name.unwrap_or(UNKNOWN.to_owned())
    });
    let expected = app.adapter.get();
    let on_gpu = match report {
        Some(report) => report.device == DeviceKind::Gpu,
        None => expected.as_ref().map(|adapter| adapter.kind) == Some(DeviceKind::Gpu),
    };
    let adapter = match report {
        Some(report) => report.adapter.clone(),
        None => expected.map_or(UNKNOWN.to_owned(), |adapter| adapter.name),
    };
    let runs_on = match (on_gpu, report) {
        (true, _) => format!("Graphics processor, {adapter}"),
        (false, Some(report)) => format!("Processor, {}", format::count(report.threads, "thread")),
        (false, None) => adapter,
    };
    let mut rows = vec![
        ("Model", model),
        ("Runs on", runs_on),
        ("Browser", browser::name()),
        (
            "Reading speed",
            known(&|report| Some(format::rate(report.prefill_tok_s))),
        ),
        (
            "Writing speed",
            known(&|report| Some(format::rate(report.decode_tok_s))),
        ),
        (
            "Time to load",
            known(&|report| Some(format::duration(report.load_ms))),
        ),
    ];
    if on_gpu {
        rows.push((
            "Graphics memory",
            known(&|report| report.gpu_bytes_peak.map(format::bytes)),
        ));
    }
    if let Some(report) = report.filter(|report| !report.switched_off.is_empty()) {
        rows.push(("Switched off", report.switched_off.join("; ")));
    }
    rows.push((
        "Main memory",
        known(&|report| report.wasm_heap_bytes.map(format::bytes)),
    ));
    rows
}

/// The table as plain text.
fn text(app: App, report: &BenchReport) -> String {
    let lines = rows(app, Some(report))
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}\n"));
    let measured = format!(
        "Measured with {} tokens to read and {} to write.\n",
        report.prompt_tokens, report.decoded_tokens
    );
    let title = format!("{}\n", title());
    std::iter::once(title)
        .chain(lines)
        .chain(std::iter::once(measured))
        .collect()
}

fn title() -> String {
    format!("Outpost {}", env!("CARGO_PKG_VERSION"))
}

/// How far it is, and what can be done about it. The bar keeps its place when it is not needed.
fn going(app: App, client: SharedClient) -> impl IntoView {
    let state = Memo::new(move |_| {
        app.speed.with(|speed| match speed {
            Speed::Measuring { done: 0, .. } => "Getting ready",
            Speed::Measuring { done, .. } if *done < u64::from(BENCH_PROMPT_TOKENS) => "Reading",
            Speed::Measuring { .. } => "Writing",
            Speed::Measured(_) => "Measured",
            Speed::Stopped => "Stopped",
            Speed::Unknown | Speed::Failed(_) => "Not measured",
        })
    });
    let steps = move || {
        app.speed.with(|speed| match speed {
            Speed::Measuring { done, total } => Some((*done, *total)),
            _ => None,
        })
    };
    div().class("measuring").child((
        div().class("work-line").child((
            p().attr("role", "status").child(move || state.get()),
            stop_or_again(app, client),
        )),
        progress()
            .attr("aria-label", "Measuring")
            .attr("hidden", move || steps().is_none().then_some(""))
            .attr("max", move || {
                steps().map_or(1, |(_, total)| total.max(1)).to_string()
            })
            .attr("value", move || {
                steps().map_or(0, |(done, _)| done).to_string()
            }),
    ))
}

/// One button, which stays the same element, so that focus stays on it.
fn stop_or_again(app: App, client: SharedClient) -> impl IntoView {
    let measuring = Memo::new(move |_| {
        app.speed
            .with(|speed| matches!(speed, Speed::Measuring { .. }))
    });
    let changed_ms = StoredValue::new(f64::MIN);
    Effect::new(move |_| {
        measuring.track();
        changed_ms.set_value(actions::now_ms());
    });
    let press = move |_| {
        client.with_value(|client| {
            if measuring.get_untracked() {
                actions::stop_measuring(app, client);
            } else if actions::now_ms() - changed_ms.get_value() > DOUBLE_CLICK_MS {
                actions::measure(app, client);
            }
        });
    };
    let named = |while_measuring: &'static str, otherwise: &'static str| {
        move || match measuring.get() {
            true => while_measuring,
            false => otherwise,
        }
    };
    button()
        .class("link")
        .attr("type", "button")
        .attr("data-testid", named("measure-stop", "measure-again"))
        .attr("disabled", move || {
            (!measuring.get() && !actions::can_measure(app)).then_some("")
        })
        .on(ev::click, press)
        .child(named("Stop", "Measure again"))
}

fn problem(app: App) -> Option<impl IntoView> {
    let problem = app.speed.with(|speed| match speed {
        Speed::Failed(problem) => Some(problem.clone()),
        _ => None,
    })?;
    Some(
        div()
            .class("error")
            .attr("role", "alert")
            .child(div().child((
                p().class("error-what").child(problem.message),
                p().child(problem.remedy),
            ))),
    )
}

/// Copying, and sharing where the browser can.
fn pass_on(app: App) -> impl IntoView {
    let found = Memo::new(move |_| report(app));
    let copied = RwSignal::new(false);
    Effect::new(move |_| {
        found.track();
        copied.set(false);
    });
    let nothing = move || found.with(Option::is_none).then_some("");
    let copy = move |_| {
        let Some(report) = found.get_untracked() else {
            return;
        };
        let text = untrack(|| text(app, &report));
        // A browser that refuses leaves the label as it is; the text can still be selected.
        spawn_local(async move { copied.set(browser::copy(&text).await) });
    };
    let share = move |_| {
        if let Some(report) = found.get_untracked() {
            browser::share(&title(), &untrack(|| text(app, &report)));
        }
    };
    div().class("pass-on").child((
        button()
            .class("wide")
            .attr("type", "button")
            .attr("data-testid", "measure-copy")
            .attr("disabled", nothing)
            .on(ev::click, copy)
            .child((
                move || {
                    icon(match copied.get() {
                        true => icons::DONE,
                        false => icons::COPY,
                    })
                },
                move || if copied.get() { "Copied" } else { "Copy" },
            )),
        browser::can_share().then(|| {
            button()
                .class("link")
                .attr("type", "button")
                .attr("data-testid", "measure-share")
                .attr("disabled", nothing)
                .on(ev::click, share)
                .child("Share")
        }),
    ))
}
