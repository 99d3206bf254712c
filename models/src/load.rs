//! What several subcommands need before they can ask the engine.

use std::fs;
use std::path::{Path, PathBuf};

use outpost_engine::chat::{Conversation, Message, Part, Role};
use outpost_engine::error::Error as EngineError;
use outpost_engine::image::{self, RgbImage};
use outpost_engine::kernels::{DeviceChoice, DeviceKind};
use outpost_engine::ports::Clock;
use outpost_engine::session::{Engine, EngineOptions};
use outpost_engine::tokenizer::Tokenizer;

use crate::args::ModelArgs;
use crate::error::{Error, Result};
use crate::output::{HostClock, Percent};
use crate::source::Model;

/// Largest picture file that is read.
const MAX_PICTURE_BYTES: u64 = 256 << 20;

/// An engine with its model on the device.
pub struct Loaded {
    /// The engine.
    pub engine: Engine,
    /// How long loading took.
    pub load_ms: f64,
    /// Runs since loading began.
    pub clock: HostClock,
}

/// Loads the model, and tells on stderr which device computes.
pub fn engine(args: &ModelArgs, device: DeviceChoice) -> Result<Loaded> {
    let clock = HostClock::start();
    let model = Model::open(&args.model, args.mmproj.as_deref())?;
    let mut progress = Percent::of("loading");
    let tokenizer =
        Tokenizer::from_metadata(model.text.metadata()).map_err(Error::of(&args.model))?;
    let options = EngineOptions {
        device,
        context_tokens: args.context_tokens,
        ..EngineOptions::default()
    };
    let engine = pollster::block_on(Engine::load_with(
        model.text.as_ref(),
        model.vision,
        tokenizer,
        options,
        &mut progress,
    ))
    .map_err(Error::of(&args.model))?;
    drop(progress);
    let kind = match engine.stats().device {
        DeviceKind::Gpu => "GPU",
        DeviceKind::Cpu => "CPU",
    };
    eprintln!("computing on the {kind}: {}", engine.stats().adapter);
    Ok(Loaded {
        engine,
        load_ms: clock.now_ms(),
        clock,
    })
}

/// Reads and decodes pictures.
pub fn pictures(paths: &[PathBuf]) -> Result<Vec<RgbImage>> {
    paths.iter().map(|path| picture(path)).collect()
}

/// Reads and decodes one picture.
pub fn picture(path: &Path) -> Result<RgbImage> {
    let length = fs::metadata(path)
        .map_err(|error| Error::read(path, &error))?
        .len();
    if length > MAX_PICTURE_BYTES {
        return Err(Error::file(
            path,
            format!("has {length} bytes, above the limit of {MAX_PICTURE_BYTES}"),
            "use a smaller picture",
        ));
    }
    let bytes = fs::read(path).map_err(|error| Error::read(path, &error))?;
    image::decode(&bytes).map_err(Error::of(path))
}

/// One question. Pictures stand before the words, as in MedGemma's own notebooks, or after them.
pub fn question(
    system: Option<&str>,
    prompt: &str,
    pictures: usize,
    pictures_first: bool,
) -> Result<Conversation> {
    if prompt.trim().is_empty() && pictures == 0 {
        return Err(Error::Engine(EngineError::Request {
            problem: "the prompt is empty".to_owned(),
            remedy: "say what you want to know".to_owned(),
        }));
    }
    let mut parts = vec![Part::Image; pictures];
    let words = Part::Text(prompt.to_owned());
    match pictures_first {
        true => parts.push(words),
        false => parts.insert(0, words),
    }
    Ok(Conversation {
        system: system.map(str::to_owned),
        messages: vec![Message {
            role: Role::User,
            parts,
        }],
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pictures_stand_where_they_are_asked_for() {
        let first = question(None, "why?", 2, true).unwrap();
        let words = Part::Text("why?".to_owned());
        assert_eq!(
            first.messages[0].parts,
            [Part::Image, Part::Image, words.clone()]
        );
        let last = question(Some("Be brief."), "why?", 1, false).unwrap();
        assert_eq!(last.messages[0].parts, [words, Part::Image]);
        assert_eq!(last.system.as_deref(), Some("Be brief."));
    }

    #[test]
    fn nothing_at_all_is_no_question() {
        assert!(question(None, " \n", 0, true).is_err());
        assert!(question(None, "", 1, true).is_ok());
    }
}
