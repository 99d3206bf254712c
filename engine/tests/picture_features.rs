//! What a picture became in the image encoder can be taken out and given again: bit by bit the same, and the same answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use std::path::Path;

use golden::{NoClock, case, gguf, picture};
use outpost_engine::chat::{Conversation, Message, Part, Role};
use outpost_engine::image::RgbImage;
use outpost_engine::kernels::DeviceChoice;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Engine, EngineOptions, Event, Outcome, Request};
use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::shards::{Packing, Role as FileRole, Sha256Stream, ShardSet};
use outpost_engine::weights::{Gguf, WeightSource};

/// A file as a host keeps it: in shards whose hashes its manifest has.
fn shards(role: FileRole, file: Gguf<Vec<u8>>) -> ShardSet<Vec<u8>> {
    let packing = Packing::plan(vec![(role, file)], "a model", 1 << 20).unwrap();
    let read = |index: usize| {
        let mut bytes = vec![0; packing.shards()[index].bytes as usize];
        packing.read_shard(index, 0, &mut bytes).unwrap();
        bytes
    };
    let shards: Vec<Vec<u8>> = (0..packing.shards().len()).map(read).collect();
    let hash = |shard: &Vec<u8>| {
        let mut hash = Sha256Stream::new();
        hash.update(shard);
        hash.finish()
    };
    let hashes: Vec<_> = shards.iter().map(hash).collect();
    ShardSet::open(&packing.manifest(&hashes).unwrap(), role, shards).unwrap()
}

fn load(model: &Path, vision: Box<dyn WeightSource>, device: DeviceChoice) -> Engine {
    let text = gguf(model);
    let options = EngineOptions {
        device,
        ..EngineOptions::default()
    };
    let tokenizer = Tokenizer::from_metadata(text.metadata()).unwrap();
    pollster::block_on(Engine::load_with(
        &text,
        Some(vision),
        tokenizer,
        options,
        &mut (),
    ))
    .unwrap()
}

/// The demonstration model, and one whose weights are random.
fn models(device: DeviceChoice) -> [(&'static str, Engine); 2] {
    let folder = Path::new("../models/demo");
    let demo = (
        folder.join("demo-q8_0.gguf"),
        folder.join("mmproj-demo-f16.gguf"),
    );
    let folder = case("random");
    let random = (
        folder.join("model-f32.gguf"),
        folder.join("mmproj-f32.gguf"),
    );
    [("demo", demo), ("random", random)].map(|(name, (model, mmproj))| {
        let vision = shards(FileRole::Vision, gguf(&mmproj));
        (name, load(&model, Box::new(vision), device))
    })
}

fn pictures() -> [RgbImage; 2] {
    let folder = case("random");
    ["first.png", "second.png"].map(|name| picture(&folder.join(name)))
}

fn request(shown: usize, sampler: SamplerOptions) -> Request {
    let mut parts = vec![Part::Image; shown];
    parts.push(Part::Text("Describe this X-ray.".to_owned()));
    Request {
        conversation: Conversation {
            system: None,
            messages: vec![Message {
                role: Role::User,
                parts,
            }],
        },
        max_tokens: 24,
        sampler,
        constraint: None,
    }
}

/// Answers from nothing -> the outcome, and the features of each picture that was encoded.
fn answer(
    engine: &mut Engine,
    request: &Request,
    images: &[RgbImage],
    given: &[(usize, &[u8])],
) -> (Outcome, Vec<(usize, Vec<u8>)>) {
    engine.forget();
    let mut generation = engine.start(request, images, &NoClock).unwrap();
    for (index, features) in given {
        generation.give_features(*index, features).unwrap();
    }
    let mut encoded = Vec::new();
    while let Some(event) = pollster::block_on(generation.step()).unwrap() {
        if let Event::ImageEncoded { index } = event {
            encoded.push((index, generation.features(index).unwrap()));
        }
    }
    assert_eq!(generation.features(images.len()), None);
    (generation.finish(), encoded)
}

fn samplers() -> [SamplerOptions; 2] {
    let drawn = SamplerOptions {
        temperature: 0.8,
        top_k: 20,
        seed: 11,
        ..SamplerOptions::default()
    };
    [SamplerOptions::default(), drawn]
}

#[test]
fn with_kept_features_the_tokens_are_the_same_and_nothing_is_encoded() {
    let images = pictures();
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let mut others = models(device);
        for (place, (name, mut engine)) in models(device).into_iter().enumerate() {
            for sampler in samplers() {
                let request = request(2, sampler);
                let (expected, encoded) = answer(&mut engine, &request, &images, &[]);
                let indices: Vec<usize> = encoded.iter().map(|(index, _)| *index).collect();
                assert_eq!(indices, [0, 1], "{name} on {device:?}");
                // Another engine, as after a reload, that has encoded nothing.
                let other = &mut others[place].1;
                let before = other.stats().pictures_encoded;
                let [first, second] = [&encoded[0].1, &encoded[1].1].map(Vec::as_slice);
                for given in [
                    vec![(0, first), (1, second)],
                    vec![(1, second)],
                    vec![(0, first)],
                ] {
                    let (found, again) = answer(other, &request, &images, &given);
                    assert_eq!(found.token_ids, expected.token_ids, "{name} on {device:?}");
                    assert_eq!(found.text, expected.text);
                    assert_eq!(again.len(), 2 - given.len());
                    for (index, features) in &again {
                        assert_eq!(
                            *features, encoded[*index].1,
                            "bit by bit, {name} on {device:?}"
                        );
                    }
                }
                assert_eq!(other.stats().pictures_encoded, before + 2);
            }
            assert_eq!(engine.stats().pictures_encoded, 4);
        }
    }
}

