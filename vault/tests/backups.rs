//! A backup holds everything, opens only whole, and overwrites nothing that is newer.
#![allow(clippy::unwrap_used)]

mod support;

use outpost_vault::{Cost, Error, Exported, Imported, Role};
use support::*;

const WORDS: &str = "words of the backup";
/// Bytes before the first frame.
const HEADER: usize = 16 + 1 + 12 + 16 + 7;

/// Two conversations, one with a picture.
fn full() -> (Memory, TestVault) {
    let (memory, vault) = unprotected();
    stored(&vault, "plain", 10);
    stored_with_picture(&vault, "shown", 20);
    (memory, vault)
}

fn exported(vault: &TestVault) -> File {
    let mut file = File::default();
    wait(vault.export(WORDS, Cost::default(), &mut file)).unwrap();
    file
}

/// Where each frame begins, and the end.
fn frames(file: &File) -> Vec<usize> {
    let mut at = HEADER;
    let mut found = vec![at];
    while at < file.0.len() {
        let length = u32::from_le_bytes(file.0[at..at + 4].try_into().unwrap()) as usize;
        at += 4 + length;
        found.push(at);
    }
    assert_eq!(at, file.0.len());
    found
}

fn import(file: &File) -> (TestVault, Result<Imported, Error>) {
    let (_, vault) = unprotected();
    let imported = wait(vault.import(WORDS, file));
    (vault, imported)
}

#[test]
fn a_backup_brings_everything_to_another_device() {
    let (_, vault) = full();
    let mut file = File::default();
    let said = wait(vault.export(WORDS, Cost::default(), &mut file)).unwrap();
    let expected = Exported {
        conversations: 2,
        pictures: 1,
        left_out: Vec::new(),
    };
    assert_eq!(said, expected);
    let (other, imported) = import(&file);
    let expected = Imported {
        added: 2,
        ..Imported::default()
    };
    assert_eq!(imported.unwrap(), expected);
    assert_eq!(other.list().unwrap(), vault.list().unwrap());
    for summary in vault.list().unwrap() {
        let there = wait(other.read(&summary.id)).unwrap();
        assert!(there == wait(vault.read(&summary.id)).unwrap());
        for shown in there.pictures() {
            assert!(wait(other.picture(&shown.id)).unwrap() == picture(7));
        }
    }
    assert_eq!(wait(other.verify()).unwrap(), []);
}

#[test]
fn what_is_here_and_newer_stays() {
    let (_, vault) = full();
    let older = exported(&vault);
    let ids: Vec<_> = vault.list().unwrap().into_iter().map(|s| s.id).collect();
    let plain = ids[1];
    let mut later = conversation("plain", 30);
    later.turns.push(said(Role::User, "later"));
    wait(save(&vault, &plain, &later, &[])).unwrap();
    let newer = exported(&vault);
    wait(vault.delete(&ids[0])).unwrap();

    let imported = wait(vault.import(WORDS, &older)).unwrap();
    let expected = Imported {
        added: 1,
        updated: 0,
        kept: 1,
    };
    assert_eq!(imported, expected);
    assert_eq!(wait(vault.read(&plain)).unwrap().turns.len(), 3);
    assert_eq!(text_of(&vault, &ids[0]).unwrap(), "shown");

    let (other, _) = import(&older);
    let imported = wait(other.import(WORDS, &newer)).unwrap();
    assert_eq!((imported.updated, imported.kept), (1, 1));
    assert!(wait(other.read(&plain)).unwrap() == later);
}

#[test]
fn what_went_on_here_and_in_the_backup_in_two_ways_is_there_twice() {
    let (_, vault) = full();
    let begun = exported(&vault);
    let (other, _) = import(&begun);
    let ids: Vec<_> = vault.list().unwrap().into_iter().map(|s| s.id).collect();
    for (vault, id, text, updated_ms) in [
        (&vault, ids[0], "there", 40),
        (&other, ids[0], "here", 30),
        (&vault, ids[1], "there alone", 40),
    ] {
        let mut longer = wait(vault.read(&id)).unwrap();
        longer.turns.push(said(Role::User, text));
        longer.updated_ms = updated_ms;
        wait(save(vault, &id, &longer, &[])).unwrap();
    }
    let file = exported(&vault);
    let imported = wait(other.import(WORDS, &file)).unwrap();
    assert_eq!((imported.added, imported.updated, imported.kept), (1, 1, 0));
    let last = |id| {
        wait(other.read(&id))
            .unwrap()
            .turns
            .last()
            .unwrap()
            .text
            .clone()
    };
    assert_eq!(last(ids[0]), "here");
    assert_eq!(last(ids[1]), "there alone");
    let all = other.list().unwrap();
    assert_eq!(all.len(), 3);
    let copy = all
        .iter()
        .find(|summary| !ids.contains(&summary.id))
        .unwrap();
    assert_eq!(last(copy.id), "there");
    let shown = wait(other.read(&copy.id)).unwrap().turns[0].pictures[0].id;
    assert!(wait(other.picture(&shown)).unwrap() == picture(7));
    assert_eq!(wait(other.verify()).unwrap(), []);

    // Taken in again it is not there three times.
    let again = wait(other.import(WORDS, &file)).unwrap();
    assert_eq!((again.added, again.updated, again.kept), (0, 0, 2));
    assert_eq!(other.list().unwrap().len(), 3);
}

#[test]
fn a_wrong_passphrase_takes_nothing_in() {
    let (_, vault) = full();
    let file = exported(&vault);
    let (_, other) = unprotected();
    let refused = wait(other.import("words of the Backup", &file));
    assert!(matches!(refused, Err(Error::WrongSecret { .. })));
    assert_eq!(other.list().unwrap(), []);
}

