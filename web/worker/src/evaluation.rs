//! Questions with known answers, asked of the loaded model one after the other.
//!
//! What came back is kept in OPFS, a line before the next question is asked. The file's name follows from the questions, the
//! model, and how it is asked; so whoever asks the same again goes on where it ended, and never with the answers of another
//! run.

mod log;
mod pictures;

use js_sys::Array;
use outpost_clinic::eval::compare;
use outpost_clinic::eval::{
    self, Answer, Ask, By, CopBase, Evaluation, Framing, Plan, Question, Report, transcript,
};
use outpost_engine::image::RgbImage;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{self, Engine};
use outpost_engine::weights::shards::Manifest;
use outpost_protocol::{
    AnswerBy, Evaluated, EvaluationOptions, EvaluationProgress, Event, Interval, ModelInUse, Share,
};
use serde::Serialize;
use serde_json::{Value, json};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Blob;

use self::log::Log;
use self::pictures::Pictures;
use crate::consultation::Drafting;
use crate::desk::Task;
use crate::event_loop::BrowserClock;
use crate::problem::{Problem, Result};
use crate::sources;

/// Largest file of questions, and largest log, that is read.
const MAX_BYTES: u64 = 128 << 20;

/// What is examined.
pub struct Examined<'a> {
    /// What answers.
    pub engine: &'a mut Engine,
    /// How it is named.
    pub model: &'a ModelInUse,
    /// What tells it from every other model.
    pub digest: &'a str,
}

/// What tells a model from every other one.
pub fn digest_of(manifest: &Manifest) -> String {
    // It has the hashes of all shards.
    eval::digest(&json!(manifest).to_string())
}

/// Asks what is not answered yet.
///
/// # Errors
/// A line of the questions that cannot be used, a picture that is not there, and what keeps the model from answering.
/// [`Problem::Cancelled`] if the page stops it. What was answered stays.
pub async fn evaluate(
    task: &Task,
    examined: Examined<'_>,
    options: Value,
    attachments: &Array,
) -> Result<Event> {
    let asked = &options_of(options)?;
    let Examined {
        engine,
        model,
        digest,
    } = examined;
    let text = text(&attachments.get(0), "file of questions")?;
    let cop = match asked.cop_from {
        None => None,
        Some(0) => Some(CopBase::Zero),
        Some(_) => Some(CopBase::One),
    };
    let questions = eval::read(&text, cop)?;
    let limit = asked.limit.map_or(usize::MAX, |limit| limit as usize);
    let most = limit.min(questions.len());
    let pictures = Pictures::of(attachments);
    pictures.check(questions.get(..most).unwrap_or_default(), engine)?;
    let plan = plan(asked, &questions);
    let mut evaluation = Evaluation::new(questions, plan);
    let run = json!({
        "model": digest,
        "device": model.device,
        "questions": eval::digest(&text),
        "pictures": pictures.digest(&evaluation),
        "plan": plan,
        "cop_from": asked.cop_from,
    });
    let mut log = Log::open(&eval::digest(&run.to_string()), asked.again).await?;
    log.resume(&mut evaluation)?;
    let already = evaluation.answered();
    let total = most.max(already);
    task.send(progress(&evaluation, total, already));
    while evaluation.answered() < most {
        task.check().await?;
        let Some(answer) = answer(task, engine, &evaluation, &pictures).await? else {
            break;
        };
        let sample = evaluation.take(&answer, engine.template())?;
        log.add(&sample.line()?)?;
        task.send(progress(&evaluation, total, already));
    }
    let evaluated = Evaluated {
        kind: match evaluation.report() {
            Report::Choices(_) => "choices",
            Report::Words(_) => "words",
            Report::Transcripts(_) => "transcripts",
        }
        .to_owned(),
        model: model.clone(),
        questions: evaluation.questions().len() as u64,
        answered: evaluation.answered() as u64,
        already: already as u64,
        f1: match evaluation.report() {
            Report::Transcripts(extracted) => extracted.scores.facts.f1(),
            _ => None,
        },
        shares: shares(evaluation.report()),
        report: evaluation.report().json(),
        log: log.text()?,
    };
    Ok(result(&evaluated))
}

/// Two logs side by side.
///
/// # Errors
/// What is no log, and logs that cannot be compared.
pub fn compare(attachments: &Array, metric: Option<&str>) -> Result<Event> {
    let samples = |at: u32, name: &str| {
        let samples = compare::samples(&text(&attachments.get(at), "log")?);
        samples.map_err(|error| match Problem::from(error) {
            Problem::Failed { message, remedy } => {
                Problem::new(format!("The {name} log: {message}"), remedy)
            }
            other => other,
        })
    };
    let comparison = compare::compare(&samples(0, "first")?, &samples(1, "second")?, metric)?;
    Ok(result(&comparison))
}

/// The final event with a result.
fn result(found: &impl Serialize) -> Event {
    let text = json!(found).to_string();
    Event::Processed {
        result: Value::String(text),
    }
}

