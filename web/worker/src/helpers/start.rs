//! Starts helper threads: one compiled module for all, a nested Worker for each.

use js_sys::{Array, Function, Object, Promise, Reflect, WebAssembly};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ErrorEvent, Worker, WorkerGlobalScope, WorkerOptions, WorkerType};

use super::{Helper, Line, WorkerHelpers};

/// The script of a helper, beside the script of this Worker.
const SCRIPT: &str = "thread.js";

/// What a helper computes with.
const MODULE: &str = "engine/thread.wasm";

/// Most threads that compute, this one among them: each helper has a copy of every input.
const MOST_THREADS: f64 = 8.0;

/// How long a helper may take to start.
const START_MS: i32 = 20_000;

thread_local! {
    static POLICY: Option<Object> = create_policy();
}

/// How many helpers this device's processor has room for, beside the engine's own thread.
pub fn helpers_for_this_device() -> usize {
    let threads = scope().navigator().hardware_concurrency();
    // A browser that does not tell gives no number, and that becomes 0.
    (threads.clamp(1.0, MOST_THREADS) - 1.0) as usize
}

/// Starts `count` helpers; those that do not start are left out. `None` where the page is not isolated from other
/// origins, so that no memory can be shared, or where none starts.
pub async fn spawn(count: usize) -> Option<WorkerHelpers> {
    if count == 0 || !is_isolated() {
        return None;
    }
    let module = match compile().await {
        Ok(module) => module,
        Err(error) => {
            log::warn!("no helper threads: {MODULE} does not compile: {error:?}");
            return None;
        }
    };
    let starting: Vec<_> = (0..count).map(|_| start(&module)).collect();
    let mut helpers = Vec::new();
    for helper in starting {
        let started = match helper {
            Ok((helper, ready)) => ready.await.map(|_| helper),
            Err(error) => Err(error),
        };
        match started {
            Ok(helper) => helpers.push(helper),
            Err(error) => log::warn!("a helper thread does not start: {error:?}"),
        }
    }
    (!helpers.is_empty()).then_some(WorkerHelpers(helpers))
}

/// Whether `SharedArrayBuffer` may be used.
fn is_isolated() -> bool {
    Reflect::get(&js_sys::global(), &"crossOriginIsolated".into())
        .is_ok_and(|isolated| isolated.is_truthy())
}

async fn compile() -> Result<JsValue, JsValue> {
    let response = scope().fetch_with_str(MODULE);
    JsFuture::from(WebAssembly::compile_streaming(&response)).await
}

/// Starts a Worker -> it, and what is kept once it waits for calls.
fn start(module: &JsValue) -> Result<(Helper, JsFuture), JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    options.set_name("outpost-helper");
    // `new Worker` takes a TrustedScriptURL, for which the bindings have no type.
    let constructor: Function = Reflect::get(&js_sys::global(), &"Worker".into())?.dyn_into()?;
    let arguments = Array::of2(&script_url()?, &options);
    let worker: Worker = Reflect::construct(&constructor, &arguments)?.dyn_into()?;
    let helper = Helper {
        worker,
        line: Line::new(),
    };

    let ready = Promise::new(&mut |resolve: Function, reject: Function| {
        helper.worker.set_onmessage(Some(&resolve));
        helper.worker.set_onerror(Some(&on_error(reject.clone())));
        let late = scope().set_timeout_with_callback_and_timeout_and_arguments_0(&reject, START_MS);
        if late.is_err() {
            let _ = reject.call0(&JsValue::NULL);
        }
    });
    let message = Object::new();
    Reflect::set(&message, &"module".into(), module)?;
    Reflect::set(&message, &"buffer".into(), &helper.line.buffer)?;
    helper.worker.post_message(&message)?;
    Ok((helper, JsFuture::from(ready)))
}

/// What a helper's error event does. A call that waits for it gets an error of its own; nobody above needs the event.
fn on_error(reject: Function) -> Function {
    let on_error = move |event: web_sys::Event| {
        event.prevent_default();
        let detail = event.dyn_ref().map(ErrorEvent::message).unwrap_or_default();
        log::warn!("a helper thread failed: {detail}");
        let _ = reject.call1(&JsValue::NULL, &detail.into());
    };
    Closure::<dyn Fn(web_sys::Event)>::new(on_error)
        .into_js_value()
        .unchecked_into()
}

fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// The script's address, in a form that the browser accepts where scripts are started.
fn script_url() -> Result<JsValue, JsValue> {
    POLICY.with(|policy| match policy {
        None => Ok(JsValue::from_str(SCRIPT)),
        Some(policy) => Reflect::get(policy, &"createScriptURL".into())?
            .dyn_into::<Function>()?
            .call1(policy, &SCRIPT.into()),
    })
}

/// A Trusted Types policy for this one script. `None` where the browser has no Trusted Types.
fn create_policy() -> Option<Object> {
    let factory = Reflect::get(&js_sys::global(), &"trustedTypes".into()).ok()?;
    let create: Function = Reflect::get(&factory, &"createPolicy".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let allow =
        Closure::<dyn Fn(String) -> Result<String, JsValue>>::new(|file: String| {
            match file == SCRIPT {
                true => Ok(file),
                false => Err(js_sys::TypeError::new("this script may not be started").into()),
            }
        });
    let rules = Object::new();
    Reflect::set(&rules, &"createScriptURL".into(), &allow.into_js_value()).ok()?;
    create
        .call2(&factory, &"outpost-helpers".into(), &rules)
        .ok()?
        .dyn_into()
        .ok()
}
