//! Model files that are broken or mean harm. Each gives the error that names what is wrong; none panics, and none makes
//! the parser take more memory than the file itself justifies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gguf_writer.rs"]
mod gguf_writer;
#[path = "support/memory.rs"]
mod memory;

#[path = "weights_hostile/gguf.rs"]
mod gguf;
#[path = "weights_hostile/safetensors.rs"]
mod safetensors;
#[path = "weights_hostile/shards.rs"]
mod shards;

use outpost_engine::error::{Error, Result};
use outpost_engine::ports::ByteSource;
use outpost_engine::weights::WeightSource;

/// What is wrong with a file, the file, and the variant and the beginning of the message that it must give.
struct Case(&'static str, Vec<u8>, &'static str, &'static str);

/// Bytes of memory beyond those that the file's length justifies: messages, and the parser's own state.
const SMALL_BYTES: u64 = 8 << 10;

/// Parsed metadata take more room than their bytes in the file: a string of no letters is 8 bytes there and 24 here.
const MEMORY_FACTOR: u64 = 5;

/// Opens every case and compares its error.
fn check<T>(cases: Vec<Case>, open: impl Fn(Vec<u8>) -> Result<T>) {
    let mut wrong = Vec::new();
    for Case(claim, file, variant, message) in cases {
        let bytes = file.len() as u64;
        let (result, peak) = memory::peak_bytes(|| open(file));
        match result.err() {
            None => wrong.push(format!("{claim}: accepted")),
            Some(error) => {
                let text = error.to_string();
                if variant_of(&error) != variant || !text.starts_with(message) {
                    wrong.push(format!("{claim}: {error:?}: {text}"));
                }
            }
        }
        if peak > MEMORY_FACTOR * bytes + SMALL_BYTES {
            wrong.push(format!("{claim}: {peak} bytes of memory for {bytes} bytes"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn variant_of(error: &Error) -> String {
    let text = format!("{error:?}");
    text.chars().take_while(|c| c.is_alphanumeric()).collect()
}

/// Flips every bit in turn; what still opens must be readable or say why not. `read` does both.
fn flip_every_bit(file: &[u8], read: impl Fn(Vec<u8>)) {
    for place in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.to_vec();
            flipped[place] ^= 1 << bit;
            let ((), peak) = memory::peak_bytes(|| read(flipped));
            let limit = MEMORY_FACTOR * file.len() as u64 + SMALL_BYTES;
            assert!(peak <= limit, "bit {bit} of byte {place} took {peak} bytes");
        }
    }
}

/// Reads every tensor. Whatever comes back is fine.
fn read_all(source: &impl WeightSource) {
    for tensor in source.tensors() {
        let _ = source.read_f32(tensor);
    }
}

/// A file that claims to be a tebibyte: some bytes, then zeros.
#[derive(Debug)]
struct Huge(Vec<u8>);

impl ByteSource for Huge {
    fn len(&self) -> u64 {
        1 << 40
    }
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        for (place, byte) in (offset..).zip(buf) {
            let place = usize::try_from(place).unwrap();
            *byte = self.0.get(place).copied().unwrap_or(0);
        }
        Ok(())
    }
    fn label(&self) -> &str {
        "huge.gguf"
    }
}
