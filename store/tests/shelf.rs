//! Single files on a shelf: what was put there is there whole, whatever the power does; what was changed is not believed.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use outpost_store::{Error, Item, Result, Shelf};
use pollster::block_on;
use support::disk::{Failure, FakeDisk};
use support::random::Random;
use support::survival::Survival;

fn put(disk: &FakeDisk, about: &str, pieces: &[&[u8]]) -> Result<u64> {
    let shelf = Shelf::on(disk.clone());
    block_on(async {
        let mut item = shelf.begin().await?;
        for piece in pieces {
            item.write(piece)?;
        }
        assert_eq!(item.read_back()?, pieces.concat());
        shelf.finish(item, about).await
    })
}

fn list(disk: &FakeDisk) -> Vec<Item> {
    block_on(Shelf::on(disk.clone()).list()).unwrap()
}

fn read(disk: &FakeDisk, item: &Item) -> Result<Vec<u8>> {
    block_on(Shelf::on(disk.clone()).read(item, &mut ()))
}

/// What is there and whole: the words about each file, and its bytes.
fn found(disk: &FakeDisk) -> Vec<(String, Vec<u8>)> {
    let whole = |item: Item| {
        let bytes = read(disk, &item).unwrap();
        (item.note.unwrap().about, bytes)
    };
    list(disk).into_iter().map(whole).collect()
}

#[test]
fn a_file_comes_back_as_it_was_put_there() {
    let disk = FakeDisk::default();
    let long = Random::new(1).bytes(3 << 20);
    assert_eq!(put(&disk, "first", &[b"ab", b"", b"c"]).unwrap(), 1);
    assert_eq!(put(&disk, "second", &[&long]).unwrap(), 2);
    let expected = [("first", &b"abc"[..]), ("second", &long)];
    let expected = expected.map(|(about, bytes)| (about.to_owned(), bytes.to_vec()));
    assert_eq!(found(&disk), expected);
    assert_eq!(block_on(Shelf::on(disk.clone()).noted()).unwrap(), [1, 2]);
    let shelf = Shelf::on(disk.clone());
    block_on(shelf.remove(1)).unwrap();
    block_on(shelf.remove(1)).unwrap();
    assert_eq!(found(&disk), expected[1..]);
    assert_eq!(disk.paths(), ["body.2", "note.2"]);
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let disk = FakeDisk::default();
    put(&disk, "it", &[b"some bytes"]).unwrap();
    for path in ["body.1", "note.1"] {
        let before = disk.content(path).unwrap();
        for place in 0..before.len() {
            let mut bytes = before.clone();
            bytes[place] ^= 0x10;
            disk.put(path, &bytes);
            let items = list(&disk);
            assert_eq!(items.len(), 1, "{path} {place}");
            let refused = read(&disk, &items[0]).unwrap_err();
            assert!(matches!(refused, Error::Changed { .. }), "{path} {place}");
        }
        for bytes in [&before[..before.len() - 1], &[&before[..], b"x"].concat()] {
            disk.put(path, bytes);
            assert!(read(&disk, &list(&disk)[0]).is_err());
        }
        disk.put(path, &before);
    }
    disk.take("body.1");
    let refused = read(&disk, &list(&disk)[0]).unwrap_err();
    assert!(matches!(refused, Error::Gone { .. }), "{refused}");
}

#[test]
fn what_is_given_up_leaves_nothing() {
    let disk = FakeDisk::default();
    let shelf = Shelf::on(disk.clone());
    let mut item = block_on(shelf.begin()).unwrap();
    item.write(b"half").unwrap();
    block_on(shelf.clean_up()).unwrap();
    assert_eq!(disk.paths(), ["body.1"], "it is being written");
    block_on(shelf.give_up(item)).unwrap();
    assert!(disk.paths().is_empty());
}

