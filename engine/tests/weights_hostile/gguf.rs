//! GGUF files.

use outpost_engine::error::Error;
use outpost_engine::weights::{Array, BlockType, Gguf, Value, WeightSource};

use super::gguf_writer::{GgufWriter, RawTensor, array_head, string};
use super::{Case, Huge, SMALL_BYTES, check, flip_every_bit, memory, read_all, variant_of};

const F32: BlockType = BlockType::F32;
const HUGE: u64 = 1 << 63;

/// A sound file of two tensors and a few keys.
fn sound() -> GgufWriter {
    let names = Value::Array(Array::String(vec!["a".into(), "".into()]));
    GgufWriter::new()
        .value("general.architecture", &Value::String("gemma3".into()))
        .value("names", &names)
        .value("flag", &Value::Bool(true))
        .tensor("first", &[2, 32], BlockType::Q4_0, &[7; 36])
        .tensor("second", &[3], F32, &[1; 12])
}

fn with(change: impl FnOnce(&mut GgufWriter)) -> Vec<u8> {
    let mut writer = sound();
    change(&mut writer);
    writer.bytes()
}

/// A file with `payload` as the value of `key`.
fn value(type_id: u32, payload: Vec<u8>) -> Vec<u8> {
    sound().raw_value("key", type_id, &payload).bytes()
}

/// A file with a third tensor, which `change` damages.
fn tensor(change: impl FnOnce(&mut RawTensor)) -> Vec<u8> {
    let mut tensor = RawTensor::new("third", &[2, 32], F32, &[0; 256]);
    change(&mut tensor);
    sound().raw_tensor(tensor).bytes()
}

fn shape(block: BlockType, ne: &[u64]) -> Vec<u8> {
    tensor(|t| (t.type_id, t.ne) = (block.ggml_id(), ne.to_vec()))
}

fn alignment(value: Value) -> Vec<u8> {
    sound().value("general.alignment", &value).bytes()
}

