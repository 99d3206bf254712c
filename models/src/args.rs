//! The command line.

mod clinical;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use outpost_clinic::ct::MAX_SLICES;
use outpost_engine::kernels::DeviceChoice;
use outpost_engine::session::DEFAULT_CONTEXT_TOKENS;
use outpost_engine::weights::BlockType;

pub use clinical::{
    ConsultationArgs, DraftArgs, ExtractArgs, FhirCommand, FindingsArgs, PatientArgs, PregnancyArg,
    SexArg, SoapArgs, TerminologyBuildArgs, TerminologyCommand, TerminologyMeasureArgs,
    TerminologySearchArgs, ValidateArgs,
};

/// MedGemma on this machine: inspect, pack, run, measure and check models.
#[derive(Debug, Parser)]
#[command(name = "outpost", version, about, max_term_width = 100)]
pub struct Cli {
    /// Where to compute: `auto` measures which is faster, and says which it took
    #[arg(long, global = true, value_enum, default_value_t = Device::Auto)]
    pub device: Device,

    /// Threads that compute on the CPU, this one among them: as many as there are cores unless given
    #[arg(long, global = true, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,

    /// Never run ahead where an answer repeats what was said before; the tokens are the same either way
    #[arg(long, global = true)]
    pub no_drafts: bool,

    /// Let a GPU compute products with fewer bits where that is clearly faster: answers then differ a little
    #[arg(long, global = true)]
    pub rounded_products: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what model files hold: architecture, configuration, tensors, bytes by type
    Inspect(InspectArgs),
    /// Turn text into token ids
    Tokenize(TokenizeArgs),
    /// Answer a prompt
    Generate(GenerateArgs),
    /// Write the logits at every position to a safetensors file
    Logits(TensorArgs),
    /// Write every named intermediate tensor to a safetensors file
    Trace(TensorArgs),
    /// Convert GGUF files or a Hugging Face folder to a shard set with its manifest
    Pack(PackArgs),
    /// Measure speed and memory
    Bench(BenchArgs),
    /// Ask questions with known answers and count the right ones
    Eval(EvalArgs),
    /// Turn the transcript of a consultation into facts with codes, a FHIR R4 Bundle and danger signs
    Extract(ExtractArgs),
    /// Write a SOAP note about the transcript of a consultation, each sentence with its evidence
    Soap(SoapArgs),
    /// Describe the findings in medical pictures
    Findings(FindingsArgs),
    /// Check resources of FHIR R4
    #[command(subcommand)]
    Fhir(FhirCommand),
    /// Make index files of codes from their tables, and search them
    #[command(subcommand)]
    Terminology(TerminologyCommand),
}

/// Where to compute.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Device {
    /// The faster of the two.
    Auto,
    /// The GPU, or an error.
    Gpu,
    /// The CPU.
    Cpu,
}

impl From<Device> for DeviceChoice {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Gpu => Self::Gpu,
            Device::Cpu => Self::Cpu,
        }
    }
}

/// Which model.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// GGUF file, first file of a split GGUF, packed shard directory, or Hugging Face folder
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,

    /// GGUF file of the image encoder; a shard directory and a Hugging Face folder bring their own
    #[arg(long, value_name = "FILE")]
    pub mmproj: Option<PathBuf>,

    /// Positions that prompt and answer share
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CONTEXT_TOKENS, value_parser = at_least_one)]
    pub context_tokens: usize,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// GGUF files, Hugging Face folders, or packed shard directories, whose hashes are checked as well
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `tokenize`.
#[derive(Debug, Args)]
pub struct TokenizeArgs {
    /// GGUF file, packed shard directory, Hugging Face folder, or tokenizer.json
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,

    /// The text; control tokens in it are recognised, and none is added
    #[arg(long, allow_hyphen_values = true, required_unless_present = "file")]
    pub text: Option<String>,

