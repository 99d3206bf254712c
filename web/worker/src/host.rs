//! Holds the loaded engine, and does what a call asks.

mod clinic;

use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use outpost_clinic::consultation::PRIVACY;
use outpost_engine::chat::{Conversation, Message, Part, Role};
use outpost_engine::image::{self, RgbImage};
use outpost_engine::kernels::DeviceChoice;
use outpost_engine::ports::{Clock, Helpers};
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{self, Engine, EngineOptions, Generation};
use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::shards::{Role as FileRole, ShardSet};
use outpost_engine::weights::{WeightSource, main_type};
use outpost_protocol as protocol;
use outpost_protocol::{Adapter, Consent, Event, ModelInUse, ModelState, Request, Stage, Unit};
use outpost_store::Reading;
use wasm_bindgen::JsCast;
use web_sys::Blob;

use crate::desk::{self, LoadProgress, Task};
use crate::event_loop::{BrowserClock, heap_bytes};
use crate::lease::Lease;
use crate::models::Models;
use crate::problem::{Problem, Result};
use crate::tables::Codes;
use crate::{evaluation, fit, gpu, helpers, install, measure, sources};

/// Largest picture file that is read.
pub const MAX_PICTURE_BYTES: u64 = 64 << 20;

/// The engine, if a model is loaded, and what the browser said about the device.
#[derive(Default)]
pub struct Host {
    adapter: Option<Adapter>,
    /// The tables of codes, once they have been read.
    codes: Option<Codes>,
    loaded: Option<Loaded>,
    lease: Option<Lease>,
}

/// A model on its device.
pub struct Loaded {
    id: String,
    /// How it is named where it is said what computed.
    in_use: ModelInUse,
    /// What tells it from every other one: SHA-256 of its manifest.
    digest: String,
    /// What was found while the model's files were read, as its image encoder's are for each picture.
    reading: Reading,
    /// The engine that answers.
    pub engine: Engine,
    /// From storage to the device.
    pub load_ms: f64,
}

impl Host {
    /// Does what is asked -> the final event.
    ///
    /// # Errors
    /// Whatever went wrong; the host stays usable.
    pub async fn handle(
        &mut self,
        task: &Task,
        request: Request,
        attachments: Array,
    ) -> Result<Event> {
        match request {
            Request::Init => Ok(Event::Ready {
                adapter: self.adapter().await,
            }),
            Request::ListModels => Ok(Event::Models {
                models: Models::open().await?.list().await?,
            }),
            Request::ImportFiles { name, consent } => {
                let files = attachments
                    .iter()
                    .filter_map(|file| file.dyn_into().ok())
                    .collect();
                let models = Models::open().await?;
                self.installed(
                    task,
                    install::import(task, &models, files, name, consent).await,
                )
            }
            Request::Download { manifest_url } => {
                let models = Models::open().await?;
                let consent = Consent::NotAsked;
                let model = install::download(task, &models, &manifest_url, consent).await;
                self.installed(task, model)
            }
            Request::Fetch { addresses, consent } => {
                let models = Models::open().await?;
                let model = install::fetch(task, &models, &addresses, consent).await;
                self.installed(task, model)
            }
            Request::Load {
                model,
                device,
                threads,
                take_over,
            } => {
                if !self.may_compute(take_over).await {
                    task.state(None, ModelState::Absent);
                    return Ok(Event::InUse);
                }
                let reading = Reading::default();
                let loaded = self.load(task, &model, device, threads, &reading).await;
                let loaded = self.unless_damaged(task, &model, &reading, loaded).await;
                if loaded.is_err() {
                    self.restate(task, ModelState::Error);
                }
                loaded
            }
            Request::Generate {
                messages,
                max_tokens,
                sampling,
            } => {
                let answered = self
                    .generate(task, messages, max_tokens, &sampling, &attachments)
                    .await;
                let Some(Loaded { id, reading, .. }) = &self.loaded else {
                    return answered;
                };
                let (id, reading) = (id.clone(), reading.clone());
                self.unless_damaged(task, &id, &reading, answered).await
            }
            Request::Bench {
                prompt_tokens,
                tokens,
            } => self.bench(task, prompt_tokens, tokens).await,
            Request::BenchKernels { shapes, device } => {
                let choice = gpu::choose(device, &self.adapter().await)?;
                let times = measure::products(task, &shapes, choice).await?;
                Ok(Event::KernelsBenched { times })
            }
            Request::Fit { need } => {
                let adapter = self.adapter().await;
                let fit = fit::fit(task, need, &adapter).await?;
                Ok(Event::Fits { fit })
            }
            Request::Verify { model } => {
                let models = Models::open().await?;
                let whole = models.verify(task, &model).await;
                if let Ok(false) = whole {
                    // What it has computed with may be wrong too.
                    self.let_go(task, &model);
                }
                self.restate(task, ModelState::Absent);
                whole?;
                Ok(Event::Models {
                    models: models.list().await?,
                })
            }
            Request::Export { model } => Ok(Event::Exported {
                file: install::export(&Models::open().await?, &model).await?,
            }),
            Request::Delete { model } => self.delete(task, &model).await,
            Request::Forget => {
                if let Some(loaded) = &mut self.loaded {
                    loaded.engine.erase().await?;
                }
                Ok(Event::Done)
            }
            Request::Clinic { ask } => self.clinic(task, ask, &attachments).await,
            Request::Stats => Ok(Event::Stats {
                stats: self.stats(),
            }),
            // Looked at on arrival.
            Request::Cancel { .. } | Request::Ping => Ok(Event::Done),
        }
    }

