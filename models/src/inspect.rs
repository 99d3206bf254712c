//! `outpost inspect`: what model files hold.

use std::collections::BTreeMap;
use std::path::Path;

use outpost_engine::model::{TextConfig, VisionConfig};
use outpost_engine::ports::{ByteSource, Progress};
use outpost_engine::weights::shards::{Manifest, verify_shard};
use outpost_engine::weights::{Array, Metadata, TensorInfo, Value as Entry, WeightSource};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::args::InspectArgs;
use crate::error::{Error, Result};
use crate::output::{self, Percent};
use crate::source::{FileSource, Model, is_hugging_face, open_gguf, read_manifest, shard_paths};

/// Bytes that are hashed at once.
const HASH_BYTES: u64 = 1 << 20;

/// Arrays up to this length are shown whole.
const SHORT_ARRAY: usize = 8;

/// One model file, or one part of a shard set.
#[derive(Debug, Serialize)]
struct Report {
    path: String,
    format: &'static str,
    name: Option<String>,
    architecture: Option<String>,
    /// Null where the architecture is not one that the engine computes.
    config: Value,
    parameters: u64,
    tensor_bytes: u64,
    bytes_by_type: BTreeMap<&'static str, Share>,
    metadata: Map<String, Value>,
    tensors: Vec<Tensor>,
}

