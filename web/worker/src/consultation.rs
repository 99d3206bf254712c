//! Consultations: the loaded model drafts, `clinic` decides what counts.

use js_sys::Date;
use outpost_clinic::Error as ClinicError;
use outpost_clinic::consultation::review::{self, Review};
use outpost_clinic::consultation::{self, ModelInfo, Options, Setup};
use outpost_clinic::danger::Patient;
use outpost_clinic::extract::{self, INSTRUCTION};
use outpost_clinic::terminology::{Index, Terminology};
use outpost_clinic::writer::{Ask, Draft, Writer};
use outpost_engine::constraint::Rule;
use outpost_engine::error::Error as EngineError;
use outpost_engine::image::RgbImage;
use outpost_engine::ports::Clock;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Engine, Event as Step, FinishReason, Request};
use outpost_protocol::{CodeTable, Consultation, Event, ModelInUse, Stage, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::desk::Task;
use crate::event_loop::BrowserClock;
use crate::install;
use crate::problem::{Problem, Result};
use crate::tables::Codes;

/// The index of ICD-10-CM, beside the page.
const ICD10CM: &str = "terminology/icd10cm.index";
/// Largest index that is read.
const MAX_INDEX_BYTES: u64 = 32 << 20;

/// Processes a consultation with the loaded model.
///
/// # Errors
/// [`Problem::Cancelled`] if the page stops it, and what keeps the model from writing.
pub async fn process(
    task: &Task,
    engine: &mut Engine,
    model: &ModelInUse,
    codes: &Codes,
    asked: Consultation,
) -> Result<Event> {
    let setup = setup(&asked, model, &codes.terminology, INSTRUCTION)?;
    let started_ms = BrowserClock.now_ms();
    let mut writer = Drafting::new(task, engine, sampler(asked.temperature, asked.seed));
    let processed = consultation::process(&mut writer, &asked.transcript, &setup).await;
    let mut processed = writer.outcome(processed)?;
    processed.notices.extend(codes.notices());
    processed.processing_time_ms = Some(BrowserClock.now_ms() - started_ms);
    result(&processed)
}

/// What is asked for when a draft is reviewed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reviewing {
    transcript: String,
    /// What came of it.
    result: Value,
    changes: Value,
    #[serde(default)]
    note: Value,
    #[serde(default)]
    transaction: bool,
    #[serde(default)]
    seed: u64,
    recorded: Option<String>,
}

/// Changes in a draft what a person wants changed. No model is at work.
///
/// # Errors
/// What is not understood, and changes of what is not there.
pub fn review(asked: Value) -> Result<Event> {
    let wrong = |error: serde_json::Error| {
        let remedy = "Give reviewRecord what Review describes, with the result that processMedicalText gave.";
        Problem::new(format!("The review is not understood: {error}."), remedy)
    };
    let Reviewing {
        transcript,
        result: mut processed,
        changes,
        note,
        transaction,
        seed,
        recorded,
    } = serde_json::from_value(asked).map_err(wrong)?;
    let review = Review::read(&processed, note, changes).map_err(wrong)?;
    let options = Options {
        transaction,
        seed,
        ..Options::default()
    };
    let reviewed = review::review(review, &transcript, &options, recorded.unwrap_or_else(now))?;
    let reviewed = serde_json::to_value(reviewed).map_err(wrong)?;
    if let (Value::Object(processed), Value::Object(reviewed)) = (&mut processed, reviewed) {
        processed.extend(reviewed);
    }
    result(&processed)
}

/// What a consultation is processed with; `prompt` is what the model is asked.
///
/// # Errors
/// An empty transcript, and a patient that is not understood.
pub fn setup<'a>(
    asked: &Consultation,
    model: &ModelInUse,
    terminology: &'a Terminology,
    prompt: &str,
) -> Result<Setup<'a>> {
    if asked.transcript.trim().is_empty() {
        return Err(Problem::new(
            "The transcript is empty.",
            "Say or type what was said.",
        ));
    }
    let recorded = asked.recorded.clone().unwrap_or_else(now);
    Ok(Setup {
        terminology,
        patient: patient(&asked.patient)?,
        making: model_info(model).making(prompt.to_owned(), recorded),
        options: Options {
            extract: extract::Options {
                max_tokens: asked.max_tokens.max(1) as usize,
                fallback: asked.use_fallback,
            },
            validate_fhir: asked.validate_fhir,
            transaction: asked.transaction,
            with_transcript: true,
            seed: asked.seed,
        },
    })
}

/// The model in use, as results name it.
pub fn model_info(model: &ModelInUse) -> ModelInfo {
    ModelInfo {
        model: model.model.clone(),
        quantization: model.quantization.clone(),
        device: model.device.clone(),
        privacy: model.privacy.clone(),
    }
}

/// This moment, as an instant of FHIR.
fn now() -> String {
    Date::new_0().to_iso_string().into()
}

