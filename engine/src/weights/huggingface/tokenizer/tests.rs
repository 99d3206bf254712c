//! Which documents become arrays, and why others do not.

use serde_json::{Value as Json, json};

use super::*;

/// Letters, a few pieces, runs of up to three spaces, and what every file has.
fn document() -> Json {
    let mut texts: Vec<String> = ["<pad>", "<eos>", "<bos>", "<unk>", "\n"]
        .map(str::to_owned)
        .to_vec();
    texts.extend((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
    texts.extend(["▁▁", "▁▁▁", "ab", "bc", "abc", "▁a", "▁", "a", "b", "c"].map(str::to_owned));
    let vocab: serde_json::Map<String, Json> = texts
        .iter()
        .enumerate()
        .map(|(id, text)| (text.clone(), json!(id)))
        .collect();
    let added = |text: &str, special: bool| {
        let id = vocab
            .get(text)
            .and_then(Json::as_u64)
            .unwrap_or(texts.len() as u64);
        json!({ "id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": special })
    };
    let specials = ["<pad>", "<eos>", "<bos>", "<unk>"].map(|text| added(text, true));
    let mut added_tokens = specials.to_vec();
    added_tokens.extend(["\n", "▁▁", "▁▁▁"].map(|text| added(text, false)));
    added_tokens.push(added("<image_soft_token>", true));
    json!({
        "added_tokens": added_tokens,
        "normalizer": { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
        "pre_tokenizer": { "type": "Split", "pattern": { "String": " " }, "behavior": "MergedWithPrevious" },
        "model": { "type": "BPE", "byte_fallback": true, "vocab": vocab, "merges": [
            ["▁▁", "▁"], ["▁", "▁▁"], ["▁", "▁"],
            ["a", "b"], ["b", "c"], ["a", "bc"], ["ab", "c"], ["▁", "a"],
        ] },
    })
}

/// Ids of [`document`], the picture's among them.
const ROWS: u64 = 272;

fn read(document: &Json, rows: u64) -> Result<HashMap<String, Value>> {
    let json = serde_json::to_vec(document).unwrap();
    Ok(metadata(&json, rows)?.into_iter().collect())
}

fn refusal(document: &Json, rows: u64) -> String {
    read(document, rows).unwrap_err().to_string()
}

/// The document with another list of merges.
fn with_merges(merges: Json) -> Json {
    let mut document = document();
    document["model"]["merges"] = merges;
    document
}

#[test]
fn a_piece_scores_minus_the_place_of_its_first_merge() {
    let entries = read(&document(), ROWS).unwrap();
    let Value::Array(Array::String(tokens)) = &entries["tokenizer.ggml.tokens"] else {
        panic!("no tokens")
    };
    let Value::Array(Array::F32(scores)) = &entries["tokenizer.ggml.scores"] else {
        panic!("no scores")
    };
    let Value::Array(Array::I32(kinds)) = &entries["tokenizer.ggml.token_type"] else {
        panic!("no types")
    };
    assert_eq!((tokens.len(), scores.len(), kinds.len()), (272, 272, 272));
    let of = |text: &str| {
        let id = tokens.iter().position(|token| token == text).unwrap();
        (scores[id], kinds[id])
    };
    assert_eq!(of("▁▁▁"), (-0.0, 1));
    assert_eq!(of("▁▁"), (-2.0, 1));
    assert_eq!(of("ab"), (-3.0, 1));
    assert_eq!(of("abc"), (-5.0, 1));
    assert_eq!(of("a"), (-9.0, 1));
    assert_eq!(of("\n"), (-9.0, 4));
    assert_eq!(of("<unk>").1, 2);
    assert_eq!(of("<image_soft_token>").1, 3);
    assert_eq!(of("<0x0A>").1, 6);
    assert_eq!(entries["tokenizer.ggml.bos_token_id"], Value::U32(2));
    assert_eq!(entries["tokenizer.ggml.padding_token_id"], Value::U32(0));
}

#[test]
fn rows_without_a_token_are_unused_and_the_picture_s_token_may_have_no_row() {
    let entries = read(&document(), ROWS + 2).unwrap();
    let Value::Array(Array::String(tokens)) = &entries["tokenizer.ggml.tokens"] else {
        panic!("no tokens")
    };
    assert_eq!(tokens[272..], ["[PAD272]", "[PAD273]"]);
    let entries = read(&document(), ROWS - 1).unwrap();
    let Value::Array(Array::String(tokens)) = &entries["tokenizer.ggml.tokens"] else {
        panic!("no tokens")
    };
    assert_eq!(tokens.last().unwrap(), "c");
    assert!(refusal(&document(), ROWS - 2).contains("beyond 270 rows"));
    assert!(refusal(&document(), 1 << 40).contains("far more than its tokens"));
}

#[test]
fn merges_in_the_form_of_old_documents_are_read() {
    let old = with_merges(json!([
        "▁▁ ▁",
        "▁ ▁▁",
        "▁ ▁",
        "a b",
        "b c",
        "a bc",
        "ab c",
        "▁ a"
    ]));
    assert_eq!(read(&old, ROWS), read(&document(), ROWS));
}

#[test]
fn an_order_that_scores_cannot_repeat_is_refused() {
    let runs = [["▁▁", "▁"], ["▁", "▁▁"], ["▁", "▁"]];
    let letters = [["a", "b"], ["b", "c"], ["a", "bc"], ["ab", "c"], ["▁", "a"]];
    let merges = |rows: Vec<[&str; 2]>| with_merges(json!(rows));
    let cases = [
        (
            [
                &runs[..],
                &[letters[0], letters[2], letters[1], letters[3], letters[4]],
            ]
            .concat(),
            "all merges to `abc` one after the other",
        ),
        (
            [&runs[..], &letters[..3], &letters[4..]].concat(),
            "all merges to `abc` one after the other",
        ),
        (
            [&runs[..], &letters[1..]].concat(),
            "all merges to `ab` one after the other",
        ),
        (
            [&letters[..], &runs[..]].concat(),
            "runs of spaces do not grow",
        ),
        (
            [&[runs[2], runs[0], runs[1]], &letters[..]].concat(),
            "runs of spaces do not grow",
        ),
        (
            [&runs[..1], &runs[2..], &letters[..]].concat(),
            "runs of spaces do not grow",
        ),
        (
            [&runs[..], &letters[..], &[["a", "a"]]].concat(),
            "makes `aa`, which has no id",
        ),
    ];
    for (rows, expected) in cases {
        let found = refusal(&merges(rows), ROWS);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_document_of_another_kind_is_refused() {
    let change = |path: &str, value: Json| {
        let mut document = document();
        *document.pointer_mut(path).unwrap() = value;
        document
    };
    let cases = [
        (change("/normalizer", Json::Null), "without a normalizer"),
        (
            change("/normalizer/content", json!("_")),
            "replaces \" \" by \"_\"",
        ),
        (
            change("/added_tokens/4/content", json!("▁\n")),
            r"an added token `▁\n`",
        ),
        (
            change("/added_tokens/4/id", json!(1)),
            r"the id 1 of its token `\n` is another's",
        ),
        (
            change("/added_tokens/2/content", json!("<begin>")),
            "the id 2 of its token `<begin>`",
        ),
        (change("/model/vocab/<0x0A>", json!(3)), "its id 3"),
        (json!([]), "tokenizer.json"),
        (json!({ "model": 7 }), "tokenizer.json"),
    ];
    for (document, expected) in cases {
        let found = refusal(&document, ROWS);
        assert!(found.contains(expected), "{found}");
    }
    let mut without = document();
    without["normalizer"] = Json::Null;
    without["pre_tokenizer"] = Json::Null;
    assert!(refusal(&without, ROWS).contains("a tokenizer.json without a normalizer is"));
    let mut without = document();
    without["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .remove("<0xFF>");
    assert!(refusal(&without, ROWS).contains("no token for byte 255"));
    assert!(
        metadata(&[0xff], ROWS)
            .unwrap_err()
            .to_string()
            .contains("no UTF-8")
    );
}

#[test]
fn a_merge_of_what_has_no_id_is_refused() {
    // The second is recognised as a whole, but no piece.
    for (left, right) in [("é", "a"), ("<image_soft_token>", "a")] {
        let joined = format!("{left}{right}");
        let mut document = with_merges(json!([[left, right]]));
        document["model"]["vocab"][joined] = json!(272);
        assert!(refusal(&document, 273).contains(&format!("needs `{left}`, which has no id")));
    }
}

#[test]
fn a_merge_to_a_byte_is_refused() {
    let mut document = document();
    let vocab = document["model"]["vocab"].as_object_mut().unwrap();
    for (text, id) in [("<0x", 272), ("41>", 273)] {
        vocab.insert(text.to_owned(), json!(id));
    }
    document["model"]["merges"]
        .as_array_mut()
        .unwrap()
        .push(json!(["<0x", "41>"]));
    assert!(refusal(&document, 274).contains("merges to the byte `<0x41>`"));
}
