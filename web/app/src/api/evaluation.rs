//! Questions with known answers, as a page asks them.

use js_sys::{Array, Function, JSON, Object, Reflect};
use outpost_protocol::{ClinicRequest, Event, Request};
use serde_json::Value;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::Blob;

use super::options::{on_abort, type_error};
use super::{Outpost, to_js};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("evaluation.ts");

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "EvaluationOptions")]
    pub type JsEvaluationOptions;
    #[wasm_bindgen(typescript_type = "Promise<Evaluated>")]
    pub type JsEvaluatedPromise;
    #[wasm_bindgen(typescript_type = "string | Blob")]
    pub type JsLog;
    #[wasm_bindgen(typescript_type = "Promise<EvaluationComparison>")]
    pub type JsComparisonPromise;
}

#[wasm_bindgen]
impl Outpost {
    /// Asks the loaded model questions with known answers, and says how many it got right. What is answered is kept: asked
    /// again, it goes on where it was stopped.
    ///
    /// # Errors
    /// A `TypeError` for options that make no sense; later a rejection, if no model is loaded, a question cannot be used, or
    /// it was stopped.
    pub fn evaluate(&self, options: &JsEvaluationOptions) -> Result<JsEvaluatedPromise, JsValue> {
        let options: &JsValue = options.as_ref();
        let (asked, attachments) = parse(options)?;
        let field = |name: &str| Reflect::get(options, &name.into());
        let on_progress: Option<Function> = field("onProgress")?.dyn_into().ok();
        let signal = field("signal")?.dyn_into().ok();
        let request = Request::Clinic {
            ask: ClinicRequest::Evaluate { options: asked },
        };
        let mut answers = self.client.call(request, &attachments);
        let (client, id) = (self.client.clone(), answers.id());
        on_abort(signal, move || client.cancel(id))?;
        let evaluated = async move {
            while let Some(event) = answers.next().await {
                match (event, &on_progress) {
                    (Event::Evaluating { progress }, Some(tell)) => {
                        tell.call1(&JsValue::UNDEFINED, &JSON::parse(&progress)?)?;
                    }
                    (event, _) if event.is_final() => return result(event),
                    _ => {}
                }
            }
            Ok(JsValue::UNDEFINED)
        };
        Ok(future_to_promise(evaluated).unchecked_into())
    }

    /// Compares two logs of the same questions: how much better or worse the second is, and how sure that is. `metric`: such
    /// as acc_norm; the first that both have if not given.
    #[wasm_bindgen(js_name = compareEvaluations)]
    pub fn compare_evaluations(
        &self,
        first: &JsLog,
        second: &JsLog,
        metric: Option<String>,
    ) -> JsComparisonPromise {
        let ask = ClinicRequest::CompareEvaluations { metric };
        let answers = self
            .client
            .call(Request::Clinic { ask }, &Array::of2(first, second));
        future_to_promise(async move { result(answers.last().await) }).unchecked_into()
    }
}

/// What travels as text.
fn result(event: Event) -> Result<JsValue, JsValue> {
    match event {
        Event::Processed {
            result: Value::String(text),
        } => JSON::parse(&text),
        event => to_js(event),
    }
}

/// What `evaluate` was given, and its files: the questions, then the pictures.
fn parse(options: &JsValue) -> Result<(Value, Array), JsValue> {
    let wrong =
        |detail: &str| type_error(detail, "Give evaluate what EvaluationOptions describes.");
    let Some(options) = options.dyn_ref::<Object>() else {
        return Err(wrong("evaluate takes an object"));
    };
    let field = |name: &str| Reflect::get(options, &name.into());
    let questions = field("questions")?;
    if !questions.is_string() && !questions.is_instance_of::<Blob>() {
        return Err(wrong("questions is neither text nor a file"));
    }
    let attachments = Array::of1(&questions);
    let images = field("images")?;
    if !images.is_undefined() && !images.is_null() {
        for image in Array::from(&images) {
            if !image.is_instance_of::<web_sys::File>() {
                return Err(wrong("images holds something else than files"));
            }
            attachments.push(&image);
        }
    }
    // What is a number or a word; the Worker says which of these make no sense.
    let plain = Object::assign(&Object::new(), options);
    for name in ["questions", "images", "signal", "onProgress"] {
        Reflect::delete_property(&plain, &name.into())?;
    }
    let text = JSON::stringify(&plain)?.as_string().unwrap_or_default();
    let asked = serde_json::from_str(&text).map_err(|problem| wrong(&problem.to_string()))?;
    Ok((asked, attachments))
}
