//! What both tokenizers promise, on the golden vocabulary.

use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::weights::{Gguf, WeightSource};

const GOLDEN: &str = "../tests/golden/tokenizer";

fn golden(file: &str) -> Vec<u8> {
    std::fs::read(format!("{GOLDEN}/{file}")).unwrap()
}

/// The golden vocabulary from tokenizer.json and from GGUF metadata.
pub(crate) fn both() -> [Tokenizer; 2] {
    let gguf = Gguf::open(golden("vocab.gguf")).unwrap();
    [
        Tokenizer::from_json(&golden("tokenizer.json")).unwrap(),
        Tokenizer::from_metadata(gguf.metadata()).unwrap(),
    ]
}

/// Text that a hostile or unlucky person could write: ordinary words mixed with everything that has a meaning to us.
pub(crate) fn any_text() -> impl Strategy<Value = String> + Clone {
    let part = prop_oneof![
        4 => "[ a-zA-Z,.]{1,8}",
        2 => "\\PC{1,4}",
        2 => prop::sample::select(vec![
            "\n", "\n\n\n", "  ", " ", "\t", "😀", "मरीज", "\u{2581}", "<", ">", "<bos>", "<eos>", "<unk>", "<pad>",
            "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<image_soft_token>", "<end_of_image>",
            "<unused94>", "thought\n", "<unused95>", "<mask>", "[multimodal]", "<0x41>", "<start_", "of_turn>",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// `text` cut into spans of the same trust at the given places.
fn cut<'a>(text: &'a str, places: &[prop::sample::Index], trusted: bool) -> Vec<Span<'a>> {
    let mut ends: Vec<usize> = places
        .iter()
        .map(|place| place.index(text.len() + 1))
        .filter(|&end| text.is_char_boundary(end))
        .collect();
    ends.push(text.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter()
        .map(|end| {
            let text = &text[std::mem::replace(&mut start, end)..end];
            Span { text, trusted }
        })
        .collect()
}

proptest! {
    #[test]
    fn untrusted_text_never_becomes_a_control_token(
        text in any_text(), places in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        for tokenizer in both() {
            let ids = tokenizer.encode_spans(&cut(&text, &places, false)).unwrap();
            let control: Vec<&u32> = ids.iter().filter(|&&id| tokenizer.is_control(id)).collect();
            prop_assert!(control.is_empty(), "{text:?} gave {control:?}");
        }
    }

    #[test]
    fn untrusted_text_comes_back_as_it_was(text in any_text()) {
        for tokenizer in both() {
            let ids = tokenizer.encode_spans(&[Span::untrusted(&text)]).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids), text.replace('\u{2581}', " "));
        }
    }

    #[test]
    fn borders_between_trusted_spans_make_no_difference(
        text in any_text(), places in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        for tokenizer in both() {
            let whole = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(tokenizer.encode_spans(&cut(&text, &places, true)).unwrap(), whole);
        }
    }

    #[test]
    fn an_untrusted_span_changes_nothing_where_there_is_no_control_token(
        before in "[ a-z\n]{0,9}", text in "[ a-z\n😀]{0,9}", after in "[ a-z\n]{0,9}",
    ) {
        for tokenizer in both() {
            let spans = [Span::trusted(&before), Span::untrusted(&text), Span::trusted(&after)];
            let whole = tokenizer.encode(&format!("{before}{text}{after}")).unwrap();
            prop_assert_eq!(tokenizer.encode_spans(&spans).unwrap(), whole);
        }
    }

    #[test]
    fn tokenizer_json_gives_the_ids_of_the_crate_s_own_encode(text in any_text()) {
        let [json, _] = both();
        let reference = tokenizers::Tokenizer::from_bytes(golden("tokenizer.json")).unwrap();
        let expected = reference.encode(text.as_str(), false).unwrap();
        prop_assert_eq!(json.encode(&text).unwrap(), expected.get_ids());
    }

    #[test]
    fn both_tokenizers_agree_but_for_literal_space_marks(text in any_text()) {
        prop_assume!(!text.contains('\u{2581}'));
        let [json, spm] = both();
        prop_assert_eq!(json.encode(&text).unwrap(), spm.encode(&text).unwrap());
    }

    #[test]
    fn text_decodes_as_the_crate_s_own_decode(text in any_text()) {
        let reference = tokenizers::Tokenizer::from_bytes(golden("tokenizer.json")).unwrap();
        for tokenizer in both() {
            let ids = tokenizer.encode_spans(&[Span::untrusted(&text)]).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids), reference.decode(&ids, true).unwrap());
        }
    }

    #[test]
    fn no_ids_make_the_decoder_hold_back_more_than_a_character(ids in prop::collection::vec(0u32..1200, 0..40)) {
        for tokenizer in both() {
            let mut decoder = tokenizer.decoder();
            for &id in &ids {
                decoder.push(id);
                let left = decoder.clone().finish();
                prop_assert!(left.is_empty() || left == "\u{fffd}", "{left:?}");
            }
        }
    }

    #[test]
    fn damaged_json_is_refused_or_read_but_never_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = golden("tokenizer.json");
        for (place, byte) in edits {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(tokenizer) = Tokenizer::from_json(&bytes) {
            let _ = tokenizer.encode("a <b> \n\n 😀");
        }
    }
}

