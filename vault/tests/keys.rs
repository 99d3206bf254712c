//! What opens a vault, what does not, and what is left of a key that was taken away.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use outpost_vault::{Cost, Error, Protection, Secret, State};
use support::*;

const CREDENTIAL: &[u8] = b"credential";
const INPUT: [u8; 32] = [3; 32];
const OUTPUT: [u8; 32] = [5; 32];
const PASSKEY: Secret<'static> = Secret::Passkey {
    credential: CREDENTIAL,
    input: &INPUT,
    output: &OUTPUT,
};

fn refused(memory: &Memory, secret: Option<&Secret<'_>>) -> Error {
    reopened(memory, secret).err().unwrap()
}

#[test]
fn a_vault_says_what_opens_it() {
    let memory = Memory::default();
    assert_eq!(wait(locked(&memory, 0).state()).unwrap(), State::Absent);

    let (memory, vault) = unprotected();
    let state = wait(vault.state()).unwrap();
    assert_eq!(state, State::Present(Protection::None));
    assert!(reopened(&memory, None).is_ok());

    let (memory, vault) = protected();
    let expected = Protection::Secret {
        passphrase: true,
        passkeys: Vec::new(),
    };
    assert_eq!(vault.protection().unwrap(), expected);
    assert_eq!(wait(vault.state()).unwrap(), State::Present(expected));
    assert!(reopened(&memory, Some(&SECRET)).is_ok());
    assert_eq!(refused(&memory, None), Error::Locked);
}

#[test]
fn a_wrong_passphrase_is_refused_and_the_message_does_not_claim_to_know_why() {
    let (memory, _) = protected();
    for wrong in ["", "four words are enougH", "four words are enough "] {
        let error = refused(&memory, Some(&Secret::Passphrase(wrong)));
        assert!(matches!(error, Error::WrongSecret { .. }), "{wrong}");
        assert!(error.to_string().contains("cannot be told apart"));
    }
}

#[test]
fn a_vault_is_not_made_over_another_one() {
    let (memory, vault) = unprotected();
    let id = stored(&vault, "here first", 1);
    let again = wait(locked(&memory, 5).create(&[SECRET], Cost::default()));
    assert_eq!(again, Err(Error::Exists));
    assert_eq!(text_of(&vault, &id).unwrap(), "here first");
}

#[test]
fn a_changed_passphrase_opens_everything_and_the_earlier_one_nothing() {
    let (memory, vault) = protected();
    let id = stored(&vault, "kept", 1);
    let before = memory.stored();
    let other = Secret::Passphrase("another one entirely");
    wait(vault.protect(Some(&SECRET), &[other], Cost::default())).unwrap();

    assert!(matches!(
        refused(&memory, Some(&SECRET)),
        Error::WrongSecret { .. }
    ));
    let vault = reopened(&memory, Some(&other)).unwrap();
    assert_eq!(text_of(&vault, &id).unwrap(), "kept");
    let name = id.to_string();
    assert_eq!(
        before[&name],
        memory.stored()[&name],
        "no record is encrypted again"
    );
    assert_ne!(before["keys"], memory.stored()["keys"]);
}

#[test]
fn the_passphrase_is_changed_only_by_who_knows_it() {
    let (memory, vault) = protected();
    let before = memory.stored();
    let other = Secret::Passphrase("another one entirely");
    let tried = wait(vault.protect(Some(&other), &[other], Cost::default()));
    assert!(matches!(tried, Err(Error::WrongSecret { .. })));
    assert_eq!(memory.stored(), before);
}

#[test]
fn what_is_written_under_a_passphrase_does_not_open_with_the_key_that_lay_in_the_clear() {
    let (memory, vault) = unprotected();
    let early = stored(&vault, "early", 1);
    let clear = memory.stored();
    wait(vault.protect(None, &[SECRET], Cost::default())).unwrap();
    let late = stored(&vault, "late", 2);
    assert_eq!(text_of(&vault, &early).unwrap(), "early");

    // The key slot and the index of before, as a disk may still have them, beside the records of now.
    let mut mixed = memory.stored();
    mixed.insert("keys".into(), clear["keys"].clone());
    assert!(reopened(&Memory::with(mixed.clone()), None).is_err());
    mixed.insert("index".into(), clear["index"].clone());
    let thief = reopened(&Memory::with(mixed), None).unwrap();
    assert_eq!(text_of(&thief, &early).unwrap(), "early");
    assert!(text_of(&thief, &late).is_err());
    let findings = wait(thief.verify()).unwrap();
    assert_eq!(findings.len(), 1);
    assert!(matches!(findings[0].error, Error::Tampered { .. }));
}

#[test]
fn keys_that_no_record_needs_are_dropped() {
    let (memory, vault) = unprotected();
    stored(&vault, "one", 1);
    let size = || memory.stored()["keys"].len();
    let one = size();
    wait(vault.protect(None, &[], Cost::default())).unwrap();
    assert_eq!(size(), one + 33, "the record still needs the first key");
    wait(vault.delete_all()).unwrap();
    for _ in 0..300 {
        wait(vault.protect(None, &[], Cost::default())).unwrap();
    }
    assert_eq!(size(), one);
    let id = stored(&vault, "two", 2);
    assert_eq!(
        text_of(&reopened(&memory, None).unwrap(), &id).unwrap(),
        "two"
    );
}

