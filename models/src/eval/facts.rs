//! Facts that were found in transcripts, by the model or elsewhere, against those that are in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use outpost_clinic::consultation::{self, Options, Processed, Setup};
use outpost_clinic::danger::Patient;
use outpost_clinic::eval::facts::{Counts, Fact, FactScores};
use outpost_clinic::eval::{Kind, Question};
use outpost_clinic::extract::{self, INSTRUCTION, Way};
use outpost_clinic::fhir::bundle::Making;
use outpost_clinic::record::Record;
use outpost_clinic::terminology::Terminology;
use outpost_engine::sampler::SamplerOptions;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Asking, log};
use crate::error::{Error, Result};
use crate::extract::Drafting;
use crate::load::Loaded;
use crate::output;

/// Bundles that nobody keeps bear this instant.
const RECORDED: &str = "2000-01-01T00:00:00Z";

/// What was found in one transcript.
#[derive(Deserialize)]
struct Prediction {
    id: String,
    facts: Vec<Fact>,
}

/// By which ways the records of all transcripts came about.
#[derive(Debug, Default, Serialize)]
struct Ways {
    first_pass: u64,
    repaired: u64,
    fallback: u64,
    blocked: u64,
    /// Of all of them, those with a valid Bundle.
    valid_bundles: u64,
    /// Facts that were drafted and are not in the transcript.
    dropped: u64,
}

impl Ways {
    fn add(&mut self, processed: &Processed) {
        let way = match processed.way {
            Way::FirstPass => &mut self.first_pass,
            Way::Repaired => &mut self.repaired,
            Way::Fallback => &mut self.fallback,
            Way::Blocked => &mut self.blocked,
        };
        *way += 1;
        self.valid_bundles += u64::from(processed.bundle.is_some());
        self.dropped += processed.dropped.len() as u64;
    }
}

/// Scores the facts of `--predictions`, or those that the model finds.
pub fn run(asking: &Asking<'_>, questions: &[Question]) -> Result<()> {
    if asking.args.log.is_some() || asking.args.no_template {
        return Err(Error::file(
            asking.questions,
            "holds transcripts, which are read in the chat template and not logged",
            "leave out `--log` and `--no-template`",
        ));
    }
    let most = asking.args.limit.unwrap_or(usize::MAX).min(questions.len());
    let questions = questions.get(..most).unwrap_or_default();
    let mut scores = FactScores::default();
    let ways = match &asking.args.predictions {
        Some(path) => {
            found_elsewhere(asking, path, questions, &mut scores)?;
            None
        }
        None => Some(found_by_the_model(asking, questions, &mut scores)?),
    };
    if asking.args.json {
        let mut report = json!({
            "transcripts": questions.len(),
            "facts": told(&scores.facts),
            "kinds": all(&scores.kinds),
            "fields": all(&scores.fields),
        });
        if let (Some(ways), Some(report)) = (&ways, report.as_object_mut()) {
            report.insert("ways".to_owned(), json!(ways));
        }
        return output::json(&report);
    }
    line("all facts", &scores.facts)?;
    for (names, counts) in [("", &scores.kinds), ("field ", &scores.fields)] {
        for (name, counts) in counts {
            line(&format!("{names}{name}"), counts)?;
        }
    }
    match ways {
        Some(ways) => output::line(&format!(
            "of {} transcripts: {} at first pass, {} repaired, {} by rules, {} blocked; {} valid Bundles; {} facts dropped",
            questions.len(),
            ways.first_pass,
            ways.repaired,
            ways.fallback,
            ways.blocked,
            ways.valid_bundles,
            ways.dropped
        )),
        None => Ok(()),
    }
}

/// A transcript of which nothing is said counts as one in which nothing was found.
fn found_elsewhere(
    asking: &Asking<'_>,
    path: &Path,
    questions: &[Question],
    scores: &mut FactScores,
) -> Result<()> {
    let mut found = predictions(path)?;
    for question in questions {
        if let Kind::Facts { expected, .. } = &question.kind {
            scores.add(&found.remove(&question.id).unwrap_or_default(), expected);
        }
    }
    match (found.keys().next(), asking.args.limit) {
        (Some(id), None) => {
            let problem = format!("has facts of {id}, which is none of the transcripts");
            Err(Error::file(path, problem, "name each transcript by its id"))
        }
        _ => Ok(()),
    }
}

