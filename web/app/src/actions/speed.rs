//! Measuring how fast the model is here, and whether a larger one would run.

use js_sys::Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::{
    BENCH_PROMPT_TOKENS, BENCH_TOKENS, Event, ModelState, Need, Request, Stage,
};

use crate::client::Client;
use crate::state::{App, Fitting, Problem, Speed};

/// Whether there is a model that has nothing else to do.
pub fn can_measure(app: App) -> bool {
    app.state.get() == ModelState::Ready
        && app.answering.get().is_none()
        && app.evaluation_call.get().is_none()
}

/// Measures the model in use.
pub fn measure(app: App, client: &Client) {
    let going_on = app.measuring_call.get_untracked().is_some();
    if going_on || !untrack(|| can_measure(app)) {
        return;
    }
    app.speed.set(Speed::Measuring { done: 0, total: 0 });
    let request = Request::Bench {
        prompt_tokens: BENCH_PROMPT_TOKENS,
        tokens: BENCH_TOKENS,
    };
    let mut answers = client.call(request, &Array::new());
    app.measuring_call.set(Some(answers.id()));
    spawn_local(async move {
        while let Some(event) = answers.next().await {
            if let Some(speed) = speed_after(event) {
                app.speed.set(speed);
            }
        }
        app.measuring_call.set(None);
    });
}

/// Finds out whether MedGemma would run here.
pub fn check_fit(app: App, client: &Client) {
    if app.fitting.get_untracked() == Fitting::Checking {
        return;
    }
    app.fitting.set(Fitting::Checking);
    let client = client.clone();
    spawn_local(async move {
        let need = Need::MEDGEMMA_4B;
        app.fitting
            .set(match client.ask(Request::Fit { need }).await {
                Event::Fits { fit } => Fitting::Known(fit),
                Event::Failed { message, remedy } => Fitting::Failed(format!("{message} {remedy}")),
                _ => Fitting::Unknown,
            });
    });
}

fn speed_after(event: Event) -> Option<Speed> {
    match event {
        Event::Progress {
            stage: Stage::Measuring,
            done,
            total,
            ..
        } => Some(Speed::Measuring { done, total }),
        Event::Benched { report } => Some(Speed::Measured(report)),
        Event::Cancelled => Some(Speed::Stopped),
        Event::Failed { message, remedy } => Some(Speed::Failed(Problem {
            message,
            remedy,
            retry: true,
        })),
        _ => None,
    }
}

/// Stops the measurement, if one goes on.
pub fn stop_measuring(app: App, client: &Client) {
    if let Some(call) = app.measuring_call.get_untracked() {
        client.cancel(call);
    }
}
