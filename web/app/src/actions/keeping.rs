//! Storing the conversation as it goes, and bringing it back.
//!
//! What is typed is stored within [`TYPED_MS`], an answer within [`WRITTEN_MS`] while it is being written, and everything at
//! once when an answer ends and when the page goes out of sight. A snapshot is taken at once and stored after those before
//! it, so that an older state never comes after a newer one.

use gloo::events::EventListener;
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_vault::{
    Conversation, Cost, Draft, Error, Picture as Stored, PictureRef, RecordId, State,
};
use web_sys::{Blob, Url, VisibilityState};

use super::models::{keep, kept};
use super::stored::{read, to_vault};
use super::{answering, locking, now_ms, set_draft};
use crate::client::Client;
use crate::keep;
use crate::state::{App, Current, Keeping, Picture, Refusal, TurnStatus};

/// Longest that typed words wait.
const TYPED_MS: u32 = 400;
/// Longest that words of an answer wait.
const WRITTEN_MS: u32 = 900;
/// Where the browser keeps the vault's counter, apart from the vault, so that an older copy of it is noticed.
const COUNTER: &str = "outpost.kept";

/// What is on the page at one moment, on its way to the vault.
pub struct Snapshot {
    current: Current,
    conversation: Conversation,
    /// Its pictures, each with its record.
    pictures: Vec<(RecordId, Blob)>,
}

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
            app.keeping.set(Keeping::Open);
            store_now(app);
        }
        Ok(State::Present(outpost_vault::Protection::None)) => match vault.unlock(None).await {
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
    app.keeping.set(Keeping::Open);
    refresh(app);
    // What was asked or typed while it was opened comes first.
    if app.turns.with_untracked(Vec::is_empty)
        && let Ok(Some(last)) = vault.last_open()
    {
        load(app, last, true).await;
    }
    store_now(app);
}

/// Says why the conversations cannot be read.
pub fn refuse(app: App, error: &Error) {
    let (message, remedy) = said(error);
    if matches!(error, Error::Storage { .. }) {
        let why = "This browser window does not store anything. Conversations are gone when it is closed.";
        return app.keeping.set(Keeping::Off(why));
    }
    app.keeping.set(Keeping::Refused(Refusal {
        message,
        remedy,
        older: matches!(error, Error::Replayed { .. }),
    }));
}

/// What happened, and what to do, as sentences.
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
    spawn_local(async move { store(app, snapshot).await });
}

/// Stores what is on the page, and returns once it is on the disk or cannot be.
pub async fn stored(app: App) {
    let snapshot = snapshot(app, true);
    store(app, snapshot).await;
}

/// What is on the page, and its draft too or without it. `None` where there is nothing to store.
pub fn snapshot(app: App, with_draft: bool) -> Option<Snapshot> {
    if app.keeping.get_untracked() != Keeping::Open {
        return None;
    }
    let keeper = app.keeper.get_value();
    let vault = keeper.vault.as_ref()?;
    let now = js_sys::Date::now() as u64;
    let current = app.current.get_untracked();
    let is_stored = current.is_some();
    let current = match current {
        Some(current) => current,
        None => Current {
            id: vault.new_id().ok()?,
            created_ms: now,
        },
    };
    let mut shown: Vec<(RecordId, Blob)> = Vec::new();
    let mut reference = |picture: &Picture| {
        // The same in every snapshot, whether the one before has been written by then or not.
        let record = match keeper.picture(current.id, picture.id) {
            Some(record) => record,
            None => {
                let record = vault.new_id().ok()?;
                keeper.know_picture(current.id, picture.id, record);
                record
            }
        };
        shown.push((record, picture.blob.clone()));
        Some(PictureRef {
            id: record,
            name: picture.name.clone(),
        })
    };
    let mut conversation = Conversation {
        created_ms: current.created_ms,
        updated_ms: now,
        turns: Vec::new(),
        draft: Draft::default(),
    };
    for turn in app.turns.get_untracked() {
        let pictures = turn.pictures.iter().filter_map(&mut reference).collect();
        conversation.turns.extend(to_vault(&turn, pictures));
    }
    if with_draft {
        let pictures = app.pictures.get_untracked();
        conversation.draft = Draft {
            text: app.draft.get_untracked(),
            pictures: pictures.iter().filter_map(&mut reference).collect(),
        };
    }
    if (!is_stored && conversation.is_empty()) || keeper.is_last(current.id, &conversation) {
        return None;
    }
    app.current.set(Some(current));
    Some(Snapshot {
        current,
        conversation,
        pictures: shown,
    })
}

/// Writes a snapshot to the vault, after those that were taken before.
pub async fn store(app: App, snapshot: Option<Snapshot>) {
    let Some(snapshot) = snapshot else { return };
    let keeper = app.keeper.get_value();
    let _alone = keeper.enter().await;
    match write(app, &keeper, snapshot).await {
        Ok(()) => refresh(app),
        // Whoever locked it has stored what there was.
        Err(Error::Locked) => {}
        Err(Error::ProtectionChanged) => locking::shut(app),
        Err(error) => {
            let (message, remedy) = said(&error);
            app.fail(
                format!("The conversation was not stored. {message}"),
                remedy,
            );
        }
    }
}

