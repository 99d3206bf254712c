//! What a caller does, in few words.

use outpost_store::{Found, Installation, Library, Result, Sha256};
use pollster::block_on;

use super::disk::FakeDisk;
use super::models::Sample;

pub fn sample() -> Sample {
    Sample::new("alpha", 1, &[60, 40, 20])
}

pub fn open(disk: &FakeDisk) -> (Library<FakeDisk>, Found) {
    block_on(Library::open(disk.after_reload(), false)).unwrap()
}

pub fn write(
    library: &Library<FakeDisk>,
    installation: &Installation,
    name: &str,
    bytes: &[u8],
) -> Result<Sha256> {
    let mut writer = block_on(library.write(installation, name, &mut ())).unwrap();
    writer.write(&bytes[writer.written() as usize..])?;
    library.finish(writer)
}

/// Writes what is missing -> the names of it.
pub fn fetch(
    library: &Library<FakeDisk>,
    installation: &Installation,
    sample: &Sample,
) -> Vec<String> {
    let missing = library.missing(installation);
    for part in &missing {
        write(library, installation, &part.name, sample.shard(&part.name)).unwrap();
    }
    missing.into_iter().map(|part| part.name).collect()
}

pub fn install(library: &Library<FakeDisk>, sample: &Sample) -> String {
    let installation = block_on(library.install(&sample.manifest, "elsewhere")).unwrap();
    fetch(library, &installation, sample);
    block_on(library.complete(&installation, &sample.manifest, 7))
        .unwrap()
        .folder
}

pub fn installed(sample: &Sample) -> (FakeDisk, Library<FakeDisk>, String) {
    let disk = FakeDisk::default();
    let (library, _) = open(&disk);
    let folder = install(&library, sample);
    (disk, library, folder)
}