    /// Many texts, one a line: {"text"}; prints one JSON object a line
    #[arg(long, value_name = "FILE.jsonl", conflicts_with = "text")]
    pub file: Option<PathBuf>,

    /// Recognise no control token, as in text from outside
    #[arg(long)]
    pub untrusted: bool,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Where pictures stand in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImageOrder {
    /// Before its words.
    First,
    /// After its words.
    Last,
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// JPEG, PNG or WebP file; may be repeated
    #[arg(long = "image", value_name = "FILE")]
    pub images: Vec<PathBuf>,

    /// Whether pictures stand before the prompt's words or after them
    #[arg(long, value_enum, default_value_t = ImageOrder::First)]
    pub image_order: ImageOrder,

    /// Pad each picture with black to a square, so that the model sees its true proportions
    #[arg(long)]
    pub pad_square: bool,

    /// System instruction
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub system: Option<String>,

    /// Ask the model to think before it answers; a system instruction follows as its role
    #[arg(long)]
    pub think: bool,

    /// What to ask
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        required_unless_present_any = ["locate", "turns"]
    )]
    pub prompt: Option<String>,

    /// Ask where this is in the one picture, and print boxes in its pixels; pads it to a square
    #[arg(
        long,
        value_name = "WHAT",
        requires = "images",
        conflicts_with_all = ["prompt", "turns", "ct"]
    )]
    pub locate: Option<String>,

    /// DICOM files of one CT series, or folders of them, that the prompt asks about
    #[arg(
        long,
        value_name = "DIR_OR_FILE",
        num_args = 1..,
        requires = "prompt",
        conflicts_with_all = ["images", "turns"]
    )]
    pub ct: Vec<PathBuf>,

    /// Most slices of the CT series, taken evenly from the whole
    #[arg(
        long,
        value_name = "N",
        default_value_t = MAX_SLICES as u64,
        value_parser = clap::value_parser!(u64).range(1..=MAX_SLICES as u64)
    )]
    pub ct_slices: u64,

    /// Several turns: [{"role": "user" or "model", "text", "images": [FILE, ..]}, ..], files relative to it
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["prompt", "images"])]
    pub turns: Option<PathBuf>,

    /// JSON Schema that the answer satisfies, if it ends before --max-tokens; its members come in the schema's order
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["grammar", "locate", "think"])]
    pub schema: Option<PathBuf>,

    /// Grammar in Lark's notation that the answer follows; `start` is the whole answer
    #[arg(long, value_name = "FILE.lark", conflicts_with_all = ["locate", "think"])]
    pub grammar: Option<PathBuf>,

    /// Most tokens of the answer
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub max_tokens: usize,

    /// 0 takes the likeliest token each time
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub temperature: f32,

    /// Sample from the N likeliest tokens; 0: from all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub top_k: usize,

    /// Sample from the likeliest tokens whose probabilities reach P; 1: from all
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub top_p: f32,

    /// The same seed gives the same answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `logits` and `trace`.
#[derive(Debug, Args)]
pub struct TensorArgs {
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// JPEG, PNG or WebP file; may be repeated
    #[arg(long = "image", value_name = "FILE")]
    pub images: Vec<PathBuf>,

    /// What goes in.
    #[command(flatten)]
    pub input: InputArgs,

    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
}

/// Token ids as they are, or a prompt through the chat template.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct InputArgs {
    /// Token ids, taken as they are: 2,105,..
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub tokens: Option<Vec<u32>>,

    /// What to ask, through the chat template
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
}

/// Arguments of `pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// GGUF file of the text model and, if there is one, that of its image encoder; or one Hugging Face folder
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Type to bring the matrices of a Hugging Face folder to; without it they keep their own. Where rows are no whole
    /// blocks: Q8_0, else F16. With q8_0, q4_0 and q4_k the image encoder's matrices become Q8_0 (F16 where 32 does not
    /// divide their rows, as in the second of each feed-forward network) and the projector F16
    #[arg(long, value_enum, value_name = "TYPE")]
    pub quantize: Option<Quantize>,

    /// The directory to write; new, empty, or a shard set to replace
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// Size of a shard
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub shard_mib: u64,
}

