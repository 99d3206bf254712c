//! The dialog over a page whose conversations are locked, or cannot be read. Nothing of them is on the page meanwhile.

use leptos::ev;
use leptos::html::{Dialog, button, details, dialog as dialog_element, div, form, h2, p, summary};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::SharedClient;
use super::forms::{Field, Trouble, submit, trouble, twice};
use crate::actions;
use crate::state::{App, Keeping, Refusal};

/// The dialog. It opens and closes with the vault.
pub fn dialog(app: App, client: SharedClient) -> impl IntoView {
    let node = NodeRef::<Dialog>::new();
    let is_shut = move || matches!(app.keeping.get(), Keeping::Locked | Keeping::Refused(_));
    let shut = Memo::new(move |_| is_shut());
    Effect::new(move |_| {
        let (Some(dialog), shut) = (node.get(), shut.get()) else {
            return;
        };
        match (shut, dialog.open()) {
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    // Browsers have ways to close a dialog that cannot be stopped, such as going back on a phone.
    let again = move |_| {
        if let Some(dialog) = node.get_untracked()
            && matches!(
                app.keeping.get_untracked(),
                Keeping::Locked | Keeping::Refused(_)
            )
        {
            let _ = dialog.show_modal();
        }
    };
    let content = move || match app.keeping.get() {
        Keeping::Locked => Some(locked(app, client).into_any()),
        Keeping::Refused(refusal) => Some(refused(app, client, refusal).into_any()),
        _ => None,
    };
    dialog_element()
        .class("dialog dialog-locked")
        .node_ref(node)
        .attr("aria-labelledby", "locked-title")
        .attr("data-testid", "locked")
        .on(ev::Custom::<web_sys::Event>::new("cancel"), |event| {
            event.prevent_default();
        })
        .on(ev::keydown, |event| {
            if event.key() == "Escape" {
                event.prevent_default();
            }
        })
        .on(ev::close, again)
        .child(content)
}

fn locked(app: App, client: SharedClient) -> impl IntoView {
    let field = Field::named("Passphrase");
    let busy = RwSignal::new(false);
    let wrong = RwSignal::new(Trouble::None);
    let open = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        let passphrase = field.take();
        busy.set(true);
        wrong.set(None);
        spawn_local(async move {
            let opened = actions::unlock(app, &passphrase).await;
            if let Err(why) = opened {
                busy.set(false);
                wrong.set(Some(why));
                field.focus();
            }
        });
    };
    let unsaved = move || {
        app.unsaved.get().then(|| {
            p().class("error-what")
                .attr("data-testid", "unsaved")
                .child("The last changes could not be stored yet. They are kept until this page is closed, and stored when you open it.")
        })
    };
    (
        h2().attr("id", "locked-title").child("Locked"),
        p().child("Your conversations are encrypted on this device."),
        unsaved,
        form().class("form").on(ev::submit, open).child((
            field.view(),
            trouble(wrong),
            submit("Open", busy),
        )),
        details().class("forgotten").child((
            summary().child("Forgotten?"),
            p().child("Nobody can read them without it. You can wipe them and begin again; a backup can be restored then."),
            wipe(app, client, wrong),
        )),
    )
}

fn refused(app: App, client: SharedClient, refusal: Refusal) -> impl IntoView {
    let wrong = RwSignal::new(Trouble::None);
    let older = refusal.older.then(|| {
        button()
            .class("wide")
            .attr("type", "button")
            .on(ev::click, move |_| actions::open_older(app))
            .child("Open the older copy")
    });
    (
        h2().attr("id", "locked-title")
            .child("The conversations do not open"),
        div()
            .class("error")
            .attr("role", "alert")
            .attr("data-testid", "refused")
            .child(div().child((
                p().class("error-what").child(refusal.message),
                p().child(refusal.remedy),
            ))),
        older,
        button()
            .class("wide")
            .attr("type", "button")
            .on(ev::click, move |_| actions::go_without(app))
            .child("Go on without them"),
        trouble(wrong),
        wipe(app, client, wrong),
    )
}

fn wipe(app: App, client: SharedClient, wrong: RwSignal<Trouble>) -> impl IntoView {
    twice(
        "Wipe everything",
        "Wipe all conversations now",
        Some("wipe"),
        move || {
            let client = client.get_value();
            spawn_local(async move {
                if let Err(why) = actions::wipe(app, &client).await {
                    wrong.set(Some(why));
                }
            });
        },
    )
}
