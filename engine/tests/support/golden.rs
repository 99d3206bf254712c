//! Reads the golden cases in `tests/golden`: models, pictures, expected tensors and their tolerances.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use outpost_engine::image::RgbImage;
use outpost_engine::kernels::DeviceChoice;
use outpost_engine::ports::Clock;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Engine, EngineOptions};
use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::{Gguf, WeightSource};
use safetensors::SafeTensors;

/// The folder of a case.
pub fn case(name: &str) -> PathBuf {
    Path::new("../tests/golden").join(name)
}

/// A file, whole.
pub fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A GGUF file.
pub fn gguf(path: &Path) -> Gguf<Vec<u8>> {
    Gguf::open(bytes(path)).unwrap()
}

/// A picture of a case.
pub fn picture(path: &Path) -> RgbImage {
    outpost_engine::image::decode(&bytes(path)).unwrap()
}

/// An engine from files of a case.
pub fn engine(model: &Path, mmproj: Option<&Path>, device: DeviceChoice) -> Engine {
    let options = EngineOptions {
        device,
        ..EngineOptions::default()
    };
    engine_with(model, mmproj, options)
}

/// An engine with its own context or chunks.
pub fn engine_with(model: &Path, mmproj: Option<&Path>, options: EngineOptions) -> Engine {
    let text = gguf(model);
    let vision = mmproj.map(|path| Box::new(gguf(path)) as Box<dyn WeightSource>);
    let tokenizer = Tokenizer::from_metadata(text.metadata()).unwrap();
    pollster::block_on(Engine::load_with(
        &text,
        vision,
        tokenizer,
        options,
        &mut (),
    ))
    .unwrap()
}

/// A file of tensors.
pub struct Tensors(Vec<u8>);

impl Tensors {
    pub fn open(path: &Path) -> Self {
        Self(bytes(path))
    }

    pub fn names(&self) -> Vec<String> {
        SafeTensors::deserialize(&self.0)
            .unwrap()
            .names()
            .into_iter()
            .map(ToString::to_string)
            .collect()
    }

    /// A note of the file.
    pub fn metadata(&self, key: &str) -> String {
        let (_, header) = SafeTensors::read_metadata(&self.0).unwrap();
        header.metadata().as_ref().unwrap()[key].clone()
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.words(name)
            .into_iter()
            .map(f32::from_le_bytes)
            .collect()
    }

    /// Ids, stored as i32.
    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.words(name)
            .into_iter()
            .map(u32::from_le_bytes)
            .collect()
    }

    fn words(&self, name: &str) -> Vec<[u8; 4]> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let data = tensors
            .tensor(name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        data.data()
            .chunks_exact(4)
            .map(|word| word.try_into().unwrap())
            .collect()
    }
}

/// Fails where `found` departs from `expected` by more than `tolerance`, naming the worst place.
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let (mut worst, mut place) = (0.0, 0);
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        let difference = (f - e).abs();
        assert!(
            difference.is_finite(),
            "{what}: {f} at {index} where {e} is expected"
        );
        if difference > worst {
            (worst, place) = (difference, index);
        }
    }
    assert!(
        worst <= tolerance,
        "{what}: {} at {place} where {} is expected, off by {worst}, tolerance {tolerance}",
        found[place],
        expected[place]
    );
    println!("{what}: off by at most {worst:.2e} (tolerance {tolerance:.0e})");
}

/// Time stands still.
pub struct NoClock;

impl Clock for NoClock {
    fn now_ms(&self) -> f64 {
        0.0
    }
}

/// `count` greedy tokens after `tokens`, past every end token.
pub fn greedy(engine: &mut Engine, tokens: &[u32], images: &[RgbImage], count: usize) -> Vec<u32> {
    let options = SamplerOptions::default();
    let mut generation = engine
        .start_tokens(tokens, images, count, &options, &NoClock)
        .unwrap();
    while pollster::block_on(generation.step()).unwrap().is_some() {}
    generation.finish().token_ids
}
