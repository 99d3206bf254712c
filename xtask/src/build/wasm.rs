//! The modules of the page: compiled for wasm32 and given their JavaScript by wasm-bindgen.
//!
//! The module of the helper threads has JavaScript of its own and stays as the compiler made it: fast, and small already.
//! No wasm-opt: what it writes is a sixth smaller on disk and larger as it travels, compressed.

use std::path::{Path, PathBuf};

use super::files;
use crate::error::Result;
use crate::places::Places;
use crate::process::Run;
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

/// What `cargo xtask bench --constraint` measures.
pub const COST_PACKAGES: [&str; 1] = ["outpost-constraint-cost"];

/// Cargo's profile of the page's own module: as small as it goes.
const PAGE_PROFILE: &str = "page";

/// Cargo's profile of everything else in the browser.
const RELEASE_PROFILE: &str = "release";

/// Builds all modules into `dist`.
pub fn build(places: &Places, toolchain: &WasmToolchain, dist: &Path) -> Result<()> {
    let app = compile(places, toolchain, "outpost-app", PAGE_PROFILE)?;
    bind(places, &app, &dist.join("app"))?;
    let worker = compile(places, toolchain, "outpost-worker", RELEASE_PROFILE)?;
    bind(places, &worker, &dist.join("engine"))?;
    let thread = compile(places, toolchain, "outpost-thread", RELEASE_PROFILE)?;
    files::copy(&thread, &dist.join("engine/thread.wasm"))
}

/// Builds what `cargo xtask bench --constraint` measures -> its module.
pub fn constraint_cost(places: &Places, toolchain: &WasmToolchain) -> Result<PathBuf> {
    compile(
        places,
        toolchain,
        "outpost-constraint-cost",
        RELEASE_PROFILE,
    )
}

/// Compiles a package -> its module.
fn compile(
    places: &Places,
    toolchain: &WasmToolchain,
    package: &str,
    profile: &str,
) -> Result<PathBuf> {
    let compile = Run::cargo(places)?.args([
        "build",
        "--profile",
        profile,
        "--target",
        "wasm32-unknown-unknown",
        "-p",
        package,
    ]);
    toolchain.apply(compile).run()?;
    Ok(places
        .target
        .join("wasm32-unknown-unknown")
        .join(profile)
        .join(format!("{}.wasm", package.replace('-', "_"))))
}

/// Writes a module and its JavaScript into the folder `out`.
fn bind(places: &Places, module: &Path, out: &Path) -> Result<()> {
    Run::new(places, "wasm-bindgen")?
        .args([
            "--target",
            "web",
            "--no-typescript",
            // A quarter of the module; a message still names file and line.
            "--remove-name-section",
            "--out-dir",
        ])
        .arg(out)
        .arg(module)
        .run()
}
