//! The page: a conversation with a model that runs in a Worker of its own.
//!
//! `client` speaks with the Worker, `keep` has what is stored of conversations, `actions` changes `state`, `ui` shows it,
//! `api` is `window.outpost`. `browser` is what the browser itself has to offer.
//!
//! Invariants: no tensors, no weights, no other way to the Worker than `client`. Nothing is ever set as HTML: views are
//! built from element functions, since the static parts of `view!` would go through `innerHTML`, which the page's
//! Trusted Types policy refuses.

mod actions;
mod api;
mod browser;
mod client;
mod keep;
mod pwa;
mod state;
mod trusted;
mod ui;

pub use api::{Outpost, TokenStream};

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

/// Takes over the painted page. Another page, which only wants [`Outpost`], is left as it is.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    if !ui::is_painted() {
        return;
    }
    let client = client::Client::default();
    let owner = Owner::new();
    let app = owner.with(state::App::new);
    actions::observe(app, &client);
    owner.with(|| ui::mount(app, &client));
    owner.with(|| {
        actions::begin_keeping(app);
        actions::watch(app, &client);
        actions::list_when_seen(app, &client);
    });
    pwa::begin(app);

    let prepared = {
        let client = client.clone();
        future_to_promise(async move {
            match actions::start(app, &client).await {
                Ok(()) => Ok(JsValue::UNDEFINED),
                Err(problem) => Err(js_sys::Error::new(&problem.message).into()),
            }
        })
    };
    // Someone may never call `ready()`; the page itself has shown what went wrong.
    let quiet = Closure::<dyn FnMut(JsValue)>::new(|_| ());
    let _ = prepared.catch(&quiet);
    quiet.forget();
    api::publish(Outpost::prepared_by(client, prepared));
    // The page lives as long as its signals.
    std::mem::forget(owner);
}
