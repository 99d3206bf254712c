//! Locking, unlocking, the passphrase, and wiping.

use gloo::events::{EventListener, EventListenerOptions};
use gloo::timers::callback::{Interval, Timeout};
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_vault::{Cost, Error, Secret};
use web_sys::VisibilityState;
use zeroize::Zeroizing;

use super::evaluation::forget_evaluations;
use super::models::{keep, kept};
use super::{answering, consulting, keeping, pause};
use crate::client::Client;
use crate::state::{App, Keeping, TurnStatus};

/// Where the browser keeps after how many minutes the page locks.
const LOCK_AFTER: &str = "outpost.lock";
/// Minutes without use, if nothing else was chosen.
const LOCK_AFTER_MIN: u32 = 5;
/// What can be chosen; 0 for never.
pub const LOCK_CHOICES_MIN: [u32; 5] = [1, 5, 15, 60, 0];
/// How long the page may be out of sight.
const OUT_OF_SIGHT_MS: f64 = 60_000.0;
/// How often it looks at the time.
const LOOK_MS: u32 = 5_000;
/// Shortest passphrase.
pub const SHORTEST_CHARS: usize = 8;
/// Long enough for the browser to show what the page says before it computes.
pub(super) const PAINT_MS: u32 = 50;

/// A passphrase that was typed. Its bytes are the same from every keyboard, and overwritten after use.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// In Unicode's form NFKC.
    pub fn typed(text: &str) -> Self {
        let text = js_sys::JsString::from(text);
        let normal = text.normalize("NFKC");
        Self(Zeroizing::new(String::from(normal)))
    }

    /// Whether it is long enough to be set.
    pub fn is_long_enough(&self) -> bool {
        self.0.chars().count() >= SHORTEST_CHARS
    }

    /// The words themselves.
    pub fn words(&self) -> &str {
        &self.0
    }
}

/// Locks the page when nobody uses it, and when it has been out of sight for a minute.
pub fn watch(app: App, client: &Client) {
    let chosen = kept(LOCK_AFTER).and_then(|minutes| minutes.parse().ok());
    app.lock_after_min.set(chosen.unwrap_or(LOCK_AFTER_MIN));
    let used_ms = StoredValue::new(js_sys::Date::now());
    let hidden_ms = StoredValue::new(None::<f64>);
    let options = EventListenerOptions {
        phase: gloo::events::EventListenerPhase::Capture,
        passive: true,
    };
    for event in ["pointerdown", "keydown", "wheel", "input"] {
        EventListener::new_with_options(&document(), event, options, move |_| {
            used_ms.set_value(js_sys::Date::now());
        })
        .forget();
    }
    let client = client.clone();
    let stopped = client.clone();
    let keeper = app.keeper.get_value();
    keeper.know_stop(move || {
        answering::stop(app, &stopped);
        consulting::clear(app, &stopped);
        stopped.forget();
    });
    let look = move || {
        // An answer that is being written is use; it is not cut off by a screen that goes dark. A question that waits for
        // its model is none.
        let answered = app.answering.get_untracked().and_then(|id| app.turn(id));
        let status = answered.map(|turn| turn.status.get_untracked());
        let drafting = app.consulting.call.get_untracked().is_some();
        if drafting || matches!(status, Some(TurnStatus::Reading(_) | TurnStatus::Writing)) {
            return used_ms.set_value(js_sys::Date::now());
        }
        let now = js_sys::Date::now();
        let minutes = app.lock_after_min.get_untracked();
        let idle = minutes > 0 && now - used_ms.get_value() >= f64::from(minutes) * 60_000.0;
        let away = hidden_ms
            .get_value()
            .is_some_and(|since| now - since >= OUT_OF_SIGHT_MS);
        if idle || away {
            lock(app, &client);
        }
    };
    let looked = look.clone();
    EventListener::new(&document(), "visibilitychange", move |_| {
        match document().visibility_state() {
            VisibilityState::Hidden => {
                hidden_ms.set_value(Some(js_sys::Date::now()));
                let look = looked.clone();
                Timeout::new(OUT_OF_SIGHT_MS as u32 + 100, look).forget();
            }
            // Timers may have slept: first locked, then seen.
            _ => {
                looked();
                hidden_ms.set_value(None);
            }
        }
    })
    .forget();
    Interval::new(LOOK_MS, look).forget();
}

/// Chooses after how many minutes without use the page locks.
pub fn choose_lock_after(app: App, minutes: u32) {
    app.lock_after_min.set(minutes);
    keep(LOCK_AFTER, &minutes.to_string());
}

