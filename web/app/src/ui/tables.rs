//! The dialog about tables of codes: which ones there are, and how to bring one.

use leptos::ev;
use leptos::html::{
    Dialog, Input, Select, button, dialog as dialog_element, h3, input, label, li, option, p,
    progress, select, span, strong, ul,
};
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::{Stage, TableInfo, TableKind, TableStatus, format};
use web_sys::File;

use super::files::file_input;
use super::forms::{Trouble, trouble, twice};
use super::icons::{self, icon};
use super::{SharedClient, close_dialog, dialog_head, show_dialog};
use crate::actions;
use crate::state::App;

/// Names of files that may hold a table.
const TABLE_FILES: &str = ".rrf,.csv";

/// Opens the dialog.
pub fn open(client: SharedClient, node: NodeRef<Dialog>) {
    client.with_value(actions::list_tables);
    show_dialog(node);
}

/// The dialog, closed.
pub fn dialog(app: App, client: SharedClient, node: NodeRef<Dialog>) -> impl IntoView {
    let wrong: RwSignal<Trouble> = RwSignal::new(None);
    let done = RwSignal::new(String::new());
    let list = move || {
        let own = app.tables.get();
        let own = own.into_iter().map(|table| row(app, client, table));
        ul().class("table-list")
            .attr("data-testid", "tables")
            .child((
                li().child(
                    span().class("model-facts").child((
                        strong().child("ICD-10-CM"),
                        span()
                            .class("fine")
                            .child("Conditions. Comes with this page."),
                    )),
                ),
                own.collect::<Vec<_>>(),
            ))
    };
    dialog_element()
        .class("dialog")
        .node_ref(node)
        .attr("aria-labelledby", "tables-title")
        .attr("data-testid", "tables-dialog")
        .on(ev::close, move |_| {
            wrong.set(None);
            done.set(String::new());
        })
        .child((
            dialog_head("tables-title", "Tables of codes", node),
            p().class("fine").child(
                "Codes come from these tables and never from the model. They stay on this device.",
            ),
            list,
            p().class("done")
                .attr("role", "status")
                .attr("data-testid", "tables-done")
                .child(move || done.get()),
            trouble(wrong),
            move || working(app, client),
            h3().child("Add a table"),
            p().class("fine").child(
                "RxNorm has the codes of medications. The US National Library of Medicine gives it away (nlm.nih.gov/research/umls/rxnorm): the prescribable part to anyone, all of it to those with its free UMLS licence. Unpack it, and choose RXNCONSO.RRF and RXNREL.RRF together. The page Codes (docs/terminology.md) says more, also how to write a list of your own.",
            ),
            adding(app, client, wrong, done),
        ))
}

/// Which kind, which release, and the files.
fn adding(
    app: App,
    client: SharedClient,
    wrong: RwSignal<Trouble>,
    done: RwSignal<String>,
) -> impl IntoView {
    let kind = NodeRef::<Select>::new();
    let release = NodeRef::<Input>::new();
    let named = |kind| match kind {
        TableKind::RxNorm => "RxNorm (RXNCONSO.RRF)",
        TableKind::Conditions => "Own list of conditions (CSV)",
        TableKind::Medications => "Own list of medications (CSV)",
    };
    let options = TableKind::ALL.map(|kind| option().attr("value", kind.name()).child(named(kind)));
    let add = move |files: Vec<File>| {
        let chosen = kind.get_untracked().map(|kind| kind.value());
        let kind = chosen.and_then(|name| TableKind::named(&name));
        let typed = release.get_untracked().map(|release| release.value());
        let client = client.get_value();
        wrong.set(None);
        done.set(String::new());
        spawn_local(async move {
            let (kind, typed) = (kind.unwrap_or(TableKind::RxNorm), typed.unwrap_or_default());
            match actions::import_table(app, &client, files, kind, typed).await {
                Ok(said) => {
                    if let Some(release) = release.get_untracked() {
                        release.set_value("");
                    }
                    done.set(said);
                }
                Err(why) => wrong.set(Some(why)),
            }
        });
    };
    (
        label().class("passphrase").child((
            span().child("What it is"),
            select()
                .node_ref(kind)
                .attr("data-testid", "table-kind")
                .child(options.into_iter().collect::<Vec<_>>()),
        )),
        label().class("passphrase").child((
            span().child("Its release, if you know it"),
            input()
                .node_ref(release)
                .attr("type", "text")
                .attr("maxlength", "120")
                .attr("autocomplete", "off")
                .attr("data-testid", "table-release"),
        )),
        span().class("wide file-command").child((
            icon(icons::ADD_FILE),
            span().attr("aria-hidden", "true").child("Choose its files"),
            file_input(
                TABLE_FILES,
                "Choose the files of a table: RXNCONSO.RRF, or a list as CSV",
                Some("import-table"),
                add,
            ),
        )),
    )
}

/// How far the files are read.
fn working(app: App, client: SharedClient) -> Option<impl IntoView> {
    let is_reading = Memo::new(move |_| {
        let stage = app.work.with(|work| work.map(|work| work.stage));
        stage == Some(Stage::Table)
    });
    is_reading.get().then(|| {
        let work = move || {
            app.work
                .get()
                .map_or((0, 1), |work| (work.done, work.total))
        };
        let much = move || match work() {
            (done, total) if done < total => format::bytes_of(done, total),
            _ => "Making its index \u{2026}".to_owned(),
        };
        p().class("work")
            .attr("data-testid", "table-progress")
            .child((
                span().class("work-line").child((
                    span().class("work-what").child("Reading the table"),
                    span().class("work-figures").child(much),
                    button()
                        .class("link")
                        .attr("type", "button")
                        .attr("data-testid", "stop-table")
                        .on(ev::click, move |_| {
                            client.with_value(|client| actions::stop_work(app, client))
                        })
                        .child("Stop"),
                )),
                progress()
                    .attr("aria-label", "Reading the table")
                    .attr("max", move || work().1.max(1).to_string())
                    .attr("value", move || work().0.to_string()),
            ))
    })
}

fn row(app: App, client: SharedClient, table: TableInfo) -> impl IntoView {
    let facts = facts(&table);
    let id = StoredValue::new(table.id);
    let remove = move || {
        client.with_value(|client| id.with_value(|id| actions::remove_table(app, client, id)))
    };
    li().child((
        span().class("model-facts").child((
            strong().child(table.title),
            span().class("fine").child(facts),
            (table.status == TableStatus::Changed).then(|| {
                span().class("fine terms").child(
                    "Changed on this device after it was stored, and not used. Remove it and add it again.",
                )
            }),
        )),
        span().class("model-actions").child(twice(
            "Remove",
            "Remove it now",
            Some("remove-table"),
            remove,
        )),
    ))
}

/// What there is of a table.
fn facts(table: &TableInfo) -> String {
    let of = match table.kind {
        TableKind::Conditions => "Conditions",
        TableKind::RxNorm | TableKind::Medications => "Medications",
    };
    let release = match table.release.as_str() {
        "" => "release not named".to_owned(),
        release => format!("release {release}"),
    };
    let (codes, bytes) = (grouped(table.codes), format::bytes(table.bytes));
    format!("{of}, {release}: {codes} codes, {bytes}")
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

/// The way here from another dialog.
pub fn opener(client: SharedClient, from: NodeRef<Dialog>, node: NodeRef<Dialog>) -> impl IntoView {
    button()
        .class("link")
        .attr("type", "button")
        .attr("data-testid", "show-tables")
        .on(ev::click, move |_| {
            close_dialog(from);
            open(client, node);
        })
        .child("Tables of codes")
}
