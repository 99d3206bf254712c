//! `outpost pack`: GGUF files or a Hugging Face folder to a shard set.
//!
//! Shards are written under temporary names and renamed; the manifest comes last, so that a directory with a manifest
//! is whole. A set that is replaced loses its manifest first.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use outpost_engine::error::Error as EngineError;
use outpost_engine::ports::Progress;
use outpost_engine::weights::huggingface::{HuggingFace, HuggingFaceModel};
use outpost_engine::weights::shards::{Packable, Packing, Role, Sha256Stream};
use outpost_engine::weights::{Gguf, WeightSource};

use crate::args::PackArgs;
use crate::error::{Error, Result};
use crate::output::{self, Percent};
use crate::source::{FileSource, MANIFEST, open_gguf, open_hugging_face};

/// Bytes that are copied at once.
const COPY_BYTES: u64 = 1 << 20;

/// Ends the name of a file that is not complete.
const PARTIAL: &str = ".partial";

/// Writes the shard set.
pub fn run(args: &PackArgs) -> Result<()> {
    if args.files.iter().any(|path| path.is_dir()) {
        return pack(args, open_folder(args)?);
    }
    if args.quantize.is_some() {
        return Err(Error::Engine(EngineError::Request {
            problem: "--quantize changes folders in Hugging Face's layout, and GGUF files keep their types".to_owned(),
            remedy: "leave it out, or name a folder with config.json and safetensors".to_owned(),
        }));
    }
    pack(args, open(args)?)
}

fn pack<P: Packable>(args: &PackArgs, files: Vec<(Role, P)>) -> Result<()> {
    let name = name(args, &files);
    let packing = Packing::plan(files, &name, args.shard_mib << 20)?;
    prepare(&args.out)?;

    let total: u64 = packing.shards().iter().map(|shard| shard.bytes).sum();
    let mut progress = Percent::of("packing");
    let mut done = 0;
    let mut hashes = Vec::new();
    for (index, shard) in packing.shards().iter().enumerate() {
        let path = args.out.join(&shard.name);
        hashes.push(write_shard(&packing, index, shard.bytes, &path, |bytes| {
            done += bytes;
            progress.report(done, total);
        })?);
    }
    drop(progress);

    let manifest = packing.manifest(&hashes)?;
    let json = manifest.to_json()?;
    write_whole(&args.out.join(MANIFEST), |file| file.write_all(&json))?;
    output::line(&format!(
        "{}: {name}, {} in {} shards",
        args.out.display(),
        output::bytes(total),
        hashes.len()
    ))
}

/// Opens the one folder, and plans to bring its weights to the type that is asked for.
fn open_folder(args: &PackArgs) -> Result<Vec<(Role, HuggingFace<FileSource>)>> {
    let [directory] = args.files.as_slice() else {
        return Err(Error::Engine(EngineError::Request {
            problem: "a folder is a whole model, and there is something beside it".to_owned(),
            remedy: "name the folder alone".to_owned(),
        }));
    };
    let quantise = args.quantize.map(Into::into);
    let HuggingFaceModel { text, vision } = open_hugging_face(directory, quantise)?;
    let vision = vision.map(|vision| (Role::Vision, vision));
    Ok([(Role::Text, text)].into_iter().chain(vision).collect())
}

/// Opens the files and tells text model and image encoder apart by what they say they are.
fn open(args: &PackArgs) -> Result<Vec<(Role, Gguf<FileSource>)>> {
    let mut files: Vec<(Role, Gguf<FileSource>)> = Vec::new();
    for path in &args.files {
        let gguf = open_gguf(path)?;
        let architecture = gguf.metadata().str("general.architecture");
        let architecture = architecture.map_err(Error::of(path))?;
        if !["gemma3", "clip"].contains(&architecture) {
            let refused = EngineError::Unsupported {
                what: format!("a model of architecture `{architecture}`"),
                remedy: "choose a Gemma 3 or MedGemma model and its mmproj file".to_owned(),
            };
            return Err(Error::of(path)(refused));
        }
        let role = Role::of(gguf.metadata());
        if files.iter().any(|(known, _)| *known == role) {
            return Err(Error::file(
                path,
                "is a second file of the same kind",
                "name one text model and at most one mmproj file",
            ));
        }
        files.push((role, gguf));
    }
    if !files.iter().any(|(role, _)| *role == Role::Text) {
        return Err(Error::Engine(EngineError::Request {
            problem: "there is no text model among the files".to_owned(),
            remedy: "name the model's GGUF file as well".to_owned(),
        }));
    }
    files.sort_by_key(|(role, _)| *role != Role::Text);
    Ok(files)
}

