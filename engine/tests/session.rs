//! What an engine promises its host: it can be stopped anywhere, refuses what makes no sense, and stays usable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use golden::{NoClock, case, engine_with, picture};
use outpost_engine::chat::{Conversation, Message, Part, Role};
use outpost_engine::error::Error;
use outpost_engine::image::RgbImage;
use outpost_engine::kernels::DeviceChoice;
use outpost_engine::sampler::{Sampler, SamplerOptions};
use outpost_engine::session::{Engine, EngineOptions, Event, FinishReason, Flow, Outcome, Request};
use outpost_engine::weights::WeightSource;

fn random_model(context_tokens: usize, eyes: bool) -> Engine {
    model_in_chunks(context_tokens, 8, eyes)
}

/// A model whose rings hold `chunk_tokens` more than their window: as far as it can go back.
fn model_in_chunks(context_tokens: usize, chunk_tokens: usize, eyes: bool) -> Engine {
    let folder = case("random");
    let mmproj = folder.join("mmproj-f32.gguf");
    let options = EngineOptions {
        device: DeviceChoice::Cpu,
        context_tokens,
        chunk_tokens,
        cache: None,
        ..EngineOptions::default()
    };
    engine_with(
        &folder.join("model-f32.gguf"),
        eyes.then_some(mmproj.as_path()),
        options,
    )
}

