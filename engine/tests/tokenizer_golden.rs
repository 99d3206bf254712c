//! Both tokenizers give the ids that Hugging Face's `tokenizers` gives, and where the GGUF algorithm is known to differ
//! it differs in exactly the known way; text from outside never becomes a control token. Fixtures:
//! tests/golden/tokenizer, made by tests/golden/make.py.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use outpost_engine::tokenizer::{Span, Tokenizer};
use outpost_engine::weights::{Gguf, WeightSource};
use serde::Deserialize;

const CASE: &str = "../tests/golden/tokenizer";

#[derive(Deserialize)]
struct Row {
    group: String,
    text: String,
    /// Of trusted text.
    ids: Vec<u32>,
    /// Of untrusted text, where they are others.
    untrusted: Option<Vec<u32>>,
    /// Why the GGUF algorithm gives other ids, where it does, and which.
    differs: Option<String>,
    gguf_ids: Option<Vec<u32>>,
    gguf_untrusted: Option<Vec<u32>>,
}

impl Row {
    fn untrusted(&self) -> &[u32] {
        self.untrusted.as_ref().unwrap_or(&self.ids)
    }
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

fn untrusted(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode_spans(&[Span::untrusted(text)]).unwrap()
}

/// The names and numbers of one table of case.toml.
fn expected(table: &str) -> BTreeMap<String, usize> {
    let case = String::from_utf8(read("case.toml")).unwrap();
    let lines = case.lines().skip_while(|line| *line != table).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, number)| (name.trim().to_owned(), number.trim().parse().unwrap()))
        .collect()
}

fn counted<'a>(names: impl Iterator<Item = &'a String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.clone()).or_default() += 1;
    }
    counts
}

#[test]
fn the_case_has_every_group_and_no_string_twice() {
    let rows = rows();
    assert!(rows.len() >= 2_000, "{}", rows.len());
    assert_eq!(
        counted(rows.iter().map(|row| &row.group)),
        expected("[groups]")
    );
    let texts: BTreeSet<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    assert_eq!(texts.len(), rows.len());
}

#[test]
fn every_control_token_is_a_string_of_the_case() {
    let (tokenizer, rows) = (from_json(), rows());
    for id in (0..tokenizer.vocab_size() as u32).filter(|&id| tokenizer.is_control(id)) {
        let name = tokenizer.piece(id).unwrap();
        let row = rows.iter().find(|row| row.text == name).expect(name);
        assert_eq!(row.ids, [id], "{name}");
        assert_ne!(row.untrusted(), [id], "{name}");
    }
}

#[test]
fn the_known_differences_occur_and_are_the_only_ones() {
    let (json, gguf, rows) = (from_json(), from_gguf(), rows());
    let differing: Vec<&Row> = rows
        .iter()
        .filter(|row| {
            json.encode(&row.text) != gguf.encode(&row.text)
                || untrusted(&json, &row.text) != untrusted(&gguf, &row.text)
        })
        .collect();
    for row in &differing {
        assert!(
            row.differs.is_some(),
            "{:?} differs without a reason",
            row.text
        );
    }
    assert_eq!(
        counted(differing.iter().filter_map(|row| row.differs.as_ref())),
        expected("[known_differences]")
    );
    let named = rows.iter().filter(|row| row.differs.is_some());
    assert_eq!(named.count(), differing.len(), "a difference is gone");
}

#[test]
fn tokenizer_json_gives_hugging_face_s_ids() {
    let tokenizer = from_json();
    for row in rows() {
        let (group, text) = (&row.group, &row.text);
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(ids, row.ids, "{group}: {text:?}");
        let ids = untrusted(&tokenizer, text);
        assert_eq!(ids, row.untrusted(), "{group}, untrusted: {text:?}");
    }
}

#[test]
fn gguf_metadata_give_hugging_face_s_ids_but_for_the_known_differences() {
    let tokenizer = from_gguf();
    for row in rows() {
        let (group, text) = (&row.group, &row.text);
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(
            ids,
            *row.gguf_ids.as_ref().unwrap_or(&row.ids),
            "{group}: {text:?}"
        );
        let ids = untrusted(&tokenizer, text);
        let expected = row.gguf_untrusted.as_deref().unwrap_or(row.untrusted());
        assert_eq!(ids, expected, "{group}, untrusted: {text:?}");
    }
}

#[test]
fn untrusted_text_gives_no_control_token() {
    for tokenizer in [from_json(), from_gguf()] {
        for row in rows() {
            let ids = untrusted(&tokenizer, &row.text);
            let control = ids.iter().find(|&&id| tokenizer.is_control(id));
            assert_eq!(control, None, "{}: {:?}", row.group, row.text);
        }
    }
}

#[test]
fn decoding_gives_the_text_back_without_control_tokens() {
    for tokenizer in [from_json(), from_gguf()] {
        for row in rows() {
            let ids = untrusted(&tokenizer, &row.text);
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
