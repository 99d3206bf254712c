//! Tables of codes, as a page brings and removes them.

use js_sys::{Array, Function, JSON, Reflect};
use outpost_protocol::{ClinicRequest, Event, Request, TableKind};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::File;

use super::options::{on_abort, type_error};
use super::{Outpost, to_js};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("tables.ts");

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "File | Iterable<File>")]
    pub type JsTableFiles;
    #[wasm_bindgen(typescript_type = "TableOptions")]
    pub type JsTableOptions;
    #[wasm_bindgen(typescript_type = "Promise<TableInfo>")]
    pub type JsTablePromise;
    #[wasm_bindgen(typescript_type = "Promise<TableInfo[]>")]
    pub type JsTablesPromise;
}

/// The plain part of `TableOptions`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    kind: Option<TableKind>,
    title: Option<String>,
    release: Option<String>,
}

#[wasm_bindgen]
impl Outpost {
    /// The tables of codes that were brought to this device.
    pub fn tables(&self) -> JsTablesPromise {
        let ask = ClinicRequest::Tables;
        self.promise(Request::Clinic { ask }, Array::new())
    }

    /// Makes a table of a file: RxNorm's RXNCONSO.RRF (with RXNREL.RRF beside it, if there is one), or a list as CSV. It is
    /// used from then on, and takes the place of one with the same title and system.
    ///
    /// # Errors
    /// A `TypeError` for options that make no sense; later a rejection that says what is wrong with the file.
    #[wasm_bindgen(js_name = importTable)]
    pub fn import_table(
        &self,
        files: &JsTableFiles,
        options: Option<JsTableOptions>,
    ) -> Result<JsTablePromise, JsValue> {
        let options: JsValue = options.map_or(JsValue::UNDEFINED, Into::into);
        let wrong =
            |detail: &str| type_error(detail, "Give importTable what TableOptions describes.");
        let Options {
            kind,
            title,
            release,
        } = match JSON::stringify(&options)?.as_string() {
            None => Options::default(),
            Some(text) => serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?,
        };
        let files = match files.dyn_ref::<File>() {
            Some(file) => Array::of1(file),
            None => Array::from(files),
        };
        let of_options = |name: &str| match options.is_object() {
            true => Reflect::get(&options, &name.into()),
            false => Ok(JsValue::UNDEFINED),
        };
        let on_progress: Option<Function> = of_options("onProgress")?.dyn_into().ok();
        let signal = of_options("signal")?.dyn_into().ok();
        let ask = ClinicRequest::ImportTable {
            kind,
            title,
            release,
        };
        let mut answers = self.client.call(Request::Clinic { ask }, &files);
        let (client, id) = (self.client.clone(), answers.id());
        on_abort(signal, move || client.cancel(id))?;
        let imported = async move {
            loop {
                match answers.next().await {
                    Some(Event::Progress { done, total, .. }) => {
                        if let Some(tell) = &on_progress {
                            let (done, total) = (done as f64, total as f64);
                            tell.call2(&JsValue::NULL, &done.into(), &total.into())?;
                        }
                    }
                    Some(event) if event.is_final() => return to_js(event),
                    Some(_) => {}
                    None => {
                        return to_js(Event::failed(
                            "The engine gave no answer.",
                            "Load the page again.",
                        ));
                    }
                }
            }
        };
        Ok(future_to_promise(imported).unchecked_into())
    }

    /// Removes a table of codes.
    #[wasm_bindgen(js_name = removeTable)]
    pub fn remove_table(&self, id: String) -> JsTablesPromise {
        let ask = ClinicRequest::RemoveTable { id };
        self.promise(Request::Clinic { ask }, Array::new())
    }
}