#[test]
fn what_the_prompt_before_showed_is_known_where_the_cache_cannot_go_on_from_it() {
    let [first, second] = pictures();
    for (name, mut engine) in models(DeviceChoice::Cpu) {
        let request = request(1, SamplerOptions::default());
        let shown = std::slice::from_ref(&first);
        let (expected, encoded) = answer(&mut engine, &request, shown, &[]);
        // Other words first, so that no position of the picture is the same.
        let mut otherwise = request.clone();
        let parts = &mut otherwise.conversation.messages[0].parts;
        parts.insert(0, Part::Text("Look.".to_owned()));
        for (request, image, known, count) in [
            (&otherwise, &first, true, 1),
            (&request, &first, true, 1),
            (&request, &second, false, 2),
            (&request, &first, false, 3),
        ] {
            let images = std::slice::from_ref(image);
            let mut generation = engine.start(request, images, &NoClock).unwrap();
            let features = generation.features(0);
            assert_eq!(features.is_some(), known, "{name}");
            assert!(features.is_none_or(|features| features == encoded[0].1));
            while pollster::block_on(generation.step()).unwrap().is_some() {}
            let found = generation.finish();
            assert_eq!(engine.stats().pictures_encoded, count, "{name}");
            if request.conversation.messages[0].parts.len() == 2 && *image == first {
                assert_eq!(found.token_ids, expected.token_ids, "{name}");
            }
        }
    }
}

#[test]
fn what_is_kept_is_what_the_text_model_is_given() {
    let [first, _] = pictures();
    for (name, mut engine) in models(DeviceChoice::Cpu) {
        let request = request(1, SamplerOptions::default());
        let images = std::slice::from_ref(&first);
        let (_, encoded) = answer(&mut engine, &request, images, &[]);
        let values = pollster::block_on(engine.image_features(&first)).unwrap();
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(encoded[0].1[32..], bytes, "{name}");
    }
}

#[test]
fn kept_features_have_their_effect() {
    // Otherwise a picture that was ignored would pass for one whose features were taken.
    let [first, second] = pictures();
    let [_, (_, mut engine)] = models(DeviceChoice::Cpu);
    let request = request(1, SamplerOptions::default());
    let (expected, encoded) = answer(&mut engine, &request, std::slice::from_ref(&first), &[]);
    let (other, of_other) = answer(&mut engine, &request, std::slice::from_ref(&second), &[]);
    assert_ne!(expected.token_ids, other.token_ids);
    // The second picture's values under the first one's key.
    let forged = [&encoded[0].1[..32], &of_other[0].1[32..]].concat();
    let (found, _) = answer(&mut engine, &request, &[first], &[(0, &forged)]);
    assert_eq!(found.token_ids, other.token_ids);
}

