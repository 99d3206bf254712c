//! One answer on its way: encode pictures, prefill the prompt, decode token by token.

mod likelihood;

use std::collections::VecDeque;
use std::mem::take;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::core::{Core, Key, Pixels, Reading, Scores, Segment};
use super::drafts::Drafts;
use super::features::{self, FeatureKey};
use super::stats::Stats;
use crate::chat::{Channel, Conversation, ThinkingSplit};
use crate::constraint::{Constraint, Rule};
use crate::error::{Error, Result};
use crate::kernels::{CandidateParams, DeviceKind, Traffic};
use crate::model::{Encoding, Trace, Vision};
use crate::ports::Clock;
use crate::sampler::{Candidate, Sampler, SamplerOptions};
use crate::tokenizer::{Decoder, Tokenizer};

/// Stands for text that no token of its own brought.
const NO_TOKEN: u32 = u32::MAX;

/// Most candidates that are read back: 1 KiB of them.
const MOST_CANDIDATES: usize = 128;

/// Candidates more than are needed where a penalty orders them, which a device rounds in its own way.
const SPARE_CANDIDATES: usize = 4;

/// What to answer, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The conversation so far; its last turn is the user's.
    pub conversation: Conversation,
    /// Longest answer, in tokens.
    pub max_tokens: usize,
    /// How tokens are picked.
    pub sampler: SamplerOptions,
    /// What the answer must follow. It does if it ends by itself ([`FinishReason::Stop`]); one that was cut is the beginning
    /// of such an answer. A model does not think before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Rule>,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A picture went through a layer of the image encoder.
    ImageLayer {
        /// Which one, from 0.
        index: usize,
        /// Layers done.
        done_layers: usize,
        /// Layers of the encoder.
        total_layers: usize,
    },
    /// A picture went through the image encoder.
    ImageEncoded {
        /// Which one, from 0.
        index: usize,
    },
    /// A piece of the prompt is in the cache.
    Prefill {
        /// Tokens done.
        done_tokens: usize,
        /// Tokens of the whole prompt.
        total_tokens: usize,
    },
    /// The model wrote a token.
    Token {
        /// Its id.
        id: u32,
        /// Text that it completed; may be empty.
        text: String,
        /// Whether it belongs to a thought rather than to the answer.
        thought: bool,
    },
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop here and keep what there is.
    Stop,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model said so.
    Stop,
    /// It reached the longest answer that was asked for.
    Length,
    /// Prompt and answer filled the context.
    Context,
    /// The caller stopped it.
    Cancelled,
}

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The answer.
    pub text: String,
    /// What the model thought before it answered; empty if it did not.
    pub thought: String,
    /// Tokens of the prompt, pictures included.
    pub prompt_tokens: usize,
    /// How many of them were still known from the answer before.
    pub reused_tokens: usize,
    /// Tokens that the model wrote, the one that ended the answer included.
    pub completion_tokens: usize,
    /// How many of them were guessed right and run together with the one before.
    pub guessed_tokens: usize,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Milliseconds until the first token could be picked.
    pub prefill_ms: f64,
    /// Milliseconds from then to the end.
    pub decode_ms: f64,
    /// The tokens, without the one that ended the answer.
    pub token_ids: Vec<u32>,
}

/// What an answer begins with.
pub(super) struct Begin<'e> {
    pub prompt: Vec<u32>,
    pub pictures: Vec<Pixels>,
    /// Tokens that end the answer.
    pub stop_ids: &'e [u32],
    pub max_tokens: usize,
    /// Whether what follows may be guessed from what was said before.
    pub drafts: bool,
    /// What the answer must follow.
    pub constraint: Option<Constraint>,
}

