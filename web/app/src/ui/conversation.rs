//! The conversation, or a welcome where there is none yet.

use gloo::events::EventListener;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::{SharedClient, turn, welcome};
use crate::state::App;

/// How far from its end the conversation may be scrolled and still follow the newest words, in pixels.
const FOLLOW_WITHIN_PX: i32 = 48;

/// Turns in order, the newest last.
pub fn conversation(app: App, client: SharedClient) -> impl IntoView {
    let empty = Memo::new(move |_| app.turns.with(Vec::is_empty));
    move || match empty.get() {
        true => welcome::welcome(app, client).into_any(),
        false => {
            let ids = move || {
                app.turns
                    .with(|turns| turns.iter().map(|turn| turn.id).collect::<Vec<_>>())
            };
            For(ForProps::builder()
                .each(ids)
                .key(|id| *id)
                .children(move |id| turn::turn(app, id))
                .build())
            .into_any()
        }
    }
}

/// Keeps the newest words in view, unless the person has scrolled away from them.
pub fn follow_newest(app: App) {
    let Some(area) = document()
        .get_element_by_id("conversation")
        .and_then(|area| area.dyn_into::<HtmlElement>().ok())
    else {
        return;
    };
    let follows = StoredValue::new(true);
    let scrolled = area.clone();
    EventListener::new(&area, "scroll", move |_| {
        let below = scrolled.scroll_height() - scrolled.scroll_top() - scrolled.client_height();
        follows.set_value(below <= FOLLOW_WITHIN_PX);
    })
    .forget();
    let area = StoredValue::new_local(area);
    // A new question is always worth seeing.
    Effect::new(move |_| {
        app.answering.track();
        follows.set_value(true);
    });
    Effect::new(move |_| {
        let newest = app.turns.with(|turns| {
            turns
                .last()
                .map(|turn| (turn.answer, turn.thought, turn.status))
        });
        if let Some((answer, thought, status)) = newest {
            answer.track();
            thought.track();
            status.track();
        }
        // After the views have changed the page.
        request_animation_frame(move || {
            if newest.is_some() && follows.get_value() {
                area.with_value(|area| area.set_scroll_top(area.scroll_height()));
            }
        });
    });
}
