//! What the page knows of the consultation that is being turned into data: what was said, how far it is, what came of it.
//!
//! What came of it is in `consulting/result.rs`.

mod result;

pub use result::{
    Attempt, Coded, Coding, Danger, Described, Dropped, Fact, Finding, Issue, Noted, Processed,
    Seen, Sentence, Sign, Span, Validity,
};

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::*;
use outpost_protocol::Health;
use serde_json::Value;

use super::{Picture, Problem};

/// The consultation on the page. It is nowhere else: not on the disk, and gone when the page is locked.
#[derive(Debug, Clone, Copy)]
pub struct Consulting {
    /// What was said, as it is being typed.
    pub transcript: RwSignal<String>,
    /// What is known of the patient.
    pub patient: RwSignal<PatientWords>,
    /// The call that is at work.
    pub call: RwSignal<Option<u32>>,
    /// How far it is.
    pub going: RwSignal<Option<Going>>,
    /// What came of it.
    pub outcome: RwSignal<Option<Arc<Outcome>>>,
    /// What a person changed in it.
    pub review: RwSignal<Review>,
    /// The note about it, if one was asked for.
    pub note: RwSignal<Option<Arc<Noted>>>,
    /// Pictures that belong to it.
    pub pictures: RwSignal<Vec<Picture>, LocalStorage>,
    /// What is seen in them, if that was asked for.
    pub described: RwSignal<Option<Arc<Described>>>,
    /// Whether the outcome is shown, or what was typed.
    pub is_outcome_shown: RwSignal<bool>,
    /// What went wrong.
    pub problem: RwSignal<Option<Problem>>,
    /// Whether this device is ready, once it was asked.
    pub health: RwSignal<Option<Health>>,
}

impl Consulting {
    /// Nothing was said. Needs a reactive owner.
    pub fn new() -> Self {
        Self {
            transcript: RwSignal::new(String::new()),
            patient: RwSignal::new(PatientWords::default()),
            call: RwSignal::new(None),
            going: RwSignal::new(None),
            outcome: RwSignal::new(None),
            review: RwSignal::new(Review::default()),
            note: RwSignal::new(None),
            pictures: RwSignal::new_local(Vec::new()),
            described: RwSignal::new(None),
            is_outcome_shown: RwSignal::new(false),
            problem: RwSignal::new(None),
            health: RwSignal::new(None),
        }
    }
}

/// What was chosen about the patient, in the words of the request; empty for what is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatientWords {
    /// A number of `age_unit`.
    pub age: String,
    /// `years`, `months`, `weeks` or `days`; empty for years.
    pub age_unit: String,
    /// `female` or `male`.
    pub sex: String,
    /// `no`, `pregnant` or `postpartum`.
    pub pregnancy: String,
}

impl PatientWords {
    /// Youngest age in years at which a pregnancy is asked for.
    const PREGNANCY_FROM_YEARS: u16 = 10;

    /// The age's unit.
    pub fn unit(&self) -> &str {
        match self.age_unit.as_str() {
            "" => "years",
            unit => unit,
        }
    }

    /// The age as a number. `Some(None)`: nothing was typed.
    pub fn age(&self) -> Option<Option<u16>> {
        match self.age.trim() {
            "" => Some(None),
            typed => typed.parse().ok().map(Some),
        }
    }

    /// Whether a pregnancy may be asked for.
    pub fn may_be_pregnant(&self) -> bool {
        let is_child = match self.age().flatten() {
            Some(years) if self.unit() == "years" => years < Self::PREGNANCY_FROM_YEARS,
            known => known.is_some(),
        };
        self.sex == "female" && !is_child
    }
}

/// How far a draft is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Going {
    /// What was asked for.
    pub asked: Asked,
    /// What is being done.
    pub step: Step,
    /// Tokens that are through.
    pub done: u64,
    /// Tokens that there are, or that there are at most.
    pub total: u64,
    /// Which draft it is, from 1.
    pub draft: u32,
    /// When it began, in milliseconds since the page was opened.
    pub since_ms: f64,
    /// For how long it had gone on when this was said.
    pub elapsed_ms: f64,
}

/// What the model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The record.
    Record,
    /// The note about it.
    Note,
    /// The findings in pictures.
    Findings,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It waits for its turn.
    Waiting,
    /// The model looks at pictures.
    Looking,
    /// The model reads what was said.
    Reading,
    /// It writes a draft.
    Writing,
    /// It reads what is wrong with its draft, or which codes there are.
    ReadingAgain,
    /// It chooses among codes.
    Choosing,
}

/// What a person changed in the draft that is shown.
#[derive(Debug, Clone, Default)]
pub struct Review {
    /// What becomes of facts, by their places in the draft, such as `conditions[0]`.
    pub changes: BTreeMap<String, To>,
    /// Whether the Bundle of that is being made.
    pub is_going: bool,
    /// What came of it; `None` while that is not known, or where nothing is other than in the draft.
    pub outcome: Option<Arc<Outcome>>,
}

/// What becomes of a fact of the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// It is left out.
    LeaveOut,
    /// It has the code of this one of its candidates.
    TakeCode(usize),
    /// It has no code.
    NoCode,
}

/// What came of a consultation.
#[derive(Debug)]
pub struct Outcome {
    /// What was said, as it was sent: spans are places in it.
    pub transcript: String,
    /// What was known of the patient, as it was sent.
    pub patient: Value,
    /// The result.
    pub result: Processed,
    /// The same as it came, without its Bundle, to be sent back for a review.
    pub draft: Value,
    /// How many resources the Bundle has.
    pub entries: usize,
    /// The Bundle as a file's text; `None` where there is no valid one.
    pub bundle: Option<String>,
}