#[test]
fn a_broken_file_gives_the_error_that_names_what_is_wrong() {
    let truncated = "Truncated";
    let malformed = "Malformed";
    let limit = "LimitExceeded";
    let unsupported = "Unsupported";
    #[rustfmt::skip]
    let cases = vec![
        Case("nothing", vec![], truncated, "the beginning of a GGUF file needs 4 bytes, but only 0 are there"),
        Case("another format", b"\x89PNG\r\n\x1a\n".to_vec(), unsupported, "memory, which does not begin as a GGUF file, is not supported; choose a GGUF file"),
        Case("lower-case magic", with(|w| w.magic = *b"gguf"), unsupported, "memory, which does not begin"),
        Case("version 0", with(|w| w.version = 0), unsupported, "version 0 of GGUF is not supported"),
        Case("version 1", with(|w| w.version = 1), unsupported, "version 1 of GGUF is not supported"),
        Case("version 4", with(|w| w.version = 4), unsupported, "version 4 of GGUF is not supported"),
        Case("big-endian", with(|w| w.version = 3 << 24), unsupported, "a GGUF file in big-endian order is not supported"),

        Case("2^64 - 1 tensors", with(|w| w.tensor_count = Some(u64::MAX)), limit, "the number of tensors is 18446744073709551615, above the limit of 65536"),
        Case("more tensors than bytes", with(|w| w.tensor_count = Some(65_536)), truncated, "the list of tensors needs"),
        Case("one tensor more than there are", with(|w| w.tensor_count = Some(3)), malformed, "this GGUF file is damaged: a tensor has no name"),
        Case("2^63 keys", with(|w| w.metadata_count = Some(HUGE)), limit, "the number of metadata keys is 9223372036854775808, above the limit of 65536"),
        Case("more keys than bytes", with(|w| w.metadata_count = Some(65_536)), truncated, "the metadata needs"),
        Case("one key more than the header counts", with(|w| w.metadata_count = Some(2)), limit, "the number of dimensions of tensor `flag` is 7, above the limit of 4"),

        Case("a key of 2^63 bytes", sound().raw_entry(HUGE.to_le_bytes().to_vec()).raw_entry(vec![0; 99]).bytes(), limit, "the length of a metadata key, in bytes, is 9223372036854775808, above the limit of 256"),
        Case("a key of 257 bytes", sound().value(&"k".repeat(257), &Value::U8(0)).bytes(), limit, "the length of a metadata key, in bytes, is 257"),
        Case("a key that is not UTF-8", sound().raw_entry([string(b"\xff\xfe"), vec![0; 5]].concat()).bytes(), malformed, "this GGUF file is damaged: a metadata key is not UTF-8"),
        Case("a key that steers a terminal", sound().value("a\u{1b}[2J", &Value::U8(0)).bytes(), malformed, "this GGUF file is damaged: `a\\u{1b}[2J` is no metadata key"),
        Case("a key without a name", sound().value("", &Value::U8(0)).bytes(), malformed, "this GGUF file is damaged: a metadata key has no name"),
        Case("a key twice", sound().value("flag", &Value::U8(0)).bytes(), malformed, "this GGUF file is damaged: metadata key `flag` occurs twice"),
        Case("a value of unknown type", value(13, vec![0; 8]), malformed, "this GGUF file is damaged: metadata key `key` has the unknown type 13"),
        Case("a truth value of 2", value(7, vec![2]), malformed, "this GGUF file is damaged: metadata key `key` is 2 where true or false belongs"),
        Case("a string of 2^63 bytes", value(8, HUGE.to_le_bytes().to_vec()), truncated, "metadata key `key` needs 92233720368547"),
        Case("a string of 2^64 - 1 bytes", value(8, vec![0xff; 8]), truncated, "metadata key `key` needs 18446744073709551615 bytes"),
        Case("a string that is not UTF-8", value(8, string(b"a\xc3")), malformed, "this GGUF file is damaged: metadata key `key` is not UTF-8"),
        Case("2^63 strings", value(9, array_head(8, HUGE)), truncated, "metadata key `key` needs 18446744073709551615 bytes"),
        Case("2^40 bytes", value(9, array_head(0, 1 << 40)), truncated, "metadata key `key` needs"),
        Case("2^40 truth values", value(9, array_head(7, 1 << 40)), truncated, "metadata key `key` needs"),
        Case("2^61 + 1 numbers, 8 bytes modulo 2^64", value(9, array_head(12, (1 << 61) + 1)), truncated, "metadata key `key` needs 18446744073709551615 bytes"),
        Case("an array of arrays", value(9, [array_head(9, 1), array_head(0, 1), vec![0]].concat()), unsupported, "metadata key `key`, an array of arrays, is not supported"),
        Case("an array of unknown type", value(9, array_head(99, 1)), malformed, "this GGUF file is damaged: metadata key `key` is an array of the unknown type 99"),
        Case("an array with a string of 2^63 bytes", value(9, [array_head(8, 1), HUGE.to_le_bytes().to_vec()].concat()), truncated, "metadata key `key` needs"),

        Case("alignment 0", alignment(Value::U32(0)), "BadKey", "metadata key `general.alignment` is 0, no power of two up to 1048576"),
        Case("alignment 48", alignment(Value::U32(48)), "BadKey", "metadata key `general.alignment` is 48, no power of two"),
        Case("alignment 2^63", alignment(Value::U64(HUGE)), "BadKey", "metadata key `general.alignment` is 9223372036854775808, no power of two"),
        Case("alignment -32", alignment(Value::I32(-32)), "BadKey", "metadata key `general.alignment` is -32, which is out of range"),
        Case("alignment in words", alignment(Value::String("32".into())), "BadKey", "metadata key `general.alignment` holds a string where a whole number belongs"),

        Case("a tensor's name of 2^63 bytes", tensor(|t| t.name_bytes = Some(HUGE)), limit, "the length of a tensor's name, in bytes, is 9223372036854775808, above the limit of 256"),
        Case("a tensor's name that steers a terminal", tensor(|t| t.name = b"a\x1b[2J".to_vec()), malformed, "this GGUF file is damaged: `a\\u{1b}[2J` is no name of a tensor"),
        Case("a tensor without a name", tensor(|t| t.name.clear()), malformed, "this GGUF file is damaged: a tensor has no name"),
        Case("a tensor's name that is not UTF-8", tensor(|t| t.name = vec![0xc3, 0x28]), malformed, "this GGUF file is damaged: a tensor's name is not UTF-8"),
        Case("a tensor twice", tensor(|t| t.name = b"first".to_vec()), malformed, "this GGUF file is damaged: tensor `first` occurs twice"),
        Case("no dimensions", tensor(|t| t.ne.clear()), malformed, "this GGUF file is damaged: tensor `third` has shape [], without any dimension"),
        Case("5 dimensions", shape(F32, &[2, 2, 2, 2, 2]), limit, "the number of dimensions of tensor `third` is 5, above the limit of 4"),
        Case("2^32 - 1 dimensions", tensor(|t| t.dims = Some(u32::MAX)), limit, "the number of dimensions of tensor `third` is 4294967295"),
        Case("a dimension of 0", shape(F32, &[32, 0]), malformed, "this GGUF file is damaged: tensor `third` has shape [0, 32], with an empty dimension"),
        Case("a shape of 2^64 elements", shape(F32, &[1 << 32, 1 << 32]), malformed, "this GGUF file is damaged: tensor `third` has shape [4294967296, 4294967296], which is too large for any file"),
        Case("a shape of 2^64 + 64 elements", shape(F32, &[(1 << 62) + 16, 4]), malformed, "this GGUF file is damaged: tensor `third` has shape"),
        Case("a shape of 2^62 elements of 4 bytes", shape(F32, &[1 << 62]), malformed, "this GGUF file is damaged: tensor `third` has shape"),
        Case("a shape of 2^60 bytes", shape(F32, &[1 << 58]), malformed, "this GGUF file is damaged: tensor `third` has shape [288230376151711744], which is too large for any file"),
        Case("rows of half a block", shape(BlockType::Q4_0, &[48, 2]), malformed, "this GGUF file is damaged: tensor `third` has shape [2, 48], whose rows are no whole blocks of Q4_0"),
        Case("more elements than bytes", shape(F32, &[64, 2]), truncated, "tensor `third` needs"),
        Case("a type that nobody knows", tensor(|t| t.type_id = 4_000_000_000), unsupported, "tensor `third` of type 4000000000, which is unknown, is not supported; use a file in F32, F16, BF16, Q4_0 to Q8_0 or Q2_K to Q6_K"),
        Case("a type that others know", tensor(|t| t.type_id = 15), unsupported, "tensor `third` of type Q8_K is not supported"),
        Case("an offset off the alignment", tensor(|t| t.offset = Some(100)), malformed, "this GGUF file is damaged: tensor `third` is at 100, no multiple of 32"),
        Case("an offset past the end", tensor(|t| t.offset = Some(1 << 40)), truncated, "tensor `third` needs 10995116"),
        Case("an offset that wraps around", tensor(|t| t.offset = Some(u64::MAX - 31)), truncated, "tensor `third` needs 18446744073709551615 bytes"),
        Case("a tensor within another", tensor(|t| t.offset = Some(32)), malformed, "this GGUF file is damaged: `first` and `third` overlap"),
        Case("two tensors at one place", tensor(|t| (t.offset, t.ne) = (Some(64), vec![3])), malformed, "this GGUF file is damaged: `second` and `third` overlap"),
        Case("an alignment that the data do not have", with(|w| *w = w.clone().alignment(4096).tensor("third", &[1], F32, &[0; 4]).value("later", &Value::U8(0)).tensor("fourth", &[1], F32, &[0])), truncated, "tensor `fourth` needs"),

        Case("one file of a split model", sound().value("split.no", &Value::U16(0)).value("split.count", &Value::U16(3)).bytes(), "Request", "this is file 1 of a model in 3 files, opened as file 1 of 1; open all files of the model together, in their order"),
        Case("a later file of a split model", sound().value("split.no", &Value::U16(2)).value("split.count", &Value::U16(3)).bytes(), "Request", "this is file 3 of a model in 3 files"),
        Case("2^64 - 1 files", sound().value("split.no", &Value::U64(u64::MAX)).value("split.count", &Value::U64(u64::MAX)).bytes(), limit, "the number of files of a split model is 18446744073709551615, above the limit of 1024"),
    ];
    check(cases, Gguf::open);
}

