//! One question with its answer. What the model wrote never looks like what a person wrote.

use leptos::ev;
use leptos::html::{article, button, details, div, footer, h2, img, p, span, summary};
use leptos::prelude::*;
use outpost_protocol::{Figures, FinishReason, Stage, format};

use super::icons::{self, icon};
use crate::state::{App, Reading, Turn, TurnStatus};

/// A question longer than this is material to read rather than a line to see.
const LONG_CHARS: usize = 140;

/// The turn with this id.
pub fn turn(app: App, id: u32) -> Option<AnyView> {
    let turn = app.turn(id)?;
    let newest = Memo::new(move |_| {
        app.turns
            .with(|turns| turns.last().is_some_and(|last| last.id == id))
    });
    Some(
        article()
            .class("turn")
            .child((question(&turn), answer(&turn, newest)))
            .into_any(),
    )
}

fn question(turn: &Turn) -> impl IntoView + use<> {
    let pictures: Vec<_> = turn
        .pictures
        .iter()
        .map(|picture| {
            img()
                .attr("src", picture.url.clone())
                .attr("alt", format!("Picture: {}", picture.name))
        })
        .collect();
    let class = if turn.question.chars().count() > LONG_CHARS {
        "asked asked-long"
    } else {
        "asked"
    };
    let words = (!turn.question.is_empty()).then(|| p().class(class).child(turn.question.clone()));
    div().class("question").child((
        h2().class("sr-only").child("You asked"),
        (!pictures.is_empty()).then(|| div().class("shown").child(pictures)),
        words,
    ))
}

fn answer(turn: &Turn, newest: Memo<bool>) -> impl IntoView + use<> {
    let Turn {
        answer,
        thought,
        status,
        ..
    } = *turn;
    let going_on = move || !matches!(status.get(), TurnStatus::Ended(..) | TurnStatus::Failed);
    let has_thought = Memo::new(move |_| thought.with(|thought| !thought.is_empty()));
    let reasoning = move || {
        has_thought.get().then(|| {
            details().class("reasoning").child((
                summary().child("How the model reasoned"),
                p().child(move || thought.get()),
            ))
        })
    };
    div()
        .class("draft")
        .attr("data-going-on", move || going_on().then_some(""))
        .child((
            h2().class("draft-mark")
                .child("Draft by the model \u{b7} not checked"),
            reasoning,
            p().class("answer")
                .attr("data-testid", move || newest.get().then_some("answer"))
                .attr("aria-live", "polite")
                // Read out once, when it is complete.
                .attr("aria-busy", move || going_on().to_string())
                .child(move || answer.get()),
            footer().class("figures").child(move || match status.get() {
                TurnStatus::Waiting => "Waits until the model is ready".into_any(),
                TurnStatus::Reading(reading) => reading_line(reading).into_any(),
                TurnStatus::Writing => span().class("writing").child("Writing").into_any(),
                TurnStatus::Failed => "Not complete".into_any(),
                TurnStatus::Ended(reason, figures) => ended(answer, reason, figures).into_any(),
            }),
        ))
}

fn reading_line(reading: Option<Reading>) -> String {
    match reading {
        None => "Reading the question".to_owned(),
        Some(Reading {
            stage: Stage::Picture,
            done,
            total,
        }) if total > 1 => {
            format!("Looking at picture {} of {total}", (done + 1).min(total))
        }
        Some(Reading {
            stage: Stage::Picture,
            ..
        }) => "Looking at the picture".to_owned(),
        Some(Reading { done, total, .. }) => format!("Reading, {done} of {total} tokens"),
    }
}

fn ended(answer: RwSignal<String>, reason: FinishReason, figures: Figures) -> impl IntoView {
    let why = match reason {
        FinishReason::Stop => None,
        FinishReason::Length => Some("Cut at the longest length"),
        FinishReason::Context => Some("Cut: the conversation is full, begin a new one"),
        FinishReason::Cancelled => Some("Stopped"),
    };
    let copied = RwSignal::new(false);
    let copy = move |_| {
        // A browser that refuses leaves the label as it is; the text can still be selected.
        let _ = window()
            .navigator()
            .clipboard()
            .write_text(&answer.get_untracked());
        copied.set(true);
    };
    (
        why.map(|why| span().class("cut").child(why)),
        figures
            .tokens_per_second()
            .map(|rate| span().child(format::rate(rate))),
        span().child(format::count(figures.completion_tokens, "token")),
        span().child(format::duration(figures.total_ms())),
        button()
            .class("quiet copy")
            .attr("type", "button")
            .on(ev::click, copy)
            .child((
                move || {
                    icon(if copied.get() {
                        icons::DONE
                    } else {
                        icons::COPY
                    })
                },
                span()
                    .class("copy-name")
                    .child(move || if copied.get() { "Copied" } else { "Copy" }),
            )),
    )
}
