//! Both tokenizers give the ids that Hugging Face's `tokenizers` gives, and where the GGUF algorithm is known to differ
//! it differs in exactly the known way. Fixtures: tests/golden/tokenizer, made by tests/golden/make.py.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outpost_engine::tokenizer::{Span, Tokenizer};
use outpost_engine::weights::{Gguf, WeightSource};
use serde::Deserialize;

const CASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/tokenizer");

#[derive(Deserialize)]
struct Row {
    text: String,
    ids: Vec<u32>,
    /// Present where the GGUF algorithm knowingly gives other ids.
    gguf_ids: Option<Vec<u32>>,
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(format!("{CASE}/{file}")).unwrap()
}

fn rows() -> Vec<Row> {
    let text = String::from_utf8(read("strings.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn from_gguf() -> Tokenizer {
    Tokenizer::from_metadata(Gguf::open(read("vocab.gguf")).unwrap().metadata()).unwrap()
}

fn from_json() -> Tokenizer {
    Tokenizer::from_json(&read("tokenizer.json")).unwrap()
}

/// A number that case.toml expects.
fn expected(key: &str) -> usize {
    let case = String::from_utf8(read("case.toml")).unwrap();
    let values = case
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
    values
        .filter_map(|value| value.trim().parse().ok())
        .next()
        .unwrap()
}

#[test]
fn the_case_is_complete() {
    let rows = rows();
    assert_eq!(rows.len(), expected("strings"));
    let differing = rows.iter().filter(|row| row.gguf_ids.is_some()).count();
    assert_eq!(differing, expected("gguf_differs"));
}

#[test]
fn tokenizer_json_gives_hugging_face_s_ids() {
    let tokenizer = from_json();
    for row in rows() {
        assert_eq!(
            tokenizer.encode(&row.text).unwrap(),
            row.ids,
            "{:?}",
            row.text
        );
    }
}

#[test]
fn gguf_metadata_give_hugging_face_s_ids_but_for_the_known_differences() {
    let tokenizer = from_gguf();
    for row in rows() {
        let ids = tokenizer.encode(&row.text).unwrap();
        match row.gguf_ids {
            None => assert_eq!(ids, row.ids, "{:?}", row.text),
            Some(known) => {
                assert_eq!(ids, known, "{:?}", row.text);
                assert_ne!(
                    ids, row.ids,
                    "{:?} agrees by now: update the fixture",
                    row.text
                );
            }
        }
    }
}

#[test]
fn untrusted_text_without_control_tokens_gives_hugging_face_s_ids() {
    for tokenizer in [from_json(), from_gguf()] {
        for row in rows() {
            if row.gguf_ids.is_some() || row.ids.iter().any(|&id| tokenizer.is_control(id)) {
                continue;
            }
            let ids = tokenizer
                .encode_spans(&[Span::untrusted(&row.text)])
                .unwrap();
            assert_eq!(ids, row.ids, "{:?}", row.text);
        }
    }
}

#[test]
fn decoding_gives_the_text_back_without_control_tokens() {
    for tokenizer in [from_json(), from_gguf()] {
        for row in rows() {
            let ids = tokenizer
                .encode_spans(&[Span::untrusted(&row.text)])
                .unwrap();
            assert_eq!(tokenizer.decode(&ids), row.text.replace('\u{2581}', " "));

            let (control, plain): (Vec<u32>, Vec<u32>) =
                row.ids.iter().partition(|&&id| tokenizer.is_control(id));
            assert_eq!(tokenizer.decode(&row.ids), tokenizer.decode(&plain));
            assert_eq!(tokenizer.decode(&control), "");
        }
    }
}

#[test]
fn both_sources_hold_the_same_vocabulary() {
    let (json, gguf) = (from_json(), from_gguf());
    assert_eq!(json.vocab_size(), gguf.vocab_size());
    assert_eq!((json.bos(), json.eos()), (gguf.bos(), gguf.eos()));
    for id in 0..json.vocab_size() as u32 {
        assert_eq!(
            json.is_control(id),
            gguf.is_control(id),
            "{:?}",
            json.piece(id)
        );
        assert_eq!(
            json.decode(&[id]),
            gguf.decode(&[id]),
            "{:?}",
            json.piece(id)
        );
        // The converter writes runs of spaces as spaces.
        let piece = json.piece(id).unwrap();
        assert!(
            gguf.piece(id) == Some(piece)
                || gguf.piece(id).unwrap() == piece.replace('\u{2581}', " ")
        );
    }
}
