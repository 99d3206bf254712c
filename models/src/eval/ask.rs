//! Questions with known answers, asked of a model one after the other.

use outpost_clinic::eval::run::Head;
use outpost_clinic::eval::{
    Answer, Ask, By, Evaluation, Framing, Kind, Plan, Question, Report, digest, transcript,
};
use outpost_engine::ports::Clock;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Event, Flow, Request};

use super::log::{self, Log};
use super::{Asking, fingerprint, print};
use crate::args;
use crate::error::{Error, Result};
use crate::extract::Drafting;
use crate::load::{self, Loaded};

/// Asks every question, logs what came back, and prints what came out.
pub fn run(asking: &Asking<'_>, text: &str, questions: Vec<Question>) -> Result<()> {
    let args = asking.args;
    let Some(kind) = questions.first().map(|question| &question.kind) else {
        return Ok(());
    };
    if args.no_template && !matches!(kind, Kind::Choice(_)) {
        return Err(Error::file(
            asking.questions,
            format!(
                "holds {}, which are asked in the chat template",
                kind.name()
            ),
            "leave out `--no-template`",
        ));
    }
    let by = match args.by {
        args::By::Likelihood => By::Likelihood,
        args::By::Generation => By::Generation,
    };
    let framing = match args.no_template {
        true => Framing::Plain,
        false => Framing::Chat,
    };
    let plan = Plan::of(kind, by, framing, args.max_tokens);
    let most = args.limit.unwrap_or(usize::MAX).min(questions.len());
    let mut evaluation = Evaluation::new(questions, plan);
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
        let done = evaluation.answered();
        let each_s = (loaded.clock.now_ms() - began_ms) / 1000.0 / (done - already) as f64;
        let rest_s = each_s * (most - done) as f64;
        print::answered(&evaluation, most, &sample, &answer, (each_s, rest_s));
    }
    if let Some(log) = &log {
        log.results(&evaluation, &head)?;
    }
    match evaluation.report() {
        Report::Choices(summary) => print::choices(summary, args.json),
        Report::Words(scores) => print::words(scores, args.json),
        Report::Transcripts(extracted) => print::transcripts(extracted, args.json),
    }
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
        Ask::Extract {
            transcript,
            max_tokens,
        } => {
            let mut writer = Drafting {
                loaded,
                sampler: SamplerOptions::default(),
            };
            let extracting = transcript::extract(&mut writer, &transcript, max_tokens);
            let processed =
                pollster::block_on(extracting).map_err(Error::questions(asking.questions))?;
            Ok(Some(Answer::Extracted(Box::new(processed))))
        }
    }
}