fn options_of(options: Value) -> Result<EvaluationOptions> {
    let wrong =
        |detail: String| Problem::new(detail, "Give evaluate what EvaluationOptions describes.");
    let asked: EvaluationOptions = serde_json::from_value(options)
        .map_err(|error| wrong(format!("The options make no sense: {error}.")))?;
    if asked.limit == Some(0) || asked.max_tokens == Some(0) {
        return Err(wrong("limit and maxTokens begin at 1.".to_owned()));
    }
    match asked.cop_from {
        Some(2..) => Err(wrong("copFrom is 0 or 1.".to_owned())),
        _ => Ok(asked),
    }
}

fn plan(asked: &EvaluationOptions, questions: &[Question]) -> Plan {
    let by = match asked.by {
        AnswerBy::Likelihood => By::Likelihood,
        AnswerBy::Generation => By::Generation,
    };
    let framing = match asked.plain {
        true => Framing::Plain,
        false => Framing::Chat,
    };
    let max_tokens = asked.max_tokens.map(|tokens| tokens.max(1) as usize);
    // A file without questions was refused.
    let kind = questions.first().map(|question| &question.kind);
    kind.map_or(
        Plan {
            by,
            framing,
            max_tokens: 1,
        },
        |kind| Plan::of(kind, by, framing, max_tokens),
    )
}

fn progress(evaluation: &Evaluation, total: usize, already: usize) -> Event {
    let headline = evaluation.report().headline();
    let progress = EvaluationProgress {
        done: evaluation.answered() as u64,
        total: total as u64,
        already: already as u64,
        metric: headline.map(|(metric, _)| metric.to_owned()),
        value: headline.map(|(_, value)| value),
    };
    Event::Evaluating {
        progress: json!(progress).to_string(),
    }
}

fn shares(report: &Report) -> std::collections::BTreeMap<String, Share> {
    let shares = report.shares().into_iter();
    let share = |(name, share): (String, eval::summary::Share)| {
        let interval = Interval {
            low: share.interval.low,
            high: share.interval.high,
        };
        let share = Share {
            right: share.right,
            count: share.count,
            share: share.share,
            interval,
        };
        (name, share)
    };
    shares.map(share).collect()
}

/// Asks the next question. Nothing that is in the cache from an earlier one is used, so that the answer is the same
/// wherever a run began.
async fn answer(
    task: &Task,
    engine: &mut Engine,
    evaluation: &Evaluation,
    pictures: &Pictures,
) -> Result<Option<Answer>> {
    let Some(question) = evaluation.next() else {
        return Ok(None);
    };
    let Some(ask) = evaluation.ask(engine.tokenizer(), engine.template())? else {
        return Ok(None);
    };
    let shown = pictures.of_question(question)?;
    engine.forget();
    let answer = match ask {
        Ask::Score {
            prompt,
            continuations,
        } => {
            let scoring = engine.score(&prompt, &shown, &continuations, &BrowserClock);
            let found = scoring.await.map_err(Problem::from);
            found.map(Answer::Likelihoods)
        }
        Ask::Generate {
            conversation,
            max_tokens,
        } => {
            let request = session::Request {
                conversation,
                max_tokens,
                sampler: SamplerOptions::default(),
                constraint: None,
            };
            let written = generate(task, engine, &request, &shown).await;
            written.map(Answer::Text)
        }
        Ask::Extract {
            transcript,
            max_tokens,
        } => {
            let mut writer = Drafting::new(task, engine, SamplerOptions::default());
            let extracted = transcript::extract(&mut writer, &transcript, max_tokens).await;
            let processed = writer.outcome(extracted);
            processed.map(|processed| Answer::Extracted(Box::new(processed)))
        }
    };
    answer.map(Some).map_err(|problem| match problem {
        Problem::Failed { message, remedy } => {
            Problem::new(format!("Question {}: {message}", question.id), remedy)
        }
        other => other,
    })
}

async fn generate(
    task: &Task,
    engine: &mut Engine,
    request: &session::Request,
    shown: &[RgbImage],
) -> Result<String> {
    let mut generation = engine.start(request, shown, &BrowserClock)?;
    loop {
        if let Err(problem) = task.check().await {
            generation.cancel();
            while generation.step().await?.is_some() {}
            return Err(problem);
        }
        if generation.step().await?.is_none() {
            return Ok(generation.finish().text);
        }
    }
}

/// What stands in an attachment: text, or a file of it.
fn text(attachment: &JsValue, what: &str) -> Result<String> {
    if let Some(text) = attachment.as_string() {
        return Ok(text);
    }
    let Some(blob) = attachment.dyn_ref::<Blob>() else {
        return Err(Problem::new(
            format!("The {what} is missing."),
            "Choose it again.",
        ));
    };
    let bytes = sources::read_whole(blob, what, MAX_BYTES)?;
    String::from_utf8(bytes).map_err(|_| {
        Problem::new(
            format!("The {what} is no text in UTF-8."),
            "Choose a file of JSON lines.",
        )
    })
}