#[test]
fn features_of_another_picture_or_model_are_refused_and_the_picture_is_encoded() {
    let [first, second] = pictures();
    let [(_, mut demo), (_, mut random)] = models(DeviceChoice::Cpu);
    let request = request(1, SamplerOptions::default());
    let (expected, good) = answer(&mut random, &request, std::slice::from_ref(&first), &[]);
    let (_, of_other) = answer(&mut random, &request, std::slice::from_ref(&second), &[]);
    let (_, of_demo) = answer(&mut demo, &request, std::slice::from_ref(&first), &[]);
    let good = &good[0].1;
    let mut not_a_number = good.clone();
    not_a_number[32..36].copy_from_slice(&f32::NAN.to_le_bytes());
    for (features, why) in [
        (of_other[0].1.as_slice(), "not those of this picture"),
        (&of_demo[0].1, "not those of this picture"),
        (&good[..good.len() - 4], "values belong"),
        (&not_a_number, "finite"),
        (&[], "not those of this picture"),
    ] {
        random.forget();
        let images = std::slice::from_ref(&first);
        let mut generation = random.start(&request, images, &NoClock).unwrap();
        let error = generation
            .give_features(0, features)
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
        assert!(
            generation.give_features(1, good).is_err(),
            "there is no second picture"
        );
        let mut encoded = 0;
        while let Some(event) = pollster::block_on(generation.step()).unwrap() {
            encoded += usize::from(matches!(event, Event::ImageEncoded { .. }));
        }
        assert_eq!(encoded, 1);
        assert_eq!(generation.finish().token_ids, expected.token_ids);
    }
}

#[test]
fn a_file_without_hashes_gives_no_features_and_takes_none() {
    let folder = case("random");
    let plain = gguf(&folder.join("mmproj-f32.gguf"));
    let model = folder.join("model-f32.gguf");
    let mut engine = load(&model, Box::new(plain), DeviceChoice::Cpu);
    let [first, _] = pictures();
    let request = request(1, SamplerOptions::default());
    let mut generation = engine.start(&request, &[first], &NoClock).unwrap();
    assert!(generation.give_features(0, &[0; 32]).is_err());
    while let Some(event) = pollster::block_on(generation.step()).unwrap() {
        if let Event::ImageEncoded { .. } = event {
            assert_eq!(generation.features(0), None);
        }
    }
}

#[test]
fn a_file_with_another_byte_is_another_encoder() {
    let path = case("random").join("mmproj-f32.gguf");
    let identity = |file| shards(FileRole::Vision, file).identity().unwrap();
    let expected = identity(gguf(&path));
    assert_eq!(identity(gguf(&path)), expected);
    let mut bytes = golden::bytes(&path);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_ne!(identity(Gguf::open(bytes).unwrap()), expected);
}

#[test]
fn what_was_erased_is_read_again_and_answered_as_before() {
    let images = pictures();
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        for (name, mut engine) in models(device) {
            let request = request(2, SamplerOptions::default());
            let (expected, encoded) = answer(&mut engine, &request, &images, &[]);
            for _ in 0..2 {
                pollster::block_on(engine.erase()).unwrap();
                let before = engine.stats().pictures_encoded;
                let mut generation = engine.start(&request, &images, &NoClock).unwrap();
                assert_eq!(generation.features(0), None);
                for (index, features) in &encoded {
                    generation.give_features(*index, features).unwrap();
                }
                while pollster::block_on(generation.step()).unwrap().is_some() {}
                let found = generation.finish();
                assert_eq!(found.reused_tokens, 0, "{name} on {device:?}");
                assert_eq!(found.token_ids, expected.token_ids, "{name} on {device:?}");
                assert_eq!(engine.stats().pictures_encoded, before);
            }
        }
    }
}
