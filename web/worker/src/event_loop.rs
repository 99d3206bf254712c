//! The Worker's event loop: time, waiting, and letting messages in.

use std::pin::pin;

use futures_util::future::{Either, select};
use js_sys::{Function, Promise, Reflect};
use outpost_engine::ports::Clock;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel};

/// The Worker itself.
pub fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Lets everything run that the event loop has waiting, such as a message that stops an answer.
///
/// A promise that is already resolved would not do: its continuation runs before any message is looked at. A timer
/// would cost four milliseconds; a message to oneself costs microseconds.
pub async fn let_messages_in() {
    let Ok(channel) = MessageChannel::new() else {
        return;
    };
    let promise = Promise::new(&mut |resolve: Function, _| {
        channel.port1().set_onmessage(Some(&resolve));
        if channel.port2().post_message(&JsValue::NULL).is_err() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(promise).await;
    channel.port1().close();
}

/// Waits.
pub async fn sleep_ms(milliseconds: i32) {
    let mut timer = Timer(None);
    let promise = Promise::new(&mut |resolve: Function, _| match scope()
        .set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds)
    {
        Ok(id) => timer.0 = Some(id),
        Err(_) => {
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(promise).await;
}

/// A timer, which nobody waits for any more when this is dropped.
struct Timer(Option<i32>);

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            scope().clear_timeout_with_handle(id);
        }
    }
}

/// Waits for `work`, but not longer than so many milliseconds -> what it gave, or `None`.
pub async fn at_most_ms<T>(milliseconds: i32, work: impl Future<Output = T>) -> Option<T> {
    let (work, end) = (pin!(work), pin!(sleep_ms(milliseconds)));
    match select(work, end).await {
        Either::Left((outcome, _)) => Some(outcome),
        Either::Right(_) => None,
    }
}

/// The browser's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct BrowserClock;

impl Clock for BrowserClock {
    fn now_ms(&self) -> f64 {
        scope()
            .performance()
            .map_or(0.0, |performance| performance.now())
    }
}

/// Bytes of this module's memory. It never shrinks, so this is also its peak.
pub fn heap_bytes() -> Option<u64> {
    let buffer = Reflect::get(&wasm_bindgen::memory(), &"buffer".into()).ok()?;
    let buffer: js_sys::ArrayBuffer = buffer.dyn_into().ok()?;
    Some(u64::from(buffer.byte_length()))
}
