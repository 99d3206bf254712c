//! The vault's records: one object store of IndexedDB, written with strict durability.
//!
//! A guard is looked at and the changes are made in one transaction, and transactions on one store come one after the
//! other, whichever tab they are from.

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use leptos::prelude::window;
use outpost_vault::{Change, Error, Guard, Records, Result};
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbObjectStore, IdbOpenDbRequest, IdbRequest, IdbTransaction};

use crate::client::text_of;

/// Names the database and its one store.
const DATABASE: &str = "outpost-vault";
const STORE: &str = "records";

/// The page's database, opened when it is first used.
#[derive(Default)]
pub struct IndexedDb(RefCell<Option<IdbDatabase>>);

impl Records for IndexedDb {
    async fn get(&self, id: &str) -> Result<Option<Vec<u8>>> {
        let (_, store) = self.store("readonly").await?;
        let request = store.get(&id.into()).map_err(|error| failed(&error))?;
        bytes(id, &outcome(&request).await?)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let (_, store) = self.store("readonly").await?;
        let request = store.get_all_keys().map_err(|error| failed(&error))?;
        let keys = Array::from(&outcome(&request).await?);
        Ok(keys.iter().filter_map(|key| key.as_string()).collect())
    }

    async fn write(&self, guard: Option<Guard<'_>>, changes: Vec<Change>) -> Result<bool> {
        let (transaction, store) = self.store("readwrite").await?;
        let ending = Ending::of(&transaction);
        let verdict = Rc::new(RefCell::new(None));
        let guarded = guard.map(|guard| (guard.id.to_owned(), guard.holds.map(<[u8]>::to_vec)));
        // In the request's own event: later, the transaction would have ended by itself.
        let judge = Closure::<dyn FnMut(web_sys::Event)>::new({
            let (verdict, guarded) = (Rc::clone(&verdict), guarded.clone());
            let (transaction, store) = (transaction.clone(), store.clone());
            move |event: web_sys::Event| {
                let judged = judge(&event, guarded.as_ref(), &store, &changes);
                if !matches!(judged, Ok(true)) {
                    let _ = transaction.abort();
                }
                *verdict.borrow_mut() = Some(judged);
            }
        });
        // Without a guard any answer will do.
        let looked = store.get(&guarded.as_ref().map_or("", |(id, _)| id).into());
        match looked {
            Ok(request) => request.set_onsuccess(Some(judge.as_ref().unchecked_ref())),
            Err(error) => {
                *verdict.borrow_mut() = Some(Err(failed(&error)));
                let _ = transaction.abort();
            }
        }
        let ended = ending.wait().await;
        match verdict.take() {
            Some(Ok(true)) => ended.map(|()| true),
            Some(verdict) => verdict,
            None => ended.and(Err(closed())),
        }
    }
}

/// Compares what a guard has asked for, and makes the changes -> whether it holds.
fn judge(
    event: &web_sys::Event,
    guarded: Option<&(String, Option<Vec<u8>>)>,
    store: &IdbObjectStore,
    changes: &[Change],
) -> Result<bool> {
    if let Some((id, holds)) = guarded {
        let request: Option<IdbRequest> = event.target().and_then(|target| target.dyn_into().ok());
        let found = request.ok_or_else(closed)?.result();
        if bytes(id, &found.map_err(|error| failed(&error))?)? != *holds {
            return Ok(false);
        }
    }
    make(store, changes)
        .map(|()| true)
        .map_err(|error| failed(&error))
}

impl IndexedDb {
    /// A transaction of its own, and the store in it.
    async fn store(&self, mode: &str) -> Result<(IdbTransaction, IdbObjectStore)> {
        let known = self.0.borrow().clone();
        if let Some(known) = known {
            match begin(&known, mode) {
                Ok(begun) => return Ok(begun),
                // The browser may close a database that it has to clear.
                Err(_) => *self.0.borrow_mut() = None,
            }
        }
        let database = open().await?;
        let begun = begin(&database, mode).map_err(|error| failed(&error))?;
        *self.0.borrow_mut() = Some(database);
        Ok(begun)
    }
}

