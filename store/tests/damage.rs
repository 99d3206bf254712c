//! Files that changed, vanished or were there before: what checking, a start and a repair make of them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use outpost_store::{Error, Library, PIECE_BYTES, Sha256, Status, Stopped, Watch};
use pollster::block_on;
use support::calls::{fetch, install, installed, open, sample};
use support::disk::FakeDisk;
use support::models::{Sample, shard_name};

/// What happens to the files of a sample in a folder.
type Damage = fn(&FakeDisk, &str, &Sample);

#[test]
fn checking_finds_every_kind_of_damage_and_only_that_is_fetched_again() {
    let sample = Sample::new("alpha", 1, &[60, 60, 20, 30, 10]);
    let [one, two, three, four, five] = [0, 1, 2, 3, 4].map(shard_name);
    let kinds: [(&str, &[&String], Damage); 5] = [
        ("a bit", &[&one], |disk, folder, sample| {
            let mut bytes = sample.shards[0].clone();
            bytes[31] ^= 4;
            disk.put(&format!("{folder}/{}", shard_name(0)), &bytes);
        }),
        ("two swapped", &[&one, &two], |disk, folder, sample| {
            disk.put(&format!("{folder}/{}", shard_name(0)), &sample.shards[1]);
            disk.put(&format!("{folder}/{}", shard_name(1)), &sample.shards[0]);
        }),
        ("one cut", &[&three], |disk, folder, sample| {
            disk.put(
                &format!("{folder}/{}", shard_name(2)),
                &sample.shards[2][..19],
            );
        }),
        ("one longer", &[&four], |disk, folder, sample| {
            let longer = [&sample.shards[3][..], &[0]].concat();
            disk.put(&format!("{folder}/{}", shard_name(3)), &longer);
        }),
        ("one gone", &[&five], |disk, folder, _| {
            disk.take(&format!("{folder}/{}", shard_name(4)));
        }),
    ];
    for (kind, damaged, damage) in kinds {
        let (disk, library, folder) = installed(&sample);
        assert_eq!(block_on(library.verify(&folder, &mut ())).unwrap(), [""; 0]);
        damage(&disk, &folder, &sample);
        let found = block_on(library.verify(&folder, &mut ())).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), damaged, "{kind}");
        drop(library);
        let (library, _) = open(&disk);
        let status = library.installed("alpha").unwrap().status;
        assert_eq!(
            status,
            Status::Damaged {
                missing: found.clone()
            },
            "{kind}"
        );
        let installation = block_on(library.resume(&folder)).unwrap();
        assert_eq!(fetch(&library, &installation, &sample), found, "{kind}");
        let model = block_on(library.complete(&installation, &sample.manifest, 8)).unwrap();
        assert_eq!(model.status, Status::Installed, "{kind}");
        assert_eq!(block_on(library.verify(&folder, &mut ())).unwrap(), [""; 0]);
    }
}

#[test]
fn a_damaged_description_needs_nothing_but_the_description() {
    let sample = sample();
    let (disk, library, folder) = installed(&sample);
    disk.put(&format!("{folder}/manifest~1.json"), b"{}");
    assert!(matches!(
        block_on(library.manifest(&folder)),
        Err(Error::NoManifest { .. })
    ));
    let found = block_on(library.verify(&folder, &mut ())).unwrap();
    assert_eq!(found, ["manifest~1.json"]);
    assert!(matches!(
        block_on(library.resume(&folder)),
        Err(Error::NoManifest { .. })
    ));
    let installation = block_on(library.install(&sample.manifest, "")).unwrap();
    assert_eq!(library.missing(&installation), []);
    let model = block_on(library.complete(&installation, &sample.manifest, 8)).unwrap();
    assert_eq!(
        (model.folder.as_str(), model.status),
        (folder.as_str(), Status::Installed)
    );
    assert_eq!(
        block_on(library.manifest(&folder)).unwrap(),
        sample.manifest
    );
}

