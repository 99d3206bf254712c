//! From the words of a consultation to a SOAP note: drafted by a model under a form, mended, or sorted by rules.
//!
//! ```text
//! transcript ── note (model, repair, rules) ── record, codes, Bundle with the note, if one is asked for ── result
//!           └── danger signs by rule: a floor for the urgency that the model wrote
//! ```

use serde::Serialize;
use serde_json::Value;

use super::form::{self, Drafted, INSTRUCTION, Note, Section};
use super::rules;
use crate::consultation::{self, Data, ModelInfo, Processed, Setup, Validation};
use crate::danger::{Assessment, Rules, Urgency};
use crate::drafting::{self, Attempt, Dropped, Reading, Way};
use crate::error::Result;
use crate::extract::{self, Overlooked, Transcript};
use crate::fhir::bundle;
use crate::numbers::Kind;
use crate::record::Record;
use crate::writer::{Ask, Writer};

/// The record that went into the Bundle beside the note.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// What was found.
    pub data: Data,
    /// What validation says of it.
    pub validation: Validation,
    /// How it came about.
    pub way: Way,
    /// What its draft says beyond the transcript.
    pub dropped: Vec<Dropped>,
    /// What simple rules find in the transcript and the draft does not have.
    pub overlooked: Vec<Overlooked>,
    /// Every draft of it, and what was wrong with that.
    pub repair_log: Vec<Attempt>,
}

/// What came of a consultation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Noted {
    /// Whether there is a note and, where one was asked for, a valid Bundle.
    pub success: bool,
    /// The note; `None` if blocked.
    pub note: Option<Note>,
    /// How urgent it is: what the model wrote, and never less than the danger signs ask for.
    pub urgency: Urgency,
    /// How urgent the model thinks it is; `None` if it did not say.
    pub model_urgency: Option<Urgency>,
    /// Danger signs by rule. No model has a say in them. A measurement among their evidence is one of `record`'s.
    pub danger_signs: Assessment,
    /// How the note came about.
    pub way: Way,
    /// What the draft says without evidence.
    pub dropped: Vec<Dropped>,
    /// Every draft, and what was wrong with it.
    pub repair_log: Vec<Attempt>,
    /// The Bundle with the record and the note; `None` if there is no valid one, or none was asked for.
    pub bundle: Option<Value>,
    /// The record in the Bundle, where one was asked for.
    pub record: Option<Recorded>,
    /// What the user should know, in words.
    pub notices: Vec<String>,
    /// How long it took; the host has the clock.
    pub processing_time_ms: Option<f64>,
    /// What computed.
    pub model_info: ModelInfo,
}

/// What a model is asked on the way to a note with its Bundle, for [`crate::fhir::bundle::Making`].
pub fn prompt() -> String {
    format!("{INSTRUCTION}\n{}", extract::INSTRUCTION)
}

/// Writes a note. `setup` is that of a consultation; [`consultation::Options::validate_fhir`] asks for a Bundle.
///
/// # Errors
/// Those of [`consultation::process`].
pub async fn process<W: Writer>(
    writer: &mut W,
    transcript: &str,
    setup: &Setup<'_>,
) -> Result<Noted> {
    let text = Transcript::new(transcript);
    let options = &setup.options.extract;
    let ask = Ask {
        conversation: crate::ask_about(INSTRUCTION, transcript),
        schema: Some(form::FORM.schema()),
        max_tokens: options.max_tokens,
    };
    let rules = || by_rules(&text, setup);
    let rules: &dyn Fn() -> Reading<Drafted> = &rules;
    let rules = options.fallback.then_some(rules);
    let drafted = drafting::draft(writer, ask, |draft| form::read(draft, &text), rules).await?;
    let (note, model_urgency) = match drafted.made {
        Some((note, urgency)) => (Some(note), urgency),
        None => (None, None),
    };
    let processed = match (&note, setup.options.validate_fhir) {
        (Some(note), true) => {
            let note = to_fhir(note);
            Some(consultation::process_with(writer, transcript, setup, Some(&note)).await?)
        }
        _ => None,
    };
    let mut notices = notices(note.as_ref(), drafted.way, &drafted.dropped);
    let (danger_signs, bundle, record) = match processed {
        Some(processed) => with_record(processed, &mut notices),
        None => (signs(transcript, setup)?, None, None),
    };
    let urgency = model_urgency
        .unwrap_or_default()
        .with_floor(danger_signs.floor);
    Ok(Noted {
        success: note.is_some() && (bundle.is_some() || !setup.options.validate_fhir),
        note,
        urgency,
        model_urgency,
        danger_signs,
        way: drafted.way,
        dropped: drafted.dropped,
        repair_log: drafted.log,
        bundle,
        record,
        notices,
        processing_time_ms: None,
        model_info: ModelInfo::of(&setup.making),
    })
}