    async fn adapter(&mut self) -> Adapter {
        match &self.adapter {
            Some(adapter) => adapter.clone(),
            None => self.adapter.insert(gpu::probe().await).clone(),
        }
    }

    /// Whether no other tab computes; from then on none does.
    async fn may_compute(&mut self, by_force: bool) -> bool {
        if self.lease.is_none() {
            self.lease = Lease::take(by_force, desk::leave).await;
        }
        self.lease.is_some()
    }

    /// An installation changes nothing about the model in use.
    fn installed(&self, task: &Task, outcome: Result<protocol::ModelInfo>) -> Result<Event> {
        self.restate(task, ModelState::Absent);
        outcome.map(|model| Event::Installed { model })
    }

    /// Says how the model in use is, or `without` if there is none.
    fn restate(&self, task: &Task, without: ModelState) {
        match &self.loaded {
            Some(loaded) => task.state(Some(&loaded.id), ModelState::Ready),
            None => task.state(None, without),
        }
    }

    async fn load(
        &mut self,
        task: &Task,
        id: &str,
        device: protocol::DeviceChoice,
        threads: Option<u32>,
        reading: &Reading,
    ) -> Result<Event> {
        let started_ms = BrowserClock.now_ms();
        task.state(Some(id), ModelState::Verifying);
        // Before anything is let go, so that a device that is not there costs nobody the model in use.
        let probed = self.adapter().await;
        let choice = gpu::choose(device, &probed)?;
        self.release(id);
        let models = Models::open().await?;
        models.give_sums(task, id).await?;
        let (folder, manifest) = models.manifest(id).await?;
        let text = models
            .shards(&folder, &manifest, FileRole::Text, reading)
            .await?
            .ok_or_else(|| {
                Problem::new(
                    "This model has no text part.",
                    "Remove it and add it again.",
                )
            })?;
        let text = ShardSet::open(&manifest, FileRole::Text, text).map_err(unreadable)?;
        let vision = models
            .shards(&folder, &manifest, FileRole::Vision, reading)
            .await?;
        let vision = vision
            .map(|shards| ShardSet::open(&manifest, FileRole::Vision, shards))
            .transpose()
            .map_err(unreadable)?;
        task.check().await?;

        task.state(Some(id), ModelState::Loading);
        // Two models at once would not fit small devices.
        self.loaded = None;
        let vision = vision.map(|vision| Box::new(vision) as Box<dyn WeightSource>);
        let tokenizer = Tokenizer::from_metadata(text.metadata())?;
        let options = EngineOptions {
            device: choice,
            helpers: helpers_for(choice, threads).await,
            clock: Some(Rc::new(BrowserClock)),
            ..EngineOptions::default()
        };
        let progress = &mut LoadProgress(task);
        let engine = Engine::load_with(&text, vision, tokenizer, options, progress).await?;
        let adapter = gpu::adapter_of(&engine, &probed);
        let load_ms = BrowserClock.now_ms() - started_ms;
        self.loaded = Some(Loaded {
            id: id.to_owned(),
            in_use: ModelInUse {
                model: manifest.name.clone(),
                quantization: main_type(text.tensors()).to_owned(),
                device: adapter.name.clone(),
                privacy: PRIVACY.to_owned(),
            },
            digest: evaluation::digest_of(&manifest),
            reading: reading.clone(),
            engine,
            load_ms,
        });
        task.state(Some(id), ModelState::Ready);
        Ok(Event::Loaded { adapter, load_ms })
    }

