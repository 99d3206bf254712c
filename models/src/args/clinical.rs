//! Arguments of the clinical commands: extract, fhir, terminology.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use outpost_clinic::danger::Age;
use outpost_clinic::terminology::rerank::WEIGHT;

use super::{ModelArgs, at_least_one};

/// What is known of a patient.
#[derive(Debug, Args)]
pub struct PatientArgs {
    /// The patient's age in days, weeks, months or years, such as 8m: danger signs depend on it
    #[arg(long, value_name = "N{d,w,m,y}", value_parser = crate::extract::age)]
    pub age: Option<Age>,

    /// The patient's sex
    #[arg(long, value_enum)]
    pub sex: Option<SexArg>,

    /// Whether the patient is pregnant, or gave birth within a year
    #[arg(long, value_enum)]
    pub pregnancy: Option<PregnancyArg>,
}

/// How drafts are written.
#[derive(Debug, Args)]
pub struct DraftArgs {
    /// Longest draft
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = at_least_one)]
    pub max_tokens: usize,

    /// 0 takes the likeliest token each time
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub temperature: f32,

    /// Give the same bytes again: the time taken is left out, and a Bundle bears the time of the transcript's file
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// A consultation, and what is made of it.
#[derive(Debug, Args)]
pub struct ConsultationArgs {
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// The transcript: text in UTF-8
    #[arg(long, value_name = "FILE")]
    pub transcript: PathBuf,

    /// ICD-10-CM, as `terminology build` wrote it. Unless given: the one that `cargo xtask build` made, or `icd10cm.index`
    /// beside this command. Without any, conditions have no codes
    #[arg(long, value_name = "FILE")]
    pub icd10cm: Option<PathBuf>,

    /// RxNorm: RXNCONSO.RRF, or what `terminology build` made of it; without it medications have no codes
    #[arg(long, value_name = "FILE")]
    pub rxnorm: Option<PathBuf>,

    /// An own list of conditions as CSV, behind ICD-10-CM; may be repeated
    #[arg(long = "condition-list", value_name = "FILE")]
    pub condition_lists: Vec<PathBuf>,

    /// An own list of medications as CSV, behind RxNorm; may be repeated
    #[arg(long = "medication-list", value_name = "FILE")]
    pub medication_lists: Vec<PathBuf>,

    /// Of whom it speaks.
    #[command(flatten)]
    pub patient: PatientArgs,

    /// Do not fall back to simple rules when the model's drafts cannot be used
    #[arg(long)]
    pub no_fallback: bool,

    /// Make the Bundle one that a server carries out
    #[arg(long)]
    pub transaction: bool,

    /// Leave the transcript's words out of the Bundle; each fact keeps those that it comes from
    #[arg(long)]
    pub without_transcript: bool,

    /// How drafts are written.
    #[command(flatten)]
    pub draft: DraftArgs,

    /// When the record was made, for the Bundle: YYYY-MM-DDThh:mm:ssZ
    #[arg(long, value_name = "INSTANT")]
    pub recorded: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `extract`.
#[derive(Debug, Args)]
pub struct ExtractArgs {
    /// The consultation.
    #[command(flatten)]
    pub consultation: ConsultationArgs,

    /// Make no FHIR Bundle
    #[arg(long, conflicts_with_all = ["transaction", "without_transcript", "bundle"])]
    pub no_fhir: bool,

    /// Write the Bundle to a file too
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
}

/// Arguments of `soap`.
#[derive(Debug, Args)]
pub struct SoapArgs {
    /// The consultation.
    #[command(flatten)]
    pub consultation: ConsultationArgs,

    /// Make a FHIR Bundle of the note and the facts of the consultation, and write it to a file too if one is named
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub bundle: Option<Option<PathBuf>>,
}

/// Arguments of `findings`.
#[derive(Debug, Args)]
pub struct FindingsArgs {
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// A picture (JPEG, PNG or WebP); may be repeated
    #[arg(long = "image", value_name = "FILE", required = true)]
    pub images: Vec<PathBuf>,

    /// What is known, and what to look for: danger signs are looked for in it too
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true
    )]
    pub question: String,

    /// Of whom they are.
    #[command(flatten)]
    pub patient: PatientArgs,

    /// How drafts are written.
    #[command(flatten)]
    pub draft: DraftArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// A sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SexArg {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// Whether a patient is pregnant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PregnancyArg {
    /// Neither of these.
    No,
    /// Is pregnant.
    Pregnant,
    /// Gave birth within the last year.
    Postpartum,
}

/// What to do with tables of codes.
#[derive(Debug, Subcommand)]
pub enum TerminologyCommand {
    /// Make an index file from a table as its publisher writes it
    Build(TerminologyBuildArgs),
    /// Show the codes that a text may mean; `*` marks the one that clearly is meant
    Search(TerminologySearchArgs),
    /// Count how often queries find their codes, without and with a re-rank by a model's embeddings
    Measure(TerminologyMeasureArgs),
}

/// Arguments of `terminology build`.
#[derive(Debug, Args)]
pub struct TerminologyBuildArgs {
    /// Which table.
    #[command(flatten)]
    pub source: TableArgs,

    /// RXNREL.RRF of RxNorm, for the ingredients of brands
    #[arg(long, value_name = "FILE", requires = "rxnorm")]
    pub relations: Option<PathBuf>,

    /// What the table's release is called; that of ICD-10-CM is read from the name of its file
    #[arg(long, value_name = "TEXT")]
    pub release: Option<String>,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// A table of codes.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct TableArgs {
    /// ICD-10-CM: the folder of its tabular list (XML) and list of codes, or these two files
    #[arg(long, value_name = "FOLDER_OR_FILES", num_args = 1..=2)]
    pub icd10cm: Option<Vec<PathBuf>>,

    /// RXNCONSO.RRF of RxNorm
    #[arg(long, value_name = "FILE")]
    pub rxnorm: Option<PathBuf>,

    /// An own list: CSV with the header `system,code,display` and any number of columns `synonym`
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

/// Arguments of `terminology search`.
#[derive(Debug, Args)]
pub struct TerminologySearchArgs {
    /// A file that `terminology build` wrote
    #[arg(long, value_name = "FILE")]
    pub index: PathBuf,

    /// What was said
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub query: String,

    /// Most candidates
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub limit: usize,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `terminology measure`.
#[derive(Debug, Args)]
pub struct TerminologyMeasureArgs {
    /// ICD-10-CM, as `terminology build` wrote it, for queries of the table `icd10cm`
    #[arg(long, value_name = "FILE")]
    pub icd10cm: PathBuf,

    /// RxNorm, as `terminology build` wrote it, for queries of the table `rxnorm`; without it they are left out
    #[arg(long, value_name = "FILE")]
    pub rxnorm: Option<PathBuf>,

    /// Queries: tab-separated `query`, `kind`, `codes` and `table`, under a line with these names
    #[arg(long, value_name = "FILE.tsv")]
    pub queries: PathBuf,

    /// A model whose embeddings bring the candidates into another order
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,

    /// How much the embeddings count beside the search's own score
    #[arg(long, value_name = "0..1", default_value_t = WEIGHT, requires = "model")]
    pub weight: f32,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What to do with FHIR.
#[derive(Debug, Subcommand)]
pub enum FhirCommand {
    /// Say what makes resources invalid: structure, codes, references, invariants, vital signs, units
    Validate(ValidateArgs),
}

/// Arguments of `fhir validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Resources in JSON, such as Bundles
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Every reference of a Bundle has to lead to one of its entries
    #[arg(long)]
    pub self_contained: bool,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
