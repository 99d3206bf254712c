//! wasm-bindgen and wasm-pack, installed for this project alone, in exactly the versions that fit.

use std::path::Path;

use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::{Run, find_program};

/// The wasm-pack that the tests were written with.
const WASM_PACK_VERSION: &str = "0.15.1";

/// wasm-bindgen must be of the very version of the library, or it refuses the module.
pub fn ensure_wasm_bindgen(places: &Places) -> Result<()> {
    let lock_path = places.root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock_path)
        .map_err(|error| Failure::file("read", &lock_path, &error))?;
    let version = locked_version(&lock, "wasm-bindgen")
        .ok_or_else(|| Failure::new("Cargo.lock names no wasm-bindgen"))?;
    ensure(places, "wasm-bindgen-cli", "wasm-bindgen", version)
}

/// wasm-pack runs the engine's tests in the browser and makes the npm package.
pub fn ensure_wasm_pack(places: &Places) -> Result<()> {
    ensure(places, "wasm-pack", "wasm-pack", WASM_PACK_VERSION)
}

fn ensure(places: &Places, package: &str, program: &str, version: &str) -> Result<()> {
    if let Some(path) = find_program(places, &[program]) {
        let installed = installed_version(places, &path)?;
        if installed.as_deref() == Some(version) {
            return Ok(());
        }
    }
    // A registry mirror may lack the very versions that the tool's author locked.
    install(places, package, version, true)
        .or_else(|_| install(places, package, version, false))
        .map_err(|failure| failure.remedy(format!("install {package} {version} by hand")))
}

/// What is saved by compiling with few optimisations is more than what the slower tool costs on two modules.
fn install(places: &Places, package: &str, version: &str, locked: bool) -> Result<()> {
    let install = Run::cargo(places)?.arg("install");
    let install = if locked {
        install.arg("--locked")
    } else {
        install
    };
    install
        .args(["--force", "--root"])
        .arg(&places.tools)
        .arg(format!("{package}@{version}"))
        .env("CARGO_TARGET_DIR", places.tools.join("target"))
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .run()
}

fn installed_version(places: &Places, program: &Path) -> Result<Option<String>> {
    let printed = Run::new(places, program)?.arg("--version").output()?;
    Ok(printed.split_whitespace().nth(1).map(str::to_owned))
}

/// The version of `package` in a Cargo.lock.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    lines
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_is_that_of_the_package_itself() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"9.9.9\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }
}
