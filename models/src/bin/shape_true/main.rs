//! `shape-true`: GGUF files with the keys, tensors, types and sizes of real models and random weights.
//!
//! They answer with nonsense, and everything else about them is real: how long they take to import and load, what they need
//! of memory, how fast they are. The same seed gives the same bytes.

mod blocks;
mod gguf;
mod keys;
mod mix;
mod shape;
mod tensors;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use outpost_engine::weights::BlockType;
use thiserror::Error;

use crate::mix::{Mix, block_type};
use crate::shape::{SO400M, Shape};
use crate::vocabulary::Vocabulary;

/// Write GGUF files in the shape of Gemma 3 and MedGemma, with random weights.
#[derive(Debug, Parser)]
#[command(name = "shape-true", version, about, max_term_width = 100)]
struct Arguments {
    /// Which model
    #[arg(long, value_enum)]
    shape: Shape,

    /// Types of the matrices: q4_k_m, q4_k_s, q5_k_m, or one type such as q4_0 or bf16
    #[arg(long, value_name = "MIX", default_value = "q4_0")]
    types: Mix,

    /// Type of the embedding, where the mix is not to decide it
    #[arg(long, value_name = "TYPE", value_parser = block_type)]
    embedding: Option<BlockType>,

    /// Rows of the embedding, in place of the model's own
    #[arg(long, value_name = "N")]
    vocab: Option<u64>,

    /// Write the text model in N files
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    split: Option<u16>,

    /// Another seed gives other weights
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The text model's file
    #[arg(long, value_name = "FILE.gguf")]
    out: PathBuf,

    /// Write the image encoder to this file
    #[arg(long, value_name = "FILE.gguf")]
    mmproj: Option<PathBuf>,

    /// Type of the image encoder's matrices: f16, bf16, f32, q8_0 or q4_0
    #[arg(long, value_name = "TYPE", default_value = "f16", requires = "mmproj", value_parser = vision_type)]
    mmproj_type: BlockType,

    /// Give the feed-forward matrices each other's names, as older converters did
    #[arg(long, requires = "mmproj")]
    swap_ffn: bool,
}

/// Why no file was written.
#[derive(Debug, Error)]
enum Problem {
    /// The arguments contradict each other.
    #[error("{0}")]
    Arguments(String),

    /// A file could not be written.
    #[error("{path}: cannot be written ({detail}); check the directory and the free space")]
    File {
        /// Its path.
        path: String,
        /// What is wrong.
        detail: String,
    },
}

impl Problem {
    fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            detail: error.to_string(),
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(written) => {
            for (path, bytes) in written {
                println!("{}: {bytes} bytes", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Writes what is asked -> paths and bytes.
fn run(arguments: &Arguments) -> Result<Vec<(PathBuf, u64)>, Problem> {
    let Arguments {
        types: mix,
        seed,
        out,
        ..
    } = arguments;
    let mut shape = arguments.shape.text();
    shape.vocab = arguments.vocab.unwrap_or(shape.vocab);
    if let Some(block) = arguments.embedding
        && !shape.hidden.is_multiple_of(block.block_elements() as u64)
    {
        return Err(Problem::Arguments(format!(
            "rows of {} hold no whole blocks of {}; choose another type for the embedding",
            shape.hidden,
            block.name()
        )));
    }
    if arguments.mmproj.is_some() && !shape.sees {
        let what = format!("{} has no image encoder", arguments.shape.name());
        return Err(Problem::Arguments(format!("{what}; leave --mmproj out")));
    }
    let name = format!("Shape-true {} {}", arguments.shape.name(), mix.name());
    let vocabulary = Vocabulary::new(shape.vocab)?;
    let metadata = keys::text(&name, &shape, *mix, &vocabulary);
    let tensors = tensors::text(&shape, *mix, arguments.embedding);
    let mut written = match arguments.split {
        Some(count) => gguf::write_split(out, &metadata, &tensors, *seed, count)?,
        None => vec![(out.clone(), gguf::write(out, &metadata, &tensors, *seed)?)],
    };
    if let Some(path) = &arguments.mmproj {
        let block = arguments.mmproj_type;
        let metadata = keys::vision(&name, &SO400M, shape.hidden, Mix::Plain(block));
        let tensors = tensors::vision(&SO400M, shape.hidden, block, arguments.swap_ffn);
        let bytes = gguf::write(path, &metadata, &tensors, *seed)?;
        written.push((path.clone(), bytes));
    }
    Ok(written)
}

fn vision_type(text: &str) -> Result<BlockType, String> {
    use BlockType::{Bf16, F16, F32, Q4_0, Q8_0};
    let block = block_type(text)?;
    match [F16, Bf16, F32, Q8_0, Q4_0].contains(&block) {
        true => Ok(block),
        false => Err("an image encoder is f16, bf16, f32, q8_0 or q4_0".to_owned()),
    }
}
