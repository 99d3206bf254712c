//! A loaded model that answers: load, prefill, decode and cancel as one state machine.
//!
//! [`Engine::start`] begins an answer; each [`Generation::step`] does one bounded piece of work and says what
//! happened, so that a host stays responsive and can stop between any two steps. [`Engine::generate`] drives it.

mod bench;
mod core;
mod drafts;
mod embed;
mod features;
mod generation;
mod noise;
mod pace;
mod probe;
mod product_bench;
mod self_test;
mod stats;

pub use bench::Measured;
pub use generation::{Event, FinishReason, Flow, Generation, Outcome, Request};
pub use product_bench::{ProductShape, product_ms};
pub use stats::Stats;

use std::fmt;
use std::rc::Rc;

use crate::chat::ChatTemplate;
use crate::constraint::{Constraint, Grammar, Rule, Vocabulary};
use crate::error::{Error, Result};
use crate::image::RgbImage;
use crate::kernels::{self, CacheType, ComputeDevice, DeviceChoice, DeviceKind, Tuning};
use crate::likelihood::LogLikelihood;
use crate::model::{KvCache, MedGemma, Trace, Vision, VisionConfig};
use crate::ports::{Clock, Helpers, Progress};
use crate::sampler::SamplerOptions;
use crate::tokenizer::Tokenizer;
use crate::weights::WeightSource;
use core::Core;
use generation::Begin;

/// Context that is set up unless the caller asks for another, in tokens.
pub const DEFAULT_CONTEXT_TOKENS: usize = 2048;

/// Most text tokens that one step of the prefill takes, unless the caller asks for another number.
pub const DEFAULT_CHUNK_TOKENS: usize = 128;

/// How to set up an engine.
#[derive(Clone)]
pub struct EngineOptions {
    /// Device to compute on.
    pub device: DeviceChoice,
    /// Positions that prompt and answer share.
    pub context_tokens: usize,
    /// Text tokens that one step of the prefill takes at most; a picture always goes in one step.
    pub chunk_tokens: usize,
    /// How keys and values are kept; `None`: f32 where that takes few bytes, else f16.
    pub cache: Option<CacheType>,
    /// Threads beside this one, for the processor.
    pub helpers: Option<Rc<dyn Helpers>>,
    /// How products are worked out; `None`: as suits the device.
    pub tuning: Option<Tuning>,
    /// Whether a GPU may compute products in fewer bits than f32 has, where it does so clearly faster. Answers are then no
    /// longer those of the reference, token by token.
    pub rounded_products: bool,
    /// Lets [`DeviceChoice::Auto`] measure which device is faster.
    pub clock: Option<Rc<dyn Clock>>,
    /// Whether answers to requests may guess what follows from what was said before, and go on with it where it pays. The
    /// tokens are the same.
    pub drafts: bool,
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions")
            .field("device", &self.device)
            .field("context_tokens", &self.context_tokens)
            .field("chunk_tokens", &self.chunk_tokens)
            .field("cache", &self.cache)
            .field("helpers", &self.helpers)
            .field("tuning", &self.tuning)
            .field("rounded_products", &self.rounded_products)
            .field("drafts", &self.drafts)
            .finish_non_exhaustive()
    }
}

impl EngineOptions {
    /// Most tokens that one step takes, those of a picture among them.
    fn chunk_tokens_for(&self, vision: Option<&VisionConfig>) -> usize {
        let image_tokens = vision.map_or(0, VisionConfig::image_tokens);
        self.chunk_tokens.max(image_tokens).max(1)
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            context_tokens: DEFAULT_CONTEXT_TOKENS,
            chunk_tokens: DEFAULT_CHUNK_TOKENS,
            cache: None,
            helpers: None,
            tuning: None,
            rounded_products: false,
            clock: None,
            drafts: true,
        }
    }
}

/// A named tensor that was read back: rows and columns, and its values row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// What it is, such as `layer.3.out`.
    pub name: String,
    /// [rows, cols]
    pub shape: [usize; 2],
    /// rows * cols values
    pub values: Vec<f32>,
}

/// A model on a device, with its tokenizer.
#[derive(Debug)]
pub struct Engine {
    core: Core,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    stats: Stats,
    drafts: bool,
    /// The tokens' bytes, once an answer had to follow something.
    vocabulary: Option<Rc<Vocabulary>>,
}

