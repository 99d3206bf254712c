//! The dialog that lists earlier conversations.

use js_sys::{Date, Object, Reflect};
use leptos::ev;
use leptos::html::{Dialog, button, dialog as dialog_element, li, p, span, strong, ul};
use leptos::prelude::*;
use outpost_vault::Summary;
use wasm_bindgen::JsValue;

use super::forms::twice;
use super::icons::{self, icon};
use super::{SharedClient, close_dialog, dialog_head, show_dialog};
use crate::actions;
use crate::state::{App, Keeping};

/// Shows the dialog, with what other windows have stored.
pub fn open(app: App, node: NodeRef<Dialog>) {
    actions::store_now(app);
    actions::look_again(app);
    show_dialog(node);
}

/// The dialog, closed.
pub fn dialog(
    app: App,
    client: SharedClient,
    node: NodeRef<Dialog>,
    privacy: NodeRef<Dialog>,
) -> impl IntoView {
    let begin = move |_| {
        close_dialog(node);
        client.with_value(|client| actions::new_conversation(app, client));
    };
    let list = move || {
        let rows: Vec<_> = app
            .earlier
            .get()
            .into_iter()
            .map(|summary| row(app, client, node, summary))
            .collect();
        match rows.is_empty() {
            true => p().child("None yet.").into_any(),
            false => ul()
                .class("conversation-list")
                .attr("data-testid", "conversation-list")
                .child(rows)
                .into_any(),
        }
    };
    let delete_all = move || {
        (app.earlier.with(Vec::len) > 1).then(|| {
            twice("Delete all", "Delete all of them now", None, move || {
                client.with_value(|client| actions::delete_conversations(app, client));
            })
        })
    };
    let to_privacy = move |_| {
        close_dialog(node);
        show_dialog(privacy);
    };
    Effect::new(move |_| {
        if matches!(app.keeping.get(), Keeping::Locked | Keeping::Refused(_)) {
            close_dialog(node);
        }
    });
    dialog_element()
        .class("dialog")
        .node_ref(node)
        .attr("aria-labelledby", "conversations-title")
        .child((
            dialog_head("conversations-title", "Conversations", node),
            button()
                .class("wide")
                .attr("type", "button")
                .on(ev::click, begin)
                .child((icon(icons::NEW), "New conversation")),
            list,
            p().class("fine").child(move || protection(app)),
            p().class("device-line").child((
                button()
                    .class("link")
                    .attr("type", "button")
                    .on(ev::click, to_privacy)
                    .child("Privacy and backup"),
                delete_all,
            )),
        ))
}

/// Who can read them, in a line.
pub fn protection(app: App) -> &'static str {
    match (app.keeping.get(), app.protected.get()) {
        (Keeping::Off(why), _) => why,
        (_, true) => "On this device, encrypted under your passphrase.",
        (_, false) => {
            "On this device, without a passphrase: whoever opens this browser can read them."
        }
    }
}

fn row(app: App, client: SharedClient, node: NodeRef<Dialog>, summary: Summary) -> impl IntoView {
    let Summary {
        id,
        title,
        updated_ms,
    } = summary;
    let here = move || app.current.get().is_some_and(|current| current.id == id);
    let open = move |_| {
        close_dialog(node);
        client.with_value(|client| actions::open_earlier(app, client, id));
    };
    li().child((
        button()
            .class("conversation-open")
            .attr("type", "button")
            .attr("aria-current", move || here().then_some("true"))
            .on(ev::click, open)
            .child((
                strong().child(title),
                span()
                    .class("fine")
                    .child((when(updated_ms), move || here().then_some(", open"))),
            )),
        twice("Delete", "Delete now", None, move || {
            client.with_value(|client| actions::delete_conversation(app, client, id));
        }),
    ))
}

/// Day and time as they are written where the person is.
fn when(ms: u64) -> String {
    let options = Object::new();
    for (name, style) in [("dateStyle", "medium"), ("timeStyle", "short")] {
        // Without the style the browser writes the date in full.
        let _ = Reflect::set(&options, &name.into(), &style.into());
    }
    let date = Date::new(&JsValue::from_f64(ms as f64));
    String::from(date.to_locale_string("default", &options))
}
