//! The SentencePiece algorithm on vocabularies of a few pieces, and the metadata that are refused.

use super::*;
use crate::weights::{Gguf, WeightSource};

/// What the metadata of a small GGUF file say. Types as in the file.
#[derive(Clone)]
struct Source {
    model: &'static str,
    tokens: Vec<(String, f32, i32)>,
    surplus_scores: usize,
    surplus_types: usize,
    bos: Option<u32>,
    eos: Option<u32>,
}

impl Source {
    /// The two marks, all byte tokens, and `pieces`, each ranked below the one before.
    fn new(pieces: &[&str]) -> Self {
        let marks = ["<eos>", "<bos>"].map(|mark| (mark.to_owned(), -1000.0, 3));
        let bytes = (0..256).map(|byte| (format!("<0x{byte:02X}>"), 0.0, 6));
        let ranked = pieces.iter().enumerate();
        let pieces = ranked.map(|(rank, piece)| ((*piece).to_owned(), -(rank as f32), 1));
        Self {
            model: "llama",
            tokens: marks.into_iter().chain(bytes).chain(pieces).collect(),
            surplus_scores: 0,
            surplus_types: 0,
            bos: Some(1),
            eos: Some(0),
        }
    }

    /// GGUF version 3 without tensors.
    fn bytes(&self) -> Vec<u8> {
        let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        let array = |kind: u32, items: Vec<Vec<u8>>| {
            let count = items.len() as u64;
            [
                &kind.to_le_bytes()[..],
                &count.to_le_bytes(),
                &items.concat(),
            ]
            .concat()
        };
        let mut scores: Vec<f32> = self.tokens.iter().map(|token| token.1).collect();
        scores.resize(scores.len() + self.surplus_scores, 0.0);
        let mut types: Vec<i32> = self.tokens.iter().map(|token| token.2).collect();
        types.resize(types.len() + self.surplus_types, 1);
        let tokens = self.tokens.iter().map(|token| string(&token.0)).collect();
        let number = |value: u32| value.to_le_bytes().to_vec();
        let entries = [
            Some((MODEL, 8, string(self.model))),
            Some((TOKENS, 9, array(8, tokens))),
            Some((
                SCORES,
                9,
                array(6, scores.iter().map(|s| s.to_le_bytes().to_vec()).collect()),
            )),
            Some((
                TOKEN_TYPES,
                9,
                array(5, types.iter().map(|t| t.to_le_bytes().to_vec()).collect()),
            )),
            self.bos.map(|id| (BOS, 4, number(id))),
            self.eos.map(|id| (EOS, 4, number(id))),
        ];
        let entries: Vec<(&str, u32, Vec<u8>)> = entries.into_iter().flatten().collect();
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend(0u64.to_le_bytes());
        file.extend((entries.len() as u64).to_le_bytes());
        for (key, kind, value) in entries {
            file.extend([string(key), kind.to_le_bytes().to_vec(), value].concat());
        }
        file.resize(file.len().next_multiple_of(32), 0);
        file
    }

    fn read(&self) -> Result<SpmTokenizer> {
        SpmTokenizer::from_metadata(Gguf::open(self.bytes()).unwrap().metadata())
    }

    /// The pieces that `text` becomes.
    fn split(&self, text: &str) -> Vec<String> {
        let tokenizer = self.read().unwrap();
        let ids = tokenizer.encode_spans(&[Span::untrusted(text)]).unwrap();
        let piece = |id: &u32| tokenizer.vocabulary.piece(*id).unwrap().to_owned();
        ids.iter().map(piece).collect()
    }
}

#[test]
fn the_pair_with_the_highest_score_is_joined_first() {
    let letters = ["a", "b", "c"];
    let bc_first = Source::new(&[&["bc", "ab"], &letters[..]].concat());
    assert_eq!(bc_first.split("abc"), ["a", "bc"]);
    let ab_first = Source::new(&[&["ab", "bc"], &letters[..]].concat());
    assert_eq!(ab_first.split("abc"), ["ab", "c"]);
}

#[test]
fn of_equal_pairs_the_leftmost_is_joined_first() {
    let mut source = Source::new(&["aa", "a"]);
    assert_eq!(source.split("aaaaa"), ["aa", "aa", "a"]);
    source = Source::new(&["ab", "bc", "a", "b", "c"]);
    source
        .tokens
        .iter_mut()
        .for_each(|token| token.1 = if token.1 == 0.0 { -0.0 } else { 0.0 });
    assert_eq!(source.split("abc"), ["ab", "c"], "0 and -0 are equal");
}