#[test]
fn a_passkey_opens_it_beside_the_passphrase_until_it_is_taken_away() {
    let (memory, vault) = protected();
    let id = stored(&vault, "kept", 1);
    wait(vault.protect(Some(&SECRET), &[SECRET, PASSKEY], Cost::default())).unwrap();
    let Protection::Secret {
        passphrase: true,
        passkeys,
    } = vault.protection().unwrap()
    else {
        panic!("no passphrase");
    };
    assert_eq!(passkeys[0].credential, CREDENTIAL);
    assert_eq!(passkeys[0].input, INPUT);
    for secret in [SECRET, PASSKEY] {
        let vault = reopened(&memory, Some(&secret)).unwrap();
        assert_eq!(text_of(&vault, &id).unwrap(), "kept");
    }
    let other = Secret::Passkey {
        credential: CREDENTIAL,
        input: &INPUT,
        output: &[6; 32],
    };
    assert!(matches!(
        refused(&memory, Some(&other)),
        Error::WrongSecret { .. }
    ));

    wait(vault.protect(Some(&PASSKEY), &[SECRET], Cost::default())).unwrap();
    assert!(matches!(
        refused(&memory, Some(&PASSKEY)),
        Error::WrongSecret { .. }
    ));
    assert!(reopened(&memory, Some(&SECRET)).is_ok());
}

#[test]
fn a_locked_vault_answers_nothing() {
    let (memory, vault) = protected();
    let id = stored(&vault, "secret", 1);
    vault.lock();
    assert!(!vault.is_open());
    assert_eq!(vault.list(), Err(Error::Locked));
    assert_eq!(vault.last_open(), Err(Error::Locked));
    assert_eq!(text_of(&vault, &id), Err(Error::Locked));
    let saved = wait(save(&vault, &id, &conversation("x", 2), &[]));
    assert_eq!(saved, Err(Error::Locked));
    assert_eq!(wait(vault.delete(&id)), Err(Error::Locked));
    assert_eq!(wait(vault.verify()), Err(Error::Locked));
    let exported = wait(vault.export("p", Cost::default(), &mut File::default()));
    assert_eq!(exported, Err(Error::Locked));
    wait(vault.unlock(Some(&SECRET))).unwrap();
    assert_eq!(text_of(&vault, &id).unwrap(), "secret");
    drop(memory);
}

#[test]
fn a_wipe_destroys_the_keys_before_anything_else() {
    let (memory, vault) = protected();
    stored(&vault, "gone", 1);
    let writes = memory.writes();
    wait(vault.wipe()).unwrap();
    let history = memory.history();
    assert!(
        !history[writes].contains_key("keys"),
        "the first write takes the keys"
    );
    assert_eq!(
        history[writes]["index"],
        [0],
        "and the list, so that nobody writes after it"
    );
    assert_eq!(history[writes].len(), 2, "the records follow");
    assert!(memory.stored().is_empty());
    assert_eq!(wait(vault.state()).unwrap(), State::Absent);
    assert_eq!(wait(vault.unlock(Some(&SECRET))), Err(Error::Wiped));
    wait(vault.create(&[], Cost::default())).unwrap();
    assert_eq!(vault.list().unwrap(), []);
}

#[test]
fn a_wipe_works_without_the_passphrase_and_without_keys() {
    let (memory, vault) = protected();
    stored(&vault, "gone", 1);
    wait(locked(&memory, 5).wipe()).unwrap();
    assert!(memory.stored().is_empty());

    let (memory, vault) = protected();
    stored(&vault, "gone", 1);
    memory.change(|stored| drop(stored.remove("keys")));
    assert_eq!(wait(vault.state()).unwrap(), State::Keyless);
    assert_eq!(refused(&memory, Some(&SECRET)), Error::LostKey);
    wait(vault.wipe()).unwrap();
    assert!(memory.stored().is_empty());
}

#[test]
fn slots_of_a_later_format_are_left_as_they_are() {
    let (memory, vault) = protected();
    memory.change(|stored| stored.get_mut("keys").unwrap()[0] = 2);
    let before = memory.stored();
    assert!(matches!(
        wait(vault.state()),
        Err(Error::NewerVersion { found: 2, .. })
    ));
    assert!(matches!(
        refused(&memory, Some(&SECRET)),
        Error::NewerVersion { .. }
    ));
    let created = wait(locked(&memory, 5).create(&[], Cost::default()));
    assert!(created.is_err());
    assert_eq!(memory.stored(), before);
}

#[test]
fn a_stored_cost_of_four_gibibytes_is_refused_before_it_is_paid() {
    let (memory, _) = protected();
    memory.change(|stored| {
        let keys = stored.get_mut("keys").unwrap();
        keys[5..9].copy_from_slice(&(4_u32 << 20).to_le_bytes());
    });
    let error = refused(&memory, Some(&SECRET));
    assert!(matches!(error, Error::TooLarge { value, .. } if value == 4 << 20));
}
