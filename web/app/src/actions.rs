//! What a person can do, and what follows from it. The only place that changes the page's state.

mod answering;
mod models;
mod pictures;
mod speed;

pub use answering::{ask, bring_back, new_conversation, stop};
pub use models::{
    begin, choose_device, delete_model, go_on, import, observe, start, stop_work, take_over,
    use_model, verify_model,
};
pub use pictures::{ACCEPTED, attach, detach};
pub use speed::{can_measure, measure, stop_measuring};

use leptos::prelude::*;
use web_sys::HtmlTextAreaElement;

use crate::state::App;

/// Milliseconds since the page was opened.
pub fn now_ms() -> f64 {
    window()
        .performance()
        .map_or(0.0, |performance| performance.now())
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
