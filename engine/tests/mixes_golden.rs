//! Every quantisation mix that llama.cpp writes against `transformers`, on the same values: `tests/golden/mixes`.
//!
//! `cargo test --test mixes_golden -- --nocapture` prints a table: for each file how far the logits are off, at how many
//! positions the best token is the reference's, and whether the greedy continuation is.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/gguf_writer.rs"]
mod gguf_writer;
#[path = "support/golden.rs"]
mod golden;

use std::path::PathBuf;

use gguf_writer::GgufWriter;
use golden::{Tensors, bytes, case, greedy};
use half::f16;
use outpost_engine::error::Error;
use outpost_engine::kernels::ComputeDevice;
use outpost_engine::kernels::DeviceChoice::{self, Cpu, Gpu};
use outpost_engine::session::Engine;
use outpost_engine::weights::{BlockType, Gguf, WeightSource};

/// One way in which a model is stored.
struct Expectation {
    /// The mix.
    name: String,
    /// The model's files, in order.
    files: Vec<Vec<u8>>,
    /// What the reference gives.
    expected: PathBuf,
    /// The types that it holds.
    matrices: String,
}

/// What the engine did with one of them on one device.
struct Found {
    /// Greatest difference of a logit, as part of the greatest magnitude of a logit.
    error: f32,
    /// Positions with the reference's best token, in percent.
    top1: f32,
    /// Whether the greedy continuation is the reference's.
    same_tokens: bool,
}

fn case_text() -> String {
    String::from_utf8(bytes(&case("mixes").join("case.toml"))).unwrap()
}

/// What stands after `key` in lines of case.toml.
fn value<'t>(lines: &'t str, key: &str) -> &'t str {
    let mut found = lines.lines().filter_map(|line| line.split_once(" = "));
    let (_, value) = found.find(|(name, _)| *name == key).unwrap();
    value.trim_matches('"')
}

fn number(key: &str) -> f32 {
    value(&case_text(), key).parse().unwrap()
}

fn expectations() -> Vec<Expectation> {
    let text = case_text();
    let path = |file: &str| case("mixes").join(file.trim_matches('"'));
    let read = |table: &str| {
        let files = value(table, "files").trim_matches(['[', ']']);
        Expectation {
            name: value(table, "name").to_owned(),
            files: files.split(", ").map(|file| bytes(&path(file))).collect(),
            expected: path(value(table, "expected")),
            matrices: value(table, "matrices").to_owned(),
        }
    };
    let mut all: Vec<_> = text.split("[[expect]]\n").skip(1).map(read).collect();
    // As case.toml says, what is expected of BF16 holds for the same values in these types.
    let base = all.iter().find(|one| one.name == "BF16").unwrap();
    let dense = [BlockType::F32, BlockType::F16].map(|block| Expectation {
        name: block.to_string(),
        files: vec![stored_as(block, &base.files[0])],
        expected: base.expected.clone(),
        matrices: format!("{block}: all"),
    });
    all.splice(0..0, dense);
    all
}

/// The same model with every matrix in F32 or F16.
fn stored_as(block: BlockType, file: &[u8]) -> Vec<u8> {
    let gguf = Gguf::open(file.to_vec()).unwrap();
    let mut writer = GgufWriter::new();
    for (key, value) in gguf.metadata().iter() {
        writer = writer.value(key, value);
    }
    for tensor in gguf.tensors() {
        let values = gguf.read_f32(tensor).unwrap();
        let values = values.iter();
        writer = if block == BlockType::F16 && tensor.shape.len() > 1 {
            let halves: Vec<u8> = values
                .flat_map(|x| f16::from_f32(*x).to_le_bytes())
                .collect();
            writer.tensor(&tensor.name, &tensor.shape, BlockType::F16, &halves)
        } else {
            let singles: Vec<u8> = values.flat_map(|x| x.to_le_bytes()).collect();
            writer.tensor(&tensor.name, &tensor.shape, BlockType::F32, &singles)
        };
    }
    writer.bytes()
}

fn load(files: &[Vec<u8>], device: DeviceChoice) -> Result<Engine, Error> {
    let text = Gguf::open_split(files.to_vec())?;
    pollster::block_on(Engine::load(&text, None, device, &mut ()))
}