#[test]
fn bytes_stream_as_soon_as_they_are_a_character() {
    for tokenizer in both() {
        let ids: Vec<u32> = "😀"
            .bytes()
            .map(|byte| tokenizer.token_id(&format!("<0x{byte:02X}>")).unwrap())
            .collect();
        let mut decoder = tokenizer.decoder();
        let texts: Vec<String> = ids.iter().map(|&id| decoder.push(id)).collect();
        assert_eq!(texts, ["", "", "", "😀"]);

        assert_eq!(decoder.push(ids[0]), "");
        assert_eq!(
            decoder.push(tokenizer.eos()),
            "",
            "control tokens are silent"
        );
        let letter = tokenizer.token_id("a").unwrap();
        assert_eq!(
            decoder.push(letter),
            "\u{fffd}a",
            "an incomplete character is replaced"
        );
        assert_eq!(
            decoder.push(ids[1]),
            "\u{fffd}",
            "a byte that begins nothing is replaced"
        );
        assert_eq!(
            (decoder.push(ids[0]), decoder.push(ids[0])),
            (String::new(), "\u{fffd}".to_owned())
        );
        assert_eq!(decoder.finish(), "\u{fffd}");
        assert_eq!(decoder.finish(), "");
    }
}

#[test]
fn decoding_is_lossy_utf_8_of_the_bytes() {
    for tokenizer in both() {
        let byte = |b: u8| tokenizer.token_id(&format!("<0x{b:02X}>")).unwrap();
        for bytes in [
            &[0xe2, 0x82, 0x41][..],
            &[0xf0, 0x9f, 0xc3, 0xa9],
            &[0xff, 0x80, 0xc3],
            &[0xed, 0xa0, 0x80],
        ] {
            let ids: Vec<u32> = bytes.iter().map(|&b| byte(b)).collect();
            assert_eq!(tokenizer.decode(&ids), String::from_utf8_lossy(bytes));
        }
    }
}

