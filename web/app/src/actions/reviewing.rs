//! What a person changes in a draft. The Worker makes the Bundle anew and validates it; the page makes none.

use std::sync::Arc;

use js_sys::Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::{ClinicRequest, Event, Request};
use serde_json::{Value, json};

use super::consulting::{fail, outcome};
use crate::client::Client;
use crate::state::App;
use crate::state::consulting::{Outcome, Review, To};

/// Lets something else become of a fact of the draft, by its place in it; `None`: what was drafted.
pub fn change_fact(app: App, client: &Client, place: &str, to: Option<To>) {
    let review = app.consulting.review;
    let before = review.get_untracked();
    if before.is_going {
        return;
    }
    let mut now = again(&before);
    match to {
        Some(to) => now.changes.insert(place.to_owned(), to),
        None => now.changes.remove(place),
    };
    carry_out(app, client, before, now);
}

/// Makes the Bundle anew after a note was written, which goes along.
pub fn take_note_along(app: App, client: &Client) {
    let before = app.consulting.review.get_untracked();
    let now = again(&before);
    carry_out(app, client, before, now);
}

/// The same changes, to be carried out.
fn again(review: &Review) -> Review {
    Review {
        changes: review.changes.clone(),
        is_going: true,
        outcome: None,
    }
}

/// Asks for the Bundle of what is left. If that fails, it stays as it was `before`.
fn carry_out(app: App, client: &Client, before: Review, now: Review) {
    let consulting = app.consulting;
    let Some(draft) = consulting.outcome.get_untracked() else {
        return;
    };
    let note = consulting.note.get_untracked();
    let note = note.map_or(Value::Null, |noted| noted.note.clone());
    if draft.result.way == "blocked" || (now.changes.is_empty() && note.is_null()) {
        return consulting.review.set(Review {
            is_going: false,
            ..now
        });
    }
    let changes: Vec<_> = now
        .changes
        .iter()
        .map(|(place, to)| sent(place, *to))
        .collect();
    let ask = ClinicRequest::Review {
        review: json!({
            "transcript": draft.transcript,
            "result": draft.draft,
            "note": note,
            "changes": changes,
        }),
    };
    consulting.review.set(now);
    let answers = client.call(Request::Clinic { ask }, &Array::new());
    spawn_local(async move {
        let event = answers.last().await;
        let is_shown = |it: &Arc<Outcome>| Arc::ptr_eq(it, &draft);
        if !consulting
            .outcome
            .get_untracked()
            .is_some_and(|it| is_shown(&it))
        {
            return;
        }
        match event {
            Event::Processed { result } => {
                let (transcript, patient) = (draft.transcript.clone(), draft.patient.clone());
                let reviewed = Arc::new(outcome(transcript, patient, result));
                consulting.review.update(|review| {
                    review.is_going = false;
                    review.outcome = Some(reviewed);
                });
            }
            event => {
                consulting.review.set(before);
                if let Event::Failed { message, remedy } = event {
                    fail(app, message, remedy);
                }
            }
        }
    });
}

fn sent(place: &str, to: To) -> Value {
    match to {
        To::LeaveOut => json!({"place": place, "change": "leave-out"}),
        To::TakeCode(candidate) => {
            json!({"place": place, "change": "take-code", "candidate": candidate})
        }
        To::NoCode => json!({"place": place, "change": "no-code"}),
    }
}
