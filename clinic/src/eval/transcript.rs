//! Transcripts with the facts that are in them: how one is read, and what came of all.

use serde::Serialize;
use serde_json::{Value, json};

use super::facts::{Counts, Fact, FactScores};
use super::sample::Sample;
use crate::consultation::{self, ModelInfo, Options, Processed, Setup};
use crate::danger::Patient;
use crate::error::{Error, Result};
use crate::extract::{self, INSTRUCTION, Way};
use crate::record::Record;
use crate::terminology::Terminology;
use crate::writer::Writer;

/// Bundles that nobody keeps bear this instant.
const RECORDED: &str = "2000-01-01T00:00:00Z";

/// The ways by which a record can come about, as a log names them.
pub const WAYS: [(Way, &str); 4] = [
    (Way::FirstPass, "first_pass"),
    (Way::Repaired, "repaired"),
    (Way::Fallback, "fallback"),
    (Way::Blocked, "blocked"),
];

/// Has a writer read a transcript as `outpost extract` does, without tables of codes.
///
/// # Errors
/// What keeps the writer from writing.
pub async fn extract<W: Writer>(
    writer: &mut W,
    transcript: &str,
    max_tokens: usize,
) -> Result<Processed> {
    let model = ModelInfo {
        model: "the model that is examined".to_owned(),
        ..ModelInfo::default()
    };
    let setup = Setup {
        terminology: &Terminology::default(),
        patient: Patient::default(),
        making: model.making(INSTRUCTION.to_owned(), RECORDED.to_owned()),
        options: Options {
            extract: extract::Options {
                max_tokens,
                ..extract::Options::default()
            },
            ..Options::default()
        },
    };
    consultation::process(writer, transcript, &setup).await
}

/// What was found in a transcript, without its codes.
pub fn record(processed: &Processed) -> Record {
    let data = &processed.data;
    Record {
        medications: data.medications.iter().map(|it| it.said.clone()).collect(),
        conditions: data.conditions.iter().map(|it| it.said.clone()).collect(),
        allergies: data.allergies.clone(),
        vitals: data.vital_signs.clone(),
    }
}

/// By which ways the records of all transcripts came about.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Ways {
    /// Nothing was wrong with the first draft.
    pub first_pass: u64,
    /// A draft was mended.
    pub repaired: u64,
    /// By rules, without the model.
    pub fallback: u64,
    /// There is no record.
    pub blocked: u64,
    /// Of all of them, those with a valid Bundle.
    pub valid_bundles: u64,
    /// Facts that were drafted and are not in the transcript.
    pub dropped: u64,
}

/// What came of all transcripts.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Extracted {
    /// How many.
    pub transcripts: u64,
    /// Which facts were right.
    pub scores: FactScores,
    /// How they came about; `None` if they were found elsewhere.
    pub ways: Option<Ways>,
}

impl Extracted {
    /// One more transcript, as the log has it.
    ///
    /// # Errors
    /// [`Error::Questions`] for a line of something else.
    pub fn add(&mut self, expected: &[Fact], sample: &Sample) -> Result<()> {
        let number = |metric: &str| sample.number(metric).map(|number| number as u64);
        let counts = WAYS.iter().map(|(_, name)| number(name));
        let counts: Option<Vec<u64>> = counts.collect();
        let facts = sample.filtered_resps.get(0).cloned().unwrap_or_default();
        let facts: Option<Vec<Fact>> = serde_json::from_value(facts).ok();
        let (Some([first_pass, repaired, fallback, blocked]), Some(facts)) =
            (counts.as_deref(), facts)
        else {
            return Err(Error::Questions {
                problem: format!("answer {} is none to a transcript", sample.doc_id),
                remedy: "begin anew with another log",
            });
        };
        let ways = self.ways.get_or_insert_default();
        ways.first_pass += first_pass;
        ways.repaired += repaired;
        ways.fallback += fallback;
        ways.blocked += blocked;
        ways.valid_bundles += number("valid_bundle").unwrap_or_default();
        ways.dropped += number("dropped").unwrap_or_default();
        self.found(&facts, expected);
        Ok(())
    }

    /// One more transcript whose facts were found elsewhere.
    pub fn found(&mut self, found: &[Fact], expected: &[Fact]) {
        self.transcripts += 1;
        self.scores.add(found, expected);
    }

    /// All of it, as programs read it.
    pub fn json(&self) -> Value {
        let mut report = json!({
            "transcripts": self.transcripts,
            "facts": told(&self.scores.facts),
            "kinds": self.scores.kinds.iter().map(named).collect::<Value>(),
            "fields": self.scores.fields.iter().map(named).collect::<Value>(),
        });
        if let (Some(ways), Some(report)) = (&self.ways, report.as_object_mut()) {
            report.insert("ways".to_owned(), json!(ways));
        }
        report
    }
}

fn named((name, counts): (&String, &Counts)) -> (String, Value) {
    (name.clone(), told(counts))
}

fn told(counts: &Counts) -> Value {
    json!({
        "right": counts.right,
        "found": counts.found,
        "expected": counts.expected,
        "precision": counts.precision(),
        "recall": counts.recall(),
        "f1": counts.f1(),
    })
}
