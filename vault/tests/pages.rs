//! Two pages on one store.
#![allow(clippy::unwrap_used)]

mod support;

use outpost_vault::{Cost, Error};
use support::*;

#[test]
fn two_pages_that_write_in_turn_lose_nothing() {
    let (memory, one) = unprotected();
    let two = reopened(&memory, None).unwrap();
    let mut ids = Vec::new();
    for round in 0..10 {
        ids.push(stored(&one, &format!("one {round}"), round));
        ids.push(stored(&two, &format!("two {round}"), round));
    }
    let fresh = reopened(&memory, None).unwrap();
    assert_eq!(fresh.list().unwrap().len(), 20);
    assert_eq!(wait(fresh.verify()).unwrap(), []);
    for (at, id) in ids.iter().enumerate() {
        let expected = format!("{} {}", ["one", "two"][at % 2], at / 2);
        assert_eq!(text_of(&one, id).unwrap(), expected);
        assert_eq!(text_of(&two, id).unwrap(), expected);
    }
}

#[test]
fn a_page_reads_what_another_one_wrote_last() {
    let (memory, one) = unprotected();
    let id = stored(&one, "first", 1);
    let two = reopened(&memory, None).unwrap();
    wait(one.save(&id, &conversation("second", 2), &[])).unwrap();
    assert_eq!(text_of(&two, &id).unwrap(), "second");
    wait(one.delete(&id)).unwrap();
    assert!(matches!(text_of(&two, &id), Err(Error::Missing { .. })));
}

#[test]
fn a_page_whose_keys_were_changed_elsewhere_locks_instead_of_writing() {
    let (memory, one) = unprotected();
    let id = stored(&one, "x", 1);
    let two = reopened(&memory, None).unwrap();
    wait(one.protect(None, &[SECRET], Cost::default())).unwrap();
    let before = memory.stored();
    let saved = wait(two.save(&id, &conversation("y", 2), &[]));
    assert_eq!(saved, Err(Error::ProtectionChanged));
    assert!(!two.is_open());
    assert_eq!(memory.stored(), before);
    wait(two.unlock(Some(&SECRET))).unwrap();
    wait(two.save(&id, &conversation("y", 2), &[])).unwrap();
    assert_eq!(text_of(&one, &id).unwrap(), "y");
}

#[test]
fn a_page_does_not_write_into_a_store_that_was_wiped_elsewhere() {
    let (memory, one) = unprotected();
    let id = stored(&one, "x", 1);
    let two = reopened(&memory, None).unwrap();
    wait(one.wipe()).unwrap();
    assert!(wait(two.save(&id, &conversation("y", 2), &[])).is_err());
    assert!(!two.is_open());
    assert!(memory.stored().is_empty());

    // Nor into one that was begun again there.
    wait(one.create(&[], Cost::default())).unwrap();
    let before = memory.stored();
    wait(two.unlock(None)).unwrap();
    wait(one.wipe()).unwrap();
    wait(one.create(&[SECRET], Cost::default())).unwrap();
    assert_ne!(memory.stored(), before);
    let before = memory.stored();
    assert!(wait(two.save(&id, &conversation("y", 2), &[])).is_err());
    assert_eq!(memory.stored(), before);
}
