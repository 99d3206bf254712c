//! What holds for every model file: repacking loses nothing, and every way to a tensor's bytes gives the same bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gguf_writer.rs"]
mod gguf_writer;

use std::cell::Cell;

use gguf_writer::{GgufWriter, expand_to_f32};
use outpost_engine::error::{Error, Result};
use outpost_engine::ports::ByteSource;
use outpost_engine::weights::shards::{
    Manifest, Packing, Role, Sha256Stream, ShardSet, verify_shard,
};
use outpost_engine::weights::{
    Array, BlockType, Gguf, Part, Safetensors, TensorInfo, Value, WeightSource, block,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A tensor with its stored bytes.
#[derive(Debug, Clone)]
struct Stored {
    info: TensorInfo,
    bytes: Vec<u8>,
}

/// A tensor of any type, with few elements and any bits.
fn any_tensor() -> impl Strategy<Value = Stored> {
    let shape = prop::collection::vec(1u64..6, 1..=4);
    (select(&BlockType::ALL[..]), shape, "[a-z]{1,3}").prop_flat_map(|(block, mut shape, name)| {
        if block.block_elements() > 32 {
            shape.truncate(2);
        }
        if let Some(cols) = shape.last_mut() {
            *cols *= block.block_elements() as u64;
        }
        let info = TensorInfo { name, shape, block };
        let bytes = prop::collection::vec(any::<u8>(), info.stored_bytes() as usize);
        bytes.prop_map(move |bytes| Stored {
            info: info.clone(),
            bytes,
        })
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = "\\PC{0,9}";
    prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        any::<f32>().prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
        text.prop_map(Value::String),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_map(Value::F64),
        prop::collection::vec(text, 0..4).prop_map(|a| Value::Array(Array::String(a))),
        any::<Vec<u8>>().prop_map(|a| Value::Array(Array::U8(a))),
        any::<Vec<i8>>().prop_map(|a| Value::Array(Array::I8(a))),
        any::<Vec<u16>>().prop_map(|a| Value::Array(Array::U16(a))),
        any::<Vec<i16>>().prop_map(|a| Value::Array(Array::I16(a))),
        any::<Vec<u32>>().prop_map(|a| Value::Array(Array::U32(a))),
        any::<Vec<i32>>().prop_map(|a| Value::Array(Array::I32(a))),
        any::<Vec<f32>>().prop_map(|a| Value::Array(Array::F32(a))),
        any::<Vec<bool>>().prop_map(|a| Value::Array(Array::Bool(a))),
        any::<Vec<u64>>().prop_map(|a| Value::Array(Array::U64(a))),
        any::<Vec<i64>>().prop_map(|a| Value::Array(Array::I64(a))),
        any::<Vec<f64>>().prop_map(|a| Value::Array(Array::F64(a))),
    ]
}

/// A file of a few tensors with different names, and a few keys.
fn any_file() -> impl Strategy<Value = (Vec<Stored>, Vec<u8>)> {
    let tensors = prop::collection::vec(any_tensor(), 1..4);
    let values = prop::collection::btree_map("[a-z.]{1,12}", any_value(), 0..5);
    (tensors, values, 0u32..9).prop_map(|(mut tensors, values, alignment)| {
        let mut writer = GgufWriter::new().alignment(1 << alignment);
        for (key, value) in &values {
            writer = writer.value(key, value);
        }
        for (index, tensor) in tensors.iter_mut().enumerate() {
            tensor.info.name.push_str(&index.to_string());
            let info = &tensor.info;
            writer = writer.tensor(&info.name, &info.shape, info.block, &tensor.bytes);
        }
        (tensors, writer.bytes())
    })
}

/// Two places within `0..=bytes`, at whole words, in order.
fn word_range(bytes: u64, (a, b): (Index, Index)) -> std::ops::Range<usize> {
    let words = bytes as usize / 4 + 1;
    let (a, b) = (4 * a.index(words), 4 * b.index(words));
    a.min(b)..a.max(b)
}

fn whole(source: &impl WeightSource, tensor: &TensorInfo, part: Part) -> Vec<u8> {
    let mut bytes = vec![0xaa; tensor.part_bytes(part) as usize];
    source.read_part(tensor, part, 0, &mut bytes).unwrap();
    bytes
}

/// The bits of numbers; all that are not numbers count as one.
fn bits(values: &[f32]) -> Vec<u32> {
    let bits = |value: &f32| match value.is_nan() {
        true => f32::NAN.to_bits(),
        false => value.to_bits(),
    };
    values.iter().map(bits).collect()
}

fn dequantised(tensor: &Stored) -> Vec<f32> {
    let mut out = vec![0.0; tensor.info.elements() as usize];
    block::dequantise(tensor.info.block, &tensor.bytes, &mut out);
    out
}

fn all_shards(packing: &Packing<Gguf<Vec<u8>>>) -> Vec<Vec<u8>> {
    let read = |(index, shard): (usize, &outpost_engine::weights::shards::ShardPlan)| {
        let mut bytes = vec![0xaa; shard.bytes as usize];
        packing.read_shard(index, 0, &mut bytes).unwrap();
        bytes
    };
    packing.shards().iter().enumerate().map(read).collect()
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256Stream::new();
    hash.update(bytes);
    hash.finish()
}

fn assert_same_tensors(found: &impl WeightSource, expected: &impl WeightSource) {
    assert_eq!(found.tensors(), expected.tensors());
    for tensor in expected.tensors() {
        for &part in tensor.parts() {
            let found = whole(found, tensor, part);
            assert_eq!(
                found,
                whole(expected, tensor, part),
                "{part:?} of {tensor:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn repacked_and_dequantised_is_dequantised_bit_for_bit((tensors, file) in any_file()) {
        let gguf = Gguf::open(file).unwrap();
        prop_assert_eq!(gguf.tensors().len(), tensors.len());
        for tensor in &tensors {
            let info = gguf.require(&tensor.info.name, &tensor.info.shape).unwrap();
            prop_assert_eq!(info, &tensor.info);
            let expected = dequantised(tensor);
            prop_assert_eq!(bits(&gguf.read_f32(info).unwrap()), bits(&expected));

            let parts = Part::ALL.map(|part| whole(&gguf, info, part));
            let mut out = vec![0.0; expected.len()];
            block::dequantise_parts(info.block, parts.each_ref().map(Vec::as_slice), &mut out);
            prop_assert_eq!(bits(&out), bits(&expected));
        }
    }

    #[test]
    fn any_words_of_a_part_are_those_of_the_whole(
        (_, file) in any_file(), places in any::<(Index, Index)>(),
    ) {
        let gguf = Gguf::open(file).unwrap();
        for tensor in gguf.tensors() {
            for &part in tensor.parts() {
                let range = word_range(tensor.part_bytes(part), places);
                // Filled otherwise than in `whole`, so that a byte that nobody writes shows.
                let mut bytes = vec![0x55; range.len()];
                gguf.read_part(tensor, part, range.start as u64, &mut bytes).unwrap();
                prop_assert_eq!(&bytes, &whole(&gguf, tensor, part)[range]);
            }
        }
    }

    #[test]
    fn shards_of_any_size_hold_what_the_file_holds(
        (_, file) in any_file(), shard_bytes in 1u64..3000, places in any::<(Index, Index)>(),
    ) {
        let gguf = Gguf::open(file.clone()).unwrap();
        let packing = Packing::plan(vec![(Role::Text, gguf)], "any model", shard_bytes).unwrap();
        let shards = all_shards(&packing);
        let hashes: Vec<_> = shards.iter().map(|shard| hash(shard)).collect();
        let manifest = packing.manifest(&hashes).unwrap();
        prop_assert_eq!(&Manifest::from_json(&manifest.to_json().unwrap()).unwrap(), &manifest);

        for (shard, bytes) in manifest.files[0].shards.iter().zip(&shards) {
            verify_shard(shard, bytes.chunks(7).map(Ok)).unwrap();
        }
        for (index, shard) in shards.iter().enumerate() {
            let (a, b) = (places.0.index(shard.len()), places.1.index(shard.len()));
            let range = a.min(b)..a.max(b);
            let mut bytes = vec![0x55; range.len()];
            packing.read_shard(index, range.start as u64, &mut bytes).unwrap();
            prop_assert_eq!(&bytes, &shard[range]);
        }
        let set = ShardSet::open(&manifest, Role::Text, shards).unwrap();
        let gguf = Gguf::open(file).unwrap();
        // By their text, as a value that is not a number differs from itself.
        prop_assert_eq!(format!("{:?}", set.metadata()), format!("{:?}", gguf.metadata()));
        assert_same_tensors(&set, &gguf);
    }

    #[test]
    fn a_shard_with_another_byte_has_another_hash(
        (_, file) in any_file(), place in any::<Index>(), flip in 1u8..,
    ) {
        let gguf = Gguf::open(file).unwrap();
        let packing = Packing::plan(vec![(Role::Vision, gguf)], "m", 1 << 20).unwrap();
        let mut shards = all_shards(&packing);
        let manifest = packing.manifest(&[hash(&shards[0])]).unwrap();
        let shard = &manifest.files[0].shards[0];
        let place = place.index(shards[0].len());
        shards[0][place] ^= flip;
        let error = verify_shard(shard, [Ok(&shards[0])]).unwrap_err();
        prop_assert!(error.to_string().starts_with("this shard is damaged: `vision-00001-of-00001.bin` has"));
    }

    #[test]
    fn metadata_of_every_type_are_read_as_they_were_written(
        values in prop::collection::btree_map("[a-z.]{1,12}", any_value(), 0..30),
    ) {
        let mut writer = GgufWriter::new();
        for (key, value) in &values {
            writer = writer.value(key, value);
        }
        let gguf = Gguf::open(writer.bytes()).unwrap();
        let found: Vec<_> = gguf.metadata().iter().collect();
        let expected: Vec<_> = values.iter().map(|(key, value)| (key.as_str(), value)).collect();
        prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }

    #[test]
    fn safetensors_are_read_as_the_reference_wrote_them(
        tensors in prop::collection::vec(any_tensor(), 1..4),
    ) {
        let dense: Vec<_> = tensors.iter().enumerate().filter_map(|(index, tensor)| {
            let dtype = match tensor.info.block {
                BlockType::F32 => safetensors::Dtype::F32,
                BlockType::F16 => safetensors::Dtype::F16,
                BlockType::Bf16 => safetensors::Dtype::BF16,
                _ => return None,
            };
            let shape = tensor.info.shape.iter().map(|&size| size as usize).collect();
            let view = safetensors::tensor::TensorView::new(dtype, shape, &tensor.bytes).unwrap();
            Some((format!("{}{index}", tensor.info.name), view, tensor))
        }).collect();
        let views = dense.iter().map(|(name, view, _)| (name, view));
        let file = safetensors::serialize(views, None).unwrap();
        let opened = Safetensors::open(file).unwrap();
        prop_assert_eq!(opened.tensors().len(), dense.len());
        for (name, _, tensor) in &dense {
            let info = opened.require(name, &tensor.info.shape).unwrap();
            prop_assert_eq!(bits(&opened.read_f32(info).unwrap()), bits(&dequantised(tensor)));
        }
    }

    #[test]
    fn a_file_expanded_to_f32_has_the_same_values((tensors, file) in any_file()) {
        let expanded = Gguf::open(expand_to_f32(&Gguf::open(file).unwrap())).unwrap();
        for tensor in &tensors {
            let info = expanded.require(&tensor.info.name, &tensor.info.shape).unwrap();
            prop_assert_eq!(info.block, BlockType::F32);
            prop_assert_eq!(bits(&expanded.read_f32(info).unwrap()), bits(&dequantised(tensor)));
        }
    }

    #[test]
    fn a_split_model_reads_as_the_whole_one(tensors in prop::collection::vec(any_tensor(), 2..5)) {
        let mut whole_file = GgufWriter::new();
        let mut files = Vec::new();
        for (index, tensor) in tensors.iter().enumerate() {
            let name = format!("{}{index}", tensor.info.name);
            let add = |writer: GgufWriter| writer.tensor(&name, &tensor.info.shape, tensor.info.block, &tensor.bytes);
            whole_file = add(whole_file);
            files.push(add(split_file(index, tensors.len())).bytes());
        }
        let split = Gguf::open_split(files).unwrap();
        assert_same_tensors(&split, &Gguf::open(whole_file.bytes()).unwrap());
        prop_assert_eq!(split.metadata().u64("split.no"), Ok(0));
    }
}

fn split_file(index: usize, count: usize) -> GgufWriter {
    GgufWriter::new()
        .value("split.no", &Value::U16(index as u16))
        .value("split.count", &Value::U16(count as u16))
}

/// Bytes that differ from place to place.
fn pattern(bytes: u64) -> Vec<u8> {
    let mix = |i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..bytes).map(mix).collect()
}

#[test]
fn tensors_larger_than_any_buffer_are_repacked_without_a_seam() {
    for block in BlockType::ALL {
        let info = TensorInfo {
            name: "large".to_owned(),
            shape: vec![521, 512],
            block,
        };
        let stored = Stored {
            bytes: pattern(info.stored_bytes()),
            info,
        };
        let info = &stored.info;
        let file = GgufWriter::new().tensor(&info.name, &info.shape, block, &stored.bytes);
        let gguf = Gguf::open(file.bytes()).unwrap();
        let found = gguf.read_f32(info).unwrap();
        assert_eq!(bits(&found), bits(&dequantised(&stored)), "{block}");
        for &part in info.parts() {
            let expected = whole(&gguf, info, part);
            for step in [4, 60, 4096, 100_000] {
                let mut found = vec![0; expected.len()];
                for (index, out) in found.chunks_mut(step).enumerate() {
                    gguf.read_part(info, part, (index * step) as u64, out)
                        .unwrap();
                }
                assert!(found == expected, "{part:?} of {block} by {step}");
            }
        }
    }
}

#[test]
fn a_tensor_is_read_under_another_shape_of_as_many_elements_and_no_other() {
    let file = GgufWriter::new().tensor("t", &[2, 3, 32], BlockType::Q4_0, &pattern(6 * 18));
    let gguf = Gguf::open(file.bytes()).unwrap();
    let mut info = gguf.tensor("t").unwrap().clone();
    assert_eq!((info.elements(), info.rows(), info.cols()), (192, 6, 32));
    let expected = whole(&gguf, &info, Part::Scales);
    info.shape = vec![6, 32];
    assert_eq!(whole(&gguf, &info, Part::Scales), expected);

    info.shape = vec![7, 32];
    let error = gguf.read_f32(&info).unwrap_err();
    assert!(matches!(error, Error::TensorShape { .. }), "{error}");
    info.name = "u".to_owned();
    let error = gguf.read_f32(&info).unwrap_err();
    assert!(matches!(error, Error::MissingTensor { .. }), "{error}");
}

#[test]
fn bytes_outside_a_part_and_half_words_are_refused() {
    let file = GgufWriter::new().tensor("t", &[32], BlockType::Q8_0, &pattern(34));
    let gguf = Gguf::open(file.bytes()).unwrap();
    let info = gguf.tensor("t").unwrap();
    for (part, offset, bytes) in [
        (Part::Values, 32, 4),
        (Part::Values, 0, 36),
        (Part::Values, 2, 4),
        (Part::Values, 0, 3),
        (Part::Values, u64::MAX - 3, 4),
        (Part::Scales, 4, 4),
    ] {
        let error = gguf
            .read_part(info, part, offset, &mut vec![0; bytes])
            .unwrap_err();
        assert!(
            matches!(error, Error::Request { .. }),
            "{part:?} {offset} {bytes}: {error}"
        );
    }
}

#[test]
fn the_second_version_of_the_format_is_read_as_well() {
    let mut writer = GgufWriter::new().tensor("t", &[2], BlockType::F32, &[0; 8]);
    writer.version = 2;
    assert_eq!(Gguf::open(writer.bytes()).unwrap().version(), 2);
}

/// Counts how often it is asked.
struct Asked {
    bytes: Vec<u8>,
    times: Cell<usize>,
}

impl ByteSource for &Asked {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.times.set(self.times.get() + 1);
        self.bytes.read_exact_at(offset, buf)
    }
    fn label(&self) -> &str {
        "asked.gguf"
    }
}

#[test]
fn gemma_s_vocabulary_is_fetched_in_few_reads() {
    let pieces: Vec<String> = (0..262_144).map(|id| format!("piece {id}")).collect();
    let vocabulary = Value::Array(Array::String(pieces.clone()));
    let scores = Value::Array(Array::F32(vec![-1.0; pieces.len()]));
    let file = GgufWriter::new()
        .value("tokens", &vocabulary)
        .value("scores", &scores);
    let asked = Asked {
        bytes: file.bytes(),
        times: Cell::new(0),
    };
    let gguf = Gguf::open(&asked).unwrap();
    assert_eq!(gguf.metadata().strings("tokens").unwrap(), pieces);
    assert!(
        asked.times.get() <= asked.bytes.len() / 65_000 + 1,
        "{} reads",
        asked.times.get()
    );
}
