//! `outpost eval` with the demonstration model: what it finds likely, and logs that are gone on with and compared. The
//! questions are held-out ones of that model (`eval/make.py`); all words in them are invented.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Run, outpost, scratch};

const QUESTIONS: &str = "tests/eval/questions.jsonl";

/// Questions in the file.
const COUNT: u64 = 42;

fn model(kind: &str) -> String {
    format!("demo/demo-{kind}.gguf")
}

fn eval(kind: &str, more: &[&str]) -> Run {
    let model = model(kind);
    let questions: &[&str] = match more.contains(&"--questions") {
        true => &[],
        false => &["--questions", QUESTIONS],
    };
    #[rustfmt::skip]
    let arguments = [
        "eval", "--device", "cpu", "--model", &model, "--mmproj", "demo/mmproj-demo-f16.gguf", "--json",
    ];
    outpost(&[&arguments, questions, more].concat())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_demo_model_finds_what_it_would_say_likeliest() {
    let report = eval("q8_0", &[]).json();
    let acc = &report["metrics"]["acc"];
    assert_eq!(acc["count"], COUNT);
    // By chance it would be a quarter.
    assert!(acc["share"].as_f64().unwrap() > 0.9, "{acc}");
    assert!(acc["interval"]["low"].as_f64().unwrap() > 0.75, "{acc}");
    assert!(acc["interval"]["high"].as_f64().unwrap() <= 1.0);
    assert_eq!(report["subjects"]["picture"]["acc"]["count"], 22);
    assert_eq!(report["subjects"]["chat"]["acc"]["count"], 20);
}

#[test]
fn without_its_picture_a_question_is_a_guess() {
    let directory = scratch("eval-blind");
    let lines = fs::read_to_string(QUESTIONS).unwrap();
    let blind = lines
        .lines()
        .filter(|line| line.contains("image"))
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("image");
            format!("{line}\n")
        });
    let path = directory.join("blind.jsonl");
    fs::write(&path, blind.collect::<String>()).unwrap();
    let report = eval("q8_0", &["--questions", &text(&path)]).json();
    let share = report["metrics"]["acc"]["share"].as_f64().unwrap();
    assert!(share < 0.7, "{share}");
}