/// Takes the conversations off the page at once, stores them, drops the keys, and has the engine forget what it has read. Without a passphrase there is nothing to
/// lock.
pub fn lock(app: App, client: &Client) {
    if !app.protected.get_untracked() || app.keeping.get_untracked() != Keeping::Open {
        return;
    }
    answering::stop(app, client);
    consulting::clear(app, client);
    client.forget();
    let keeper = app.keeper.get_value();
    if let Some(snapshot) = keeping::snapshot(app, true) {
        keeper.put(snapshot);
    }
    hide(app);
    app.keeping.set(Keeping::Locked);
    spawn_local(async move {
        // Whoever opens it again comes after this.
        let _alone = keeper.enter().await;
        keeping::store_waiting(app, &keeper).await;
        keeper.forget();
        if let Some(vault) = &keeper.vault {
            vault.lock();
        }
        app.earlier.set(Vec::new());
    });
}

/// Takes everything off a page whose vault was wiped by another window, or whose keys were changed there, and finds out
/// what there is now. What was not stored yet waits until it is opened again; nothing comes back after a wipe.
pub fn shut(app: App, wiped: bool) {
    let keeper = app.keeper.get_value();
    keeper.stop();
    if wiped {
        keeper.forget_all();
        keeping::forget_counter();
    } else {
        if let Some(snapshot) = keeping::snapshot(app, true) {
            keeper.put(snapshot);
        }
        keeper.forget();
    }
    app.unsaved.set(keeper.is_waiting());
    hide(app);
    if let Some(vault) = &keeper.vault {
        vault.lock();
    }
    app.keeping.set(Keeping::Opening);
    spawn_local(keeping::open(app));
}

fn hide(app: App) {
    keeping::clear(app, true);
    app.problem.set(None);
    app.earlier.set(Vec::new());
}

/// Opens the conversations with a passphrase.
///
/// # Errors
/// What happened and what to do.
pub async fn unlock(app: App, passphrase: &Passphrase) -> Result<(), (String, String)> {
    pause(PAINT_MS).await;
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else {
        return Ok(());
    };
    let opened = {
        let _alone = keeper.enter().await;
        vault.expect(keeping::counter());
        vault
            .unlock(Some(&Secret::Passphrase(passphrase.words())))
            .await
    };
    match opened {
        Ok(()) => {
            keeping::opened(app).await;
            Ok(())
        }
        Err(Error::WrongSecret { .. }) => Err((
            "That did not open them.".to_owned(),
            "Check the passphrase and try again. If you are sure of it, the stored key is damaged: wipe, then restore a backup."
                .to_owned(),
        )),
        Err(error @ Error::Replayed { .. }) => {
            keeping::refuse(app, &error);
            Ok(())
        }
        Err(error) => Err(keeping::explain(app, &error)),
    }
}

/// Sets a passphrase, or another one in the place of `current`.
///
/// # Errors
/// What happened and what to do.
pub async fn protect(
    app: App,
    current: Option<&Passphrase>,
    passphrase: &Passphrase,
) -> Result<(), (String, String)> {
    pause(PAINT_MS).await;
    keeping::stored(app).await;
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else {
        return Ok(());
    };
    let changed = {
        let _alone = keeper.enter().await;
        let secret = [Secret::Passphrase(passphrase.words())];
        match vault.is_open() {
            true => {
                let current = current.map(|current| Secret::Passphrase(current.words()));
                vault
                    .protect(current.as_ref(), &secret, Cost::default())
                    .await
            }
            false => vault.create(&secret, Cost::default()).await,
        }
    };
    match changed {
        Ok(()) => {
            keeping::refresh(app);
            // From now on under the key that was begun.
            keeper.forget_last();
            keeping::stored(app).await;
            Ok(())
        }
        Err(Error::WrongSecret { .. }) => Err((
            "That is not the current passphrase.".to_owned(),
            "Check it and try again.".to_owned(),
        )),
        Err(error) => Err(keeping::explain(app, &error)),
    }
}

/// Removes all conversations with their keys and the passphrase, for good.
pub async fn wipe(app: App, client: &Client) -> Result<(), (String, String)> {
    answering::stop(app, client);
    consulting::clear(app, client);
    client.forget();
    hide(app);
    let keeper = app.keeper.get_value();
    let Some(vault) = &keeper.vault else {
        return Ok(());
    };
    let wiped = {
        let _alone = keeper.enter().await;
        keeper.forget_all();
        vault.wipe().await
    };
    forget_evaluations(app, client).await;
    match wiped {
        Ok(()) => {
            keeping::forget_counter();
            app.unsaved.set(false);
            app.protected.set(false);
            app.keeping.set(Keeping::Open);
            Ok(())
        }
        Err(error) => Err(keeping::said(&error)),
    }
}

/// Opens conversations that are an older copy, as the person has been told.
pub fn open_older(app: App) {
    keeping::forget_counter();
    spawn_local(keeping::open(app));
}

/// Leaves stored conversations as they are, and uses the page without storing anything.
pub fn go_without(app: App) {
    app.keeping.set(Keeping::Off(
        "The stored conversations stay closed. This one is not stored.",
    ));
}
