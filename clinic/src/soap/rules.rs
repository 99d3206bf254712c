//! A note without a model: sentences of the transcript, as they were said, each in the section that its facts belong to.
//!
//! Nothing is put together or concluded, so there is no assessment. What rules do not find in a sentence is missed.

use std::collections::BTreeSet;

use super::form::{Note, Section, Sentence};
use crate::extract::{Lexicon, Transcript, rules};
use crate::record::{MedicationStatus, Span};

/// The note in the transcript's own words.
pub fn note(transcript: &Transcript<'_>, lexicon: &dyn Lexicon) -> Note {
    let record = rules::record(transcript, lexicon);
    let conditions = record.conditions.iter().map(|it| it.evidence);
    let allergies = record.allergies.iter().map(|it| it.evidence);
    let reported = conditions
        .chain(allergies)
        .map(|evidence| (Section::Subjective, evidence));
    let measured = record
        .vitals
        .iter()
        .map(|it| (Section::Objective, it.evidence));
    let medications = record.medications.iter().map(|it| {
        let section = match it.status {
            MedicationStatus::Intended => Section::Plan,
            _ => Section::Subjective,
        };
        (section, it.evidence)
    });
    let found: BTreeSet<_> = reported
        .chain(measured)
        .chain(medications)
        .map(|(section, evidence)| {
            let span = whole(transcript, evidence);
            (section, span.start, span.end)
        })
        .collect();
    let sentences = found.into_iter().filter_map(|(section, start, end)| {
        let evidence = Span { start, end };
        let said = evidence.of(transcript.text())?;
        Some(Sentence {
            section,
            text: said.to_owned(),
            quote: said.to_owned(),
            evidence,
            numbers: Vec::new(),
            names: Vec::new(),
        })
    });
    Note::of(sentences.collect())
}

/// The sentence that `evidence` stands in, with the mark that ends it.
fn whole(transcript: &Transcript<'_>, evidence: Span) -> Span {
    let Span { start, end } = transcript.sentences(evidence);
    let behind = transcript.text().get(end..).unwrap_or_default();
    let mark = behind
        .chars()
        .next()
        .filter(|c| matches!(c, '.' | '!' | '?' | ';'));
    Span {
        start,
        end: end + mark.map_or(0, char::len_utf8),
    }
}
