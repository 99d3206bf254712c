//! Two pages on one store.
#![allow(clippy::unwrap_used)]

mod support;

use outpost_vault::{Cost, Error, Protection, Role, State};
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
    wait(save(&one, &id, &conversation("second", 2), &[])).unwrap();
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
    let saved = wait(save(&two, &id, &conversation("y", 2), &[]));
    assert_eq!(saved, Err(Error::ProtectionChanged));
    assert!(!two.is_open());
    assert_eq!(memory.stored(), before);
    wait(two.unlock(Some(&SECRET))).unwrap();
    wait(save(&two, &id, &conversation("y", 2), &[])).unwrap();
    assert_eq!(text_of(&one, &id).unwrap(), "y");
}

#[test]
fn a_page_does_not_overwrite_what_another_one_has_said_in_the_same_conversation() {
    let (memory, one) = unprotected();
    let (id, shown) = stored_with_picture(&one, "first", 1);
    let two = reopened(&memory, None).unwrap();
    let (base, read) = wait(two.read_revision(&id)).unwrap();
    let mut longer = read.clone();
    longer.turns.push(said(Role::User, "second"));
    let revision = wait(one.save(&id, Some(base), &longer, &[])).unwrap();

    let before = memory.stored();
    let mut other = read.clone();
    other.draft.text = "a letter".into();
    for base in [Some(base), None] {
        let saved = wait(two.save(&id, base, &other, &[]));
        assert_eq!(saved, Err(Error::Conflict));
    }
    assert_eq!(wait(two.delete_revision(&id, base)), Err(Error::Conflict));
    assert_eq!(memory.stored(), before);
    assert!(wait(two.picture(&shown)).is_ok());
    // Who knows what is there may write.
    other = longer;
    wait(two.save(&id, Some(revision), &other, &[])).unwrap();
}

#[test]
fn a_page_does_not_bring_back_what_another_one_has_deleted() {
    let (memory, one) = unprotected();
    let id = stored(&one, "x", 1);
    let two = reopened(&memory, None).unwrap();
    let (base, read) = wait(two.read_revision(&id)).unwrap();
    wait(one.delete(&id)).unwrap();
    let saved = wait(two.save(&id, Some(base), &read, &[]));
    assert_eq!(saved, Err(Error::Conflict));
    assert_eq!(reopened(&memory, None).unwrap().list().unwrap(), []);
}

#[test]
fn a_page_does_not_write_into_a_store_that_was_wiped_elsewhere() {
    let (memory, one) = unprotected();
    let id = stored(&one, "x", 1);
    let two = reopened(&memory, None).unwrap();
    let wiped = two.identity().unwrap();
    wait(one.wipe()).unwrap();
    let saved = wait(save(&two, &id, &conversation("y", 2), &[]));
    assert_eq!(saved, Err(Error::Wiped));
    assert!(!two.is_open());
    assert!(memory.stored().is_empty());

    // Nor into one that was begun again there, whether that has a passphrase or not.
    for secrets in [&[][..], &[SECRET]] {
        wait(one.create(&[], Cost::default())).unwrap();
        wait(two.unlock(None)).unwrap();
        wait(one.wipe()).unwrap();
        wait(one.create(secrets, Cost::default())).unwrap();
        let before = memory.stored();
        let saved = wait(save(&two, &id, &conversation("y", 2), &[]));
        assert_eq!(saved, Err(Error::ProtectionChanged));
        assert!(!two.is_open());
        assert_eq!(memory.stored(), before);
        // It can be told that this is another one.
        wait(two.unlock(Some(&SECRET))).unwrap();
        assert_ne!(two.identity().unwrap(), wiped);
        assert_eq!(two.identity().unwrap(), one.identity().unwrap());
        wait(one.wipe()).unwrap();
    }
}

#[test]
fn other_words_for_the_same_vault_leave_it_the_same() {
    let (_, vault) = unprotected();
    let before = vault.identity().unwrap();
    wait(vault.protect(None, &[SECRET], Cost::default())).unwrap();
    assert_eq!(vault.identity().unwrap(), before);
}

#[test]
fn a_list_that_is_only_damaged_is_not_taken_for_a_wipe() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "x", 1);
    let whole = memory.stored();
    let other = reopened(&memory, None).unwrap();
    stored(&other, "y", 2);
    memory.change(|stored| drop(stored.remove("index")));
    assert!(matches!(wait(vault.refresh()), Err(Error::Missing { .. })));
    memory.change(|stored| drop(stored.insert("index".into(), vec![1; 5000])));
    assert!(matches!(wait(vault.refresh()), Err(Error::Tampered { .. })));
    memory.replace(whole);
    assert_eq!(text_of(&vault, &id).unwrap(), "x");
}

#[test]
fn a_page_that_finishes_a_wipe_does_not_take_a_vault_that_was_begun_since() {
    let (memory, one) = protected();
    stored(&one, "gone", 1);
    memory.crash(Crash {
        at: 0,
        written: true,
    });
    assert!(wait(one.wipe()).is_err());
    let memory = Memory::with(memory.stored());
    // While it is wiped nobody begins another one beside it,
    assert_eq!(memory.stored()["index"], [0]);
    let two = locked(&memory, 5);
    wait(two.create(&[], Cost::default())).unwrap();
    let begun = memory.stored();
    assert_eq!(begun.len(), 2, "keys and list");
    // and who comes too late removes nothing.
    let protection = wait(locked(&memory, 6).state()).unwrap();
    assert_eq!(protection, State::Present(Protection::None));
    assert_eq!(memory.stored(), begun);
}