/// An answer on its way. Made by [`super::Engine::start`].
pub struct Generation<'e> {
    core: &'e mut Core,
    stats: &'e mut Stats,
    clock: &'e dyn Clock,
    decoder: Decoder<'e>,
    split: ThinkingSplit,
    stop_ids: &'e [u32],
    sampler: Sampler,
    constraint: Option<Constraint>,
    max_tokens: usize,
    prompt_tokens: usize,
    // Prompt, then answer.
    tokens: Vec<u32>,
    keys: Vec<Key>,
    reused_tokens: usize,
    pictures: Vec<Pixels>,
    /// By picture; empty where nothing identifies the encoder.
    feature_keys: Vec<FeatureKey>,
    encoding: Option<Encoding>,
    features: Option<Tensor<2>>,
    segments: std::vec::IntoIter<Segment>,
    pending: Option<Segment>,
    hidden: Option<Tensor<2>>,
    scores: Scores,
    reading: Option<Reading>,
    /// Guesses, where they may be made.
    drafts: Option<Drafts>,
    /// What is being tried.
    draft: Vec<u32>,
    guessed_tokens: usize,
    /// Picked, but not told yet.
    picked: VecDeque<u32>,
    began_ms: f64,
    finish_reason: Option<FinishReason>,
    completion_tokens: usize,
    text: String,
    thought: String,
    started_ms: f64,
    decode_started_ms: Option<f64>,
}

impl<'e> Generation<'e> {
    pub(super) fn new(
        core: &'e mut Core,
        tokenizer: &'e Tokenizer,
        stats: &'e mut Stats,
        clock: &'e dyn Clock,
        begin: Begin<'e>,
        sampler: &SamplerOptions,
    ) -> Result<Self> {
        if begin.max_tokens == 0 {
            return Err(Error::Request {
                problem: "the answer may have 0 tokens".to_owned(),
                remedy: "allow at least 1".to_owned(),
            });
        }
        core.check_room(begin.prompt.len() + 1)?;
        let mut segments = core.segments(&begin.prompt, begin.pictures.len())?;
        let digests: Vec<_> = begin.pictures.iter().map(features::digest).collect();
        let keys = core.keys(&begin.prompt, &segments, &digests);
        let encoder = core.model().vision().and_then(Vision::identity);
        let feature_keys = encoder.map_or_else(Vec::new, |encoder| {
            let key = |picture| features::key(&encoder, picture);
            digests.iter().map(key).collect()
        });
        core.keep_features(&feature_keys);
        let reused_tokens = core.reusable(&keys, &segments);
        segments.retain_mut(|segment| {
            segment.range.start = segment.range.start.max(reused_tokens);
            segment.range.start < segment.range.end
        });
        let scores = needed_scores(sampler, begin.constraint.is_some(), core.device().kind());
        // Rules are those of one place, not of several.
        let ruled = matches!(
            scores,
            Scores::Best(CandidateParams {
                penalty: Some(_),
                ..
            })
        );
        let drafts = begin.drafts && !ruled && begin.constraint.is_none();
        let vocab_size = core.model().decoder().config().vocab_size;
        stats.readback_bytes_per_token = scores.bytes(vocab_size);
        Ok(Self {
            core,
            stats,
            clock,
            decoder: tokenizer.decoder(),
            split: ThinkingSplit::new(tokenizer),
            stop_ids: begin.stop_ids,
            sampler: Sampler::new(sampler.clone())?,
            constraint: begin.constraint,
            max_tokens: begin.max_tokens,
            prompt_tokens: begin.prompt.len(),
            tokens: begin.prompt,
            keys,
            reused_tokens,
            pictures: begin.pictures,
            feature_keys,
            encoding: None,
            features: None,
            segments: segments.into_iter(),
            pending: None,
            hidden: None,
            scores,
            reading: None,
            drafts: drafts.then(Drafts::default),
            draft: Vec::new(),
            guessed_tokens: 0,
            picked: VecDeque::new(),
            began_ms: 0.0,
            finish_reason: None,
            completion_tokens: 0,
            text: String::new(),
            thought: String::new(),
            started_ms: clock.now_ms(),
            decode_started_ms: None,
        })
    }

