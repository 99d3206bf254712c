//! The dialog about who can read the conversations: passphrase, lock, backup, wipe. One of them is open at a time.

use leptos::ev;
use leptos::html::{
    Dialog, button, dialog as dialog_element, div, form, h3, input, label, option, p, section,
    select, span,
};
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::SubmitEvent;

use super::forms::{self, Field, Trouble, submit, trouble, twice};
use super::{SharedClient, close_dialog, dialog_head};
use crate::actions::{self, LOCK_CHOICES_MIN};
use crate::state::{App, Keeping};

/// What a form of the dialog is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Passphrase,
    Save,
    Restore,
}

/// What the dialog shows.
#[derive(Clone, Copy)]
struct View {
    app: App,
    client: SharedClient,
    open: RwSignal<Option<Form>>,
    busy: RwSignal<bool>,
    wrong: RwSignal<Trouble>,
    done: RwSignal<String>,
}

impl View {
    /// Shows a form, or none.
    fn show(self, form: Option<Form>) {
        self.wrong.set(None);
        self.done.set(String::new());
        self.open.set(form);
    }

    /// Follows something that takes a while to its end.
    fn run(self, work: impl Future<Output = Result<String, (String, String)>> + 'static) {
        self.wrong.set(None);
        self.done.set(String::new());
        self.busy.set(true);
        spawn_local(async move {
            let outcome = work.await;
            self.busy.set(false);
            match outcome {
                Ok(said) => {
                    self.open.set(None);
                    self.done.set(said);
                }
                Err(why) => self.wrong.set(Some(why)),
            }
        });
    }

    /// A button that shows a form.
    fn opener(self, form: Form, name: impl Fn() -> &'static str + Send + 'static) -> impl IntoView {
        button()
            .class("link")
            .attr("type", "button")
            .on(ev::click, move |_| self.show(Some(form)))
            .child(name)
    }
}

/// The dialog, closed.
pub fn dialog(app: App, client: SharedClient, node: NodeRef<Dialog>) -> impl IntoView {
    let view = View {
        app,
        client,
        open: RwSignal::new(None),
        busy: RwSignal::new(false),
        wrong: RwSignal::new(None),
        done: RwSignal::new(String::new()),
    };
    Effect::new(move |_| {
        if matches!(app.keeping.get(), Keeping::Locked | Keeping::Refused(_)) {
            close_dialog(node);
        }
    });
    let content = move || match view.open.get() {
        None => overview(view, node).into_any(),
        Some(Form::Passphrase) => passphrase(view).into_any(),
        Some(Form::Save) => save(view).into_any(),
        Some(Form::Restore) => restore(view).into_any(),
    };
    dialog_element()
        .class("dialog")
        .node_ref(node)
        .attr("aria-labelledby", "privacy-title")
        .attr("data-testid", "privacy")
        .on(ev::close, move |_| view.show(None))
        .child((
            dialog_head("privacy-title", "Privacy and backup", node),
            p().class("done")
                .attr("role", "status")
                .attr("data-testid", "privacy-done")
                .child(move || view.done.get()),
            trouble(view.wrong),
            content,
        ))
}

fn overview(view: View, node: NodeRef<Dialog>) -> impl IntoView {
    let app = view.app;
    let kept = move || !matches!(app.keeping.get(), Keeping::Off(_));
    let protected = move || app.protected.get();
    let lock = move || {
        protected().then(|| {
            section().class("setting").child((
                h3().child("Lock"),
                p().class("fine")
                    .child("Also when the page has been in the background for a minute, unless an answer is being written. The model forgets what it has read. Of what was on the page, this tab's memory may hold remains until it is closed."),
                div().class("device-line").child((
                    lock_after(app),
                    button()
                        .class("link")
                        .attr("type", "button")
                        .on(ev::click, move |_| {
                            close_dialog(node);
                            view.client.with_value(|client| actions::lock(app, client));
                        })
                        .child("Lock now"),
                )),
            ))
        })
    };
    let wipe = move || {
        let client = view.client.get_value();
        view.run(async move {
            actions::wipe(app, &client).await?;
            Ok("All conversations are wiped.".to_owned())
        });
    };
    let check = move |_| view.run(actions::check(app));
    let storing = move || {
        kept().then(|| {
            (
                section().class("setting").child((
                    h3().child("Passphrase"),
                    p().class("fine").child(move || match protected() {
                        true => "Without it the conversations do not open; there is no way around it. Of what was stored before there was a passphrase, this browser's files may hold readable remains for a while.",
                        false => "There is none. Whoever opens this browser, or copies its files, can read the conversations.",
                    }),
                    view.opener(Form::Passphrase, move || match protected() {
                        true => "Change the passphrase",
                        false => "Set a passphrase",
                    }),
                )),
                lock,
                section().class("setting").child((
                    h3().child("Backup"),
                    p().class("fine")
                        .child("All conversations in one encrypted file, for another device or a bad day."),
                    div().class("device-line").child((
                        view.opener(Form::Save, || "Save a backup"),
                        view.opener(Form::Restore, || "Restore a backup"),
                        button()
                            .class("link")
                            .attr("type", "button")
                            .attr("data-testid", "check-conversations")
                            .attr("disabled", move || view.busy.get().then_some(""))
                            .on(ev::click, check)
                            .child("Check what is stored"),
                    )),
                )),
            )
        })
    };
    let off = move || match app.keeping.get() {
        Keeping::Off(why) => Some(p().child(why)),
        _ => None,
    };
    (
        off,
        storing,
        section().class("setting").child((
            h3().child("Wipe"),
            p().class("fine")
                .child("Removes all conversations and the passphrase, for good. Models and tables of codes stay: nothing in them is about a patient. They are removed under Models."),
            twice(
                "Wipe everything",
                "Wipe all conversations now",
                Some("wipe-all"),
                wipe,
            ),
        )),
    )
}

