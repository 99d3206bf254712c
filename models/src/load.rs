//! What comes from files and arguments before the engine can be asked: models, pictures, CT series, conversations.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use outpost_clinic::ct::{self, Windows};
use outpost_clinic::dicom;
use outpost_engine::chat::{Conversation, Message, Part, Role};
use outpost_engine::error::Error as EngineError;
use outpost_engine::image::{self, RgbImage};
use outpost_engine::kernels::{DeviceChoice, DeviceKind};
use outpost_engine::ports::{Clock, Helpers};
use outpost_engine::session::{Engine, EngineOptions};
use outpost_engine::tokenizer::Tokenizer;
use serde::Deserialize;

use crate::args::ModelArgs;
use crate::error::{Error, Result};
use crate::helpers::Threads;
use crate::output::{HostClock, Percent};
use crate::source::Model;

/// Largest file of a picture, a slice or turns that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Most files of a CT series.
const MAX_SLICE_FILES: usize = 4096;

/// An engine with its model on the device.
pub struct Loaded {
    /// The engine.
    pub engine: Engine,
    /// How long loading took.
    pub load_ms: f64,
    /// Runs since loading began.
    pub clock: HostClock,
}

/// What computes.
#[derive(Debug, Clone, Copy)]
pub struct Compute {
    /// Which device.
    pub device: DeviceChoice,
    /// Threads on the CPU; as many as there are cores if not given.
    pub threads: Option<usize>,
    /// Whether several tokens are run at once where they are likely.
    pub drafts: bool,
    /// Whether a GPU may compute products with fewer bits.
    pub rounded_products: bool,
}

impl Compute {
    /// Threads beside this one. A GPU needs none.
    fn helpers(self) -> Option<Rc<dyn Helpers>> {
        let threads = match (self.device, self.threads) {
            (DeviceChoice::Gpu, _) => return None,
            (_, Some(threads)) => Threads::spawn(threads - 1),
            (_, None) => Threads::for_this_machine(),
        };
        Some(Rc::new(threads))
    }
}

/// Loads the model, and tells on stderr which device computes.
pub fn engine(args: &ModelArgs, compute: Compute) -> Result<Loaded> {
    let clock = HostClock::start();
    let model = Model::open(&args.model, args.mmproj.as_deref())?;
    let mut progress = Percent::of("loading");
    let tokenizer =
        Tokenizer::from_metadata(model.text.metadata()).map_err(Error::of(&args.model))?;
    let options = EngineOptions {
        device: compute.device,
        helpers: compute.helpers(),
        context_tokens: args.context_tokens,
        rounded_products: compute.rounded_products,
        clock: Some(Rc::new(clock.clone())),
        drafts: compute.drafts,
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
    let threads = match (engine.stats().device, engine.stats().threads) {
        (DeviceKind::Cpu, threads) if threads > 1 => format!(", {threads} threads"),
        _ => String::new(),
    };
    eprintln!(
        "computing on the {kind}: {}{threads}",
        engine.stats().adapter
    );
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
    image::decode(&bytes(path)?).map_err(Error::of(path))
}

/// Slices of one CT series as pictures, in order: at most `most`, taken evenly from the whole. A folder stands for the
/// files in it.
pub fn ct(paths: &[PathBuf], most: usize) -> Result<Vec<RgbImage>> {
    let files = slice_files(paths)?;
    let mut geometries = Vec::with_capacity(files.len());
    for path in &files {
        let bytes = bytes(path)?;
        let image = dicom::read(&bytes).map_err(Error::slice(path))?;
        geometries.push(image.geometry().clone());
    }
    let order = dicom::order(&geometries.iter().collect::<Vec<_>>())?;
    // Read again: a whole series is larger than what is taken of it.
    let taken = ct::sample(order.len(), most).into_iter();
    let taken = taken.filter_map(|index| files.get(*order.get(index)?));
    taken
        .map(|path| {
            let bytes = bytes(path)?;
            let slice = dicom::read(&bytes).and_then(|image| image.slice());
            let slice = slice.map_err(Error::slice(path))?;
            Ok(slice.picture(&Windows::MEDGEMMA_1_5))
        })
        .collect()
}

/// The files that `paths` name, those of a folder by name. Hidden files and a DICOM folder's own list are left out.
fn slice_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let failed = |error| Error::read(path, &error);
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let is_slice = name != "DICOMDIR" && !name.as_encoded_bytes().starts_with(b".");
            if is_slice && entry.path().is_file() {
                inside.push(entry.path());
            }
        }
        inside.sort();
        files.extend(inside);
    }
    if files.len() > MAX_SLICE_FILES {
        return Err(Error::Engine(EngineError::LimitExceeded {
            what: "the number of CT files".to_owned(),
            value: files.len() as u64,
            limit: MAX_SLICE_FILES as u64,
        }));
    }
    Ok(files)
}

/// One turn of a file of turns.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    role: Role,
    #[serde(default)]
    text: String,
    /// Relative to the file of the turns.
    #[serde(default)]
    images: Vec<PathBuf>,
}

/// A conversation of several turns from a JSON file, and its pictures.
pub fn turns(path: &Path, pictures_first: bool) -> Result<(Conversation, Vec<RgbImage>)> {
    let turns: Vec<Turn> = serde_json::from_slice(&bytes(path)?).map_err(|error| {
        Error::file(
            path,
            format!("holds no turns ({error})"),
            "write [{\"role\": \"user\", \"text\": \"..\", \"images\": [\"..\"]}, ..]",
        )
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let images = turns.iter().flat_map(|turn| &turn.images);
    let pictures = images.map(|name| picture(&folder.join(name)));
    let pictures = pictures.collect::<Result<_>>()?;
    let messages = turns.into_iter().map(|turn| Message {
        role: turn.role,
        parts: parts(&turn.text, turn.images.len(), pictures_first),
    });
    let conversation = Conversation {
        system: None,
        messages: messages.collect(),
    };
    Ok((conversation, pictures))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let length = fs::metadata(path)
        .map_err(|error| Error::read(path, &error))?
        .len();
    if length > MAX_FILE_BYTES {
        return Err(Error::file(
            path,
            format!("has {length} bytes, above the limit of {MAX_FILE_BYTES}"),
            "use a smaller file",
        ));
    }
    fs::read(path).map_err(|error| Error::read(path, &error))
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
    Ok(Conversation {
        system: system.map(str::to_owned),
        messages: vec![Message {
            role: Role::User,
            parts: parts(prompt, pictures, pictures_first),
        }],
    })
}

fn parts(words: &str, pictures: usize, pictures_first: bool) -> Vec<Part> {
    let mut parts = vec![Part::Image; pictures];
    let words = Part::Text(words.to_owned());
    match pictures_first {
        true => parts.push(words),
        false => parts.insert(0, words),
    }
    parts
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
