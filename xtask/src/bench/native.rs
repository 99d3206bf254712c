//! The native engine and llama.cpp by turns, a process for each run.

use std::path::Path;

use serde_json::Value;

use super::Options;
use super::figures::Contestant;
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::Run;

/// Positions besides prompt and answer: room for an engine that ends its answers early.
const SPARE_TOKENS: u32 = 64;

/// What was measured.
pub struct Results {
    /// Each engine with the prompt that was asked for.
    pub answers: Vec<Contestant>,
    /// The same behind prompts of these lengths.
    pub positions: Vec<(u32, Vec<Contestant>)>,
    /// What could not be measured, and why.
    pub notes: Vec<String>,
}

/// Measures everything, round by round.
pub fn measure(places: &Places, options: &Options, model: &Path) -> Result<Results> {
    let mut notes = Vec::new();
    let peer = Peer::find(places)?;
    if !peer.installed {
        let script = places.root.join("tests/bench/native.py");
        notes.push(format!(
            "python3 has no llama_cpp, so llama.cpp was not measured: {} says how to install it",
            script.display()
        ));
    }
    let contestants = contestants(options, &options.threads, peer);
    let asked = Asked {
        places,
        model,
        prompt_tokens: options.prompt_tokens,
        tokens: options.tokens,
    };
    let answers = rounds(&asked, contestants, options.rounds);
    let most = options.threads.iter().max().copied().unwrap_or(1);
    let positions = options.positions.iter().map(|&prompt_tokens| {
        let asked = Asked {
            prompt_tokens,
            ..asked
        };
        let contestants = self::contestants(options, &[most], peer);
        (prompt_tokens, rounds(&asked, contestants, options.rounds))
    });
    Ok(Results {
        positions: positions.collect(),
        answers,
        notes,
    })
}

/// What each run is asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    places: &'a Places,
    model: &'a Path,
    prompt_tokens: u32,
    tokens: u32,
}

/// llama.cpp in the Python that is found.
#[derive(Clone, Copy)]
struct Peer {
    installed: bool,
    /// Built for a GPU, and there is one.
    gpu: bool,
}

impl Peer {
    fn find(places: &Places) -> Result<Self> {
        let succeeds = |code: &str| -> Result<bool> {
            let run = Run::new(places, "python3")?.args(["-c", code]);
            Ok(run.output().is_ok())
        };
        let gpu = "import llama_cpp, sys; sys.exit(not llama_cpp.llama_supports_gpu_offload())";
        Ok(Self {
            installed: succeeds("import llama_cpp")?,
            gpu: succeeds(gpu)?,
        })
    }
}

fn contestants(options: &Options, threads: &[u32], peer: Peer) -> Vec<Contestant> {
    let contestant = |engine: &str, device: &str, threads: u32| Contestant {
        engine: engine.to_owned(),
        device: device.to_owned(),
        threads,
        ..Contestant::default()
    };
    let on = |device: &str| options.devices.iter().any(|named| named == device);
    let (cpu, gpu) = (on("cpu"), on("gpu"));
    let each = |engine| {
        threads
            .iter()
            .map(move |&threads| contestant(engine, "cpu", threads))
    };
    let mut found = Vec::new();
    found.extend(cpu.then(|| each("outpost")).into_iter().flatten());
    found.extend(gpu.then(|| contestant("outpost", "gpu", 1)));
    found.extend(
        (cpu && peer.installed)
            .then(|| each("llama.cpp"))
            .into_iter()
            .flatten(),
    );
    found.extend((gpu && peer.gpu).then(|| contestant("llama.cpp", "gpu", 1)));
    found
}

/// Every other round goes backwards, so that none always follows the same one.
fn rounds(asked: &Asked<'_>, mut contestants: Vec<Contestant>, rounds: u32) -> Vec<Contestant> {
    for round in 1..=rounds {
        let mut order: Vec<&mut Contestant> = contestants.iter_mut().collect();
        if round % 2 == 0 {
            order.reverse();
        }
        for contestant in order {
            if contestant.failed.is_some() {
                continue;
            }
            let name = contestant.name();
            match run(asked, contestant) {
                Ok(figures) => {
                    let speed = |key: &str| figures[key].as_f64().unwrap_or_default();
                    let (prefill, decode) = (speed("prefill_tok_s"), speed("decode_tok_s"));
                    eprintln!("    {name}: round {round}: {prefill:.1} and {decode:.1} tokens/s");
                    contestant.runs.push(figures);
                }
                Err(failure) => {
                    eprintln!("    {name}: round {round}: {failure}");
                    contestant.failed = Some(failure.to_string());
                }
            }
        }
    }
    contestants
}

fn run(asked: &Asked<'_>, contestant: &Contestant) -> Result<Value> {
    let run = match contestant.engine.as_str() {
        "outpost" => Run::new(asked.places, asked.places.outpost())?.args([
            "--device",
            &contestant.device,
            "bench",
            "--json",
        ]),
        _ => {
            Run::new(asked.places, "python3")?.arg(asked.places.root.join("tests/bench/native.py"))
        }
    };
    let run = match (contestant.engine.as_str(), contestant.device.as_str()) {
        ("llama.cpp", "gpu") => run.args(["--gpu-layers", "999"]),
        _ => run,
    };
    let context = asked.prompt_tokens + asked.tokens + SPARE_TOKENS;
    let printed = run
        .arg("--model")
        .arg(asked.model)
        .args(["--prompt-tokens", &asked.prompt_tokens.to_string()])
        .args(["--tokens", &asked.tokens.to_string()])
        .args(["--context-tokens", &context.to_string()])
        .args(["--threads", &contestant.threads.to_string()])
        .output()?;
    serde_json::from_str(&printed)
        .map_err(|error| Failure::new(format!("{} printed no JSON: {error}", contestant.name())))
}
