//! Storing the conversation as it goes, and bringing it back.
//!
//! What is typed is stored within [`TYPED_MS`], an answer within [`WRITTEN_MS`] while it is being written, and everything at
//! once when an answer ends and when the page goes out of sight. A snapshot is taken at once and stored after those before
//! it, so that an older state never comes after a newer one.

use gloo::events::EventListener;
use js_sys::Reflect;
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_vault::{Cost, Error, Protection, RecordId, State};
use web_sys::{Url, VisibilityState};

use super::models::{keep, kept};
use super::stored::{read, shown, storable};
use super::{answering, locking, now_ms, set_draft};
use crate::client::Client;
use crate::keep::{Keeper, PageVault, Snapshot};
use crate::state::{App, Current, Keeping, Refusal, TurnStatus};

/// Longest that typed words wait.
const TYPED_MS: u32 = 400;
/// Longest that words of an answer wait.
const WRITTEN_MS: u32 = 900;
/// Where the browser keeps the vault's counter, apart from the vault, so that an older copy of it is noticed. Other windows
/// hear of each change.
const COUNTER: &str = "outpost.kept";

/// Stores from now on what changes, and reads what there is.
pub fn begin(app: App) {
    Effect::new(move |_| {
        app.draft.track();
        app.pictures.track();
        app.turns.track();
        store_within(app, TYPED_MS);
    });
    Effect::new(move |_| {
        let newest = app.turns.with(|turns| turns.last().cloned());
        if let Some(turn) = newest {
            turn.answer.track();
            turn.thought.track();
            match turn.status.get() {
                TurnStatus::Ended(..) | TurnStatus::Failed => store_now(app),
                _ => store_within(app, WRITTEN_MS),
            }
        }
    });
    EventListener::new(&document(), "visibilitychange", move |_| {
        if document().visibility_state() == VisibilityState::Hidden {
            store_now(app);
        }
    })
    .forget();
    EventListener::new(&window(), "pagehide", move |_| store_now(app)).forget();
    EventListener::new(&window(), "storage", move |event| {
        let key = Reflect::get(event, &"key".into()).ok();
        if key.and_then(|key| key.as_string()).as_deref() == Some(COUNTER) {
            look_again(app);
        }
    })
    .forget();
    spawn_local(open(app));
}

/// Finds out what is stored, and reads it if nothing keeps it shut.
pub async fn open(app: App) {
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else {
        let why = "This address has no encryption (HTTPS). Conversations are not stored.";
        return app.keeping.set(Keeping::Off(why));
    };
    vault.expect(counter());
    match vault.state().await {
        Ok(State::Absent) => {
            if counter() > 0 {
                app.fail(
                    "The conversations that were stored here are gone: the browser has cleared them.",
                    "Restore a backup if you have one (Conversations, Privacy and backup).",
                );
                keep(COUNTER, "0");
            }
            vault.expect(0);
            keeper.forget_all();
            app.unsaved.set(false);
            app.protected.set(false);
            app.keeping.set(Keeping::Open);
            store_now(app);
        }
        Ok(State::Present(Protection::None)) => match vault.unlock(None).await {
            Ok(()) => opened(app).await,
            Err(error) => refuse(app, &error),
        },
        Ok(State::Present(_)) => {
            app.protected.set(true);
            app.keeping.set(Keeping::Locked);
        }
        Ok(State::Keyless) => refuse(app, &Error::LostKey),
        Err(error) => refuse(app, &error),
    }
}

/// Shows what an unlocked vault holds.
pub async fn opened(app: App) {
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else { return };
    let page = keeper.turn_page();
    refresh(app);
    // What could not be stored earlier comes first: what is read below may be the same conversation.
    store(app, None).await;
    // What was asked while it was opened stays.
    if app.turns.with_untracked(Vec::is_empty)
        && let Ok(Some(last)) = vault.last_open()
    {
        load(app, last, true, page).await;
    }
    // Unless it was locked or wiped meanwhile.
    if vault.is_open() {
        app.keeping.set(Keeping::Open);
        refresh(app);
        store_now(app);
    }
}

/// Says why the conversations cannot be read.
pub fn refuse(app: App, error: &Error) {
    let (message, remedy) = said(error);
    if *error == Error::NoStorage {
        let why = "This browser window does not store anything. Conversations are gone when it is closed.";
        return app.keeping.set(Keeping::Off(why));
    }
    app.keeping.set(Keeping::Refused(Refusal {
        message,
        remedy,
        older: matches!(error, Error::Replayed { .. }),
    }));
}

