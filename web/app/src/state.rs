//! What the page knows, as signals. Changed only by `actions`; shown by `ui`.

pub mod consulting;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use leptos::prelude::*;
use outpost_protocol::{
    Adapter, BenchReport, DeviceChoice, Figures, FinishReason, Fit, ModelInfo, ModelState, Stage,
    TableInfo, Unit,
};
use outpost_vault::{RecordId, Summary};
use serde_json::Value;
use zeroize::Zeroizing;

use self::consulting::Consulting;
use crate::keep::Keeper;

/// A picture that a person attached.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Tells pictures apart.
    pub id: u32,
    /// The file.
    pub blob: web_sys::Blob,
    /// Its name, for people.
    pub name: String,
    /// A `blob:` address that shows it.
    pub url: String,
    /// What the image encoder made of it.
    pub features: Features,
}

/// What the image encoder has made of a picture, if it has. Every copy of the picture has the same.
#[derive(Clone, Default)]
pub struct Features(Rc<RefCell<Option<KnownFeatures>>>);

/// What an image encoder has made of a picture.
#[derive(Clone)]
pub struct KnownFeatures {
    /// Tells them apart, among pictures too.
    pub id: u32,
    /// The engine's bytes, overwritten when the last copy goes.
    pub bytes: Rc<Zeroizing<Vec<u8>>>,
}

impl Features {
    /// What is known.
    pub fn get(&self) -> Option<KnownFeatures> {
        self.0.borrow().clone()
    }

    /// Puts these in the place of what was known. id: as pictures have
    pub fn set(&self, id: u32, bytes: Vec<u8>) {
        let bytes = Rc::new(Zeroizing::new(bytes));
        *self.0.borrow_mut() = Some(KnownFeatures { id, bytes });
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Features")
    }
}

/// A question with its answer.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Tells turns apart.
    pub id: u32,
    /// What was asked.
    pub question: String,
    /// When, in milliseconds since 1970.
    pub asked_ms: u64,
    /// What was shown.
    pub pictures: Vec<Picture>,
    /// The answer so far.
    pub answer: RwSignal<String>,
    /// The model's reasoning so far.
    pub thought: RwSignal<String>,
    /// How far the answer is.
    pub status: RwSignal<TurnStatus>,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TurnStatus {
    /// The model is not ready yet.
    Waiting,
    /// The conversation goes into the model.
    Reading(Option<Reading>),
    /// Tokens arrive.
    Writing,
    /// The answer is complete, or was stopped.
    Ended(FinishReason, Figures),
    /// There is no (complete) answer.
    Failed,
}

/// How much of a conversation the model has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Whether pictures are being looked at, or words.
    pub stage: Stage,
    /// How much is through.
    pub done: u64,
    /// How much there is.
    pub total: u64,
}

/// Long work other than an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// What is being done.
    pub stage: Stage,
    /// How much is through.
    pub done: u64,
    /// How much there is.
    pub total: u64,
    /// What is counted.
    pub unit: Unit,
    /// When this stage began.
    pub since_ms: f64,
}

/// Something went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What happened.
    pub message: String,
    /// What to do now.
    pub remedy: String,
    /// Whether trying the start again may help.
    pub retry: bool,
}

/// Terms to accept before a model is kept.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The model's name for people.
    pub name: String,
    /// The terms.
    pub terms: String,
    /// What its maker wants to be said, or nothing.
    pub notice: String,
    /// The files that were chosen.
    pub files: Vec<web_sys::File>,
}

/// How far a measurement of the model's speed is.
#[derive(Debug, Clone, PartialEq)]
pub enum Speed {
    /// Nothing was measured.
    Unknown,
    /// It goes on.
    Measuring {
        /// Tokens that are through.
        done: u64,
        /// Tokens that there are; 0 until that is known.
        total: u64,
    },
    /// What was found.
    Measured(BenchReport),
    /// The person stopped it.
    Stopped,
    /// It did not work.
    Failed(Problem),
}

/// Whether MedGemma would run here.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Fitting {
    /// Nobody asked.
    #[default]
    Unknown,
    /// That is being found out.
    Checking,
    /// What was found.
    Known(Fit),
    /// It could not be found out; why.
    Failed(String),
}

/// How far an evaluation is.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Run {
    /// Nothing was asked.
    #[default]
    Unknown,
    /// It goes on: an `EvaluationProgress`, or null before the questions are read.
    Going(Value),
    /// What came out: an `Evaluated`.
    Done(Value),
    /// The person stopped it, with so much done.
    Stopped(Value),
    /// It did not work.
    Failed(Problem),
}

/// Questions with known answers.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// The file of questions.
    pub questions: Option<web_sys::File>,
    /// The pictures that it names.
    pub pictures: Vec<web_sys::File>,
    /// How far it is.
    pub run: Run,
    /// Another log's name, and what the comparison with it came to.
    pub compared: Option<(String, Result<Value, Problem>)>,
}

/// How the conversations of this device can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// That is being found out.
    Opening,
    /// They are read and stored.
    Open,
    /// They wait for the passphrase.
    Locked,
    /// They cannot be read.
    Refused(Refusal),
    /// Nothing is stored; why.
    Off(&'static str),
}

/// Why conversations cannot be read, and what may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What happened.
    pub message: String,
    /// What to do now.
    pub remedy: String,
    /// Whether they can be opened nevertheless, as an older copy.
    pub older: bool,
}

/// Which stored conversation is on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// Its record.
    pub id: RecordId,
    /// When it was begun, in milliseconds since 1970.
    pub created_ms: u64,
}

/// A conversation that was put aside.
#[derive(Debug, Clone)]
pub struct Aside {
    /// Its turns.
    pub turns: Vec<Turn>,
    /// Where it is stored.
    pub current: Option<Current>,
}

