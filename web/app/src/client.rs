//! The only part of the page that speaks with the engine's Worker.
//!
//! The Worker starts with the first call. Every call has a number; its replies arrive as a stream that ends with one
//! final event. Stopping is a message. A Worker that does not obey, dies, loses its device or says nothing any more is
//! replaced by another one, which loads the model again and goes on with the answer that was being written.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use gloo::timers::callback::{Interval, Timeout};
use js_sys::{Array, Object, Reflect, Uint8Array};
use outpost_protocol::{
    ATTACHMENTS, Call, CallId, DeviceChoice, Event, ModelState, Reply, Request, ShownTokens, TEXT,
    decode, encode,
};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::trusted;

/// How long a call may go on after it was told to stop.
const PATIENCE_MS: u32 = 10_000;

/// How often it is looked whether the Worker lives.
const WATCH_MS: u32 = 5_000;

/// How long it may say nothing while it is asked whether it lives. On a slow processor one layer of the image encoder can
/// take a minute, and nothing is heard in between.
const SILENCE_MS: u32 = 300_000;

type Observer = Rc<dyn Fn(&Event)>;

/// A shared handle to the engine's Worker.
#[derive(Clone, Default)]
pub struct Client(Rc<Inner>);

#[derive(Default)]
struct Inner {
    worker: RefCell<Option<Running>>,
    next_id: Cell<CallId>,
    calls: RefCell<BTreeMap<CallId, Pending>>,
    observer: RefCell<Option<Observer>>,
    /// Calls that load a model.
    loading: RefCell<HashMap<CallId, Load>>,
    /// What to load again when a Worker is replaced.
    loaded: RefCell<Option<Load>>,
    /// Whether the present Worker replaces one that failed, and has not finished an answer yet.
    failed_before: Cell<bool>,
    /// Whether the present Worker has said anything: its program is here then, and runs.
    spoke: Cell<bool>,
    /// For how long the present Worker has said nothing, while this page was awake.
    silent_ms: Cell<u32>,
}

/// A call that has not ended.
struct Pending {
    events: UnboundedSender<Event>,
    /// How to go on with it in another Worker; `None` for what cannot go on, or is not wanted any more.
    question: Option<Question>,
    /// Whether it brings a model to this device.
    adds: bool,
}

/// What the model was asked, and what it has answered so far.
struct Question {
    request: Request,
    attachments: Array,
    answer: ShownTokens,
}

impl Question {
    /// Has another Worker be told what a picture became, instead of encoding it again.
    fn add_features(&mut self, picture: u32, features: &[u8]) {
        self.request
            .add_features(picture, self.attachments.length());
        self.attachments.push(&Uint8Array::from(features));
    }
}

/// Which model is loaded, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Id of the model.
    pub model: String,
    /// Where it computes.
    pub device: DeviceChoice,
    /// Threads on the processor; `None`: as many as suit.
    pub threads: Option<u32>,
    /// Whether the engine is taken away from another tab that has it.
    pub take_over: bool,
}

/// A Worker and the closures that it calls.
struct Running {
    worker: Worker,
    _watch: Interval,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(web_sys::Event)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // What it has said already must not reach closures that are gone.
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// The events of one call.
pub struct Answers {
    client: Client,
    id: CallId,
    events: UnboundedReceiver<Event>,
    ended: bool,
}

impl Client {
    /// Tells `observer` every event of every call, whoever made it.
    pub fn observe(&self, observer: impl Fn(&Event) + 'static) {
        *self.0.observer.borrow_mut() = Some(Rc::new(observer));
    }

