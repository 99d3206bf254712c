//! Answers of the demo model under a schema: they satisfy it on every device, at every temperature, and say when they are cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use std::path::Path;

use golden::{NoClock, engine_with};
use outpost_engine::chat::{Conversation, Message, Part, Role};
use outpost_engine::constraint::Rule;
use outpost_engine::error::Error;
use outpost_engine::kernels::DeviceChoice;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Engine, EngineOptions, FinishReason, Flow, Outcome, Request};
use serde_json::Value;

const SCHEMA: &str = r#"{"type":"object","properties":{
    "urgency":{"enum":["routine","urgent","emergency"]},
    "temperature":{"type":"number","minimum":30,"maximum":45},
    "complaint":{"type":"string","minLength":1,"maxLength":40},
    "since":{"type":"string","format":"date"},
    "medicines":{"type":"array","items":{"type":"string","maxLength":12},"maxItems":2}
},"required":["urgency","temperature","complaint","since","medicines"],"additionalProperties":false}"#;

fn demo(device: DeviceChoice) -> Engine {
    let options = EngineOptions {
        device,
        ..EngineOptions::default()
    };
    engine_with(Path::new("../models/demo/demo-q8_0.gguf"), None, options)
}

fn request(rule: Rule, max_tokens: usize, sampler: SamplerOptions) -> Request {
    let text = "The patient has had a fever and a cough for three days.".to_owned();
    Request {
        conversation: Conversation {
            system: None,
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Text(text)],
            }],
        },
        max_tokens,
        sampler,
        constraint: Some(rule),
    }
}

fn schema() -> Rule {
    Rule::JsonSchema(SCHEMA.to_owned())
}

fn answer(engine: &mut Engine, request: &Request) -> Result<Outcome, Error> {
    pollster::block_on(engine.generate(request, &[], &NoClock, &mut |_| Flow::Continue))
}

fn check(outcome: &Outcome) {
    assert_eq!(
        outcome.finish_reason,
        FinishReason::Stop,
        "{}",
        outcome.text
    );
    let value: Value = serde_json::from_str(&outcome.text).unwrap();
    let temperature = value["temperature"].as_f64().unwrap();
    assert!((30.0..=45.0).contains(&temperature), "{value}");
    assert!(["routine", "urgent", "emergency"].contains(&value["urgency"].as_str().unwrap()));
    assert!((1..=40).contains(&value["complaint"].as_str().unwrap().chars().count()));
    assert_eq!(value["since"].as_str().unwrap().len(), 10);
    assert!(value["medicines"].as_array().unwrap().len() <= 2);
    assert_eq!(value.as_object().unwrap().len(), 5);
}

#[test]
fn the_likeliest_answer_under_a_schema_is_the_same_on_every_device() {
    let request = request(schema(), 300, SamplerOptions::default());
    let [cpu, gpu] = [DeviceChoice::Cpu, DeviceChoice::Gpu].map(|device| {
        let outcome = answer(&mut demo(device), &request).unwrap();
        check(&outcome);
        outcome
    });
    assert_eq!(cpu.token_ids, gpu.token_ids, "{}\n{}", cpu.text, gpu.text);
}

#[test]
fn a_constraint_costs_a_gpu_no_submit_and_no_byte_that_is_read_back() {
    let mut engine = demo(DeviceChoice::Gpu);
    let mut asked = request(schema(), 300, SamplerOptions::default());
    check(&answer(&mut engine, &asked).unwrap());
    let bound = engine.stats().clone();
    asked.constraint = None;
    answer(&mut engine, &asked).unwrap();
    let free = engine.stats();
    assert_eq!(bound.submits_per_token, free.submits_per_token);
    assert_eq!(bound.readback_bytes_per_token, 8);
}

#[test]
fn an_answer_satisfies_its_schema_at_temperature_1_and_with_a_penalty() {
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let mut engine = demo(device);
        for seed in 0..6 {
            let sampler = SamplerOptions {
                temperature: 1.0,
                top_k: [0, 1, 40][seed as usize % 3],
                repetition_penalty: [1.0, 1.3][seed as usize % 2],
                seed,
                ..SamplerOptions::default()
            };
            check(&answer(&mut engine, &request(schema(), 400, sampler)).unwrap());
        }
    }
}

#[test]
fn an_answer_that_is_cut_says_so_and_is_the_beginning_of_the_whole_one() {
    let mut engine = demo(DeviceChoice::Cpu);
    let whole = answer(
        &mut engine,
        &request(schema(), 300, SamplerOptions::default()),
    )
    .unwrap();
    for max_tokens in [1, 7, whole.token_ids.len() - 1] {
        let cut = request(schema(), max_tokens, SamplerOptions::default());
        let cut = answer(&mut engine, &cut).unwrap();
        assert_eq!(cut.finish_reason, FinishReason::Length);
        assert_eq!(cut.token_ids, whole.token_ids[..max_tokens]);
        assert!(serde_json::from_str::<Value>(&cut.text).is_err());
    }
    // The last token closes the answer, so that none has to say that it ends.
    let just = request(schema(), whole.token_ids.len(), SamplerOptions::default());
    assert_eq!(
        answer(&mut engine, &just).unwrap().finish_reason,
        FinishReason::Stop
    );
}

#[test]
fn an_answer_follows_a_grammar_and_the_next_one_is_free_again() {
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let mut engine = demo(device);
        let rule = Rule::Grammar("start: (\"yes\" | \"no\") \", \" /[a-z]{3,9}/".to_owned());
        let mut free = request(rule.clone(), 40, SamplerOptions::default());
        free.constraint = None;
        let before = answer(&mut engine, &free).unwrap();
        let bound = answer(&mut engine, &request(rule, 40, SamplerOptions::default())).unwrap();
        let (head, word) = bound.text.split_once(", ").unwrap();
        assert!(["yes", "no"].contains(&head), "{}", bound.text);
        assert!((3..=9).contains(&word.len()), "{}", bound.text);
        assert_eq!(
            answer(&mut engine, &free).unwrap().token_ids,
            before.token_ids
        );
    }
}

#[test]
fn what_cannot_be_kept_is_refused_before_anything_is_computed() {
    let mut engine = demo(DeviceChoice::Cpu);
    let rule = Rule::JsonSchema(r#"{"not":{}}"#.to_owned());
    let refused = answer(&mut engine, &request(rule, 9, SamplerOptions::default()));
    assert!(matches!(refused, Err(Error::Request { .. })), "{refused:?}");
    check(
        &answer(
            &mut engine,
            &request(schema(), 300, SamplerOptions::default()),
        )
        .unwrap(),
    );
}

#[test]
fn a_request_as_json_may_leave_the_constraint_out() {
    let whole = request(schema(), 9, SamplerOptions::default());
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), whole);
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value.as_object_mut().unwrap().remove("constraint");
    assert_eq!(
        serde_json::from_value::<Request>(value).unwrap().constraint,
        None
    );
}
