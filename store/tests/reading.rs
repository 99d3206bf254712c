//! What the engine reads of a stored model: the bytes that were stored, or an error that names the shard.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use outpost_engine::ports::ByteSource;
use outpost_store::{Error, Library, Reading, Shard, Status};
use pollster::block_on;
use proptest::prelude::*;
use support::calls::{fetch, installed, open};
use support::disk::{FakeDisk, FakeFile};
use support::models::{Sample, shard_name};
use support::old_journal;

const BLOCK: usize = 256 << 10;

/// Shards of several blocks, of a few bytes, of whole blocks.
fn sample() -> Sample {
    Sample::new("alpha", 1, &[3 * BLOCK + 77, 20, 2 * BLOCK])
}

fn shards(library: &Library<FakeDisk>, folder: &str, reading: &Reading) -> Vec<Shard<FakeFile>> {
    let shard = |index| block_on(library.shard(folder, &shard_name(index), reading)).unwrap();
    (0..3).map(shard).collect()
}

fn flip(disk: &FakeDisk, folder: &str, shard: usize, at: usize) {
    let path = format!("{folder}/{}", shard_name(shard));
    let mut bytes = disk.content(&path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    disk.put(&path, &bytes);
}

/// Reads: shard, where it begins and how long it is, as fractions.
fn reads() -> impl Strategy<Value = Vec<(usize, f64, f64)>> {
    let short = (0usize..3, 0.0..1.0, 0.0..0.01);
    let long = (0usize..3, 0.0..1.0, 0.0..=1.0);
    prop::collection::vec(prop_oneof![short, long], 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_read_hands_out_a_byte_that_is_not_what_was_stored(
        reads in reads(),
        flipped in prop::option::of((0usize..3, any::<prop::sample::Index>())),
    ) {
        let sample = sample();
        let (disk, library, folder) = installed(&sample);
        let flipped = flipped.map(|(shard, at)| (shard, at.index(sample.shards[shard].len())));
        if let Some((shard, at)) = flipped {
            flip(&disk, &folder, shard, at);
        }
        let reading = Reading::default();
        let shards = shards(&library, &folder, &reading);
        let mut refused = false;
        for (shard, start, length) in reads {
            let stored = &sample.shards[shard];
            let start = (start * stored.len() as f64) as usize;
            let end = (start + (length * stored.len() as f64) as usize).min(stored.len());
            let mut found = vec![0; end - start];
            let damaged = flipped.is_some_and(|(of, at)| of == shard && (start..end).contains(&at));
            match shards[shard].read_exact_at(start as u64, &mut found) {
                Ok(()) => {
                    prop_assert!(found == stored[start..end], "{shard}: {start}..{end}");
                    prop_assert!(!damaged);
                }
                Err(error) => {
                    prop_assert_eq!(flipped.map(|(of, _)| of), Some(shard));
                    prop_assert!(error.to_string().contains(&shard_name(shard)), "{}", error);
                    refused = true;
                }
            }
        }
        let named: Vec<_> = flipped.filter(|_| refused).map(|(of, _)| shard_name(of)).into_iter().collect();
        prop_assert_eq!(reading.damaged(), named);
    }
}

#[test]
fn what_is_read_once_in_several_places_by_turns_is_read_from_storage_once() {
    let sample = Sample::new("alpha", 1, &[40 * BLOCK]);
    let (disk, library, folder) = installed(&sample);
    let shard = block_on(library.shard(&folder, &shard_name(0), &Reading::default())).unwrap();
    disk.take_read();
    // Four parts of a matrix, in pieces that end within blocks.
    let part = 10 * BLOCK;
    let piece = BLOCK + 4_444;
    let mut done = 0;
    while done < part {
        let count = piece.min(part - done);
        for start in (0..4).map(|number| number * part + done) {
            let mut found = vec![0; count];
            shard.read_exact_at(start as u64, &mut found).unwrap();
            assert!(found == sample.shards[0][start..start + count]);
        }
        done += count;
    }
    assert_eq!(disk.take_read().0, 40 * BLOCK as u64);
}

#[test]
fn a_read_past_the_end_is_refused() {
    let (_, library, folder) = installed(&sample());
    let shard = block_on(library.shard(&folder, &shard_name(1), &Reading::default())).unwrap();
    assert_eq!((shard.len(), shard.label()), (20, shard_name(1).as_str()));
    for offset in [1, 20, u64::MAX] {
        assert!(
            shard.read_exact_at(offset, &mut [0; 20]).is_err(),
            "{offset}"
        );
    }
    shard.read_exact_at(20, &mut []).unwrap();
}

#[test]
fn what_was_found_while_reading_makes_a_damaged_model_which_only_that_part_mends() {
    let sample = sample();
    let (disk, library, folder) = installed(&sample);
    let reading = Reading::default();
    flip(&disk, &folder, 2, BLOCK - 1);
    let shards = shards(&library, &folder, &reading);
    let mut found = vec![0; 2 * BLOCK];
    let error = shards[2].read_exact_at(0, &mut found).unwrap_err();
    assert!(error.to_string().contains(&shard_name(2)), "{error}");
    drop(shards);
    block_on(library.lose_all(&folder, &reading.damaged())).unwrap();
    drop(library);

    let (library, _) = open(&disk);
    let missing = vec![shard_name(2)];
    assert_eq!(
        library.installed("alpha").unwrap().status,
        Status::Damaged {
            missing: missing.clone()
        }
    );
    assert!(matches!(
        block_on(library.shard(&folder, &shard_name(2), &Reading::default())),
        Err(Error::NotHere { .. })
    ));
    let installation = block_on(library.resume(&folder)).unwrap();
    assert_eq!(fetch(&library, &installation, &sample), missing);
    block_on(library.complete(&installation, &sample.manifest, 8)).unwrap();
    let shard = block_on(library.shard(&folder, &shard_name(2), &Reading::default())).unwrap();
    shard.read_exact_at(0, &mut found).unwrap();
    assert!(found == sample.shards[2]);
}

#[test]
fn a_model_of_an_older_journal_is_given_checksums_when_it_is_checked() {
    let sample = sample();
    for flipped in [None, Some(0)] {
        let (disk, library, folder) = installed(&sample);
        assert!(library.has_sums(&folder).unwrap());
        drop(library);
        assert_eq!(old_journal::take_sums(&disk), 3);

        let (library, found) = open(&disk);
        assert_eq!(found.gone, []);
        assert!(!library.has_sums(&folder).unwrap());
        let unchecked = block_on(library.shard(&folder, &shard_name(0), &Reading::default()));
        assert!(matches!(unchecked, Err(Error::Request { .. })));
        if let Some(shard) = flipped {
            flip(&disk, &folder, shard, 12);
        }
        let wrong = block_on(library.verify(&folder, &mut ())).unwrap();
        assert_eq!(wrong, Vec::from_iter(flipped.map(shard_name)));
        drop(library);

        let (library, _) = open(&disk);
        assert!(
            library.has_sums(&folder).unwrap(),
            "they outlive the next start"
        );
        if flipped.is_none() {
            let reading = Reading::default();
            for (shard, stored) in shards(&library, &folder, &reading)
                .iter()
                .zip(&sample.shards)
            {
                let mut found = vec![0; stored.len()];
                shard.read_exact_at(0, &mut found).unwrap();
                assert!(found == *stored);
            }
        }
    }
}
