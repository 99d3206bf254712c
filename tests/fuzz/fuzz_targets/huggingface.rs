//! A folder in Hugging Face's layout: config.json, the index, tokenizer.json and preprocessor_config.json, each ended by a
//! zero byte, then model.safetensors. An empty document is one that the folder does not have.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpost_engine::error::Error;
use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::huggingface::{
    CONFIG, Documents, HuggingFace, HuggingFaceModel, INDEX, WEIGHTS,
};
use outpost_engine::weights::quantise::TARGETS;
use outpost_engine::weights::shards::{Packing, Role, ShardSet};
use outpost_engine::weights::{Safetensors, TensorInfo, WeightSource};
use outpost_fuzz::{Bytes, Picks, check_source, within};

/// Memory for a byte of the folder, and for none.
const FACTOR: u64 = 64;
const BASE_BYTES: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(5, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let names = [CONFIG, INDEX, "tokenizer.json", "preprocessor_config.json"];
    let texts = names.map(|name| (name, next()));
    let weights = next();
    let limit = FACTOR * data.len() as u64 + BASE_BYTES;
    within(limit, || {
        let read = |name: &str| {
            let found = texts.iter().find(|(known, _)| *known == name);
            let text = found.map(|(_, text)| text.to_vec());
            Ok::<_, Error>(text.filter(|text| !text.is_empty()))
        };
        let Ok(documents) = Documents::collect(read) else {
            return;
        };
        check(&documents, weights, &mut Picks::new(data));
    });
});

fn check(documents: &Documents, weights: &[u8], picks: &mut Picks) {
    for name in documents.weight_files().unwrap_or_default() {
        assert!(name.ends_with(".safetensors") && !name.starts_with('.'));
        assert!(!name.contains(['/', '\\', ':', '\0']));
    }
    let Ok(file) = Safetensors::open(Bytes(weights)) else {
        return;
    };
    let files = vec![(WEIGHTS.to_owned(), file)];
    let quantise = match picks.below(3) {
        0 => Some(picks.one(&TARGETS)),
        _ => None,
    };
    match HuggingFaceModel::open("Folder", documents, files, quantise) {
        Ok(model) => {
            Tokenizer::from_metadata(model.text.metadata()).expect("a tokenizer that reads");
            // What is no number cannot be brought to another type.
            if is_readable(&model.text) {
                check_source(&model.text, picks);
            }
            check_packed(model.text);
            model.vision.into_iter().for_each(check_packed);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn is_readable(model: &HuggingFace<Bytes<'_>>) -> bool {
    let readable = |tensor: &TensorInfo| {
        let mut parts = tensor.parts().iter();
        parts.all(|part| {
            let mut bytes = vec![0; tensor.part_bytes(*part) as usize];
            model.read_part(tensor, *part, 0, &mut bytes).is_ok()
        })
    };
    model.tensors().iter().all(readable)
}

/// It can be packed, and has the same tensors then.
fn check_packed(model: HuggingFace<Bytes<'_>>) {
    let role = Role::of(model.metadata());
    let tensors = model.tensors().to_vec();
    let packing = Packing::plan(vec![(role, model)], "Folder", 1 << 20).expect("a plan");
    let mut shards = Vec::new();
    for (index, plan) in packing.shards().iter().enumerate() {
        let mut shard = vec![0xaa; plan.bytes as usize];
        if packing.read_shard(index, 0, &mut shard).is_err() {
            return;
        }
        shards.push(shard);
    }
    let hashes = vec![[0; 32]; shards.len()];
    let manifest = packing.manifest(&hashes).expect("a manifest");
    let set = ShardSet::open(&manifest, role, shards).expect("what was packed opens");
    assert_eq!(set.tensors(), tensors);
}
