//! A GGUF file: its header, every tensor, the tokenizer and the configuration in its metadata.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpost_engine::tokenizer::{Span, Tokenizer};
use outpost_engine::weights::shards::Role;
use outpost_engine::weights::{Gguf, Metadata, WeightSource};
use outpost_fuzz::config::{TextConfig, VisionConfig};
use outpost_fuzz::{Bytes, Picks, check_error, check_source, opened};

/// Memory for a byte of the header, and for none.
const FACTOR: u64 = 16;
const BASE_BYTES: u64 = 64 << 10;

const TEXT: &str = "a  b\u{2581}<eos><start_of_turn>\n\né\u{1f642}<0x0A>\0";

fuzz_target!(|data: &[u8]| {
    let limit = FACTOR * data.len() as u64 + BASE_BYTES;
    opened(limit, || Gguf::open_split(vec![Bytes(data); 2]));
    let Some(gguf) = opened(limit, || Gguf::open(Bytes(data))) else {
        return;
    };
    assert!(matches!(gguf.version(), 2 | 3));
    assert!(gguf.alignment().is_power_of_two());
    assert!(gguf.header_bytes().is_multiple_of(gguf.alignment()));
    assert_eq!(gguf.file_bytes(), data.len() as u64);
    let stored: u64 = gguf
        .tensors()
        .iter()
        .map(|tensor| tensor.stored_bytes())
        .sum();
    assert!(stored <= data.len() as u64, "tensors share bytes");

    check_source(&gguf, &mut Picks::new(data));
    check_metadata(gguf.metadata());
    if let Some(tokenizer) = opened(limit, || Tokenizer::from_metadata(gguf.metadata())) {
        check_tokenizer(&tokenizer);
    }
});

fn check_metadata(metadata: &Metadata) {
    assert_eq!(metadata.iter().count(), metadata.len());
    Role::of(metadata);
    for (key, value) in metadata.iter() {
        let found = metadata.get(key).expect("a key is found");
        assert!(std::ptr::eq(found, value));
        let reads = [
            metadata.str(key).err(),
            metadata.u64(key).err(),
            metadata.u32(key).err(),
            metadata.f32(key).err(),
            metadata.bool(key).err(),
            metadata.strings(key).err(),
            metadata.f32s(key).err(),
            metadata.i32s(key).err(),
        ];
        assert!(reads.iter().filter(|error| error.is_none()).count() <= 2);
        reads.iter().flatten().for_each(check_error);
    }
    let text = TextConfig::from_metadata(metadata, 1 << 18).err();
    let vision = VisionConfig::from_metadata(metadata).err();
    for error in text.iter().chain(&vision) {
        assert!(!error.to_string().is_empty());
    }
}

fn check_tokenizer(tokenizer: &Tokenizer) {
    let ids = tokenizer.encode_spans(&[Span::untrusted(TEXT)]);
    let ids = ids.expect("every text has ids: bytes if need be");
    for &id in &ids {
        assert!(
            !tokenizer.is_control(id),
            "text became `{:?}`",
            tokenizer.piece(id)
        );
    }
    tokenizer.encode(TEXT).expect("trusted text has ids too");
    tokenizer.decode(&ids);
    assert!((tokenizer.bos() as usize) < tokenizer.vocab_size());
    assert!((tokenizer.eos() as usize) < tokenizer.vocab_size());
}
