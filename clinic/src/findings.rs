//! Findings in medical pictures as data: what, where, how certain, and what in the picture shows it.
//!
//! A draft, as all that is read here. "Left" and "right" are the patient's. A finding without a word on what shows it is
//! dropped and counted; if all of them are, the draft is refused. No finding at all is an answer. There are no rules that
//! could look instead of the model: where no draft can be used, there are no findings.

pub mod form;

use serde::Serialize;

use crate::consultation::ModelInfo;
use crate::danger::{Assessment, Patient, Rules, Urgency};
use crate::drafting::{self, Attempt, Dropped, Way};
use crate::error::Result;
use crate::record::Record;
use crate::writer::{Ask, Writer};
pub use form::{Certainty, Finding, Findings, Modality, Number, Side};

/// What findings are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// How many pictures the writer has to show.
    pub pictures: usize,
    /// What is known of the patient, and what to look for; may be empty. Danger signs are looked for in it.
    pub question: String,
    /// What is known of the patient to rules.
    pub patient: Patient,
    /// Longest draft, in tokens.
    pub max_tokens: usize,
    /// What computes.
    pub model_info: ModelInfo,
}

/// What came of pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Described {
    /// Whether there are findings.
    pub success: bool,
    /// What is seen; `None` if blocked.
    pub findings: Option<Findings>,
    /// Numbers that the question does not have.
    pub numbers: Vec<Number>,
    /// How urgent it is: what the model wrote, and never less than the danger signs ask for.
    pub urgency: Urgency,
    /// How urgent the model thinks it is; `None` if it did not say.
    pub model_urgency: Option<Urgency>,
    /// Danger signs by rule in the question. No model has a say in them.
    pub danger_signs: Assessment,
    /// How the findings came about.
    pub way: Way,
    /// Findings that were left out.
    pub dropped: Vec<Dropped>,
    /// Every draft, and what was wrong with it.
    pub repair_log: Vec<Attempt>,
    /// What the user should know, in words.
    pub notices: Vec<String>,
    /// How long it took; the host has the clock.
    pub processing_time_ms: Option<f64>,
    /// What computed.
    pub model_info: ModelInfo,
}

/// Has pictures described.
///
/// # Errors
/// What keeps the writer from writing.
pub async fn process<W: Writer>(writer: &mut W, setup: Setup) -> Result<Described> {
    let question = &setup.question;
    let ask = Ask {
        conversation: form::ask(setup.pictures, question),
        schema: Some(form::FORM.schema()),
        max_tokens: setup.max_tokens,
    };
    let drafted = drafting::draft(writer, ask, |draft| form::read(draft, question), None).await?;
    let danger_signs = Rules::shipped()?.assess(&setup.patient, &Record::default(), question);
    let (findings, numbers, model_urgency) = match drafted.made {
        Some(made) => (made.findings, made.numbers, made.urgency),
        None => (None, Vec::new(), None),
    };
    Ok(Described {
        success: findings.is_some(),
        urgency: model_urgency
            .unwrap_or_default()
            .with_floor(danger_signs.floor),
        model_urgency,
        danger_signs,
        way: drafted.way,
        notices: notices(drafted.way, &drafted.dropped, numbers.len()),
        findings,
        numbers,
        dropped: drafted.dropped,
        repair_log: drafted.log,
        processing_time_ms: None,
        model_info: setup.model_info,
    })
}

fn notices(way: Way, dropped: &[Dropped], numbers: usize) -> Vec<String> {
    let mut notices = Vec::new();
    if way == Way::Blocked {
        notices.push("No findings could be written. Describe the images by hand.".to_owned());
    }
    if !dropped.is_empty() {
        notices.push(format!(
            "{} left out: nothing was written that shows as much.",
            crate::counted(dropped.len(), "finding", "the draft")
        ));
    }
    if numbers > 0 {
        notices.push(format!(
            "{} not in the question. A model cannot measure: look at each.",
            crate::counted(numbers, "number", "the draft")
        ));
    }
    notices
}
