//! The `outpost` command as its users see it: what it prints, writes and returns.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Tensors, furthest, golden, ids, likeliest, outpost, scratch, tolerance};

const CPU: [&str; 2] = ["--device", "cpu"];

fn model(kind: &str) -> String {
    golden(&format!("random/model-{kind}.gguf"))
}

fn mmproj(kind: &str) -> String {
    golden(&format!("random/mmproj-{kind}.gguf"))
}

/// Arguments of an answer with a picture, without the model.
fn question(picture: &str) -> Vec<String> {
    let arguments = [
        "generate",
        "--prompt",
        "Describe this.",
        "--max-tokens",
        "12",
        "--json",
        "--image",
        picture,
    ];
    [arguments.as_slice(), &CPU]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn run(arguments: &[String]) -> support::Run {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    outpost(&arguments)
}

#[test]
fn inspect_tells_architecture_configuration_and_bytes_by_type() {
    let report = outpost(&["inspect", &model("q8_0"), &mmproj("f32"), "--json"]).json();
    let text = &report["files"][0];
    assert_eq!(text["architecture"], "gemma3");
    assert_eq!(text["config"]["layers"], 7);
    assert_eq!(text["config"]["sliding_window"], 16);
    assert_eq!(text["metadata"]["tokenizer.ggml.model"], "llama");
    let tensors = text["tensors"].as_array().unwrap();
    assert_eq!(tensors.len(), 93);
    let embedding = tensors
        .iter()
        .find(|tensor| tensor["name"] == "token_embd.weight");
    assert_eq!(embedding.unwrap()["shape"], json!([440, 64]));
    assert_eq!(embedding.unwrap()["bytes"], 440 * 64 / 32 * 34);
    let bytes: u64 = tensors
        .iter()
        .map(|tensor| tensor["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(text["tensor_bytes"], bytes);
    let by_type = text["bytes_by_type"].as_object().unwrap().values();
    assert_eq!(
        by_type
            .map(|share| share["bytes"].as_u64().unwrap())
            .sum::<u64>(),
        bytes
    );

    let vision = &report["files"][1];
    assert_eq!(vision["architecture"], "clip");
    assert_eq!(vision["config"]["image_tokens"], 4);

    let printed = outpost(&["inspect", &model("q8_0")]).text();
    assert!(printed.contains("gemma3") && printed.contains("blk.6.ffn_down.weight"));
}

#[test]
fn tokenize_gives_the_ids_of_the_reference() {
    let strings = fs::read_to_string(golden("tokenizer/strings.jsonl")).unwrap();
    for line in strings.lines().step_by(60) {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = format!("--text={}", case["text"].as_str().unwrap());
        if text.contains('\0') {
            continue;
        }
        for (file, ids) in [("vocab.gguf", "gguf_ids"), ("tokenizer.json", "ids")] {
            let expected = case.get(ids).unwrap_or(&case["ids"]);
            let file = golden(&format!("tokenizer/{file}"));
            let printed = outpost(&["tokenize", "--model", &file, &text, "--json"]).json();
            assert_eq!(&printed["ids"], expected, "{text:?}");
            let pieces = printed["pieces"].as_array().unwrap().len();
            assert_eq!(pieces, expected.as_array().unwrap().len());
        }
    }
}

#[test]
fn logits_and_their_greedy_path_are_those_of_the_reference() {
    let out = scratch("logits").join("out.safetensors");
    let out = out.to_str().unwrap();
    for kind in ["f32", "f16", "bf16", "q8_0", "q4_0"] {
        let expected = Tensors::read(golden(&format!("random/expected-{kind}.safetensors")));
        let prompt = expected.i32s("short.tokens");
        let greedy = expected.i32s("short.greedy");
        let tokens = [prompt.as_slice(), &greedy[..greedy.len() - 1]].concat();
        let arguments = [
            "logits",
            "--model",
            &model(kind),
            "--tokens",
            &ids(&tokens),
            "--out",
            out,
        ];
        outpost(&[arguments.as_slice(), &CPU].concat()).text();

        let found = Tensors::read(out);
        assert_eq!(found.i32s("tokens"), tokens);
        let vocabulary = 440;
        assert_eq!(found.shape("logits"), [tokens.len(), vocabulary]);
        let logits = found.f32s("logits");
        let (start, rest) = logits.split_at(prompt.len() * vocabulary);
        let off = furthest(start, &expected.f32s("short.logits"));
        let limit = match kind.starts_with('q') {
            true => "logits_i16",
            false => "logits_f32",
        };
        let limit = tolerance("random/case.toml", limit);
        assert!(off <= limit, "{kind}: {off}");
        let path = [
            &likeliest(start, vocabulary)[prompt.len() - 1..],
            &likeliest(rest, vocabulary),
        ];
        assert_eq!(path.concat(), greedy, "{kind}");
    }
}

#[test]
fn logits_take_pictures_where_their_tokens_stand() {
    let out = scratch("logits-image").join("out.safetensors");
    let expected = Tensors::read(golden("random/expected-f32.safetensors"));
    let tokens = ids(&expected.i32s("two_images.tokens"));
    let (first, second) = (golden("random/first.png"), golden("random/second.png"));
    let (model, mmproj) = (model("f32"), mmproj("f32"));
    #[rustfmt::skip]
    let arguments = [
        "logits", "--model", &model, "--mmproj", &mmproj, "--image", &first, "--image", &second,
        "--tokens", &tokens, "--out", out.to_str().unwrap(),
    ];
    outpost(&[arguments.as_slice(), &CPU].concat()).text();
    let off = furthest(
        &Tensors::read(out).f32s("logits"),
        &expected.f32s("two_images.logits"),
    );
    assert!(off <= tolerance("random/case.toml", "logits_f32"), "{off}");
}

#[test]
fn trace_writes_every_tensor_that_the_reference_names() {
    let out = scratch("trace").join("out.safetensors");
    let expected = Tensors::read(golden("trace/trace.safetensors"));
    let tokens = ids(&expected.i32s("tokens"));
    let (model, mmproj, picture) = (model("f32"), mmproj("f32"), golden("random/first.png"));
    #[rustfmt::skip]
    let arguments = [
        "trace", "--model", &model, "--mmproj", &mmproj, "--image", &picture, "--tokens", &tokens,
        "--out", out.to_str().unwrap(),
    ];
    outpost(&[arguments.as_slice(), &CPU].concat()).text();
    let found = Tensors::read(out);
    let limit = tolerance("trace/case.toml", "absolute_f32");
    for name in expected.names().iter().filter(|name| *name != "tokens") {
        let off = furthest(&found.f32s(name), &expected.f32s(name));
        assert!(off <= limit, "{name}: {off}");
    }
}

#[test]
fn generate_takes_the_likeliest_tokens_and_prints_the_promised_keys() {
    let out = scratch("generate").join("out.safetensors");
    let model = model("q8_0");
    let arguments = ["--model", &model, "--prompt", "What is it?", CPU[0], CPU[1]];
    let answer = outpost(
        &[
            &["generate", "--max-tokens", "10", "--json"],
            arguments.as_slice(),
        ]
        .concat(),
    )
    .json();
    #[rustfmt::skip]
    let keys = [
        "text", "prompt_tokens", "completion_tokens", "finish_reason", "prefill_ms", "decode_ms", "gpu_bytes_peak",
    ];
    for key in keys {
        assert!(answer.get(key).is_some(), "{key} is missing");
    }
    assert!(answer["completion_tokens"].as_u64().unwrap() <= 10);

    outpost(
        &[
            &["logits", "--out", out.to_str().unwrap()],
            arguments.as_slice(),
        ]
        .concat(),
    )
    .text();
    let asked = Tensors::read(&out);
    let prompt = asked.i32s("tokens");
    assert_eq!(answer["prompt_tokens"], prompt.len());
    let greedy: Vec<i32> = serde_json::from_value(answer["token_ids"].clone()).unwrap();
    assert!(!greedy.is_empty());
    let tokens = ids(&[prompt.as_slice(), &greedy].concat());
    #[rustfmt::skip]
    let arguments = ["logits", "--model", &model, "--tokens", &tokens, "--out", out.to_str().unwrap(), CPU[0], CPU[1]];
    outpost(&arguments).text();
    let path = likeliest(&Tensors::read(&out).f32s("logits"), 440);
    assert_eq!(path[prompt.len() - 1..path.len() - 1], greedy);
}

#[test]
fn generate_streams_the_same_text_that_json_holds() {
    let model = model("f32");
    #[rustfmt::skip]
    let arguments = [
        "generate", "--model", &model, "--prompt", "What is it?", "--max-tokens", "10", "--temperature", "0.8",
        "--top-k", "20", "--top-p", "0.9", "--seed", "7", CPU[0], CPU[1],
    ];
    let streamed = outpost(&arguments).text();
    let answer = outpost(&[arguments.as_slice(), &["--json"]].concat()).json();
    assert_eq!(streamed.strip_suffix('\n'), answer["text"].as_str());
}

#[test]
fn generate_keeps_to_a_schema_or_a_grammar_or_says_why_not() {
    let folder = scratch("generate-schema");
    let written = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let asked = |option: &str, file: &str, seed: &str| {
        let model = model("q8_0");
        let arguments = [
            "generate",
            "--model",
            &model,
            "--prompt",
            "Describe this.",
            "--temperature",
            "1",
            "--seed",
            seed,
            "--max-tokens",
            "200",
            "--json",
            option,
            file,
        ];
        outpost(&[arguments.as_slice(), &CPU].concat())
    };
    let schema = r#"{"type":"object","properties":{"urgent":{"type":"boolean"},"dose":{"type":"integer","minimum":1,"maximum":90},"note":{"type":"string","maxLength":9}},"required":["urgent","dose"]}"#;
    let schema = written("schema.json", schema);
    for seed in ["1", "2"] {
        let answer = asked("--schema", &schema, seed).json();
        assert_eq!(answer["finish_reason"], "stop");
        let value: Value = serde_json::from_str(answer["text"].as_str().unwrap()).unwrap();
        assert!(
            (1..=90).contains(&value["dose"].as_i64().unwrap()),
            "{value}"
        );
        assert!(value["urgent"].is_boolean(), "{value}");
    }
    let grammar = written("answer.lark", "start: \"yes\" | \"no\"");
    let answer = asked("--grammar", &grammar, "1").json();
    assert!(
        ["yes", "no"].contains(&answer["text"].as_str().unwrap()),
        "{answer}"
    );

    let unsupported = written("unsupported.json", r#"{"type":"array","uniqueItems":true}"#);
    let refusal = asked("--schema", &unsupported, "1").refusal();
    assert!(refusal.contains("uniqueItems"), "{refusal}");
}

#[test]
fn an_answer_depends_on_the_picture() {
    let model = [
        "--model".to_owned(),
        model("f32"),
        "--mmproj".to_owned(),
        mmproj("f32"),
    ];
    let answers = ["first", "second"].map(|picture| {
        let picture = golden(&format!("random/{picture}.png"));
        run(&[question(&picture), model.to_vec()].concat()).json()["token_ids"].clone()
    });
    assert_ne!(answers[0], answers[1]);
}

#[test]
fn a_packed_model_answers_like_its_files() {
    let directory = scratch("packed");
    let packed = directory.join("set");
    let packed = packed.to_str().unwrap();
    let (text, vision) = (model("q4_0"), mmproj("q8_0"));
    // Twice: a shard set is replaced.
    for shard_mib in ["1", "64"] {
        outpost(&[
            "pack",
            &vision,
            &text,
            "--out",
            packed,
            "--shard-mib",
            shard_mib,
        ])
        .text();
    }
    let manifest: Value =
        serde_json::from_slice(&fs::read(format!("{packed}/manifest.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array().unwrap();
    let shards = files
        .iter()
        .flat_map(|file| file["shards"].as_array().unwrap());
    let shards: Vec<_> = shards.collect();
    for shard in &shards {
        let path = format!("{packed}/{}", shard["name"].as_str().unwrap());
        assert_eq!(fs::metadata(path).unwrap().len(), shard["bytes"]);
    }
    assert_eq!(fs::read_dir(packed).unwrap().count(), shards.len() + 1);

    let picture = golden("random/first.png");
    let of_set = run(&[
        question(&picture),
        vec!["--model".to_owned(), packed.to_owned()],
    ]
    .concat())
    .json();
    let files = ["--model".to_owned(), text, "--mmproj".to_owned(), vision];
    let of_files = run(&[question(&picture), files.to_vec()].concat()).json();
    assert_eq!(of_set["token_ids"], of_files["token_ids"]);
    assert_eq!(of_set["text"], of_files["text"]);

    let report = outpost(&["inspect", packed, "--json"]).json();
    assert_eq!(report["files"][0]["architecture"], "gemma3");
    assert_eq!(report["files"][1]["architecture"], "clip");
}

#[test]
fn damage_to_a_shard_is_found() {
    let directory = scratch("damaged");
    let packed = directory.join("set");
    outpost(&["pack", &model("q4_0"), "--out", packed.to_str().unwrap()]).text();
    let entries = fs::read_dir(&packed)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let shard = entries
        .into_iter()
        .find(|path| !path.ends_with("manifest.json"))
        .unwrap();
    let mut bytes = fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&shard, &bytes).unwrap();
    let refusal = outpost(&["inspect", packed.to_str().unwrap()]).refusal();
    assert!(refusal.contains("SHA-256"), "{refusal}");

    fs::write(&shard, &bytes[..middle]).unwrap();
    let arguments = [
        "generate",
        "--prompt",
        "hi",
        "--model",
        packed.to_str().unwrap(),
    ];
    outpost(&[arguments.as_slice(), &CPU].concat()).refusal();
    fs::remove_file(&shard).unwrap();
    outpost(&[arguments.as_slice(), &CPU].concat()).refusal();
    fs::write(packed.join("manifest.json"), "{}").unwrap();
    outpost(&[arguments.as_slice(), &CPU].concat()).refusal();
}

#[test]
fn bench_prints_the_promised_keys() {
    #[rustfmt::skip]
    let arguments = ["bench", "--model", &model("q4_0"), "--prompt-tokens", "40", "--tokens", "8", "--json"];
    let report = outpost(&[arguments.as_slice(), &CPU].concat()).json();
    #[rustfmt::skip]
    let keys = [
        "adapter", "load_ms", "prefill_tok_s", "decode_tok_s", "weight_bytes", "bytes_read_per_token",
        "dispatches_per_token", "submits_per_token", "readback_bytes_per_token", "gpu_bytes_peak",
    ];
    for key in keys {
        assert!(report.get(key).is_some(), "{key} is missing");
    }
    assert!(report["decode_tok_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn eval_counts_right_answers_for_each_task() {
    let directory = scratch("eval");
    let (model, prompt) = (model("q8_0"), "What is it?");
    #[rustfmt::skip]
    let arguments = [
        "generate", "--model", &model, "--prompt", prompt, "--max-tokens", "8", "--json", CPU[0], CPU[1],
    ];
    let answer = outpost(&arguments).json()["text"].clone();
    let lines = [
        json!({"id": "a", "task": "known", "prompt": prompt, "expected": answer}),
        json!({"id": "b", "task": "unknown", "prompt": prompt, "expected": "certainly something else"}),
    ];
    let questions = directory.join("questions.jsonl");
    fs::write(&questions, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
    #[rustfmt::skip]
    let arguments = [
        "eval", "--model", &model, "--questions", questions.to_str().unwrap(), "--max-tokens", "8", "--json",
        CPU[0], CPU[1],
    ];
    let report = outpost(&arguments).json();
    assert_eq!(report["tasks"]["known"]["exact"]["percent"], 100.0);
    assert_eq!(report["tasks"]["unknown"]["exact"]["percent"], 0.0);
    assert_eq!(report["total"]["right"], 1);
}
