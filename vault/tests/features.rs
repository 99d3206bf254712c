//! What a model has made of a picture is kept beside it: encrypted, for as long as the picture, and not in a backup.
#![allow(clippy::unwrap_used)]

mod support;

use outpost_vault::{Conversation, Cost, Error, Picture, RecordId};
use support::*;

fn features(byte: u8) -> Picture {
    Picture {
        media_type: "application/x-features".into(),
        bytes: vec![byte; 40_000],
    }
}

/// A conversation with a picture and what was made of it -> the ids of all three.
fn stored_with_features(vault: &TestVault) -> [RecordId; 3] {
    let (id, picture) = stored_with_picture(vault, "shown", 10);
    let made = vault.new_id().unwrap();
    let named = naming(vault, &id, Some(made));
    wait(save(vault, &id, &named, &[(made, features(1))])).unwrap();
    [id, picture, made]
}

/// The stored conversation, with other features for its picture.
fn naming(vault: &TestVault, id: &RecordId, features: Option<RecordId>) -> Conversation {
    let mut conversation = wait(vault.read(id)).unwrap();
    conversation.turns[0].pictures[0].features = features;
    conversation
}

fn missing(found: Result<Picture, Error>) -> bool {
    matches!(found, Err(Error::Missing { .. }))
}

#[test]
fn features_are_there_again_and_go_with_the_conversation() {
    let (memory, vault) = protected();
    let [id, picture, made] = stored_with_features(&vault);
    let again = reopened(&memory, Some(&SECRET)).unwrap();
    let shown = wait(again.read(&id)).unwrap().turns[0].pictures[0].clone();
    assert_eq!((shown.id, shown.features), (picture, Some(made)));
    assert!(wait(again.picture(&made)).unwrap() == features(1));
    assert_eq!(wait(again.verify()).unwrap(), []);

    wait(again.delete(&id)).unwrap();
    for gone in [picture, made] {
        assert!(missing(wait(again.picture(&gone))));
        assert!(!memory.stored().contains_key(&gone.to_string()));
    }
}

#[test]
fn features_of_a_picture_that_is_taken_away_are_taken_away_and_so_are_those_that_are_replaced() {
    let (memory, vault) = unprotected();
    let [id, picture, first] = stored_with_features(&vault);
    let second = vault.new_id().unwrap();
    let named = naming(&vault, &id, Some(second));
    wait(save(&vault, &id, &named, &[(second, features(2))])).unwrap();
    assert!(missing(wait(vault.picture(&first))));
    assert!(wait(vault.picture(&second)).unwrap() == features(2));
    assert!(wait(vault.picture(&picture)).unwrap() == support::picture(7));

    let mut without = wait(vault.read(&id)).unwrap();
    without.turns[0].pictures.clear();
    wait(save(&vault, &id, &without, &[])).unwrap();
    for gone in [picture, first, second] {
        assert!(!memory.stored().contains_key(&gone.to_string()));
    }
    assert_eq!(wait(vault.verify()).unwrap(), []);
}

#[test]
fn features_that_are_neither_given_nor_stored_are_not_named() {
    let (_, vault) = unprotected();
    let (id, _) = stored_with_picture(&vault, "shown", 10);
    let nowhere = vault.new_id().unwrap();
    let named = naming(&vault, &id, Some(nowhere));
    let refused = wait(save(&vault, &id, &named, &[]));
    assert!(matches!(refused, Err(Error::Missing { .. })));
    assert_eq!(
        wait(vault.read(&id)).unwrap().turns[0].pictures[0].features,
        None
    );
}

#[test]
fn features_are_nowhere_in_the_clear() {
    let (memory, vault) = protected();
    let marker = b"these 32 bytes are a marker, no more";
    let (id, _) = stored_with_picture(&vault, "shown", 10);
    let made = vault.new_id().unwrap();
    let named = naming(&vault, &id, Some(made));
    let marked = Picture {
        media_type: "application/x-features".into(),
        bytes: marker.repeat(100),
    };
    wait(save(&vault, &id, &named, &[(made, marked)])).unwrap();
    for bytes in memory.history().iter().flat_map(|stored| stored.values()) {
        assert!(bytes.windows(16).all(|window| window != &marker[..16]));
    }
}

#[test]
fn a_backup_leaves_them_out_and_the_conversation_is_whole_without() {
    let (_, vault) = unprotected();
    let [id, picture, made] = stored_with_features(&vault);
    let mut file = File::default();
    let said = wait(vault.export("words of the backup", Cost::default(), &mut file)).unwrap();
    assert_eq!((said.conversations, said.pictures), (1, 1));
    assert_eq!(said.left_out, []);
    assert!(file.0.len() < 40_000, "{} bytes", file.0.len());

    let (_, other) = unprotected();
    wait(other.import("words of the backup", &file)).unwrap();
    let shown = wait(other.read(&id)).unwrap().turns[0].pictures[0].clone();
    assert_eq!((shown.id, shown.features), (picture, None));
    assert!(missing(wait(other.picture(&made))));
    assert_eq!(wait(other.verify()).unwrap(), []);
    // What is here already keeps what it has.
    wait(vault.import("words of the backup", &file)).unwrap();
    assert!(wait(vault.picture(&made)).unwrap() == features(1));
}