/// A type that weights can be brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Quantize {
    /// 8 bits, a scale for 32 weights.
    #[value(name = "q8_0")]
    Q8_0,
    /// 4 bits, a scale for 32 weights.
    #[value(name = "q4_0")]
    Q4_0,
    /// 4 bits, a scale and a minimum for 32 weights.
    #[value(name = "q4_k")]
    Q4K,
    /// The upper half of a single.
    Bf16,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
}

impl From<Quantize> for BlockType {
    fn from(quantize: Quantize) -> Self {
        match quantize {
            Quantize::Q8_0 => Self::Q8_0,
            Quantize::Q4_0 => Self::Q4_0,
            Quantize::Q4K => Self::Q4K,
            Quantize::Bf16 => Self::Bf16,
            Quantize::F16 => Self::F16,
            Quantize::F32 => Self::F32,
        }
    }
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = at_least_one)]
    pub prompt_tokens: usize,

    /// Tokens to decode
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub tokens: usize,

    /// Also the time of a token at these positions, such as 1,512,2048
    #[arg(long, value_name = "N,N,..", value_delimiter = ',')]
    pub positions: Vec<usize>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// How an answer to a multiple-choice question is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// By which choice the model finds likeliest.
    Likelihood,
    /// By what the model writes.
    Generation,
}

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// GGUF file, first file of a split GGUF, packed shard directory, or Hugging Face folder
    #[arg(long, value_name = "FILE", required_unless_present_any = ["compare", "predictions"])]
    pub model: Option<PathBuf>,

    /// GGUF file of the image encoder; a shard directory and a Hugging Face folder bring their own
    #[arg(long, value_name = "FILE")]
    pub mmproj: Option<PathBuf>,

    /// Positions that prompt and answer share
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CONTEXT_TOKENS, value_parser = at_least_one)]
    pub context_tokens: usize,

    /// One question a line, in the fields of MedQA, MedMCQA or PubMedQA; {"question", "choices", "answer", "id"?, "subject"?,
    /// "system"?, "image"?, "style"?}; {"id", "task", "prompt", "expected", "system"?, "image"?, "image_first"?, "fields"?};
    /// or {"id", "transcript", "expected"}
    #[arg(long, value_name = "FILE.jsonl", required_unless_present = "compare")]
    pub questions: Option<PathBuf>,

    /// How an answer to a multiple-choice question is found
    #[arg(long, value_enum, default_value_t = By::Likelihood)]
    pub by: By,

    /// Ask as plain text behind the token that begins every text, without the chat template
    #[arg(long)]
    pub no_template: bool,

    /// Keep every answer in this folder, and go on where it ends
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,

    /// Ask only the first N questions
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub limit: Option<usize>,

    /// What MedMCQA's `cop` counts from, where the file does not show it: 0 on Hugging Face, 1 in its authors' files
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
    pub cop_from: Option<u8>,

    /// Facts that were found in the transcripts of the questions, to score: {"id", "facts": [{"kind", "name", ..}, ..]} a line
    #[arg(
        long,
        value_name = "FILE.jsonl",
        requires = "questions",
        conflicts_with_all = ["model", "log", "compare"]
    )]
    pub predictions: Option<PathBuf>,

    /// Compare two logs of the same questions: how much better or worse the second is
    #[arg(
        long,
        value_names = ["LOG_A", "LOG_B"],
        num_args = 2,
        conflicts_with_all = ["model", "mmproj", "questions", "log", "limit"]
    )]
    pub compare: Vec<PathBuf>,

    /// What to compare, such as acc_norm
    #[arg(long, value_name = "NAME", requires = "compare")]
    pub metric: Option<String>,

    /// Most tokens of an answer: 256 unless given, and 1024 of what is drafted of a transcript
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}
