//! Which files the rules are about.

use std::path::Path;

use crate::error::{Failure, Result};

/// Folders that hold what is generated or installed.
const SKIPPED_FOLDERS: [&str; 7] = [
    "target",
    "node_modules",
    "build",
    "dist",
    "pkg",
    "corpus",
    "artifacts",
];

const SOURCE_EXTENSIONS: [&str; 7] = ["rs", "js", "mjs", "css", "html", "py", "sh"];

/// A source file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Relative to the checkout, with `/` between its parts.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl SourceFile {
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is test code: `tests.rs` beside a module, or anything below a `tests` folder.
    pub fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs" || part == "benches")
    }
}

/// Every source file of the checkout, sorted by path.
pub fn files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut found = Vec::new();
    collect(root, "", &mut found)?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<SourceFile>) -> Result<()> {
    let failed = |error: std::io::Error| Failure::file("list", folder, &error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            // `xtask/src/build` is a module, not a folder of build products.
            let generated = SKIPPED_FOLDERS.contains(&name.as_str()) && !prefix.contains("src/");
            if !generated && !name.starts_with('.') {
                collect(&path, &format!("{prefix}{name}/"), found)?;
            }
        } else if name
            .rsplit_once('.')
            .is_some_and(|(_, end)| SOURCE_EXTENSIONS.contains(&end))
        {
            let bytes =
                std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            found.push(SourceFile {
                path: format!("{prefix}{name}"),
                text,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_known_by_its_place() {
        let file = |path: &str| SourceFile {
            path: path.to_owned(),
            text: String::new(),
        };
        assert!(file("engine/tests/golden.rs").is_test());
        assert!(file("engine/src/tokenizer/tests.rs").is_test());
        assert!(!file("engine/src/tokenizer/mod.rs").is_test());
        assert!(!file("xtask/src/test.rs").is_test());
    }
}