#[test]
fn pieces_ids_and_marks_are_known() {
    for tokenizer in both() {
        assert_eq!((tokenizer.eos(), tokenizer.bos()), (1, 2));
        assert_eq!(tokenizer.token_id("<end_of_turn>"), Some(106));
        assert_eq!(tokenizer.piece(105), Some("<start_of_turn>"));
        assert_eq!(tokenizer.piece(u32::MAX), None);
        assert!(tokenizer.is_control(100) && tokenizer.is_control(3) && !tokenizer.is_control(107));
        assert!(!tokenizer.is_control(u32::MAX));
        let last = tokenizer.token_id("<image_soft_token>").unwrap();
        assert_eq!(tokenizer.vocab_size(), last as usize + 1);
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // Tests run natively, where there is a clock.
fn a_hundred_thousand_characters_are_not_quadratic_work() {
    let texts = [
        "The patient has had a cough and fever for three days. ".repeat(1_900),
        "a".repeat(100_000),
        " ".repeat(100_000),
        "<".repeat(100_000),
        "😀".repeat(25_000),
    ];
    for tokenizer in both() {
        for text in &texts {
            let start = std::time::Instant::now();
            tokenizer.encode_spans(&[Span::untrusted(text)]).unwrap();
            // A wide margin for slow machines; quadratic work would take minutes.
            assert!(
                start.elapsed().as_secs() < 10,
                "{:?} for {:?}...",
                start.elapsed(),
                &text[..8]
            );
        }
    }
}

/// tokenizer.json with one change.
fn changed(change: impl Fn(&mut serde_json::Value)) -> Result<Tokenizer> {
    let mut file = serde_json::from_slice(&golden("tokenizer.json")).unwrap();
    change(&mut file);
    Tokenizer::from_json(file.to_string().as_bytes())
}

#[test]
fn a_tokenizer_json_that_is_none_is_refused() {
    for bytes in [
        &b""[..],
        b"{}",
        b"[1]",
        b"{\"model\": 1}",
        b"\xff\xfe",
        b"{\"model\": {\"type\": \"BPE\"}}",
    ] {
        assert!(
            matches!(Tokenizer::from_json(bytes), Err(Error::Tokenizer { .. })),
            "{bytes:?}"
        );
    }
    let text = String::from_utf8(golden("tokenizer.json")).unwrap();
    assert!(matches!(
        Tokenizer::from_json(&text.as_bytes()[..text.len() / 2]),
        Err(Error::Tokenizer { .. })
    ));
}

#[test]
fn a_tokenizer_json_unlike_gemma_s_is_refused() {
    let refused = |result: Result<Tokenizer>, words: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    refused(
        changed(|f| f["added_tokens"][1]["content"] = "\u{1b}[2J".into()),
        r"`\u{1b}[2J`",
    );
    refused(
        changed(|f| f["added_tokens"][1]["id"] = 9.into()),
        "has both id 9 and id 1",
    );
    refused(
        changed(|f| f["added_tokens"][1]["content"] = "<end>".into()),
        "id 1 is both",
    );
    refused(
        changed(|f| {
            f["added_tokens"]
                .as_array_mut()
                .unwrap()
                .retain(|t| t["content"] != "<bos>");
            let id = f["model"]["vocab"]
                .as_object_mut()
                .unwrap()
                .remove("<bos>")
                .unwrap();
            f["model"]["vocab"]["<begin>"] = id;
        }),
        "no token `<bos>`",
    );
    refused(
        changed(|f| {
            let id = f["model"]["vocab"]
                .as_object_mut()
                .unwrap()
                .remove("<0x41>")
                .unwrap();
            f["model"]["vocab"]["<byte41>"] = id;
        }),
        "<0x41>",
    );
    refused(
        changed(|f| f["model"]["vocab"]["far away"] = u32::MAX.into()),
        "id 4294967295",
    );
    let merge = |pair: serde_json::Value| {
        changed(move |f| {
            f["model"]["merges"]
                .as_array_mut()
                .unwrap()
                .push(pair.clone())
        })
    };
    refused(
        merge(serde_json::json!(["a", "no such piece"])),
        "`no such piece`",
    );
    refused(
        merge(serde_json::json!(["<image", "_soft_token>"])),
        "`<image`",
    );
    refused(
        merge(serde_json::json!(["<unused94>", "<unused95>"])),
        "`<unused94><unused95>`",
    );
}

#[test]
fn a_piece_with_two_ids_is_refused() {
    let text = String::from_utf8(golden("tokenizer.json")).unwrap();
    let twice = text.replace(r#""vocab":{"#, r#""vocab":{"a":1100,"#);
    let error = Tokenizer::from_json(twice.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("`a` has both id"), "{error}");
}

#[test]
fn a_piece_listed_twice_is_refused() {
    let text = String::from_utf8(golden("tokenizer.json")).unwrap();
    let twice = text.replace(r#""vocab":{"#, r#""vocab":{"<eos>":1,"#);
    let error = Tokenizer::from_json(twice.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("id 1 is both"), "{error}");
}

#[test]
fn merges_in_one_string_are_read_like_pairs() {
    let joined = changed(|f| {
        for merge in f["model"]["merges"].as_array_mut().unwrap() {
            *merge = format!(
                "{} {}",
                merge[0].as_str().unwrap(),
                merge[1].as_str().unwrap()
            )
            .into();
        }
    });
    let text = "The patient has  a cough.\n\n38.5 °C";
    assert_eq!(joined.unwrap().encode(text), both()[0].encode(text));
}

#[test]
fn a_file_that_merges_letters_into_a_control_token_cannot_forge_one() {
    let forging = changed(|f| {
        let next = f["model"]["vocab"].as_object().unwrap().len();
        for (n, piece) in ["<", ">", "<e", "os", "<eos"].into_iter().enumerate() {
            f["model"]["vocab"][piece] = (next + 1 + n).into();
        }
        let merges = serde_json::json!([["<", "e"], ["o", "s"], ["<e", "os"], ["<eos", ">"]]);
        f["model"]["merges"] = merges;
    });
    let error = forging
        .unwrap()
        .encode_spans(&[Span::untrusted("<eos>")])
        .unwrap_err();
    assert!(error.to_string().contains("<eos>"), "{error}");
}
