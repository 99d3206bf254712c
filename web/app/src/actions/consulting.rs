//! Turning a consultation into data: asking for a draft, stopping it, saving what came of it.

use std::sync::Arc;

use js_sys::{Array, Date};
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::{ClinicRequest, Consultation, Event, Imaging, ModelState, Request, Stage};
use serde_json::{Map, Value, json};
use web_sys::{Blob, BlobPropertyBag, File, Url};

use super::reviewing::take_note_along;
use super::{now_ms, pictures};
use crate::browser;
use crate::client::{Answers, Client};
use crate::state::consulting::{
    Asked, Described, Going, Noted, Outcome, PatientWords, Processed, Review, Step,
};
use crate::state::{App, Problem};

/// What a Bundle's file is.
const FHIR_JSON: &str = "application/fhir+json";

/// A draft of at most so many tokens is a choice among codes.
const CHOICE_TOKENS: u64 = 32;

/// Whether there is a model that could write a draft.
pub fn can_draft(app: App) -> bool {
    app.state.get() == ModelState::Ready
}

/// Whether that model is not at work on a consultation already.
fn is_free(app: App) -> bool {
    app.consulting.call.get_untracked().is_none() && untrack(|| can_draft(app))
}

/// Finds out whether everything is here that a consultation needs.
pub fn check_health(app: App, client: &Client) {
    let client = client.clone();
    spawn_local(async move {
        let ask = ClinicRequest::Health;
        if let Event::Healthy { health } = client.ask(Request::Clinic { ask }).await {
            app.consulting.health.set(Some(health));
        }
    });
}

/// Has the model make a draft of what was said.
pub fn make_draft(app: App, client: &Client) {
    let consulting = app.consulting;
    let transcript = consulting.transcript.get_untracked();
    if transcript.trim().is_empty() || !is_free(app) {
        return;
    }
    let Some(patient) = consulting.patient.with_untracked(patient) else {
        return fail(
            app,
            "The age is not understood.".to_owned(),
            "Write a whole number, such as 8, and choose its unit.".to_owned(),
        );
    };
    consulting.problem.set(None);
    let ask = ClinicRequest::Process {
        consultation: Consultation {
            transcript: transcript.clone(),
            patient: patient.clone(),
            ..Consultation::default()
        },
    };
    let answers = client.call(Request::Clinic { ask }, &Array::new());
    follow(app, Asked::Record, answers, move |event| {
        if let Some(result) = result(app, event) {
            show(app, outcome(transcript, patient, result));
        }
    });
}

/// Has the model write a SOAP note about the consultation whose draft is shown.
pub fn make_note(app: App, client: &Client) {
    let consulting = app.consulting;
    let Some(outcome) = consulting.outcome.get_untracked() else {
        return;
    };
    if !is_free(app) {
        return;
    }
    consulting.problem.set(None);
    let ask = ClinicRequest::Note {
        consultation: Consultation {
            transcript: outcome.transcript.clone(),
            patient: outcome.patient.clone(),
            // The Bundle is that of the record, which stands above the note.
            validate_fhir: false,
            ..Consultation::default()
        },
    };
    let answers = client.call(Request::Clinic { ask }, &Array::new());
    let client = client.clone();
    follow(app, Asked::Note, answers, move |event| {
        if let Some(result) = result(app, event) {
            consulting.note.set(Some(Arc::new(Noted::read(&result))));
            take_note_along(app, &client);
        }
    });
}

/// Whether the model in use looks at pictures.
pub fn can_look(app: App) -> bool {
    can_draft(app)
        && app
            .model
            .with(|model| model.as_ref().is_some_and(|it| it.vision))
}

/// Adds pictures to the consultation. What is not a picture is refused with a reason.
pub fn add_pictures(app: App, files: Vec<File>) {
    app.consulting.problem.set(None);
    for file in files {
        let name = file.name();
        if let Err((message, remedy)) = pictures::add(app.consulting.pictures, file.into(), &name) {
            fail(app, message, remedy.to_owned());
        }
    }
}

/// Has the model say what it sees in the pictures of the consultation whose draft is shown.
pub fn make_findings(app: App, client: &Client) {
    let consulting = app.consulting;
    let Some(outcome) = consulting.outcome.get_untracked() else {
        return;
    };
    let shown: Array = consulting
        .pictures
        .with_untracked(|all| all.iter().map(|it| it.blob.clone()).collect());
    if shown.length() == 0 || !is_free(app) || !untrack(|| can_look(app)) {
        return;
    }
    consulting.problem.set(None);
    let ask = ClinicRequest::Findings {
        imaging: Imaging {
            question: outcome.transcript.clone(),
            patient: outcome.patient.clone(),
            ..Imaging::default()
        },
    };
    let answers = client.call(Request::Clinic { ask }, &shown);
    follow(app, Asked::Findings, answers, move |event| {
        if let Some(result) = result(app, event) {
            let described = Described::read(&result);
            consulting.described.set(Some(Arc::new(described)));
        }
    });
}

