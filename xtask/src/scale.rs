//! The page with a model of true size: imports it, loads it, asks about a picture, and measures what that takes.
//!
//! The model is shape-true: everything about it is that of the real one but its weights, which are random
//! (`models/src/bin/shape_true`). What it answers means nothing, and must be the same as natively, token by token. Files stay
//! in the cache; the browser's own copy goes when it is done.

pub mod files;
mod picture;

use std::path::{Path, PathBuf, absolute};

use serde_json::{Value, json};

use crate::build::{self, NATIVE_PACKAGES};
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::Run;
use crate::setup::{self, BrowserTools};

use self::files::Model;

/// What is asked.
const PROMPT: &str = "Describe this X-ray.";

/// Positions that prompt and answer share: the page's own default, for which the budgets are.
const CONTEXT_TOKENS: u32 = 2048;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which shape; see `shape-true --help`.
    pub shape: String,
    /// Which types.
    pub types: String,
    /// A text model in place of a shape-true one.
    pub model: Option<PathBuf>,
    /// Its image encoder.
    pub mmproj: Option<PathBuf>,
    /// Tokens of the answer.
    pub tokens: u32,
    /// Whether a picture is shown.
    pub image: bool,
    /// Where the native engine computes: `cpu`, `gpu` or `auto`.
    pub device: String,
    /// Whether the browser's profile stays.
    pub keep: bool,
    /// Where the figures go as JSON, besides stdout.
    pub json: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shape: "4b".to_owned(),
            types: "q4_0".to_owned(),
            model: None,
            mmproj: None,
            tokens: 16,
            image: true,
            device: "cpu".to_owned(),
            keep: false,
            json: None,
        }
    }
}

/// Builds, makes the model unless it is there, runs it natively and in the page, and compares. Fails where a budget is
/// broken.
pub fn run(places: &Places, options: &Options) -> Result<()> {
    let browser = setup::for_browser_tests(places)?;
    if options.device != "cpu" {
        setup::for_native_tests(places)?;
    }
    build::dist(places)?;
    build_generator(places)?;
    measure(places, options, &browser)
}

/// [`run`] with everything built.
fn measure(places: &Places, options: &Options, browser: &BrowserTools) -> Result<()> {
    let folder = places.scale();
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file("create", &folder, &error))?;
    let model = match &options.model {
        Some(text) => given(text, options.mmproj.as_deref())?,
        None => files::shape_true(places, &options.shape, &options.types, options.image)?,
    };
    let picture = match (&model.vision, options.image) {
        (Some(_), true) => Some(picture::write(&folder)?),
        _ => None,
    };
    let plan = json!({
        "model": model.text,
        "mmproj": model.vision,
        "picture": picture,
        "prompt": PROMPT,
        "tokens": options.tokens,
        "context_tokens": CONTEXT_TOKENS,
        "weight_bytes": weight_bytes(places, &model.text)?,
        "vision_bytes": model.vision.as_deref().map(|path| weight_bytes(places, path)).transpose()?,
        "native": natively(places, options, &model, picture.as_deref())?,
        "keep": options.keep,
        "json": options.json.as_ref().map(absolute).transpose().map_err(unusable)?,
    });
    let path = folder.join("plan.json");
    std::fs::write(&path, format!("{plan:#}\n"))
        .map_err(|error| Failure::file("write", &path, &error))?;
    browser
        .script(places, "browser/scale.mjs")?
        .arg(&path)
        .run()
        .map_err(|failure| failure.remedy("see above what went wrong or is beyond its budget"))
}

/// Files that the caller named.
fn given(text: &Path, vision: Option<&Path>) -> Result<Model> {
    Ok(Model {
        text: absolute(text).map_err(unusable)?,
        vision: vision.map(absolute).transpose().map_err(unusable)?,
    })
}

fn unusable(error: std::io::Error) -> Failure {
    Failure::new(format!("a path cannot be made absolute: {error}"))
}

/// Builds `outpost` and `shape-true`.
pub fn build_generator(places: &Places) -> Result<()> {
    let packages = NATIVE_PACKAGES.iter().flat_map(|package| ["-p", package]);
    Run::cargo(places)?
        .arg("build")
        .args(packages)
        .args(["--bin", "shape-true"])
        .run()
}

/// The native engine's answer and its figures: what `outpost generate --json` prints.
fn natively(
    places: &Places,
    options: &Options,
    model: &Model,
    picture: Option<&Path>,
) -> Result<Value> {
    eprintln!("    the native engine answers on `{}`", options.device);
    let mut run = Run::new(places, places.outpost())?
        .args(["--device", &options.device, "generate", "--json"])
        .args(["--prompt", PROMPT])
        .args(["--max-tokens", &options.tokens.to_string()])
        .args(["--context-tokens", &CONTEXT_TOKENS.to_string()])
        .arg("--model")
        .arg(&model.text);
    if let Some(vision) = &model.vision {
        run = run.arg("--mmproj").arg(vision);
    }
    if let Some(picture) = picture {
        run = run.arg("--image").arg(picture);
    }
    parsed(&run.output()?)
}

/// Bytes of the tensors in a model's file.
fn weight_bytes(places: &Places, model: &Path) -> Result<Value> {
    let inspected = Run::new(places, places.outpost())?
        .args(["inspect", "--json"])
        .arg(model)
        .output()?;
    let report = parsed(&inspected)?;
    let bytes = report.pointer("/files/0/tensor_bytes");
    bytes.cloned().ok_or_else(|| {
        Failure::new(format!(
            "`outpost inspect` tells no bytes of {}",
            model.display()
        ))
    })
}

fn parsed(printed: &str) -> Result<Value> {
    serde_json::from_str(printed)
        .map_err(|error| Failure::new(format!("the native command printed no JSON: {error}")))
}
