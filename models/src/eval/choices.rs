//! Multiple-choice questions, asked one after the other.

use outpost_clinic::eval::run::Head;
use outpost_clinic::eval::summary::Share;
use outpost_clinic::eval::{Answer, Ask, By, Evaluation, Framing, Plan, Question, Summary, digest};
use outpost_engine::ports::Clock;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Event, Flow, Request};
use serde_json::json;

use super::log::{self, Log};
use super::{Asking, fingerprint};
use crate::args;
use crate::error::{Error, Result};
use crate::load::{self, Loaded};
use crate::output;

/// Asks every question, logs what came back, and prints the shares of right answers.
pub fn run(asking: &Asking<'_>, text: &str, questions: Vec<Question>) -> Result<()> {
    let args = asking.args;
    let plan = Plan {
        by: match args.by {
            args::By::Likelihood => By::Likelihood,
            args::By::Generation => By::Generation,
        },
        framing: match args.no_template {
            true => Framing::Plain,
            false => Framing::Chat,
        },
        max_tokens: asking.max_tokens(),
    };
    let most = args.limit.unwrap_or(usize::MAX).min(questions.len());
    let mut evaluation =
        Evaluation::new(questions, plan).map_err(Error::questions(asking.questions))?;
    let mut loaded = asking.load()?;
    let head = head(asking, text, plan, &loaded)?;
    let mut log = match &args.log {
        Some(folder) => Some(Log::open(
            folder,
            &log::task(asking.questions),
            &head,
            &mut evaluation,
        )?),
        None => None,
    };
    let already = evaluation.answered();
    if already > 0 {
        eprintln!("going on after {already} answers of the log");
    }
    let began_ms = loaded.clock.now_ms();
    while evaluation.answered() < most {
        let Some(answer) = answer(asking, &evaluation, &mut loaded)? else {
            break;
        };
        let sample = evaluation.take(&answer, loaded.engine.template())?;
        if let Some(log) = &mut log {
            log.add(&sample.line()?)?;
        }
        let name = evaluation.questions().get(sample.doc_id);
        let name = name.map_or("", |question| question.id.as_str());
        let right = sample
            .metrics
            .first()
            .and_then(|metric| sample.mark(metric));
        let mark = if right == Some(true) {
            "right"
        } else {
            "wrong"
        };
        let done = evaluation.answered();
        let each_s = (loaded.clock.now_ms() - began_ms) / 1000.0 / (done - already) as f64;
        let (rate, rest) = (rate(each_s), rest(each_s * (most - done) as f64));
        eprintln!("{done}/{most} {name} {mark}; {rate}, {rest}");
    }
    let summary = evaluation.summary();
    if let Some(log) = &log {
        log.results(&summary, &head)?;
    }
    print(&summary, args.json)
}

/// Of what this run is.
fn head(asking: &Asking<'_>, text: &str, plan: Plan, loaded: &Loaded) -> Result<Head> {
    let model = asking.model()?;
    let vision = model.mmproj.as_deref();
    let settings = [
        (
            "device",
            format!("{:?}", loaded.engine.stats().device).to_lowercase(),
        ),
        (
            "rounded_products",
            asking.compute.rounded_products.to_string(),
        ),
        (
            "mmproj",
            vision.map_or(Ok("none".to_owned()), fingerprint::of)?,
        ),
        (
            "cop_from",
            asking
                .args
                .cop_from
                .map_or("the file".to_owned(), |from| from.to_string()),
        ),
    ];
    Ok(Head {
        version: Head::VERSION,
        model: log::name(&model.model),
        model_digest: fingerprint::of(&model.model)?,
        questions: log::name(asking.questions),
        questions_sha256: digest(text),
        plan,
        settings: settings
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
    })
}

/// Asks the next question. Nothing that is in the cache from an earlier one is used, so that the answer is the same
/// wherever a run began.
fn answer(
    asking: &Asking<'_>,
    evaluation: &Evaluation,
    loaded: &mut Loaded,
) -> Result<Option<Answer>> {
    let Some(question) = evaluation.next() else {
        return Ok(None);
    };
    let engine = &mut loaded.engine;
    let Some(ask) = evaluation.ask(engine.tokenizer(), engine.template())? else {
        return Ok(None);
    };
    let pictures = match &question.image {
        Some(name) => vec![load::picture(&asking.beside(name))?],
        None => Vec::new(),
    };
    let named = |source| Error::Input {
        input: format!("question {}", question.id),
        source,
    };
    engine.forget();
    let clock = &loaded.clock;
    match ask {
        Ask::Score {
            prompt,
            continuations,
        } => {
            let scoring = engine.score(&prompt, &pictures, &continuations, clock);
            let found = pollster::block_on(scoring).map_err(named)?;
            Ok(Some(Answer::Likelihoods(found)))
        }
        Ask::Generate {
            conversation,
            max_tokens,
        } => {
            let request = Request {
                conversation,
                max_tokens,
                sampler: SamplerOptions::default(),
                constraint: None,
            };
            let mut on_event = |_: Event| Flow::Continue;
            let answering = engine.generate(&request, &pictures, clock, &mut on_event);
            let outcome = pollster::block_on(answering).map_err(named)?;
            Ok(Some(Answer::Text(outcome.text)))
        }
    }
}

/// How fast it goes.
fn rate(each_s: f64) -> String {
    match each_s {
        1.0.. => format!("{each_s:.1} s each"),
        _ => format!("{:.1} a second", 1.0 / each_s.max(1e-3)),
    }
}

/// How long it goes on.
fn rest(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{seconds:.0} s to go"),
        ..5400.0 => format!("{:.0} min to go", seconds / 60.0),
        _ => format!("{:.1} h to go", seconds / 3600.0),
    }
}

fn print(summary: &Summary, as_json: bool) -> Result<()> {
    if as_json {
        return output::json(&json!(summary));
    }
    for (metric, share) in &summary.metrics {
        line(metric, share)?;
    }
    for (subject, shares) in &summary.subjects {
        for (metric, share) in shares {
            line(&format!("{subject}, {metric}"), share)?;
        }
    }
    if summary.answered < summary.questions {
        output::line(&format!(
            "{} of {} questions asked",
            summary.answered, summary.questions
        ))?;
    }
    Ok(())
}

/// A share with its interval.
pub fn line(name: &str, share: &Share) -> Result<()> {
    output::line(&format!(
        "{name:<32} {:>5.1} %  {} of {}  (95 %: {:.1} to {:.1})",
        share.share * 100.0,
        share.right,
        share.count,
        share.interval.low * 100.0,
        share.interval.high * 100.0,
    ))
}
