//! What a page asks for.

use serde::{Deserialize, Serialize};

use crate::CallId;
use crate::bench::ProductShape;
use crate::clinic::ClinicRequest;
use crate::fit::Need;

/// One request. Files and pictures travel beside it as attachments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Start, and say what there is to compute on. Ends with `Ready`.
    Init,
    /// What is installed. Ends with `Models`.
    ListModels,
    /// Install the attached files (`File` objects): GGUF, or a shard set as an archive or file by file. Ends with
    /// `Installed` or `TermsAsked`.
    ImportFiles {
        /// A name for people; the files' own when absent. A shard set has a name.
        name: Option<String>,
        /// Whether the person has accepted the model's terms.
        #[serde(default)]
        consent: Consent,
    },
    /// Install a shard set. Ends with `Installed`. A download that was interrupted continues.
    Download {
        /// Where its manifest lies, relative to the page or absolute.
        manifest_url: String,
    },
    /// Install a model from other hosts: a shard set, or GGUF files that become one as they arrive. Ends with `Installed`
    /// or `TermsAsked`. What was interrupted continues.
    Fetch {
        /// The shard set's manifest, ending in `.json`; or the model and, for pictures, its picture file (mmproj). All
        /// absolute. `#sha256=` and 64 hexadecimal digits say what a GGUF file must be.
        addresses: Vec<String>,
        /// Whether the person has accepted the model's terms.
        #[serde(default)]
        consent: Consent,
    },
    /// Put an installed model on the device. Ends with `Loaded`, or with `InUse` if another tab has the engine.
    Load {
        /// Id of the model.
        model: String,
        /// Where to compute.
        device: DeviceChoice,
        /// Threads on the processor, the engine's own among them; `None`: as many as suit.
        threads: Option<u32>,
        /// Whether to take the engine away from another tab that has it.
        #[serde(default)]
        take_over: bool,
    },
    /// Answer a conversation, streaming `Token`s. Ends with `Finished`.
    Generate {
        /// The conversation, oldest first; the last message is the user's.
        messages: Vec<Message>,
        /// Most tokens of the answer.
        max_tokens: u32,
        /// How tokens are picked.
        sampling: Sampling,
    },
    /// Measure the loaded model with a prompt and an answer of exactly these lengths. Ends with `Benched`.
    Bench {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens written after the first one.
        tokens: u32,
    },
    /// Measure single products on a device. Ends with `KernelsBenched`.
    BenchKernels {
        /// Which ones.
        shapes: Vec<ProductShape>,
        /// Where to compute.
        device: DeviceChoice,
    },
    /// Find out how a model would run here. Ends with `Fits`.
    Fit {
        /// What it takes.
        need: Need,
    },
    /// Say something, at once and whatever else is being done. Ends with `Done`.
    Ping,
    /// Stop another call, which then ends with `Cancelled` or `Finished`. Ends with `Done`.
    Cancel {
        /// Which call.
        call: CallId,
    },
    /// Remove an installed model. Ends with `Models`.
    Delete {
        /// Id of the model.
        model: String,
    },
    /// Offer an installed model as one file. Ends with `Exported`.
    Export {
        /// Id of the model.
        model: String,
    },
    /// Read an installed model again and compare it with its manifest. Ends with `Models`.
    Verify {
        /// Id of the model.
        model: String,
    },
    /// Clinical work.
    Clinic {
        /// Which.
        ask: ClinicRequest,
    },
    /// Counters of the last answer. Ends with `Stats`.
    Stats,
    /// Forget what was read of conversations, and overwrite it. Ends with `Done`.
    Forget,
}

/// What is known of a person's word on a model's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Nobody is there to be asked: whoever wrote the script that asks has seen to it.
    #[default]
    NotAsked,
    /// Before weights of a model are kept that has terms to accept, the person is to be asked, unless that was done.
    Ask,
    /// The person has accepted them.
    Given,
}

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The faster of the two.
    #[default]
    Auto,
    /// The GPU, or an error.
    Gpu,
    /// The processor.
    Cpu,
}

impl DeviceChoice {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Gpu, Self::Cpu];

    /// Its name, as JSON has it too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.name() == name)
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that hold for the whole conversation; only first.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said and shown, in order.
    pub parts: Vec<Part>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Words.
    Text {
        /// The words, never read as control tokens.
        text: String,
    },
    /// A picture.
    Image {
        /// Which attachment, counted from 0.
        attachment: u32,
        /// Which attachment has what [`crate::Event::PictureEncoded`] brought for it earlier, if any. What is not of this
        /// picture and this model is left aside.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        features: Option<u32>,
    },
}

impl Request {
    /// Says of a [`Request::Generate`] that the attachment `features` belongs to its picture `picture`, counted over the
    /// whole conversation.
    pub fn add_features(&mut self, picture: u32, features: u32) {
        let Self::Generate { messages, .. } = self else {
            return;
        };
        let parts = messages.iter_mut().flat_map(|message| &mut message.parts);
        let mut pictures = parts.filter_map(|part| match part {
            Part::Image { features, .. } => Some(features),
            Part::Text { .. } => None,
        });
        if let Some(known) = pictures.nth(picture as usize) {
            *known = Some(features);
        }
    }
}

/// How the next token is picked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 always takes the likeliest token.
    pub temperature: f32,
    /// Only this many of the likeliest tokens; 0 for all.
    pub top_k: u32,
    /// Only the likeliest tokens that make up this probability; 1 for all.
    pub top_p: f32,
    /// Only tokens at least this likely, relative to the likeliest; 0 for all.
    pub min_p: f32,
    /// Above 1, tokens that occurred become less likely.
    pub repetition_penalty: f32,
    /// The same seed picks the same tokens.
    pub seed: u64,
}

impl Default for Sampling {
    /// Greedy: the likeliest token each time.
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}
