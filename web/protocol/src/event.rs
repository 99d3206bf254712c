//! What the Worker answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bench::{BenchReport, ProductTime};
use crate::consultation::Health;
use crate::fit::Fit;
use crate::model::{Adapter, ModelFile, ModelInfo, ModelState, Stats};
use crate::tables::TableInfo;

/// Something happened. See [`Event::is_final`] for which of these end a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The Worker runs. Final.
    Ready {
        /// What there is to compute on.
        adapter: Adapter,
    },
    /// What is installed. Final.
    Models {
        /// Every complete model, ordered by id.
        models: Vec<ModelInfo>,
    },
    /// A model was installed and can be loaded. Final.
    Installed {
        /// The model.
        model: ModelInfo,
    },
    /// The model has terms that the person has not accepted: nothing of it was kept. Asked again with their consent, it is
    /// installed. Final.
    TermsAsked {
        /// Its name for people.
        name: String,
        /// The terms.
        terms: String,
        /// What its maker wants to be said, or nothing.
        notice: String,
    },
    /// A model came to another state.
    State {
        /// Which model, once that is known.
        model: Option<String>,
        /// Its state.
        state: ModelState,
    },
    /// Long work went on.
    Progress {
        /// What is being done.
        stage: Stage,
        /// How much is through.
        done: u64,
        /// How much there is.
        total: u64,
        /// What is counted.
        unit: Unit,
    },
    /// One more question of an evaluation was answered.
    Evaluating {
        /// How far it is: an [`crate::EvaluationProgress`] as text of JSON.
        progress: String,
    },
    /// The model is on the device. Final.
    Loaded {
        /// What computes.
        adapter: Adapter,
        /// How long that took.
        load_ms: f64,
    },
    /// Another tab of this address has the engine, or has taken it over. Final; with no call's id, this Worker is at its end.
    InUse,
    /// The next piece of the answer.
    Token {
        /// Its id in the vocabulary.
        token: u32,
        /// The text that it completes; empty while a character is incomplete.
        text: String,
        /// Whether it belongs to the model's reasoning instead of its answer.
        thought: bool,
    },
    /// A picture has gone through the image encoder, and what came out was not among what the page gave.
    PictureEncoded {
        /// Which one of the conversation, counted from 0.
        picture: u32,
        /// What came out, for [`crate::Part::Image`] of a later request. Travels beside the message.
        #[serde(skip)]
        features: Vec<u8>,
    },
    /// The answer begins anew: what was written of it holds no more, and is written again.
    Restarted,
    /// The answer is complete, or was stopped. Final.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// The whole answer, without the reasoning.
        text: String,
        /// What it cost.
        figures: Figures,
    },
    /// An installed model can be had as a file. Final.
    Exported {
        /// The file.
        file: ModelFile,
    },
    /// The model was measured. Final.
    Benched {
        /// What was found.
        report: BenchReport,
    },
    /// What the device has for a model. Final.
    Fits {
        /// What was found.
        fit: Fit,
    },
    /// Single products were measured. Final.
    KernelsBenched {
        /// As many as were asked for, in their order.
        times: Vec<ProductTime>,
    },
    /// Clinical work is done. Final.
    Processed {
        /// What came of it: of a consultation, what `outpost extract --json` prints.
        result: Value,
    },
    /// Whether this device is ready. Final.
    Healthy {
        /// What was found.
        health: Health,
    },
    /// The tables of codes that a person brought. Final.
    Tables {
        /// All of them, the oldest first.
        tables: Vec<TableInfo>,
    },
    /// A table of codes was added. Final.
    TableImported {
        /// Which one.
        id: String,
        /// All of them, the oldest first.
        tables: Vec<TableInfo>,
    },
    /// Counters. Final.
    Stats {
        /// The counters.
        stats: Stats,
    },
    /// Nothing more to say. Final.
    Done,
    /// Stopped on request. Final.
    Cancelled,
    /// It did not work. Final.
    Failed {
        /// What happened.
        message: String,
        /// What to do now.
        remedy: String,
    },
}

impl Event {
    /// Whether no other event of this call follows.
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::State { .. }
                | Self::Progress { .. }
                | Self::Evaluating { .. }
                | Self::PictureEncoded { .. }
                | Self::Token { .. }
                | Self::Restarted
        )
    }

    /// An [`Event::Failed`].
    pub fn failed(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

/// What long work is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Shards come from the network.
    Downloading,
    /// Files of this device are copied into the page's storage.
    Copying,
    /// What is stored is compared with its manifest.
    Verifying,
    /// Weights go from storage to the device.
    Loading,
    /// A table of codes is read.
    Table,
    /// A picture is being looked at.
    Picture,
    /// The conversation is being read.
    Reading,
    /// A draft is being written.
    Writing,
    /// The model's speed is being measured.
    Measuring,
}

/// What progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Tokens of the conversation, or of a measurement.
    Tokens,
    /// Pictures.
    Pictures,
    /// Layers of the image encoder, for all pictures together.
    Layers,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model said that it is complete.
    Stop,
    /// `max_tokens` was reached.
    Length,
    /// Conversation and answer filled what the model can hold.
    Context,
    /// The person stopped it.
    Cancelled,
}

/// What an answer cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Tokens of the conversation, pictures included.
    pub prompt_tokens: u32,
    /// Tokens of the answer, reasoning included.
    pub completion_tokens: u32,
    /// Until the first token could be picked.
    pub prefill_ms: f64,
    /// From the first token to the last.
    pub decode_ms: f64,
}

impl Figures {
    /// Tokens a second while decoding; `None` for an answer too short to say. The first token comes out of the prefill.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let steps = self
            .completion_tokens
            .checked_sub(1)
            .filter(|steps| *steps > 0)?;
        (self.decode_ms > 0.0).then(|| f64::from(steps) * 1000.0 / self.decode_ms)
    }

    /// The whole answer's time in milliseconds.
    pub fn total_ms(&self) -> f64 {
        self.prefill_ms + self.decode_ms
    }
}
