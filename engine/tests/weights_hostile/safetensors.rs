//! Safetensors files.

use outpost_engine::weights::{Safetensors, WeightSource};

use super::{Case, Huge, SMALL_BYTES, check, flip_every_bit, memory, read_all, variant_of};

const SOUND: &str = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}"#;

/// A file with this header and `data` bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let length = header.len() as u64;
    [&length.to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

/// A file whose only tensor has 8 bytes of data.
fn tensor(name: &str, dtype: &str, shape: &str, offsets: &str) -> Vec<u8> {
    let entry = format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#);
    file(&format!(r#"{{"{name}":{entry}}}"#), 8)
}

#[test]
fn a_broken_file_gives_the_error_that_names_what_is_wrong() {
    let truncated = "Truncated";
    let malformed = "Malformed";
    let limit = "LimitExceeded";
    let sound_entry = r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    #[rustfmt::skip]
    let cases = vec![
        Case("nothing", vec![], truncated, "the length of the header needs 8 bytes, but only 0 are there"),
        Case("half a length", vec![0; 7], truncated, "the length of the header needs 8 bytes, but only 7 are there"),
        Case("a header of 2^63 bytes", [1u64.rotate_right(1).to_le_bytes(), [0; 8]].concat(), limit, "the header of this safetensors file, in bytes, is 9223372036854775808, above the limit of 16777216"),
        Case("a header longer than the file", [100u64.to_le_bytes(), [b' '; 8]].concat(), truncated, "the header needs 108 bytes, but only 16 are there"),
        Case("a header that is no JSON", file("{\"a\":", 0), malformed, "this safetensors file is damaged: its header says EOF"),
        Case("a header that is a list", file("[]", 0), malformed, "this safetensors file is damaged: its header says invalid type: sequence, expected tensors by name"),
        Case("a header with more after it", file("{} {}", 0), malformed, "this safetensors file is damaged: its header says trailing characters"),
        Case("a header of 10,000 brackets", file(&format!("{{\"a\":{}", "[".repeat(10_000)), 0), malformed, "this safetensors file is damaged: its header says"),
        Case("a tensor with a field that nobody knows", file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, 8), malformed, "this safetensors file is damaged: its header says unknown field `x`"),
        Case("a tensor without a shape", file(r#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#, 8), malformed, "this safetensors file is damaged: its header says missing field `shape`"),
        Case("a tensor twice", file(&format!(r#"{{"a":{sound_entry},"a":{sound_entry}}}"#), 8), malformed, "this safetensors file is damaged: its header says `a` occurs twice"),
        Case("metadata twice", file(r#"{"__metadata__":{},"__metadata__":{}}"#, 0), malformed, "this safetensors file is damaged: its header says `__metadata__` occurs twice"),
        Case("metadata that are numbers", file(r#"{"__metadata__":{"a":1}}"#, 0), malformed, "this safetensors file is damaged: its header says invalid type"),
        Case("a field that steers a terminal", file(r#"{"a":{"\u001b[2J":0}}"#, 0), malformed, r"this safetensors file is damaged: its header says unknown field `\u{1b}[2J`"),
        Case("a name that steers a terminal", tensor("\\u001b[2J", "F32", "[2]", "[0,8]"), malformed, r"this safetensors file is damaged: `\u{1b}[2J` is no name of a tensor"),
        Case("no name", tensor("", "F32", "[2]", "[0,8]"), malformed, "this safetensors file is damaged: a tensor has no name"),
        Case("a name of 257 bytes", tensor(&"n".repeat(257), "F32", "[2]", "[0,8]"), limit, "the length of a tensor's name is 257, above the limit of 256"),
        Case("a type that nobody knows", tensor("a", "F12", "[2]", "[0,8]"), "Unsupported", "tensor `a` of type `F12` is not supported; store it as F32, F16 or BF16"),
        Case("5 dimensions", tensor("a", "F32", "[1,1,1,1,2]", "[0,8]"), limit, "the number of dimensions of tensor `a` is 5, above the limit of 4"),
        Case("a dimension of -1", tensor("a", "F32", "[-1]", "[0,8]"), malformed, "this safetensors file is damaged: its header says invalid value: integer `-1`"),
        Case("a dimension of 2^64", tensor("a", "F32", "[18446744073709551616]", "[0,8]"), malformed, "this safetensors file is damaged: its header says"),
        Case("a shape of 2^64 + 2 elements", tensor("a", "F32", "[9223372036854775809,2]", "[0,8]"), malformed, "this safetensors file is damaged: tensor `a` of [9223372036854775809, 2] F32 has the bytes from 0 to 8"),
        Case("a shape of 2^62 elements of 4 bytes", tensor("a", "F32", "[4611686018427387904]", "[0,0]"), malformed, "this safetensors file is damaged: tensor `a` of"),
        Case("fewer bytes than elements", tensor("a", "F32", "[3]", "[0,8]"), malformed, "this safetensors file is damaged: tensor `a` of [3] F32 has the bytes from 0 to 8"),
        Case("an end before the start", tensor("a", "F32", "[2]", "[8,0]"), malformed, "this safetensors file is damaged: tensor `a` of [2] F32 has the bytes from 8 to 0"),
        Case("offsets that wrap around", tensor("a", "F32", "[2]", "[18446744073709551612,4]"), malformed, "this safetensors file is damaged: tensor `a` of"),
        Case("a gap before the first", tensor("a", "F32", "[1]", "[4,8]"), malformed, "this safetensors file is damaged: tensor `a` starts at 4 where the one before ends at 0"),
        Case("tensors that overlap", file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8), malformed, "this safetensors file is damaged: tensor `b` starts at 4 where the one before ends at 8"),
        Case("data past the end", tensor("a", "F32", "[4]", "[0,16]"), truncated, "the tensors' data needs 79 bytes, but only 71 are there"),
        Case("data that belong to nobody", tensor("a", "F32", "[1]", "[0,4]"), malformed, "this safetensors file is damaged: 4 bytes at its end belong to no tensor"),
    ];
    check(cases, Safetensors::open);
}

#[test]
fn tensors_of_whole_numbers_are_listed_and_not_read() {
    let opened = Safetensors::open(file(SOUND, 16)).unwrap();
    assert_eq!(opened.metadata().str("format"), Ok("pt"));
    let types: Vec<&str> = opened.entries().iter().map(|e| e.dtype.as_str()).collect();
    assert_eq!(types, ["F32", "I64"]);
    assert_eq!(opened.tensors().len(), 1);
    let error = opened.require("b", &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("tensor `b` of type I64 is not supported"),
        "{error}"
    );
    let error = opened.require("c", &[]).unwrap_err();
    assert_eq!(variant_of(&error), "MissingTensor");
    let error = opened.require("a", &[3]).unwrap_err();
    assert_eq!(variant_of(&error), "TensorShape");
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let file = file(SOUND, 16);
    for end in 0..file.len() {
        let error = Safetensors::open(file[..end].to_vec()).unwrap_err();
        assert_eq!(variant_of(&error), "Truncated", "at {end}: {error}");
    }
}

#[test]
fn a_file_with_any_bit_flipped_opens_or_says_why_not() {
    flip_every_bit(&file(SOUND, 16), |file| {
        if let Ok(opened) = Safetensors::open(file) {
            read_all(&opened);
        }
    });
}

#[test]
fn a_huge_file_does_not_make_its_header_huge() {
    let length = (17u64 << 20).to_le_bytes().to_vec();
    let (result, peak) = memory::peak_bytes(|| Safetensors::open(Huge(length)));
    assert_eq!(variant_of(&result.unwrap_err()), "LimitExceeded");
    assert!(peak < SMALL_BYTES);
}
