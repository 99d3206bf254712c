//! A `tokenizer.json`, then, behind a zero byte, a text for it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpost_engine::tokenizer::{Span, Tokenizer};
use outpost_fuzz::{check_error, opened, within};

/// Memory for a byte of the file, for a byte of the text, and for none.
const FACTOR: u64 = 64;
const TEXT_FACTOR: u64 = 1_024;
const BASE_BYTES: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let end = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let (json, text) = data.split_at(end);
    let text = String::from_utf8_lossy(text.get(1..).unwrap_or_default());
    let limit = FACTOR * json.len() as u64 + BASE_BYTES;
    let Some(tokenizer) = opened(limit, || Tokenizer::from_json(json)) else {
        return;
    };
    assert!((tokenizer.bos() as usize) < tokenizer.vocab_size());
    assert!((tokenizer.eos() as usize) < tokenizer.vocab_size());

    let limit = TEXT_FACTOR * text.len() as u64 + BASE_BYTES;
    let half = text.floor_char_boundary(text.len() / 2);
    let untrusted = [
        Span::untrusted(&text[..half]),
        Span::untrusted(&text[half..]),
    ];
    match within(limit, || tokenizer.encode_spans(&untrusted)) {
        Ok(ids) => {
            check_ids(&tokenizer, &ids);
            let borderless = tokenizer.encode_spans(&[Span::untrusted(&text)]);
            assert_eq!(
                borderless.as_ref(),
                Ok(&ids),
                "a border between spans counts"
            );
            assert!(ids.iter().all(|&id| !tokenizer.is_control(id)));
        }
        Err(error) => check_error(&error),
    }
    match within(limit, || tokenizer.encode(&text)) {
        Ok(ids) => check_ids(&tokenizer, &ids),
        Err(error) => check_error(&error),
    }
});

fn check_ids(tokenizer: &Tokenizer, ids: &[u32]) {
    let mut decoder = tokenizer.decoder();
    let mut streamed: String = ids.iter().map(|&id| decoder.push(id)).collect();
    streamed.push_str(&decoder.finish());
    assert_eq!(streamed, tokenizer.decode(ids));
    for &id in ids {
        assert!(tokenizer.piece(id).is_some(), "id {id} is in no vocabulary");
    }
}