    async fn generate(
        &mut self,
        task: &Task,
        messages: Vec<protocol::Message>,
        max_tokens: u32,
        sampling: &protocol::Sampling,
        attachments: &Array,
    ) -> Result<Event> {
        let Loaded { engine, .. } = self.loaded.as_mut().ok_or_else(nothing_loaded)?;
        let (conversation, shown) = conversation(messages)?;
        let pictures = pictures(engine, &shown, attachments)?;
        let request = session::Request {
            conversation,
            max_tokens: max_tokens as usize,
            sampler: sampler(sampling),
            constraint: None,
        };
        let count = pictures.len() as u64;
        if count > 0 {
            task.progress(Stage::Picture, 0, count, Unit::Pictures);
        }
        let clock = BrowserClock;
        let mut generation = engine.start(&request, &pictures, &clock)?;
        drop(pictures);
        for (index, shown) in shown.iter().enumerate() {
            let kept = kept_features(shown, attachments);
            let taken = kept.map(|kept| generation.give_features(index, &kept));
            if let Some(Err(error)) = &taken {
                log::warn!("picture {index}: {error}");
            }
            // What is known from the conversation before, and the page does not have.
            if !matches!(taken, Some(Ok(()))) {
                bring_features(task, &generation, index);
            }
        }
        loop {
            if task.check().await.is_err() {
                generation.cancel();
            }
            let Some(event) = generation.step().await? else {
                break;
            };
            match event {
                session::Event::ImageLayer {
                    index,
                    done_layers,
                    total_layers,
                } => {
                    let (index, layers) = (index as u64, total_layers as u64);
                    let done = index * layers + done_layers as u64;
                    task.progress(Stage::Picture, done, count * layers, Unit::Layers);
                }
                session::Event::ImageEncoded { index } => {
                    bring_features(task, &generation, index);
                    task.progress(Stage::Picture, index as u64 + 1, count, Unit::Pictures);
                }
                session::Event::Prefill {
                    done_tokens,
                    total_tokens,
                } => {
                    task.progress(
                        Stage::Reading,
                        done_tokens as u64,
                        total_tokens as u64,
                        Unit::Tokens,
                    );
                }
                session::Event::Token { id, text, thought } => {
                    task.send(Event::Token {
                        token: id,
                        text,
                        thought,
                    });
                }
            }
        }
        Ok(finished(generation.finish()))
    }

    async fn bench(&mut self, task: &Task, prompt_tokens: u32, tokens: u32) -> Result<Event> {
        let probed = self.adapter().await;
        let loaded = self.loaded.as_mut().ok_or_else(nothing_loaded)?;
        let adapter = gpu::adapter_of(&loaded.engine, &probed);
        let report = measure::bench(task, loaded, adapter, prompt_tokens, tokens).await?;
        Ok(Event::Benched { report })
    }

    /// Lets go of the model if it is the loaded one: the engine keeps the files of its image encoder open.
    fn release(&mut self, id: &str) -> bool {
        self.loaded.take_if(|loaded| loaded.id == id).is_some()
    }

    /// What came of work for which a model's files were read; or that they are damaged, if that is why it failed. Then the
    /// model is let go.
    async fn unless_damaged(
        &mut self,
        task: &Task,
        id: &str,
        reading: &Reading,
        outcome: Result<Event>,
    ) -> Result<Event> {
        if outcome.is_ok() || reading.damaged().is_empty() {
            return outcome;
        }
        self.let_go(task, id);
        match Models::open().await?.found_damaged(id, reading).await {
            Some(problem) => Err(problem),
            None => outcome,
        }
    }

    /// Takes a model off the device, and tells the page, if it is there.
    fn let_go(&mut self, task: &Task, id: &str) {
        if self.release(id) {
            self.lease = None;
            task.state(None, ModelState::Absent);
        }
    }

    async fn delete(&mut self, task: &Task, id: &str) -> Result<Event> {
        let models = Models::open().await?;
        self.let_go(task, id);
        models.delete(id).await?;
        Ok(Event::Models {
            models: models.list().await?,
        })
    }

    fn stats(&self) -> protocol::Stats {
        match &self.loaded {
            Some(loaded) => measure::stats(&loaded.engine, loaded.load_ms),
            None => protocol::Stats {
                wasm_heap_bytes: heap_bytes(),
                ..protocol::Stats::default()
            },
        }
    }
}

fn nothing_loaded() -> Problem {
    Problem::new(
        "No model is loaded.",
        "Add a model, or choose one of those on this device.",
    )
}

