//! Writes `seeds/` anew, from the golden files and by hand: `cargo run --example make-seeds`.
//!
//! Small files that are sound, one for each way through a parser. Everything else is the fuzzer's to find.

mod backups;
mod dicom;
mod pictures;
mod tables;
mod texts;

// Beside the targets, so that both see the same engine.
#[path = "../../../../engine/tests/support/gguf_writer.rs"]
mod gguf_writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gguf_writer::GgufWriter;
use outpost_engine::weights::shards::{Packing, Role, Sha256Stream};
use outpost_engine::weights::{Array, BlockType, Gguf, Value, WeightSource};

/// Files of one target by name.
type Seeds = BTreeMap<String, Vec<u8>>;

fn main() -> std::io::Result<()> {
    let ggufs = ggufs()?;
    let manifests = ggufs.iter().filter(|(_, bytes)| bytes.len() < 4_000);
    let all = [
        ("manifest", manifests.map(manifest).collect()),
        ("pack", ggufs.clone()),
        ("gguf", ggufs),
        ("safetensors", texts::safetensors()),
        ("tokenizer_json", texts::tokenizer_json()),
        (
            "chat",
            texts::conversations(&golden("chat/conversations.json")?),
        ),
        ("huggingface", texts::folders()),
        ("dicom", dicom::all()),
        ("backup", backups::all()),
        ("terminology", tables::all()),
        ("image", pictures::all(&golden_folder("decode"))?),
    ];
    for (target, seeds) in all {
        write(target, &seeds)?;
    }
    Ok(())
}

fn golden_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../golden")
        .join(name)
}

fn golden(name: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(golden_folder(name))
}

fn write(target: &str, seeds: &Seeds) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    for (name, bytes) in seeds {
        std::fs::write(folder.join(name), bytes)?;
    }
    let bytes: usize = seeds.values().map(Vec::len).sum();
    println!("{target}: {} files, {bytes} bytes", seeds.len());
    Ok(())
}

/// One file for each type of tensor, one with every type of value, and the metadata of the random models.
fn ggufs() -> std::io::Result<Seeds> {
    let mut seeds = Seeds::new();
    for block in BlockType::ALL {
        let cols = block.block_elements() as u64;
        let bytes = |blocks: usize| -> Vec<u8> {
            let byte = |at: usize| (at * 37 + 11) as u8;
            (0..blocks * block.block_bytes()).map(byte).collect()
        };
        let writer = GgufWriter::new()
            .value("general.architecture", &Value::String("gemma3".into()))
            .tensor("a.weight", &[2, cols], block, &bytes(2))
            .tensor("b", &[3 * cols], block, &bytes(3));
        seeds.insert(
            format!("{}.gguf", block.name().to_lowercase()),
            writer.bytes(),
        );
    }
    seeds.insert("values.gguf".to_owned(), values());
    seeds.insert("tokenizer.gguf".to_owned(), tokenizer());
    for (name, file) in [
        ("text.gguf", "random/model-q4_0.gguf"),
        ("vision.gguf", "random/mmproj-q8_0.gguf"),
    ] {
        let gguf = Gguf::open(golden(file)?).expect("a golden file opens");
        seeds.insert(name.to_owned(), without_tensors(&gguf));
    }
    Ok(seeds)
}

fn values() -> Vec<u8> {
    let arrays = [
        Array::U8(vec![1, 2]),
        Array::I8(vec![-1]),
        Array::U16(vec![3]),
        Array::I16(vec![-3]),
        Array::U32(vec![4, 5]),
        Array::I32(vec![-4]),
        Array::F32(vec![0.5]),
        Array::Bool(vec![true, false]),
        Array::String(vec!["a".into(), String::new()]),
        Array::U64(vec![6]),
        Array::I64(vec![-6]),
        Array::F64(vec![0.25]),
    ];
    let single = [
        Value::U8(1),
        Value::I8(-1),
        Value::U16(2),
        Value::I16(-2),
        Value::U32(3),
        Value::I32(-3),
        Value::F32(1.5),
        Value::Bool(true),
        Value::String("text".into()),
        Value::U64(4),
        Value::I64(-4),
        Value::F64(2.5),
    ];
    let mut writer = GgufWriter::new().alignment(64);
    let all = single.into_iter().chain(arrays.map(Value::Array));
    for (index, value) in all.enumerate() {
        writer = writer.value(&format!("key.{index}"), &value);
    }
    writer
        .tensor("t", &[1, 1, 1, 5], BlockType::F32, &[9; 20])
        .bytes()
}

/// The least vocabulary that chats: bytes, marks, a few letters.
fn tokenizer() -> Vec<u8> {
    let mut tokens = vec![];
    for piece in [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<start_of_turn>",
        "<end_of_turn>",
    ] {
        tokens.push((piece.to_owned(), 0.0, 3));
    }
    tokens.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), 0.0, 6)));
    for (score, piece) in ["\n", "\n\n", "\u{2581}", "a", "b", "ab", "\u{2581}ab"]
        .iter()
        .enumerate()
    {
        let kind = if piece.starts_with('\n') { 4 } else { 1 };
        tokens.push(((*piece).to_owned(), -(score as f32), kind));
    }
    let column = Value::Array;
    GgufWriter::new()
        .value("tokenizer.ggml.model", &Value::String("llama".into()))
        .value("tokenizer.ggml.bos_token_id", &Value::U32(2))
        .value("tokenizer.ggml.eos_token_id", &Value::U32(1))
        .value(
            "tokenizer.ggml.tokens",
            &column(Array::String(tokens.iter().map(|t| t.0.clone()).collect())),
        )
        .value(
            "tokenizer.ggml.scores",
            &column(Array::F32(tokens.iter().map(|t| t.1).collect())),
        )
        .value(
            "tokenizer.ggml.token_type",
            &column(Array::I32(tokens.iter().map(|t| t.2).collect())),
        )
        .bytes()
}

/// The metadata of `gguf` but for its vocabulary, and one small tensor.
fn without_tensors(gguf: &Gguf<Vec<u8>>) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    for (key, value) in gguf.metadata().iter() {
        if !key.starts_with("tokenizer.") {
            writer = writer.value(key, value);
        }
    }
    writer.tensor("t", &[2], BlockType::F32, &[0; 8]).bytes()
}

/// The manifest of a packed file, a zero byte, and its shards.
fn manifest((name, gguf): (&String, &Vec<u8>)) -> (String, Vec<u8>) {
    let gguf = Gguf::open(gguf.clone()).expect("a seed opens");
    let role = Role::of(gguf.metadata());
    let packing = Packing::plan(vec![(role, gguf)], "Seed", 700).expect("a seed packs");
    let mut content = Vec::new();
    let mut hashes = Vec::new();
    for (index, plan) in packing.shards().iter().enumerate() {
        let mut shard = vec![0; plan.bytes as usize];
        packing
            .read_shard(index, 0, &mut shard)
            .expect("a shard is readable");
        let mut hash = Sha256Stream::new();
        hash.update(&shard);
        hashes.push(hash.finish());
        content.extend(shard);
    }
    let manifest = packing.manifest(&hashes).expect("a manifest");
    let mut seed = manifest.to_json().expect("JSON");
    seed.push(0);
    seed.extend(content);
    (name.replace(".gguf", ".manifest"), seed)
}
