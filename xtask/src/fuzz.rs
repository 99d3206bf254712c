//! Fuzzes everything that parses untrusted bytes: builds `tests/fuzz` and runs each of its targets for some time.
//!
//! What a run finds interesting is kept in the target folder and is where the next one begins, beside the seeds in the
//! checkout. The first input that breaks a target ends its run and is left in a file, whose path is printed.

use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::{Run, find_program};

/// The cargo-fuzz that the targets were written with.
const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// Longest input in bytes. Every limit of the formats that is tested here lies below it or is a number in the input.
const MAX_INPUT_BYTES: &str = "65536";

/// Seconds that one input may take, and MiB that the process may hold.
const TIMEOUT_S: &str = "10";
const MEMORY_MIB: &str = "2048";

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long each target runs.
    pub seconds: u64,
    /// Only this target.
    pub target: Option<String>,
    /// Processes that work on one target at a time.
    pub jobs: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seconds: 60,
            target: None,
            jobs: 1,
        }
    }
}

/// Builds and runs; fails with the inputs that broke something.
pub fn run(places: &Places, options: &Options) -> Result<()> {
    ensure_cargo_fuzz(places)?;
    let targets = wanted(
        cargo_fuzz(places, "list")?.output()?,
        options.target.as_deref(),
    )?;
    let build = cargo_fuzz(places, "build")?
        .arg("--target-dir")
        .arg(build_folder(places));
    match targets.as_slice() {
        [only] => build.arg(only).run()?,
        _ => build.run()?,
    }
    let programs = programs(places)?;
    let mut broken = Vec::new();
    for target in &targets {
        eprintln!("fuzzing {target} for {} s", options.seconds);
        broken.extend(fuzz(places, &programs.join(target), target, options)?);
    }
    if broken.is_empty() {
        eprintln!("{} targets held", targets.len());
        return Ok(());
    }
    let paths = broken
        .iter()
        .map(|path| format!("\n    {}", path.display()));
    Err(Failure::new(format!(
        "these inputs break what parses them:{}\n",
        paths.collect::<String>()
    ))
    .remedy(
        "run the program of the target on one to see why, mend it, and keep the input in a test",
    ))
}

/// Runs one target; returns the inputs that broke it.
fn fuzz(places: &Places, program: &Path, target: &str, options: &Options) -> Result<Vec<PathBuf>> {
    let sources = places.root.join("tests/fuzz");
    let corpus = folder(places, "corpus", target)?;
    let found = folder(places, "found", target)?;
    let before = files(&found)?;
    let fuzzing = Run::new(places, program)?
        // Of several folders the first is the one that is written to.
        .arg(&corpus)
        .arg(sources.join("seeds").join(target))
        .arg(format!(
            "-dict={}",
            sources
                .join(format!("dictionaries/{target}.dict"))
                .display()
        ))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-max_len={MAX_INPUT_BYTES}"))
        .arg(format!("-timeout={TIMEOUT_S}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg("-print_final_stats=1");
    let fuzzing = match options.jobs {
        0 | 1 => fuzzing,
        // With several it would pass over inputs that take too long or too much.
        jobs => fuzzing
            .arg(format!("-fork={jobs}"))
            .args(["-ignore_timeouts=0", "-ignore_ooms=0"]),
    };
    let outcome = fuzzing.within(&found).run();
    let mut inputs = files(&found)?;
    inputs.retain(|path| !before.contains(path));
    match outcome {
        Err(failure) if inputs.is_empty() => Err(failure),
        _ => Ok(inputs),
    }
}

/// cargo-fuzz asks the compiler for its sanitizers and for coverage by flags that are unstable. The stable compiler has
/// both and takes the flags with this variable; the engine is then fuzzed as the compiler makes it that everything else
/// is built with.
fn cargo_fuzz(places: &Places, command: &str) -> Result<Run> {
    Ok(Run::cargo(places)?
        .args(["fuzz", command, "--fuzz-dir"])
        .arg(places.root.join("tests/fuzz"))
        .env("RUSTC_BOOTSTRAP", "1"))
}

fn ensure_cargo_fuzz(places: &Places) -> Result<()> {
    if let Some(program) = find_program(places, &["cargo-fuzz"]) {
        let printed = Run::new(places, program)?.arg("--version").output()?;
        if printed.split_whitespace().nth(1) == Some(CARGO_FUZZ_VERSION) {
            return Ok(());
        }
    }
    Run::cargo(places)?
        .args(["install", "--locked", "--force", "--root"])
        .arg(&places.tools)
        .arg(format!("cargo-fuzz@{CARGO_FUZZ_VERSION}"))
        .env("CARGO_TARGET_DIR", places.tools.join("target"))
        .run()
        .map_err(|failure| {
            failure.remedy(format!("install cargo-fuzz {CARGO_FUZZ_VERSION} by hand"))
        })
}

/// The targets that `cargo fuzz list` printed, or the one of them that is asked for.
fn wanted(printed: String, only: Option<&str>) -> Result<Vec<String>> {
    let all: Vec<String> = printed.split_whitespace().map(str::to_owned).collect();
    match only {
        None => Ok(all),
        Some(name) if all.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(
            Failure::arguments(format!("there is no fuzz target `{name}`"))
                .remedy(format!("the targets are: {}", all.join(", "))),
        ),
    }
}

/// Everything of fuzzing. Apart from other builds: the flags for coverage are for the fuzzed code alone.
fn fuzz_folder(places: &Places) -> PathBuf {
    places.target.join("fuzz")
}

fn build_folder(places: &Places) -> PathBuf {
    fuzz_folder(places).join("target")
}

/// Where cargo-fuzz leaves the programs: below the name of the host, even without cross-compiling.
fn programs(places: &Places) -> Result<PathBuf> {
    let printed = Run::new(places, "rustc")?.arg("-vV").output()?;
    let host = printed
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or_else(|| Failure::new("`rustc -vV` names no host"))?;
    Ok(build_folder(places).join(host).join("release"))
}

fn folder(places: &Places, kind: &str, target: &str) -> Result<PathBuf> {
    let folder = fuzz_folder(places).join(kind).join(target);
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file("create", &folder, &error))?;
    Ok(folder)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Failure::file("list", folder, &error);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries
        .map(|entry| Ok(entry.map_err(failed)?.path()))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LIST: &str = "chat\ngguf\n";

    #[test]
    fn all_targets_are_fuzzed_or_the_one_that_is_named() {
        assert_eq!(wanted(LIST.to_owned(), None).unwrap(), ["chat", "gguf"]);
        assert_eq!(wanted(LIST.to_owned(), Some("gguf")).unwrap(), ["gguf"]);
        let failure = wanted(LIST.to_owned(), Some("ggml")).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("chat, gguf"), "{failure}");
    }

    #[test]
    fn every_target_has_seeds_a_dictionary_and_its_place_in_the_manifest() {
        let places = Places::find().unwrap();
        let sources = places.root.join("tests/fuzz");
        let manifest = std::fs::read_to_string(sources.join("Cargo.toml")).unwrap();
        for program in files(&sources.join("fuzz_targets")).unwrap() {
            let name = program.file_stem().unwrap().to_str().unwrap();
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            let dictionary = sources.join(format!("dictionaries/{name}.dict"));
            assert!(dictionary.is_file(), "{name}");
            let seeds = files(&sources.join("seeds").join(name)).unwrap();
            assert!(!seeds.is_empty(), "{name}");
        }
    }
}
