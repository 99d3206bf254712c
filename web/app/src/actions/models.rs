//! Installing, choosing and removing models.

use gloo::events::EventListener;
use js_sys::Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::{
    Consent, DEMO_MANIFEST, DEMO_MODEL, DeviceChoice, Event, ModelInfo, ModelState, ModelStatus,
    Request, Stage,
};
use web_sys::{File, VisibilityState};

use super::{answering, evicted, now_ms, tables};
use crate::browser;
use crate::client::{Answers, Client};
use crate::state::{App, Problem, Speed, Terms, Work};

/// Where the browser keeps which model was used last.
const LAST_MODEL: &str = "outpost.model";

/// Where the browser keeps where models are to compute.
const DEVICE: &str = "outpost.device";

/// Keeps the page's state in step with the Worker, whoever asked it.
pub fn observe(app: App, client: &Client) {
    let shared = client.clone();
    client.observe(move |event| match event {
        Event::Ready { adapter } | Event::Loaded { adapter, .. } => {
            app.adapter.set(Some(adapter.clone()))
        }
        Event::Models { models } => {
            evicted::remember(models);
            app.models.set(models.clone());
        }
        Event::Installed { model } => {
            evicted::remember_one(app, model);
            app.models.update(|models| {
                models.retain(|known| known.id != model.id);
                models.push(model.clone());
            });
        }
        Event::Tables { tables } | Event::TableImported { tables, .. } => {
            app.tables.set(tables.clone());
        }
        Event::InUse => app.in_use.set(true),
        Event::State { model, state } => changed(app, &shared, model.as_deref(), *state),
        Event::Progress {
            stage,
            done,
            total,
            unit,
        } => {
            if matches!(
                stage,
                Stage::Picture | Stage::Reading | Stage::Writing | Stage::Measuring
            ) {
                return;
            }
            let known = app.work.get_untracked().filter(|work| work.stage == *stage);
            let since_ms = known.map_or_else(now_ms, |work| work.since_ms);
            app.work.set(Some(Work {
                stage: *stage,
                done: *done,
                total: *total,
                unit: *unit,
                since_ms,
            }));
        }
        _ => {}
    });
}

fn changed(app: App, client: &Client, model: Option<&str>, state: ModelState) {
    if let Some(id) = model {
        let known = app
            .models
            .with_untracked(|models| models.iter().find(|known| known.id == id).cloned());
        if known.is_some() {
            app.model.set(known);
        }
    }
    app.state.set(state);
    if state != ModelState::Absent {
        app.in_use.set(false);
    }
    if state == ModelState::Error {
        // Whoever knows more says it after this.
        let remedy = "Load the page again. If that does not help, choose a smaller model.";
        app.fail("The model cannot be used now.", remedy);
    }
    if !state.is_busy() {
        app.work.set(None);
    }
    if state == ModelState::Ready {
        answering::begin_waiting(app, client);
    }
}

/// [`start`] in the background, unless it is going on.
pub fn begin(app: App, client: &Client) {
    if app.starting.get_untracked() {
        return;
    }
    let client = client.clone();
    spawn_local(async move {
        // What went wrong is on the page.
        let _ = start(app, &client).await;
    });
}

/// Starts the engine and brings up a model: the one used last, else any, else the demonstration model.
///
/// # Errors
/// Why the engine itself does not run.
pub async fn start(app: App, client: &Client) -> Result<(), Problem> {
    app.starting.set(true);
    let started = start_engine(app, client).await;
    app.starting.set(false);
    if app.state.get_untracked() != ModelState::Ready {
        answering::take_back_waiting(app);
    }
    started
}

async fn start_engine(app: App, client: &Client) -> Result<(), Problem> {
    app.problem.set(None);
    app.device.set(
        kept(DEVICE)
            .as_deref()
            .and_then(DeviceChoice::named)
            .unwrap_or_default(),
    );
    if let Event::Failed { message, remedy } = client.ask(Request::Init).await {
        let problem = Problem {
            message,
            remedy,
            retry: true,
        };
        app.state.set(ModelState::Error);
        app.problem.set(Some(problem.clone()));
        return Err(problem);
    }
    tables::list_tables(client);
    let before = evicted::remembered();
    if let Event::Models { models } = client.ask(Request::ListModels).await {
        evicted::compare(app, before, &models);
    }
    let chosen = match choose(&app.models.get_untracked()) {
        Some(id) => Some(id),
        None => {
            let request = Request::Download {
                manifest_url: DEMO_MANIFEST.to_owned(),
            };
            let last = follow(app, client.call(request, &Array::new())).await;
            installed(app, client, last, true).await
        }
    };
    if let Some(id) = chosen {
        load(app, client, &id, false).await;
    }
    Ok(())
}

