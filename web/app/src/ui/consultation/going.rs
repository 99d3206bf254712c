//! The one button that begins a draft or stops it, and how far the draft is.

use leptos::html::progress;
use leptos::prelude::*;
use outpost_protocol::format;

use super::View;
use super::parts::{follows, group, icon, is, live, live_text, node, press, text};
use crate::actions;
use crate::client::Client;
use crate::state::App;
use crate::state::consulting::{Asked, Going, Step};
use crate::ui::icons;

/// A press this soon after the button has come to mean something else was meant for what it said before.
const DOUBLE_CLICK_MS: f64 = 400.0;

/// The button, and how far the draft is.
pub fn going(view: View) -> AnyView {
    group(
        "going",
        vec![progress_line(view), run_or_stop(view), another(view)],
    )
}

/// A button that asks for more about a consultation, or stops that. It stays the same element while it works, so that focus
/// stays on it.
pub struct Ask<C> {
    /// What is asked for.
    pub asked: Asked,
    /// What the button says.
    pub name: &'static str,
    /// Its `data-testid` before it is pressed.
    pub run: &'static str,
    /// And while it works.
    pub stop: &'static str,
    /// Whether it can be pressed.
    pub can: C,
    /// What it does.
    pub act: fn(App, &Client),
}

impl<C: Fn() -> bool + Send + 'static> Ask<C> {
    /// The button.
    pub fn button(self, view: View) -> AnyView {
        let (app, act) = (view.app, self.act);
        let going = app.consulting.going;
        let running = Memo::new(move |_| {
            going.with(|it| it.as_ref().is_some_and(|it| it.asked == self.asked))
        });
        let busy = Memo::new(move |_| going.with(Option::is_some));
        let act = move || {
            view.client
                .with_value(|client| match running.get_untracked() {
                    true => actions::stop_drafting(app, client),
                    false => act(app, client),
                });
        };
        let name = move || match running.get() {
            true => "Stop".to_owned(),
            false => self.name.to_owned(),
        };
        let attributes = vec![
            follows("data-testid", move || match running.get() {
                true => Some(self.stop),
                false => Some(self.run),
            }),
            follows("disabled", move || {
                (!running.get() && (busy.get() || !(self.can)())).then_some("")
            }),
        ];
        press("wide plain", attributes, act, vec![live_text(name)])
    }
}

/// How far a draft is, while one is being made.
pub fn progress_line(view: View) -> AnyView {
    let going = view.app.consulting.going;
    // The step alone is read out: its numbers change too often.
    let step = Memo::new(move |_| {
        let words = going.with(|going| going.as_ref().map(step_words));
        words.unwrap_or_default()
    });
    let tokens = move || {
        let words = going.with(|going| going.as_ref().map(token_words));
        words.unwrap_or_default()
    };
    let part = move || {
        let known = going.get().filter(|going| going.total > 0);
        known.map_or((0, 1), |going| (going.done.min(going.total), going.total))
    };
    let line = vec![
        node(
            "span",
            vec![is("role", "status"), is("data-testid", "consultation-step")],
            vec![live_text(move || step.get())],
        ),
        node(
            "span",
            vec![
                is("class", "work-figures"),
                is("data-testid", "consultation-tokens"),
            ],
            vec![live_text(tokens)],
        ),
    ];
    let bar = progress()
        .attr("aria-label", "The draft")
        .attr("max", move || part().1.to_string())
        .attr("value", move || part().0.to_string());
    let is_going = move || going.with(Option::is_some).then_some("");
    node(
        "div",
        vec![is("class", "work-in"), follows("data-going", is_going)],
        vec![
            node("p", vec![is("class", "work-line")], line),
            bar.into_any(),
        ],
    )
}

fn step_words(going: &Going) -> String {
    match going.step {
        Step::Waiting => "Waiting until the model is free".to_owned(),
        Step::Looking => "Looking at the pictures".to_owned(),
        Step::Reading => "Reading what was said".to_owned(),
        Step::Writing if going.draft == 1 => "Writing a draft".to_owned(),
        Step::Writing => format!("Writing draft {}", going.draft),
        Step::ReadingAgain => "Checking the draft".to_owned(),
        Step::Choosing => "Choosing among codes".to_owned(),
    }
}

fn token_words(going: &Going) -> String {
    let tokens = match going.step {
        Step::Waiting => return String::new(),
        Step::Looking => format!("{} of {} layers", going.done, going.total),
        Step::Reading | Step::ReadingAgain => format!("{} of {} tokens", going.done, going.total),
        Step::Writing | Step::Choosing => {
            format!("{} tokens, at most {}", going.done, going.total)
        }
    };
    format!("{tokens} \u{b7} {}", format::duration(going.elapsed_ms))
}

/// One button, which stays the same element, so that focus stays on it.
fn run_or_stop(view: View) -> AnyView {
    let (app, consulting) = (view.app, view.app.consulting);
    let running = Memo::new(move |_| consulting.call.get().is_some());
    let is_empty = Memo::new(move |_| consulting.transcript.with(|it| it.trim().is_empty()));
    let changed_ms = StoredValue::new(f64::MIN);
    Effect::new(move |_| {
        running.track();
        changed_ms.set_value(actions::now_ms());
    });
    let act = move || {
        if actions::now_ms() - changed_ms.get_value() < DOUBLE_CLICK_MS {
            return;
        }
        view.client
            .with_value(|client| match running.get_untracked() {
                true => actions::stop_drafting(app, client),
                false => actions::make_draft(app, client),
            });
    };
    let named = move |running_name: &'static str, name: &'static str| {
        move || Some(if running.get() { running_name } else { name })
    };
    let attributes = vec![
        follows(
            "data-testid",
            named("consultation-stop", "consultation-run"),
        ),
        is("aria-describedby", "consultation-not-ready"),
        follows("data-running", move || running.get().then_some("")),
        follows("disabled", move || {
            let cannot = is_empty.get() || !actions::can_draft(app);
            (!running.get() && cannot).then_some("")
        }),
    ];
    let sign = move || match running.get() {
        true => vec![icon(icons::STOP), text("Stop")],
        false => vec![text("Make a draft")],
    };
    press("wide", attributes, act, vec![live(sign)])
}

/// Back to a draft that is here already.
fn another(view: View) -> AnyView {
    let consulting = view.app.consulting;
    let is_drafted = Memo::new(move |_| consulting.outcome.with(Option::is_some));
    let back = move || {
        consulting.problem.set(None);
        consulting.is_outcome_shown.set(true);
    };
    let ways = move || match is_drafted.get() {
        true => vec![press(
            "link",
            vec![is("data-testid", "consultation-back")],
            back,
            vec![text("Back to the last draft")],
        )],
        false => vec![],
    };
    group("going-more", vec![live(ways)])
}
