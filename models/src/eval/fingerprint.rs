//! What tells a model from every other one, without reading gigabytes each time: SHA-256 of its files' lengths and of
//! pieces of them. Of a shard set its manifest is enough, which has the hashes of all shards.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use outpost_clinic::eval::hexadecimal;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What is read of a file in one place.
const PIECE_BYTES: u64 = 1 << 20;

/// Pieces of a file, from its beginning to its end.
const PIECES: u64 = 32;

/// The fingerprint of a model's file, or of its folder.
pub fn of(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files(path)? {
        add(&mut hash, &file).map_err(|error| Error::read(&file, &error))?;
    }
    Ok(hexadecimal(&hash.finalize()))
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let manifest = path.join("manifest.json");
    if manifest.is_file() {
        return Ok(vec![manifest]);
    }
    let split = split_prefix(path);
    let folder = match (path.is_dir(), &split) {
        (true, _) => path,
        (false, Some(_)) => path
            .parent()
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new(".")),
        (false, None) => return Ok(vec![path.to_owned()]),
    };
    let failed = |error| Error::read(folder, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let one_of_it = split.is_none() || split_prefix(&file) == split;
        if one_of_it && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// What the names of a split GGUF file's parts share: `NAME-00001-of-00003.gguf`.
fn split_prefix(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?;
    let (rest, total) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (prefix, _) = rest.rsplit_once('-')?;
    Some((prefix.to_owned(), total.to_owned()))
}

fn add(hash: &mut Sha256, path: &Path) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    hash.update(length.to_le_bytes());
    let step = length.div_ceil(PIECES).max(PIECE_BYTES);
    let mut start = 0;
    while start < length {
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        (&mut file).take(PIECE_BYTES).read_to_end(&mut piece)?;
        hash.update(&piece);
        start += step;
    }
    Ok(())
}