#[test]
fn the_file_that_all_of_these_were_made_of_is_sound() {
    let gguf = Gguf::open(sound().bytes()).unwrap();
    assert_eq!(gguf.tensors().len(), 2);
    assert_eq!(gguf.metadata().bool("flag"), Ok(true));
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let file = sound().bytes();
    for end in 0..file.len() {
        let (result, peak) = memory::peak_bytes(|| Gguf::open(file[..end].to_vec()));
        let error = result.unwrap_err();
        assert_eq!(variant_of(&error), "Truncated", "at {end}: {error}");
        assert!(peak < 2 * SMALL_BYTES);
        if let Error::Truncated {
            needed, available, ..
        } = error
        {
            assert!(needed > available && available == end as u64, "at {end}");
        }
    }
}

#[test]
fn a_file_with_any_bit_flipped_opens_or_says_why_not() {
    flip_every_bit(&sound().bytes(), |file| {
        if let Ok(gguf) = Gguf::open(file) {
            read_all(&gguf);
        }
    });
}

#[test]
fn a_huge_file_does_not_make_its_header_huge() {
    let head = |payload: Vec<u8>| GgufWriter::new().raw_value("key", 9, &payload).bytes();
    let string = GgufWriter::new().raw_value("key", 8, &(1u64 << 36).to_le_bytes());
    for (claim, file) in [
        ("a string of 64 GiB", string.bytes()),
        ("2^36 bytes", head(array_head(0, 1 << 36))),
        ("2^36 truth values", head(array_head(7, 1 << 36))),
        ("2^33 strings", head(array_head(8, 1 << 33))),
    ] {
        let (result, peak) = memory::peak_bytes(|| Gguf::open(Huge(file)));
        let error = result.unwrap_err();
        assert_eq!(variant_of(&error), "LimitExceeded", "{claim}: {error}");
        assert!(
            error
                .to_string()
                .starts_with("the header up to metadata key `key`, in bytes, is"),
            "{error}"
        );
        assert!(peak < 70_000, "{claim} took {peak} bytes");
    }
}

