//! What holds for every source of tensors, whatever file is behind it.

use outpost_engine::error::Error;
use outpost_engine::weights::{Part, TensorInfo, WeightSource, block};

use crate::{Picks, check_error};

/// Tensors that are looked at, and bytes of a part that are read at once.
const MAX_TENSORS: usize = 32;
const MAX_BYTES: u64 = 1 << 18;

/// Reads the tensors of `source` in whole and in pieces, which must agree, and asks for what is not there.
pub fn check_source(source: &impl WeightSource, picks: &mut Picks) {
    for tensor in source.tensors().iter().take(MAX_TENSORS) {
        assert_eq!(source.tensor(&tensor.name), Some(tensor));
        assert!(source.require(&tensor.name, &tensor.shape).is_ok());
        let parts = Part::ALL.map(|part| check_part(source, tensor, part, picks));
        if parts.iter().all(Option::is_some) {
            check_values(source, tensor, parts.map(Option::unwrap_or_default));
        }
    }
    let absent = TensorInfo {
        name: "no such tensor \u{1b}".to_owned(),
        shape: vec![1],
        block: outpost_engine::weights::BlockType::F32,
    };
    let missing = source.read_f32(&absent);
    assert!(missing.is_err() || source.tensor(&absent.name).is_some());
}

/// Both sources have the same tensors, bit by bit.
pub fn check_same(found: &impl WeightSource, expected: &impl WeightSource) {
    assert_eq!(found.tensors(), expected.tensors());
    for tensor in expected.tensors() {
        for part in Part::ALL {
            let (a, b) = (read(found, tensor, part), read(expected, tensor, part));
            assert_eq!(a, b, "{part:?} of {tensor:?}");
        }
    }
}

fn read(source: &impl WeightSource, tensor: &TensorInfo, part: Part) -> Vec<u8> {
    let mut bytes = vec![0xaa; tensor.part_bytes(part) as usize];
    read_at(source, tensor, part, 0, &mut bytes).expect("a part is readable");
    bytes
}

fn read_at(
    source: &impl WeightSource,
    tensor: &TensorInfo,
    part: Part,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), Error> {
    let result = source.read_part(tensor, part, offset, buf);
    if let Err(error) = &result {
        check_error(error);
    }
    result
}

/// The whole part, if it is not too large.
fn check_part(
    source: &impl WeightSource,
    tensor: &TensorInfo,
    part: Part,
    picks: &mut Picks,
) -> Option<Vec<u8>> {
    let bytes = tensor.part_bytes(part);
    let mut words = [0; 8];
    for (offset, len) in [
        (bytes, 4),
        (bytes + 4, 0),
        (1, 4),
        (0, 3),
        (u64::MAX - 3, 8),
    ] {
        let beyond = read_at(source, tensor, part, offset, &mut words[..len]);
        assert!(beyond.is_err(), "{len} bytes at {offset} of {bytes}");
    }
    let whole = (bytes <= MAX_BYTES).then(|| read(source, tensor, part));
    for _ in 0..4 {
        let start = picks.below(bytes / 4 + 1) * 4;
        let len = (picks.below((bytes - start) / 4 + 1) * 4).min(MAX_BYTES);
        let mut piece = vec![0x55; len as usize];
        read_at(source, tensor, part, start, &mut piece).expect("a piece is readable");
        if let Some(whole) = &whole {
            assert_eq!(piece, whole[start as usize..][..len as usize]);
        }
    }
    whole
}

/// `read_f32` gives what its parts stand for.
fn check_values(source: &impl WeightSource, tensor: &TensorInfo, parts: [Vec<u8>; 4]) {
    let values = source.read_f32(tensor).expect("a small tensor is readable");
    let mut expected = vec![0.0; values.len()];
    let parts = parts.each_ref().map(Vec::as_slice);
    block::dequantise_parts(tensor.block, parts, &mut expected);
    assert_eq!(values.len() as u64, tensor.elements());
    let same = values.iter().zip(&expected);
    assert!(
        same.clone().all(|(a, b)| a.to_bits() == b.to_bits()),
        "{tensor:?}"
    );
}