/// Threads beside this one where `asked` are to compute in all, or as many as the processor has.
async fn helpers_for(choice: DeviceChoice, asked: Option<u32>) -> Option<Rc<dyn Helpers>> {
    let most = helpers::helpers_for_this_device();
    let count = asked.map_or(most, |asked| (asked.max(1) as usize - 1).min(most));
    if choice == DeviceChoice::Gpu {
        return None;
    }
    let helpers = helpers::spawn(count).await?;
    Some(Rc::new(helpers))
}

/// The attachments of a picture.
struct Shown {
    picture: u32,
    features: Option<u32>,
}

/// The engine's form of a conversation, and the pictures that it shows, in order.
fn conversation(messages: Vec<protocol::Message>) -> Result<(Conversation, Vec<Shown>)> {
    let mut conversation = Conversation::default();
    let mut shown = Vec::new();
    for (index, message) in messages.into_iter().enumerate() {
        let mut parts = Vec::new();
        for part in message.parts {
            match part {
                protocol::Part::Text { text } => parts.push(Part::Text(text)),
                protocol::Part::Image {
                    attachment: picture,
                    features,
                } => {
                    shown.push(Shown { picture, features });
                    parts.push(Part::Image);
                }
            }
        }
        let role = match message.role {
            protocol::Role::User => Role::User,
            protocol::Role::Assistant => Role::Model,
            protocol::Role::System if index == 0 => {
                conversation.system = Some(words(parts));
                continue;
            }
            protocol::Role::System => {
                let remedy = "Put the instructions first.";
                return Err(Problem::new(
                    "A system message stands after other messages.",
                    remedy,
                ));
            }
        };
        conversation.messages.push(Message { role, parts });
    }
    Ok((conversation, shown))
}

fn words(parts: Vec<Part>) -> String {
    let text = |part| match part {
        Part::Text(text) => Some(text),
        Part::Image => None,
    };
    parts.into_iter().filter_map(text).collect()
}

/// What is shown, for an engine that looks at it.
fn pictures(engine: &Engine, shown: &[Shown], attachments: &Array) -> Result<Vec<RgbImage>> {
    if !shown.is_empty() && !engine.sees_images() {
        let remedy =
            "Remove the picture, or add the model again together with its picture file (mmproj).";
        return Err(Problem::new("This model cannot look at pictures.", remedy));
    }
    let picture = |shown: &Shown| {
        let blob: Blob = attachments
            .get(shown.picture)
            .dyn_into()
            .map_err(|_| Problem::new("A picture is missing.", "Attach it again."))?;
        Ok(image::decode(&sources::read_whole(
            &blob,
            "picture",
            MAX_PICTURE_BYTES,
        )?)?)
    };
    shown.iter().map(picture).collect()
}

/// What the image encoder made of a picture, as the page has kept it.
fn kept_features(shown: &Shown, attachments: &Array) -> Option<Vec<u8>> {
    let bytes: Uint8Array = attachments.get(shown.features?).dyn_into().ok()?;
    Some(bytes.to_vec())
}

/// Tells the page what the image encoder made of a picture, if that is known.
fn bring_features(task: &Task, generation: &Generation<'_>, index: usize) {
    if let Some(features) = generation.features(index) {
        let picture = index as u32;
        task.send(Event::PictureEncoded { picture, features });
    }
}

fn sampler(sampling: &protocol::Sampling) -> SamplerOptions {
    SamplerOptions {
        temperature: sampling.temperature,
        top_k: sampling.top_k as usize,
        top_p: sampling.top_p,
        min_p: sampling.min_p,
        repetition_penalty: sampling.repetition_penalty,
        seed: sampling.seed,
        ..SamplerOptions::default()
    }
}

fn finished(outcome: session::Outcome) -> Event {
    let reason = match outcome.finish_reason {
        session::FinishReason::Stop => protocol::FinishReason::Stop,
        session::FinishReason::Length => protocol::FinishReason::Length,
        session::FinishReason::Context => protocol::FinishReason::Context,
        session::FinishReason::Cancelled => protocol::FinishReason::Cancelled,
    };
    let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    Event::Finished {
        reason,
        text: outcome.text,
        figures: protocol::Figures {
            prompt_tokens: count(outcome.prompt_tokens),
            completion_tokens: count(outcome.completion_tokens),
            prefill_ms: outcome.prefill_ms,
            decode_ms: outcome.decode_ms,
        },
    }
}

/// It could be read when it was installed, so storage has changed it since.
fn unreadable(error: outpost_engine::error::Error) -> Problem {
    match error.into() {
        Problem::Failed { message, .. } => Problem::new(
            format!("The stored model cannot be read. {message}"),
            "Open Models and press Check, then add the model again: what is whole of it is kept.",
        ),
        other => other,
    }
}