fn said(parts: Vec<Part>) -> Conversation {
    Conversation {
        system: None,
        messages: vec![Message {
            role: Role::User,
            parts,
        }],
    }
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn request(conversation: Conversation) -> Request {
    Request {
        conversation,
        max_tokens: 12,
        sampler: SamplerOptions::default(),
        constraint: None,
    }
}

fn answer(engine: &mut Engine, request: &Request, images: &[RgbImage]) -> Result<Outcome, Error> {
    pollster::block_on(engine.generate(request, images, &NoClock, &mut |_| Flow::Continue))
}

#[test]
fn streamed_text_is_the_answer_and_nothing_else() {
    let mut engine = random_model(256, false);
    let mut streamed = String::new();
    let mut on_event = |event| {
        if let Event::Token {
            text,
            thought: false,
            ..
        } = event
        {
            streamed.push_str(&text);
        }
        Flow::Continue
    };
    let request = request(said(vec![text("The patient has a fever.")]));
    let outcome =
        pollster::block_on(engine.generate(&request, &[], &NoClock, &mut on_event)).unwrap();
    assert_eq!(outcome.finish_reason, FinishReason::Length);
    assert_eq!(outcome.token_ids.len(), 12);
    // A character that the last token left incomplete shows only in the outcome.
    assert_eq!(
        outcome.text.trim_end_matches('\u{fffd}'),
        streamed.trim_end_matches('\u{fffd}')
    );
}

#[test]
fn an_answer_stops_after_any_event_and_the_next_one_is_unharmed() {
    let mut engine = random_model(256, true);
    let images = [picture(&case("random").join("first.png"))];
    let request = request(said(vec![
        Part::Image,
        text("What is in this picture, please?"),
    ]));
    let whole = answer(&mut engine, &request, &images).unwrap();
    let mut stop_after = 1;
    loop {
        let mut seen = 0;
        engine.forget();
        let mut on_event = |_| {
            seen += 1;
            if seen == stop_after {
                Flow::Stop
            } else {
                Flow::Continue
            }
        };
        let part = pollster::block_on(engine.generate(&request, &images, &NoClock, &mut on_event))
            .unwrap();
        if seen < stop_after {
            assert_eq!(part, whole);
            break;
        }
        assert!(whole.token_ids.starts_with(&part.token_ids));
        let last = part.token_ids.len() == whole.token_ids.len();
        assert!(
            last || part.finish_reason == FinishReason::Cancelled,
            "{:?}",
            part.finish_reason
        );
        stop_after += 1;
    }
    // A picture, a prompt in several chunks and twelve tokens: many places to stop at.
    assert!(stop_after > 15, "{stop_after}");
    assert_eq!(answer(&mut engine, &request, &images).unwrap(), whole);
}

#[test]
fn a_picture_changes_the_answer() {
    let mut engine = random_model(256, true);
    let request = request(said(vec![Part::Image, text("What is this?")]));
    let mut with = |file: &str| {
        answer(
            &mut engine,
            &request,
            &[picture(&case("random").join(file))],
        )
        .unwrap()
    };
    assert_ne!(with("first.png").token_ids, with("second.png").token_ids);
}

#[test]
fn the_same_seed_gives_the_same_answer_and_another_seed_another() {
    let mut engine = random_model(256, false);
    let mut with = |seed| {
        let sampler = SamplerOptions {
            temperature: 1.0,
            seed,
            ..SamplerOptions::default()
        };
        let request = Request {
            sampler,
            ..request(said(vec![text("Tell me.")]))
        };
        answer(&mut engine, &request, &[]).unwrap().token_ids
    };
    let first = with(7);
    assert_eq!(with(7), first);
    assert_ne!(with(8), first);
}

#[test]
fn candidates_that_a_gpu_finds_give_the_tokens_that_all_scores_give() {
    let options = EngineOptions {
        device: DeviceChoice::Gpu,
        ..EngineOptions::default()
    };
    let mut engine = engine_with(&case("random").join("model-f32.gguf"), None, options);
    let prompt: Vec<u32> = (2..22).collect();
    let greedy = SamplerOptions::default();
    for sampler in [
        SamplerOptions {
            repetition_penalty: 1.5,
            ..greedy.clone()
        },
        SamplerOptions {
            temperature: 2.0,
            top_k: 20,
            repetition_penalty: 1.3,
            repetition_window: 9,
            seed: 3,
            ..greedy.clone()
        },
        SamplerOptions {
            temperature: 2.0,
            top_k: 20,
            ..greedy
        },
    ] {
        let found = {
            let mut generation = engine
                .start_tokens(&prompt, &[], 10, &sampler, &NoClock)
                .unwrap();
            while pollster::block_on(generation.step()).unwrap().is_some() {}
            generation.finish().token_ids
        };
        let mut picker = Sampler::new(sampler.clone()).unwrap();
        let mut tokens = prompt.clone();
        for id in found {
            let mut logits = pollster::block_on(engine.logits(&tokens, &[])).unwrap();
            let vocab_size = logits.len() / tokens.len();
            let last = logits.len() - vocab_size;
            let picked = picker.sample(&mut logits[last..], &tokens, None).unwrap();
            assert_eq!(id, picked, "after {} tokens, {sampler:?}", tokens.len());
            tokens.push(id);
        }
    }
}

/// A note that quotes what it is made from.
const CONSULTATION: &str = "A 13 year old boy says: I have had poor sleep for 17 days. The temperature is 37.8. \
    Pulse 122. I see neck stiff. Diagnosis upset stomach. Told to do this: walk every day. I advise sleep early. \
    He gets Kelogorel, 9 drops four times a day.\nDraft a SOAP note.";

#[test]
fn guesses_from_the_prompt_come_true_and_change_no_token() {
    let file = std::path::Path::new("../models/demo/demo-q8_0.gguf");
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let [mut plain, mut guessing] = [false, true].map(|drafts| {
            let options = EngineOptions {
                device,
                drafts,
                ..EngineOptions::default()
            };
            engine_with(file, None, options)
        });
        let greedy = SamplerOptions::default();
        let drawn = SamplerOptions {
            temperature: 0.7,
            top_k: 40,
            seed: 5,
            ..greedy.clone()
        };
        for sampler in [greedy, drawn] {
            // Cut short as well: what was guessed beyond the end is not told.
            for max_tokens in [100, 31, 2] {
                let request = Request {
                    max_tokens,
                    sampler: sampler.clone(),
                    ..request(said(vec![text(CONSULTATION)]))
                };
                let expected = answer(&mut plain, &request, &[]).unwrap();
                let found = answer(&mut guessing, &request, &[]).unwrap();
                assert_eq!(found.token_ids, expected.token_ids, "{device:?}");
                assert_eq!(found.text, expected.text);
                assert_eq!(found.finish_reason, expected.finish_reason);
                assert_eq!(expected.guessed_tokens, 0);
                if max_tokens == 100 && sampler.temperature == 0.0 {
                    assert!(
                        found.guessed_tokens > 5,
                        "{} on {device:?}",
                        found.guessed_tokens
                    );
                }
            }
        }
    }
}

