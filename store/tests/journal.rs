//! A journal that is cut, flipped or of another version, beside models that are whole.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use outpost_store::{Error, Library, Status};
use pollster::block_on;
use support::disk::FakeDisk;
use support::histories::{History, Step};
use support::models::Sample;
use support::run::{Run, Told};

/// A disk with a new version of alpha, a converted and repaired beta, half a gamma, and no delta.
fn disk() -> (FakeDisk, Vec<Sample>) {
    let history = History {
        samples: vec![
            Sample::new("alpha", 1, &[64, 90]),
            Sample::new("alpha", 2, &[64, 33]),
            Sample::new("beta", 3, &[41, 12, 60]),
            Sample::new("gamma", 4, &[20, 30, 40]),
            Sample::new("delta", 5, &[9, 8]),
        ],
        old: vec![4],
        steps: vec![
            Step::Adopt,
            Step::Install(0),
            Step::Convert(2),
            Step::Install(1),
            Step::SpoilAndRepair(2, 1),
            Step::Begin(3, 2),
            Step::Delete(4),
            Step::CleanUp,
        ],
    };
    let disk = history.disk();
    Run::new(&history, disk.clone(), Told::default()).finish();
    (disk.after_reload().copy(), history.samples)
}

/// Starts on a disk with a damaged journal: what is said to be installed is intact, and what is intact is found.
fn starts(disk: &FakeDisk, samples: &[Sample], how: &str) {
    let (library, _) = block_on(Library::open(disk.clone(), true)).unwrap();
    let check = |library: &Library<FakeDisk>| {
        for model in library.list() {
            if model.status != Status::Installed {
                continue;
            }
            let manifest = block_on(library.manifest(&model.folder)).unwrap();
            let sample = samples
                .iter()
                .find(|sample| sample.manifest == manifest)
                .unwrap();
            for part in sample.plan() {
                let content = disk.content(&format!("{}/{}", model.folder, part.name));
                assert_eq!(content.as_deref(), Some(sample.shard(&part.name)), "{how}");
            }
        }
    };
    check(&library);
    block_on(library.adopt(1, &mut ())).unwrap();
    block_on(library.clean_up()).unwrap();
    check(&library);
    assert!(
        !library
            .list()
            .iter()
            .any(|model| model.name == "Model delta" && model.status == Status::Installed),
        "{how}: a deleted model is back"
    );
    for (number, whole) in [(1, 2), (2, 3), (3, 2)] {
        let sample = &samples[number];
        let installation = block_on(library.install(&sample.manifest, "")).unwrap();
        let mut fetched = 0;
        for part in library.missing(&installation) {
            let mut writer = block_on(library.write(&installation, &part.name, &mut ())).unwrap();
            let rest = &sample.shard(&part.name)[writer.written() as usize..];
            fetched += usize::from(!rest.is_empty());
            writer.write(rest).unwrap();
            library.finish(writer).unwrap();
        }
        let most = sample.shards.len() - whole;
        assert!(
            fetched <= most,
            "{how}: {fetched} parts of {} were fetched again",
            sample.id()
        );
        let model = block_on(library.complete(&installation, &sample.manifest, 2)).unwrap();
        assert_eq!(model.status, Status::Installed);
    }
    check(&library);
}

/// The journal that counts, and its bytes.
fn journal(disk: &FakeDisk) -> (String, Vec<u8>) {
    let paths = ["journal.1", "journal.2"].map(str::to_owned);
    let journals = paths.into_iter().filter_map(|path| {
        let bytes = disk.content(&path)?;
        Some((path, bytes))
    });
    journals.max_by_key(|(_, bytes)| bytes.len()).unwrap()
}

#[test]
fn a_journal_cut_at_any_byte_loses_no_model() {
    let (disk, samples) = disk();
    let (path, bytes) = journal(&disk);
    println!("a journal of {} bytes", bytes.len());
    for cut in 0..bytes.len() {
        let disk = disk.copy();
        disk.put(&path, &bytes[..cut]);
        starts(&disk, &samples, &format!("cut at {cut}"));
    }
}

#[test]
fn a_journal_flipped_at_any_byte_loses_no_model() {
    let (disk, samples) = disk();
    let (path, bytes) = journal(&disk);
    for at in 0..bytes.len() {
        let disk = disk.copy();
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        disk.put(&path, &flipped);
        starts(&disk, &samples, &format!("flipped at {at}"));
    }
}

#[test]
fn a_journal_that_is_gone_loses_no_model() {
    let (disk, samples) = disk();
    let (path, _) = journal(&disk);
    disk.take(&path);
    starts(&disk, &samples, "gone");
}

#[test]
fn what_follows_the_journal_is_cut_off() {
    let (disk, samples) = disk();
    let (path, bytes) = journal(&disk);
    for rest in [
        vec![0],
        vec![0; 64],
        bytes.clone(),
        bytes[bytes.len() - 40..].to_vec(),
    ] {
        let disk = disk.copy();
        disk.put(&path, &[&bytes[..], &rest].concat());
        let (library, found) = block_on(Library::open(disk.clone(), true)).unwrap();
        assert_eq!(found, Default::default());
        let before = library.list();
        block_on(library.install(&samples[0].manifest, "")).unwrap();
        drop(library);
        let (library, _) = block_on(Library::open(disk, true)).unwrap();
        assert_eq!(library.list().len(), before.len() + 1);
    }
}

#[test]
fn a_later_version_is_refused_with_a_way_out_and_left_as_it_is() {
    let (disk, _) = disk();
    let (path, _) = journal(&disk);
    // Version 2, generation 9, sealed as the form of the header says.
    let mut later = b"OUTPOSTJ".to_vec();
    later.extend(2u32.to_le_bytes());
    later.extend(9u64.to_le_bytes());
    let seal = outpost_store::Sha256::of(&later);
    later.extend(&seal.0[..16]);
    later.extend(b"what a later version writes");
    let other = if path == "journal.1" {
        "journal.2"
    } else {
        "journal.1"
    };
    disk.put(other, &later);
    let before: Vec<_> = disk.paths().iter().map(|path| disk.content(path)).collect();
    let refused = block_on(Library::open(disk.clone(), true));
    let Err(error) = refused else {
        panic!("a journal of version 2 was opened");
    };
    assert_eq!(error, Error::Newer { version: 2 });
    assert!(
        error.to_string().contains("update this application"),
        "{error}"
    );
    let after: Vec<_> = disk.paths().iter().map(|path| disk.content(path)).collect();
    assert_eq!(before, after);
}
