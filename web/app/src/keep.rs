//! Where conversations are kept: the vault, on IndexedDB and WebCrypto.

mod cipher;
mod file;
mod records;

pub use file::{Download, Upload, bytes};

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use futures_channel::oneshot;
use gloo::timers::callback::Timeout;
use outpost_vault::{Conversation, RecordId, Result, Vault};
use web_sys::Blob;

use self::cipher::WebCrypto;
use self::records::IndexedDb;
use crate::state::{Current, KnownFeatures};

/// The page's vault; every handle is the same one.
pub type PageVault = Rc<Vault<IndexedDb, WebCrypto>>;

/// The vault of this page, locked. `None` where the browser has no encryption for pages, such as without HTTPS.
fn vault() -> Option<PageVault> {
    let cipher = WebCrypto::find()?;
    Some(Rc::new(Vault::new(IndexedDb::default(), cipher)))
}

/// What a record beside a conversation holds.
#[derive(Clone)]
pub enum Content {
    /// A picture's file.
    File(Blob),
    /// What the image encoder made of a picture.
    Features(KnownFeatures),
}

/// What is on the page at one moment, on its way to the vault.
#[derive(Clone)]
pub struct Snapshot {
    /// Where it goes.
    pub current: Current,
    /// What it says.
    pub conversation: Conversation,
    /// Its pictures and what was made of them, each with its record.
    pub pictures: Vec<(RecordId, Content)>,
    /// The vault that was there when it was taken; it goes into no other one.
    pub of: Option<RecordId>,
}

impl Snapshot {
    /// Makes it a conversation of its own, beside the one that it was.
    ///
    /// # Errors
    /// What the source of randomness says.
    pub fn set_apart(&mut self, vault: &PageVault) -> Result<()> {
        self.current.id = vault.new_id()?;
        let mut renamed = HashMap::new();
        for (record, _) in &mut self.pictures {
            let fresh = match renamed.get(record) {
                Some(known) => *known,
                None => vault.new_id()?,
            };
            renamed.insert(*record, fresh);
            *record = fresh;
        }
        for record in self.conversation.records_mut() {
            if let Some(fresh) = renamed.get(record) {
                *record = *fresh;
            }
        }
        Ok(())
    }
}

/// What is stored of a conversation, as far as this page knows.
#[derive(Default)]
struct Known {
    revision: u64,
    pictures: Vec<RecordId>,
}

/// The page's vault, and what the page knows of what is in it.
pub struct Keeper {
    /// `None` where nothing can be stored.
    pub vault: Option<PageVault>,
    /// Which vault it was when it was open last; `None` where there was none.
    pub of: Cell<Option<RecordId>>,
    /// The record of each picture on the page and of what was made of it, stored or not yet: by conversation, then by the
    /// page's number.
    pictures: RefCell<HashMap<(RecordId, u32), RecordId>>,
    known: RefCell<HashMap<RecordId, Known>>,
    /// Pictures whose files are gone.
    lost: RefCell<HashSet<RecordId>>,
    /// What was stored last, and under which id.
    last: RefCell<Option<(RecordId, Conversation)>>,
    /// What is to be stored, or could not be: one of each conversation, in the order in which they came.
    waiting: RefCell<VecDeque<Snapshot>>,
    /// Whether something is being stored.
    busy: Cell<bool>,
    queue: RefCell<VecDeque<oneshot::Sender<()>>>,
    timer: RefCell<Option<Timeout>>,
    /// When that timer ends; `None` if it has.
    due_ms: Rc<Cell<Option<f64>>>,
    /// Counts what was put on the page, or taken off it, by a person's word.
    page: Cell<u64>,
    stop: RefCell<Option<Box<dyn Fn()>>>,
}

/// Storing, one after the other: whoever holds this is alone.
pub struct Turnstile<'a>(&'a Keeper);

