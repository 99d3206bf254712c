//! The engine beside its peers: the same model, the same prompt, the same machine, by turns.
//!
//! Natively beside llama.cpp (`tests/bench/native.py`), in Chromium beside wllama and ONNX Runtime Web
//! (`tests/bench/run.mjs`). What a peer lacks to run is said, and the others are measured. Figures are medians; a target that is
//! missed is shown as missed and fails nothing.

mod figures;
mod native;
mod options;
mod table;

use std::path::{Path, PathBuf, absolute};

use serde_json::{Value, json};

use self::figures::{Contestant, Kernel, Target};
pub use self::options::Options;
use crate::build;
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::Run;
use crate::scale::{self, files};
use crate::setup::{self, BrowserTools};

/// Products that are measured: a feed-forward network's of the 4B shape, for a token and for a prompt.
const KERNELS: [(u32, u32, u32); 4] = [
    (10_240, 2560, 1),
    (2560, 10_240, 1),
    (10_240, 2560, 128),
    (2560, 10_240, 128),
];

/// Builds, makes the model unless it is there, measures, and prints a table and JSON.
pub fn run(places: &Places, options: &Options) -> Result<()> {
    let model = prepare(places, options)?;
    let mut report = json!({
        "machine": machine(),
        "model": model,
        "prompt_tokens": options.prompt_tokens,
        "tokens": options.tokens,
        "rounds": options.rounds,
    });
    let mut text = String::new();
    if let (true, Some(model)) = (options.native, &model) {
        let native::Results {
            answers,
            positions,
            notes,
        } = native::measure(places, options, model)?;
        let ratios = figures::ratios(&answers, &native_targets(options));
        text += &table::answers("natively", &answers, &ratios, &notes);
        text += &table::positions(&positions);
        report["native"] = json!({
            "answers": figures::answers(&answers),
            "ratios": ratios,
            "positions": positions.iter().map(|(tokens, answers)| json!({
                "prompt_tokens": tokens,
                "answers": figures::answers(answers),
            })).collect::<Vec<_>>(),
            "notes": notes,
        });
    }
    if options.browser || options.kernels {
        let found = in_browser(places, options, model.as_deref())?;
        let notes = found.notes();
        let ratios = figures::ratios(&found.answers, &browser_targets(options));
        if options.browser {
            text += &table::answers("in Chromium", &found.answers, &ratios, &notes);
        }
        if options.kernels {
            text += &table::kernels(&found.kernels);
        }
        report["browser"] = json!({
            "chromium": found.raw["chromium"],
            "answers": figures::answers(&found.answers),
            "ratios": ratios,
            "kernels": found.kernels.iter().map(Kernel::json).collect::<Vec<_>>(),
            "notes": notes,
        });
    }
    if options.constraint {
        let found = constraint(places, options)?;
        text += &table::constraint(&found);
        report["constraint"] = found;
    }
    eprintln!("{text}");
    println!("{report}");
    match &options.json {
        Some(path) => write(path, &report),
        None => Ok(()),
    }
}

/// Builds what is measured -> the model's file, unless only kernels are measured.
fn prepare(places: &Places, options: &Options) -> Result<Option<PathBuf>> {
    if options.native {
        setup::for_native_tests(places)?;
    }
    if options.build && (options.browser || options.kernels) {
        build::dist(places)?;
    }
    if !options.native && !options.browser {
        return Ok(None);
    }
    if options.build {
        scale::build_generator(places)?;
    }
    let folder = places.scale();
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file("create", &folder, &error))?;
    let model = match &options.model {
        Some(path) => absolute(path).map_err(|error| Failure::file("find", path, &error))?,
        None => files::shape_true(places, &options.shape, &options.types, false)?.text,
    };
    Ok(Some(model))
}

/// What the browser gave.
struct Found {
    raw: Value,
    answers: Vec<Contestant>,
    kernels: Vec<Kernel>,
}

impl Found {
    fn notes(&self) -> Vec<String> {
        let notes = self.raw["notes"].as_array().into_iter().flatten();
        notes
            .filter_map(|note| note.as_str().map(str::to_owned))
            .collect()
    }
}