/// What happened, and what to do, as sentences. What another window has done to the keys shuts the page.
pub fn explain(app: App, error: &Error) -> (String, String) {
    match error {
        Error::Wiped => locking::shut(app, true),
        Error::ProtectionChanged => locking::shut(app, false),
        // Something that did not say so has locked it.
        Error::Locked if app.keeping.get_untracked() == Keeping::Open => locking::shut(app, false),
        _ => {}
    }
    said(error)
}

/// Says on the page what went wrong with the vault.
fn fail(app: App, what: &str, error: &Error) {
    let (message, remedy) = explain(app, error);
    // A page that is shut says why by itself.
    let is_said = matches!(error, Error::Locked | Error::ProtectionChanged);
    if !is_said {
        app.fail(format!("{what}{message}"), remedy);
    }
}

/// An error's text as sentences.
pub fn said(error: &Error) -> (String, String) {
    let text = error.to_string();
    let (what, remedy) = text
        .rsplit_once("; ")
        .unwrap_or((&text, "load the page again"));
    let sentence = |text: &str| {
        let mut letters = text.chars();
        let first: String = letters
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .collect();
        format!("{first}{}.", letters.as_str())
    };
    (sentence(what), sentence(remedy))
}

/// Stores what is on the page in `delay_ms` at the latest.
fn store_within(app: App, delay_ms: u32) {
    if app.keeping.get_untracked() == Keeping::Open {
        let keeper = app.keeper.get_value();
        keeper.soon(now_ms(), delay_ms, move || store_now(app));
    }
}

/// Stores what is on the page.
pub fn store_now(app: App) {
    let snapshot = snapshot(app, true);
    spawn_local(async move {
        store(app, snapshot).await;
    });
}

/// Stores what is on the page, and returns once it is on the disk or cannot be -> whether it is.
pub async fn stored(app: App) -> bool {
    let snapshot = snapshot(app, true);
    store(app, snapshot).await
}

/// What is on the page, and its draft too or without it. `None` where there is nothing to store.
pub fn snapshot(app: App, with_draft: bool) -> Option<Snapshot> {
    if app.keeping.get_untracked() != Keeping::Open {
        return None;
    }
    let keeper = app.keeper.get_value();
    let vault = keeper.vault.as_ref()?;
    let current = app.current.get_untracked();
    let is_stored = current.is_some();
    let current = match current {
        Some(current) => current,
        None => Current {
            id: vault.new_id().ok()?,
            created_ms: js_sys::Date::now() as u64,
        },
    };
    let (conversation, pictures) = shown(app, &keeper, vault, current, with_draft);
    if (!is_stored && conversation.is_empty()) || keeper.is_last(current.id, &conversation) {
        return None;
    }
    app.current.set(Some(current));
    Some(Snapshot {
        current,
        conversation,
        pictures,
        of: keeper.of.get(),
    })
}

/// Writes a snapshot to the vault, after those that wait -> whether nothing waits any more.
pub async fn store(app: App, snapshot: Option<Snapshot>) -> bool {
    let keeper = app.keeper.get_value();
    if let Some(snapshot) = snapshot {
        keeper.put(snapshot);
    }
    let _alone = keeper.enter().await;
    store_waiting(app, &keeper).await
}

/// Writes what waits, for who is alone. What cannot be stored goes on waiting, also while the page is locked.
pub async fn store_waiting(app: App, keeper: &Keeper) -> bool {
    let Some(vault) = &keeper.vault else {
        return true;
    };
    while vault.is_open() || app.keeping.get_untracked() == Keeping::Open {
        let Some(snapshot) = keeper.take() else { break };
        let id = snapshot.current.id;
        let written = match write(app, keeper, vault, &snapshot).await {
            Err(Error::Conflict) => {
                let snapshot = keeper.take_of(id).unwrap_or(snapshot);
                set_apart(app, keeper, vault, snapshot)
            }
            Err(error) => {
                keeper.put_back(snapshot);
                Err(error)
            }
            written => written,
        };
        if let Err(error) = written {
            fail(app, "The conversation was not stored. ", &error);
            break;
        }
        refresh(app);
    }
    let unsaved = keeper.is_waiting();
    if app.unsaved.get_untracked() != unsaved {
        app.unsaved.set(unsaved);
    }
    !unsaved
}