/// Has the model read each transcript as `outpost extract` does, without tables of codes.
fn found_by_the_model(
    asking: &Asking<'_>,
    questions: &[Question],
    scores: &mut FactScores,
) -> Result<Ways> {
    let mut loaded = asking.load()?;
    let (terminology, mut ways) = (Terminology::default(), Ways::default());
    let drafting = extract::Options::default();
    let setup = Setup {
        terminology: &terminology,
        patient: Patient::default(),
        making: making(asking, &loaded)?,
        options: Options {
            extract: extract::Options {
                max_tokens: asking.args.max_tokens.unwrap_or(drafting.max_tokens),
                ..drafting
            },
            ..Options::default()
        },
    };
    for (number, question) in (1..).zip(questions) {
        let Kind::Facts {
            transcript,
            expected,
        } = &question.kind
        else {
            continue;
        };
        loaded.engine.forget();
        let mut writer = Drafting {
            loaded: &mut loaded,
            sampler: SamplerOptions::default(),
        };
        let processing = consultation::process(&mut writer, transcript, &setup);
        let processed =
            pollster::block_on(processing).map_err(Error::questions(asking.questions))?;
        ways.add(&processed);
        scores.add(&Fact::of_record(&record(&processed)), expected);
        let so_far = scores.facts.f1().unwrap_or_default() * 100.0;
        eprintln!(
            "{number}/{} {} {:?}; F1 {so_far:.1} % so far",
            questions.len(),
            question.id,
            processed.way
        );
    }
    Ok(ways)
}

fn making(asking: &Asking<'_>, loaded: &Loaded) -> Result<Making> {
    let program = concat!("Outpost ", env!("CARGO_PKG_VERSION"));
    Ok(Making {
        program: program.to_owned(),
        model: log::name(&asking.model()?.model),
        quantisation: String::new(),
        device: loaded.engine.stats().adapter.clone(),
        prompt: INSTRUCTION.to_owned(),
        validators: vec![format!("{program}, FHIR R4")],
        edits: Vec::new(),
        recorded: RECORDED.to_owned(),
    })
}

fn record(processed: &Processed) -> Record {
    let data = &processed.data;
    Record {
        medications: data.medications.iter().map(|it| it.said.clone()).collect(),
        conditions: data.conditions.iter().map(|it| it.said.clone()).collect(),
        allergies: data.allergies.clone(),
        vitals: data.vital_signs.clone(),
    }
}

fn predictions(path: &Path) -> Result<BTreeMap<String, Vec<Fact>>> {
    let text = fs::read_to_string(path).map_err(|error| Error::read(path, &error))?;
    let mut found = BTreeMap::new();
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let remedy = "write each line as {\"id\", \"facts\": [{\"kind\", \"name\", ..}, ..]}, each transcript once";
        let prediction: Prediction = serde_json::from_str(line).map_err(|error| {
            Error::file(
                path,
                format!("line {number} has no facts ({error})"),
                remedy,
            )
        })?;
        if found
            .insert(prediction.id.clone(), prediction.facts)
            .is_some()
        {
            let problem = format!("line {number} is of {} again", prediction.id);
            return Err(Error::file(path, problem, remedy));
        }
    }
    Ok(found)
}

fn all(counts: &BTreeMap<String, Counts>) -> Value {
    counts
        .iter()
        .map(|(name, counts)| (name.clone(), told(counts)))
        .collect()
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

fn line(name: &str, counts: &Counts) -> Result<()> {
    let percent = |share: Option<f64>| {
        share.map_or("  -".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    output::line(&format!(
        "{name:<32} F1 {:>7}  precision {:>7}  recall {:>7}  {} right of {} found, {} expected",
        percent(counts.f1()),
        percent(counts.precision()),
        percent(counts.recall()),
        counts.right,
        counts.found,
        counts.expected,
    ))
}