/// The model to begin with.
fn choose(models: &[ModelInfo]) -> Option<String> {
    let last = kept(LAST_MODEL);
    let usable = |model: &&ModelInfo| model.status == ModelStatus::Installed;
    let models: Vec<_> = models.iter().filter(usable).collect();
    models
        .iter()
        .find(|model| Some(&model.id) == last.as_ref())
        .or_else(|| models.iter().find(|model| model.id != DEMO_MODEL))
        .or_else(|| models.first())
        .map(|model| model.id.clone())
}

/// Goes on with a download that was broken off, or fetches what is damaged.
pub fn go_on(app: App, client: &Client, source: &str) {
    if app.stoppable.get_untracked().is_some() {
        return;
    }
    app.problem.set(None);
    let request = Request::Download {
        manifest_url: source.to_owned(),
    };
    let client = client.clone();
    spawn_local(async move {
        let last = follow(app, client.call(request, &Array::new())).await;
        if let Some(id) = installed(app, &client, last, false).await {
            load(app, &client, &id, false).await;
        }
    });
}

/// Reads a model again and compares it with what it should be.
pub fn verify_model(app: App, client: &Client, id: &str) {
    app.problem.set(None);
    let answers = client.call(
        Request::Verify {
            model: id.to_owned(),
        },
        &Array::new(),
    );
    let id = id.to_owned();
    spawn_local(async move {
        match follow(app, answers).await {
            Event::Failed { message, remedy } => app.fail(message, remedy),
            Event::Models { models } => {
                let found = models.into_iter().find(|model| model.id == id);
                app.verified
                    .set(found.map(|model| (model.id, model.status == ModelStatus::Installed)));
            }
            _ => {}
        }
    });
}

/// Has the browser save a model as one file, for a device without a network.
pub fn save_model(app: App, client: &Client, id: &str) {
    app.problem.set(None);
    let (client, model) = (client.clone(), id.to_owned());
    spawn_local(async move {
        match client.ask(Request::Export { model }).await {
            Event::Exported { file } => browser::save(&file.address, &file.name),
            Event::Failed { message, remedy } => app.fail(message, remedy),
            _ => {}
        }
    });
}

/// Installs the files of a model, and uses it; first its terms are asked about, if it has some.
pub fn import(app: App, client: &Client, files: Vec<File>) {
    import_with(app, client, files, Consent::Ask);
}

/// The person accepts the terms of the model whose files were chosen.
pub fn accept_terms(app: App, client: &Client) {
    if let Some(asked) = app.terms.get_untracked() {
        import_with(app, client, asked.files, Consent::Given);
    }
}

fn import_with(app: App, client: &Client, files: Vec<File>, consent: Consent) {
    if files.is_empty() || app.stoppable.get_untracked().is_some() {
        return;
    }
    app.problem.set(None);
    app.terms.set(None);
    let attachments: Array = files.iter().collect();
    let client = client.clone();
    spawn_local(async move {
        let request = Request::ImportFiles {
            name: None,
            consent,
        };
        match follow(app, client.call(request, &attachments)).await {
            Event::TermsAsked {
                name,
                terms,
                notice,
            } => app.terms.set(Some(Terms {
                name,
                terms,
                notice,
                files,
            })),
            last => {
                if let Some(id) = installed(app, &client, last, false).await {
                    load(app, &client, &id, false).await;
                }
            }
        }
    });
}

/// Whether a model came from another host, which only the page that installs may ask again.
pub fn is_elsewhere(source: &str) -> bool {
    let own = window().location().origin().unwrap_or_default();
    source.starts_with("http") && !source.starts_with(&own)
}

