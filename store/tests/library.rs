//! What a library does, as its callers see it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use outpost_store::{Conversion, Error, Found, Installation, Library, Part, Sha256, Status};
use pollster::block_on;
use support::calls::{fetch, installed, open, sample, write};
use support::disk::FakeDisk;
use support::models::{Sample, shard_name};

#[test]
fn an_installed_model_is_listed_and_read() {
    let sample = sample();
    let (disk, library, folder) = installed(&sample);
    drop(library);
    let (library, found) = open(&disk);
    assert_eq!(found, Found::default());
    let models = library.list();
    assert_eq!(models, [library.installed("alpha").unwrap()]);
    let model = &models[0];
    assert_eq!(
        (model.id.as_deref(), model.name.as_str()),
        (Some("alpha"), "Model alpha")
    );
    assert_eq!(
        (model.source.as_str(), model.installed_at_ms),
        ("elsewhere", Some(7))
    );
    assert_eq!(model.status, Status::Installed);
    let json = sample.manifest.to_json().unwrap().len() as u64;
    assert_eq!(model.bytes, 120 + json);
    assert_eq!(
        block_on(library.manifest(&folder)).unwrap(),
        sample.manifest
    );
    block_on(library.read(&folder, &shard_name(2))).unwrap();
    let used = block_on(library.used_bytes()).unwrap();
    assert_eq!(used, disk.used() as u64);
    assert!(used > model.bytes, "the journal has bytes too");
}

#[test]
fn an_unfinished_installation_says_how_far_it_is_and_goes_on_within_a_part() {
    let (disk, sample) = (FakeDisk::default(), sample());
    let (library, _) = open(&disk);
    let installation = block_on(library.install(&sample.manifest, "elsewhere")).unwrap();
    write(&library, &installation, &shard_name(1), &sample.shards[1]).unwrap();
    let mut writer = block_on(library.write(&installation, &shard_name(0), &mut ())).unwrap();
    writer.write(&sample.shards[0][..25]).unwrap();
    drop((writer, library));

    let (library, _) = open(&disk);
    let unfinished = Status::Unfinished {
        done_bytes: 40,
        total_bytes: 120,
    };
    assert_eq!(library.list()[0].status, unfinished);
    assert!(library.installed("alpha").is_none());
    // The description is on the disk: to go on, nobody need be asked for it.
    let again = block_on(library.resume(&installation.folder)).unwrap();
    assert_eq!(
        again,
        block_on(library.install(&sample.manifest, "elsewhere")).unwrap()
    );
    let missing = library.missing(&again);
    let names: Vec<_> = missing.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, [shard_name(0), shard_name(2)]);
    let mut writer = block_on(library.write(&again, &shard_name(0), &mut ())).unwrap();
    assert_eq!(writer.written(), 25);
    writer.write(&sample.shards[0][25..]).unwrap();
    assert_eq!(
        library.finish(writer).unwrap(),
        Sha256::of(&sample.shards[0])
    );
}

#[test]
fn an_installation_is_complete_only_with_every_part() {
    let (disk, sample) = (FakeDisk::default(), sample());
    let (library, _) = open(&disk);
    let installation = block_on(library.install(&sample.manifest, "")).unwrap();
    write(&library, &installation, &shard_name(0), &sample.shards[0]).unwrap();
    let refused = block_on(library.complete(&installation, &sample.manifest, 0));
    let incomplete = Error::Incomplete {
        what: "the model Model alpha".to_owned(),
        found: 1,
        expected: 3,
    };
    assert_eq!(refused, Err(incomplete));
}

#[test]
fn a_wrong_part_never_counts_and_is_emptied() {
    let (disk, sample) = (FakeDisk::default(), sample());
    let (library, _) = open(&disk);
    let installation = block_on(library.install(&sample.manifest, "")).unwrap();
    let refused = write(&library, &installation, &shard_name(0), &[0; 60]);
    assert!(matches!(refused, Err(Error::WrongPart { name, .. }) if name == shard_name(0)));
    assert_eq!(library.missing(&installation).len(), 3);
    let mut writer = block_on(library.write(&installation, &shard_name(0), &mut ())).unwrap();
    assert_eq!(writer.written(), 0);
    // Too few bytes are no part either, and they are kept; more than there are are refused at once.
    writer.write(&sample.shards[0][..50]).unwrap();
    assert!(matches!(
        writer.write(&[0; 11]),
        Err(Error::TooLong { bytes: 60, .. })
    ));
    assert!(matches!(
        library.finish(writer),
        Err(Error::Incomplete {
            found: 50,
            expected: 60,
            ..
        })
    ));
    write(&library, &installation, &shard_name(0), &sample.shards[0]).unwrap();
}

