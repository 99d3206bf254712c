//! Power that goes at any write: what was acknowledged is there, and what was not is there as a whole or not at all.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use outpost_vault::{Cost, PictureRef, RecordId, Role, Secret, State};
use support::*;

/// What a vault holds: each conversation's texts, and whether its pictures are there.
type Contents = BTreeMap<RecordId, (Vec<String>, usize)>;

fn contents(vault: &TestVault) -> Contents {
    assert_eq!(wait(vault.verify()).unwrap(), []);
    let ids = vault.list().unwrap().into_iter().map(|summary| summary.id);
    ids.map(|id| {
        let conversation = wait(vault.read(&id)).unwrap();
        for shown in conversation.pictures() {
            assert!(wait(vault.picture(&shown.id)).unwrap().bytes.len() == 100);
        }
        let texts = conversation.turns.iter().map(|turn| turn.text.clone());
        let drafted = [conversation.draft.text.clone()];
        let pictures = conversation.pictures().count();
        (id, (texts.chain(drafted).collect(), pictures))
    })
    .collect()
}

/// One thing that a person does -> whether it was acknowledged.
type Deed = fn(&TestVault, &[RecordId]) -> bool;

/// A life: typing, asking, answers that stream, pictures, deletions, passphrases.
const LIFE: [Deed; 11] = [
    |vault, ids| {
        let mut typed = conversation("", 1);
        typed.turns.clear();
        typed.draft.text = "what is".into();
        wait(save(vault, &ids[0], &typed, &[])).is_ok()
    },
    |vault, ids| {
        let mut asked = conversation("what is this?", 2);
        asked.turns.truncate(1);
        asked.turns[0].pictures = vec![PictureRef {
            id: ids[1],
            name: "a".into(),
            features: None,
        }];
        wait(save(vault, &ids[0], &asked, &[(ids[1], picture(1))])).is_ok()
    },
    |vault, ids| {
        let Ok(mut answering) = wait(vault.read(&ids[0])) else {
            return false;
        };
        answering.turns.push(said(Role::Assistant, "It is"));
        wait(save(vault, &ids[0], &answering, &[])).is_ok()
    },
    |vault, _| wait(vault.protect(None, &[SECRET], Cost::default())).is_ok(),
    |vault, ids| {
        let Ok(mut answered) = wait(vault.read(&ids[0])) else {
            return false;
        };
        answered.turns[1].text = "It is an answer.".into();
        wait(save(vault, &ids[0], &answered, &[])).is_ok()
    },
    |vault, ids| wait(save(vault, &ids[2], &conversation("another", 3), &[])).is_ok(),
    |vault, _| wait(vault.set_open(None)).is_ok(),
    |vault, ids| wait(vault.delete(&ids[0])).is_ok(),
    |vault, _| {
        let other = Secret::Passphrase("other");
        wait(vault.protect(Some(&SECRET), &[other], Cost::default())).is_ok()
    },
    |vault, ids| wait(save(vault, &ids[3], &conversation("last", 4), &[])).is_ok(),
    |vault, _| wait(vault.delete_all()).is_ok(),
];

/// Opens whatever protection it has.
fn after(memory: &Memory) -> TestVault {
    let other = Secret::Passphrase("other");
    [None, Some(&SECRET), Some(&other)]
        .into_iter()
        .find_map(|secret| reopened(memory, secret).ok())
        .unwrap()
}

#[test]
fn nothing_that_was_acknowledged_is_lost_wherever_the_power_goes() {
    // What there is after each deed of a life without a crash.
    let (memory, vault) = unprotected();
    let ids: Vec<RecordId> = (0..4).map(|_| vault.new_id().unwrap()).collect();
    let mut states = vec![contents(&vault)];
    let begun = memory.writes();
    for deed in LIFE {
        assert!(deed(&vault, &ids));
        states.push(contents(&vault));
    }
    let writes = memory.writes() - begun;
    assert_eq!(writes, LIFE.len(), "each deed is one write");

    for at in 0..writes {
        for written in [false, true] {
            let (memory, vault) = unprotected();
            memory.crash(Crash { at, written });
            let done = LIFE.iter().take_while(|deed| deed(&vault, &ids)).count();
            assert_eq!(done, at);
            let found = contents(&after(&Memory::with(memory.stored())));
            let expected = &states[done + usize::from(written)];
            assert!(
                found == *expected,
                "crash at write {at}, written: {written}"
            );
        }
    }
}

#[test]
fn a_vault_whose_making_was_interrupted_is_there_or_not() {
    for written in [false, true] {
        let memory = Memory::default();
        memory.crash(Crash { at: 0, written });
        assert!(wait(locked(&memory, 1).create(&[], Cost::default())).is_err());
        let memory = Memory::with(memory.stored());
        match wait(locked(&memory, 2).state()).unwrap() {
            State::Absent => assert!(!written),
            State::Present(_) => assert!(reopened(&memory, None).is_ok() && written),
            State::Keyless => panic!("a vault without its key"),
        }
    }
}

#[test]
fn a_wipe_that_was_interrupted_is_finished() {
    for at in 0..2 {
        for written in [false, true] {
            let (memory, vault) = protected();
            stored_with_picture(&vault, "gone", 1);
            memory.crash(Crash { at, written });
            assert!(wait(vault.wipe()).is_err());
            let memory = Memory::with(memory.stored());
            let state = wait(locked(&memory, 2).state()).unwrap();
            if at == 0 && !written {
                assert!(
                    matches!(state, State::Present(_)),
                    "nothing was destroyed yet"
                );
            } else {
                assert_eq!(
                    state,
                    State::Absent,
                    "crash at write {at}, written: {written}"
                );
                assert!(memory.stored().is_empty());
            }
        }
    }
}