async fn write(
    app: App,
    keeper: &Keeper,
    vault: &PageVault,
    snapshot: &Snapshot,
) -> Result<(), Error> {
    match snapshot.of {
        None if !vault.is_open() => ensure(vault).await?,
        // What it was in has been wiped, and this is another one.
        Some(of) if vault.identity()? != of => return Ok(()),
        _ => {}
    }
    let id = snapshot.current.id;
    let base = keeper.revision(id);
    if snapshot.conversation.is_empty() {
        if let Some(base) = base {
            match vault.delete_revision(&id, base).await {
                // What another window has made of it stays.
                Ok(()) | Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        keeper.forget_last();
        if !keeper.waits(id) {
            app.current.update(|current| {
                current.take_if(|current| current.id == id);
            });
            keeper.know_removed(Some(id));
        }
        return Ok(());
    }
    let (conversation, pictures) = storable(app, keeper, snapshot).await;
    let revision = vault.save(&id, base, &conversation, &pictures).await?;
    keeper.know_stored(id, revision, conversation.records().collect());
    keeper.remember(id, snapshot.conversation.clone());
    Ok(())
}

/// Another window has changed or removed the conversation that was to be stored: what this page has becomes one of its own.
fn set_apart(
    app: App,
    keeper: &Keeper,
    vault: &PageVault,
    mut snapshot: Snapshot,
) -> Result<(), Error> {
    let id = snapshot.current.id;
    if let Err(error) = snapshot.set_apart(vault) {
        keeper.put_back(snapshot);
        return Err(error);
    }
    let moved = Some(snapshot.current);
    let is_it = |current: Option<Current>| current.is_some_and(|current| current.id == id);
    if is_it(app.current.get_untracked()) {
        app.current.set(moved);
    }
    let aside = app.set_aside.get_untracked();
    if let Some(mut aside) = aside.filter(|aside| is_it(aside.current)) {
        aside.current = moved;
        app.set_aside.set(Some(aside));
    }
    keeper.put_back(snapshot);
    app.fail(
        "This conversation was changed in another window too.",
        "Both are kept: the other one is among the conversations.",
    );
    Ok(())
}

/// Opens the vault that there is, if it has no passphrase, or begins one.
pub async fn ensure(vault: &PageVault) -> Result<(), Error> {
    match vault.state().await? {
        State::Absent => match vault.create(&[], Cost::default()).await {
            // Another window was faster.
            Err(Error::Exists) => vault.unlock(None).await,
            created => created,
        },
        State::Present(Protection::None) => vault.unlock(None).await,
        State::Present(_) => Err(Error::ProtectionChanged),
        State::Keyless => Err(Error::LostKey),
    }
}

/// Brings what the page knows of the vault up to date, and keeps its counter.
pub fn refresh(app: App) {
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else { return };
    if let (Ok(list), Ok(protection), Ok(counter)) =
        (vault.list(), vault.protection(), vault.counter())
    {
        let shown = app.keeping.get_untracked() == Keeping::Open;
        if shown && app.earlier.with_untracked(|known| *known != list) {
            app.earlier.set(list);
        }
        keeper.of.set(vault.identity().ok());
        let protected = protection != Protection::None;
        if app.protected.get_untracked() != protected {
            app.protected.set(protected);
        }
        keep(COUNTER, &counter.to_string());
    }
}

/// Looks at what other windows have written, and whether they have wiped, locked or opened everything.
pub fn look_again(app: App) {
    let keeper = app.keeper.get_value();
    spawn_local(async move {
        let Some(vault) = &keeper.vault else { return };
        let _alone = keeper.enter().await;
        let found = match app.keeping.get_untracked() {
            _ if vault.is_open() => vault.refresh().await,
            Keeping::Open if vault.state().await == Ok(State::Absent) => return,
            Keeping::Open => ensure(vault).await,
            Keeping::Locked => match vault.state().await {
                Ok(State::Absent) => Err(Error::Wiped),
                Ok(State::Present(Protection::None)) => Err(Error::ProtectionChanged),
                _ => return,
            },
            _ => return,
        };
        match found {
            Ok(()) => refresh(app),
            Err(error) => fail(app, "", &error),
        }
    });
}

/// Forgets the counter, for a vault that is wiped or taken as it is.
pub fn forget_counter() {
    keep(COUNTER, "0");
}

/// The counter that the browser keeps.
pub fn counter() -> u64 {
    kept(COUNTER)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Puts a stored conversation on the page, unless a person has turned to something else since it was `page`. `typed_first`
/// keeps what stands in the composer, after the stored draft.
pub async fn load(app: App, id: RecordId, typed_first: bool, page: u64) {
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else { return };
    let found = read(app, vault, id).await;
    if keeper.page() != page {
        return;
    }
    match found {
        Ok((revision, conversation, turns, draft)) => {
            if !typed_first {
                // What was typed while it was read.
                let leaving = snapshot(app, true);
                spawn_local(async move {
                    store(app, leaving).await;
                });
            }
            clear(app, !typed_first);
            if let Some(mut waiting) = keeper.take_of(id) {
                // What could not be stored of it so far is not lost.
                let _ = waiting.set_apart(vault);
                keeper.put(waiting);
            }
            let typed = app.draft.get_untracked();
            let is_typed = !typed.is_empty() || !app.pictures.with_untracked(Vec::is_empty);
            let text = match (conversation.draft.text.as_str(), typed.as_str()) {
                (stored, "") => stored.to_owned(),
                ("", typed) => typed.to_owned(),
                (stored, typed) => format!("{stored}\n{typed}"),
            };
            set_draft(app, &text);
            if !draft.is_empty() {
                app.pictures.update(|pictures| pictures.extend(draft));
            }
            let current = Current {
                id,
                created_ms: conversation.created_ms,
            };
            app.current.set(Some(current));
            keeper.know_stored(id, revision, conversation.records().collect());
            app.turns.set(turns);
            answering::take_back_unanswered(app);
            // Opening it changes nothing: another window may be at work on it.
            keeper.remember(
                id,
                match is_typed {
                    true => conversation,
                    false => shown(app, &keeper, vault, current, true).0,
                },
            );
        }
        Err(error) => fail(app, "", &error),
    }
}

/// Takes everything of a conversation off the page, and what is being typed too or not.
pub fn clear(app: App, with_draft: bool) {
    app.keeper.get_value().turn_page();
    app.answering.set(None);
    let aside = app.set_aside.try_update(Option::take).flatten();
    let turns = app.turns.try_update(std::mem::take).unwrap_or_default();
    for turn in turns
        .iter()
        .chain(aside.iter().flat_map(|aside| &aside.turns))
    {
        turn.answer.set(String::new());
        turn.thought.set(String::new());
        for picture in &turn.pictures {
            let _ = Url::revoke_object_url(&picture.url);
        }
    }
    if with_draft {
        for picture in app.pictures.try_update(std::mem::take).unwrap_or_default() {
            let _ = Url::revoke_object_url(&picture.url);
        }
        set_draft(app, "");
    }
    app.current.set(None);
}

/// Puts another stored conversation on the page.
pub fn open_earlier(app: App, client: &Client, id: RecordId) {
    if app
        .current
        .get_untracked()
        .is_some_and(|current| current.id == id)
    {
        return;
    }
    answering::stop(app, client);
    app.answering.set(None);
    app.problem.set(None);
    let page = app.keeper.get_value().turn_page();
    let leaving = snapshot(app, true);
    spawn_local(async move {
        store(app, leaving).await;
        load(app, id, false, page).await;
        remember_open(app, Some(id)).await;
    });
}

/// Removes a stored conversation, from the page too.
pub fn delete(app: App, client: &Client, id: RecordId) {
    let here = app
        .current
        .get_untracked()
        .is_some_and(|current| current.id == id);
    if here {
        answering::stop(app, client);
        app.answering.set(None);
        clear(app, true);
    }
    client.forget();
    app.set_aside.set(None);
    remove(app, Some(id));
}

/// Removes all stored conversations, from the page too. The passphrase stays.
pub fn delete_all(app: App, client: &Client) {
    answering::stop(app, client);
    app.answering.set(None);
    client.forget();
    clear(app, true);
    remove(app, None);
}

/// Stores a conversation that leaves the page for an empty one, which is then what a reload shows.
pub async fn leave(app: App, leaving: Option<Snapshot>) {
    store(app, leaving).await;
    remember_open(app, None).await;
}

/// Has a reload show this conversation, if it still is the one on the page.
async fn remember_open(app: App, id: Option<RecordId>) {
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else { return };
    let _alone = keeper.enter().await;
    let shown = app.current.get_untracked().map(|current| current.id);
    if vault.is_open() && shown == id {
        match vault.set_open(id).await {
            Ok(()) => refresh(app),
            Err(error) => fail(app, "", &error),
        }
    }
}

/// Stores a conversation that has taken in what was typed beside it, and only then removes the record of that.
pub async fn take_in(app: App, snapshot: Option<Snapshot>, typed: Option<Current>) {
    if store(app, snapshot).await
        && let Some(typed) = typed
    {
        remove(app, Some(typed.id));
    }
}

fn remove(app: App, id: Option<RecordId>) {
    spawn_local(async move {
        let keeper = app.keeper.get_value();
        let Some(vault) = &keeper.vault else { return };
        let _alone = keeper.enter().await;
        keeper.know_removed(id);
        let removed = match id {
            Some(id) => vault.delete(&id).await,
            None => vault.delete_all().await,
        };
        keeper.forget_last();
        if let Err(error) = removed {
            fail(app, "", &error);
        }
        refresh(app);
    });
}