    /// Gives what [`features`](Self::features) gave for the picture `index` before, so that it is not encoded again. To be
    /// called before the first step.
    ///
    /// # Errors
    /// [`Error::Request`] for what is not this model's features of this picture: it is encoded then.
    pub fn give_features(&mut self, index: usize, features: &[u8]) -> Result<()> {
        let Some(key) = self.feature_keys.get(index) else {
            return Err(Error::Request {
                problem: format!(
                    "nothing says which encoder picture {index} is for, if there is one"
                ),
                remedy: "leave its features out".to_owned(),
            });
        };
        let image_tokens = self.core.vision()?.config().image_tokens();
        let count = image_tokens * self.core.model().decoder().config().hidden_size;
        let values = features::decode(key, count, features)?;
        self.core.know_features(*key, values);
        Ok(())
    }

    /// What the image encoder made of the picture `index`: bytes to keep for [`give_features`](Self::give_features). `None`
    /// until [`Event::ImageEncoded`] has told of it, unless the prompt before showed it too or they were given; and where
    /// nothing identifies the encoder.
    pub fn features(&self, index: usize) -> Option<Vec<u8>> {
        let key = self.feature_keys.get(index)?;
        let values = self.core.known_features(key)?;
        Some(features::encode(key, values))
    }

    /// Does the next piece of work; `None` when the answer has ended.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] if the device fails. The engine stays usable for another answer.
    pub async fn step(&mut self) -> Result<Option<Event>> {
        self.core.read_rest().await;
        if self.finish_reason.is_some() {
            if let Some(reading) = self.reading.take() {
                // Nobody wants it, but a buffer that is being read must not be used again.
                let _ = reading.finish().await;
            }
            return Ok(None);
        }
        if self.pending.is_none() {
            self.pending = self.segments.next();
        }
        match self.pending.take() {
            Some(segment) => self.prefill(segment).await.map(Some),
            None => self.decode().await,
        }
    }

    /// Ends the answer; the next step returns `None`.
    pub fn cancel(&mut self) {
        self.finish_reason.get_or_insert(FinishReason::Cancelled);
    }

    /// The answer so far, or the whole one after the last step.
    pub fn finish(mut self) -> Outcome {
        // The decoder's rest comes after what the split holds back, so it goes through the split too.
        let rest = self.decoder.finish();
        let rest = self.split.push(NO_TOKEN, &rest);
        self.keep(rest);
        let held = self.split.finish();
        self.keep(held);
        let now_ms = self.clock.now_ms();
        let decode_started_ms = self.decode_started_ms.unwrap_or(now_ms);
        let outcome = Outcome {
            text: take(&mut self.text),
            thought: take(&mut self.thought),
            prompt_tokens: self.prompt_tokens,
            reused_tokens: self.reused_tokens,
            completion_tokens: self.completion_tokens,
            guessed_tokens: self.guessed_tokens,
            finish_reason: self.finish_reason.unwrap_or(FinishReason::Cancelled),
            prefill_ms: decode_started_ms - self.started_ms,
            decode_ms: now_ms - decode_started_ms,
            token_ids: self.tokens.split_off(self.prompt_tokens),
        };
        self.stats.answered(&outcome, self.core.device());
        outcome
    }

    /// Adds text to the answer or the thought; returns it, and whether it is thought.
    fn keep(&mut self, channel: Channel) -> (String, bool) {
        match channel {
            Channel::Thought(text) => {
                self.thought.push_str(&text);
                (text, true)
            }
            Channel::Answer(text) => {
                self.text.push_str(&text);
                (text, false)
            }
        }
    }

