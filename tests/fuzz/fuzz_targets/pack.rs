//! A GGUF file through packing: nothing of it changes, whatever the size of the shards.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpost_engine::weights::shards::{
    Manifest, Packing, Role, Sha256Stream, ShardSet, verify_shard,
};
use outpost_engine::weights::{Gguf, WeightSource};
use outpost_fuzz::{Bytes, Picks, check_error, check_same};

const SHARD_BYTES: [u64; 8] = [7, 64, 256, 1_000, 4_096, 65_536, 64 << 20, 0];

fuzz_target!(|data: &[u8]| {
    let Ok(gguf) = Gguf::open(Bytes(data)) else {
        return;
    };
    let role = Role::of(gguf.metadata());
    let mut picks = Picks::new(data);
    let shard_bytes = picks.one(&SHARD_BYTES);
    let packing = match Packing::plan(vec![(role, gguf)], "Model", shard_bytes) {
        Ok(packing) => packing,
        Err(error) => return check_error(&error),
    };
    let shards = read_shards(&packing, &mut picks);
    let hashes: Vec<[u8; 32]> = shards.iter().map(|shard| hash(shard)).collect();
    let manifest = match packing.manifest(&hashes) {
        Ok(manifest) => manifest,
        Err(error) => return check_error(&error),
    };
    let json = manifest.to_json().expect("a manifest can be written");
    assert_eq!(Manifest::from_json(&json).as_ref(), Ok(&manifest));
    let file = manifest.file(role).expect("the file that was packed");
    for (shard, bytes) in file.shards.iter().zip(&shards) {
        verify_shard(shard, [Ok(bytes)]).expect("a shard is what its hash says");
    }

    let set = ShardSet::open(&manifest, role, shards).expect("what was packed opens");
    let gguf = Gguf::open(Bytes(data)).expect("it opened before");
    // By their text: a NaN equals nothing, itself least of all.
    let metadata = |source: &dyn WeightSource| format!("{:?}", source.metadata());
    assert_eq!(metadata(&set), metadata(&gguf));
    check_same(&set, &gguf);
});

/// Reads every shard as a whole, and a piece of it, which must agree.
fn read_shards(packing: &Packing<Gguf<Bytes<'_>>>, picks: &mut Picks) -> Vec<Vec<u8>> {
    let mut shards = Vec::new();
    for (index, plan) in packing.shards().iter().enumerate() {
        let mut whole = vec![0xaa; plan.bytes as usize];
        packing
            .read_shard(index, 0, &mut whole)
            .expect("a shard is readable");
        let start = picks.below(plan.bytes + 1);
        let mut piece = vec![0x55; picks.below(plan.bytes - start + 1) as usize];
        packing
            .read_shard(index, start, &mut piece)
            .expect("a piece is readable");
        assert_eq!(piece, whole[start as usize..][..piece.len()]);
        let beyond = packing.read_shard(index, plan.bytes, &mut [0]);
        check_error(&beyond.expect_err("nothing is behind a shard"));
        shards.push(whole);
    }
    shards
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256Stream::new();
    hash.update(bytes);
    hash.finish()
}