fn measure(expectation: &Expectation, device: DeviceChoice) -> Found {
    let mut engine = load(&expectation.files, device).unwrap();
    let expected = Tensors::open(&expectation.expected);
    let tokens = expected.ids("tokens");
    let logits = pollster::block_on(engine.logits(&tokens, &[])).unwrap();
    let rows: Vec<&[f32]> = logits.chunks_exact(logits.len() / tokens.len()).collect();
    assert_eq!(rows.len(), tokens.len());

    let positions = expected.ids("positions");
    let wanted = expected.f32("logits");
    let kept = positions.iter().flat_map(|&at| rows[at as usize]).copied();
    let kept: Vec<f32> = kept.collect();
    assert_eq!(kept.len(), wanted.len());
    let best = expected.ids("best");
    let of_best = rows.iter().zip(&best).map(|(row, &id)| row[id as usize]);
    let best_logits = expected.f32("best_logits");
    let pairs = kept.into_iter().zip(wanted);
    let off = pairs
        .chain(of_best.zip(best_logits))
        .map(|(found, wanted)| (found - wanted).abs())
        .fold(0.0, worse);

    let agreeing = rows
        .iter()
        .zip(&best)
        .filter(|(row, id)| argmax(row) == **id);
    let wanted = expected.ids("greedy");
    Found {
        error: off / expected.f32("scale")[0],
        top1: 100.0 * agreeing.count() as f32 / tokens.len() as f32,
        same_tokens: greedy(&mut engine, &tokens, &[], wanted.len()) == wanted,
    }
}

/// The greater one; what is no number is worse than any.
fn worse(a: f32, b: f32) -> f32 {
    if b.is_nan() { f32::INFINITY } else { a.max(b) }
}

fn argmax(row: &[f32]) -> u32 {
    let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.unwrap().0 as u32
}

#[test]
fn every_mix_gives_the_logits_and_tokens_of_its_dequantised_values() {
    let mut devices = vec![("CPU", Cpu)];
    match pollster::block_on(ComputeDevice::open(Gpu)) {
        Ok(_) => devices.insert(0, ("GPU", Gpu)),
        Err(error) => println!("no GPU: {error}"),
    }
    let (tolerance, top1) = (number("logits_relative"), number("top1_percent"));
    let (mut table, mut wrong) = (Vec::new(), Vec::new());
    for expectation in expectations() {
        let mut row = format!("| {} | {} |", expectation.name, expectation.matrices);
        for &(label, device) in &devices {
            let found = measure(&expectation, device);
            let tokens = if found.same_tokens { "same" } else { "differ" };
            let cells = format!(" {:.1e} | {:.0} % | {tokens} |", found.error, found.top1);
            if found.error > tolerance || found.top1 < top1 || !found.same_tokens {
                wrong.push(format!("{} on the {label}:{cells}", expectation.name));
            }
            row += &cells;
        }
        table.push(row);
    }

    let columns = devices.iter().map(|(label, _)| {
        format!(" {label}: greatest error of a logit | {label}: top-1 | {label}: greedy tokens |")
    });
    println!("| mix | matrices |{}", columns.collect::<String>());
    println!(
        "| --- | --- |{}",
        " --- | --- | --- |".repeat(devices.len())
    );
    println!("{}", table.join("\n"));
    println!(
        "Errors as part of the greatest magnitude of a logit; at most {tolerance} is allowed."
    );
    assert!(!table.is_empty());
    assert!(wrong.is_empty(), "out of bounds:\n{}", wrong.join("\n"));
}

#[test]
fn one_file_of_a_model_in_several_is_refused() {
    let expectations = expectations();
    let split = expectations.iter().find(|one| one.files.len() > 1).unwrap();
    assert!(Gguf::open_split(split.files.clone()).is_ok());
    assert!(Gguf::open_split(split.files[..1].to_vec()).is_err());
    let backwards: Vec<_> = split.files.iter().rev().cloned().collect();
    assert!(Gguf::open_split(backwards).is_err());
}

#[test]
fn a_tokenizer_of_another_kind_is_refused_by_name() {
    let file = case("mixes").join(value(&case_text(), "refused"));
    let error = load(&[bytes(&file)], Cpu).unwrap_err();
    assert!(
        matches!(&error, Error::Unsupported { what, .. } if what.contains("gpt2")),
        "{error}"
    );
}
