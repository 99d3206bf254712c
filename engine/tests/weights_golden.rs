//! Stored blocks against the values that the format's reference gives them: `tests/golden/dequant`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use outpost_engine::weights::{BlockType, block};
use safetensors::SafeTensors;

fn golden(file: &str) -> PathBuf {
    Path::new("../tests/golden/dequant").join(file)
}

#[test]
fn blocks_have_the_reference_s_values_bit_for_bit() {
    let case = fs::read_to_string(golden("case.toml")).unwrap();
    let exact = case
        .lines()
        .find(|line| line.starts_with("bit_exact"))
        .unwrap();
    let file = fs::read(golden("blocks.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let stored_in_bits = BlockType::ALL.into_iter().filter(|b| *b != BlockType::F32);
    for block in stored_in_bits {
        assert!(
            exact.contains(&format!("\"{block}\"")),
            "{block} has a tolerance"
        );
        let stored = tensors.tensor(&format!("{block}.blocks")).unwrap();
        let values = tensors.tensor(&format!("{block}.values")).unwrap();
        let expected = values.data().as_chunks::<4>().0.iter();
        let expected: Vec<u32> = expected.map(|&bits| u32::from_le_bytes(bits)).collect();
        assert_eq!(
            stored.shape(),
            [expected.len() / block.block_elements(), block.block_bytes()]
        );

        let mut found = vec![0.0; expected.len()];
        block::dequantise(block, stored.data(), &mut found);
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(found.to_bits(), expected, "{block}, element {i}: {found}");
        }
    }
}
