//! Shape-true models in the cache, made where they are missing.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::Run;

/// Shapes that an image encoder belongs to.
const SEEING: [&str; 2] = ["4b", "27b-4-layers"];

/// The files of a model.
#[derive(Debug)]
pub struct Model {
    /// The text model.
    pub text: PathBuf,
    /// The image encoder, if there is one.
    pub vision: Option<PathBuf>,
}

/// The model of this shape and these types. Files that another generator made are made again.
pub fn shape_true(places: &Places, shape: &str, types: &str, image: bool) -> Result<Model> {
    let folder = places.scale();
    let version = version(&places.root.join("models/src/bin/shape_true"))?;
    let named = |kind: &str| folder.join(format!("{shape}-{kind}-{version}.gguf"));
    let text = named(types);
    let vision = (image && SEEING.contains(&shape)).then(|| named("mmproj-f16"));
    let complete = text.is_file() && vision.as_ref().is_none_or(|path| path.is_file());
    if !complete {
        remove_others(&folder, &version)?;
        let unfinished = |path: &Path| path.with_extension("part");
        let mut run = Run::new(places, places.shape_true())?
            .args(["--shape", shape, "--types", types, "--out"])
            .arg(unfinished(&text));
        if let Some(vision) = &vision {
            run = run.arg("--mmproj").arg(unfinished(vision));
        }
        run.run()?;
        for path in [Some(&text), vision.as_ref()].into_iter().flatten() {
            std::fs::rename(unfinished(path), path)
                .map_err(|error| Failure::file("write", path, &error))?;
        }
    }
    Ok(Model { text, vision })
}

/// The first digits of a hash of the generator's source.
fn version(source: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Failure::file("read", source, &error);
    let entries = std::fs::read_dir(source).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    paths.sort();
    let mut hash = Sha256::new();
    for path in paths {
        hash.update(std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?);
    }
    let digits = hash
        .finalize()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(digits)
}

/// Removes models of other versions, and what was not finished: each takes gigabytes.
fn remove_others(folder: &Path, version: &str) -> Result<()> {
    let failed = |error: std::io::Error| Failure::file("list", folder, &error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let current = name.ends_with(&format!("-{version}.gguf"));
        if (name.ends_with(".gguf") && !current) || name.ends_with(".part") {
            std::fs::remove_file(&path).map_err(|error| Failure::file("remove", &path, &error))?;
        }
    }
    Ok(())
}