impl Drop for Turnstile<'_> {
    fn drop(&mut self) {
        loop {
            let next = self.0.queue.borrow_mut().pop_front();
            let Some(next) = next else {
                return self.0.busy.set(false);
            };
            // Goes to whoever came first.
            if next.send(()).is_ok() {
                return;
            }
        }
    }
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            vault: vault(),
            of: Cell::default(),
            pictures: RefCell::default(),
            known: RefCell::default(),
            lost: RefCell::default(),
            last: RefCell::default(),
            waiting: RefCell::default(),
            busy: Cell::default(),
            queue: RefCell::default(),
            timer: RefCell::default(),
            due_ms: Rc::default(),
            page: Cell::default(),
            stop: RefCell::default(),
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
        if self.busy.replace(true) {
            let (send, receive) = oneshot::channel();
            self.queue.borrow_mut().push_back(send);
            let _ = receive.await;
        }
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
        let known = self.known.borrow();
        known
            .get(&of)
            .is_some_and(|known| known.pictures.contains(&record))
    }

    /// The revision that this page has read or stored last.
    pub fn revision(&self, of: RecordId) -> Option<u64> {
        self.known.borrow().get(&of).map(|known| known.revision)
    }

    /// Remembers what is stored of a conversation: its revision, and these pictures and no others.
    pub fn know_stored(&self, of: RecordId, revision: u64, pictures: Vec<RecordId>) {
        let known = Known { revision, pictures };
        self.known.borrow_mut().insert(of, known);
    }

    /// Remembers that nothing of a conversation is stored any more, nor waits for it; `None` for all of them.
    pub fn know_removed(&self, of: Option<RecordId>) {
        let removed = |id: &RecordId| of.is_none_or(|of| of == *id);
        self.known.borrow_mut().retain(|id, _| !removed(id));
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|other| !removed(&other.current.id));
    }

    /// Remembers a picture whose file is gone -> whether that was not known yet.
    pub fn know_lost(&self, record: RecordId) -> bool {
        self.lost.borrow_mut().insert(record)
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

    /// Has this stored, in the place of what waits of the same conversation.
    pub fn put(&self, snapshot: Snapshot) {
        // Until it is written, what comes back to the state before is to be stored too.
        self.forget_last();
        let mut waiting = self.waiting.borrow_mut();
        let id = snapshot.current.id;
        match waiting.iter_mut().find(|other| other.current.id == id) {
            Some(other) => *other = snapshot,
            None => waiting.push_back(snapshot),
        }
    }

    /// Has this stored before all others, unless something later of the same conversation waits.
    pub fn put_back(&self, snapshot: Snapshot) {
        let mut waiting = self.waiting.borrow_mut();
        let id = snapshot.current.id;
        if waiting.iter().all(|other| other.current.id != id) {
            waiting.push_front(snapshot);
        }
    }

    /// What is to be stored next.
    pub fn take(&self) -> Option<Snapshot> {
        self.waiting.borrow_mut().pop_front()
    }

    /// Takes out what waits of a conversation.
    pub fn take_of(&self, id: RecordId) -> Option<Snapshot> {
        let mut waiting = self.waiting.borrow_mut();
        let at = waiting.iter().position(|other| other.current.id == id)?;
        waiting.remove(at)
    }

    /// Whether anything of a conversation waits to be stored.
    pub fn waits(&self, id: RecordId) -> bool {
        self.waiting
            .borrow()
            .iter()
            .any(|other| other.current.id == id)
    }

    /// Whether anything waits to be stored.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Forgets what was stored last. What waits goes on waiting.
    pub fn forget(&self) {
        self.last.take();
        self.timer.take();
        self.due_ms.set(None);
    }

    /// Forgets everything, also what waits: the conversations are gone.
    pub fn forget_all(&self) {
        self.forget();
        self.waiting.take();
        self.pictures.take();
        self.known.take();
        self.of.set(None);
    }

    /// Has the next thing stored even if nothing has changed.
    pub fn forget_last(&self) {
        self.last.take();
    }

    /// Calls `store` in `delay_ms` at the latest. A timer that is due earlier, or overdue, stays.
    pub fn soon(&self, now_ms: f64, delay_ms: u32, store: impl FnOnce() + 'static) {
        let due_ms = now_ms + f64::from(delay_ms);
        if self.due_ms.get().is_some_and(|known| known <= due_ms) {
            return;
        }
        self.due_ms.set(Some(due_ms));
        let due = Rc::clone(&self.due_ms);
        let timer = Timeout::new(delay_ms, move || {
            due.set(None);
            store();
        });
        *self.timer.borrow_mut() = Some(timer);
    }

    /// What a person has put on the page or taken off it: whoever reads something for the page compares this afterwards.
    pub fn page(&self) -> u64 {
        self.page.get()
    }

    /// Says that something is put on the page, or taken off it -> what [`Self::page`] is from now on.
    pub fn turn_page(&self) -> u64 {
        self.page.set(self.page.get() + 1);
        self.page.get()
    }

    /// Remembers how an answer is stopped and what was read forgotten, for who locks the page without a handle to the Worker.
    pub fn know_stop(&self, stop: impl Fn() + 'static) {
        *self.stop.borrow_mut() = Some(Box::new(stop));
    }

    /// Stops what is being answered, and has the engine forget.
    pub fn stop(&self) {
        if let Some(stop) = &*self.stop.borrow() {
            stop();
        }
    }
}