#[test]
fn strings_take_at_most_a_few_times_their_bytes() {
    let empty = Value::Array(Array::String(vec![String::new(); 100_000]));
    let file = GgufWriter::new().value("key", &empty).bytes();
    let bytes = file.len() as u64;
    let (gguf, peak) = memory::peak_bytes(|| Gguf::open(file).unwrap());
    assert_eq!(gguf.metadata().strings("key").unwrap().len(), 100_000);
    assert!(peak < 4 * bytes, "{peak} bytes for {bytes}");
}

#[test]
fn a_tensor_too_large_for_f32_is_refused_before_memory_is_taken() {
    let mut tensor = RawTensor::new("t", &[1 << 27], F32, &[]);
    tensor.offset = Some(0);
    let gguf = Gguf::open(Huge(GgufWriter::new().raw_tensor(tensor).bytes())).unwrap();
    let info = gguf.tensor("t").unwrap();
    let (result, peak) = memory::peak_bytes(|| gguf.read_f32(info));
    let message = "the size of tensor `t`, read as f32, is 134217728, above the limit of 67108864";
    assert!(result.unwrap_err().to_string().starts_with(message));
    assert!(peak < SMALL_BYTES);
}

#[test]
fn files_of_a_split_model_must_be_its_own_and_in_order() {
    let file = |number: u16| {
        let numbered = sound().value("split.no", &Value::U16(number));
        numbered.value("split.count", &Value::U16(2)).bytes()
    };
    let open = |files: Vec<Vec<u8>>| Gguf::open_split(files).unwrap_err().to_string();
    assert!(open(vec![]).starts_with("there is no file to open"));
    assert!(
        open(vec![file(1), file(0)])
            .starts_with("this is file 2 of a model in 2 files, opened as file 1 of 2")
    );
    assert!(
        open(vec![file(0)])
            .starts_with("this is file 1 of a model in 2 files, opened as file 1 of 1")
    );
    assert!(open(vec![file(0), file(1)]).contains("tensor `first` occurs twice"));
}