#[test]
fn an_interrupted_run_goes_on_and_leaves_the_log_of_one_run() {
    let directory = scratch("eval-resumed");
    let [whole, parts] = ["whole", "parts"].map(|name| directory.join(name));
    let report = eval("q8_0", &["--log", &text(&whole)]).json();
    eval("q8_0", &["--log", &text(&parts), "--limit", "7"]).json();
    let log = parts.join("samples_questions.jsonl");
    let mut begun = fs::read_to_string(&log).unwrap();
    assert_eq!(begun.lines().count(), 7);
    // Cut while a line was being written.
    begun += "{\"doc_id\":7,\"doc\":{\"ans";
    fs::write(&log, begun).unwrap();
    let run = eval("q8_0", &["--log", &text(&parts)]);
    assert!(
        run.stderr.contains("going on after 7 answers"),
        "{}",
        run.stderr
    );
    let asked = run
        .stderr
        .lines()
        .filter(|line| line.contains(&format!("/{COUNT} ")));
    assert_eq!(asked.count() as u64, COUNT - 7);
    assert_eq!(run.json(), report);
    for file in [
        "samples_questions.jsonl",
        "run_questions.json",
        "results_questions.json",
    ] {
        let [a, b] = [&whole, &parts].map(|folder| fs::read(folder.join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
    let results = fs::read_to_string(whole.join("results_questions.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(
        results["results"]["questions"]["acc,none"],
        report["metrics"]["acc"]["share"]
    );
    assert_eq!(
        results["n-samples"]["questions"],
        json!({"original": COUNT, "effective": COUNT})
    );
    // Nothing is left to ask.
    let run = eval("q8_0", &["--log", &text(&whole)]);
    assert_eq!(run.json(), report);
}

#[test]
fn a_log_of_another_model_file_or_plan_is_refused() {
    let directory = scratch("eval-other");
    let log = text(&directory.join("log"));
    eval("q8_0", &["--log", &log, "--limit", "1"]).json();
    let other = directory.join("questions.jsonl");
    let lines = fs::read_to_string(QUESTIONS).unwrap();
    fs::write(&other, lines.replace("\"style\"", "\"note\": 1, \"style\"")).unwrap();
    let other = text(&other);
    #[rustfmt::skip]
    let table = [
        (eval("q4_0", &["--log", &log]), "model demo-q8_0.gguf instead of demo-q4_0.gguf"),
        (eval("q8_0", &["--log", &log, "--questions", &other]), "other questions in questions.jsonl"),
        (eval("q8_0", &["--log", &log, "--by", "generation"]), "by likelihood in the chat template instead of by generation"),
    ];
    for (run, reason) in table {
        let refusal = run.refusal();
        assert!(
            refusal.contains(reason) && refusal.contains("another folder"),
            "{refusal}"
        );
    }
    fs::remove_file(directory.join("log/run_questions.json")).unwrap();
    assert!(
        eval("q8_0", &["--log", &log])
            .refusal()
            .contains("lacks the file")
    );
}

#[test]
fn two_quantisations_are_compared_on_the_same_questions() {
    let directory = scratch("eval-compared");
    let [a, b, short] = ["q8_0", "q4_0", "short"].map(|name| text(&directory.join(name)));
    let reports =
        [("q8_0", &a), ("q4_0", &b)].map(|(kind, log)| eval(kind, &["--log", log]).json());
    let found = outpost(&["eval", "--compare", &a, &b, "--json"]).json();
    let of = |report: &Value| report["metrics"]["acc"]["share"].as_f64().unwrap();
    let difference = found["difference"].as_f64().unwrap();
    assert!((difference - (of(&reports[1]) - of(&reports[0]))).abs() < 1e-12);
    let [low, high] = ["low", "high"].map(|end| found["interval"][end].as_f64().unwrap());
    assert!(low <= difference && difference <= high && low < high);
    let pairs =
        ["both", "only_a", "only_b", "neither"].map(|cell| found["pairs"][cell].as_u64().unwrap());
    assert_eq!(pairs.iter().sum::<u64>(), COUNT);
    assert!(found["same_prompts"].as_bool().unwrap());
    // So few questions cannot tell.
    assert_eq!(found["verdict"], "open");
    let printed = outpost(&["eval", "--compare", &a, &b]).text();
    assert!(
        printed.contains("B - A:") && printed.contains("McNemar p"),
        "{printed}"
    );
    assert!(
        printed.contains("is open: the interval holds -1 %"),
        "{printed}"
    );
    let norm = outpost(&[
        "eval",
        "--compare",
        &a,
        &b,
        "--metric",
        "acc_norm",
        "--json",
    ])
    .json();
    assert_eq!(norm["metric"], "acc_norm");

    eval("q8_0", &["--log", &short, "--limit", "3"]).json();
    let refusal = outpost(&["eval", "--compare", &a, &short]).refusal();
    assert!(refusal.contains("42 answers, the other 3"), "{refusal}");
    let refusal = outpost(&["eval", "--compare", &a, "demo"]).refusal();
    assert!(refusal.contains("holds 0 logs"), "{refusal}");
}

#[test]
fn by_generation_the_choice_is_read_out_of_what_it_writes() {
    let directory = scratch("eval-generated");
    let log = directory.join("log");
    let report = eval(
        "q8_0",
        &[
            "--by",
            "generation",
            "--max-tokens",
            "48",
            "--log",
            &text(&log),
        ],
    )
    .json();
    let (right, unparsed) = (
        &report["metrics"]["exact_match"],
        &report["metrics"]["unparsed"],
    );
    assert!(right["share"].as_f64().unwrap() > 0.85, "{right}");
    let lines = fs::read_to_string(log.join("samples_questions.jsonl")).unwrap();
    let read =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["filtered_resps"][0].clone();
    let invalid = lines
        .lines()
        .filter(|line| read(line) == "[invalid]")
        .count();
    assert_eq!(unparsed["right"], invalid);
}

#[test]
fn without_the_template_the_same_question_is_asked_as_plain_text() {
    let directory = scratch("eval-plain");
    let path = directory.join("plain.jsonl");
    let line =
        json!({"question": "Which is invented?", "choices": ["water", "kelogorel"], "answer": "B"});
    fs::write(&path, format!("{line}\n")).unwrap();
    let log = directory.join("log");
    eval(
        "q8_0",
        &[
            "--questions",
            &text(&path),
            "--no-template",
            "--log",
            &text(&log),
        ],
    )
    .json();
    let logged = fs::read_to_string(log.join("samples_plain.jsonl")).unwrap();
    let logged: Value = serde_json::from_str(&logged).unwrap();
    let prompt = "Question: Which is invented?\nA. water\nB. kelogorel\nAnswer:";
    let first = json!({"arg_0": prompt, "arg_1": " A"});
    assert_eq!(logged["arguments"]["gen_args_0"], first);
    assert_eq!(logged["resps"].as_array().unwrap().len(), 4);
    let refusal = eval("q8_0", &["--no-template", "--limit", "1"]).refusal();
    assert!(refusal.contains("chat template"), "{refusal}");
}

/// What a logit may be off, as `tests/golden/random/case.toml` has it for f32.
const LOGITS: f64 = 5e-4;

#[test]
fn prompts_and_likelihoods_are_those_of_the_harness() {
    let directory = scratch("eval-harness");
    let expected = fs::read_to_string("tests/eval/harness/expected.json").unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let folder = support::golden("huggingface");
    let mut compared = 0;
    for (set, framing) in ["medmcqa", "medqa", "pubmedqa"]
        .iter()
        .flat_map(|set| [(set, "plain"), (set, "chat")])
    {
        let questions = format!("tests/eval/harness/{set}.jsonl");
        let log = directory.join(framing);
        #[rustfmt::skip]
        let mut arguments = vec![
            "eval", "--device", "cpu", "--model", &folder, "--questions", &questions, "--log", log.to_str().unwrap(),
        ];
        if framing == "plain" {
            arguments.push("--no-template");
        }
        outpost(&arguments).text();
        let logged = fs::read_to_string(log.join(format!("samples_{set}.jsonl"))).unwrap();
        for (line, expected) in logged.lines().zip(expected[set].as_array().unwrap()) {
            let logged: Value = serde_json::from_str(line).unwrap();
            let wanted = &expected[framing];
            let rows = wanted["continuations"].as_array().unwrap();
            let found = logged["filtered_resps"].as_array().unwrap();
            assert_eq!(found.len(), rows.len());
            let sum = |found: &Value| found[0].as_str().unwrap().parse::<f64>().unwrap();
            // What the harness counts to each continuation of a turn: the newline before it.
            let newline = match framing {
                "chat" => rows[0][1].as_f64().unwrap() - sum(&found[0]),
                _ => 0.0,
            };
            for (place, (found, row)) in found.iter().zip(rows).enumerate() {
                let asked = &logged["arguments"][format!("gen_args_{place}")];
                assert_eq!(
                    (&asked["arg_0"], &asked["arg_1"]),
                    (&wanted["prompt"], &row[0])
                );
                let off = (sum(found) + newline - row[1].as_f64().unwrap()).abs();
                let tokens = row[0].as_str().unwrap().len() + 1;
                assert!(
                    off <= 2.0 * LOGITS * tokens as f64,
                    "{set} {framing} {row}: {found}"
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 2 * (2 * 8 + 8 + 3));
}

#[test]
fn a_question_that_cannot_be_asked_is_named() {
    let directory = scratch("eval-named");
    let path = directory.join("questions.jsonl");
    let mcq =
        json!({"question": "Which?", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": 2});
    fs::write(&path, format!("{mcq}\n")).unwrap();
    let file = text(&path);
    let refusal = eval("q8_0", &["--questions", &file]).refusal();
    assert!(
        refusal.contains("line 1") && refusal.contains("--cop-from"),
        "{refusal}"
    );
    let report = eval("q8_0", &["--questions", &file, "--cop-from", "1"]).json();
    assert_eq!(report["answered"], 1);
    let refusal = eval(
        "q8_0",
        &[
            "--questions",
            &file,
            "--cop-from",
            "1",
            "--context-tokens",
            "16",
        ],
    )
    .refusal();
    assert!(
        refusal.contains("question 1") && refusal.contains("the context holds 16"),
        "{refusal}"
    );
}

#[test]
fn facts_that_were_found_elsewhere_are_scored() {
    let directory = scratch("eval-facts");
    let write = |name: &str, lines: &[Value]| {
        let path = directory.join(name);
        fs::write(
            &path,
            lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>(),
        )
        .unwrap();
        text(&path)
    };
    let drug = json!({"kind": "medication", "name": "Kelogorel", "dose": "9 drops"});
    let transcripts = write(
        "transcripts.jsonl",
        &[
            json!({"id": "a", "transcript": "He gets Kelogorel, 9 drops.", "expected": [drug]}),
            json!({"id": "b", "transcript": "Nothing else.", "expected": [{"kind": "condition", "name": "cough"}]}),
        ],
    );
    let found = write("found.jsonl", &[json!({"id": "a", "facts": [drug]})]);
    let arguments = ["eval", "--questions", &transcripts, "--predictions", &found];
    let report = outpost(&[&arguments[..], &["--json"]].concat()).json();
    assert_eq!(
        report["facts"],
        json!({
            "right": 1, "found": 1, "expected": 2, "precision": 1.0, "recall": 0.5, "f1": 2.0 / 3.0,
        })
    );
    assert!(outpost(&arguments).text().contains("F1  66.7 %"));
    let stray = write("stray.jsonl", &[json!({"id": "c", "facts": []})]);
    let refusal =
        outpost(&["eval", "--questions", &transcripts, "--predictions", &stray]).refusal();
    assert!(refusal.contains("none of the transcripts"), "{refusal}");
}

#[test]
fn the_model_reads_transcripts_and_is_scored_by_what_is_in_them() {
    let directory = scratch("eval-transcripts");
    let path = directory.join("transcripts.jsonl");
    let lines = [
        json!({"id": "a", "transcript": "The pulse is 122. The temperature is 37.8.", "expected": [
            {"kind": "vital-sign", "name": "heart-rate", "value": 122},
            {"kind": "vital-sign", "name": "body-temperature", "value": 37.8},
        ]}),
        json!({"id": "b", "transcript": "Nothing was said today.", "expected": []}),
    ];
    fs::write(&path, lines.map(|line| format!("{line}\n")).concat()).unwrap();
    let path = text(&path);
    let arguments = ["--questions", &path, "--max-tokens", "64"];
    let report = eval("q8_0", &arguments).json();
    assert_eq!(report["transcripts"], 2);
    assert_eq!(report["facts"]["expected"], 2);
    let ways = ["first_pass", "repaired", "fallback", "blocked"]
        .map(|way| report["ways"][way].as_u64().unwrap());
    assert_eq!(ways.iter().sum::<u64>(), 2);
    assert!(report["ways"]["valid_bundles"].as_u64().unwrap() <= 2);
    // Rules read measurements, whatever a model that knows no such task drafts.
    assert!(
        report["kinds"]["vital-sign"]["right"].as_u64().unwrap() >= 1,
        "{report}"
    );
    assert_eq!(report["kinds"]["vital-sign"]["precision"], 1.0, "{report}");
    assert_eq!(eval("q8_0", &arguments).json(), report);
    let refusal = eval("q8_0", &["--questions", &path, "--no-template"]).refusal();
    assert!(refusal.contains("chat template"), "{refusal}");

    // A log of them is gone on with, and says the same.
    let log = text(&directory.join("log"));
    let logged = [&arguments[..], &["--log", &log]].concat();
    eval("q8_0", &[&logged[..], &["--limit", "1"]].concat()).json();
    let rest = eval("q8_0", &logged);
    assert!(
        rest.stderr.contains("going on after 1 answers"),
        "{}",
        rest.stderr
    );
    assert_eq!(rest.json(), report);
    let found = outpost(&["eval", "--compare", &log, &log, "--json"]).json();
    assert_eq!(found["metric"], "exact_match");
}
