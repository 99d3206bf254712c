//! `outpost generate`: a question, its answer as it comes, and the boxes in it if a place was asked for.

use std::fs;

use outpost_clinic::localisation::{Dropped, Frame, PixelBox};
use outpost_clinic::{Localisation, ct, thinking};
use outpost_engine::chat::Conversation;
use outpost_engine::constraint::{Grammar, Rule};
use outpost_engine::error::Error as EngineError;
use outpost_engine::image::{RgbImage, pad_to_square};
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Event, FinishReason, Flow, Request};
use serde::Serialize;
use serde_json::Value;

use crate::args::{GenerateArgs, ImageOrder};
use crate::bench::counter;
use crate::error::{Error, Result};
use crate::load::{self, Compute, Loaded};
use crate::output;

#[derive(Serialize)]
struct Answer {
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thought: String,
    prompt_tokens: usize,
    reused_tokens: usize,
    completion_tokens: usize,
    guessed_tokens: usize,
    finish_reason: FinishReason,
    prefill_ms: f64,
    decode_ms: f64,
    /// Null where the device does not say.
    gpu_bytes_peak: Value,
    token_ids: Vec<u32>,
    adapter: String,
    #[serde(flatten)]
    located: Option<Located>,
}

/// Where something is, in pixels of the picture as it was given.
#[derive(Default, Serialize)]
struct Located {
    boxes: Vec<PixelBox>,
    /// What else the answer's list held, and why it is no box.
    dropped: Vec<Dropped>,
    /// Whether the list does not end, so that more boxes may be missing.
    cut: bool,
    /// Why there is no list at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_boxes: Option<String>,
}

/// What is asked.
struct Asked {
    conversation: Conversation,
    pictures: Vec<RgbImage>,
    /// How the model sees the one picture in which a place is asked for.
    frame: Option<Frame>,
}

/// Prints the answer; what the model thinks before it goes to stderr.
pub fn run(args: &GenerateArgs, compute: Compute) -> Result<()> {
    let Asked {
        conversation,
        pictures,
        frame,
    } = ask(args)?;
    let request = Request {
        conversation,
        max_tokens: args.max_tokens,
        sampler: SamplerOptions {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            seed: args.seed,
            ..SamplerOptions::default()
        },
        constraint: rule(args)?,
    };
    if let Some(rule) = &request.constraint {
        // What cannot be kept is said before a model is loaded.
        Grammar::new(rule)?;
    }
    request.sampler.validate()?;
    let mut loaded = load::engine(&args.model, compute)?;
    if !args.ct.is_empty() {
        check_series(&loaded, &request.conversation)?;
    }

    let mut shown = String::new();
    let mut printed = Ok(());
    let mut on_event = |event: Event| {
        if let Event::Token { text, thought, .. } = event
            && !args.json
        {
            match thought {
                true => eprint!("{text}"),
                false => {
                    printed = output::piece(&text);
                    shown.push_str(&text);
                }
            }
        }
        match printed {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Stop,
        }
    };
    let outcome = pollster::block_on(loaded.engine.generate(
        &request,
        &pictures,
        &loaded.clock,
        &mut on_event,
    ))?;
    printed?;
    let located = frame.map(|frame| locate(&outcome.text, &frame));

    if !args.json {
        // An answer that ends within a character shows that only at its end.
        output::line(outcome.text.strip_prefix(&shown).unwrap_or_default())?;
        if let Some(located) = &located {
            show(located)?;
        }
        let seconds = outcome.decode_ms / 1000.0;
        eprintln!(
            "{} tokens in, {} out, {:.1} a second, {:?}",
            outcome.prompt_tokens,
            outcome.completion_tokens,
            outcome.completion_tokens as f64 / seconds.max(1e-9),
            outcome.finish_reason,
        );
        return Ok(());
    }
    output::json(&Answer {
        text: outcome.text,
        thought: outcome.thought,
        prompt_tokens: outcome.prompt_tokens,
        reused_tokens: outcome.reused_tokens,
        completion_tokens: outcome.completion_tokens,
        guessed_tokens: outcome.guessed_tokens,
        finish_reason: outcome.finish_reason,
        prefill_ms: outcome.prefill_ms,
        decode_ms: outcome.decode_ms,
        gpu_bytes_peak: counter(loaded.engine.stats(), "gpu_bytes_peak"),
        token_ids: outcome.token_ids,
        adapter: loaded.engine.stats().adapter.clone(),
        located,
    })
}