#[test]
fn joins_go_on_as_long_as_the_joined_text_is_a_token() {
    let source = Source::new(&["ab", "cd", "abcd", "a", "b", "c", "d"]);
    assert_eq!(source.split("abcdab"), ["abcd", "ab"]);
    assert_eq!(source.split("acbd"), ["a", "c", "b", "d"]);
    // "abcd" is reachable only through "ab" and "cd".
    let source = Source::new(&["bc", "ab", "cd", "abcd", "a", "b", "c", "d"]);
    assert_eq!(source.split("abcd"), ["a", "bc", "d"]);
}

#[test]
fn what_is_no_token_becomes_its_bytes_and_a_space_becomes_its_mark() {
    let source = Source::new(&["\u{2581}a", "\u{2581}", "a"]);
    assert_eq!(
        source.split(" a é "),
        ["\u{2581}a", "\u{2581}", "<0xC3>", "<0xA9>", "\u{2581}"]
    );
}

#[test]
fn no_join_makes_a_control_or_byte_or_unused_token() {
    let mut source = Source::new(&[
        "<e", "os>", "<", "e", "o", "s", ">", "<0x4", "1>", "0", "x", "4", "1", "ee",
    ]);
    source
        .tokens
        .iter_mut()
        .filter(|token| token.0 == "ee")
        .for_each(|token| token.2 = 5);
    assert_eq!(source.split("<eos>"), ["<e", "o", "s", ">"]);
    source.tokens.push(("os".to_owned(), 1.0, 1));
    assert_eq!(source.split("<eos>"), ["<e", "os>"]);
    assert_eq!(source.split("ee"), ["e", "e"]);
    assert!(!source.split("<0x41>").contains(&"<0x41>".to_owned()));
}

#[test]
fn a_mark_that_a_file_calls_ordinary_is_still_a_mark() {
    let mut source = Source::new(&["<end_of_turn>", "<", "end_of_turn>"]);
    let tokenizer = source.read().unwrap();
    let id = tokenizer.vocabulary.id("<end_of_turn>").unwrap();
    assert_eq!(
        tokenizer.encode_spans(&[Span::trusted("<end_of_turn>")]),
        Ok(vec![id])
    );
    source.tokens.push(("x".to_owned(), 0.0, 1));
    assert!(
        !source
            .split("<end_of_turn>")
            .contains(&"<end_of_turn>".to_owned())
    );
}

#[test]
fn another_kind_of_tokenizer_is_refused_by_name() {
    let error = Source {
        model: "gpt2",
        ..Source::new(&["a"])
    }
    .read()
    .unwrap_err();
    assert!(
        matches!(&error, Error::Unsupported { what, remedy } if what.contains("gpt2") && remedy.contains("llama"))
    );
}

#[test]
fn metadata_that_make_no_tokenizer_are_refused_with_the_key() {
    let good = Source::new(&["a"]);
    let with_token = |score: f32, kind: i32| {
        let mut source = good.clone();
        source.tokens.push(("b".to_owned(), score, kind));
        source
    };
    let cases = [
        (
            Source {
                surplus_scores: 1,
                ..good.clone()
            },
            "`tokenizer.ggml.scores` has 260 entries for 259 tokens",
        ),
        (
            Source {
                surplus_types: 1,
                ..good.clone()
            },
            "`tokenizer.ggml.token_type` has 260 entries for 259 tokens",
        ),
        (
            Source {
                bos: None,
                ..good.clone()
            },
            "`tokenizer.ggml.bos_token_id` is missing",
        ),
        (
            Source {
                eos: None,
                ..good.clone()
            },
            "`tokenizer.ggml.eos_token_id` is missing",
        ),
        (
            Source {
                eos: Some(259),
                ..good.clone()
            },
            "`tokenizer.ggml.eos_token_id` is 259",
        ),
        (
            with_token(f32::NAN, 1),
            "`tokenizer.ggml.scores` is not a finite number at 259",
        ),
        (with_token(0.0, 7), "`tokenizer.ggml.token_type` holds 7"),
        (with_token(0.0, -1), "`tokenizer.ggml.token_type` holds -1"),
    ];
    for (source, words) in cases {
        let message = source.read().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    let mut no_byte = good.clone();
    no_byte.tokens.retain(|token| token.0 != "<0x7F>");
    let message = no_byte.read().unwrap_err().to_string();
    assert!(message.contains("<0x7F>"), "{message}");
    assert!(good.read().is_ok());
}