/// What is known of the patient.
///
/// # Errors
/// What is not understood, with what to write.
pub fn patient(given: &Value) -> Result<Patient> {
    let patient: Option<Patient> = serde_json::from_value(given.clone()).map_err(|error| {
        let remedy = "Give it as {\"age\": {\"years\": 40}, \"sex\": \"female\", \"pregnancy\": \"no\"}, each of them optional.";
        Problem::new(format!("The patient is not understood: {error}."), remedy)
    })?;
    Ok(patient.unwrap_or_default())
}

/// How tokens are picked.
pub fn sampler(temperature: f32, seed: u64) -> SamplerOptions {
    SamplerOptions {
        temperature,
        seed,
        ..SamplerOptions::default()
    }
}

/// The final event with a result.
///
/// # Errors
/// None that is known of.
pub fn result(result: &impl Serialize) -> Result<Event> {
    match serde_json::to_value(result) {
        Ok(result) => Ok(Event::Processed { result }),
        Err(error) => Err(Problem::new(
            format!("The result cannot be written: {error}."),
            "Try again.",
        )),
    }
}

/// ICD-10-CM, which lies beside the page and which the service worker keeps.
///
/// # Errors
/// What the network did not bring, and what is no index.
pub async fn icd10cm() -> Result<Index> {
    let bytes = install::fetch_whole(&install::resolve(ICD10CM)?, MAX_INDEX_BYTES).await?;
    Ok(Index::from_bytes(&bytes.unwrap_or_default())?)
}

/// What health shows of the tables.
pub fn tables(terminology: &Terminology) -> Vec<CodeTable> {
    let indexes = terminology
        .conditions
        .iter()
        .chain(&terminology.medications);
    let table = |index: &Index| CodeTable {
        title: index.title().to_owned(),
        release: index.release().to_owned(),
        system: index.system().to_owned(),
        codes: index.counts().0 as u64,
    };
    indexes.map(table).collect()
}

/// Has the loaded model write drafts, and lets the page stop it.
pub struct Drafting<'a> {
    task: &'a Task,
    engine: &'a mut Engine,
    sampler: SamplerOptions,
    pictures: Vec<RgbImage>,
    /// Why it does not write any more.
    pub stopped: Option<Problem>,
}

impl Writer for Drafting<'_> {
    async fn write(&mut self, ask: &Ask) -> outpost_clinic::Result<Draft> {
        self.draft(ask).await.map_err(|problem| {
            self.stopped = Some(problem);
            ClinicError::Engine("nothing more is written; begin again".to_owned())
        })
    }
}

impl<'a> Drafting<'a> {
    /// Drafts by this engine, as part of a call.
    pub fn new(task: &'a Task, engine: &'a mut Engine, sampler: SamplerOptions) -> Self {
        Self {
            task,
            engine,
            sampler,
            pictures: Vec::new(),
            stopped: None,
        }
    }

    /// Drafts about pictures.
    pub fn showing(self, pictures: Vec<RgbImage>) -> Self {
        Self { pictures, ..self }
    }

    /// What came of the work, or why it was stopped.
    ///
    /// # Errors
    /// Both.
    pub fn outcome<T>(self, outcome: outpost_clinic::Result<T>) -> Result<T> {
        match self.stopped {
            Some(problem) => Err(problem),
            None => Ok(outcome?),
        }
    }

    async fn draft(&mut self, ask: &Ask) -> Result<Draft> {
        let request = Request {
            conversation: ask.conversation.clone(),
            max_tokens: ask.max_tokens,
            sampler: self.sampler.clone(),
            constraint: ask.schema.clone().map(Rule::JsonSchema),
        };
        let clock = BrowserClock;
        let mut generation = match self.engine.start(&request, &self.pictures, &clock) {
            // What was asked fits; what was written about it does not fit beside it.
            Err(EngineError::ContextFull { .. }) if ask.conversation.messages.len() > 1 => {
                return Ok(Draft {
                    text: String::new(),
                    cut: true,
                });
            }
            generation => generation?,
        };
        let (mut written, pictures) = (0, self.pictures.len() as u64);
        loop {
            if let Err(problem) = self.task.check().await {
                generation.cancel();
                while generation.step().await?.is_some() {}
                return Err(problem);
            }
            match generation.step().await? {
                Some(Step::ImageLayer {
                    index,
                    done_layers,
                    total_layers,
                }) => {
                    let layers = total_layers as u64;
                    let (done, all) = (
                        index as u64 * layers + done_layers as u64,
                        pictures * layers,
                    );
                    self.task.progress(Stage::Picture, done, all, Unit::Layers);
                }
                Some(Step::Prefill {
                    done_tokens,
                    total_tokens,
                }) => {
                    let (done, total) = (done_tokens as u64, total_tokens as u64);
                    self.task
                        .progress(Stage::Reading, done, total, Unit::Tokens);
                }
                Some(Step::Token { .. }) => {
                    written += 1;
                    let most = ask.max_tokens as u64;
                    self.task
                        .progress(Stage::Writing, written, most, Unit::Tokens);
                }
                Some(_) => {}
                None => break,
            }
        }
        let outcome = generation.finish();
        Ok(Draft {
            text: outcome.text,
            cut: outcome.finish_reason != FinishReason::Stop,
        })
    }
}