fn in_browser(places: &Places, options: &Options, model: Option<&Path>) -> Result<Found> {
    let browser = setup::for_bench(places)?;
    let shape = |(rows, cols, tokens)| json!({ "rows": rows, "cols": cols, "tokens": tokens });
    let results = places.scale().join("bench-results.json");
    let plan = json!({
        "model": model,
        "answers": options.browser,
        "prompt_tokens": options.prompt_tokens,
        "tokens": options.tokens,
        "threads": options.threads,
        "rounds": options.rounds,
        "wllama_gpu": true,
        "kernels": options.kernels.then(|| json!({
            "shapes": KERNELS.map(shape),
            "rounds": options.rounds,
            "block": "Q4_0",
        })),
        "results": results,
    });
    let path = places.scale().join("bench-plan.json");
    write(&path, &plan)?;
    run_script(places, &browser, &path)?;
    let printed = std::fs::read_to_string(&results)
        .map_err(|error| Failure::file("read", &results, &error))?;
    let raw: Value = serde_json::from_str(&printed)
        .map_err(|error| Failure::new(format!("{} is no JSON: {error}", results.display())))?;
    let list = |name: &str| raw[name].as_array().cloned().unwrap_or_default();
    Ok(Found {
        answers: list("answers")
            .iter()
            .filter_map(Contestant::read)
            .collect(),
        kernels: list("kernels").iter().filter_map(Kernel::read).collect(),
        raw,
    })
}

/// What constraints cost in Node, whose engine of WebAssembly is Chromium's.
fn constraint(places: &Places, options: &Options) -> Result<Value> {
    let module = build::constraint_cost(places, &setup::for_page(places)?)?;
    let printed = Run::new(places, setup::for_node(places)?)?
        .arg(places.root.join("tests/bench/constraint.mjs"))
        .arg(&module)
        .arg(options.rounds.to_string())
        .output()?;
    serde_json::from_str(&printed)
        .map_err(|error| Failure::new(format!("constraint.mjs printed no JSON: {error}")))
}

fn run_script(places: &Places, browser: &BrowserTools, plan: &Path) -> Result<()> {
    browser.script(places, "bench/run.mjs")?.arg(plan).run()
}

/// On the CPU half of what llama.cpp does with the processor's own instructions; the GPU is reported.
fn native_targets(options: &Options) -> Vec<Target> {
    let gpu = Target::between(("gpu", 1), ("llama.cpp", "gpu", 1), None);
    targets(options, "llama.cpp", Some((0.5, 0.5)), None)
        .chain([gpu])
        .collect()
}

/// Four times wllama's prefill and twice its decoding, on the CPU at equal threads and on the GPU.
fn browser_targets(options: &Options) -> Vec<Target> {
    let least = Some((4.0, 2.0));
    let gpu = Target::between(("gpu", 1), ("wllama", "gpu", 1), None);
    targets(options, "wllama", least, least)
        .chain([gpu])
        .collect()
}

/// Both devices beside another engine on the CPU, at each number of threads. Prefill stands before decoding.
fn targets<'a>(
    options: &'a Options,
    engine: &'a str,
    cpu: Option<(f64, f64)>,
    gpu: Option<(f64, f64)>,
) -> impl Iterator<Item = Target> + 'a {
    let threads = options.threads.iter().copied();
    let on_cpu = threads
        .clone()
        .map(move |threads| Target::between(("cpu", threads), (engine, "cpu", threads), cpu));
    on_cpu.chain(
        threads.map(move |threads| Target::between(("gpu", 1), (engine, "cpu", threads), gpu)),
    )
}

/// The processor's name, where Linux tells it, and its cores.
fn machine() -> Value {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, name)| name.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    json!({ "processor": name, "cores": cores, "system": std::env::consts::OS })
}

fn write(path: &Path, value: &Value) -> Result<()> {
    std::fs::write(path, format!("{value:#}\n"))
        .map_err(|error| Failure::file("write", path, &error))
}