    /// Sends a request, with `File` or `Blob` objects beside it.
    pub fn call(&self, request: Request, attachments: &Array) -> Answers {
        let id = self.0.next_id.get().wrapping_add(1);
        self.0.next_id.set(id);
        let (sender, events) = unbounded();
        let pending = Pending {
            events: sender,
            question: matches!(request, Request::Generate { .. }).then(|| Question {
                request: request.clone(),
                attachments: attachments.clone(),
                answer: ShownTokens::default(),
            }),
            adds: matches!(
                request,
                Request::ImportFiles { .. } | Request::Download { .. }
            ),
        };
        self.0.calls.borrow_mut().insert(id, pending);
        if let Request::Load {
            model,
            device,
            threads,
            take_over: _,
        } = &request
        {
            let load = Load {
                model: model.clone(),
                device: *device,
                threads: *threads,
                take_over: false,
            };
            self.0.loading.borrow_mut().insert(id, load);
        }
        if let Err(error) = self.post(&Call { id, request }, attachments) {
            self.deliver(id, not_asked(&error));
        }
        Answers {
            client: self.clone(),
            id,
            events,
            ended: false,
        }
    }

    /// What was loaded last, by whoever asked for it.
    pub fn loaded(&self) -> Option<Load> {
        self.0.loaded.borrow().clone()
    }

    /// Has the engine forget what it has read, once it is through with what it does. Where it does not run, there is nothing
    /// to forget.
    pub fn forget(&self) {
        if self.0.worker.borrow().is_some() {
            let _done = self.call(Request::Forget, &Array::new());
        }
    }

    /// Sends a request without attachments and waits for its final event.
    pub async fn ask(&self, request: Request) -> Event {
        self.call(request, &Array::new()).last().await
    }

    /// Stops a call; one that does not obey in time is ended with its Worker.
    pub fn cancel(&self, call: CallId) {
        match self.0.calls.borrow_mut().get_mut(&call) {
            Some(pending) => pending.question = None,
            None => return,
        }
        let _done = self.call(Request::Cancel { call }, &Array::new());
        let client = self.clone();
        let end = move || {
            if client.0.calls.borrow().contains_key(&call) {
                client.replace_worker(&Event::Cancelled, true);
            }
        };
        Timeout::new(PATIENCE_MS, end).forget();
    }

    fn post(&self, call: &Call, attachments: &Array) -> Result<(), JsValue> {
        let text = encode(call)?;
        let message = Object::new();
        Reflect::set(&message, &TEXT.into(), &text.into())?;
        Reflect::set(&message, &ATTACHMENTS.into(), attachments)?;
        let mut worker = self.0.worker.borrow_mut();
        let running = match worker.take() {
            Some(running) => running,
            None => self.spawn()?,
        };
        worker.insert(running).worker.post_message(&message)
    }

    fn spawn(&self) -> Result<Running, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name("outpost-engine");
        // `new Worker` takes a TrustedScriptURL, for which the bindings have no type.
        let constructor: js_sys::Function =
            Reflect::get(&js_sys::global(), &"Worker".into())?.dyn_into()?;
        let arguments = Array::of2(&trusted::script_url(trusted::WORKER)?, &options);
        let worker: Worker = Reflect::construct(&constructor, &arguments)?.dyn_into()?;