#[test]
fn parts_are_written_side_by_side_but_each_by_one() {
    let (disk, sample) = (FakeDisk::default(), sample());
    let (library, _) = open(&disk);
    let installation = block_on(library.install(&sample.manifest, "")).unwrap();
    let mut writers: Vec<_> = (0..3)
        .map(|index| block_on(library.write(&installation, &shard_name(index), &mut ())).unwrap())
        .collect();
    let held = block_on(library.write(&installation, &shard_name(0), &mut ()));
    assert!(matches!(held, Err(Error::Held { .. })));
    for at in 0..20 {
        for (writer, bytes) in writers.iter_mut().zip(&sample.shards) {
            let step = bytes.len() / 20;
            writer.write(&bytes[at * step..(at + 1) * step]).unwrap();
        }
    }
    for writer in writers.into_iter().rev() {
        library.finish(writer).unwrap();
    }
    let again = block_on(library.write(&installation, &shard_name(0), &mut ()));
    assert!(
        matches!(again, Err(Error::Request { .. })),
        "a stored part is not overwritten"
    );
    block_on(library.complete(&installation, &sample.manifest, 0)).unwrap();
}

#[test]
fn a_new_version_takes_the_place_of_the_old_one_only_when_it_is_whole() {
    let old = sample();
    let new = Sample::new("alpha", 2, &[60, 41]);
    let (disk, library, before) = installed(&old);
    let installation = block_on(library.install(&new.manifest, "")).unwrap();
    assert_ne!(installation.folder, before);
    assert_eq!(library.installed("alpha").unwrap().folder, before);
    fetch(&library, &installation, &new);
    assert_eq!(block_on(library.manifest(&before)).unwrap(), old.manifest);
    block_on(library.complete(&installation, &new.manifest, 9)).unwrap();
    assert_eq!(library.list().len(), 1);
    assert_eq!(
        library.installed("alpha").unwrap().folder,
        installation.folder
    );
    assert!(!disk.paths().iter().any(|path| path.starts_with(&before)));
}

#[test]
fn what_is_only_described_anew_is_not_fetched_again() {
    let sample = sample();
    let (_, library, folder) = installed(&sample);
    let noticed = sample.with_notice("Say where it is from.");
    let installation = block_on(library.install(&noticed.manifest, "")).unwrap();
    assert_eq!(library.missing(&installation), []);
    let model = block_on(library.complete(&installation, &noticed.manifest, 9)).unwrap();
    assert_eq!(
        (model.folder, model.installed_at_ms),
        (folder.clone(), Some(7))
    );
    assert_eq!(
        block_on(library.manifest(&folder)).unwrap(),
        noticed.manifest
    );
}

