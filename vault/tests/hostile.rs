//! Stored bytes that somebody changed, swapped, put back or took away.
#![allow(clippy::unwrap_used)]

mod support;

use outpost_vault::{Cost, Error, RecordId, Secret};
use proptest::prelude::*;
use support::*;

fn tampered<T>(result: Result<T, Error>) -> bool {
    matches!(
        result,
        Err(Error::Tampered { .. } | Error::NewerVersion { .. } | Error::Replayed { .. })
    )
}

/// Everything that was stored, with bit `bit` of byte `at` of record `id` turned.
fn turned(stored: &Stored, id: &str, at: usize, bit: usize) -> Memory {
    let mut stored = stored.clone();
    stored.get_mut(id).unwrap()[at] ^= 1 << bit;
    Memory::with(stored)
}

#[test]
fn no_bit_of_a_record_can_be_turned_unnoticed() {
    let (memory, vault) = unprotected();
    let (id, shown) = stored_with_picture(&vault, "whole", 1);
    let whole = memory.stored();
    // Every byte of the conversation; of the picture, which is 16 times longer, all that is not ciphertext and some that is.
    for (record, name, step) in [(&id, id.to_string(), 1), (&shown, shown.to_string(), 37)] {
        let length = whole[&name].len();
        for at in (0..22)
            .chain((22..length).step_by(step))
            .chain(length - 16..length)
        {
            memory.replace(whole.clone());
            memory.change(|stored| stored.get_mut(&name).unwrap()[at] ^= 1 << (at % 8));
            let refused = match *record == id {
                true => tampered(text_of(&vault, record)),
                false => tampered(wait(vault.picture(record))),
            };
            assert!(refused, "byte {at} of {name}");
        }
    }
}

#[test]
fn no_bit_of_the_index_can_be_turned_unnoticed() {
    let (memory, vault) = unprotected();
    stored(&vault, "whole", 1);
    let whole = memory.stored();
    for at in 0..whole["index"].len() {
        let opened = reopened(&turned(&whole, "index", at, at % 8), None);
        assert!(tampered(opened), "byte {at}");
    }
}

