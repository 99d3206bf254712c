//! One engine at a time: tabs of one address share one device, which has no room for a model in each.
//!
//! Whoever computes holds a Web Lock, which ends with its Worker. Another tab can have it taken away, when the person says so.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::event_loop::{scope, sleep_ms};

const NAME: &str = "outpost-engine";
/// How long a Worker that was ended may keep its lock: two seconds were seen.
const PATIENCE_MS: i32 = 5_000;
/// Between two attempts.
const RETRY_MS: i32 = 100;

/// The right to compute, until it is dropped or taken away.
#[derive(Debug)]
pub struct Lease {
    /// `None` in a browser without Web Locks.
    release: Option<Function>,
}

impl Lease {
    /// Waits for the right to compute; `by_force` takes it away from whoever has it. `on_lost` is called when this one is
    /// taken away. `None`: another tab has it. A browser without Web Locks lets everyone compute.
    pub async fn take(by_force: bool, on_lost: impl FnOnce() + 'static) -> Option<Self> {
        let on_lost = Rc::new(Cell::new(Some(on_lost)));
        let mut waited_ms = 0;
        loop {
            match request(by_force).await {
                Ok(Asked::Held { release, ended }) => {
                    spawn_local(async move {
                        // It ends well when it is released, and with an error when it is taken away.
                        if JsFuture::from(ended).await.is_err()
                            && let Some(on_lost) = on_lost.take()
                        {
                            on_lost();
                        }
                    });
                    return Some(Self {
                        release: Some(release),
                    });
                }
                Ok(Asked::Refused) if waited_ms >= PATIENCE_MS => return None,
                Ok(Asked::Refused) => {
                    sleep_ms(RETRY_MS).await;
                    waited_ms += RETRY_MS;
                }
                Err(error) => {
                    log::warn!("no lock: {error:?}");
                    return Some(Self { release: None });
                }
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(release) = &self.release {
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

/// What the browser says.
enum Asked {
    /// The lock is held until `release` is called or another takes it; `ended` then fails.
    Held { release: Function, ended: Promise },
    /// Another holds it.
    Refused,
}

async fn request(by_force: bool) -> Result<Asked, JsValue> {
    let locks = Reflect::get(&scope().navigator(), &"locks".into())?;
    let request: Function = Reflect::get(&locks, &"request".into())?.dyn_into()?;
    let options = Object::new();
    let option = if by_force { "steal" } else { "ifAvailable" };
    Reflect::set(&options, &option.into(), &JsValue::TRUE)?;

    let release = Rc::new(RefCell::new(None));
    let answered = {
        let release = Rc::clone(&release);
        let mut ended = Err(JsValue::UNDEFINED);
        let answer = Promise::new(&mut |resolve, reject| {
            let release = Rc::clone(&release);
            let asked = Closure::once_into_js(move |lock: JsValue| -> JsValue {
                let until = match lock.is_null() {
                    true => JsValue::UNDEFINED,
                    // The lock is held for as long as this promise is open.
                    false => Promise::new(&mut |resolve, _| {
                        *release.borrow_mut() = Some(resolve);
                    })
                    .into(),
                };
                let _ = resolve.call0(&JsValue::NULL);
                until
            });
            ended = request
                .call3(&locks, &NAME.into(), &options, &asked)
                .and_then(|promise| promise.dyn_into::<Promise>());
            if let Err(error) = &ended {
                let _ = reject.call1(&JsValue::NULL, error);
            }
        });
        JsFuture::from(answer).await?;
        ended?
    };
    let release = release.borrow_mut().take();
    match release {
        Some(release) => Ok(Asked::Held {
            release,
            ended: answered,
        }),
        None => Ok(Asked::Refused),
    }
}
