//! What the page shows, one file for each part of it.
//!
//! `index.html` has painted the page before this runs. Each part takes over its own element there; the text area stays
//! what it is, with everything that was typed, its focus and its undo history.

mod composer;
mod consultation;
mod conversation;
mod conversations;
mod evaluation;
mod files;
mod forms;
mod header;
mod icons;
mod locked;
mod models;
mod notices;
mod privacy;
mod speed;
mod tables;
mod terms;
mod tray;
mod turn;
mod welcome;

use leptos::ev;
use leptos::html::{Dialog, button, div, h2};
use leptos::mount::mount_to;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use self::icons::icon;
use crate::client::Client;
use crate::state::App;

/// Mounts every part into its element of the painted page. Needs a reactive owner.
pub fn mount(app: App, client: &Client) {
    let shared = StoredValue::new_local(client.clone());
    fill("slot-status", move || header::status(app));
    fill("slot-commands", move || header::commands(app, shared));
    fill("slot-notices", move || notices::notices(app, shared));
    fill("slot-conversation", move || {
        conversation::conversation(app, shared)
    });
    fill("slot-tray", move || tray::tray(app, shared));
    fill("slot-pictures", move || composer::pictures(app.pictures));
    fill("slot-attach", move || composer::attach_button(app));
    fill("slot-send", move || composer::primary_button(app, shared));
    composer::adopt_prompt(app, shared);
    composer::accept_dropped_files(app, shared);
    conversation::follow_newest(app);
    evaluation::adopt(app, shared);
}

/// Whether this is the page that `index.html` paints.
pub fn is_painted() -> bool {
    document().get_element_by_id("slot-conversation").is_some()
}

/// A handle to the Worker that event handlers can share.
type SharedClient = StoredValue<Client, LocalStorage>;

/// Shows a dialog over the page.
fn show_dialog(dialog: NodeRef<Dialog>) {
    if let Some(dialog) = dialog.get_untracked() {
        let _ = dialog.show_modal();
    }
}

/// A dialog's title and the button that closes it.
fn dialog_head(id: &'static str, title: &'static str, node: NodeRef<Dialog>) -> impl IntoView {
    div().class("dialog-head").child((
        h2().attr("id", id).child(title),
        button()
            .class("quiet")
            .attr("type", "button")
            .attr("aria-label", "Close")
            .on(ev::click, move |_| close_dialog(node))
            .child(icon(icons::CLOSE)),
    ))
}

fn close_dialog(dialog: NodeRef<Dialog>) {
    if let Some(dialog) = dialog.get_untracked() {
        dialog.close();
    }
}

/// Replaces what was painted in an element by a live view.
fn fill<V: IntoView + 'static>(id: &str, view: impl FnOnce() -> V + 'static) {
    let Some(element) = document().get_element_by_id(id) else {
        return;
    };
    element.set_text_content(None);
    mount_to(element.unchecked_into(), view).forget();
}