#[test]
fn what_a_closed_tab_has_begun_is_cleaned_up() {
    let disk = FakeDisk::default();
    put(&disk, "kept", &[b"kept"]).unwrap();
    let shelf = Shelf::on(disk.clone());
    let mut item = block_on(shelf.begin()).unwrap();
    item.write(b"half").unwrap();
    drop(item);
    block_on(shelf.clean_up()).unwrap();
    assert_eq!(disk.paths(), ["body.1", "note.1"]);
}

#[test]
fn two_tabs_write_two_files() {
    let disk = FakeDisk::default();
    let shelf = Shelf::on(disk.clone());
    let mut one = block_on(shelf.begin()).unwrap();
    let other = block_on(Shelf::on(disk.clone()).begin()).unwrap();
    one.write(b"one").unwrap();
    block_on(shelf.finish(one, "one")).unwrap();
    block_on(shelf.finish(other, "other")).unwrap();
    assert_eq!(found(&disk).len(), 2);
}

#[test]
fn a_full_disk_costs_nothing_that_was_there() {
    let disk = FakeDisk::default();
    put(&disk, "kept", &[b"kept"]).unwrap();
    disk.set_capacity(Some(disk.used() + 10));
    for bytes in [&b"ab"[..], b"more than there is room for"] {
        let refused = put(&disk, "it", &[bytes]).unwrap_err();
        assert!(matches!(refused, Error::Full { .. }), "{refused}");
        block_on(Shelf::on(disk.clone()).clean_up()).unwrap();
        assert_eq!(disk.paths(), ["body.1", "note.1"]);
    }
}

#[test]
fn a_power_failure_at_any_moment_leaves_each_file_whole_or_none() {
    let mut random = Random::new(2026);
    let (mut points, mut failures) = (0, 0);
    for _ in 0..40 {
        let disk = FakeDisk::default();
        // What was said to be there, and what may be there because it was under way.
        let mut said: Vec<(String, Vec<u8>)> = Vec::new();
        for step in 0..6 {
            let before = said.clone();
            disk.take_snapshots();
            let removes = !said.is_empty() && random.one_in(3);
            if removes {
                let place = random.below(said.len());
                let number = list(&disk)[place].number;
                block_on(Shelf::on(disk.clone()).remove(number)).unwrap();
                said.remove(place);
            } else {
                let length = random.below(200);
                let bytes = random.bytes(length);
                let (one, other) = bytes.split_at(random.below(bytes.len()));
                let about = format!("step {step}");
                put(&disk, &about, &[one, other]).unwrap();
                said.push((about, bytes));
            }
            for snapshot in disk.taken() {
                points += 1;
                for survival in [Survival::Flushed, Survival::Everything, Survival::Anything] {
                    failures += 1;
                    let left = FakeDisk::after_power_failure(&snapshot, survival, &mut random);
                    let there = found(&left);
                    assert!(there == before || there == said, "{there:?}");
                    block_on(Shelf::on(left.clone()).clean_up()).unwrap();
                    assert_eq!(found(&left), there);
                    put(&left, "after", &[b"after"]).unwrap();
                    assert_eq!(found(&left).len(), there.len() + 1);
                }
            }
        }
    }
    println!("{points} crash points, {failures} power failures");
    assert!(points > 1_000, "only {points}");
}

#[test]
fn a_disk_that_refuses_anything_leaves_what_was_there() {
    for failure in [Failure::Before, Failure::After, Failure::Full] {
        for operation in 0.. {
            let disk = FakeDisk::default();
            put(&disk, "kept", &[b"kept"]).unwrap();
            disk.fail_at(disk.operations() + operation, failure);
            let outcome = put(&disk, "it", &[b"some", b"bytes"]);
            let there: Vec<String> = found(&disk).into_iter().map(|(about, _)| about).collect();
            match outcome {
                Ok(_) => {
                    assert_eq!(there, ["kept", "it"]);
                    break;
                }
                Err(_) => assert_eq!(there, ["kept"], "{failure:?} {operation}"),
            }
        }
    }
}