async fn write(app: App, keeper: &keep::Keeper, snapshot: Snapshot) -> Result<(), Error> {
    let Some(vault) = &keeper.vault else {
        return Ok(());
    };
    if !vault.is_open() {
        ensure(app, vault).await?;
    }
    let id = snapshot.current.id;
    if snapshot.conversation.is_empty() {
        vault.delete(&id).await?;
        app.current.update(|current| {
            current.take_if(|current| current.id == id);
        });
        keeper.forget_last();
        return Ok(());
    }
    let mut saved = save(keeper, vault, &snapshot).await;
    if let Err(Error::Missing { .. }) = saved {
        // Another window has removed the conversation that this one still shows: then it is stored again, as a whole.
        keeper.know_stored(id, Vec::new());
        saved = save(keeper, vault, &snapshot).await;
    }
    saved?;
    let records = snapshot.pictures.into_iter().map(|(record, _)| record);
    keeper.know_stored(id, records.collect());
    keeper.remember(id, snapshot.conversation);
    Ok(())
}

/// Saves a snapshot with those of its pictures that are not stored yet.
async fn save(
    keeper: &keep::Keeper,
    vault: &keep::PageVault,
    snapshot: &Snapshot,
) -> Result<(), Error> {
    let id = snapshot.current.id;
    let mut pictures: Vec<(RecordId, Stored)> = Vec::new();
    for (record, blob) in &snapshot.pictures {
        let known = pictures.iter().any(|(known, _)| known == record);
        if !known && !keeper.has_stored(id, *record) {
            let picture = Stored {
                media_type: blob.type_(),
                bytes: keep::bytes(blob).await?,
            };
            pictures.push((*record, picture));
        }
    }
    vault.save(&id, &snapshot.conversation, &pictures).await
}

/// Begins a vault without a passphrase where there is none.
pub async fn ensure(app: App, vault: &keep::PageVault) -> Result<(), Error> {
    match vault.state().await? {
        // One that was wiped or locked elsewhere is not begun again from here.
        State::Absent if app.keeping.get_untracked() == Keeping::Open => {
            vault.create(&[], Cost::default()).await
        }
        _ => Err(Error::Locked),
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
        let protected = protection != outpost_vault::Protection::None;
        if app.protected.get_untracked() != protected {
            app.protected.set(protected);
        }
        keep(COUNTER, &counter.to_string());
    }
}

/// The list, with what other windows have written.
pub fn look_again(app: App) {
    let keeper = app.keeper.get_value();
    spawn_local(async move {
        if let Some(vault) = keeper.vault.as_ref().filter(|vault| vault.is_open()) {
            match vault.refresh().await {
                Err(Error::ProtectionChanged) => locking::shut(app),
                _ => refresh(app),
            }
        }
    });
}

/// Forgets the counter, for a vault that is wiped or taken as it is.
pub fn forget_counter() {
    keep(COUNTER, "0");
}

fn counter() -> u64 {
    kept(COUNTER)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Puts a stored conversation on the page. `typed_first` keeps what stands in the composer, after the stored draft.
pub async fn load(app: App, id: RecordId, typed_first: bool) {
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else { return };
    match read(app, vault, id).await {
        Ok((conversation, turns, draft)) => {
            clear(app, !typed_first);
            let typed = app.draft.get_untracked();
            let text = match (conversation.draft.text.as_str(), typed.as_str()) {
                (stored, "") => stored.to_owned(),
                ("", typed) => typed.to_owned(),
                (stored, typed) => format!("{stored}\n{typed}"),
            };
            set_draft(app, &text);
            if !draft.is_empty() {
                app.pictures.update(|pictures| pictures.extend(draft));
            }
            app.current.set(Some(Current {
                id,
                created_ms: conversation.created_ms,
            }));
            let pictures = conversation.pictures().map(|picture| picture.id);
            keeper.know_stored(id, pictures.collect());
            keeper.remember(id, conversation);
            app.turns.set(turns);
            answering::take_back_unanswered(app);
        }
        Err(error) => {
            let (message, remedy) = said(&error);
            app.fail(message, remedy);
        }
    }
}

/// Takes everything of a conversation off the page, and what is being typed too or not.
pub fn clear(app: App, with_draft: bool) {
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
    let leaving = snapshot(app, true);
    spawn_local(async move {
        store(app, leaving).await;
        load(app, id, false).await;
        let keeper = app.keeper.get_value();
        if let Some(vault) = &keeper.vault {
            let _alone = keeper.enter().await;
            // Only which one is shown after a reload depends on it.
            let _ = vault.set_open(Some(id)).await;
            refresh(app);
        }
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
    app.set_aside.set(None);
    remove(app, Some(id));
}

/// Removes all stored conversations, from the page too. The passphrase stays.
pub fn delete_all(app: App, client: &Client) {
    answering::stop(app, client);
    app.answering.set(None);
    clear(app, true);
    remove(app, None);
}

/// Stores a conversation that leaves the page for an empty one, which is then what a reload shows.
pub async fn leave(app: App, leaving: Option<Snapshot>) {
    store(app, leaving).await;
    let keeper = app.keeper.get_value();
    if let Some(vault) = keeper.vault.as_ref().filter(|vault| vault.is_open()) {
        let _alone = keeper.enter().await;
        if app.current.get_untracked().is_none() {
            // Only what a reload shows depends on it.
            let _ = vault.set_open(None).await;
        }
    }
}

/// Removes a stored conversation whose content has gone to another one.
pub fn drop_stored(app: App, id: RecordId) {
    remove(app, Some(id));
}

fn remove(app: App, id: Option<RecordId>) {
    spawn_local(async move {
        let keeper = app.keeper.get_value();
        let Some(vault) = &keeper.vault else { return };
        let _alone = keeper.enter().await;
        let removed = match id {
            Some(id) => vault.delete(&id).await,
            None => vault.delete_all().await,
        };
        keeper.forget_last();
        if let Err(error) = removed {
            let (message, remedy) = said(&error);
            app.fail(message, remedy);
        }
        refresh(app);
    });
}