#[test]
fn what_a_browser_evicted_is_noticed_at_the_next_start() {
    let sample = sample();
    let (disk, library, folder) = installed(&sample);
    drop(library);
    disk.take(&format!("{folder}/{}", shard_name(1)));
    let (library, found) = open(&disk);
    assert_eq!(found.gone.len(), 1);
    assert_eq!(
        (found.gone[0].name.as_str(), found.gone[0].all),
        ("Model alpha", false)
    );
    assert_eq!(found.gone[0].files, [shard_name(1)]);
    assert!(matches!(library.list()[0].status, Status::Damaged { .. }));
    drop(library);
    assert_eq!(open(&disk).1.gone, [], "it is said once");
    for path in disk.paths() {
        if path.starts_with(&folder) {
            disk.take(&path);
        }
    }
    assert!(open(&disk).1.gone[0].all);
}

#[test]
fn a_journal_that_is_gone_is_noticed_by_who_remembers_it() {
    let disk = FakeDisk::default();
    assert!(
        !block_on(Library::open(disk.clone(), false))
            .unwrap()
            .1
            .journal_gone
    );
    assert!(
        !block_on(Library::open(disk.after_reload(), true))
            .unwrap()
            .1
            .journal_gone
    );
    disk.take("journal.1");
    assert!(
        block_on(Library::open(disk.after_reload(), true))
            .unwrap()
            .1
            .journal_gone
    );
}

#[test]
fn without_the_journal_every_folder_is_found_whatever_the_length_of_its_number() {
    let disk = FakeDisk::default();
    let (library, _) = open(&disk);
    let samples: Vec<Sample> = (0..12)
        .map(|number| Sample::new(&format!("model-{number}"), number, &[30, 10]))
        .collect();
    for sample in &samples {
        install(&library, sample);
    }
    drop(library);
    disk.take("journal.1");
    disk.take("journal.2");
    let (library, _) = open(&disk);
    block_on(library.adopt(9, &mut ())).unwrap();
    block_on(library.clean_up()).unwrap();
    for sample in &samples {
        let model = library.installed(&sample.manifest.id).unwrap();
        assert_eq!(model.status, Status::Installed, "{}", model.folder);
    }
}

#[test]
fn a_description_that_cannot_be_read_makes_a_damaged_model_which_adding_it_again_mends() {
    let sample = sample();
    let (disk, library, folder) = installed(&sample);
    let file = format!("{folder}/manifest~1.json");
    let length = sample.manifest.to_json().unwrap().len();
    disk.put(&file, &vec![b'x'; length]);
    let refused = block_on(library.manifest(&folder));
    assert!(matches!(refused, Err(Error::NoManifest { .. })));
    let status = library.installed("alpha").unwrap().status;
    assert!(matches!(status, Status::Damaged { .. }), "{status:?}");
    let installation = block_on(library.install(&sample.manifest, "elsewhere")).unwrap();
    assert_eq!(library.missing(&installation), [], "every shard is kept");
    block_on(library.complete(&installation, &sample.manifest, 9)).unwrap();
    assert_eq!(
        block_on(library.manifest(&folder)).unwrap(),
        sample.manifest
    );
    assert_eq!(
        library.installed("alpha").unwrap().status,
        Status::Installed
    );
}

#[test]
fn a_model_from_before_the_journal_is_adopted_as_far_as_it_is_intact() {
    let sample = sample();
    for wrong in [None, Some(1)] {
        let disk = FakeDisk::default();
        for (index, bytes) in sample.shards.iter().enumerate() {
            let mut bytes = bytes.clone();
            if wrong == Some(index) {
                bytes[3] ^= 1;
            }
            disk.put(&format!("alpha/{}", shard_name(index)), &bytes);
        }
        let json = sample.manifest.to_json().unwrap();
        disk.put("alpha/manifest.json", &json);
        disk.put("incoming.partial/text-00000.bin", b"was being copied");
        let (library, found) = open(&disk);
        assert_eq!(found.to_adopt_bytes, 120);
        assert!(
            library.installed("alpha").is_none(),
            "nobody has looked at it"
        );
        // Before that it is not rubbish; what has no description is.
        assert_eq!(block_on(library.clean_up()).unwrap(), 16);
        block_on(library.adopt(5, &mut ())).unwrap();
        let model = library.installed("alpha").unwrap();
        assert_eq!(
            (model.folder.as_str(), model.installed_at_ms),
            ("alpha", Some(5))
        );
        let missing: Vec<_> = wrong.map(shard_name).into_iter().collect();
        match wrong {
            None => assert_eq!(model.status, Status::Installed),
            Some(_) => {
                let status = Status::Damaged {
                    missing: missing.clone(),
                };
                assert_eq!(model.status, status);
            }
        }
        let installation = block_on(library.install(&sample.manifest, "")).unwrap();
        assert_eq!(installation.folder, "alpha");
        assert_eq!(fetch(&library, &installation, &sample), missing);
        // Deleted, it is gone for good, even if the disk brings its files back.
        block_on(library.delete("alpha")).unwrap();
        disk.put("alpha/manifest.json", &json);
        drop(library);
        let (library, found) = open(&disk);
        assert_eq!(found.to_adopt_bytes, 0);
        assert_eq!(library.list(), []);
        block_on(library.clean_up()).unwrap();
        assert_eq!(disk.paths(), ["journal.1"]);
    }
}

