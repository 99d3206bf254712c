//! Asking, stopping, and starting over.

use std::sync::atomic::{AtomicU32, Ordering};

use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::{
    Event, FinishReason, Message, ModelState, Part, Request, Role, Sampling, Stage,
};
use wasm_bindgen::JsValue;

use super::{keeping, models, pictures, set_draft};
use crate::client::Client;
use crate::state::{App, Aside, Picture, Reading, Turn, TurnStatus};

/// Longest answer, in tokens.
const MAX_TOKENS: u32 = 1024;

/// A number that no other turn of this page has.
pub(super) fn next_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Sends what is in the composer. Without a ready model the question waits for it.
pub fn ask(app: App, client: &Client) {
    let question = app.draft.with_untracked(|draft| draft.trim().to_owned());
    let pictures = app.pictures.get_untracked();
    if app.answering.get_untracked().is_some() || (question.is_empty() && pictures.is_empty()) {
        return;
    }
    let blind = app
        .model
        .with_untracked(|model| model.as_ref().is_some_and(|model| !model.vision));
    if blind && !pictures.is_empty() {
        let remedy =
            "Remove the picture, or add the model again together with its picture file (mmproj).";
        return app.fail("This model cannot look at pictures.", remedy);
    }
    app.keeper.get_value().turn_page();
    app.problem.set(None);
    app.set_aside.set(None);
    set_draft(app, "");
    app.pictures.set(Vec::new());
    let id = next_id();
    let turn = Turn {
        id,
        question,
        asked_ms: js_sys::Date::now() as u64,
        pictures,
        answer: RwSignal::new(String::new()),
        thought: RwSignal::new(String::new()),
        status: RwSignal::new(TurnStatus::Waiting),
    };
    app.turns.update(|turns| turns.push(turn));
    app.answering.set(Some(id));
    match app.state.get_untracked() {
        ModelState::Ready => begin_waiting(app, client),
        ModelState::Absent | ModelState::Error if app.work.with_untracked(Option::is_none) => {
            models::begin(app, client);
        }
        _ => {}
    }
}

/// Answers the question that waited for the model, if there is one.
pub fn begin_waiting(app: App, client: &Client) {
    let waiting = app.answering.get_untracked().and_then(|id| app.turn(id));
    let Some(turn) = waiting.filter(|turn| turn.status.get_untracked() == TurnStatus::Waiting)
    else {
        return;
    };
    turn.status.set(TurnStatus::Reading(None));
    let client = client.clone();
    spawn_local(async move {
        // The question is on the disk before its answer begins.
        keeping::stored(app).await;
        if app.answering.get_untracked() == Some(turn.id) {
            answer(app, &client, &turn).await;
        }
    });
}

async fn answer(app: App, client: &Client, turn: &Turn) {
    let (messages, attachments, shown) = app.turns.with_untracked(|turns| conversation(turns));
    let sampling = Sampling::default();
    let mut answers = client.call(
        Request::Generate {
            messages,
            max_tokens: MAX_TOKENS,
            sampling,
        },
        &attachments,
    );
    let call = answers.id();
    app.answering_call.set(Some(call));
    while let Some(event) = answers.next().await {
        receive(app, turn, &shown, event);
    }
    // Another conversation may be answered by now.
    if app.answering_call.get_untracked() == Some(call) {
        app.answering_call.set(None);
    }
    if app.answering.get_untracked() == Some(turn.id) {
        app.answering.set(None);
    }
}

fn receive(app: App, turn: &Turn, shown: &[Picture], event: Event) {
    // A conversation that has left the page takes nothing more.
    if app.turn(turn.id).is_none() {
        return;
    }
    match event {
        Event::Progress {
            stage: stage @ (Stage::Picture | Stage::Reading),
            done,
            total,
            ..
        } => {
            turn.status
                .set(TurnStatus::Reading(Some(Reading { stage, done, total })));
        }
        Event::PictureEncoded { picture, features } => {
            if let Some(picture) = shown.get(picture as usize) {
                picture.features.set(pictures::next_id(), features);
                keeping::store_now(app);
            }
        }
        Event::Token { text, thought, .. } => {
            if turn.status.get_untracked() != TurnStatus::Writing {
                turn.status.set(TurnStatus::Writing);
            }
            let target = if thought { turn.thought } else { turn.answer };
            target.update(|written| written.push_str(&text));
        }
        Event::Restarted => {
            turn.answer.set(String::new());
            turn.thought.set(String::new());
        }
        Event::Finished {
            reason,
            text,
            figures,
        } => {
            // Leftover bytes of an incomplete character come only with the whole text.
            turn.answer.set(text);
            if reason == FinishReason::Cancelled && figures.completion_tokens == 0 {
                return take_back(app, turn);
            }
            turn.status.set(TurnStatus::Ended(reason, figures));
        }
        Event::Cancelled | Event::InUse => give_up(app, turn),
        Event::Failed { message, remedy } => {
            app.fail(message, remedy);
            give_up(app, turn);
        }
        _ => {}
    }
}

