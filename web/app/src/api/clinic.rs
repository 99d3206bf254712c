//! Clinical work, as a page asks for it.

use js_sys::{Array, JSON, Promise};
use outpost_protocol::{ClinicRequest, Event, Request};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::AbortSignal;

use super::{Outpost, error, options, to_js};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("clinic.ts");

const HEALTH: Request = Request::Clinic {
    ask: ClinicRequest::Health,
};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Consultation")]
    pub type JsConsultation;
    #[wasm_bindgen(typescript_type = "Promise<Processed>")]
    pub type JsProcessedPromise;
    #[wasm_bindgen(typescript_type = "Review")]
    pub type JsReview;
    #[wasm_bindgen(typescript_type = "Imaging")]
    pub type JsImaging;
    #[wasm_bindgen(typescript_type = "Promise<Noted>")]
    pub type JsNotedPromise;
    #[wasm_bindgen(typescript_type = "Promise<Described>")]
    pub type JsDescribedPromise;
    #[wasm_bindgen(typescript_type = "Promise<ModelInUse | null>")]
    pub type JsModelInUsePromise;
    #[wasm_bindgen(typescript_type = "Promise<Health>")]
    pub type JsHealthPromise;
}

impl Outpost {
    /// Asks for clinical work that a signal can stop.
    fn clinical(
        &self,
        ask: ClinicRequest,
        attachments: &Array,
        signal: Option<AbortSignal>,
    ) -> Result<Promise, JsValue> {
        let answers = self.client.call(Request::Clinic { ask }, attachments);
        let (client, id) = (self.client.clone(), answers.id());
        options::on_abort(signal, move || client.cancel(id))?;
        let done = async move { to_js(answers.last().await) };
        Ok(future_to_promise(done))
    }
}

#[wasm_bindgen]
impl Outpost {
    /// Turns the transcript of a consultation into facts with codes, a valid FHIR R4 Bundle and danger signs.
    ///
    /// # Errors
    /// A `TypeError` for options that make no sense; later a rejection, if no model is loaded or it was stopped.
    #[wasm_bindgen(js_name = processMedicalText)]
    pub fn process_medical_text(
        &self,
        options: &JsConsultation,
    ) -> Result<JsProcessedPromise, JsValue> {
        let (consultation, signal) =
            options::parse_consultation(options.as_ref(), "processMedicalText", true)?;
        let ask = ClinicRequest::Process { consultation };
        let processed = self.clinical(ask, &Array::new(), signal)?;
        Ok(processed.unchecked_into())
    }

    /// Changes in a draft what a person wants changed: facts are left out, or have another of their candidates as a code. The
    /// Bundle is made and validated anew, and its Provenance names the changes. Needs no model.
    ///
    /// # Errors
    /// A `TypeError` for what is no object; later a rejection, for a change of what is not there.
    #[wasm_bindgen(js_name = reviewRecord)]
    pub fn review_record(&self, review: &JsReview) -> Result<JsProcessedPromise, JsValue> {
        let review = options::parse_review(review.as_ref())?;
        let reviewed = self.clinical(ClinicRequest::Review { review }, &Array::new(), None)?;
        Ok(reviewed.unchecked_into())
    }

    /// Writes a SOAP note about the transcript of a consultation, each sentence with the words that it rests on; with
    /// `validateFhir` also a Bundle of it and the facts, else none.
    ///
    /// # Errors
    /// Those of `processMedicalText`.
    #[wasm_bindgen(js_name = soapNote)]
    pub fn soap_note(&self, options: &JsConsultation) -> Result<JsNotedPromise, JsValue> {
        let (consultation, signal) =
            options::parse_consultation(options.as_ref(), "soapNote", false)?;
        let ask = ClinicRequest::Note { consultation };
        let noted = self.clinical(ask, &Array::new(), signal)?;
        Ok(noted.unchecked_into())
    }

    /// Describes the findings in pictures. There are no rules that could look instead of the model: it may be blocked.
    ///
    /// # Errors
    /// A `TypeError` for options that make no sense; later a rejection, if no model is loaded, it cannot look at pictures, or
    /// it was stopped.
    #[wasm_bindgen(js_name = imagingFindings)]
    pub fn imaging_findings(&self, options: &JsImaging) -> Result<JsDescribedPromise, JsValue> {
        let (imaging, images, signal) = options::parse_imaging(options.as_ref())?;
        let ask = ClinicRequest::Findings { imaging };
        let described = self.clinical(ask, &images, signal)?;
        Ok(described.unchecked_into())
    }

    /// The model in use: its name, the type of its weights, what computes, and where; `null` if there is none.
    #[wasm_bindgen(js_name = modelInfo)]
    pub fn model_info(&self) -> JsModelInUsePromise {
        let client = self.client.clone();
        let model = async move {
            match client.ask(HEALTH).await {
                Event::Healthy { health } => {
                    let text = outpost_protocol::encode(&health.model);
                    JSON::parse(&text.map_err(|problem| error(&problem, ""))?)
                }
                other => to_js(other),
            }
        };
        future_to_promise(model).unchecked_into()
    }

    /// Whether this device is ready to process consultations, and what is in the way.
    pub fn health(&self) -> JsHealthPromise {
        self.promise(HEALTH, Array::new())
    }
}
