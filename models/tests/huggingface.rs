//! Folders as transformers saves them, as models and to be packed. Fixture: tests/golden/huggingface, which holds the model
//! of tests/golden/random.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Tensors, furthest, golden, ids, outpost, scratch, tolerance};

const CPU: [&str; 2] = ["--device", "cpu"];

/// Packs the golden folder in `type_name`, or in its own types.
fn packed(name: &str, type_name: Option<&str>) -> PathBuf {
    let out = scratch(name).join("set");
    let folder = golden("huggingface");
    let mut arguments = vec!["pack", &folder, "--out", out.to_str().unwrap()];
    arguments.extend(type_name.iter().flat_map(|name| ["--quantize", name]));
    outpost(&arguments).text();
    out
}

/// A copy of the golden folder, to be changed.
fn copied(name: &str) -> PathBuf {
    let out = scratch(name);
    for entry in fs::read_dir(golden("huggingface")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, out.join(path.file_name().unwrap())).unwrap();
    }
    out
}

/// What `inspect` says of each part.
fn reports(path: &str) -> Vec<Value> {
    let report = outpost(&["inspect", path, "--json"]).json();
    report["files"].as_array().unwrap().clone()
}

/// Name, type and shape of each tensor, by name.
fn tensors(report: &Value) -> Vec<(String, Value, Value)> {
    let tensors = report["tensors"].as_array().unwrap();
    let of = |tensor: &Value| {
        let name = tensor["name"].as_str().unwrap().to_owned();
        (name, tensor["type"].clone(), tensor["shape"].clone())
    };
    let mut tensors: Vec<_> = tensors.iter().map(of).collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

#[test]
fn inspect_shows_the_model_that_the_gguf_file_holds() {
    let found = reports(&golden("huggingface"));
    let text = reports(&golden("random/model-f32.gguf"));
    let vision = reports(&golden("random/mmproj-f32.gguf"));
    assert_eq!(found.len(), 2);
    for (found, expected) in found.iter().zip([&text[0], &vision[0]]) {
        assert_eq!(found["format"], "Hugging Face");
        assert_eq!(found["name"], "huggingface");
        assert_eq!(found["config"], expected["config"]);
        assert_eq!(found["parameters"], expected["parameters"]);
    }
    assert_eq!(tensors(&found[0]), tensors(&text[0]));
}

#[test]
fn packing_brings_matrices_to_the_type_that_is_asked_for() {
    for (type_name, text, vision) in [
        ("q4_0", "q4_0", "q8_0"),
        ("q8_0", "q8_0", "q8_0"),
        // Rows of 64 hold no block of 256.
        ("q4_k", "q8_0", "q8_0"),
        ("f16", "f16", "f16"),
    ] {
        let set = packed(&format!("hf-{type_name}"), Some(type_name));
        let found = reports(set.to_str().unwrap());
        let text = reports(&golden(&format!("random/model-{text}.gguf")));
        let vision = reports(&golden(&format!("random/mmproj-{vision}.gguf")));
        assert_eq!(tensors(&found[0]), tensors(&text[0]), "{type_name}");
        assert_eq!(tensors(&found[1]), tensors(&vision[0]), "{type_name}");
    }
}

#[test]
fn a_set_of_a_folder_holds_the_bytes_of_a_set_of_the_gguf_files() {
    let from_folder = packed("hf-bytes", Some("q8_0"));
    let from_files = scratch("hf-bytes-gguf").join("set");
    let (text, vision) = (
        golden("random/model-q8_0.gguf"),
        golden("random/mmproj-q8_0.gguf"),
    );
    outpost(&[
        "pack",
        &text,
        &vision,
        "--out",
        from_files.to_str().unwrap(),
    ])
    .text();
    let read = |set: &Path| {
        let manifest: Value =
            serde_json::from_slice(&fs::read(set.join("manifest.json")).unwrap()).unwrap();
        let mut parts = Vec::new();
        for file in manifest["files"].as_array().unwrap() {
            let shards = file["shards"].as_array().unwrap().iter();
            let shards =
                shards.map(|shard| fs::read(set.join(shard["name"].as_str().unwrap())).unwrap());
            let stream = shards.collect::<Vec<_>>().concat();
            for tensor in file["tensors"].as_array().unwrap() {
                for part in tensor["parts"].as_array().unwrap() {
                    let start = part["offset"].as_u64().unwrap() as usize;
                    let end = start + part["bytes"].as_u64().unwrap() as usize;
                    let name = format!("{} {}", tensor["name"], part["part"]);
                    parts.push((name, stream[start..end].to_vec()));
                }
            }
        }
        parts.sort();
        parts
    };
    let (found, expected) = (read(&from_folder), read(&from_files));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.0, expected.0);
        assert!(found.1 == expected.1, "{}", found.0);
    }
}