#[test]
fn a_conversion_goes_on_by_its_key_and_finds_its_hashes() {
    let (disk, sample) = (FakeDisk::default(), sample());
    let plan = sample.plan();
    let unplanned = Conversion {
        key: &sample.key,
        name: "Model alpha",
        source: "a file",
        shards: &[],
    };
    let conversion = Conversion {
        shards: &plan,
        ..unplanned
    };
    let (library, _) = open(&disk);
    let raw = block_on(library.convert(unplanned)).unwrap();
    let mut writer = block_on(library.write_piece(&raw, 0)).unwrap();
    writer.write(b"the beginning").unwrap();
    library.finish_piece(writer, "state").unwrap();
    let planned = block_on(library.convert(conversion)).unwrap();
    assert_eq!(planned.folder, raw.folder);
    let found = write(&library, &planned, &shard_name(0), &sample.shards[0]).unwrap();
    assert_eq!(found, Sha256::of(&sample.shards[0]));
    // Without a hash, what was begun is begun from nothing: it might be torn, and nothing would show it.
    let mut writer = block_on(library.write(&planned, &shard_name(1), &mut ())).unwrap();
    writer.write(&sample.shards[1][..9]).unwrap();
    drop((writer, library));

    let (library, _) = open(&disk);
    let model = &library.list()[0];
    assert_eq!((&model.id, model.key.as_ref()), (&None, Some(&sample.key)));
    let unfinished = Status::Unfinished {
        done_bytes: 60,
        total_bytes: 120,
    };
    assert_eq!(model.status, unfinished);
    let planned = block_on(library.convert(unplanned)).unwrap();
    let pieces = library.pieces(&planned);
    assert_eq!(
        (pieces[0].bytes, pieces[0].hash_state.as_str()),
        (13, "state")
    );
    assert_eq!(pieces[0].sha256, Sha256::of(b"the beginning"));
    block_on(library.read_piece(&planned, 0)).unwrap();
    block_on(library.drop_piece(&planned, 0)).unwrap();
    assert_eq!(library.pieces(&planned), []);
    let planned = block_on(library.convert(conversion)).unwrap();
    assert_eq!(library.stored(&planned, &shard_name(0)), Some(found));
    let writer = block_on(library.write(&planned, &shard_name(1), &mut ())).unwrap();
    assert_eq!(writer.written(), 0);
    drop(writer);
    assert_eq!(
        fetch(&library, &planned, &sample),
        [shard_name(1), shard_name(2)]
    );
    block_on(library.complete(&planned, &sample.manifest, 1)).unwrap();
    // The same file again: it is here.
    let again = block_on(library.convert(conversion)).unwrap();
    assert_eq!(library.missing(&again), []);
    block_on(library.complete(&again, &sample.manifest, 2)).unwrap();
    assert_eq!(library.list().len(), 1);
    assert_eq!(library.list()[0].installed_at_ms, Some(1));
}

#[test]
fn a_conversion_to_what_is_here_already_leaves_one_of_the_two() {
    let sample = sample();
    let (_, library, folder) = installed(&sample);
    let plan = sample.plan();
    let conversion = Conversion {
        key: &sample.key,
        name: "Model alpha",
        source: "a file",
        shards: &plan,
    };
    let planned = block_on(library.convert(conversion)).unwrap();
    fetch(&library, &planned, &sample);
    let model = block_on(library.complete(&planned, &sample.manifest, 8)).unwrap();
    assert_eq!(model.folder, folder, "its files may be in use");
    assert_eq!(library.list().len(), 1);
}

#[test]
fn two_libraries_are_never_open_at_once() {
    let disk = FakeDisk::default();
    let first = block_on(Library::open(disk.clone(), false)).unwrap();
    let second = block_on(Library::open(disk.clone(), false));
    assert!(matches!(second, Err(Error::Held { path }) if path == "journal.1"));
    drop(first);
    block_on(Library::open(disk, false)).unwrap();
}

#[test]
fn deleting_while_files_are_in_use_leaves_them_to_a_clean_up() {
    let sample = sample();
    let (disk, library, folder) = installed(&sample);
    let in_use = block_on(library.read(&folder, &shard_name(0))).unwrap();
    block_on(library.delete(&folder)).unwrap();
    assert_eq!(library.list(), []);
    assert_eq!(block_on(library.clean_up()).unwrap(), 0);
    drop(in_use);
    assert_eq!(block_on(library.clean_up()).unwrap(), 60);
    assert_eq!(disk.paths(), ["journal.1"]);
    assert!(matches!(
        block_on(library.delete(&folder)),
        Err(Error::NotHere { .. })
    ));
}