#[test]
fn no_bit_of_a_key_in_the_clear_can_be_turned_unnoticed() {
    let (memory, vault) = unprotected();
    stored(&vault, "whole", 1);
    let whole = memory.stored();
    for at in 0..whole["keys"].len() {
        for bit in 0..8 {
            let opened = reopened(&turned(&whole, "keys", at, bit), None);
            assert!(opened.is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn no_byte_of_a_wrapped_key_can_be_changed_unnoticed() {
    let (memory, _) = protected();
    let whole = memory.stored();
    for at in 0..whole["keys"].len() {
        let opened = reopened(&turned(&whole, "keys", at, at % 8), Some(&SECRET));
        assert!(opened.is_err(), "byte {at}");
    }
}

#[test]
fn no_byte_of_a_slot_can_be_changed_unnoticed_by_who_opens_another_one() {
    let (memory, vault) = protected();
    let passkey = Secret::Passkey {
        credential: b"credential",
        input: &[3; 32],
        output: &[5; 32],
    };
    wait(vault.protect(Some(&SECRET), &[SECRET, passkey], Cost::default())).unwrap();
    let whole = memory.stored();
    assert!(reopened(&memory, Some(&passkey)).is_ok());
    for at in 0..whole["keys"].len() {
        let opened = reopened(&turned(&whole, "keys", at, at % 8), Some(&passkey));
        assert!(opened.is_err(), "byte {at}");
    }
}

#[test]
fn no_length_of_any_record_makes_it_panic() {
    let (memory, vault) = unprotected();
    let (id, shown) = stored_with_picture(&vault, "whole", 1);
    let whole = memory.stored();
    for (name, bytes) in &whole {
        for length in (0..bytes.len().min(80)).chain([bytes.len() - 1]) {
            let mut stored = whole.clone();
            stored.insert(name.clone(), bytes[..length].to_vec());
            let outcome = reopened(&Memory::with(stored), None).and_then(|vault| {
                text_of(&vault, &id)?;
                wait(vault.picture(&shown))
            });
            assert!(outcome.is_err(), "{length} bytes of {name}");
        }
        let mut longer = whole.clone();
        longer.get_mut(name).unwrap().push(0);
        let outcome = reopened(&Memory::with(longer), None).and_then(|vault| {
            text_of(&vault, &id)?;
            wait(vault.picture(&shown))
        });
        assert!(outcome.is_err(), "a byte after {name}");
    }
}

#[test]
fn a_record_does_not_open_under_another_id() {
    let (memory, vault) = unprotected();
    let (a, b) = (stored(&vault, "a", 1), stored(&vault, "b", 2));
    memory.change(|stored| {
        let (a, b) = (a.to_string(), b.to_string());
        let (of_a, of_b) = (stored[&a].clone(), stored[&b].clone());
        stored.insert(a, of_b);
        stored.insert(b, of_a);
    });
    assert!(matches!(text_of(&vault, &a), Err(Error::Tampered { .. })));
    assert!(matches!(text_of(&vault, &b), Err(Error::Tampered { .. })));
    assert_eq!(wait(vault.verify()).unwrap().len(), 2);
}

#[test]
fn an_older_copy_of_a_record_is_noticed() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "take 5 mg", 1);
    let older = memory.stored()[&id.to_string()].clone();
    wait(save(&vault, &id, &conversation("take 50 mg", 2), &[])).unwrap();
    memory.change(|stored| drop(stored.insert(id.to_string(), older)));
    for vault in [vault, reopened(&memory, None).unwrap()] {
        let error = text_of(&vault, &id).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Replayed {
                    found: 2,
                    expected: 3,
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn an_older_copy_that_claims_to_be_the_newest_is_not_authentic() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "take 5 mg", 1);
    let name = id.to_string();
    let mut older = memory.stored()[&name].clone();
    wait(save(&vault, &id, &conversation("take 50 mg", 2), &[])).unwrap();
    // Version and number of the key stand before the revision.
    older[2..10].copy_from_slice(&memory.stored()[&name][2..10]);
    memory.change(|stored| drop(stored.insert(name, older)));
    assert!(matches!(text_of(&vault, &id), Err(Error::Tampered { .. })));
}

#[test]
fn an_older_copy_is_noticed_even_where_an_id_came_back_from_a_backup() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "first", 1);
    let older = memory.stored()[&id.to_string()].clone();
    wait(vault.delete(&id)).unwrap();
    wait(save(&vault, &id, &conversation("second", 2), &[])).unwrap();
    memory.change(|stored| drop(stored.insert(id.to_string(), older)));
    assert!(matches!(text_of(&vault, &id), Err(Error::Replayed { .. })));
}

#[test]
fn an_older_index_is_noticed() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "first", 1);
    let older = memory.stored()["index"].clone();
    wait(save(&vault, &id, &conversation("second", 2), &[])).unwrap();
    let counter = vault.counter().unwrap();
    memory.change(|stored| drop(stored.insert("index".into(), older)));

    // While the page is open, by what it knows;
    let saved = wait(save(&vault, &id, &conversation("third", 3), &[]));
    assert!(matches!(saved, Err(Error::Replayed { .. })));
    // later by the record that was written since,
    let later = reopened(&memory, None).unwrap();
    assert!(matches!(text_of(&later, &id), Err(Error::Replayed { .. })));
    // or by the counter that a host keeps elsewhere.
    let careful = locked(&memory, 7);
    careful.expect(counter);
    let refused = wait(careful.unlock(None));
    assert!(
        matches!(
            refused,
            Err(Error::Replayed {
                found: 2,
                expected: 3,
                ..
            })
        ),
        "{refused:?}"
    );
    careful.expect(0);
    wait(careful.unlock(None)).unwrap();
}

#[test]
fn a_whole_store_put_back_is_noticed_by_the_counter() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "first", 1);
    let earlier = memory.stored();
    wait(save(&vault, &id, &conversation("second", 2), &[])).unwrap();
    let careful = locked(&Memory::with(earlier), 7);
    careful.expect(vault.counter().unwrap());
    assert!(matches!(
        wait(careful.unlock(None)),
        Err(Error::Replayed { .. })
    ));
}