/// Reads what the arguments name, in the way of use that they choose.
fn ask(args: &GenerateArgs) -> Result<Asked> {
    let prompt = args.prompt.as_deref().unwrap_or_default();
    let pictures_first = args.image_order == ImageOrder::First;
    let system = match args.think {
        true => Some(thinking::system(args.system.as_deref())),
        false => args.system.clone(),
    };
    let (mut conversation, mut pictures) = if !args.ct.is_empty() {
        let pictures = load::ct(&args.ct, args.ct_slices as usize)?;
        let conversation = ct::prompt(ct::INSTRUCTION, pictures.len(), prompt);
        (conversation?, pictures)
    } else if let Some(path) = &args.turns {
        load::turns(path, pictures_first)?
    } else {
        let prompt = match &args.locate {
            Some(what) => Localisation::prompt(what),
            None => prompt.to_owned(),
        };
        let conversation = load::question(None, &prompt, args.images.len(), pictures_first)?;
        (conversation, load::pictures(&args.images)?)
    };
    conversation.system = system;
    let frame = match (&args.locate, pictures.as_slice()) {
        (None, _) => None,
        (Some(_), [picture]) => Some(Frame::padded(picture.width, picture.height)),
        (Some(_), pictures) => {
            return Err(Error::Engine(EngineError::Request {
                problem: format!("a place is asked for in {} pictures", pictures.len()),
                remedy: "give one --image".to_owned(),
            }));
        }
    };
    if args.pad_square || frame.is_some() {
        for picture in &mut pictures {
            *picture = pad_to_square(picture)?;
        }
    }
    Ok(Asked {
        conversation,
        pictures,
        frame,
    })
}

/// What the answer must follow.
fn rule(args: &GenerateArgs) -> Result<Option<Rule>> {
    let (path, rule): (_, fn(String) -> Rule) = match (&args.schema, &args.grammar) {
        (Some(path), _) => (path, Rule::JsonSchema),
        (None, Some(path)) => (path, Rule::Grammar),
        (None, None) => return Ok(None),
    };
    let text = fs::read_to_string(path).map_err(|error| Error::read(path, &error))?;
    Ok(Some(rule(text)))
}

/// Refuses a series that does not fit, before anything is computed.
fn check_series(loaded: &Loaded, conversation: &Conversation) -> Result<()> {
    let engine = &loaded.engine;
    let prompt = engine.template().render(engine.tokenizer(), conversation)?;
    let image_tokens = prompt.images.first().map_or(0, ExactSizeIterator::len);
    let slices = prompt.images.len();
    let text_tokens = prompt.tokens.len().saturating_sub(slices * image_tokens);
    let context_tokens = engine.stats().context_tokens;
    ct::check_context(slices, image_tokens, text_tokens, context_tokens)?;
    Ok(())
}

/// Boxes of an answer. An answer without any is still an answer.
fn locate(answer: &str, frame: &Frame) -> Located {
    match Localisation::parse(answer, frame) {
        Ok(found) => Located {
            boxes: found.boxes,
            dropped: found.dropped,
            cut: found.cut,
            no_boxes: None,
        },
        Err(error) => Located {
            no_boxes: Some(error.to_string()),
            ..Located::default()
        },
    }
}

/// One line for each box: left, upper, right and lower edge, and what is in it. What is no box goes to stderr.
fn show(located: &Located) -> Result<()> {
    for PixelBox {
        label,
        x0,
        y0,
        x1,
        y1,
    } in &located.boxes
    {
        output::line(&format!("box {x0:.1} {y0:.1} {x1:.1} {y1:.1} {label:?}"))?;
    }
    for Dropped { element, reason } in &located.dropped {
        eprintln!("no box: {element:?}: {reason}");
    }
    if located.cut {
        eprintln!("the list of boxes does not end: more may be missing");
    }
    if let Some(problem) = &located.no_boxes {
        eprintln!("{problem}");
    }
    Ok(())
}