/// Lists models anew when a person comes back to this page: another tab may have changed them.
pub fn list_when_seen(app: App, client: &Client) {
    let client = client.clone();
    EventListener::new(&document(), "visibilitychange", move |_| {
        let seen = document().visibility_state() == VisibilityState::Visible;
        let idle = app.answering.get_untracked().is_none() && !app.starting.get_untracked();
        if seen && idle {
            // Whoever observes the client gets the list.
            let _models = client.call(Request::ListModels, &Array::new());
        }
    })
    .forget();
}

/// Follows long work, which can be stopped, to its final event.
pub(super) async fn follow(app: App, answers: Answers) -> Event {
    app.stoppable.set(Some(answers.id()));
    let last = answers.last().await;
    app.stoppable.set(None);
    app.work.set(None);
    last
}

/// What an installation has come to -> the model's id.
async fn installed(app: App, client: &Client, last: Event, retry: bool) -> Option<String> {
    match last {
        Event::Installed { model } => {
            keep_storage();
            return Some(model.id);
        }
        Event::Failed { message, remedy } => {
            app.problem.set(Some(Problem {
                message,
                remedy,
                retry,
            }));
        }
        _ => {}
    }
    // What was broken off is listed too.
    let _models = client.ask(Request::ListModels).await;
    None
}

/// Puts an installed model on the device.
pub fn use_model(app: App, client: &Client, id: &str) {
    let (client, id) = (client.clone(), id.to_owned());
    spawn_local(async move { load(app, &client, &id, false).await });
}

/// Takes the engine away from the tab that has it, and brings up the model here.
pub fn take_over(app: App, client: &Client) {
    let known = app.model.get_untracked().map(|model| model.id);
    let Some(id) = known.or_else(|| choose(&app.models.get_untracked())) else {
        return;
    };
    let client = client.clone();
    spawn_local(async move { load(app, &client, &id, true).await });
}

async fn load(app: App, client: &Client, id: &str, take_over: bool) {
    let request = Request::Load {
        model: id.to_owned(),
        device: app.device.get_untracked(),
        threads: None,
        take_over,
    };
    match client.ask(request).await {
        Event::Failed { message, remedy } => {
            app.problem.set(Some(Problem {
                message,
                remedy,
                retry: false,
            }));
            // It may have been found to be damaged, which the list says.
            let _models = client.ask(Request::ListModels).await;
        }
        Event::Loaded { .. } => {
            keep(LAST_MODEL, id);
        }
        _ => {}
    }
    app.work.set(None);
    if app.state.get_untracked() != ModelState::Ready {
        answering::take_back_waiting(app);
    }
}

/// Has models compute elsewhere from now on, the one in use among them.
pub fn choose_device(app: App, client: &Client, choice: DeviceChoice) {
    app.device.set(choice);
    keep(DEVICE, choice.name());
    app.problem.set(None);
    app.speed.set(Speed::Unknown);
    if let Some(model) = app.model.get_untracked() {
        use_model(app, client, &model.id);
    }
}

/// Removes a model from this device.
pub fn delete_model(app: App, client: &Client, id: &str) {
    let (client, id) = (client.clone(), id.to_owned());
    spawn_local(async move {
        match client.ask(Request::Delete { model: id.clone() }).await {
            Event::Failed { message, remedy } => app.fail(message, remedy),
            _ if app
                .model
                .with_untracked(|model| model.as_ref().is_some_and(|model| model.id == id)) =>
            {
                app.model.set(None);
                app.state.set(ModelState::Absent);
            }
            _ => {}
        }
    });
}

/// Stops an installation.
pub fn stop_work(app: App, client: &Client) {
    if let Some(call) = app.stoppable.get_untracked() {
        client.cancel(call);
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// What the browser keeps under a name.
pub(super) fn kept(name: &str) -> Option<String> {
    storage()?.get_item(name).ok()?
}

/// Has the browser keep something. One that keeps nothing only forgets it.
pub(super) fn keep(name: &str, value: &str) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(name, value);
    }
}

/// Asks the browser not to clear the page's storage by itself. Its answer changes nothing here.
pub(super) fn keep_storage() {
    let _ = window().navigator().storage().persist();
}