/// The model's name for itself, or that of its file.
fn name<P: Packable>(args: &PackArgs, files: &[(Role, P)]) -> String {
    let text = files.iter().find(|(role, _)| *role == Role::Text);
    let own = text.and_then(|(_, source)| source.metadata().opt_str("general.name").ok()?);
    let stem = args.files.first().and_then(|path| path.file_stem());
    let stem = stem.and_then(OsStr::to_str).unwrap_or("model");
    own.filter(|name| !name.is_empty())
        .unwrap_or(stem)
        .to_owned()
}

/// Makes the directory, or clears an old shard set out of it. Anything else in it stays, and is a reason to stop.
fn prepare(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| Error::write(directory, &error))?;
    let entries = fs::read_dir(directory).map_err(|error| Error::read(directory, &error))?;
    let mut old = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| Error::read(directory, &error))?
            .path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if !is_ours(name) || !path.is_file() {
            return Err(Error::file(
                directory,
                "holds something else than a shard set",
                "name a new or empty directory",
            ));
        }
        old.push(path);
    }
    // Without its manifest the old set is no set any more; then its shards may go.
    old.sort_by_key(|path| path.file_name() != Some(OsStr::new(MANIFEST)));
    for path in old {
        fs::remove_file(&path).map_err(|error| Error::write(&path, &error))?;
    }
    Ok(())
}

/// Whether a name is one that this command gives: the manifest, a shard, or either of them incomplete.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(PARTIAL).unwrap_or(name);
    let roles = [Role::Text, Role::Vision].map(Role::name);
    let shard = |name: &str| {
        let (role, rest) = name.strip_suffix(".bin")?.split_once('-')?;
        let (number, count) = rest.split_once("-of-")?;
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        Some(roles.contains(&role) && digits(number) && digits(count))
    };
    name == MANIFEST || shard(name) == Some(true)
}

fn write_shard<P: Packable>(
    packing: &Packing<P>,
    index: usize,
    length: u64,
    path: &Path,
    mut copied: impl FnMut(u64),
) -> Result<[u8; 32]> {
    let mut hash = Sha256Stream::default();
    let mut refused = Ok(());
    write_whole(path, |file| {
        let mut buf = Vec::new();
        let mut offset = 0;
        while offset < length {
            let bytes = COPY_BYTES.min(length - offset);
            buf.resize(bytes as usize, 0);
            refused = packing.read_shard(index, offset, &mut buf);
            if refused.is_err() {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            hash.update(&buf);
            file.write_all(&buf)?;
            offset += bytes;
            copied(bytes);
        }
        Ok(())
    })
    .map_err(|error| match std::mem::replace(&mut refused, Ok(())) {
        Err(source) => Error::Engine(source),
        Ok(()) => error,
    })?;
    Ok(hash.finish())
}

/// Writes a file under a temporary name, then gives it its own.
fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(PARTIAL);
    let written = File::create(&partial).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    });
    written.map_err(|error| Error::write(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_command_writes_may_be_replaced() {
        for name in [
            "manifest.json",
            "manifest.json.partial",
            "text-00001-of-00003.bin",
            "vision-00001-of-00001.bin.partial",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "text.bin",
            "text-1-of-2",
            "notes-1-of-2.bin",
            "text-a-of-b.bin",
            ".partial",
            "model.gguf",
            "",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
