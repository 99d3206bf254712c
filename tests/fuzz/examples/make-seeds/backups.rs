//! Backups: of nothing, of a conversation, of one with a picture, and of one that goes on in another way.

use std::collections::BTreeMap;

use outpost_fuzz::vault_ports::{BackupFile, OpenVault, now};
use outpost_vault::{
    Conversation, Cost, Draft, Ended, Figures, Picture, PictureRef, RecordId, Role, Turn, Vault,
};

pub fn all() -> BTreeMap<String, Vec<u8>> {
    let plain = conversation("hi", 10);
    let mut shown = conversation("look", 20);
    let picture = RecordId::parse(&"a".repeat(32)).unwrap_or_else(|| unreachable!("an id"));
    shown.turns[0].pictures.push(PictureRef {
        id: picture,
        name: "x.png".to_owned(),
        features: None,
    });
    let bytes = Picture {
        media_type: "image/png".to_owned(),
        bytes: vec![7; 30],
    };
    let mut later = conversation("otherwise", 30);
    later.draft = Draft {
        text: "and".to_owned(),
        pictures: Vec::new(),
    };
    let one = backup(&[(1, plain, vec![])]);
    let twice = backup(&[(1, later, vec![])]);
    [
        ("empty", backup(&[])),
        ("plain", one.clone()),
        ("picture", backup(&[(2, shown, vec![(picture, bytes)])])),
        ("twice", joined(&one, &twice)),
    ]
    .into_iter()
    .map(|(name, bytes)| (format!("{name}.backup"), bytes))
    .collect()
}

fn conversation(text: &str, updated_ms: u64) -> Conversation {
    let turn = |role, text: &str, ended| Turn {
        role,
        text: text.to_owned(),
        thought: String::new(),
        time_ms: 5,
        pictures: Vec::new(),
        ended,
    };
    let ended = Ended {
        reason: "stop".to_owned(),
        figures: Figures::default(),
    };
    let mut conversation = Conversation::default();
    conversation.updated_ms = updated_ms;
    conversation.turns = vec![
        turn(Role::User, text, None),
        turn(Role::Assistant, "yes", Some(ended)),
    ];
    conversation
}

type Stored = (u8, Conversation, Vec<(RecordId, Picture)>);

fn backup(conversations: &[Stored]) -> Vec<u8> {
    let vault: OpenVault = Vault::new(Default::default(), Default::default());
    let done = now(async {
        vault.create(&[], Cost::default()).await?;
        for (id, conversation, pictures) in conversations {
            let id =
                RecordId::parse(&format!("{id:032x}")).unwrap_or_else(|| unreachable!("an id"));
            vault.save(&id, None, conversation, pictures).await?;
        }
        let mut file = BackupFile::default();
        vault
            .export("words of the backup", Cost::default(), &mut file)
            .await?;
        Ok::<_, outpost_vault::Error>(file.0)
    });
    done.unwrap_or_else(|error| unreachable!("{error}"))
}

/// The first frame of one backup before those of another, which counts both.
fn joined(one: &[u8], other: &[u8]) -> Vec<u8> {
    const HEADER_BYTES: usize = 16 + 1 + 12 + 16 + 7;
    let frame_bytes = |at: usize| {
        let length = one[at..at + 4].iter().rev();
        4 + length.fold(0, |sum, byte| (sum << 8) + usize::from(*byte))
    };
    let first = &one[HEADER_BYTES..HEADER_BYTES + frame_bytes(HEADER_BYTES)];
    let (header, rest) = other.split_at(HEADER_BYTES);
    let mut joined = [header, first, rest].concat();
    // In the last frame: its length, that of its content, its kind, and how many conversations.
    let counts = joined.len() - frame_bytes(HEADER_BYTES + first.len()) + 4 + 4 + 1;
    joined[counts] = 2;
    joined
}
