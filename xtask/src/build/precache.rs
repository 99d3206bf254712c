//! The list of files that the service worker keeps for use without a network.
//!
//! Each entry is `{"url", "revision"}`, the revision being the SHA-256 of the file's bytes, so that the service worker's own
//! bytes change whenever any file's do. Models are not in it, for they live in OPFS. Indexes of codes are marked `later`: they
//! are kept too, but nobody waits for them.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::files;
use crate::error::{Failure, Result};

/// What stands for the list in `service-worker/sw.js`.
const PLACEHOLDER: &str = "self.__PRECACHE";

/// Writes `dist/sw.js` from its source and the list of everything else in `dist`.
pub fn write_service_worker(source: &Path, dist: &Path) -> Result<()> {
    let template = String::from_utf8_lossy(&files::read(source)?).into_owned();
    let entries = files::list(dist)?
        .into_iter()
        .filter(|name| is_precached(name))
        .map(|name| {
            let bytes = files::read(&dist.join(&name))?;
            let mut entry = json!({ "url": url(&name), "revision": hex(&Sha256::digest(bytes)) });
            if comes_later(&name)
                && let Some(entry) = entry.as_object_mut()
            {
                entry.insert("later".to_owned(), Value::Bool(true));
            }
            Ok(entry)
        })
        .collect::<Result<Vec<Value>>>()?;
    let target = dist.join("sw.js");
    std::fs::write(&target, fill(&template, &Value::Array(entries))?)
        .map_err(|error| Failure::file("write", &target, &error))
}

fn is_precached(name: &str) -> bool {
    name != "sw.js" && !name.starts_with("models/") && !name.ends_with(".map")
}

/// Whether a version counts without it.
fn comes_later(name: &str) -> bool {
    name.starts_with("terminology/")
}

/// A page is asked for by its folder's address.
fn url(name: &str) -> &str {
    match name.strip_suffix("index.html") {
        Some("") => "./",
        Some(folder) if folder.ends_with('/') => folder,
        _ => name,
    }
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Puts the list where code uses the placeholder; a comment may mention it too.
fn fill(template: &str, entries: &Value) -> Result<String> {
    let mut filled = 0;
    let lines: Vec<String> = template
        .lines()
        .map(|line| {
            let code_ends = line.find("//").unwrap_or(line.len());
            if line.find(PLACEHOLDER).is_some_and(|at| at < code_ends) {
                filled += 1;
                line.replacen(PLACEHOLDER, &entries.to_string(), 1)
            } else {
                line.to_owned()
            }
        })
        .collect();
    match filled {
        1 => Ok(lines.join("\n") + "\n"),
        count => Err(Failure::new(format!(
            "service-worker/sw.js uses `{PLACEHOLDER}` {count} times instead of once"
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn models_and_the_service_worker_itself_are_left_out_and_codes_come_later() {
        assert!(is_precached("engine/outpost_worker_bg.wasm"));
        assert!(is_precached("engine/thread.wasm"));
        assert!(is_precached("thread.js"));
        assert!(is_precached("examples/round-opacity.png"));
        assert!(!is_precached("sw.js"));
        assert!(!is_precached("models/demo/manifest.json"));
        assert!(
            is_precached("terminology/icd10cm.index") && comes_later("terminology/icd10cm.index")
        );
        assert!(!comes_later("engine/outpost_worker_bg.wasm"));
    }

    #[test]
    fn pages_are_kept_under_the_addresses_of_their_folders() {
        assert_eq!(url("index.html"), "./");
        assert_eq!(url("install/index.html"), "install/");
        assert_eq!(url("install/worker.js"), "install/worker.js");
        assert_eq!(url("my-index.html"), "my-index.html");
    }

    #[test]
    fn the_list_stands_where_code_uses_it() {
        let template =
            "// self.__PRECACHE is filled in at build time\nconst LIST = self.__PRECACHE;\n";
        let filled = fill(template, &json!([{ "url": "./", "revision": "00" }])).unwrap();
        assert!(
            filled.contains(r#"const LIST = [{"revision":"00","url":"./"}];"#),
            "{filled}"
        );
        assert!(filled.starts_with("// self.__PRECACHE is"));
    }

    #[test]
    fn a_service_worker_without_its_place_for_the_list_is_refused() {
        assert!(fill("const LIST = [];", &json!([])).is_err());
        assert!(fill("f(self.__PRECACHE);\ng(self.__PRECACHE);", &json!([])).is_err());
    }
}