    async fn prefill(&mut self, segment: Segment) -> Result<Event> {
        if let Some(index) = segment.picture
            && self.features.is_none()
        {
            let key = self.feature_keys.get(index);
            self.features = key.and_then(|key| self.core.known_picture(key));
            if self.features.is_none() {
                self.pending = Some(segment);
                return self.encode(index).await;
            }
        }
        let features = self.features.take();
        let part = self.core.first_part(&segment);
        let (done_tokens, end) = (part.range.end, segment.range.end);
        if done_tokens < end {
            self.pending = Some(Segment {
                range: done_tokens..end,
                ..segment
            });
        }
        let began_ms = self.clock.now_ms();
        let hidden = self
            .core
            .run(&self.tokens, &self.keys, &part, features, &mut Trace::off())?;
        self.core.settle(&hidden).await?;
        let elapsed_ms = self.clock.now_ms() - began_ms;
        self.core.learn_pace(part.range.len(), elapsed_ms);
        self.hidden = Some(hidden);
        Ok(Event::Prefill {
            done_tokens,
            total_tokens: self.prompt_tokens,
        })
    }

    /// Takes the picture `index` one layer further: all of them can take longer than all of the text.
    async fn encode(&mut self, index: usize) -> Result<Event> {
        let vision = self.core.vision()?;
        let total_layers = vision.config().layers;
        let mut encoding = match self.encoding.take() {
            Some(encoding) => encoding,
            None => {
                let pixels = self.pictures.get_mut(index).map(std::mem::take);
                vision.begin(&pixels.unwrap_or_default(), &mut Trace::off())
            }
        };
        let done_layers = vision.advance(&mut encoding, &mut Trace::off())?;
        if done_layers < total_layers {
            self.core.settle(encoding.vectors()).await?;
            self.encoding = Some(encoding);
            return Ok(Event::ImageLayer {
                index,
                done_layers,
                total_layers,
            });
        }
        let features = vision.finish(encoding, &mut Trace::off());
        match self.feature_keys.get(index) {
            Some(key) => {
                let values = self.core.read(features.clone()).await?;
                self.core.know_features(*key, values);
            }
            None => self.core.settle(&features).await?,
        }
        // What the encoder needed is more than anything after it does.
        self.stats.pictures_encoded += 1;
        self.stats.saw_memory(self.core.device());
        self.core.device().free_unused();
        self.features = Some(features);
        Ok(Event::ImageEncoded { index })
    }

    /// Tells the device what the next candidates are chosen by, if that is more than their logits.
    fn rule(&mut self) -> Result<()> {
        if let Scores::Best(CandidateParams {
            penalty: Some(penalty),
            ..
        }) = self.scores
        {
            let occurred = match penalty == 1.0 {
                true => Vec::new(),
                false => self.sampler.occurred(&self.tokens),
            };
            let allowed = match &mut self.constraint {
                Some(constraint) => Some(constraint.mask()?.words()),
                None => None,
            };
            self.core.rule(allowed, &occurred);
        }
        Ok(())
    }

