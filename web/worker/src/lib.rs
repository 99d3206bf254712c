//! The engine in a dedicated Worker: models in OPFS, WebGPU, answers.
//!
//! `desk` receives calls and works on them one after the other. `models` keeps models in OPFS, which `opfs` reaches;
//! `install` brings them there from files or from the network; `host` holds the loaded engine and answers; `measure`
//! says how fast it is, `fit` whether another model would run; `helpers` are threads beside this one; `lease` keeps tabs from computing side by side;
//! `consultation` has the model draft records of consultations, `evaluation` asks it questions with known answers; `tables` keeps
//! tables of codes that a person brought.
//!
//! Invariants: weights pass through in pieces and never lie whole in this module's memory. After a model is installed,
//! nothing here touches the network.

mod consultation;
mod desk;
mod evaluation;
mod event_loop;
mod findings;
mod fit;
mod gpu;
pub mod helpers;
mod host;
mod install;
mod lease;
mod measure;
mod models;
mod note;
mod opfs;
mod problem;
mod sources;
mod tables;

pub use models::Models;
pub use opfs::{Folder, Handle};
pub use problem::{Problem, Result};
pub use sources::FileSource;

use std::sync::Once;

use wasm_bindgen::prelude::*;

/// Prepares the module; harmless when it is called again. `receive` does it by itself.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        console_error_panic_hook::set_once();
        // Only one logger can ever be set, and this is the only place that sets one.
        let _ = log::set_logger(&ConsoleLog);
        log::set_max_level(log::LevelFilter::Warn);
    });
}

/// Takes one message of the page: see `outpost_protocol`.
#[wasm_bindgen]
pub fn receive(message: &JsValue) {
    start();
    desk::receive(message);
}

/// What the engine logs, in the browser's console. An invalid shader says so nowhere else.
struct ConsoleLog;

impl log::Log for ConsoleLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{}: {}", record.target(), record.args());
            match record.level() {
                log::Level::Error => console_error(&line),
                _ => console_warn(&line),
            }
        }
    }

    fn flush(&self) {}
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(line: &str);
    #[wasm_bindgen(js_namespace = console, js_name = warn)]
    fn console_warn(line: &str);
}
