//! Receives calls, works on them one after the other, and answers.
//!
//! There is one engine, so there is one queue. Only two requests are looked at on arrival: `Cancel` marks another call,
//! whose work looks for the mark between any two pieces, and `Ping` shows that this Worker lives.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use js_sys::{Array, Object, Reflect, Uint8Array};
use outpost_protocol::{
    ATTACHMENTS, Call, CallId, Event, ModelState, Reply, Request, Stage, TEXT, Unit, decode, encode,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::event_loop::{BrowserClock, let_messages_in, scope};
use crate::host::Host;
use crate::problem::{Problem, Result};
use outpost_engine::ports::{Clock, Progress};

/// Between two reports of the same work: often enough for the eye.
const REPORT_MS: f64 = 60.0;

thread_local! {
    static DESK: Desk = Desk::open();
}

type Mark = Rc<Cell<bool>>;

struct Desk {
    queue: UnboundedSender<(Task, Request, Array)>,
    /// Calls that are waiting or being worked on, with what is set to stop them.
    marks: RefCell<HashMap<CallId, Mark>>,
}

/// A call that is being worked on.
#[derive(Debug)]
pub struct Task {
    id: CallId,
    cancelled: Mark,
    reported: Cell<Option<(Stage, f64)>>,
}

/// Takes one message of the page.
pub fn receive(message: &JsValue) {
    let text = Reflect::get(message, &TEXT.into())
        .ok()
        .and_then(|text| text.as_string());
    let call = match decode::<Call>(&text.unwrap_or_default()) {
        Ok(call) => call,
        Err(problem) => {
            let event = Event::failed(
                format!("A message was not understood: {problem}."),
                "Load the page again.",
            );
            return post(&Reply { id: None, event });
        }
    };
    let attachments = Reflect::get(message, &ATTACHMENTS.into());
    let attachments = attachments
        .ok()
        .and_then(|value| value.dyn_into().ok())
        .unwrap_or_default();
    DESK.with(|desk| desk.take(call, attachments));
}

/// Tells the page that another tab has taken over: this Worker is of no use any more, and its memory is wanted there.
pub fn leave() {
    post(&Reply {
        id: None,
        event: Event::InUse,
    });
}

impl Desk {
    fn open() -> Self {
        let (queue, calls) = unbounded();
        spawn_local(work(calls));
        Self {
            queue,
            marks: RefCell::default(),
        }
    }

    fn take(&self, call: Call, attachments: Array) {
        if let Request::Cancel { .. } | Request::Ping = call.request {
            if let Request::Cancel { call: other } = call.request
                && let Some(mark) = self.marks.borrow().get(&other)
            {
                mark.set(true);
            }
            return post(&Reply {
                id: Some(call.id),
                event: Event::Done,
            });
        }
        let cancelled = Mark::default();
        self.marks
            .borrow_mut()
            .insert(call.id, Rc::clone(&cancelled));
        let task = Task {
            id: call.id,
            cancelled,
            reported: Cell::new(None),
        };
        if self
            .queue
            .unbounded_send((task, call.request, attachments))
            .is_err()
        {
            post(&Reply {
                id: Some(call.id),
                event: Event::failed("The engine has ended.", "Load the page again."),
            });
        }
    }
}

async fn work(mut calls: UnboundedReceiver<(Task, Request, Array)>) {
    let mut host = Host::default();
    while let Some((task, request, attachments)) = calls.next().await {
        let outcome = match task.is_cancelled() {
            true => Err(Problem::Cancelled),
            false => host.handle(&task, request, attachments).await,
        };
        DESK.with(|desk| desk.marks.borrow_mut().remove(&task.id));
        match outcome {
            // wgpu opens a device once in a module's life: only another Worker can have another device, and goes on there
            // with what can go on.
            Err(Problem::DeviceLost) => post(&Reply {
                id: None,
                event: Event::failed("the graphics processor was lost", ""),
            }),
            outcome => task.send(outcome.unwrap_or_else(Problem::into_event)),
        }
    }
}

impl Task {
    /// Tells the page what happened.
    pub fn send(&self, event: Event) {
        post(&Reply {
            id: Some(self.id),
            event,
        });
    }

    /// Tells the page how far a model is.
    pub fn state(&self, model: Option<&str>, state: ModelState) {
        self.send(Event::State {
            model: model.map(str::to_owned),
            state,
        });
    }

    /// Tells the page how far the work is, not more often than it can be seen.
    pub fn progress(&self, stage: Stage, done: u64, total: u64, unit: Unit) {
        let now_ms = BrowserClock.now_ms();
        let seen = |(of, at_ms): (Stage, f64)| of == stage && now_ms - at_ms < REPORT_MS;
        if done < total && self.reported.get().is_some_and(seen) {
            return;
        }
        self.reported.set(Some((stage, now_ms)));
        self.send(Event::Progress {
            stage,
            done,
            total,
            unit,
        });
    }

    /// Whether the page wants this call to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    /// Lets messages in, then says whether to go on.
    ///
    /// # Errors
    /// [`Problem::Cancelled`].
    pub async fn check(&self) -> Result<()> {
        let_messages_in().await;
        match self.is_cancelled() {
            true => Err(Problem::Cancelled),
            false => Ok(()),
        }
    }
}

/// Weights on their way to the device.
pub struct LoadProgress<'t>(pub &'t Task);

impl Progress for LoadProgress<'_> {
    fn report(&mut self, done_bytes: u64, total_bytes: u64) {
        self.0
            .progress(Stage::Loading, done_bytes, total_bytes, Unit::Bytes);
    }
}

fn post(reply: &Reply) {
    let message = Object::new();
    let (attachments, handed_over) = (Array::new(), Array::new());
    if let Event::PictureEncoded { features, .. } = &reply.event {
        let features = Uint8Array::from(features.as_slice());
        handed_over.push(&features.buffer());
        attachments.push(&features);
    }
    let sent = encode(reply)
        .map_err(|problem| JsValue::from(&problem))
        .and_then(|text| {
            Reflect::set(&message, &TEXT.into(), &text.into())?;
            Reflect::set(&message, &ATTACHMENTS.into(), &attachments)?;
            scope().post_message_with_transfer(&message, &handed_over)
        });
    if let Err(error) = sent {
        log::error!("the page cannot be told: {error:?}");
    }
}