        let client = Rc::downgrade(&self.0);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            if let Some(inner) = client.upgrade() {
                Client(inner).receive(&message.data());
            }
        });
        let client = Rc::downgrade(&self.0);
        let on_error = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
            event.prevent_default();
            if let Some(inner) = client.upgrade() {
                let detail = event
                    .dyn_ref::<web_sys::ErrorEvent>()
                    .map(web_sys::ErrorEvent::message);
                Client(inner).failed(
                    detail
                        .as_deref()
                        .unwrap_or("its program could not be loaded"),
                );
            }
        });
        self.0.silent_ms.set(0);
        self.0.spoke.set(false);
        let client = Rc::downgrade(&self.0);
        let watch = Interval::new(WATCH_MS, move || {
            if let Some(inner) = client.upgrade() {
                Client(inner).watch();
            }
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Running {
            worker,
            _watch: watch,
            _on_message: on_message,
            _on_error: on_error,
        })
    }

    /// Asks a Worker that should be at work and says nothing whether it lives, and ends it if it does not answer. Time in
    /// which the browser lets this page sleep does not count, because then nothing calls this.
    fn watch(&self) {
        let silent_ms = self.0.silent_ms.get().saturating_add(WATCH_MS);
        self.0.silent_ms.set(silent_ms);
        if self.0.calls.borrow().is_empty() {
            self.0.silent_ms.set(0);
        } else if silent_ms > SILENCE_MS {
            self.failed("it says nothing any more");
        } else if silent_ms == 2 * WATCH_MS {
            let _answer = self.call(Request::Ping, &Array::new());
        }
    }

    fn receive(&self, data: &JsValue) {
        self.0.silent_ms.set(0);
        self.0.spoke.set(true);
        let text = Reflect::get(data, &TEXT.into())
            .ok()
            .and_then(|text| text.as_string());
        match text.as_deref().map(decode::<Reply>) {
            Some(Ok(Reply {
                id: Some(id),
                mut event,
            })) => {
                if let Event::PictureEncoded { features, .. } = &mut event {
                    *features = attached_bytes(data);
                }
                self.deliver(id, event);
            }
            Some(Ok(Reply {
                id: None,
                event: Event::Failed { message, .. },
            })) => self.failed(&message),
            Some(Ok(Reply {
                id: None,
                event: Event::InUse,
            })) => self.taken_over(),
            other => web_sys::console::warn_1(&format!("not understood: {other:?}").into()),
        }
    }

    fn deliver(&self, id: CallId, event: Event) {
        if matches!(event, Event::Finished { .. }) {
            self.0.failed_before.set(false);
        }
        if event.is_final()
            && let Some(load) = self.0.loading.borrow_mut().remove(&id)
            && matches!(event, Event::Loaded { .. })
        {
            *self.0.loaded.borrow_mut() = Some(load);
        }
        for event in self.shown(id, event) {
            self.tell(&event);
            let sender = match event.is_final() {
                true => self
                    .0
                    .calls
                    .borrow_mut()
                    .remove(&id)
                    .map(|call| call.events),
                false => self
                    .0
                    .calls
                    .borrow()
                    .get(&id)
                    .map(|call| call.events.clone()),
            };
            if let Some(sender) = sender {
                // Nobody may be listening any more, which is fine.
                let _ = sender.unbounded_send(event);
            }
        }
    }

    /// What of an event its caller has not seen before.
    fn shown(&self, id: CallId, event: Event) -> Vec<Event> {
        let mut calls = self.0.calls.borrow_mut();
        let Some(question) = calls.get_mut(&id).and_then(|call| call.question.as_mut()) else {
            return vec![event];
        };
        if let Event::PictureEncoded { picture, features } = &event {
            question.add_features(*picture, features);
        }
        question.answer.to_show(event)
    }

    /// The Worker died. It starts again once by itself, and goes on with the answer; the second time its calls fail.
    fn failed(&self, detail: &str) {
        let detail = detail.trim_start_matches("Uncaught ");
        let was_ready = self.0.loaded.borrow().is_some();
        let again = was_ready && !self.0.failed_before.replace(true);
        let remedy = match (was_ready, again) {
            (true, true) => "It starts again by itself. Then try once more.",
            (true, false) => "Load the page again. If that does not help, choose a smaller model.",
            (false, _) => self.remedy_without_model(),
        };
        self.replace_worker(
            &Event::failed(format!("The engine stopped working ({detail})."), remedy),
            again,
        );
    }

    /// What to do where no model was loaded when the Worker died.
    fn remedy_without_model(&self) -> &'static str {
        let adds = self.0.calls.borrow().values().any(|call| call.adds);
        match (adds, self.0.spoke.get()) {
            (true, true) => {
                "Add the model again: what was stored is kept. If it stops again, close other programs, or choose a smaller model."
            }
            (false, true) => "Load the page again. If that does not help, choose a smaller model.",
            (_, false) => {
                "Check the connection and try again. If that does not help, update this browser."
            }
        }
    }

    /// Another tab has the engine now. The memory of this one's Worker is wanted there.
    fn taken_over(&self) {
        self.0.loaded.borrow_mut().take();
        self.end_worker(&Event::InUse, |_| false);
        self.tell(&Event::State {
            model: None,
            state: ModelState::Absent,
        });
        self.tell(&Event::InUse);
    }

    /// Ends the Worker, and with `ending` those of its calls that cannot go on -> the others.
    fn end_worker(&self, ending: &Event, goes_on: impl Fn(&Pending) -> bool) -> Vec<CallId> {
        *self.0.worker.borrow_mut() = None;
        let (kept, ended): (Vec<CallId>, Vec<CallId>) = {
            let calls = self.0.calls.borrow();
            calls
                .keys()
                .partition(|id| calls.get(id).is_some_and(&goes_on))
        };
        for id in ended {
            self.deliver(id, ending.clone());
        }
        kept
    }

    /// Ends the Worker and its calls; the next call starts another one. `again` loads the model anew at once, and goes on
    /// with what can go on.
    fn replace_worker(&self, ending: &Event, again: bool) {
        let load = self.0.loaded.borrow_mut().take().filter(|_| again);
        let kept = self.end_worker(ending, |call| load.is_some() && call.question.is_some());
        let Some(load) = load else {
            return self.tell(&Event::State {
                model: None,
                state: ModelState::Error,
            });
        };
        // The Worker that was ended may keep its right to compute for seconds, and it was this page's.
        let load = Load {
            take_over: true,
            ..load
        };
        let _events = self.call(load.into(), &Array::new());
        for id in kept {
            self.ask_again(id);
        }
    }

    /// Asks the present Worker what was asked of the last one.
    fn ask_again(&self, id: CallId) {
        let (call, attachments) = {
            let mut calls = self.0.calls.borrow_mut();
            let Some(question) = calls.get_mut(&id).and_then(|call| call.question.as_mut()) else {
                return;
            };
            question.answer.begin_again();
            let request = question.request.clone();
            (Call { id, request }, question.attachments.clone())
        };
        if let Err(error) = self.post(&call, &attachments) {
            self.deliver(id, not_asked(&error));
        }
    }

    fn tell(&self, event: &Event) {
        let observer = self.0.observer.borrow().clone();
        if let Some(observer) = observer {
            observer(event);
        }
    }
}

