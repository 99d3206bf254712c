//! A shard set: the manifest, then, behind a zero byte, what its shards begin with.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use outpost_engine::weights::shards::{Manifest, ManifestFile, Role, ShardSet, verify_shard};
use outpost_fuzz::{Bytes, Padded, Picks, check_error, check_source, opened};

/// Memory for a byte of the manifest, and for none.
const FACTOR: u64 = 32;
const BASE_BYTES: u64 = 64 << 10;

fuzz_target!(|data: &[u8]| {
    let end = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let (json, content) = data.split_at(end);
    let content = content.get(1..).unwrap_or_default();
    let limit = FACTOR * data.len() as u64 + BASE_BYTES;
    let Some(manifest) = opened(limit, || Manifest::from_json(json)) else {
        return;
    };
    let again = manifest.to_json().expect("what was read can be written");
    assert_eq!(Manifest::from_json(&again).as_ref(), Ok(&manifest));
    check_names(&manifest);

    let mut picks = Picks::new(data);
    for role in [Role::Text, Role::Vision] {
        let Some(file) = manifest.file(role) else {
            assert!(ShardSet::open(&manifest, role, vec![Bytes(content)]).is_err());
            continue;
        };
        check_wrong_shards(&manifest, file, content);
        let open = || ShardSet::open(&manifest, role, shards(file, content));
        let metadata_limit = FACTOR * file.metadata_bytes + limit;
        if let Some(set) = opened(metadata_limit, open) {
            check_source(&set, &mut picks);
        }
    }
});

/// Shards of the lengths that the manifest promises: `content`, then zeros.
fn shards<'a>(file: &ManifestFile, content: &'a [u8]) -> Vec<Padded<'a>> {
    let mut rest = content;
    let take = |len: u64| {
        let here = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
        let (bytes, after) = rest.split_at(here);
        rest = after;
        Padded { bytes, len }
    };
    file.shards
        .iter()
        .map(|shard| shard.bytes)
        .map(take)
        .collect()
}

/// A shard that is missing, is longer, or has other bytes than the manifest says is found out.
fn check_wrong_shards(manifest: &Manifest, file: &ManifestFile, content: &[u8]) {
    let refused = |shards: Vec<Padded<'_>>| {
        let error = ShardSet::open(manifest, file.role, shards).err();
        check_error(&error.expect("wrong shards are refused"));
    };
    let sound = shards(file, content);
    if let Some((last, others)) = sound.split_last() {
        refused(others.to_vec());
        let longer = Padded {
            len: last.len + 1,
            ..*last
        };
        refused([others, &[longer]].concat());
    }
    for shard in file.shards.iter().take(4) {
        if let Err(error) = verify_shard(shard, [Ok(content)]) {
            check_error(&error);
        }
    }
}

/// Names become names of files, so none may lead elsewhere or hit another one.
fn check_names(manifest: &Manifest) {
    let mut names = BTreeSet::new();
    let shards = manifest.files.iter().flat_map(|file| &file.shards);
    for name in shards.map(|shard| &shard.name) {
        assert!(!name.is_empty() && name.len() <= 128 && !name.starts_with('.'));
        assert!(!name.contains(['/', '\\', ':', '\0']) && names.insert(name.to_lowercase()));
    }
    let id = &manifest.id;
    assert!(!id.is_empty() && !id.contains(['/', '\\', '.', ':', '\0']));
}