async fn open() -> Result<IdbDatabase> {
    let factory = window().indexed_db().map_err(|error| none(&error))?;
    let factory = factory.ok_or(Error::NoStorage)?;
    let request = factory
        .open_with_u32(DATABASE, 1)
        .map_err(|error| none(&error))?;
    let upgraded = request.clone();
    let upgrade = Closure::once(move |_: JsValue| {
        if let Ok(database) = upgraded.result().and_then(JsCast::dyn_into::<IdbDatabase>) {
            // A failure ends the request with an error.
            let _ = database.create_object_store(STORE);
        }
    });
    let opening: &IdbOpenDbRequest = &request;
    opening.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
    let database = match outcome(&request).await {
        Err(_)
            if request
                .error()
                .is_ok_and(|error| error.is_some_and(|error| is_none(&error.name()))) =>
        {
            return Err(Error::NoStorage);
        }
        database => database?,
    };
    database.dyn_into().map_err(|error| failed(&error))
}

/// `transaction` takes the durability as an option for which the bindings have no type yet.
fn begin(database: &IdbDatabase, mode: &str) -> Result<(IdbTransaction, IdbObjectStore), JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"durability".into(), &"strict".into())?;
    let transaction: Function = Reflect::get(database, &"transaction".into())?.dyn_into()?;
    let transaction: IdbTransaction = transaction
        .call3(database, &STORE.into(), &mode.into(), &options)?
        .dyn_into()?;
    let store = transaction.object_store(STORE)?;
    Ok((transaction, store))
}

fn make(store: &IdbObjectStore, changes: &[Change]) -> Result<(), JsValue> {
    for change in changes {
        match change {
            Change::Put { id, bytes } => {
                store.put_with_key(&Uint8Array::from(bytes.as_slice()), &id.as_str().into())?
            }
            Change::Delete { id } => store.delete(&id.as_str().into())?,
        };
    }
    Ok(())
}

fn bytes(id: &str, found: &JsValue) -> Result<Option<Vec<u8>>> {
    if found.is_undefined() {
        return Ok(None);
    }
    match found.dyn_ref::<Uint8Array>() {
        Some(found) => Ok(Some(found.to_vec())),
        None => Err(Error::Tampered {
            what: format!("the record {id}"),
        }),
    }
}

/// What a request comes to.
async fn outcome(request: &IdbRequest) -> Result<JsValue> {
    let (send, receive) = oneshot::channel();
    let send = RefCell::new(Some(send));
    let done = Closure::<dyn FnMut(JsValue)>::new(move |_| {
        if let Some(send) = send.take() {
            let _ = send.send(());
        }
    });
    request.set_onsuccess(Some(done.as_ref().unchecked_ref()));
    request.set_onerror(Some(done.as_ref().unchecked_ref()));
    receive.await.map_err(|_| closed())?;
    match request.error() {
        Ok(Some(error)) => Err(failed(&error)),
        _ => request.result().map_err(|error| failed(&error)),
    }
}

/// The end of a transaction. Listens from the start, so that it cannot be missed.
struct Ending {
    outcome: oneshot::Receiver<Result<()>>,
    _done: Closure<dyn FnMut(web_sys::Event)>,
}

impl Ending {
    fn of(transaction: &IdbTransaction) -> Self {
        let (send, outcome) = oneshot::channel();
        let send = RefCell::new(Some(send));
        let done = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
            let transaction: Option<IdbTransaction> =
                event.target().and_then(|target| target.dyn_into().ok());
            let outcome = match event.type_().as_str() {
                "complete" => Ok(()),
                _ => Err(transaction
                    .and_then(|transaction| transaction.error())
                    .map_or_else(closed, |error| failed(&error))),
            };
            if let Some(send) = send.take() {
                let _ = send.send(outcome);
            }
        });
        transaction.set_oncomplete(Some(done.as_ref().unchecked_ref()));
        transaction.set_onabort(Some(done.as_ref().unchecked_ref()));
        Self {
            outcome,
            _done: done,
        }
    }

    /// Returns once the transaction is on the disk, or has failed.
    async fn wait(self) -> Result<()> {
        self.outcome.await.unwrap_or_else(|_| Err(closed()))
    }
}

/// Whether this is what browsers say in windows that keep nothing.
fn is_none(name: &str) -> bool {
    ["SecurityError", "InvalidStateError"].contains(&name)
}

/// Why there is no database.
fn none(error: &JsValue) -> Error {
    let name = Reflect::get(error, &"name".into()).ok();
    match name.and_then(|name| name.as_string()) {
        Some(name) if is_none(&name) => Error::NoStorage,
        _ => failed(error),
    }
}

fn closed() -> Error {
    Error::Storage {
        detail: "the browser closed its storage".to_owned(),
    }
}

fn failed(error: &JsValue) -> Error {
    Error::Storage {
        detail: text_of(error),
    }
}
