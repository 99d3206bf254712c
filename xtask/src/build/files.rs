//! Copying and listing folders.

use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};

/// Every file below `folder`, sorted, as paths relative to it with `/` between their parts.
pub fn list(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    collect(folder, "", &mut found)?;
    found.sort();
    Ok(found)
}

/// Copies the files below `from` to the same places below `to`, but for the scripts that made some of them.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for name in list(from)?
        .into_iter()
        .filter(|name| !name.ends_with(".py"))
    {
        let target = to.join(&name);
        if let Some(parent) = target.parent() {
            create_folder(parent)?;
        }
        copy(&from.join(&name), &target)?;
    }
    Ok(())
}

/// Copies one file into a folder that is there.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to)
        .map(|_| ())
        .map_err(|error| Failure::file("copy", from, &error))
}

/// Creates a folder and those above it.
pub fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, &error))
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::file("remove", folder, &error))
        }
        _ => Ok(()),
    }
}

/// Reads a file whole.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) -> Result<()> {
    let failed = |error: std::io::Error| Failure::file("list", folder, &error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path: PathBuf = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{name}/"), found)?;
        } else {
            found.push(name);
        }
    }
    Ok(())
}