impl From<Load> for Request {
    fn from(load: Load) -> Self {
        Self::Load {
            model: load.model,
            device: load.device,
            threads: load.threads,
            take_over: load.take_over,
        }
    }
}

impl Answers {
    /// The call's number.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// The next event; `None` after the final one.
    pub async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let event = self.events.next().await;
        self.ended = event.as_ref().is_none_or(Event::is_final);
        event
    }

    /// The final event.
    pub async fn last(mut self) -> Event {
        while let Some(event) = self.next().await {
            if event.is_final() {
                return event;
            }
        }
        Event::failed("The engine gave no answer.", "Load the page again.")
    }

    /// Stops the call.
    pub fn cancel(&self) {
        self.client.cancel(self.id);
    }
}

/// The bytes beside a message; none where there are none.
fn attached_bytes(data: &JsValue) -> Vec<u8> {
    let attachments = Reflect::get(data, &ATTACHMENTS.into()).ok();
    let attachments: Option<Array> = attachments.and_then(|list| list.dyn_into().ok());
    let bytes: Option<Uint8Array> = attachments.and_then(|list| list.get(0).dyn_into().ok());
    bytes.map_or_else(Vec::new, |bytes| bytes.to_vec())
}

fn not_asked(error: &JsValue) -> Event {
    let message = format!("The engine could not be asked: {}.", text_of(error));
    Event::failed(message, "Load the page again.")
}

/// What an exception says.
pub fn text_of(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    }
}
