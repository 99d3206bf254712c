//! Questions with known answers: asking them, stopping, going on, and comparing what came out.

use js_sys::Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::{ClinicRequest, EVALUATIONS, Event, Request};
use serde_json::{Value, json};
use web_sys::{Blob, File, Url};

use super::{can_measure, pause};
use crate::browser;
use crate::client::Client;
use crate::state::{App, Evaluation, Problem, Run};

/// How often, and how many milliseconds apart, it is tried to remove what is kept.
const FORGET_TRIES: u32 = 20;
const FORGET_AGAIN_MS: u32 = 250;

/// Takes the files that a person chose. The one that is no picture has the questions; pictures alone belong to those that were
/// chosen before.
pub fn choose_questions(app: App, files: Vec<File>) {
    let is_picture = |file: &File| file.type_().starts_with("image/");
    let (pictures, others): (Vec<_>, Vec<_>) = files.into_iter().partition(is_picture);
    app.evaluation.update(|evaluation| {
        if let [questions] = &others[..] {
            evaluation.questions = Some(questions.clone());
        }
        evaluation.compared = None;
        evaluation.run = match (others.len(), &evaluation.questions) {
            (0 | 1, Some(_)) => Run::Unknown,
            _ => Run::Failed(Problem {
                message: "These are not one file of questions and its pictures.".to_owned(),
                remedy: "Choose one file of JSON lines, and with it the pictures that it names."
                    .to_owned(),
                retry: false,
            }),
        };
        evaluation.pictures = pictures;
    });
}

/// Asks the questions, from where it was stopped. `by`: `likelihood` or `generation`; `limit`: only so many of them; `again`:
/// from the beginning.
pub fn evaluate(app: App, client: &Client, by: &str, limit: Option<u32>, again: bool) {
    let Evaluation {
        questions: Some(questions),
        pictures,
        ..
    } = app.evaluation.get_untracked()
    else {
        return;
    };
    // This knows that none goes on, too.
    if !untrack(|| can_measure(app)) {
        return;
    }
    let files = Array::of1(&questions);
    for picture in &pictures {
        files.push(picture);
    }
    let options = json!({"by": by, "limit": limit, "again": again});
    app.evaluation.update(|evaluation| {
        evaluation.run = Run::Going(Value::Null);
        evaluation.compared = None;
    });
    let ask = ClinicRequest::Evaluate { options };
    let mut answers = client.call(Request::Clinic { ask }, &files);
    app.evaluation_call.set(Some(answers.id()));
    spawn_local(async move {
        while let Some(event) = answers.next().await {
            app.evaluation.update(|evaluation| {
                if let Some(run) = run_after(event, &evaluation.run) {
                    evaluation.run = run;
                }
            });
        }
        app.evaluation_call.set(None);
    });
}

fn run_after(event: Event, before: &Run) -> Option<Run> {
    match event {
        Event::Evaluating { progress } => Some(Run::Going(read(&progress))),
        Event::Processed {
            result: Value::String(text),
        } => Some(Run::Done(read(&text))),
        Event::Cancelled => Some(Run::Stopped(match before {
            Run::Going(progress) => progress.clone(),
            _ => Value::Null,
        })),
        Event::Failed { message, remedy } => Some(Run::Failed(Problem {
            message,
            remedy,
            retry: true,
        })),
        _ => None,
    }
}

/// What the Worker wrote is JSON.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// Stops asking; what is answered is kept.
pub fn stop_evaluating(app: App, client: &Client) {
    if let Some(call) = app.evaluation_call.get_untracked() {
        client.cancel(call);
    }
}

/// Has the browser save the log.
pub fn save_log(app: App) {
    let Evaluation {
        questions: Some(questions),
        run: Run::Done(evaluated),
        ..
    } = app.evaluation.get_untracked()
    else {
        return;
    };
    let name = questions.name();
    let stem = name
        .rsplit_once('.')
        .map_or(name.as_str(), |(stem, _)| stem);
    let address = Blob::new_with_str_sequence(&Array::of1(&log(&evaluated)))
        .and_then(|blob| Url::create_object_url_with_blob(&blob));
    match address {
        Ok(address) => browser::save(&address, &format!("samples_{stem}.jsonl")),
        Err(_) => app.fail("The log could not be made.", "Try again."),
    }
}

fn log(evaluated: &Value) -> wasm_bindgen::JsValue {
    evaluated.get("log").and_then(Value::as_str).into()
}

/// Compares another log (A) with what came out (B).
pub fn compare_with(app: App, client: &Client, files: &[File]) {
    let (Run::Done(evaluated), Some(other)) = (app.evaluation.get_untracked().run, files.first())
    else {
        return;
    };
    let ask = ClinicRequest::CompareEvaluations { metric: None };
    let logs = Array::of2(other, &log(&evaluated));
    let answers = client.call(Request::Clinic { ask }, &logs);
    let name = other.name();
    spawn_local(async move {
        let found = match answers.last().await {
            Event::Processed {
                result: Value::String(text),
            } => Ok(read(&text)),
            Event::Failed { message, remedy } => Err(Problem {
                message,
                remedy,
                retry: false,
            }),
            _ => return,
        };
        app.evaluation
            .update(|evaluation| evaluation.compared = Some((name, found)));
    });
}

/// Forgets everything that is kept of evaluations. While the engine writes into it, the browser does not let it go; it is
/// told to stop first.
pub async fn forget_evaluations(app: App, client: &Client) {
    stop_evaluating(app, client);
    app.evaluation.set(Evaluation::default());
    for _ in 0..FORGET_TRIES {
        if browser::remove_folder(EVALUATIONS).await {
            return;
        }
        pause(FORGET_AGAIN_MS).await;
    }
}
