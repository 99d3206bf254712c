//! What the stored bytes give away.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;

use outpost_vault::{Conversation, Cost, Picture, PictureRef};
use support::*;

const MARKER: &str = "Zanzibar-4711-marker";

fn contains(bytes: &[u8], marker: &str) -> bool {
    let utf8 = marker.as_bytes().to_vec();
    let little: Vec<u8> = marker.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = marker.encode_utf16().flat_map(u16::to_be_bytes).collect();
    [utf8, little, big]
        .iter()
        .any(|form| bytes.windows(form.len()).any(|window| window == form))
}

/// A conversation that says the marker wherever something can be said.
fn marked(vault: &TestVault) -> (Conversation, Picture) {
    let mut conversation = conversation(MARKER, 1);
    conversation.turns[1].text = format!("about {MARKER}");
    conversation.turns[1].thought = format!("hm, {MARKER}");
    conversation.draft.text = format!("and {MARKER}");
    conversation.draft.pictures.push(PictureRef {
        id: vault.new_id().unwrap(),
        name: format!("{MARKER}.png"),
        features: None,
    });
    let picture = Picture {
        media_type: "image/png".into(),
        bytes: MARKER.repeat(100).into_bytes(),
    };
    (conversation, picture)
}

#[test]
fn a_marker_is_nowhere_in_what_was_stored_at_any_time_nor_in_a_backup() {
    let (memory, vault) = protected();
    let (conversation, picture) = marked(&vault);
    let id = vault.new_id().unwrap();
    let pictures = [(conversation.draft.pictures[0].id, picture)];
    wait(save(&vault, &id, &conversation, &pictures)).unwrap();
    assert!(vault.list().unwrap()[0].title.contains(MARKER));
    wait(vault.protect(Some(&SECRET), &[SECRET], Cost::default())).unwrap();
    let mut backup = File::default();
    wait(vault.export(MARKER, Cost::default(), &mut backup)).unwrap();
    vault.lock();
    for stored in memory.history() {
        for (id, bytes) in stored {
            assert!(
                !contains(&bytes, MARKER) && !contains(id.as_bytes(), MARKER),
                "{id}"
            );
            assert!(!contains(&bytes, "Zanzibar"), "{id}");
        }
    }
    assert!(!contains(&backup.0, "Zanzibar"));
}

#[test]
fn the_search_for_markers_finds_them() {
    let utf16: Vec<u8> = MARKER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(contains(format!("x{MARKER}").as_bytes(), MARKER));
    assert!(contains(&[&[0][..], &utf16].concat(), MARKER));
}

#[test]
fn a_key_under_a_passphrase_is_nowhere_in_the_clear() {
    let (memory, vault) = unprotected();
    // version, slots, kind, length, keys, number; then the key.
    let clear = memory.stored()["keys"][7..39].to_vec();
    stored(&vault, "x", 1);
    wait(vault.protect(None, &[SECRET], Cost::default())).unwrap();
    for (id, bytes) in memory.stored() {
        assert!(!bytes.windows(32).any(|window| window == clear), "{id}");
    }
}

#[test]
fn nonces_do_not_repeat_over_ten_thousand_records() {
    let memory = Memory::default();
    let cipher = Aes::seeded(11);
    let vault = outpost_vault::Vault::new(memory, cipher.clone());
    wait(vault.create(&[], Cost::default())).unwrap();
    let id = vault.new_id().unwrap();
    for round in 0..5_000 {
        wait(save(&vault, &id, &conversation("x", round), &[])).unwrap();
    }
    let used = cipher.nonces.borrow();
    // Each save seals the record and the index.
    assert!(used.len() > 10_000, "{}", used.len());
    let distinct: HashSet<_> = used.iter().collect();
    assert_eq!(distinct.len(), used.len());
}

#[test]
fn lengths_of_records_say_little() {
    let (memory, vault) = unprotected();
    let lengths: HashSet<usize> = (0..40)
        .map(|words| {
            let id = stored(&vault, &"word ".repeat(words), 1);
            memory.stored()[&id.to_string()].len()
        })
        .collect();
    assert_eq!(lengths.len(), 1, "{lengths:?}");
    let sizes = |bytes: usize| {
        let (id, shown) = (vault.new_id().unwrap(), vault.new_id().unwrap());
        let mut conversation = conversation("x", 1);
        conversation.draft.pictures.push(PictureRef {
            id: shown,
            name: String::new(),
            features: None,
        });
        let picture = Picture {
            media_type: "image/png".into(),
            bytes: vec![0; bytes],
        };
        wait(save(&vault, &id, &conversation, &[(shown, picture)])).unwrap();
        memory.stored()[&shown.to_string()].len()
    };
    assert_eq!(sizes(1), sizes(16_000));
}
