//! What is read, and which documents are refused whatever is made of them.

use serde_json::{Value, json};

use super::*;

const GOLDEN: &str = "../tests/golden/tokenizer/tokenizer.json";

/// tokenizer.json with one value changed.
fn changed(path: &str, value: Value) -> Result<TokenizerJson> {
    let mut file: Value = serde_json::from_slice(&std::fs::read(GOLDEN).unwrap()).unwrap();
    *file.pointer_mut(path).unwrap() = value;
    TokenizerJson::read(file.to_string().as_bytes())
}

fn refusal(result: Result<TokenizerJson>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn pieces_and_merges_are_read_in_order() {
    let document = r#"{ "model": { "byte_fallback": true, "vocab": { "b": 1, "\u00e9\n": 7, "": 0, "bé\n": 2 },
                                   "merges": [["b", "\u00e9\n"], "b é\n"] } }"#;
    let file = TokenizerJson::read(document.as_bytes()).unwrap();
    let pieces: Vec<_> = file.pieces.iter().collect();
    assert_eq!(pieces, [("b", 1), ("é\n", 7), ("", 0), ("bé\n", 2)]);
    let id = |text: &str| {
        pieces
            .iter()
            .find(|(piece, _)| *piece == text)
            .map(|(_, id)| *id)
    };
    let merges = file.merges(id).unwrap();
    let merges: Vec<_> = merges
        .iter()
        .map(|merge| [merge.left, merge.right, merge.joined])
        .collect();
    assert_eq!(merges, [[1, 7, 2]; 2]);
    assert!(file.normalizer.is_none() && file.added.is_empty());
}

#[test]
fn what_is_unlike_gemma_s_is_refused() {
    let cases = [
        (
            "/model/type",
            json!("Unigram"),
            "of kind `Unigram` is not supported",
        ),
        ("/model/type", json!("\u{1b}[2J"), r"of kind `\u{1b}[2J`"),
        (
            "/model/byte_fallback",
            json!(false),
            "without byte_fallback",
        ),
        ("/model/byte_fallback", json!(null), "without byte_fallback"),
        ("/model/ignore_merges", json!(true), "ignore_merges"),
        ("/model/dropout", json!(0.5), "dropout"),
        ("/model/continuing_subword_prefix", json!("##"), "prefixes"),
        ("/model/end_of_word_suffix", json!("</w>"), "suffixes"),
        (
            "/added_tokens/1/single_word",
            json!(true),
            "single_word, lstrip, rstrip or normalized",
        ),
        (
            "/added_tokens/1/lstrip",
            json!(true),
            "single_word, lstrip, rstrip or normalized",
        ),
        (
            "/added_tokens/1/rstrip",
            json!(true),
            "single_word, lstrip, rstrip or normalized",
        ),
        (
            "/added_tokens/1/normalized",
            json!(true),
            "single_word, lstrip, rstrip or normalized",
        ),
        // Text has a limit, which means nothing if each of its spaces becomes a megabyte.
        (
            "/normalizer/content",
            json!("\u{2581}".repeat(1_000)),
            "makes text much longer",
        ),
        (
            "/normalizer",
            json!(null),
            "splits text at \" \" without a normalizer",
        ),
        (
            "/pre_tokenizer/pattern/String",
            json!("x"),
            "splits text at \"x\"",
        ),
    ];
    for (path, value, expected) in cases {
        let found = refusal(changed(path, value));
        assert!(found.contains(expected), "{found}");
        assert!(found.contains("BPE with byte_fallback"), "{found}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let cases = [
        (
            "/normalizer",
            json!({ "type": "NFC" }),
            "unknown variant `NFC`",
        ),
        (
            "/normalizer",
            json!({ "type": "NFKC" }),
            "unknown variant `NFKC`",
        ),
        (
            "/normalizer/pattern",
            json!({ "Regex": " " }),
            "unknown variant `Regex`",
        ),
        (
            "/pre_tokenizer",
            json!({ "type": "Whitespace" }),
            "unknown variant `Whitespace`",
        ),
        (
            "/model/merges",
            json!(["nospace"]),
            "`nospace` is not of two pieces",
        ),
        ("/model/merges", json!([["a"]]), "not of two pieces"),
        (
            "/model/merges",
            json!([["a", "b", "c"]]),
            "not of two pieces",
        ),
        (
            "/model/merges",
            json!([7]),
            "expected a merge of two pieces",
        ),
        ("/model/vocab", json!([]), "expected a map of pieces to ids"),
    ];
    for (path, value, expected) in cases {
        let found = refusal(changed(path, value));
        assert!(found.contains("tokenizer.json cannot be read"), "{found}");
        assert!(found.contains(expected), "{found}");
    }
    let found = refusal(changed("/normalizer/pattern/String", json!("")));
    assert!(found.contains("replaces nothing"), "{found}");
}

#[test]
fn a_model_of_another_kind_is_named_whatever_its_pieces_look_like() {
    for model in [
        json!({ "vocab": [["a", -1.5]], "unk_id": 0, "type": "Unigram" }),
        json!({ "type": "WordPiece", "vocab": { "a": 0 } }),
        json!({ "type": "WordLevel", "vocab": { "a": 0 }, "merges": null }),
    ] {
        let error = TokenizerJson::read(json!({ "model": model }).to_string().as_bytes())
            .err()
            .unwrap();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        let (error, kind) = (error.to_string(), model["type"].as_str().unwrap());
        assert!(
            error.contains(&format!("of kind `{kind}`")) && error.contains("BPE"),
            "{error}"
        );
    }
}

#[test]
fn hostile_documents_are_refused() {
    // What no key asks for is skipped without recursion.
    let deep = |before: &str| format!("{before}{}", "[".repeat(1 << 20));
    let (skipped, normalizer) = (deep(r#"{"x":"#), deep(r#"{"normalizer":{"x":"#));
    let twice =
        r#"{"model":{"type":"BPE","vocab":{},"vocab":{},"merges":[],"byte_fallback":true}}"#;
    for (document, expected) in [
        (skipped.as_bytes(), "EOF"),
        (normalizer.as_bytes(), "recursion limit"),
        (twice.as_bytes(), "duplicate field `vocab`"),
        (b"\xff", "no UTF-8"),
        (b"", "EOF"),
    ] {
        let found = refusal(TokenizerJson::read(document));
        assert!(found.contains(expected), "{found}");
    }
    let large = vec![b' '; crate::weights::huggingface::MAX_DOCUMENT_BYTES as usize + 1];
    let found = TokenizerJson::read(&large).err();
    assert!(
        matches!(found, Some(Error::LimitExceeded { .. })),
        "{found:?}"
    );
}