/// Everything the page shows.
#[derive(Debug, Clone, Copy)]
pub struct App {
    /// What computes; `None` until the engine runs.
    pub adapter: RwSignal<Option<Adapter>>,
    /// Whether the engine is being started.
    pub starting: RwSignal<bool>,
    /// The model in use, or on its way.
    pub model: RwSignal<Option<ModelInfo>>,
    /// How far it is.
    pub state: RwSignal<ModelState>,
    /// Whether another tab has the engine.
    pub in_use: RwSignal<bool>,
    /// The model that was checked last, and whether it is whole.
    pub verified: RwSignal<Option<(String, bool)>>,
    /// Names of models that were on this device, by their ids, and that the browser has cleared.
    pub evicted: RwSignal<BTreeMap<String, String>>,
    /// Everything installed.
    pub models: RwSignal<Vec<ModelInfo>>,
    /// Tables of codes that a person brought.
    pub tables: RwSignal<Vec<TableInfo>>,
    /// Where models are to compute.
    pub device: RwSignal<DeviceChoice>,
    /// Long work that goes on.
    pub work: RwSignal<Option<Work>>,
    /// The call behind that work, if it can be stopped.
    pub stoppable: RwSignal<Option<u32>>,
    /// What went wrong last.
    pub problem: RwSignal<Option<Problem>>,
    /// What has to be accepted before the chosen files are kept.
    pub terms: RwSignal<Option<Terms>, LocalStorage>,
    /// The conversation.
    pub turns: RwSignal<Vec<Turn>, LocalStorage>,
    /// The conversation before this one, until something is asked.
    pub set_aside: RwSignal<Option<Aside>, LocalStorage>,
    /// The turn that is being answered.
    pub answering: RwSignal<Option<u32>>,
    /// The call that answers it.
    pub answering_call: RwSignal<Option<u32>>,
    /// How fast the model was found to be.
    pub speed: RwSignal<Speed>,
    /// Whether MedGemma would run here.
    pub fitting: RwSignal<Fitting>,
    /// The call that measures it.
    pub measuring_call: RwSignal<Option<u32>>,
    /// Questions with known answers.
    pub evaluation: RwSignal<Evaluation, LocalStorage>,
    /// The call that asks them.
    pub evaluation_call: RwSignal<Option<u32>>,
    /// How stored conversations can be reached.
    pub keeping: RwSignal<Keeping>,
    /// Whether a passphrase is needed to read them.
    pub protected: RwSignal<bool>,
    /// Where this conversation is stored, if it is yet.
    pub current: RwSignal<Option<Current>>,
    /// Every stored conversation, the newest first.
    pub earlier: RwSignal<Vec<Summary>>,
    /// Minutes without use until the page locks; 0 for never.
    pub lock_after_min: RwSignal<u32>,
    /// Whether something could not be stored so far.
    pub unsaved: RwSignal<bool>,
    /// What stores and reads.
    pub keeper: StoredValue<Rc<Keeper>, LocalStorage>,
    /// What stands in the text area.
    pub draft: RwSignal<String>,
    /// The consultation that is being turned into data.
    pub consulting: Consulting,
    /// Pictures that go with the next question.
    pub pictures: RwSignal<Vec<Picture>, LocalStorage>,
    /// Whether the application is stored and starts without a network.
    pub offline_ready: RwSignal<bool>,
    /// Whether a newer version waits for the person's word.
    pub update_waiting: RwSignal<bool>,
    /// Whether the browser offers to put the page on the home screen.
    pub installable: RwSignal<bool>,
}

impl App {
    /// The state of a page that has just been opened. Needs a reactive owner.
    pub fn new() -> Self {
        Self {
            adapter: RwSignal::new(None),
            starting: RwSignal::new(false),
            model: RwSignal::new(None),
            state: RwSignal::new(ModelState::Absent),
            in_use: RwSignal::new(false),
            verified: RwSignal::new(None),
            evicted: RwSignal::new(BTreeMap::new()),
            models: RwSignal::new(Vec::new()),
            tables: RwSignal::new(Vec::new()),
            device: RwSignal::new(DeviceChoice::Auto),
            work: RwSignal::new(None),
            stoppable: RwSignal::new(None),
            problem: RwSignal::new(None),
            terms: RwSignal::new_local(None),
            turns: RwSignal::new_local(Vec::new()),
            set_aside: RwSignal::new_local(None),
            answering: RwSignal::new(None),
            answering_call: RwSignal::new(None),
            speed: RwSignal::new(Speed::Unknown),
            fitting: RwSignal::new(Fitting::default()),
            measuring_call: RwSignal::new(None),
            evaluation: RwSignal::new_local(Evaluation::default()),
            evaluation_call: RwSignal::new(None),
            keeping: RwSignal::new(Keeping::Opening),
            protected: RwSignal::new(false),
            current: RwSignal::new(None),
            earlier: RwSignal::new(Vec::new()),
            lock_after_min: RwSignal::new(0),
            unsaved: RwSignal::new(false),
            keeper: StoredValue::new_local(Rc::default()),
            draft: RwSignal::new(String::new()),
            consulting: Consulting::new(),
            pictures: RwSignal::new_local(Vec::new()),
            offline_ready: RwSignal::new(false),
            update_waiting: RwSignal::new(false),
            installable: RwSignal::new(false),
        }
    }

    /// The turn with this id.
    pub fn turn(&self, id: u32) -> Option<Turn> {
        self.turns
            .with_untracked(|turns| turns.iter().find(|turn| turn.id == id).cloned())
    }

    /// Shows what went wrong.
    pub fn fail(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.problem.set(Some(Problem {
            message: message.into(),
            remedy: remedy.into(),
            retry: false,
        }));
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}
