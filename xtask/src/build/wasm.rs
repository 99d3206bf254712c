//! The modules of the page: compiled for wasm32, given their JavaScript by wasm-bindgen, made smaller by wasm-opt.
//!
//! The module of the helper threads has JavaScript of its own and stays as the compiler made it: fast, and small already.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::files;
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::{Run, find_program};
use crate::setup::WasmToolchain;

/// The Worker and all that it is made of.
///
/// The page is never built in the same call: its features of `web-sys` would be united with the
/// Worker's, and burn and wgpu be built once more for that other set.
pub const WORKER_PACKAGES: [&str; 5] = [
    "outpost-engine",
    "outpost-clinic",
    "outpost-store",
    "outpost-protocol",
    "outpost-worker",
];

/// The page.
pub const PAGE_PACKAGES: [&str; 1] = ["outpost-app"];

/// What helper threads compute with. Built in a call of its own: beside the Worker its engine would get burn.
pub const THREAD_PACKAGES: [&str; 1] = ["outpost-thread"];

/// What rustc emits for wasm32 by default, and vectors: WebGPU browsers have them all. `--all-features` would
/// make wasm-opt write a module that Chromium does not load.
const WASM_OPT_FLAGS: [&str; 8] = [
    "-O",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Builds all modules into `dist`.
pub fn build(places: &Places, toolchain: &WasmToolchain, dist: &Path) -> Result<()> {
    module(places, toolchain, "outpost-app", &dist.join("app"))?;
    module(places, toolchain, "outpost-worker", &dist.join("engine"))?;
    let thread = compile(places, toolchain, "outpost-thread")?;
    files::copy(&thread, &dist.join("engine/thread.wasm"))
}

/// Compiles a package -> its module.
fn compile(places: &Places, toolchain: &WasmToolchain, package: &str) -> Result<PathBuf> {
    let compile = Run::cargo(places)?.args([
        "build",
        "--release",
        "--target",
        "wasm32-unknown-unknown",
        "-p",
        package,
    ]);
    toolchain.apply(compile).run()?;
    Ok(places
        .target
        .join("wasm32-unknown-unknown/release")
        .join(format!("{}.wasm", package.replace('-', "_"))))
}

fn module(places: &Places, toolchain: &WasmToolchain, package: &str, out: &Path) -> Result<()> {
    let compiled = compile(places, toolchain, package)?;
    let name = package.replace('-', "_");
    Run::new(places, "wasm-bindgen")?
        .args([
            "--target",
            "web",
            "--no-typescript",
            // A quarter of the module; a message still names file and line.
            "--remove-name-section",
            "--out-name",
            &name,
            "--out-dir",
        ])
        .arg(out)
        .arg(&compiled)
        .run()?;
    optimise(places, &out.join(format!("{name}_bg.wasm")))
}

/// Makes a module smaller by wasm-opt. Without one that can read it the page is larger and otherwise the same.
fn optimise(places: &Places, wasm: &Path) -> Result<()> {
    let Some(wasm_opt) = find_program(places, &["wasm-opt"]) else {
        eprintln!("    wasm-opt is not installed (package binaryen): the page will be larger");
        return Ok(());
    };
    let kept = kept_result(places, &files::read(wasm)?)?;
    if !kept.is_file() {
        let unfinished = kept.with_extension("part");
        eprintln!("    wasm-opt on {}", wasm.display());
        let optimised = Run::new(places, wasm_opt)?
            .args(WASM_OPT_FLAGS)
            .arg(wasm)
            .arg("-o")
            .arg(&unfinished)
            .output();
        if optimised.is_err() {
            eprintln!("    this wasm-opt is too old for the module: the page will be larger");
            return Ok(());
        }
        std::fs::rename(&unfinished, &kept)
            .map_err(|error| Failure::file("write", &kept, &error))?;
    }
    files::copy(&kept, wasm)
}

/// Where the result for this module is kept, by the hash of what goes in.
fn kept_result(places: &Places, wasm: &[u8]) -> Result<PathBuf> {
    let folder = places.target.join("wasm-opt");
    files::create_folder(&folder)?;
    let digest = Sha256::new()
        .chain_update(WASM_OPT_FLAGS.concat())
        .chain_update(wasm)
        .finalize();
    Ok(folder.join(format!("{}.wasm", hex(&digest))))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
