//! What a person can do, and what follows from it. The only place that changes the page's state.

mod answering;
mod backups;
mod consulting;
mod evaluation;
mod evicted;
mod keeping;
mod locking;
mod models;
mod pictures;
mod reviewing;
mod speed;
mod stored;
mod tables;

pub use answering::{ask, bring_back, new_conversation, stop};
pub use backups::{check, restore, save};
pub use consulting::{
    add_pictures, can_draft, can_look, check_health, clear as clear_consultation, make_draft,
    make_findings, make_note, save_bundle, stop_drafting,
};
pub use evaluation::{choose_questions, compare_with, evaluate, save_log, stop_evaluating};
pub use keeping::{
    begin as begin_keeping, delete as delete_conversation, delete_all as delete_conversations,
    look_again, open_earlier, store_now, stored as all_stored,
};
pub use locking::{
    LOCK_CHOICES_MIN, Passphrase, SHORTEST_CHARS, choose_lock_after, go_without, lock, open_older,
    protect, unlock, watch, wipe,
};
pub use models::{
    accept_terms, begin, choose_device, delete_model, go_on, import, is_elsewhere, list_when_seen,
    observe, save_model, start, stop_work, take_over, use_model, verify_model,
};
pub use pictures::{ACCEPTED, Pictures, attach, detach};
pub use reviewing::change_fact;
pub use speed::{can_measure, check_fit, measure, stop_measuring};
pub use tables::{import_table, list_tables, remove_table};

use futures_channel::oneshot;
use gloo::timers::callback::Timeout;
use leptos::prelude::*;
use web_sys::HtmlTextAreaElement;

use crate::state::App;

/// Milliseconds since the page was opened.
pub fn now_ms() -> f64 {
    window()
        .performance()
        .map_or(0.0, |performance| performance.now())
}

/// Lets the browser do something else for a while, such as show what has changed.
async fn pause(ms: u32) {
    let (send, receive) = oneshot::channel();
    let timeout = Timeout::new(ms, move || {
        let _ = send.send(());
    });
    let _ = receive.await;
    drop(timeout);
}

/// The text area, which is part of the page itself.
pub fn prompt_area() -> Option<HtmlTextAreaElement> {
    use wasm_bindgen::JsCast;
    document().get_element_by_id("prompt")?.dyn_into().ok()
}

/// Puts words into the text area.
pub fn set_draft(app: App, text: &str) {
    if let Some(area) = prompt_area() {
        area.set_value(text);
    }
    app.draft.set(text.to_owned());
}
