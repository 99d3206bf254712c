//! The npm package in `pkg/`: the client with TypeScript types as wasm-pack makes it, and beside it the engine.

use std::path::Path;

use serde_json::{Value, json};

use super::files;
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::Run;
use crate::setup;

/// What starts the engine's Worker and its helper threads.
const STARTERS: [&str; 2] = ["worker.js", "thread.js"];

/// Builds the package from the page in `dist`. What is committed in `pkg/`, its README, stays as it is.
pub fn package(places: &Places) -> Result<()> {
    let toolchain = setup::for_page(places)?;
    setup::for_wasm_pack(places)?;
    // wasm-pack writes a README and an ignore file of its own: what it makes is taken from elsewhere.
    let made = places.target.join("npm");
    files::remove_folder(&made)?;
    let build = Run::new(places, "wasm-pack")?
        .args([
            "build",
            "--release",
            "--target",
            "web",
            "--mode",
            "no-install",
            "--no-opt",
        ])
        .args(["--out-name", "outpost", "--out-dir"])
        .arg(&made)
        .arg(places.root.join("web/app"));
    toolchain.apply(build).run()?;

    let package = places.root.join("pkg");
    for name in [
        "outpost.js",
        "outpost.d.ts",
        "outpost_bg.wasm",
        "outpost_bg.wasm.d.ts",
    ] {
        files::copy(&made.join(name), &package.join(name))?;
    }
    for script in STARTERS {
        files::copy(&places.dist().join(script), &package.join(script))?;
    }
    files::copy_folder(&places.dist().join("engine"), &package.join("engine"))?;
    describe(&made.join("package.json"), &package.join("package.json"))?;
    eprintln!("    the npm package is in {}", package.display());
    Ok(())
}

/// Writes the package's description: wasm-pack's, with the engine's files and the product's name.
fn describe(made: &Path, target: &Path) -> Result<()> {
    let mut description: Value = serde_json::from_slice(&files::read(made)?).map_err(|error| {
        Failure::new(format!("wasm-pack's package.json cannot be read: {error}"))
    })?;
    description["name"] = json!("outpost");
    description["description"] =
        json!("A medical language model in a web page: MedGemma on WebGPU, with no server");
    if let Some(shipped) = description["files"].as_array_mut() {
        shipped.extend(STARTERS.map(|script| json!(script)));
        shipped.push(json!("engine/"));
    }
    std::fs::write(target, format!("{description:#}\n"))
        .map_err(|error| Failure::file("write", target, &error))
}
