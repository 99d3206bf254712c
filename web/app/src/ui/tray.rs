//! Above the composer: what is going on, and what went wrong.

use leptos::ev;
use leptos::html::{button, div, p, progress, span};
use leptos::prelude::*;
use outpost_protocol::{Stage, Unit, format};

use super::SharedClient;
use super::icons::{self, icon};
use super::terms::terms;
use crate::actions;
use crate::state::{App, Work};

/// Error first, then terms to accept, then progress.
pub fn tray(app: App, client: SharedClient) -> impl IntoView {
    (
        move || problem(app, client),
        move || terms(app, client),
        move || working(app, client),
    )
}

fn problem(app: App, client: SharedClient) -> Option<impl IntoView> {
    let problem = app.problem.get()?;
    let retry = problem.retry.then(|| {
        button()
            .class("link")
            .attr("type", "button")
            .on(ev::click, move |_| {
                client.with_value(|client| actions::begin(app, client))
            })
            .child("Try again")
    });
    Some(
        div()
            .class("error")
            .attr("role", "alert")
            .attr("data-testid", "error")
            .child((
                div().child((
                    p().class("error-what")
                        .child(in_reading_order(&problem.message)),
                    p().child((in_reading_order(&problem.remedy), " ", retry)),
                )),
                button()
                    .class("quiet")
                    .attr("type", "button")
                    .attr("aria-label", "Close this message")
                    .on(ev::click, move |_| app.problem.set(None))
                    .child(icon(icons::CLOSE)),
            )),
    )
}

/// A sentence without the characters that only turn its direction (Unicode Standard Annex 9, explicit formatting): a file's
/// name in it could turn round what follows.
fn in_reading_order(sentence: &str) -> String {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    sentence.chars().filter(|c| !turns(*c)).collect()
}

fn working(app: App, client: SharedClient) -> Option<impl IntoView> {
    // Only whether there is work: its numbers change without making the elements anew.
    let is_working = Memo::new(move |_| app.work.with(Option::is_some));
    is_working.get().then(|| {
        let work = move || app.work.get();
        let what = move || work().map_or("", |work| stage_name(work.stage));
        let much = move || work().map_or(String::new(), |work| amount(&work));
        let long = move || {
            let work = work()?;
            format::remaining(actions::now_ms() - work.since_ms, work.done, work.total)
        };
        let stop = move || {
            app.stoppable.get().is_some().then(|| {
                button()
                    .class("link")
                    .attr("type", "button")
                    .on(ev::click, move |_| {
                        client.with_value(|client| actions::stop_work(app, client))
                    })
                    .child("Stop")
            })
        };
        div().class("work").attr("data-testid", "progress").child((
            p().class("work-line").child((
                span().class("work-what").child(what),
                span().class("work-figures").child(much),
                span().class("work-figures").child(long),
                stop,
            )),
            progress()
                .attr("aria-label", what)
                .attr("max", move || {
                    work().map_or(1, |work| work.total.max(1)).to_string()
                })
                .attr("value", move || {
                    work().map_or(0, |work| work.done).to_string()
                }),
        ))
    })
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Downloading => "Fetching the model",
        Stage::Copying => "Copying the model into this page",
        Stage::Verifying => "Checking the model",
        Stage::Loading => "Loading the model",
        Stage::Table => "Reading the table",
        Stage::Picture => "Looking at the picture",
        Stage::Reading => "Reading",
        Stage::Writing => "Writing",
        Stage::Measuring => "Measuring the speed",
    }
}

fn amount(work: &Work) -> String {
    match work.unit {
        Unit::Bytes => format::bytes_of(work.done, work.total),
        Unit::Tokens | Unit::Pictures => format!("{} of {}", work.done, work.total),
        // Nobody knows what a layer is.
        Unit::Layers => format!("{} %", work.done * 100 / work.total.max(1)),
    }
}
