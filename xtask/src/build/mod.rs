//! Builds the page: its WebAssembly modules, the demo model as shards, static files, the precache list.
//!
//! The result is `dist` in the target folder, laid out as it is served:
//!
//! ```text
//! index.html styles.css manifest.webmanifest sw.js worker.js thread.js icons/ examples/
//! app/outpost_app.js app/outpost_app_bg.wasm
//! engine/outpost_worker.js engine/outpost_worker_bg.wasm engine/thread.wasm
//! models/demo/manifest.json models/demo/*.bin
//! terminology/icd10cm.index
//! ```
//!
//! Beside it, in `hosts`, lies what other servers than xtask's need to be told (`hosts.rs`).

mod files;
mod hosts;
mod npm;
mod precache;
mod sizes;
mod wasm;

use std::path::Path;

use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::Run;
use crate::setup;

pub use self::sizes::Sizes;
pub use self::wasm::{
    COST_PACKAGES, PAGE_PACKAGES, THREAD_PACKAGES, WORKER_PACKAGES, constraint_cost,
};

/// Crates that run natively. Always built in one call, so that features are the same every time.
pub const NATIVE_PACKAGES: [&str; 3] = ["outpost-engine", "outpost-clinic", "outpost-models"];

/// Sets up, builds `dist` and says what it weighs; with `npm`, makes the npm package as well.
pub fn run(places: &Places, npm: bool) -> Result<()> {
    dist(places)?;
    if npm {
        npm::package(places)?;
    }
    Ok(())
}

/// Sets up and builds `dist`. A page that is being served stays whole until the new one is complete.
pub fn dist(places: &Places) -> Result<Sizes> {
    let toolchain = setup::for_page(places)?;
    let staging = places.target.join("dist-staging");
    files::remove_folder(&staging)?;
    files::create_folder(&staging)?;

    files::copy_folder(&places.root.join("web/static"), &staging)?;
    files::copy_folder(
        &places.root.join("models/demo/examples"),
        &staging.join("examples"),
    )?;
    wasm::build(places, &toolchain, &staging)?;
    pack_demo(places, &staging.join("models/demo"))?;
    index_conditions(places, &staging.join("terminology"))?;
    precache::write_service_worker(&places.root.join("service-worker/sw.js"), &staging)?;
    let sizes = Sizes::measure(&staging)?;

    let dist = places.dist();
    files::remove_folder(&dist)?;
    std::fs::rename(&staging, &dist).map_err(|error| Failure::file("write", &dist, &error))?;
    eprintln!("    the page is in {}", dist.display());
    headers(places)?;
    Ok(sizes)
}

/// Writes what static hosts need to be told, which needs no build.
pub fn headers(places: &Places) -> Result<()> {
    hosts::write(&places.hosts())?;
    eprintln!(
        "    how to serve it elsewhere is in {}",
        places.hosts().display()
    );
    Ok(())
}

/// Builds the native `outpost` command.
pub fn outpost(places: &Places) -> Result<()> {
    let packages = NATIVE_PACKAGES.iter().flat_map(|package| ["-p", package]);
    Run::cargo(places)?
        .arg("build")
        .args(packages)
        .args(["--bin", "outpost"])
        .run()
}

fn pack_demo(places: &Places, out: &Path) -> Result<()> {
    outpost(places)?;
    let demo = places.root.join("models/demo");
    Run::new(places, places.outpost())?
        .arg("pack")
        .args([
            demo.join("demo-q8_0.gguf"),
            demo.join("mmproj-demo-f16.gguf"),
        ])
        .arg("--out")
        .arg(out)
        .run()
}

/// Makes the index of ICD-10-CM. Follows [`pack_demo`], which builds the command.
fn index_conditions(places: &Places, out: &Path) -> Result<()> {
    let tables = setup::ensure_icd10cm(places)?;
    files::create_folder(out)?;
    Run::new(places, places.outpost())?
        .args(["terminology", "build", "--icd10cm"])
        .arg(tables)
        .arg("--out")
        .arg(out.join("icd10cm.index"))
        .run()
}
