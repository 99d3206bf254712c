//! Runs over transcripts and over prompts with expected words: what is logged, and that a log is gone on with. What is said, and
//! the names of drugs, are invented.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fs;

use outpost_clinic::Result;
use outpost_clinic::eval::compare::{compare, samples};
use outpost_clinic::eval::{Answer, Ask, By, Evaluation, Framing, Plan, Report, read, transcript};
use outpost_clinic::writer::{self, Draft, Writer};
use outpost_engine::chat::ChatTemplate;
use outpost_engine::tokenizer::Tokenizer;
use serde_json::{Value, json};

/// Writes the same each time: what every draft is.
struct Same(&'static str);

impl Writer for Same {
    async fn write(&mut self, _: &writer::Ask) -> Result<Draft> {
        Ok(Draft {
            text: self.0.to_owned(),
            cut: false,
        })
    }
}

fn tokenizer() -> (Tokenizer, ChatTemplate) {
    let file = fs::read("../tests/golden/tokenizer/tokenizer.json").unwrap();
    let tokenizer = Tokenizer::from_json(&file).unwrap();
    let template = ChatTemplate::new(&tokenizer, 4).unwrap();
    (tokenizer, template)
}

fn transcripts() -> String {
    let lines = [
        json!({"id": "a", "transcript": "The pulse is 122.", "expected": [
            {"kind": "vital-sign", "name": "heart-rate", "value": 122},
        ]}),
        json!({"id": "b", "transcript": "The pulse is 80. He takes Pelvimol.", "expected": [
            {"kind": "vital-sign", "name": "heart-rate", "value": 80},
            {"kind": "medication", "name": "Pelvimol"},
        ]}),
        json!({"id": "c", "transcript": "Nothing was said.", "expected": []}),
    ];
    lines.map(|line| format!("{line}\n")).concat()
}

fn evaluation(text: &str) -> Evaluation {
    let questions = read(text, None).unwrap();
    let plan = Plan::of(&questions[0].kind, By::Likelihood, Framing::Plain, None);
    // Whatever was wished for, these are written, and in the chat template.
    assert_eq!((plan.by, plan.framing), (By::Generation, Framing::Chat));
    Evaluation::new(questions, plan)
}

/// Answers every question that is left -> the lines.
fn answer_all(evaluation: &mut Evaluation, draft: &'static str) -> String {
    let (tokenizer, template) = tokenizer();
    let mut log = String::new();
    while let Some(ask) = evaluation.ask(&tokenizer, &template).unwrap() {
        let answer = match ask {
            Ask::Extract {
                transcript,
                max_tokens,
            } => {
                let mut writer = Same(draft);
                let extracting = transcript::extract(&mut writer, &transcript, max_tokens);
                Answer::Extracted(Box::new(pollster::block_on(extracting).unwrap()))
            }
            Ask::Generate { .. } => Answer::Text(draft.to_owned()),
            Ask::Score { .. } => panic!("nothing here is scored"),
        };
        log += &evaluation.take(&answer, &template).unwrap().line().unwrap();
    }
    log
}

#[test]
fn a_transcript_is_logged_with_its_drafts_its_facts_and_the_way() {
    let mut evaluation = evaluation(&transcripts());
    // No draft that can be read: rules find the measurements.
    let log = answer_all(&mut evaluation, "I cannot.");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [a, b, c] = &lines[..] else { panic!() };
    assert_eq!(a["filtered_resps"][0][0]["name"], "heart-rate");
    assert_eq!(a["resps"], json!([["I cannot.", "I cannot.", "I cannot."]]));
    assert!(
        a["arguments"]["gen_args_0"]["arg_0"]
            .as_str()
            .unwrap()
            .contains("The pulse is 122.")
    );
    let marks = |line: &Value| {
        [
            "exact_match",
            "f1",
            "first_pass",
            "fallback",
            "blocked",
            "valid_bundle",
        ]
        .map(|name| line[name].as_f64().unwrap())
    };
    assert_eq!(marks(a), [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
    // One of two: 2 · 1 / (1 + 2).
    assert_eq!(marks(b), [0.0, 2.0 / 3.0, 0.0, 1.0, 0.0, 1.0]);
    // Nothing is there and nothing is found, but there is no record either.
    assert_eq!(marks(c), [1.0, 1.0, 0.0, 0.0, 1.0, 0.0]);

    let Report::Transcripts(extracted) = evaluation.report() else {
        panic!("not of transcripts");
    };
    let ways = extracted.ways.as_ref().unwrap();
    assert_eq!((ways.fallback, ways.blocked, ways.valid_bundles), (2, 1, 2));
    let facts = extracted.scores.facts;
    assert_eq!((facts.right, facts.found, facts.expected), (2, 2, 3));
    let shares = evaluation.report().shares();
    assert_eq!(
        (shares["valid_bundle"].right, shares["valid_bundle"].count),
        (2, 3)
    );
    let results = evaluation.results("t", &Value::Null);
    assert_eq!(results["results"]["t"]["f1,none"], json!(0.8));
    assert_eq!(results["results"]["t"]["fallback,none"], json!(2.0 / 3.0));
}

#[test]
fn a_run_over_transcripts_that_was_cut_anywhere_ends_as_a_whole_one() {
    let mut whole = evaluation(&transcripts());
    let log = answer_all(&mut whole, "I cannot.");
    for cut in (0..=log.len()).filter(|cut| log.is_char_boundary(*cut)) {
        // Reading is what differs; a cut in the middle of a line is one at its beginning.
        if cut % 97 != 0 && cut != log.len() {
            continue;
        }
        let mut parts = evaluation(&transcripts());
        let kept = parts.resume(&log[..cut]).unwrap();
        let rest = answer_all(&mut parts, "I cannot.");
        assert_eq!(format!("{}{rest}", &log[..kept]), log);
        assert_eq!(parts.report(), whole.report());
    }
}

#[test]
fn logs_of_transcripts_are_compared_by_those_in_which_everything_was_found() {
    let log = answer_all(&mut evaluation(&transcripts()), "I cannot.");
    let a = samples(&log).unwrap();
    let found = compare(&a, &a, None).unwrap();
    assert_eq!(
        (found.metric.as_str(), found.pairs.both),
        ("exact_match", 2)
    );
    // F1 is no matter of right and wrong.
    let refused = compare(&a, &a, Some("f1")).unwrap_err().to_string();
    assert!(refused.contains("f1"), "{refused}");
}

#[test]
fn words_are_scored_whole_and_by_field_and_gone_on_with() {
    let line = |id: &str, expected: &str| {
        json!({
            "id": id, "task": "side", "prompt": "Which side?", "expected": expected, "fields": {"side": "left"},
        })
    };
    let text = [line("1", "The left."), line("2", "The left side.")]
        .map(|line| format!("{line}\n"))
        .concat();
    let mut whole = evaluation(&text);
    let log = answer_all(&mut whole, "The left.\n");
    let report = whole.report().json();
    assert_eq!(
        report["total"],
        json!({"count": 2, "right": 1, "percent": 50.0})
    );
    assert_eq!(report["tasks"]["side"]["fields"]["side"]["right"], 2);
    let mut parts = evaluation(&text);
    let first = log.lines().next().unwrap().len() + 1;
    assert_eq!(parts.resume(&log[..first]).unwrap(), first);
    answer_all(&mut parts, "The left.\n");
    assert_eq!(parts.report(), whole.report());
}

#[test]
fn a_log_of_another_kind_is_refused() {
    let log = answer_all(&mut evaluation(&transcripts()), "I cannot.");
    let mut other: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    other["filtered_resps"] = json!(["B"]);
    let mut evaluation = evaluation(&transcripts());
    assert!(evaluation.resume(&format!("{other}\n")).is_err());
}