/// Keeps what was written; a question without any answer goes back to the composer.
fn give_up(app: App, turn: &Turn) {
    turn.status.set(TurnStatus::Failed);
    if turn.answer.with_untracked(String::is_empty) {
        take_back(app, turn);
    }
}

/// Moves a question back to the composer, unless something else was typed there since.
fn take_back(app: App, turn: &Turn) {
    turn.status.set(TurnStatus::Failed);
    let free = app.draft.with_untracked(|draft| draft.trim().is_empty())
        && app.pictures.with_untracked(Vec::is_empty);
    if free {
        set_draft(app, &turn.question);
        app.pictures.set(turn.pictures.clone());
        app.turns
            .update(|turns| turns.retain(|other| other.id != turn.id));
    }
}

/// Stops the answer that is being written, or takes back the question that waits.
pub fn stop(app: App, client: &Client) {
    if let Some(call) = app.answering_call.get_untracked() {
        return client.cancel(call);
    }
    let not_begun = |turn: &Turn| {
        matches!(
            turn.status.get_untracked(),
            TurnStatus::Waiting | TurnStatus::Reading(None)
        )
    };
    take_back_if(app, not_begun);
}

/// Moves the question that waits for the model back to the composer.
pub fn take_back_waiting(app: App) {
    take_back_if(app, |turn| {
        turn.status.get_untracked() == TurnStatus::Waiting
    });
}

fn take_back_if(app: App, condition: impl Fn(&Turn) -> bool) {
    let waiting = app.answering.get_untracked().and_then(|id| app.turn(id));
    if let Some(turn) = waiting.filter(condition) {
        take_back(app, &turn);
        app.answering.set(None);
    }
}

/// Moves a last question that has no answer at all back to the composer.
pub(super) fn take_back_unanswered(app: App) {
    let last = app.turns.with_untracked(|turns| turns.last().cloned());
    let unanswered = |turn: &Turn| {
        turn.status.get_untracked() == TurnStatus::Failed
            && turn.answer.with_untracked(String::is_empty)
            && turn.thought.with_untracked(String::is_empty)
    };
    if let Some(turn) = last.filter(unanswered) {
        take_back(app, &turn);
    }
}

/// Puts the conversation aside and begins another. What is being typed goes along.
pub fn new_conversation(app: App, client: &Client) {
    stop(app, client);
    // The words that it has are all that come.
    if let Some(turn) = app.answering.get_untracked().and_then(|id| app.turn(id)) {
        turn.status.set(TurnStatus::Failed);
    }
    app.answering.set(None);
    app.keeper.get_value().turn_page();
    let turns = app.turns.get_untracked();
    if !turns.is_empty() {
        let leaving = keeping::snapshot(app, false);
        let current = app.current.get_untracked();
        app.current.set(None);
        app.set_aside.set(Some(Aside { turns, current }));
        app.turns.set(Vec::new());
        spawn_local(keeping::leave(app, leaving));
    }
    app.problem.set(None);
}

/// Takes up the conversation that was put aside.
pub fn bring_back(app: App) {
    let Some(Aside { turns, current }) = app.set_aside.get_untracked() else {
        return;
    };
    app.set_aside.set(None);
    app.keeper.get_value().turn_page();
    // What has been typed since is stored with this conversation, no longer by itself.
    let typed = app.current.get_untracked();
    app.current.set(current);
    app.turns.set(turns);
    let together = keeping::snapshot(app, true);
    spawn_local(keeping::take_in(app, together, typed));
}

/// The conversation as messages, its attachments, and its pictures in order. A question whose answer is missing is left out, since turns alternate.
fn conversation(turns: &[Turn]) -> (Vec<Message>, Array, Vec<Picture>) {
    let mut messages = Vec::new();
    let attachments = Array::new();
    let attach = |object: &JsValue| attachments.push(object) - 1;
    let mut shown = Vec::new();
    let last = turns.len().saturating_sub(1);
    for (index, turn) in turns.iter().enumerate() {
        let answer = turn.answer.get_untracked();
        if index != last && answer.is_empty() {
            continue;
        }
        let mut parts = Vec::new();
        for picture in &turn.pictures {
            let features = picture.features.get();
            parts.push(Part::Image {
                attachment: attach(&picture.blob),
                features: features.map(|known| attach(&Uint8Array::from(known.bytes.as_slice()))),
            });
            shown.push(picture.clone());
        }
        if !turn.question.is_empty() {
            parts.push(Part::Text {
                text: turn.question.clone(),
            });
        }
        messages.push(Message {
            role: Role::User,
            parts,
        });
        if index != last {
            messages.push(Message {
                role: Role::Assistant,
                parts: vec![Part::Text { text: answer }],
            });
        }
    }
    (messages, attachments, shown)
}