    async fn decode(&mut self) -> Result<Option<Event>> {
        let id = match self.picked.pop_front() {
            Some(id) => {
                self.guessed_tokens += 1;
                id
            }
            None => match self.pick().await? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        self.completion_tokens += 1;
        if self.stop_ids.contains(&id) {
            self.finish_reason = Some(FinishReason::Stop);
            return Ok(None);
        }
        self.tokens.push(id);
        let ended = match &mut self.constraint {
            Some(constraint) => {
                constraint.accept(id)?;
                constraint.must_stop()
            }
            None => false,
        };
        if ended {
            self.finish_reason = Some(FinishReason::Stop);
        } else if self.completion_tokens >= self.max_tokens {
            self.finish_reason = Some(FinishReason::Length);
        } else if self.tokens.len() >= self.core.context_tokens() {
            self.finish_reason = Some(FinishReason::Context);
        } else if self.picked.is_empty() {
            // The device works on what follows while this token becomes text.
            self.begin_next(id)?;
        }
        let text = self.decoder.push(id);
        let shown = self.split.push(id, &text);
        let (text, thought) = self.keep(shown);
        Ok(Some(Event::Token { id, text, thought }))
    }

    /// Waits for the scores that are on their way, and picks: the next token, and as many after it as were guessed right.
    async fn pick(&mut self) -> Result<Option<u32>> {
        if let Some(hidden) = self.hidden.take() {
            self.rule()?;
            self.reading = Some(self.core.scores_after(hidden, self.scores));
        }
        let Some(reading) = self.reading.take() else {
            return Ok(None);
        };
        let mut values = reading.finish().await?;
        let now_ms = self.clock.now_ms();
        let draft = take(&mut self.draft);
        let width = (values.len() / (draft.len() + 1)).max(1);
        let mut history = self.tokens.clone();
        for (place, row) in values.chunks_exact_mut(width).enumerate() {
            let id = self.sampled(row, &history)?;
            self.picked.push_back(id);
            history.push(id);
            if draft.get(place) != Some(&id) {
                break;
            }
        }
        if let (Some(drafts), Some(_)) = (&mut self.drafts, self.decode_started_ms) {
            let elapsed_ms = now_ms - self.began_ms;
            drafts.learn(!draft.is_empty(), self.picked.len(), elapsed_ms);
        }
        self.decode_started_ms.get_or_insert(now_ms);
        Ok(self.picked.pop_front())
    }

    /// Picks from the scores of one row.
    fn sampled(&mut self, row: &mut [f32], history: &[u32]) -> Result<u32> {
        let allowed = match &mut self.constraint {
            Some(constraint) => Some(constraint.mask()?),
            None => None,
        };
        match self.scores {
            Scores::All => self.sampler.sample(row, history, allowed),
            Scores::Best(best) => {
                let candidates = candidates(row, best.count);
                self.sampler
                    .sample_candidates(&candidates, history, allowed)
            }
        }
    }

    /// Has the device begin with what follows the token `id`, the last one, and with what it is guessed to be followed by.
    fn begin_next(&mut self, id: u32) -> Result<()> {
        let position = self.tokens.len() - 1;
        let left = (self.max_tokens - self.completion_tokens)
            .min(self.core.context_tokens() - self.tokens.len());
        self.began_ms = self.clock.now_ms();
        self.draft = match &mut self.drafts {
            Some(drafts) => drafts.propose(&self.tokens, left.saturating_sub(1)),
            None => Vec::new(),
        };
        self.rule()?;
        if !self.draft.is_empty() {
            let ids = [&[id], self.draft.as_slice()].concat();
            self.reading = Some(self.core.run_ahead(&ids, position, self.scores)?);
            return Ok(());
        }
        let before = Traffic::so_far();
        self.reading = Some(self.core.step(id, position, self.scores)?);
        let traffic = Traffic::so_far().since(before);
        self.stats.dispatches_per_token = traffic.dispatches;
        self.stats.submits_per_token = traffic.submits;
        Ok(())
    }
}

impl Drop for Generation<'_> {
    fn drop(&mut self) {
        self.core.leave(self.reading.take());
        self.core.keep_steady(false);
    }
}

/// Scores that suffice to pick a token: the best ones where the device can find them and the options need no others.
/// `ruled`: whether not every token is allowed.
fn needed_scores(options: &SamplerOptions, ruled: bool, device: DeviceKind) -> Scores {
    let count = match options.temperature == 0.0 {
        true => 1,
        false => options.top_k,
    };
    let penalised = options.repetition_penalty != 1.0;
    let read = count + if penalised { SPARE_CANDIDATES } else { 0 };
    match count > 0 && read <= MOST_CANDIDATES && device == DeviceKind::Gpu {
        true => Scores::Best(CandidateParams {
            count: read,
            // A penalty of 1 changes nothing, and has the device look at the rules.
            penalty: (penalised || ruled).then_some(options.repetition_penalty),
        }),
        false => Scores::All,
    }
}

/// values: [2, count]
fn candidates(values: &[f32], count: usize) -> Vec<Candidate> {
    let (logits, ids) = values.split_at(count.min(values.len()));
    let pairs = logits.iter().zip(ids);
    pairs
        .map(|(&logit, &id)| Candidate {
            id: id as u32,
            logit,
        })
        .collect()
}
