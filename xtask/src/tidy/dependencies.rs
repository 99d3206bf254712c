//! Which crate may depend on which, read from the manifests by cargo itself.

use serde_json::Value;

use super::Breach;
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::Run;

/// A crate and the crates of this workspace that it may use. The order is the direction of imports.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("outpost-engine", &[]),
    ("outpost-store", &["outpost-engine"]),
    ("outpost-clinic", &["outpost-engine"]),
    ("outpost-models", &["outpost-clinic", "outpost-engine"]),
    ("outpost-protocol", &[]),
    ("outpost-thread", &["outpost-engine"]),
    (
        "outpost-worker",
        &[
            "outpost-protocol",
            "outpost-clinic",
            "outpost-store",
            "outpost-engine",
        ],
    ),
    ("outpost-vault", &[]),
    ("outpost-app", &["outpost-protocol", "outpost-vault"]),
    ("outpost-constraint-cost", &["outpost-engine"]),
    ("xtask", &[]),
];

/// Crates of others that some of ours must not use, tests apart.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    (
        "outpost-engine",
        &[
            "web-sys",
            "js-sys",
            "wasm-bindgen",
            "wasm-bindgen-futures",
            "gloo",
            "rayon",
        ],
    ),
    (
        "outpost-clinic",
        &[
            "web-sys",
            "js-sys",
            "wasm-bindgen",
            "wasm-bindgen-futures",
            "gloo",
            "rayon",
        ],
    ),
    (
        "outpost-store",
        &[
            "web-sys",
            "js-sys",
            "wasm-bindgen",
            "wasm-bindgen-futures",
            "gloo",
            "rayon",
            "rand",
            "getrandom",
            "burn",
            "cubecl",
        ],
    ),
    (
        "outpost-protocol",
        &["web-sys", "js-sys", "wasm-bindgen", "burn", "cubecl"],
    ),
    (
        "outpost-thread",
        &["web-sys", "js-sys", "wasm-bindgen", "burn", "cubecl"],
    ),
    (
        "outpost-vault",
        &[
            "web-sys",
            "js-sys",
            "wasm-bindgen",
            "wasm-bindgen-futures",
            "gloo",
            "burn",
            "cubecl",
        ],
    ),
    (
        "outpost-app",
        &["burn", "cubecl", "tokenizers", "safetensors"],
    ),
];

/// Checks the manifests of the workspace.
pub fn check(places: &Places) -> Result<Vec<Breach>> {
    let printed = Run::cargo(places)?
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .output()?;
    let metadata: Value = serde_json::from_str(&printed)
        .map_err(|error| Failure::new(format!("cargo's metadata cannot be read: {error}")))?;
    Ok(breaches(&metadata))
}

fn breaches(metadata: &Value) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let mut breach = |message: String| {
            breaches.push(Breach {
                file: format!("Cargo.toml of {name}"),
                line: 0,
                message,
            });
        };
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            breach("this crate has no place in the direction of imports: give it one in xtask/src/tidy/dependencies.rs".to_owned());
            continue;
        };
        let forbidden = FORBIDDEN
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(&[][..], |(_, names)| *names);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let ours = dependency["path"].is_string();
            if ours && !allowed.contains(&used) {
                breach(format!("must not depend on {used}: imports point one way"));
            }
            if dependency["kind"].as_str() != Some("dev") && forbidden.contains(&used) {
                breach(format!(
                    "must not depend on {used}: that is for another part"
                ));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn count(name: &str, dependency: Value) -> usize {
        breaches(&json!({ "packages": [{ "name": name, "dependencies": [dependency] }] })).len()
    }

    #[test]
    fn imports_point_one_way() {
        assert_eq!(
            count(
                "outpost-clinic",
                json!({ "name": "outpost-engine", "path": "/engine" })
            ),
            0
        );
        assert_eq!(
            count(
                "outpost-engine",
                json!({ "name": "outpost-clinic", "path": "/clinic" })
            ),
            1
        );
        assert_eq!(
            count(
                "outpost-app",
                json!({ "name": "outpost-engine", "path": "/engine" })
            ),
            1
        );
        assert_eq!(
            count(
                "outpost-engine",
                json!({ "name": "outpost-clinic", "path": "/clinic", "kind": "dev" })
            ),
            1
        );
    }

    #[test]
    fn the_engine_knows_no_browser() {
        assert_eq!(
            count("outpost-engine", json!({ "name": "web-sys", "kind": null })),
            1
        );
        assert_eq!(
            count("outpost-engine", json!({ "name": "js-sys", "kind": "dev" })),
            0
        );
        assert_eq!(
            count("outpost-worker", json!({ "name": "web-sys", "kind": null })),
            0
        );
    }

    #[test]
    fn a_crate_without_a_place_is_a_breach() {
        assert_eq!(
            breaches(&json!({ "packages": [{ "name": "outpost-extra", "dependencies": [] }] }))
                .len(),
            1
        );
    }
}
