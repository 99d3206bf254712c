//! The installed application: offline copy, updates with the person's word, home screen.

use std::cell::Cell;

use gloo::events::EventListener;
use js_sys::{Function, Promise, Reflect};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{MessageEvent, ServiceWorkerContainer, ServiceWorkerRegistration};

use crate::state::{App, Keeping};
use crate::{actions, trusted};

thread_local! {
    static INSTALL_PROMPT: std::cell::RefCell<Option<JsValue>> = const { std::cell::RefCell::new(None) };
}

thread_local! {
    /// Whether the newer version was asked for in this tab.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// What the service worker waits to be told.
const ACTIVATE: &str = "activate";

/// What it answers while a page of this address holds [`BUSY_LOCK`].
const BUSY: &str = "busy";

/// A Web Lock that all pages of this address share while they do what a reload would break off.
const BUSY_LOCK: &str = "outpost-busy";

/// Registers the service worker and listens for what browsers tell installed applications.
pub fn begin(app: App) {
    listen_for_install_offer(app);
    hold_lock_while_busy(app);
    let Some(container) = container() else { return };
    reload_after_update(app, &container);
    say_why_not(app, &container);
    spawn_local(async move {
        match register(&container).await {
            Ok(registration) => watch(app, &container, registration),
            Err(error) => web_sys::console::warn_2(&"no offline copy:".into(), &error),
        }
    });
}

/// Lets the waiting version take over; the page then loads again. What is on it is stored by then.
pub fn update() {
    ASKED.set(true);
    spawn_local(async {
        let Some(container) = container() else { return };
        let Ok(registration) = JsFuture::from(container.get_registration()).await else {
            return;
        };
        if let Ok(registration) = registration.dyn_into::<ServiceWorkerRegistration>()
            && let Some(waiting) = registration.waiting()
        {
            let _ = waiting.post_message(&ACTIVATE.into());
        }
    });
}

/// Whether something goes on that loading the page again would break off.
pub fn is_busy(app: App) -> bool {
    let consulting = app.consulting;
    // What was said in a consultation is nowhere but on this page.
    let is_consulting =
        consulting.call.get().is_some() || !consulting.transcript.with(String::is_empty);
    is_consulting
        || app.answering.get().is_some()
        || app.stoppable.get().is_some()
        || app.unsaved.get()
}

/// Shows the browser's own dialog that puts the page on the home screen.
pub fn install(app: App) {
    app.installable.set(false);
    if let Some(prompt) = INSTALL_PROMPT.take()
        && let Ok(show) = Reflect::get(&prompt, &"prompt".into())
        && let Ok(show) = show.dyn_into::<Function>()
    {
        let _ = show.call0(&prompt);
    }
}

/// `None` where pages cannot have service workers, such as without HTTPS.
fn container() -> Option<ServiceWorkerContainer> {
    let navigator = window().navigator();
    Reflect::get(&navigator, &"serviceWorker".into())
        .ok()?
        .dyn_into()
        .ok()
}

async fn register(
    container: &ServiceWorkerContainer,
) -> Result<ServiceWorkerRegistration, JsValue> {
    let options = js_sys::Object::new();
    Reflect::set(&options, &"updateViaCache".into(), &"none".into())?;
    // `register` takes a TrustedScriptURL, for which the bindings have no type.
    let register: Function = Reflect::get(container, &"register".into())?.dyn_into()?;
    let url = trusted::script_url(trusted::SERVICE_WORKER)?;
    let promise: Promise = register.call2(container, &url, &options)?.dyn_into()?;
    JsFuture::from(promise).await?.dyn_into()
}

/// Follows this version and later ones as they are stored.
fn watch(app: App, container: &ServiceWorkerContainer, registration: ServiceWorkerRegistration) {
    let container = container.clone();
    let look = move |registration: &ServiceWorkerRegistration| {
        app.offline_ready.set(registration.active().is_some());
        // Without a controller this is the first visit: nothing is being replaced.
        let replaces = registration.waiting().is_some() && container.controller().is_some();
        app.update_waiting.set(replaces);
    };
    let follow = move |registration: &ServiceWorkerRegistration| {
        look(registration);
        let Some(installing) = registration.installing() else {
            return;
        };
        let (look, registration) = (look.clone(), registration.clone());
        EventListener::new(&installing, "statechange", move |_| look(&registration)).forget();
    };
    follow(&registration);
    let found = registration.clone();
    EventListener::new(&registration, "updatefound", move |_| follow(&found)).forget();
}

/// A page that changes hands has been updated on request, in this tab or another one; its files are of the version before.
/// The first time is none where nothing had taken the page in hand yet. It loads again once everything is stored; a
/// conversation that is not, because nothing is, is only cleared where a person has asked for that.
fn reload_after_update(app: App, container: &ServiceWorkerContainer) {
    let first_visit = Cell::new(container.controller().is_none());
    EventListener::new(container, "controllerchange", move |_| {
        if first_visit.replace(false) {
            return;
        }
        spawn_local(async move {
            let is_off = matches!(app.keeping.get_untracked(), Keeping::Off(_));
            let is_empty = app.turns.with_untracked(Vec::is_empty);
            if is_off && !is_empty && !ASKED.get() {
                app.fail(
                    "A newer version has been taken up in another tab.",
                    "The conversation on this page is not stored: load the page again when it is not needed any more.",
                );
            } else if actions::all_stored(app).await {
                let _ = window().location().reload();
            }
        });
    })
    .forget();
}

/// The service worker does not take over while another tab is busy.
fn say_why_not(app: App, container: &ServiceWorkerContainer) {
    EventListener::new(container, "message", move |event| {
        let data = event
            .dyn_ref::<MessageEvent>()
            .and_then(|event| event.data().as_string());
        if data.as_deref() == Some(BUSY) {
            app.fail(
                "Outpost is at work in another tab, which the newer version would break off.",
                "Wait until it has finished there, then try again.",
            );
        }
    })
    .forget();
}

fn hold_lock_while_busy(app: App) {
    let busy = Memo::new(move |_| is_busy(app));
    let release = StoredValue::new_local(None::<Function>);
    Effect::new(move |_| {
        let held = release.try_update_value(Option::take).flatten();
        if let Some(held) = held {
            let _ = held.call0(&JsValue::UNDEFINED);
        }
        if busy.get() {
            release.set_value(hold_lock().ok());
        }
    });
}

/// Takes [`BUSY_LOCK`] beside other pages that hold it -> what gives it back.
fn hold_lock() -> Result<Function, JsValue> {
    let locks = Reflect::get(&window().navigator(), &"locks".into())?;
    let request: Function = Reflect::get(&locks, &"request".into())?.dyn_into()?;
    let mut release = JsValue::UNDEFINED;
    let held = Promise::new(&mut |resolve, _| release = resolve.into());
    let options = js_sys::Object::new();
    Reflect::set(&options, &"mode".into(), &"shared".into())?;
    let keep = Closure::once_into_js(move |_: JsValue| held);
    request.call3(&locks, &BUSY_LOCK.into(), &options, &keep)?;
    release.dyn_into()
}

fn listen_for_install_offer(app: App) {
    EventListener::new_with_options(
        &window(),
        "beforeinstallprompt",
        gloo::events::EventListenerOptions::enable_prevent_default(),
        move |event| {
            event.prevent_default();
            INSTALL_PROMPT.set(Some(event.clone().into()));
            app.installable.set(true);
        },
    )
    .forget();
    EventListener::new(&window(), "appinstalled", move |_| {
        app.installable.set(false)
    })
    .forget();
}
