//! What the command is given and cannot use: one line that says what to do, never a panic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use std::fs;
use std::path::Path;

use support::{golden, outpost, scratch};

fn write(directory: &Path, name: &str, bytes: &[u8]) -> String {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn bad_arguments_exit_with_2() {
    let table: [&[&str]; 12] = [
        &[],
        &["dream"],
        &["inspect"],
        &["inspect", "model.gguf", "--loud"],
        &["generate", "--model", "model.gguf"],
        &[
            "generate",
            "--model",
            "model.gguf",
            "--prompt",
            "hi",
            "--max-tokens",
            "many",
        ],
        &[
            "generate",
            "--model",
            "model.gguf",
            "--prompt",
            "hi",
            "--device",
            "abacus",
        ],
        &["logits", "--model", "model.gguf", "--out", "x"],
        &[
            "logits", "--model", "m", "--out", "x", "--tokens", "1", "--prompt", "hi",
        ],
        &["logits", "--model", "m", "--out", "x", "--tokens", "1,two"],
        &["pack", "model.gguf", "--out", "x", "--shard-mib", "65"],
        &["bench", "--model", "m", "--tokens", "0"],
    ];
    for arguments in table {
        let run = outpost(arguments);
        assert_eq!(run.status, Some(2), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
        assert!(!run.stderr.is_empty());
    }
}

#[test]
fn what_cannot_be_used_is_refused_in_one_line() {
    let directory = scratch("refused");
    let (model, mmproj) = (
        golden("random/model-q4_0.gguf"),
        golden("random/mmproj-q8_0.gguf"),
    );
    let whole = fs::read(&model).unwrap();
    let text = write(&directory, "note.txt", b"Dear colleague,\n");
    let empty = write(&directory, "empty.gguf", b"");
    let short = write(&directory, "short.gguf", &whole[..whole.len() / 2]);
    let header = write(&directory, "header.gguf", &whole[..100]);
    let set = directory.join("not-a-set");
    fs::create_dir(&set).unwrap();
    write(&set, "note.txt", b"mine");
    let set = set.to_str().unwrap();
    let questions = write(&directory, "questions.jsonl", b"{\"id\": 1}\n");
    let long = format!("--prompt={}", "word ".repeat(20_000));
    let file = golden("random/first.png");
    let out = directory.join("out.safetensors");
    let out = out.to_str().unwrap();
    let nowhere = directory.join("nowhere/out.safetensors");
    let nowhere = nowhere.to_str().unwrap();

    fn ask<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["generate", "--model", model], more].concat()
    }
    let hi = ["--prompt", "hi"];
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<&str>, &str)> = vec![
        ("missing file", ask("missing.gguf", &hi), "missing.gguf"),
        ("no GGUF", ask(&text, &hi), "GGUF"),
        ("empty file", ask(&empty, &hi), "GGUF"),
        ("cut file", ask(&short, &hi), "incomplete"),
        ("cut header", ask(&header, &hi), "incomplete"),
        ("picture as model", ask(&file, &hi), "GGUF"),
        ("directory without a manifest", ask(set, &hi), "manifest.json"),
        ("mmproj as model", ask(&mmproj, &hi), "image encoder"),
        ("model as mmproj", ask(&model, &["--mmproj", &model, "--prompt", "hi"]), "image encoder"),
        ("empty prompt", ask(&model, &["--prompt", ""]), "the prompt is empty"),
        ("blank prompt", ask(&model, &["--prompt", " \n\t "]), "the prompt is empty"),
        ("100,000 characters", ask(&model, &[&long]), "the context holds 2048"),
        ("no tokens", ask(&model, &["--prompt", "hi", "--max-tokens", "0"]), "0 tokens"),
        ("heat", ask(&model, &["--prompt", "hi", "--temperature", "200"]), "temperature"),
        ("nucleus", ask(&model, &["--prompt", "hi", "--top-p", "0"]), "top_p"),
        ("text as picture", ask(&model, &["--prompt", "hi", "--mmproj", &mmproj, "--image", &text]), "no picture"),
        ("missing picture", ask(&model, &["--prompt", "hi", "--image", "missing.png"]), "missing.png"),
        ("blind model", ask(&model, &["--prompt", "hi", "--image", &file]), "picture"),
        ("inspect text", vec!["inspect", &text], "GGUF"),
        ("tokenize with text", vec!["tokenize", "--model", &text, "--text", "hi"], "GGUF"),
        ("unknown id", vec!["logits", "--model", &model, "--tokens", "2,440", "--out", out], "token 440"),
        ("no directory", vec!["logits", "--model", &model, "--tokens", "2", "--out", nowhere], "written"),
        ("pack over files", vec!["pack", &model, "--out", set], "something else"),
        ("pack without text", vec!["pack", &mmproj, "--out", "x"], "no text model"),
        ("pack one twice", vec!["pack", &model, &model, "--out", "x"], "second"),
        ("no question", vec!["eval", "--model", &model, "--questions", &questions], "line 1"),
    ];
    for (name, arguments, reason) in table {
        let refusal = outpost(&[&["--device", "cpu"], arguments.as_slice()].concat()).refusal();
        assert!(refusal.contains(reason), "{name}: {refusal}");
    }
    assert_eq!(fs::read(Path::new(set).join("note.txt")).unwrap(), b"mine");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let directory = scratch("cut");
    let whole = fs::read(golden("random/model-q4_0.gguf")).unwrap();
    for part in 1..24 {
        let cut = write(&directory, "cut.gguf", &whole[..whole.len() * part / 24]);
        outpost(&["inspect", &cut]).refusal();
    }
}

#[test]
fn a_flipped_bit_never_ends_in_a_panic() {
    let directory = scratch("flipped");
    let whole = fs::read(golden("random/model-q4_0.gguf")).unwrap();
    // Metadata and tensor table, where every bit means something.
    for at in (0..24_000).step_by(397) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let flipped = write(&directory, "flipped.gguf", &bytes);
        let arguments = [
            "generate",
            "--prompt",
            "hi",
            "--max-tokens",
            "1",
            "--device",
            "cpu",
            "--model",
            &flipped,
        ];
        let run = outpost(&arguments);
        match run.status {
            Some(0) => {}
            _ => drop(run.refusal()),
        }
    }
}
