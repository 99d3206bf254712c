//! A compiler that can target wasm32-unknown-unknown: rustup's own target, else Debian's compiler.

use std::path::Path;

use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::{Run, find_program};

/// The target of everything that runs in the browser.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The toolchain that compiles for the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmToolchain {
    /// Its name, where it is another one than the one that runs this program.
    name: Option<String>,
}

impl WasmToolchain {
    /// Has `run` use this toolchain.
    pub fn apply(&self, run: Run) -> Run {
        match &self.name {
            Some(name) => run.env("RUSTUP_TOOLCHAIN", name),
            None => run,
        }
    }

    /// Whether the toolchain has clippy; Debian's for the web has not.
    pub fn has_clippy(&self) -> bool {
        self.name.is_none()
    }
}

/// Finds or installs a toolchain for [`TARGET`].
pub fn ensure(places: &Places) -> Result<WasmToolchain> {
    if standard_library_is_there(places)? {
        return Ok(WasmToolchain { name: None });
    }
    if find_program(places, &["rustup"]).is_none() {
        return Err(
            Failure::new(format!("this compiler cannot target {TARGET}")).remedy(
                "install Rust by rustup (https://rustup.rs), or the target's standard library",
            ),
        );
    }
    if Run::new(places, "rustup")?
        .args(["target", "add", TARGET])
        .run()
        .is_ok()
    {
        return Ok(WasmToolchain { name: None });
    }
    eprintln!("    rustup could not fetch {TARGET}: building it from Debian's sources");
    let printed = Run::new(places, "bash")?
        .arg(places.root.join("xtask/debian-wasm-target.sh"))
        .output()
        .map_err(|failure| {
            failure.remedy(format!(
                "run `rustup target add {TARGET}` where its server can be reached"
            ))
        })?;
    let name = printed.lines().last().unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return Err(Failure::new(
            "xtask/debian-wasm-target.sh named no toolchain",
        ));
    }
    Ok(WasmToolchain { name: Some(name) })
}

fn standard_library_is_there(places: &Places) -> Result<bool> {
    let folder = Run::new(places, "rustc")?
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()?;
    let Ok(entries) = std::fs::read_dir(Path::new(folder.trim())) else {
        return Ok(false);
    };
    Ok(entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}