impl Engine {
    /// Loads a model with the default context and the tokenizer in its own metadata.
    ///
    /// # Errors
    /// What is wrong with the files, or [`Error::Device`] if the chosen device cannot be opened.
    pub async fn load(
        text: &dyn WeightSource,
        vision: Option<Box<dyn WeightSource>>,
        device: DeviceChoice,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let options = EngineOptions {
            device,
            ..EngineOptions::default()
        };
        let tokenizer = Tokenizer::from_metadata(text.metadata())?;
        Self::load_with(text, vision, tokenizer, options, progress).await
    }

    /// Loads a model with a tokenizer of the caller's choice.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn load_with(
        text: &dyn WeightSource,
        vision: Option<Box<dyn WeightSource>>,
        tokenizer: Tokenizer,
        options: EngineOptions,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let mut device = ComputeDevice::open(options.device).await?;
        if options.device == DeviceChoice::Auto && device.kind() == DeviceKind::Gpu {
            let cpu = ComputeDevice::open(DeviceChoice::Cpu).await?;
            let cpu = cpu.with_helpers(options.helpers.clone());
            device = probe::faster(text, device, cpu, options.clock.as_deref()).await?;
        }
        let mut switched_off = Vec::new();
        if let Some(tuning) = options.tuning {
            device = device.with_tuning(tuning);
            kernels::use_level(tuning.level);
        } else if device.kind() == DeviceKind::Gpu {
            let needs = self_test::Needs::of(text, vision.as_deref(), &options)?;
            match self_test::prove(text, &needs, &device, options.clock.as_deref()).await {
                Ok(verdict) => {
                    device = device.with_tuning(verdict.tuning);
                    switched_off = verdict.switched_off;
                }
                Err(error @ Error::Device { .. }) if options.device == DeviceChoice::Auto => {
                    switched_off.push(error.to_string());
                    device = ComputeDevice::open(DeviceChoice::Cpu).await?;
                }
                Err(error) => return Err(error),
            }
        }
        let device = device.with_helpers(options.helpers.clone());
        let model = MedGemma::load(text, vision, options.context_tokens, &device, progress)?;
        let config = model.decoder().config();
        let context_tokens = model.decoder().context_tokens();
        let vision = model.vision().map(Vision::config);
        let image_tokens = vision.map_or(0, VisionConfig::image_tokens);
        let chunk_tokens = options.chunk_tokens_for(vision);
        let cache = KvCache::new(
            config,
            context_tokens,
            chunk_tokens,
            options.cache,
            device.burn(),
        );
        let template = ChatTemplate::new(&tokenizer, image_tokens)?;
        let stats = Stats {
            switched_off,
            ..Stats::new(&model, &cache, &device)
        };
        let core = Core::new(model, cache, device, template.soft_token());
        Ok(Self {
            core,
            tokenizer,
            template,
            stats,
            drafts: options.drafts,
            vocabulary: None,
        })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The chat template.
    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// Whether pictures can be asked about.
    pub fn sees_images(&self) -> bool {
        self.core.model().vision().is_some()
    }

    /// What the engine is and what it has counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Forgets what was computed of earlier prompts, which the next one would otherwise go on from where they begin alike.
    pub fn forget(&mut self) {
        self.core.forget();
    }

