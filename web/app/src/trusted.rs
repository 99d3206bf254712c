//! The one Trusted Types policy of the page: script addresses that may be run, and nothing else.
//!
//! Under `require-trusted-types-for 'script'` a Worker or service worker starts only from a `TrustedScriptURL`. The
//! policy `outpost` makes one for exactly two files of the page's own folder. It makes neither HTML nor script text.

use js_sys::{Function, Object, Reflect};
use wasm_bindgen::prelude::*;

/// The engine's Worker.
pub const WORKER: &str = "worker.js";
/// The service worker.
pub const SERVICE_WORKER: &str = "sw.js";

thread_local! {
    static POLICY: Option<Object> = create_policy();
}

/// The address of one of the two scripts, in a form that the browser accepts where scripts are started.
///
/// # Errors
/// What the browser says when it refuses.
pub fn script_url(file: &str) -> Result<JsValue, JsValue> {
    POLICY.with(|policy| match policy {
        None => Ok(JsValue::from_str(file)),
        Some(policy) => Reflect::get(policy, &"createScriptURL".into())?
            .dyn_into::<Function>()?
            .call1(policy, &file.into()),
    })
}

/// `None` where the browser has no Trusted Types.
fn create_policy() -> Option<Object> {
    let factory = Reflect::get(&js_sys::global(), &"trustedTypes".into()).ok()?;
    let create: Function = Reflect::get(&factory, &"createPolicy".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let allow = Closure::<dyn Fn(String) -> Result<String, JsValue>>::new(|file: String| {
        match [WORKER, SERVICE_WORKER].contains(&file.as_str()) {
            true => Ok(file),
            false => Err(js_sys::TypeError::new("this script may not be started").into()),
        }
    });
    let rules = Object::new();
    Reflect::set(&rules, &"createScriptURL".into(), &allow.into_js_value()).ok()?;
    create
        .call2(&factory, &"outpost".into(), &rules)
        .ok()?
        .dyn_into()
        .ok()
}
