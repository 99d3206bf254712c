//! A safetensors file: its header and every tensor that can be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpost_engine::weights::{Safetensors, WeightSource};
use outpost_fuzz::{Bytes, Picks, check_source, opened};

/// Memory for a byte of the header, and for none.
const FACTOR: u64 = 16;
const BASE_BYTES: u64 = 64 << 10;

fuzz_target!(|data: &[u8]| {
    let limit = FACTOR * data.len() as u64 + BASE_BYTES;
    let Some(file) = opened(limit, || Safetensors::open(Bytes(data))) else {
        return;
    };
    assert!(file.tensors().len() <= file.entries().len());
    let readable = file.tensors().iter();
    let stored: u64 = readable.map(|tensor| tensor.stored_bytes()).sum();
    assert!(stored <= data.len() as u64, "tensors share bytes");
    for entry in file.entries() {
        let found = file.require(&entry.name, &entry.shape);
        assert_eq!(found.is_ok(), file.tensor(&entry.name).is_some());
    }
    check_source(&file, &mut Picks::new(data));
});