/// Shows how far a call is, and hands over its end, unless the page has turned to something else.
fn follow(app: App, asked: Asked, mut answers: Answers, end: impl FnOnce(Event) + 'static) {
    let consulting = app.consulting;
    let call = answers.id();
    let since_ms = now_ms();
    consulting.call.set(Some(call));
    consulting.going.set(Some(Going {
        asked,
        step: Step::Waiting,
        done: 0,
        total: 0,
        draft: 1,
        since_ms,
        elapsed_ms: 0.0,
    }));
    spawn_local(async move {
        while let Some(event) = answers.next().await {
            if consulting.call.get_untracked() != Some(call) {
                return;
            }
            if event.is_final() {
                consulting.call.set(None);
                consulting.going.set(None);
                return end(event);
            }
            if let Event::Progress {
                stage, done, total, ..
            } = event
            {
                let before = consulting.going.get_untracked();
                consulting
                    .going
                    .set(before.map(|before| after(before, stage, done, total)));
            }
        }
    });
}

fn after(before: Going, stage: Stage, done: u64, total: u64) -> Going {
    let is_first = matches!(before.step, Step::Waiting | Step::Looking | Step::Reading);
    let step = match stage {
        Stage::Writing if total <= CHOICE_TOKENS => Step::Choosing,
        Stage::Writing => Step::Writing,
        Stage::Picture => Step::Looking,
        _ if is_first => Step::Reading,
        _ => Step::ReadingAgain,
    };
    let is_next_draft = step == Step::Writing && before.step == Step::ReadingAgain;
    Going {
        step,
        done,
        total,
        draft: before.draft + u32::from(is_next_draft),
        elapsed_ms: now_ms() - before.since_ms,
        ..before
    }
}

/// What a call ended with. Anything but a result is said on the page.
fn result(app: App, event: Event) -> Option<Value> {
    let (message, remedy) = match event {
        Event::Processed { result } => return Some(result),
        Event::Cancelled => (
            "Stopped.".to_owned(),
            "What was said is still here.".to_owned(),
        ),
        Event::InUse => (
            "The model is at work in another tab of this page.".to_owned(),
            "Go on there, or press \u{201c}Use it here\u{201d} at the top of the page.".to_owned(),
        ),
        Event::Failed { message, remedy } => (message, remedy),
        _ => return None,
    };
    fail(app, message, remedy);
    None
}

fn show(app: App, outcome: Outcome) {
    replace(app, Some(outcome));
    app.consulting.is_outcome_shown.set(true);
}

/// Puts an outcome in the place of the one that was here, which takes along what was made of it.
fn replace(app: App, outcome: Option<Outcome>) {
    let consulting = app.consulting;
    consulting.note.set(None);
    consulting.described.set(None);
    consulting.review.set(Review::default());
    consulting.outcome.set(outcome.map(Arc::new));
}

/// What came of a consultation, as it is shown.
pub fn outcome(transcript: String, patient: Value, mut draft: Value) -> Outcome {
    let bundle = draft.get_mut("bundle").map(Value::take);
    let result = Processed::read(&draft);
    let bundle = bundle.filter(|it| it.is_object() && result.validation.bundle_valid);
    let entries = bundle.as_ref().and_then(|it| it.get("entry"));
    Outcome {
        transcript,
        patient,
        result,
        entries: entries.and_then(Value::as_array).map_or(0, Vec::len),
        bundle: bundle.and_then(|bundle| serde_json::to_string_pretty(&bundle).ok()),
        draft,
    }
}

/// Says what went wrong.
pub fn fail(app: App, message: String, remedy: String) {
    app.consulting.problem.set(Some(Problem {
        message,
        remedy,
        retry: false,
    }));
}

/// What is known of the patient, as the request has it; `None` where the age is no number.
fn patient(words: &PatientWords) -> Option<Value> {
    let mut patient = Map::new();
    if let Some(age) = words.age()? {
        patient.insert("age".to_owned(), json!({ words.unit(): age }));
    }
    let mut say = |key: &str, word: &str| {
        if !word.is_empty() {
            patient.insert(key.to_owned(), word.into());
        }
    };
    say("sex", &words.sex);
    if words.may_be_pregnant() {
        say("pregnancy", &words.pregnancy);
    }
    Some(Value::Object(patient))
}

/// Stops the draft that is being made, if one is.
pub fn stop_drafting(app: App, client: &Client) {
    if let Some(call) = app.consulting.call.get_untracked() {
        client.cancel(call);
    }
}

/// Takes the consultation off the page, with what came of it.
pub fn clear(app: App, client: &Client) {
    stop_drafting(app, client);
    let consulting = app.consulting;
    // Nobody waits for what comes of a call that is stopped here.
    consulting.call.set(None);
    consulting.going.set(None);
    replace(app, None);
    pictures::remove(consulting.pictures, |_| true);
    consulting.is_outcome_shown.set(false);
    consulting.problem.set(None);
    consulting.patient.set(PatientWords::default());
    consulting.transcript.set(String::new());
}

/// Gives the Bundle to the browser to be saved -> whether it could.
pub fn save_bundle(bundle: &str) -> bool {
    let options = BlobPropertyBag::new();
    options.set_type(FHIR_JSON);
    let parts = Array::of1(&bundle.into());
    let file = Blob::new_with_str_sequence_and_options(&parts, &options);
    let Some(address) = file
        .ok()
        .and_then(|file| Url::create_object_url_with_blob(&file).ok())
    else {
        return false;
    };
    let today = String::from(Date::new_0().to_iso_string());
    let (day, _) = today.split_once('T').unwrap_or((&today, ""));
    browser::save(&address, &format!("consultation-{day}.json"));
    true
}