fn by_rules(text: &Transcript<'_>, setup: &Setup<'_>) -> Reading<Drafted> {
    let note = rules::note(text, setup.terminology);
    Reading {
        usable: !note.sentences.is_empty(),
        made: (note, None),
        dropped: Vec::new(),
        faults: Vec::new(),
    }
}

/// Danger signs where there is no record: rules read the transcript themselves.
fn signs(transcript: &str, setup: &Setup<'_>) -> Result<Assessment> {
    Ok(Rules::shipped()?.assess(&setup.patient, &Record::default(), transcript))
}

/// Takes apart what came of the record.
fn with_record(
    processed: Processed,
    notices: &mut Vec<String>,
) -> (Assessment, Option<Value>, Option<Recorded>) {
    let Processed {
        data,
        validation,
        bundle,
        way,
        dropped,
        overlooked,
        repair_log,
        danger_signs,
        notices: of_record,
        ..
    } = processed;
    notices.extend(of_record.iter().map(|notice| format!("Record: {notice}")));
    if bundle.is_none() {
        notices.push("There is no Bundle, because it would not be valid or have no record.".into());
    }
    let record = Recorded {
        data,
        validation,
        way,
        dropped,
        overlooked,
        repair_log,
    };
    (danger_signs, bundle, Some(record))
}

/// The note for a Bundle. A number or name that was not said is called so there too: whoever receives it sees no marks of ours.
pub(crate) fn to_fhir(note: &Note) -> bundle::Note {
    let section = |section: Section| {
        let sentences = note.sentences.iter().filter(|it| it.section == section);
        let lines = sentences.map(|it| {
            let absent = it.numbers.iter().filter(|it| it.kind == Kind::Absent);
            let absent = absent.map(|flag| &flag.span).chain(&it.names);
            let absent: Vec<_> = absent.filter_map(|span| span.of(&it.text)).collect();
            match absent.is_empty() {
                true => it.text.clone(),
                false => format!("{} [not in the transcript: {}]", it.text, absent.join(", ")),
            }
        });
        let title = match section {
            Section::Subjective => "Subjective",
            Section::Objective => "Objective",
            Section::Assessment => "Assessment",
            Section::Plan => "Plan",
        };
        bundle::Section {
            title: title.to_owned(),
            text: lines.collect::<Vec<_>>().join("\n"),
        }
    };
    bundle::Note {
        title: "SOAP note".to_owned(),
        sections: Section::ALL.map(section).into(),
    }
}

fn notices(note: Option<&Note>, way: Way, dropped: &[Dropped]) -> Vec<String> {
    let mut notices = Vec::new();
    match way {
        Way::FirstPass | Way::Repaired => {}
        Way::Fallback => notices.push(
            "The model's drafts could not be used. These are sentences of the transcript, sorted by simple rules, which miss much.".to_owned(),
        ),
        Way::Blocked => notices.push("No note could be written. Write it by hand.".to_owned()),
    }
    if !dropped.is_empty() {
        notices.push(format!(
            "{} not supported by the transcript and left out.",
            crate::counted(dropped.len(), "sentence", "the draft")
        ));
    }
    let sentences = || note.iter().flat_map(|note| &note.sentences);
    let names: usize = sentences().map(|it| it.names.len()).sum();
    if names > 0 {
        notices.push(format!(
            "{} not in the transcript. Look at each: a drug of nearly the same name is another drug.",
            crate::counted(names, "name", "the note")
        ));
    }
    let numbers: usize = sentences().map(|it| it.numbers.len()).sum();
    if numbers > 0 {
        notices.push(format!(
            "{} not in the transcript as written there. Look at each.",
            crate::counted(numbers, "number", "the note")
        ));
    }
    notices
}
