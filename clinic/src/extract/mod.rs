//! From a transcript to a record: a model drafts, the program checks, says what is wrong, and at last does it itself.
//!
//! How drafts are asked for, mended and given up is in [`crate::drafting`]. Of a draft that can be read, what the transcript
//! supports is kept and the rest is left out and counted; so a fact that a model made up never passes, repaired or not.

pub(crate) mod instructions;
mod record_form;
pub(crate) mod rules;

pub use crate::drafting::{Attempt, Dropped, MOST_REPAIRS, Options, Reason, Way};
pub use crate::form::Fault;
pub use crate::quote::Transcript;
pub use record_form::INSTRUCTION;

use outpost_engine::chat::Conversation;
use serde::Serialize;

use crate::drafting::{self, MOST_TOLD, Reading};
use crate::error::Result;
use crate::record::{Record, Span};
use crate::writer::{Ask, Writer};
use record_form::FORM;

/// What came of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extraction {
    /// What the transcript says; empty if blocked.
    pub record: Record,
    /// How it came about.
    pub way: Way,
    /// What the draft that was taken says beyond the transcript.
    pub dropped: Vec<Dropped>,
    /// Everything that was tried, in order.
    pub log: Vec<Attempt>,
}

/// Names that tables know, for rules that work without a writer.
pub trait Lexicon {
    /// Whether these words are a condition's name.
    fn is_condition(&self, words: &str) -> bool;
    /// Whether these words are a medication's name.
    fn is_medication(&self, words: &str) -> bool;
}

/// No tables: no names.
impl Lexicon for () {
    fn is_condition(&self, _: &str) -> bool {
        false
    }

    fn is_medication(&self, _: &str) -> bool {
        false
    }
}

/// Checks a record by what it will become; what is wrong goes back to the writer.
pub trait Check {
    /// What is wrong with it; nothing if it can be used.
    fn faults(&self, record: &Record) -> Vec<Fault>;
}

impl<F: Fn(&Record) -> Vec<Fault>> Check for F {
    fn faults(&self, record: &Record) -> Vec<Fault> {
        self(record)
    }
}

/// The conversation that asks for a record.
pub fn ask(transcript: &str) -> Conversation {
    crate::ask_about(INSTRUCTION, transcript)
}

/// Extracts what a consultation said.
///
/// # Errors
/// What keeps the writer from writing. Bad drafts are no error: see [`Extraction::way`].
pub async fn extract<W: Writer, C: Check>(
    writer: &mut W,
    transcript: &str,
    lexicon: &dyn Lexicon,
    check: &C,
    options: &Options,
) -> Result<Extraction> {
    let transcript = Transcript::new(transcript);
    let ask = Ask {
        conversation: ask(transcript.text()),
        schema: Some(FORM.schema()),
        max_tokens: options.max_tokens,
    };
    let read = |draft: &str| reading(draft, &transcript, lexicon, check);
    let rules = || {
        let record = rules::record(&transcript, lexicon);
        let faults = check.faults(&record);
        Reading {
            usable: faults.is_empty() && !record.is_empty(),
            made: record,
            dropped: Vec::new(),
            faults,
        }
    };
    let rules: &dyn Fn() -> Reading<Record> = &rules;
    let drafted = drafting::draft(writer, ask, read, options.fallback.then_some(rules)).await?;
    Ok(Extraction {
        record: drafted.made.unwrap_or_default(),
        way: drafted.way,
        dropped: drafted.dropped,
        log: drafted.log,
    })
}

fn reading<C: Check>(
    draft: &str,
    transcript: &Transcript<'_>,
    lexicon: &dyn Lexicon,
    check: &C,
) -> Reading<Record> {
    let mut read = record_form::read(draft, transcript);
    let nothing = read.record.is_empty() && read.faults.is_empty() && read.dropped.is_empty();
    if nothing {
        read.faults.extend(nothing_listed(transcript, lexicon));
    }
    let readable = !read.faults.iter().any(|fault| fault.path.is_empty());
    let unfit = check.faults(&read.record);
    // A draft of nothing but what was not said is no answer to what was said.
    let empty = read.record.is_empty() && !nothing;
    let usable = readable && unfit.is_empty() && !empty;
    read.faults.extend(unfit);
    Reading {
        made: read.record,
        dropped: read.dropped,
        faults: read.faults,
        usable,
    }
}

/// A draft that lists nothing is wrong where even rules find something.
fn nothing_listed(transcript: &Transcript<'_>, lexicon: &dyn Lexicon) -> Option<Fault> {
    let said: Vec<_> = overlooked(transcript, lexicon, &Record::default())
        .iter()
        .take(MOST_TOLD)
        .map(|it| format!("{:?}", it.quote))
        .collect();
    (!said.is_empty()).then(|| {
        let problem = format!(
            "nothing is listed, but the transcript says {}; list it",
            said.join(", ")
        );
        Fault::new("", problem)
    })
}

/// Something that rules find in a transcript and a record does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlooked {
    /// The list that it belongs in.
    pub list: &'static str,
    /// Where it was said.
    pub evidence: Span,
    /// The words there.
    pub quote: String,
}

/// What rules find and `record` does not have, neither by name nor by the words that it rests on. They miss much themselves.
pub fn overlooked(
    transcript: &Transcript<'_>,
    lexicon: &dyn Lexicon,
    record: &Record,
) -> Vec<Overlooked> {
    let found = rules::record(transcript, lexicon);
    let known: Vec<Fact<'_>> = facts(record).collect();
    // The name of an allergy is no condition of its own.
    let allergies: Vec<Span> = found.allergies.iter().map(|it| it.evidence).collect();
    let is_new = |it: &Fact<'_>| {
        let names_allergy =
            it.list == "conditions" && allergies.iter().any(|one| touch(*one, it.evidence));
        !names_allergy && !known.iter().any(|known| known.is_said_by(it))
    };
    let missing = facts(&found).filter(is_new);
    missing
        .map(|it| Overlooked {
            list: it.list,
            evidence: it.evidence,
            quote: it
                .evidence
                .of(transcript.text())
                .unwrap_or_default()
                .to_owned(),
        })
        .collect()
}

/// What of a fact tells it from others.
struct Fact<'a> {
    list: &'static str,
    /// Measurements have none.
    name: Option<&'a str>,
    evidence: Span,
}

impl Fact<'_> {
    fn is_said_by(&self, other: &Self) -> bool {
        let touches = touch(self.evidence, other.evidence);
        let named = |(one, two): (&str, &str)| one.eq_ignore_ascii_case(two);
        self.list == other.list && (touches || self.name.zip(other.name).is_some_and(named))
    }
}

fn touch(one: Span, other: Span) -> bool {
    one.start < other.end && other.start < one.end
}

fn facts(record: &Record) -> impl Iterator<Item = Fact<'_>> {
    let of = |list, name, evidence| Fact {
        list,
        name,
        evidence,
    };
    let medications = record.medications.iter();
    let conditions = record.conditions.iter();
    let allergies = record.allergies.iter();
    let vitals = record.vitals.iter();
    medications
        .map(move |it| of("medications", Some(&*it.name), it.evidence))
        .chain(conditions.map(move |it| of("conditions", Some(&*it.name), it.evidence)))
        .chain(allergies.map(move |it| of("allergies", Some(&*it.substance), it.evidence)))
        .chain(vitals.map(move |it| of("vital_signs", None, it.evidence)))
}