#[test]
fn a_deleted_record_that_somebody_put_back_is_not_read_and_is_noticed() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "deleted", 1);
    let bytes = memory.stored()[&id.to_string()].clone();
    wait(vault.delete(&id)).unwrap();
    memory.change(|stored| {
        stored.insert(id.to_string(), bytes);
        stored.insert("something else".into(), vec![0; 2000]);
    });
    assert_eq!(vault.list().unwrap(), []);
    assert!(matches!(text_of(&vault, &id), Err(Error::Missing { .. })));
    let mut findings = wait(vault.verify()).unwrap();
    findings.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(matches!(findings[0].error, Error::Replayed { .. }));
    assert!(matches!(findings[1].error, Error::Tampered { .. }));
}

#[test]
fn a_removed_record_is_noticed_and_can_be_deleted() {
    let (memory, vault) = unprotected();
    let (id, shown) = stored_with_picture(&vault, "x", 1);
    memory.change(|stored| {
        stored.remove(&id.to_string());
        stored.remove(&shown.to_string());
    });
    assert!(matches!(text_of(&vault, &id), Err(Error::Missing { .. })));
    assert!(matches!(
        wait(vault.picture(&shown)),
        Err(Error::Missing { .. })
    ));
    assert_eq!(wait(vault.verify()).unwrap().len(), 2);
    wait(vault.delete(&id)).unwrap();
    assert_eq!(wait(vault.verify()).unwrap(), []);

    memory.change(|stored| drop(stored.remove("index")));
    let error = reopened(&memory, None).err().unwrap();
    assert!(matches!(error, Error::Missing { .. }));
}

#[test]
fn keys_of_another_vault_do_not_open_this_one() {
    let (memory, vault) = protected();
    stored(&vault, "x", 1);
    let (other, _) = unprotected();
    memory.change(|stored| drop(stored.insert("keys".into(), other.stored()["keys"].clone())));
    assert!(tampered(reopened(&memory, None)));
}

#[test]
fn what_a_newer_version_wrote_is_neither_read_nor_overwritten() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "x", 1);
    memory.change(|stored| stored.get_mut(&id.to_string()).unwrap()[0] = 2);
    let before = memory.stored()[&id.to_string()].clone();
    let error = text_of(&vault, &id).unwrap_err();
    assert!(matches!(
        error,
        Error::NewerVersion {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert!(error.to_string().contains("update this application"));
    assert_eq!(memory.stored()[&id.to_string()], before);
}

#[test]
fn pictures_belong_to_one_conversation() {
    let (_, vault) = unprotected();
    let (id, shown) = stored_with_picture(&vault, "x", 1);
    let other = vault.new_id().unwrap();
    let of_first = wait(vault.read(&id)).unwrap();
    for (refused, given) in [
        (other, vec![]),
        (other, vec![(shown, picture(1))]),
        (shown, vec![]),
    ] {
        let saved = wait(save(&vault, &refused, &of_first, &given));
        assert!(matches!(saved, Err(Error::Request { .. })), "{saved:?}");
    }
    let unnamed = [(vault.new_id().unwrap(), picture(1))];
    assert!(wait(save(&vault, &id, &of_first, &unnamed)).is_err());
    let missing: RecordId = vault.new_id().unwrap();
    let mut more = of_first.clone();
    more.turns[0].pictures[0].id = missing;
    assert!(wait(save(&vault, &id, &more, &[])).is_err());
    assert_eq!(text_of(&vault, &id).unwrap(), "x");
}

proptest! {
    #[test]
    fn no_bytes_in_the_place_of_the_keys_make_it_panic(
        slots in 0..5_u8,
        kind in 0..4_u8,
        length in 0..70_u8,
        rest in proptest::collection::vec(any::<u8>(), 0..90),
    ) {
        let keys = [&[1, slots, kind, length, 0][..], &rest].concat();
        let memory = Memory::with(Stored::from([("keys".to_owned(), keys)]));
        let vault = locked(&memory, 1);
        let _ = wait(vault.state());
        prop_assert!(wait(vault.unlock(None)).is_err());
    }
}