#[test]
fn an_answer_that_fills_the_context_ends_there_and_says_so() {
    let mut engine = random_model(40, false);
    let request = Request {
        max_tokens: 100,
        ..request(said(vec![text("Say a lot.")]))
    };
    let outcome = answer(&mut engine, &request, &[]).unwrap();
    assert_eq!(outcome.finish_reason, FinishReason::Context);
    assert_eq!(outcome.prompt_tokens + outcome.token_ids.len(), 40);
}

#[test]
fn a_context_beyond_what_the_model_was_made_for_is_cut_to_it() {
    let engine = random_model(usize::MAX, false);
    let asked = golden::gguf(&case("random").join("model-f32.gguf"));
    let made_for = asked.metadata().u64("gemma3.context_length").unwrap();
    assert_eq!(engine.stats().context_tokens as u64, made_for);
}

#[test]
fn what_makes_no_sense_is_refused_and_the_engine_stays_usable() {
    let mut engine = random_model(128, true);
    let image = picture(&case("random").join("first.png"));
    let good = request(said(vec![text("How are you?")]));
    let expected = answer(&mut engine, &good, &[]).unwrap();
    let sampler = |options: SamplerOptions| Request {
        sampler: options,
        ..good.clone()
    };
    let empty = Conversation {
        system: None,
        messages: Vec::new(),
    };
    let by_the_model = Conversation {
        system: None,
        messages: vec![Message {
            role: Role::Model,
            parts: vec![text("I begin.")],
        }],
    };
    type Case<'a> = (&'a str, Request, &'a [RgbImage], fn(&Error) -> bool);
    let refused: fn(&Error) -> bool = |error| matches!(error, Error::Request { .. });
    let full: fn(&Error) -> bool = |error| {
        matches!(
            error,
            Error::ContextFull {
                context_tokens: 128,
                ..
            }
        )
    };
    let image = std::slice::from_ref(&image);
    let cases: [Case<'_>; 11] = [
        ("no messages", request(empty), &[], refused),
        ("the model begins", request(by_the_model), &[], refused),
        (
            "an empty prompt",
            request(said(vec![text("")])),
            &[],
            refused,
        ),
        (
            "white space only",
            request(said(vec![text(" \n\t ")])),
            &[],
            refused,
        ),
        (
            "100,000 characters",
            request(said(vec![text(&"pain ".repeat(20_000))])),
            &[],
            full,
        ),
        (
            "40 pictures in a small context",
            request(said(vec![Part::Image; 40])),
            &[],
            refused,
        ),
        (
            "an answer of no tokens",
            Request {
                max_tokens: 0,
                ..good.clone()
            },
            &[],
            refused,
        ),
        ("a picture that no part shows", good.clone(), image, refused),
        (
            "a part without its picture",
            request(said(vec![Part::Image])),
            &[],
            refused,
        ),
        (
            "a temperature that is no number",
            sampler(SamplerOptions {
                temperature: f32::NAN,
                ..SamplerOptions::default()
            }),
            &[],
            refused,
        ),
        (
            "a share above 1",
            sampler(SamplerOptions {
                temperature: 1.0,
                top_p: 1.5,
                ..SamplerOptions::default()
            }),
            &[],
            refused,
        ),
    ];
    for (what, request, images, is_expected) in &cases {
        let error = answer(&mut engine, request, images).expect_err(what);
        assert!(is_expected(&error), "{what}: {error:?}");
        assert!(
            error.to_string().contains(';'),
            "{what}: `{error}` says what to do"
        );
        assert_eq!(
            answer(&mut engine, &good, &[]).unwrap(),
            expected,
            "after {what}"
        );
    }
}

#[test]
fn a_model_without_eyes_refuses_a_picture() {
    let mut engine = random_model(128, false);
    let image = picture(&case("random").join("first.png"));
    assert!(!engine.sees_images());
    let shown = request(said(vec![Part::Image, text("What is this?")]));
    let error = answer(&mut engine, &shown, &[image]).expect_err("no image encoder");
    assert!(
        error.to_string().contains("picture") || error.to_string().contains("image"),
        "{error}"
    );
}