#[test]
fn what_cannot_be_packed_is_refused_in_one_line() {
    let gguf = golden("random/model-q4_0.gguf");
    let folder = golden("huggingface");
    let out = scratch("hf-refused").join("out");
    let out = out.to_str().unwrap();
    let set = packed("hf-refused-set", None);
    let set = set.to_str().unwrap();
    let missing = copied("hf-missing");
    fs::remove_file(missing.join("model-00002-of-00003.safetensors")).unwrap();
    let other = copied("hf-other");
    let config = fs::read_to_string(other.join("config.json")).unwrap();
    let config = config.replace("\"model_type\": \"gemma3\"", "\"model_type\": \"llama\"");
    fs::write(other.join("config.json"), config).unwrap();
    let cut = copied("hf-cut");
    let path = cut.join("model-00003-of-00003.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    let wordless = copied("hf-wordless");
    fs::remove_file(wordless.join("tokenizer.json")).unwrap();
    let table: [(&str, Vec<&str>, &str); 8] = [
        (
            "GGUF quantised",
            vec![&gguf, "--quantize", "q4_0"],
            "GGUF files keep their types",
        ),
        (
            "folder and file",
            vec![&folder, &gguf],
            "name the folder alone",
        ),
        ("shard set", vec![set], "config.json"),
        (
            "missing file",
            vec![missing.to_str().unwrap()],
            "model-00002-of-00003.safetensors",
        ),
        (
            "other model",
            vec![other.to_str().unwrap()],
            "a model of type `llama`",
        ),
        ("cut file", vec![cut.to_str().unwrap()], "incomplete"),
        (
            "no tokenizer",
            vec![wordless.to_str().unwrap()],
            "no tokenizer.json",
        ),
        ("no such folder", vec!["nowhere"], "nowhere"),
    ];
    for (name, arguments, reason) in table {
        let arguments = [&["pack", "--out", out], arguments.as_slice()].concat();
        let refusal = outpost(&arguments).refusal();
        assert!(refusal.contains(reason), "{name}: {refusal}");
        assert!(!Path::new(out).exists(), "{name}");
    }
    let unknown = outpost(&["pack", &folder, "--quantize", "q6_k", "--out", out]);
    assert_eq!(unknown.status, Some(2));
}

#[test]
fn logits_of_a_folder_are_the_reference_s() {
    let expected = Tensors::read(golden("random/expected-f32.safetensors"));
    let out = scratch("hf-logits").join("logits.safetensors");
    let tokens = ids(&expected.i32s("short.tokens"));
    let folder = golden("huggingface");
    let arguments = ["logits", "--model", &folder, "--tokens", &tokens];
    let out_arguments = ["--out", out.to_str().unwrap()];
    outpost(&[&arguments[..], &out_arguments, &CPU].concat()).text();
    let found = Tensors::read(&out).f32s("logits");
    let limit = tolerance("random/case.toml", "logits_f16_kv");
    let distance = furthest(&found, &expected.f32s("short.logits"));
    assert!(distance <= limit, "{distance}");
}

#[test]
fn a_folder_and_its_set_answer_alike_with_a_picture() {
    let set = packed("hf-answer", None);
    let picture = golden("random/first.png");
    let answer = |model: &str| {
        #[rustfmt::skip]
        let arguments = [
            "generate", "--model", model, "--image", &picture, "--prompt", "what is the pain?",
            "--max-tokens", "16", "--json",
        ];
        outpost(&[&arguments[..], &CPU].concat()).json()
    };
    let (folder, set) = (
        answer(&golden("huggingface")),
        answer(set.to_str().unwrap()),
    );
    assert_eq!(folder["token_ids"], set["token_ids"]);
    assert_ne!(folder["token_ids"], json!([]));
}

#[test]
fn tokens_of_a_folder_are_those_of_its_tokenizer() {
    let ids = |model: &str| {
        let text = "the patient has a cough,\n\nand    a fever";
        let report = outpost(&["tokenize", "--model", model, "--text", text, "--json"]).json();
        report["ids"].clone()
    };
    let found = ids(&golden("huggingface"));
    assert_eq!(found, ids(&golden("huggingface/tokenizer.json")));
    assert_ne!(found, json!([]));
}
