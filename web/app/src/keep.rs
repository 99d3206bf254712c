//! Where conversations are kept: the vault, on IndexedDB and WebCrypto.

mod cipher;
mod file;
mod records;

pub use file::{Download, Upload, bytes};

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use futures_channel::oneshot;
use gloo::timers::callback::Timeout;
use outpost_vault::{Conversation, RecordId, Vault};

use self::cipher::WebCrypto;
use self::records::IndexedDb;

/// The page's vault; every handle is the same one.
pub type PageVault = Rc<Vault<IndexedDb, WebCrypto>>;

/// The vault of this page, locked. `None` where the browser has no encryption for pages, such as without HTTPS.
fn vault() -> Option<PageVault> {
    let cipher = WebCrypto::find()?;
    Some(Rc::new(Vault::new(IndexedDb::default(), cipher)))
}

/// The page's vault, and what the page knows of what is in it.
pub struct Keeper {
    /// `None` where nothing can be stored.
    pub vault: Option<PageVault>,
    /// The record of each picture on the page, stored or not yet: by conversation, then by the page's number.
    pictures: RefCell<HashMap<(RecordId, u32), RecordId>>,
    /// The pictures that are stored with a conversation.
    stored: RefCell<HashMap<RecordId, Vec<RecordId>>>,
    /// What was stored last, and under which id.
    last: RefCell<Option<(RecordId, Conversation)>>,
    /// Whether something is being stored.
    busy: Cell<bool>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    timer: RefCell<Option<(f64, Timeout)>>,
}

/// Storing, one after the other: whoever holds this is alone.
pub struct Turnstile<'a>(&'a Keeper);

impl Drop for Turnstile<'_> {
    fn drop(&mut self) {
        self.0.busy.set(false);
        for waiting in self.0.waiting.take() {
            let _ = waiting.send(());
        }
    }
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            vault: vault(),
            pictures: RefCell::default(),
            stored: RefCell::default(),
            last: RefCell::default(),
            busy: Cell::default(),
            waiting: RefCell::default(),
            timer: RefCell::default(),
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keeper")
    }
}

impl Keeper {
    /// Waits until nobody else stores anything.
    pub async fn enter(&self) -> Turnstile<'_> {
        while self.busy.get() {
            let (send, receive) = oneshot::channel();
            self.waiting.borrow_mut().push(send);
            let _ = receive.await;
        }
        self.busy.set(true);
        Turnstile(self)
    }

    /// The record that a picture has, or will have once it is stored with this conversation.
    pub fn picture(&self, of: RecordId, picture: u32) -> Option<RecordId> {
        self.pictures.borrow().get(&(of, picture)).copied()
    }

    /// Gives a picture its record.
    pub fn know_picture(&self, of: RecordId, picture: u32, record: RecordId) {
        self.pictures.borrow_mut().insert((of, picture), record);
    }

    /// Whether a picture is stored with this conversation.
    pub fn has_stored(&self, of: RecordId, record: RecordId) -> bool {
        let stored = self.stored.borrow();
        stored
            .get(&of)
            .is_some_and(|records| records.contains(&record))
    }

    /// Remembers that these pictures, and no others, are stored with a conversation.
    pub fn know_stored(&self, of: RecordId, records: Vec<RecordId>) {
        self.stored.borrow_mut().insert(of, records);
    }

    /// Whether exactly this was stored last.
    pub fn is_last(&self, id: RecordId, conversation: &Conversation) -> bool {
        let last = self.last.borrow();
        last.as_ref().is_some_and(|(known, last)| {
            *known == id && last.turns == conversation.turns && last.draft == conversation.draft
        })
    }

    /// Remembers what was stored last.
    pub fn remember(&self, id: RecordId, conversation: Conversation) {
        *self.last.borrow_mut() = Some((id, conversation));
    }

    /// Forgets all that is known of conversations, and stores nothing that was waiting.
    pub fn forget(&self) {
        self.last.take();
        self.pictures.take();
        self.stored.take();
        self.timer.take();
    }

    /// Has the next thing stored even if nothing has changed.
    pub fn forget_last(&self) {
        self.last.take();
    }

    /// Calls `store` in `delay_ms` at the latest.
    pub fn soon(&self, now_ms: f64, delay_ms: u32, store: impl FnOnce() + 'static) {
        let due = now_ms + f64::from(delay_ms);
        let mut timer = self.timer.borrow_mut();
        // One that is overdue has run, or is about to.
        if timer
            .as_ref()
            .is_none_or(|(known, _)| due < *known || *known < now_ms)
        {
            *timer = Some((due, Timeout::new(delay_ms, store)));
        }
    }
}