/// The tensors of one type.
#[derive(Debug, Default, Serialize)]
struct Share {
    tensors: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Tensor {
    name: String,
    r#type: &'static str,
    /// Rows first.
    shape: Vec<u64>,
    bytes: u64,
}

/// Prints a report of each file.
pub fn run(args: &InspectArgs) -> Result<()> {
    let mut reports = Vec::new();
    for path in &args.files {
        if path.is_dir() {
            let format = if is_hugging_face(path) {
                "Hugging Face"
            } else {
                check_hashes(path, &read_manifest(path)?)?;
                "shard set"
            };
            let model = Model::open(path, None)?;
            reports.push(report(path, format, model.text.as_ref())?);
            if let Some(vision) = &model.vision {
                reports.push(report(path, format, vision.as_ref())?);
            }
        } else {
            reports.push(report(path, "GGUF", &open_gguf(path)?)?);
        }
    }
    if args.json {
        return output::json(&json!({ "files": reports }));
    }
    reports.iter().try_for_each(print)
}

fn report(path: &Path, format: &'static str, source: &dyn WeightSource) -> Result<Report> {
    let metadata = source.metadata();
    let tensors: Vec<_> = source.tensors().iter().map(tensor).collect();
    let mut bytes_by_type: BTreeMap<_, Share> = BTreeMap::new();
    for tensor in &tensors {
        let share = bytes_by_type.entry(tensor.r#type).or_default();
        share.tensors += 1;
        share.bytes += tensor.bytes;
    }
    let text = |key| metadata.opt_str(key).map_err(Error::of(path));
    let architecture = text("general.architecture")?;
    Ok(Report {
        path: path.display().to_string(),
        format,
        name: text("general.name")?.map(str::to_owned),
        architecture: architecture.map(str::to_owned),
        config: config(architecture, source).map_err(Error::of(path))?,
        parameters: source.tensors().iter().map(TensorInfo::elements).sum(),
        tensor_bytes: tensors.iter().map(|tensor| tensor.bytes).sum(),
        bytes_by_type,
        metadata: entries(metadata),
        tensors,
    })
}

fn tensor(info: &TensorInfo) -> Tensor {
    Tensor {
        name: info.name.clone(),
        r#type: info.block.name(),
        shape: info.shape.clone(),
        bytes: info.stored_bytes(),
    }
}

/// The numbers that the engine would compute with.
fn config(
    architecture: Option<&str>,
    source: &dyn WeightSource,
) -> outpost_engine::error::Result<Value> {
    let vocabulary = source.tensor("token_embd.weight").map(TensorInfo::rows);
    Ok(match (architecture, vocabulary) {
        (Some("gemma3"), Some(vocabulary)) => {
            let config = TextConfig::from_metadata(source.metadata(), vocabulary)?;
            json!({
                "hidden_size": config.hidden_size,
                "intermediate_size": config.intermediate_size,
                "layers": config.layers,
                "heads": config.heads,
                "kv_heads": config.kv_heads,
                "head_dim": config.head_dim,
                "vocab_size": config.vocab_size,
                "sliding_window": config.sliding_window,
                "sliding_pattern": config.sliding_pattern,
                "rope_base_full": config.rope_base_full,
                "rope_base_sliding": config.rope_base_sliding,
                "rope_factor": config.rope_factor,
                "norm_epsilon": config.norm_epsilon,
                "query_scale": config.query_scale,
                "max_positions": config.max_positions,
            })
        }
        (Some("clip"), _) => {
            let config = VisionConfig::from_metadata(source.metadata())?;
            json!({
                "image_size": config.image_size,
                "patch_size": config.patch_size,
                "hidden_size": config.hidden_size,
                "intermediate_size": config.intermediate_size,
                "layers": config.layers,
                "heads": config.heads,
                "norm_epsilon": config.norm_epsilon,
                "pool": config.pool,
                "image_tokens": config.image_tokens(),
                "text_hidden_size": config.text_hidden_size,
                "mean": config.mean,
                "std": config.std,
            })
        }
        _ => Value::Null,
    })
}

/// Metadata as JSON; of an array, such as a vocabulary, only what it holds and how much.
fn entries(metadata: &Metadata) -> Map<String, Value> {
    let entries = metadata
        .iter()
        .map(|(key, entry)| (key.to_owned(), summary(entry)));
    entries.collect()
}

fn summary(entry: &Entry) -> Value {
    let Entry::Array(array) = entry else {
        return serde_json::to_value(entry).unwrap_or_default();
    };
    let (of, count) = match array {
        Array::U8(items) => ("u8", items.len()),
        Array::I8(items) => ("i8", items.len()),
        Array::U16(items) => ("u16", items.len()),
        Array::I16(items) => ("i16", items.len()),
        Array::U32(items) => ("u32", items.len()),
        Array::I32(items) => ("i32", items.len()),
        Array::F32(items) => ("f32", items.len()),
        Array::Bool(items) => ("bool", items.len()),
        Array::String(items) => ("string", items.len()),
        Array::U64(items) => ("u64", items.len()),
        Array::I64(items) => ("i64", items.len()),
        Array::F64(items) => ("f64", items.len()),
    };
    match count <= SHORT_ARRAY {
        true => serde_json::to_value(array).unwrap_or_default(),
        false => json!({ "array_of": of, "count": count }),
    }
}

/// Checks each shard against the manifest.
fn check_hashes(directory: &Path, manifest: &Manifest) -> Result<()> {
    let mut progress = Percent::of("checking");
    let mut done = 0;
    for file in &manifest.files {
        let paths = shard_paths(directory, manifest, file.role);
        for (path, shard) in paths.iter().zip(&file.shards) {
            let source = FileSource::open(path)?;
            let starts = (0..source.len()).step_by(HASH_BYTES as usize);
            let pieces = starts.map(|start| {
                let bytes = HASH_BYTES.min(source.len() - start);
                let mut piece = vec![0; bytes as usize];
                source.read_exact_at(start, &mut piece)?;
                done += bytes;
                progress.report(done, manifest.bytes());
                Ok(piece)
            });
            verify_shard(shard, pieces).map_err(Error::of(path))?;
        }
    }
    Ok(())
}

fn print(report: &Report) -> Result<()> {
    output::line(&format!("{} ({})", report.path, report.format))?;
    output::line(&format!(
        "  name          {}",
        report.name.as_deref().unwrap_or("-")
    ))?;
    output::line(&format!(
        "  architecture  {}",
        report.architecture.as_deref().unwrap_or("-")
    ))?;
    output::line(&format!("  parameters    {}", report.parameters))?;
    output::line(&format!(
        "  tensor bytes  {}",
        output::bytes(report.tensor_bytes)
    ))?;
    for (name, share) in &report.bytes_by_type {
        let bytes = output::bytes(share.bytes);
        output::line(&format!(
            "  {name:<12}  {bytes} in {} tensors",
            share.tensors
        ))?;
    }
    if let Value::Object(config) = &report.config {
        output::line("  configuration")?;
        for (key, value) in config {
            output::line(&format!("    {key:<20} {value}"))?;
        }
    }
    output::line("  metadata")?;
    for (key, value) in &report.metadata {
        // Chat templates are long.
        let text: String = value.to_string().chars().take(100).collect();
        output::line(&format!("    {key}: {text}"))?;
    }
    output::line("  tensors")?;
    for tensor in &report.tensors {
        let shape = format!("{:?}", tensor.shape);
        let Tensor {
            name,
            r#type,
            bytes,
            ..
        } = tensor;
        output::line(&format!("    {name:<36} {:<5} {shape:<20} {bytes}", r#type))?;
    }
    Ok(())
}