#[test]
fn what_was_deleted_while_it_was_written_is_not_stored() {
    let (disk, sample) = (FakeDisk::default(), sample());
    let (library, _) = open(&disk);
    let installation = block_on(library.install(&sample.manifest, "")).unwrap();
    let mut writer = block_on(library.write(&installation, &shard_name(0), &mut ())).unwrap();
    block_on(library.delete(&installation.folder)).unwrap();
    writer.write(&sample.shards[0]).unwrap();
    assert!(matches!(library.finish(writer), Err(Error::NotHere { .. })));
    block_on(library.clean_up()).unwrap();
    assert_eq!(disk.paths(), ["journal.1"]);
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    let disk = FakeDisk::default();
    let (library, _) = open(&disk);
    for name in [
        "../x",
        "a/b",
        "",
        "raw~00001",
        "manifest~1.json",
        "manifest.json",
        ".x",
        "A",
    ] {
        let mut sample = sample();
        sample.manifest.files[0].shards[0].name = name.to_owned();
        let refused = block_on(library.install(&sample.manifest, ""));
        assert!(
            matches!(refused, Err(Error::Manifest(_) | Error::Request { .. })),
            "{name}"
        );
        let plan = sample.plan();
        let conversion = Conversion {
            key: "k",
            name: "n",
            source: "",
            shards: &plan,
        };
        assert!(block_on(library.convert(conversion)).is_err(), "{name}");
        let installation = Installation {
            folder: "model.0".to_owned(),
            parts: vec![Part {
                name: name.to_owned(),
                bytes: 1,
                sha256: None,
            }],
        };
        assert!(
            block_on(library.write(&installation, name, &mut ())).is_err(),
            "{name}"
        );
    }
    assert_eq!(disk.paths(), ["journal.1"]);
}

#[test]
fn a_journal_that_has_grown_is_written_anew() {
    let sample = sample();
    let (disk, library, folder) = installed(&sample);
    let installation = block_on(library.resume(&folder)).unwrap();
    for round in 0..400 {
        let mut writer = block_on(library.write_piece(&installation, 1)).unwrap();
        writer.write(&[round as u8]).unwrap();
        library.finish_piece(writer, &"s".repeat(100)).unwrap();
        block_on(library.drop_piece(&installation, 1)).unwrap();
    }
    let grown = disk.content("journal.1").unwrap().len();
    block_on(library.clean_up()).unwrap();
    let anew = disk.content("journal.2").unwrap().len();
    assert!(grown > 100_000 && anew < 2_000, "{grown} {anew}");
    assert_eq!(disk.content("journal.1").unwrap(), b"");
    assert_eq!(
        library.installed("alpha").unwrap().status,
        Status::Installed
    );
    drop(library);
    let (library, _) = open(&disk);
    assert_eq!(
        library.installed("alpha").unwrap().status,
        Status::Installed
    );
}

#[test]
fn that_terms_were_accepted_is_kept_with_an_installation_and_its_model() {
    let (disk, sample) = (FakeDisk::default(), sample());
    let (library, _) = open(&disk);
    let installation = block_on(library.install(&sample.manifest, "elsewhere")).unwrap();
    assert_eq!(library.accepted_at_ms(&installation), None);
    library.accept(&installation, 5).unwrap();
    library.accept(&installation, 6).unwrap();
    drop(library);

    // Gone on with, and told of once more, it stays when it was.
    let (library, _) = open(&disk);
    let installation = block_on(library.install(&sample.manifest, "elsewhere")).unwrap();
    assert_eq!(library.accepted_at_ms(&installation), Some(5));
    for (index, bytes) in sample.shards.iter().enumerate() {
        write(&library, &installation, &shard_name(index), bytes).unwrap();
    }
    block_on(library.complete(&installation, &sample.manifest, 7)).unwrap();
    assert_eq!(library.list()[0].accepted_at_ms, Some(5));
    drop(library);
    let (library, _) = open(&disk);
    assert_eq!(library.installed("alpha").unwrap().accepted_at_ms, Some(5));
}

#[test]
fn that_terms_were_accepted_is_kept_with_a_conversion_before_and_after_its_plan() {
    let disk = FakeDisk::default();
    let (library, _) = open(&disk);
    let conversion = Conversion {
        key: "k",
        name: "K",
        source: "https://host/k.gguf",
        shards: &[],
    };
    let installation = block_on(library.convert(conversion)).unwrap();
    library.accept(&installation, 5).unwrap();
    let source = "https://host/k.gguf#sha256=00";
    let again = block_on(library.convert(Conversion {
        source,
        ..conversion
    }))
    .unwrap();
    assert_eq!(again.folder, installation.folder);
    assert_eq!(library.accepted_at_ms(&again), Some(5));
    assert_eq!(library.list()[0].source, source);
    block_on(library.delete(&installation.folder)).unwrap();
    assert!(matches!(
        library.accept(&installation, 6),
        Err(Error::NotHere { .. })
    ));
}