/// Stops after some bytes and remembers the steps.
struct Stopper {
    after_bytes: u64,
    seen: Vec<(u64, u64)>,
}

impl Watch for Stopper {
    async fn piece(&mut self, done_bytes: u64, total_bytes: u64) -> Result<(), Stopped> {
        self.seen.push((done_bytes, total_bytes));
        match done_bytes > self.after_bytes {
            true => Err(Stopped),
            false => Ok(()),
        }
    }
}

#[test]
fn long_work_is_seen_and_stopped_between_pieces() {
    let piece = PIECE_BYTES as usize;
    let sample = Sample::new("alpha", 1, &[2 * piece + 9, piece]);
    let (disk, library, folder) = installed(&sample);
    disk.take_read();
    let json = sample.manifest.to_json().unwrap().len() as u64;
    let total = 3 * PIECE_BYTES + 9 + json;
    let mut watch = Stopper {
        after_bytes: u64::MAX,
        seen: Vec::new(),
    };
    block_on(library.verify(&folder, &mut watch)).unwrap();
    assert_eq!(disk.take_read(), (total, piece));
    assert!(
        watch
            .seen
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[1].0 - pair[0].0 <= PIECE_BYTES)
    );
    assert_eq!(watch.seen.last(), Some(&(total, total)));
    let mut watch = Stopper {
        after_bytes: PIECE_BYTES,
        seen: Vec::new(),
    };
    let stopped = block_on(library.verify(&folder, &mut watch));
    assert_eq!((stopped, watch.seen.len()), (Err(Error::Stopped), 2));
    assert_eq!(
        library.installed("alpha").unwrap().status,
        Status::Installed
    );
}

#[test]
fn a_part_of_another_version_never_repairs_a_damaged_model() {
    let old = sample();
    let mut new = sample();
    new.shards[1] = vec![7; 40];
    new.manifest.files[0].shards[1].sha256 = Sha256::of(&new.shards[1]).to_string();
    for adopted in [false, true] {
        let disk = FakeDisk::default();
        let (library, folder) = match adopted {
            false => {
                let (library, _) = open(&disk);
                let folder = install(&library, &old);
                disk.take(&format!("{folder}/{}", shard_name(1)));
                block_on(library.verify(&folder, &mut ())).unwrap();
                (library, folder)
            }
            true => {
                disk.put(&format!("alpha/{}", shard_name(0)), &old.shards[0]);
                disk.put(&format!("alpha/{}", shard_name(2)), &old.shards[2]);
                disk.put("alpha/manifest.json", &old.manifest.to_json().unwrap());
                let (library, _) = open(&disk);
                block_on(library.adopt(1, &mut ())).unwrap();
                (library, "alpha".to_owned())
            }
        };
        let installation = block_on(library.install(&new.manifest, "")).unwrap();
        assert_ne!(installation.folder, folder);
        fetch(&library, &installation, &new);
        let damaged = library.installed("alpha").unwrap();
        assert!(matches!(damaged.status, Status::Damaged { .. }));
        block_on(library.complete(&installation, &new.manifest, 2)).unwrap();
        let whole = library.installed("alpha").unwrap();
        assert_eq!(
            (whole.folder, whole.status),
            (installation.folder, Status::Installed)
        );
    }
}
