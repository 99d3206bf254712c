//! What the dialogs about passphrases are made of: a field, a button that works, and what went wrong.

use leptos::ev;
use leptos::html::{Input, button, div, input, label, p, span};
use leptos::prelude::*;

use crate::actions::{Passphrase, SHORTEST_CHARS};

/// What went wrong, and what to do.
pub type Trouble = Option<(String, String)>;

/// A field for a passphrase.
#[derive(Clone, Copy)]
pub struct Field {
    name: &'static str,
    node: NodeRef<Input>,
}

impl Field {
    /// A field with this label.
    pub fn named(name: &'static str) -> Self {
        Self {
            name,
            node: NodeRef::new(),
        }
    }

    /// The label and its field.
    pub fn view(self) -> impl IntoView {
        label().class("passphrase").child((
            span().child(self.name),
            input()
                .node_ref(self.node)
                .attr("type", "password")
                // The browser's own list of passwords is open to whoever opens the browser.
                .attr("autocomplete", "off")
                .attr("autocapitalize", "none")
                .attr("spellcheck", "false"),
        ))
    }

    /// What was typed. The field is empty afterwards.
    pub fn take(self) -> Passphrase {
        let Some(field) = self.node.get_untracked() else {
            return Passphrase::typed("");
        };
        let typed = field.value();
        field.set_value("");
        Passphrase::typed(&typed)
    }

    /// Puts the cursor here.
    pub fn focus(self) {
        if let Some(field) = self.node.get_untracked() {
            let _ = field.focus();
        }
    }
}

/// A passphrase to be set, typed twice -> what is wrong with it.
pub fn chosen(first: Field, second: Field) -> Result<Passphrase, (String, String)> {
    let (first, second) = (first.take(), second.take());
    if first.words() != second.words() {
        return Err((
            "The two are not the same.".to_owned(),
            "Type both again.".to_owned(),
        ));
    }
    match first.is_long_enough() {
        true => Ok(first),
        false => Err((
            format!("That is shorter than {SHORTEST_CHARS} letters."),
            "Choose four words or more.".to_owned(),
        )),
    }
}

/// The button of a form. While it works it says so.
pub fn submit(name: &'static str, busy: RwSignal<bool>) -> impl IntoView {
    button()
        .class("wide")
        .attr("type", "submit")
        .attr("disabled", move || busy.get().then_some(""))
        .child(move || if busy.get() { "Working\u{2026}" } else { name })
}

/// A link that asks again before it does something that cannot be undone.
pub fn twice(
    name: &'static str,
    again: &'static str,
    test_id: Option<&'static str>,
    act: impl Fn() + 'static,
) -> impl IntoView {
    let asked = RwSignal::new(false);
    button()
        .class("link danger")
        .attr("type", "button")
        .attr("data-testid", test_id)
        .on(ev::blur, move |_| asked.set(false))
        .on(ev::click, move |_| match asked.get_untracked() {
            true => {
                asked.set(false);
                act();
            }
            false => asked.set(true),
        })
        .child(move || if asked.get() { again } else { name })
}

/// What went wrong, read out when it comes.
pub fn trouble(trouble: RwSignal<Trouble>) -> impl IntoView {
    div().attr("role", "alert").child(move || {
        trouble.get().map(|(what, remedy)| {
            div()
                .class("error")
                .attr("data-testid", "dialog-error")
                .child(div().child((p().class("error-what").child(what), p().child(remedy))))
        })
    })
}