    /// Forgets what was computed of earlier prompts, and overwrites it with zeros, so that the device does not hold it any more.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn erase(&mut self) -> Result<()> {
        self.core.erase().await
    }

    /// Begins an answer. The pictures belong to the conversation's image parts, in order.
    ///
    /// # Errors
    /// [`Error::Request`] for what makes no sense, [`Error::ContextFull`] if the prompt leaves no room.
    pub fn start<'e>(
        &'e mut self,
        request: &Request,
        images: &[RgbImage],
        clock: &'e dyn Clock,
    ) -> Result<Generation<'e>> {
        let prompt = self
            .template
            .render(&self.tokenizer, &request.conversation)?;
        if prompt.images.len() != images.len() {
            return Err(Error::Request {
                problem: format!(
                    "the conversation shows {} pictures, but {} were given",
                    prompt.images.len(),
                    images.len()
                ),
                remedy: "give one picture for each image part".to_owned(),
            });
        }
        let constraint = match &request.constraint {
            Some(rule) => Some(self.constraint(rule)?),
            None => None,
        };
        let pictures = self.core.prepare(images)?;
        let stop_ids = self.template.stop_ids();
        let begin = Begin {
            prompt: prompt.tokens,
            pictures,
            stop_ids,
            max_tokens: request.max_tokens,
            drafts: self.drafts,
            constraint,
        };
        Generation::new(
            &mut self.core,
            &self.tokenizer,
            &mut self.stats,
            clock,
            begin,
            &request.sampler,
        )
    }

    fn constraint(&mut self, rule: &Rule) -> Result<Constraint> {
        let grammar = Grammar::new(rule)?;
        let vocabulary = match &self.vocabulary {
            Some(vocabulary) => vocabulary.clone(),
            None => {
                let made = Rc::new(Vocabulary::new(&self.tokenizer)?);
                self.vocabulary.insert(made).clone()
            }
        };
        let stop_ids = self.template.stop_ids();
        let mut constraint = Constraint::new(vocabulary, Rc::new(grammar), stop_ids)?;
        // The first mask takes longest, for its code is cold too. Before the prompt is read nobody waits for a token.
        constraint.mask()?;
        Ok(constraint)
    }

    /// Continues `tokens` as they are, without a template and past every end token.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_tokens<'e>(
        &'e mut self,
        tokens: &[u32],
        images: &[RgbImage],
        max_tokens: usize,
        sampler: &SamplerOptions,
        clock: &'e dyn Clock,
    ) -> Result<Generation<'e>> {
        let pictures = self.core.prepare(images)?;
        let begin = Begin {
            prompt: tokens.to_vec(),
            pictures,
            stop_ids: &[],
            max_tokens,
            drafts: false,
            constraint: None,
        };
        Generation::new(
            &mut self.core,
            &self.tokenizer,
            &mut self.stats,
            clock,
            begin,
            sampler,
        )
    }

    /// Answers a request, telling `on_event` what happens; it may stop the answer at any event.
    ///
    /// # Errors
    /// As [`Self::start`], and [`Error::Device`] if the device fails.
    pub async fn generate(
        &mut self,
        request: &Request,
        images: &[RgbImage],
        clock: &dyn Clock,
        on_event: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Outcome> {
        let mut generation = self.start(request, images, clock)?;
        while let Some(event) = generation.step().await? {
            if on_event(event) == Flow::Stop {
                generation.cancel();
            }
        }
        Ok(generation.finish())
    }

    /// How likely each of `continuations` is after `tokens`, whose image placeholders take the pictures' features, in order.
    /// The prompt is computed once, and not at all as far as the cache still holds it.
    ///
    /// # Errors
    /// As [`Self::start`], and [`Error::Request`] for a continuation without tokens.
    pub async fn score(
        &mut self,
        tokens: &[u32],
        images: &[RgbImage],
        continuations: &[Vec<u32>],
        clock: &dyn Clock,
    ) -> Result<Vec<LogLikelihood>> {
        let sampler = SamplerOptions::default();
        let prompt = self.start_tokens(tokens, images, 1, &sampler, clock)?;
        prompt.likelihoods(continuations).await
    }

    /// Scores of the next token after every token: [tokens, vocab], row by row.
    ///
    /// Image placeholders in `tokens` take the pictures' features, in order.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn logits(&mut self, tokens: &[u32], images: &[RgbImage]) -> Result<Vec<f32>> {
        let pictures = self.core.prepare(images)?;
        self.core
            .all_logits(tokens, pictures, &mut Trace::off())
            .await
    }

    /// Every named intermediate tensor of a pass over `tokens`, and the logits.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn trace(&mut self, tokens: &[u32], images: &[RgbImage]) -> Result<Vec<NamedTensor>> {
        let pictures = self.core.prepare(images)?;
        self.core.trace(tokens, pictures).await
    }

    /// Features of a picture as the text model sees them: [image tokens, hidden], row by row.
    ///
    /// # Errors
    /// [`Error::Request`] if the model has no image encoder.
    pub async fn image_features(&mut self, image: &RgbImage) -> Result<Vec<f32>> {
        let pictures = self.core.prepare(std::slice::from_ref(image))?;
        self.core.features(pictures).await
    }
}