#[test]
fn a_backup_cut_at_any_frame_takes_nothing_in() {
    let (_, vault) = full();
    let file = exported(&vault);
    let frames = frames(&file);
    assert_eq!(frames.len(), 5, "three records and the end");
    let cuts = frames[..4].iter().flat_map(|at| [*at, at + 2, at + 40]);
    for cut in cuts.chain([HEADER - 1, 17, 20, file.0.len() - 1]) {
        let (other, imported) = import(&File(file.0[..cut].to_vec()));
        let error = imported.unwrap_err();
        assert!(
            matches!(error, Error::Truncated { bytes } if bytes == cut as u64),
            "{cut}: {error:?}"
        );
        assert_eq!(other.list().unwrap(), [], "{cut}");
    }
}

#[test]
fn frames_that_are_swapped_left_out_repeated_or_added_are_noticed() {
    let (_, vault) = full();
    let file = exported(&vault);
    let at = frames(&file);
    let frame = |number: usize| file.0[at[number]..at[number + 1]].to_vec();
    let made = |order: &[usize]| {
        let frames = order.iter().flat_map(|number| frame(*number));
        File(file.0[..HEADER].iter().copied().chain(frames).collect())
    };
    assert!(import(&made(&[0, 1, 2, 3])).1.is_ok());
    for order in [
        &[1, 0, 2, 3][..],
        &[0, 2, 1, 3],
        &[0, 1, 3],
        &[1, 2, 3],
        &[3],
        &[0, 1, 2, 2, 3],
        &[0, 1, 2, 3, 3],
        &[0, 1, 2, 3, 0],
    ] {
        let (other, imported) = import(&made(order));
        assert!(imported.is_err(), "{order:?}");
        assert_eq!(other.list().unwrap(), [], "{order:?}");
    }
    // A frame of another backup by the same passphrase.
    let another = exported(&vault);
    let mut mixed = file.clone();
    mixed.0.truncate(at[2]);
    mixed.0.extend_from_slice(&another.0[at[2]..]);
    assert!(import(&mixed).1.is_err());
}

#[test]
fn a_frame_opens_only_at_its_own_place_even_where_another_would_make_sense_there() {
    let (_, vault) = unprotected();
    stored(&vault, "one", 1);
    stored(&vault, "two", 2);
    let file = exported(&vault);
    let at = frames(&file);
    for order in [[1, 0], [0, 0], [1, 1]] {
        let mut moved = File(file.0[..HEADER].to_vec());
        for number in order {
            moved
                .0
                .extend_from_slice(&file.0[at[number]..at[number + 1]]);
        }
        moved.0.extend_from_slice(&file.0[at[2]..]);
        let (other, imported) = import(&moved);
        let error = imported.unwrap_err();
        // The very first frame cannot be told from one under another passphrase.
        assert!(
            matches!(error, Error::Tampered { .. } | Error::WrongSecret { .. }),
            "{order:?}: {error:?}"
        );
        assert_eq!(other.list().unwrap(), [], "{order:?}");
    }
}

#[test]
fn no_byte_of_a_backup_can_be_changed_unnoticed() {
    let (_, vault) = full();
    let file = exported(&vault);
    let at = frames(&file);
    // The header and the borders of every frame; each try costs what a guess costs.
    let near = |at: usize| at.saturating_sub(2)..(at + 6).min(file.0.len());
    for byte in (0..HEADER).step_by(3).chain(at.into_iter().flat_map(near)) {
        let mut changed = file.clone();
        changed.0[byte] ^= 1 << (byte % 8);
        let (other, imported) = import(&changed);
        assert!(imported.is_err(), "byte {byte}");
        assert_eq!(other.list().unwrap(), [], "byte {byte}");
    }
}

#[test]
fn a_file_that_is_no_backup_is_told_apart() {
    for bytes in [vec![], b"%PDF-1.7".to_vec(), vec![0; 4000]] {
        assert_eq!(import(&File(bytes)).1, Err(Error::NotABackup));
    }
    let (_, vault) = full();
    let mut newer = exported(&vault);
    newer.0[16] = 2;
    assert!(matches!(import(&newer).1, Err(Error::NewerVersion { .. })));
}

#[test]
fn a_hostile_cost_is_refused_before_it_is_paid() {
    let (_, vault) = full();
    let hostile = exported(&vault);
    for (at, number) in [(17, u32::MAX), (17, 64 * 1024 + 1), (21, 5), (25, 5)] {
        let mut hostile = hostile.clone();
        hostile.0[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let refused = import(&hostile).1;
        assert!(
            matches!(refused, Err(Error::TooLarge { .. })),
            "{at}: {refused:?}"
        );
    }
}

#[test]
fn a_damaged_record_is_left_out_and_named() {
    let (memory, vault) = full();
    let id = vault.list().unwrap()[0].id.to_string();
    memory.change(|stored| stored.get_mut(&id).unwrap()[100] ^= 1);
    let mut file = File::default();
    let said = wait(vault.export(WORDS, Cost::default(), &mut file)).unwrap();
    assert_eq!(said.conversations, 1);
    assert_eq!(said.left_out[0].id, id);
    assert!(import(&file).1.is_ok());
}

#[test]
fn an_import_that_is_interrupted_can_be_repeated() {
    let (_, vault) = full();
    let file = exported(&vault);
    for at in 0..2 {
        for written in [false, true] {
            let (memory, other) = unprotected();
            memory.crash(Crash { at, written });
            assert!(wait(other.import(WORDS, &file)).is_err());
            let other = reopened(&Memory::with(memory.stored()), None).unwrap();
            assert_eq!(wait(other.verify()).unwrap(), []);
            wait(other.import(WORDS, &file)).unwrap();
            assert_eq!(other.list().unwrap(), vault.list().unwrap());
        }
    }
}