fn lock_after(app: App) -> impl IntoView {
    let named = |minutes| match minutes {
        0 => "never".to_owned(),
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    };
    let options = LOCK_CHOICES_MIN.map(|minutes| {
        option()
            .attr("value", minutes.to_string())
            .attr("selected", move || {
                (app.lock_after_min.get() == minutes).then_some("")
            })
            .child(named(minutes))
    });
    let changed = move |event| {
        if let Ok(minutes) = event_target_value(&event).parse() {
            actions::choose_lock_after(app, minutes);
        }
    };
    label().child((
        "When not used for ",
        select()
            .attr("data-testid", "lock-after")
            .on(ev::change, changed)
            .child(options.into_iter().collect::<Vec<_>>()),
    ))
}

fn passphrase(view: View) -> impl IntoView {
    let app = view.app;
    let protected = app.protected.get_untracked();
    let current = protected.then(|| Field::named("Current passphrase"));
    let (first, second) = (Field::named("New passphrase"), Field::named("Once more"));
    let set = move |event: SubmitEvent| {
        event.prevent_default();
        let current = current.map(Field::take);
        match forms::chosen(first, second) {
            Err(why) => view.wrong.set(Some(why)),
            Ok(chosen) => view.run(async move {
                actions::protect(app, current.as_ref(), &chosen).await?;
                Ok("The passphrase is set.".to_owned())
            }),
        }
    };
    form().class("form").on(ev::submit, set).child((
        p().child("Four words or more are easy to type and hard to guess. Nobody can bring it back if it is forgotten: write it down, and keep the paper elsewhere."),
        current.map(Field::view),
        first.view(),
        second.view(),
        submit("Set the passphrase", view.busy),
        back(view),
    ))
}

fn save(view: View) -> impl IntoView {
    let (first, second) = (
        Field::named("Passphrase of the backup"),
        Field::named("Once more"),
    );
    let save = move |event: SubmitEvent| {
        event.prevent_default();
        match forms::chosen(first, second) {
            Err(why) => view.wrong.set(Some(why)),
            Ok(chosen) => view.run(async move { actions::save(view.app, &chosen).await }),
        }
    };
    form().class("form").on(ev::submit, save).child((
        p().child("The file opens with this passphrase alone, on any device."),
        first.view(),
        second.view(),
        submit("Save a backup", view.busy),
        back(view),
    ))
}

fn restore(view: View) -> impl IntoView {
    let field = Field::named("Passphrase of the backup");
    let file = NodeRef::<leptos::html::Input>::new();
    let restore = move |event: SubmitEvent| {
        event.prevent_default();
        let chosen = file.get_untracked().and_then(|input| input.files()?.get(0));
        let Some(chosen) = chosen else {
            return view.wrong.set(Some((
                "No file is chosen.".to_owned(),
                "Choose the backup first.".to_owned(),
            )));
        };
        let passphrase = field.take();
        view.run(async move { actions::restore(view.app, &passphrase, chosen).await });
    };
    form().class("form").on(ev::submit, restore).child((
        p().child("What is here already and newer stays. What went on here in another way is there twice then."),
        label().class("passphrase").child((
            span().child("Backup file"),
            input()
                .node_ref(file)
                .attr("type", "file")
                .attr("data-testid", "backup-file"),
        )),
        field.view(),
        submit("Restore", view.busy),
        back(view),
    ))
}

fn back(view: View) -> impl IntoView {
    button()
        .class("link")
        .attr("type", "button")
        .attr("disabled", move || view.busy.get().then_some(""))
        .on(ev::click, move |_| view.show(None))
        .child("Back")
}