#[test]
fn ids_outside_the_vocabulary_and_torn_pictures_are_refused() {
    let mut engine = random_model(128, true);
    let image = picture(&case("random").join("first.png"));
    let mut logits =
        |tokens: &[u32], images: &[RgbImage]| pollster::block_on(engine.logits(tokens, images));
    assert!(matches!(logits(&[2, 440], &[]), Err(Error::Request { .. })));
    assert!(matches!(logits(&[], &[]), Err(Error::Request { .. })));
    assert!(matches!(
        logits(&[2, 439, 439, 439], std::slice::from_ref(&image)),
        Err(Error::Request { .. })
    ));
    assert!(matches!(
        logits(&[2; 129], &[]),
        Err(Error::ContextFull { .. })
    ));
    assert_eq!(
        logits(&[2, 439, 439, 439, 439], &[image]).unwrap().len(),
        5 * 440
    );
}

#[test]
fn a_prompt_goes_on_from_the_last_one_and_gets_the_same_answer_as_from_nothing() {
    for chunk_tokens in [8, 64] {
        let reused = reused_in_conversation(chunk_tokens);
        assert_eq!(reused[0], 0);
        let far = reused[1..].iter().all(|tokens| *tokens > 20);
        assert_eq!(far, chunk_tokens == 64, "{chunk_tokens}: {reused:?}");
    }
}

/// Asks turn by turn, compares each answer with that of a fresh engine -> tokens reused in each turn.
fn reused_in_conversation(chunk_tokens: usize) -> Vec<usize> {
    let images = [picture(&case("random").join("first.png"))];
    let question = |parts: Vec<Part>| Message {
        role: Role::User,
        parts,
    };
    let mut engine = model_in_chunks(512, chunk_tokens, true);
    let mut conversation = said(vec![Part::Image, text("What is in this picture, please?")]);
    let mut reused = Vec::new();
    for turn in 0..5 {
        let request = request(conversation.clone());
        let outcome = answer(&mut engine, &request, &images).unwrap();
        let mut other = model_in_chunks(512, chunk_tokens, true);
        let expected = answer(&mut other, &request, &images).unwrap();
        assert_eq!(expected.reused_tokens, 0);
        assert_eq!(outcome.token_ids, expected.token_ids, "turn {turn}");
        reused.push(outcome.reused_tokens);
        conversation.messages.push(Message {
            role: Role::Model,
            parts: vec![text("A chest.")],
        });
        let more = question(vec![text("And what else can be seen?")]);
        conversation.messages.push(more);
    }
    reused
}

#[test]
fn another_picture_is_not_taken_for_the_last_one() {
    let folder = case("random");
    let first = [picture(&folder.join("first.png"))];
    let second = [picture(&folder.join("second.png"))];
    let request = request(said(vec![Part::Image, text("What is this?")]));
    let mut engine = model_in_chunks(256, 64, true);
    answer(&mut engine, &request, &first).unwrap();
    let found = answer(&mut engine, &request, &second).unwrap();
    let expected = answer(&mut random_model(256, true), &request, &second).unwrap();
    assert_eq!(found.token_ids, expected.token_ids);
    let again = answer(&mut engine, &request, &second).unwrap();
    assert_eq!(again.token_ids, expected.token_ids);
    assert!(again.reused_tokens > found.reused_tokens);
}

#[test]
fn an_answer_that_was_stopped_leaves_nothing_wrong_behind() {
    let mut engine = random_model(256, false);
    let first = request(said(vec![text("The patient has a fever and a cough.")]));
    let second = request(said(vec![text("The patient has a fever and a rash.")]));
    let expected = answer(&mut random_model(256, false), &second, &[]).unwrap();
    for stop_after in 1..8 {
        let mut seen = 0;
        let mut on_event = |_| {
            seen += 1;
            match seen == stop_after {
                true => Flow::Stop,
                false => Flow::Continue,
            }
        };
        pollster::block_on(engine.generate(&first, &[], &NoClock, &mut on_event)).unwrap();
        let found = answer(&mut engine, &second, &[]).unwrap();
        assert_eq!(
            found.token_ids, expected.token_ids,
            "stopped after {stop_after}"
        );
    }
}
