//! What is written is what real files hold: sizes, sound blocks, a vocabulary that reads text.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;

use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::{BlockType, Gguf, TensorInfo, WeightSource};

use crate::gguf::{self, Metadata};
use crate::keys;
use crate::mix::Mix;
use crate::shape::{SO400M, Shape, TextShape, VisionShape};
use crate::tensors::{self, Fill, Tensor};
use crate::vocabulary::Vocabulary;

const SEED: u64 = 7;

/// As deep as the rules of mixes need, and narrow.
const SMALL: TextShape = TextShape {
    hidden: 256,
    inner: 512,
    layers: 9,
    heads: 4,
    kv_heads: 2,
    head_dim: 64,
    window: 64,
    context: 512,
    rope_factor: Some(8.0),
    vocab: 1024,
    sees: true,
};

const SMALL_EYES: VisionShape = VisionShape {
    image: 112,
    patch: 14,
    hidden: 128,
    inner: 336,
    layers: 2,
    heads: 4,
};

fn full_27b() -> TextShape {
    TextShape {
        layers: 62,
        ..Shape::B27Layers4.text()
    }
}

fn bytes(tensors: &[Tensor]) -> u64 {
    tensors.iter().map(Tensor::bytes).sum()
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("outpost-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Writes one file, reads it, and removes it.
fn written(name: &str, metadata: &Metadata, tensors: &[Tensor], seed: u64) -> Vec<u8> {
    let directory = scratch(name);
    let path = directory.join("model.gguf");
    let told = gguf::write(&path, metadata, tensors, seed).unwrap();
    let file = fs::read(&path).unwrap();
    assert_eq!(told, file.len() as u64);
    fs::remove_dir_all(directory).unwrap();
    file
}

fn small_text(mix: Mix, shape: &TextShape) -> (Metadata, Vec<Tensor>) {
    let vocabulary = Vocabulary::new(shape.vocab).unwrap();
    let metadata = keys::text("small", shape, mix, &vocabulary);
    (metadata, tensors::text(shape, mix, None))
}

/// Checks that every element is finite, and each tensor as wide as it was to be.
fn check_elements(gguf: &Gguf<Vec<u8>>, expected: &[Tensor]) {
    assert_eq!(gguf.tensors().len(), expected.len());
    for (found, tensor) in gguf.tensors().iter().zip(expected) {
        let TensorInfo { name, shape, block } = found;
        assert_eq!(
            (name, shape, *block),
            (&tensor.name, &tensor.shape, tensor.block)
        );
        let values = gguf.read_f32(found).unwrap();
        assert!(values.iter().all(|x| x.is_finite()), "{name}");
        let count = values.len() as f64;
        let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let square = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / count;
        match tensor.fill {
            Fill::Weights(spread) => {
                // Scales of K types are few: one for 256 elements.
                let close = 0.02 + 6.0 / (count / block.block_elements() as f64).sqrt();
                assert!(
                    (square.sqrt() / spread - 1.0).abs() < close,
                    "{name} {block:?}: {square}"
                );
                assert!(mean.abs() < spread * close, "{name} {block:?}: {mean}");
            }
            Fill::Near(value) | Fill::Signed(value) => {
                let tenth = values
                    .iter()
                    .all(|x| (f64::from(x.abs()) / value - 1.0).abs() < 0.1001);
                assert!(tenth, "{name}");
                let signed = values.iter().any(|x| x.is_sign_negative());
                assert_eq!(signed, matches!(tensor.fill, Fill::Signed(_)), "{name}");
            }
        }
    }
}

/// Published files are 6.54 MB longer, which is their headers: unsloth/medgemma-1.5-4b-it-GGUF in Q4_K_M has 2,489,894,144
/// bytes, google/gemma-3-4b-it-qat-q4_0-gguf 3,155,051,328.
#[test]
fn every_mix_takes_as_many_bytes_as_in_real_files() {
    let plain = Mix::Plain;
    for (mix, small, large) in [
        (plain(BlockType::Bf16), 7_761_262_592, 54_021_401_600),
        (plain(BlockType::F16), 7_761_262_592, 54_021_401_600),
        (plain(BlockType::Q8_0), 4_123_860_992, 28_701_409_280),
        (plain(BlockType::Q6K), 3_184_198_912, 22_160_411_264),
        (Mix::Q5KM, 2_823_156_992, 19_265_112_704),
        (Mix::Q4KM, 2_483_352_832, 16_540_125_824),
        (Mix::Q4KS, 2_371_388_672, 15_667_493_504),
        (plain(BlockType::Q4_0), 2_356_970_752, 15_560_833_664),
    ] {
        let of = |shape: &TextShape| bytes(&tensors::text(shape, mix, None));
        assert_eq!(of(&Shape::B4.text()), small, "4B {}", mix.name());
        assert_eq!(of(&full_27b()), large, "27B {}", mix.name());
    }
}

#[test]
fn an_embedding_of_its_own_type_takes_as_many_bytes_as_in_real_files() {
    let q4_0 = Mix::Plain(BlockType::Q4_0);
    let of = |shape: &TextShape, block| bytes(&tensors::text(shape, q4_0, Some(block)));
    assert_eq!(of(&Shape::B4.text(), BlockType::Q4_0), 2_183_913_472);
    assert_eq!(of(&full_27b(), BlockType::Q4_0), 15_197_413_376);
    // Google's own files end before the image token.
    let published = |shape| TextShape {
        vocab: 262_144,
        ..shape
    };
    assert_eq!(
        of(&published(Shape::B4.text()), BlockType::F16),
        3_148_511_232
    );
    assert_eq!(of(&published(full_27b()), BlockType::F16), 17_223_068_672);
}

#[test]
fn the_image_encoder_has_the_tensors_of_a_converted_one() {
    let f16 = tensors::vision(&SO400M, 2560, BlockType::F16, false);
    let count = |block| f16.iter().filter(|tensor| tensor.block == block).count();
    assert_eq!(
        (f16.len(), count(BlockType::F32), count(BlockType::F16)),
        (439, 276, 163)
    );
    assert_eq!(bytes(&f16), 851_226_048);
    // Rows of 4304 hold no whole blocks of 32.
    for block in [BlockType::Q8_0, BlockType::Q4_0] {
        let tensors = tensors::vision(&SO400M, 2560, block, false);
        let of = |name: &str| {
            tensors
                .iter()
                .find(|tensor| tensor.name == name)
                .unwrap()
                .block
        };
        assert_eq!(of("v.blk.0.ffn_up.weight"), block);
        assert_eq!(of("v.blk.0.ffn_down.weight"), BlockType::F16);
        assert_eq!(of("mm.input_projection.weight"), BlockType::F16);
    }
}

#[test]
fn exchanged_names_leave_shapes_where_they_are() {
    let shape = |exchanged: bool, name: &str| {
        let tensors = tensors::vision(&SO400M, 2560, BlockType::F16, exchanged);
        tensors
            .into_iter()
            .find(|tensor| tensor.name == name)
            .unwrap()
            .shape
    };
    assert_eq!(shape(false, "v.blk.3.ffn_up.weight"), [4304, 1152]);
    assert_eq!(shape(true, "v.blk.3.ffn_up.weight"), [1152, 4304]);
    assert_eq!(shape(true, "v.blk.3.ffn_up.bias"), [1152]);
    assert_eq!(shape(true, "v.blk.3.ffn_down.bias"), [4304]);
}

#[test]
fn every_type_gives_finite_weights_of_the_wanted_spread() {
    let mixes = BlockType::ALL.map(Mix::Plain);
    for mix in mixes.into_iter().chain([Mix::Q4KM, Mix::Q4KS, Mix::Q5KM]) {
        let (metadata, tensors) = small_text(mix, &SMALL);
        let file = written(&format!("spread-{}", mix.name()), &metadata, &tensors, SEED);
        check_elements(&Gguf::open(file).unwrap(), &tensors);
    }
    for block in [
        BlockType::F16,
        BlockType::Bf16,
        BlockType::F32,
        BlockType::Q8_0,
        BlockType::Q4_0,
    ] {
        let metadata = keys::vision("small", &SMALL_EYES, 256, Mix::Plain(block));
        let tensors = tensors::vision(&SMALL_EYES, 256, block, false);
        let file = written(&format!("eyes-{}", block.name()), &metadata, &tensors, SEED);
        check_elements(&Gguf::open(file).unwrap(), &tensors);
    }
}

#[test]
fn a_tensor_of_many_pieces_ends_where_the_next_one_is_expected() {
    let shape = TextShape {
        layers: 1,
        vocab: 50_001,
        ..SMALL
    };
    let (metadata, tensors) = small_text(Mix::Plain(BlockType::Q4_0), &shape);
    assert!(tensors[0].bytes() > 8 << 20);
    let file = written("pieces", &metadata, &tensors, SEED);
    check_elements(&Gguf::open(file).unwrap(), &tensors);
}

#[test]
fn rows_that_hold_no_whole_blocks_get_smaller_ones() {
    // Gemma 3 1B: rows of 1152 are 4.5 blocks of 256.
    let shape = Shape::B1.text();
    let of = |mix: Mix, name: &str| {
        let tensors = tensors::text(&shape, mix, None);
        tensors
            .into_iter()
            .find(|tensor| tensor.name == name)
            .unwrap()
            .block
    };
    assert_eq!(of(Mix::Q4KM, "token_embd.weight"), BlockType::Q8_0);
    assert_eq!(of(Mix::Q4KM, "blk.0.attn_q.weight"), BlockType::Q5_0);
    assert_eq!(of(Mix::Q5KM, "blk.0.attn_q.weight"), BlockType::Q5_1);
    assert_eq!(of(Mix::Q4KM, "blk.0.attn_v.weight"), BlockType::Q8_0);
    assert_eq!(of(Mix::Q4KM, "blk.0.ffn_down.weight"), BlockType::Q6K);
    assert_eq!(
        of(Mix::Plain(BlockType::Q3K), "blk.0.attn_q.weight"),
        BlockType::Q4_0
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let (metadata, tensors) = small_text(Mix::Q4KM, &SMALL);
    let one = written("seed-a", &metadata, &tensors, 1);
    assert_eq!(one, written("seed-b", &metadata, &tensors, 1));
    assert_ne!(one, written("seed-c", &metadata, &tensors, 2));
}

#[test]
fn a_split_model_holds_the_same_tensors() {
    let (metadata, tensors) = small_text(Mix::Plain(BlockType::Q4_0), &SMALL);
    let whole = Gguf::open(written("whole", &metadata, &tensors, SEED)).unwrap();
    let directory = scratch("split");
    let path = directory.join("model.gguf");
    let files = gguf::write_split(&path, &metadata, &tensors, SEED, 3).unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|(path, _)| path.file_name().unwrap())
        .collect();
    let expected = [
        "model-00001-of-00003.gguf",
        "model-00002-of-00003.gguf",
        "model-00003-of-00003.gguf",
    ];
    assert_eq!(names, expected);
    let parts = files
        .iter()
        .map(|(path, _)| fs::read(path).unwrap())
        .collect();
    fs::remove_dir_all(directory).unwrap();
    let split = Gguf::open_split(parts).unwrap();
    assert_eq!(split.tensors(), whole.tensors());
    for tensor in whole.tensors() {
        assert_eq!(
            split.read_f32(tensor).unwrap(),
            whole.read_f32(tensor).unwrap(),
            "{}",
            tensor.name
        );
    }
}

#[test]
fn marks_have_the_ids_of_gemma_3() {
    for (size, soft_token) in [(262_144, None), (262_208, Some(262_144))] {
        let vocabulary = Vocabulary::new(size).unwrap();
        assert_eq!(vocabulary.pieces.len() as u64, size);
        let id = |piece: &str| vocabulary.pieces.iter().position(|known| known == piece);
        for (piece, expected) in [
            ("<pad>", 0),
            ("<unk>", 3),
            ("[multimodal]", 5),
            ("<unused0>", 6),
            ("<unused94>", 100),
            ("<unused98>", 104),
            ("<start_of_turn>", 105),
            ("<end_of_turn>", 106),
            ("\n", 107),
            ("<start_of_image>", 255_999),
            ("<end_of_image>", 256_000),
            ("<unused99>", 256_001),
            ("<unused6241>", 262_143),
        ] {
            assert_eq!(id(piece), Some(expected), "{piece:?}");
        }
        assert_eq!(id("<image_soft_token>"), soft_token);
        assert_eq!(id("[PAD262207]"), (size == 262_208).then_some(262_207));
    }
}

fn tokenizer(size: u64) -> Tokenizer {
    let shape = TextShape {
        vocab: size,
        ..SMALL
    };
    let (metadata, _) = small_text(Mix::Plain(BlockType::Q4_0), &shape);
    let file = written(&format!("vocabulary-{size}"), &metadata, &[], SEED);
    Tokenizer::from_metadata(Gguf::open(file).unwrap().metadata()).unwrap()
}

#[test]
fn every_piece_is_unique_and_every_ascii_text_becomes_pieces_and_comes_back() {
    let printable: String = (' '..='~').chain(['\t', '\n']).collect();
    for size in [1024, 262_208] {
        let vocabulary = Vocabulary::new(size).unwrap();
        let unique: std::collections::HashSet<_> = vocabulary.pieces.iter().collect();
        assert_eq!(unique.len(), vocabulary.pieces.len());
        let tokenizer = tokenizer(size);
        for text in [
            printable.as_str(),
            "Describe this X-ray.",
            "  5 mg/kg,\n\n\tq.i.d.",
        ] {
            let ids = tokenizer.encode(text).unwrap();
            let bytes = |id: &&u32| vocabulary.pieces[**id as usize].starts_with("<0x");
            assert_eq!(ids.iter().find(bytes), None, "{text:?}");
            assert_eq!(tokenizer.decode(&ids), text);
        }
    }
}

#[test]
fn merging_leads_to_every_text_piece() {
    let vocabulary = Vocabulary::new(262_208).unwrap();
    let tokenizer = tokenizer(262_208);
    // Every 97th, so that each kind of piece is among them.
    for id in (0..262_208)
        .filter(|id| vocabulary.kinds[*id] == 1)
        .step_by(97)
    {
        let text = vocabulary.pieces[id].replace('\u{2581}', " ");
        assert_eq!(tokenizer.encode(&text).unwrap(), [id as u32], "{text:?}");
    }
}
