//! Folders in Hugging Face's layout: `config.json`, safetensors files, `tokenizer.json`.
//!
//! A folder becomes what a GGUF file of the same model would be: tensors under GGUF's names, in their own types or brought
//! to others while they are read, and metadata made from the JSON documents. No tensor is ever held as a whole.
//!
//! `generation_config.json` is not read: what ends an answer is looked up by name in the vocabulary.

mod config;
mod files;
mod names;
mod source;
mod tokenizer;
pub(crate) mod tokenizer_json;

use std::collections::BTreeSet;
use std::rc::Rc;

use super::metadata::Value;
use super::quantise::{TARGETS, check_target, target};
use super::{BlockType, Safetensors, TensorInfo, table};
use crate::error::{Error, Result};
use crate::ports::ByteSource;
use config::Config;
use files::Files;
use names::{EMBEDDING, HEAD, PROJECTOR, Row, Section, TEXT, Use, VISION, is_unused};
use source::Conversion;
pub use source::HuggingFace;

const FORMAT: &str = "Hugging Face folder";

/// Says what the model is; a folder has this layout if it has this file.
pub const CONFIG: &str = "config.json";

/// Says which file holds which tensor, where there are several.
pub const INDEX: &str = "model.safetensors.index.json";

/// The weights, where they are in one file.
pub const WEIGHTS: &str = "model.safetensors";

const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const CHAT_TEMPLATE: &str = "chat_template.jinja";

/// Either says how pictures are prepared; versions of transformers differ in which they write.
const PREPROCESSORS: [&str; 2] = ["processor_config.json", "preprocessor_config.json"];

/// Bytes of a document at most. Gemma 3's tokenizer.json has 33 MB.
pub const MAX_DOCUMENT_BYTES: u64 = 128 << 20;

/// A folder's documents, as the bytes of their files.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    config: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    tokenizer: Option<Vec<u8>>,
    tokenizer_config: Option<Vec<u8>>,
    chat_template: Option<Vec<u8>>,
    preprocessor: Option<Vec<u8>>,
}

/// A model out of a folder.
#[derive(Debug)]
pub struct HuggingFaceModel<S> {
    /// The decoder, with the tokenizer among its metadata.
    pub text: HuggingFace<S>,
    /// Image encoder and projector, if the model sees.
    pub vision: Option<HuggingFace<S>>,
}

impl Documents {
    /// Asks `read` for each document by the name of its file; `None` means that the folder has none. Of a file that is
    /// larger than [`MAX_DOCUMENT_BYTES`], one byte more than that is enough to have it refused.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn collect<E>(mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>, E>) -> Result<Self, E> {
        let [processor, preprocessor] = PREPROCESSORS;
        Ok(Self {
            config: read(CONFIG)?,
            index: read(INDEX)?,
            tokenizer: read(TOKENIZER)?,
            tokenizer_config: read(TOKENIZER_CONFIG)?,
            chat_template: read(CHAT_TEMPLATE)?,
            preprocessor: match read(preprocessor)? {
                Some(document) => Some(document),
                None => read(processor)?,
            },
        })
    }

    /// Names of the safetensors files in the folder that hold the weights. They are safe as names of files.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::LimitExceeded`] for an index that cannot be followed.
    pub fn weight_files(&self) -> Result<Vec<String>> {
        self.check_sizes()?;
        files::weight_files(self.index.as_deref())
    }

    fn check_sizes(&self) -> Result<()> {
        let documents = [
            (CONFIG, &self.config),
            (INDEX, &self.index),
            (TOKENIZER, &self.tokenizer),
            (TOKENIZER_CONFIG, &self.tokenizer_config),
            (CHAT_TEMPLATE, &self.chat_template),
            (PREPROCESSORS[0], &self.preprocessor),
        ];
        for (name, document) in documents {
            check_size(name, document.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }

    /// The chat template, wherever this version of transformers put it.
    fn chat_template(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct TokenizerConfig {
            chat_template: Option<String>,
        }
        let own = self.chat_template.clone();
        let own = own.and_then(|template| String::from_utf8(template).ok());
        own.or_else(|| {
            let json = self.tokenizer_config.as_deref()?;
            serde_json::from_slice::<TokenizerConfig>(json)
                .ok()?
                .chat_template
        })
    }
}

impl<S: ByteSource> HuggingFaceModel<S> {
    /// Checks a folder, and that it is a whole Gemma 3 model; leaves the weights where they are.
    ///
    /// files: what [`Documents::weight_files`] names, each with its name. name: of the model, for people, such as the
    /// folder's. quantise: the type to bring matrices to, one of [`quantise::TARGETS`](super::quantise::TARGETS); without
    /// one they keep their own. Norms, biases and embeddings of positions are F32 in any case. Where the blocks of a type
    /// do not divide a row, [`quantise::target`](super::quantise::target) says what is taken in its place. With a
    /// quantised type, matrices of the image encoder become Q8_0, because it is small and suffers from less, and the
    /// projection F16.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`], [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::Tokenizer`]
    /// and [`Error::Request`], each naming the document, the key or the tensor.
    pub fn open(
        name: &str,
        documents: &Documents,
        files: Vec<(String, Safetensors<S>)>,
        quantise: Option<BlockType>,
    ) -> Result<Self> {
        documents.check_sizes()?;
        if let Some(block) = quantise {
            check_target(block)?;
        }
        let config = Config::read(needed(CONFIG, documents.config.as_deref())?)?;
        let files = Rc::new(Files::new(files, documents.index.as_deref())?);
        let mut plan = Plan::new(&config, &files, quantise)?;

        let mut tensors = plan.section(&TEXT, config.text.num_hidden_layers)?;
        if !config.tied {
            tensors.extend(plan.section(&HEAD, 0)?);
        }
        let mut metadata = general("gemma3", "model", name, &tensors);
        metadata.extend(config.text_metadata()?);
        let tokens = needed(TOKENIZER, documents.tokenizer.as_deref())?;
        metadata.extend(tokenizer::metadata(tokens, plan.vocabulary)?);
        let template = documents.chat_template().map(Value::String);
        metadata.extend(template.map(|template| ("tokenizer.chat_template".to_owned(), template)));
        let metadata = metadata.into_iter().collect();
        let text = HuggingFace::new(Rc::clone(&files), name, metadata, tensors)?;

        let vision = match &config.vision {
            None => None,
            Some(vision) => {
                let mut tensors = plan.section(&VISION, vision.num_hidden_layers)?;
                tensors.extend(plan.section(&PROJECTOR, 0)?);
                let mut metadata = general("clip", "mmproj", name, &tensors);
                metadata.extend(config.vision_metadata(documents.preprocessor.as_deref())?);
                let metadata = metadata.into_iter().collect();
                Some(HuggingFace::new(
                    Rc::clone(&files),
                    name,
                    metadata,
                    tensors,
                )?)
            }
        };
        plan.check_rest()?;
        Ok(Self { text, vision })
    }
}

/// Which tensors of the files become which of the model.
struct Plan<'a, S> {
    config: &'a Config,
    files: &'a Files<S>,
    quantise: Option<BlockType>,
    /// Rows of the embedding.
    vocabulary: u64,
    /// Names of tensors in the files that have found their place.
    used: BTreeSet<String>,
}

impl<'a, S: ByteSource> Plan<'a, S> {
    fn new(config: &'a Config, files: &'a Files<S>, quantise: Option<BlockType>) -> Result<Self> {
        let mut plan = Self {
            config,
            files,
            quantise,
            vocabulary: 0,
            used: BTreeSet::new(),
        };
        plan.vocabulary = match config.text.vocab_size {
            Some(rows) => rows.into(),
            None => files.rows(&files.name_of(&TEXT, "", &EMBEDDING)?)?,
        };
        Ok(plan)
    }

    /// All tensors of a section, those of its layers among them.
    fn section(&mut self, section: &Section, layers: u32) -> Result<Vec<(TensorInfo, Conversion)>> {
        let mut tensors = Vec::new();
        for row in section.rows {
            tensors.push(self.tensor(section, row, "", "")?);
        }
        let (from, to) = section.layer_prefix;
        for layer in 0..layers {
            let (from, to) = (format!("{from}{layer}."), format!("{to}{layer}."));
            for row in section.layer {
                tensors.push(self.tensor(section, row, &from, &to)?);
            }
        }
        Ok(tensors)
    }

    fn tensor(
        &mut self,
        section: &Section,
        row: &Row,
        from: &str,
        to: &str,
    ) -> Result<(TensorInfo, Conversion)> {
        let (_, name, kind, sizes) = row;
        let sizes = sizes.iter();
        let shape: Vec<u64> = sizes
            .map(|size| self.config.size(*size, self.vocabulary))
            .collect();
        let own = self.files.name_of(section, from, row)?;
        let origin = self.files.origin(&own, &shape)?;
        self.used.insert(own);
        let cols = shape.last().copied().unwrap_or(1);
        let block = self.block(*kind, origin.info.block, cols);
        let info = TensorInfo {
            name: format!("{to}{name}"),
            shape,
            block,
        };
        table::check_shape(&info.name, &info.shape, block, FORMAT)?;
        let add_one = *kind == Use::Norm;
        Ok((info, Conversion { origin, add_one }))
    }

    /// The type that a tensor of type `own` is offered in.
    fn block(&self, kind: Use, own: BlockType, cols: u64) -> BlockType {
        let wanted = match (kind, self.quantise) {
            (Use::Norm | Use::Plain, _) => BlockType::F32,
            (_, None) => own,
            (_, Some(block)) if block.is_dense() => block,
            (Use::Projection, Some(_)) => BlockType::F16,
            (Use::EncoderMatrix, Some(_)) => BlockType::Q8_0,
            (Use::Matrix, Some(block)) => block,
        };
        target(wanted, cols)
    }

    /// Checks that no tensor is left over that might have been meant to be used.
    fn check_rest(&self) -> Result<()> {
        let tied = |name: &str| {
            let names = HEAD.prefixes.iter();
            self.config.tied
                && names
                    .clone()
                    .any(|prefix| name == format!("{prefix}lm_head.weight"))
        };
        let mut rest = self.files.names().filter(|name| !self.used.contains(*name));
        match rest.find(|name| !is_unused(name) && !tied(name)) {
            None => Ok(()),
            Some(name) => Err(Error::Unsupported {
                what: format!("tensor `{name}`, which is none of Gemma 3's,"),
                remedy: "choose a Gemma 3 or MedGemma model, with adapters merged into it"
                    .to_owned(),
            }),
        }
    }
}

/// What every file says of itself.
fn general(
    architecture: &str,
    kind: &str,
    name: &str,
    tensors: &[(TensorInfo, Conversion)],
) -> Vec<(String, Value)> {
    let text = |text: &str| Value::String(text.to_owned());
    let entries = [
        ("general.architecture", text(architecture)),
        ("general.type", text(kind)),
        ("general.name", text(name)),
        ("general.file_type", Value::U32(file_type(tensors))),
        ("general.quantization_version", Value::U32(2)),
    ];
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// GGUF's number for a file whose matrices are mostly as they are here (gguf, constants.py, `LlamaFileType`).
fn file_type(tensors: &[(TensorInfo, Conversion)]) -> u32 {
    let elements = |block: BlockType| -> u64 {
        let tensors = tensors.iter().filter(|(info, _)| info.block == block);
        tensors.map(|(info, _)| info.elements()).sum()
    };
    match TARGETS.into_iter().max_by_key(|block| elements(*block)) {
        Some(BlockType::F16) => 1,
        Some(BlockType::Q4_0) => 2,
        Some(BlockType::Q8_0) => 7,
        Some(BlockType::Q4K) => 14,
        Some(BlockType::Bf16) => 32,
        _ => 0,
    }
}

fn check_size(name: &str, document: &[u8]) -> Result<()> {
    let bytes = document.len() as u64;
    if bytes > MAX_DOCUMENT_BYTES {
        return Err(Error::LimitExceeded {
            what: format!("{name}, in bytes,"),
            value: bytes,
            limit: MAX_DOCUMENT_BYTES,
        });
    }
    Ok(())
}

fn needed<'a>(file: &str, document: Option<&'a [u8]>) -> Result<&'a [u8]> {
    document.ok_or_else(|| {
        request(
            format!("the folder has no {file}"),
            "choose the whole folder of a Gemma 3 or MedGemma model",
        )
    })
}

fn damaged(detail: String) -> Error {
    Error::Malformed {
        format: FORMAT,
        detail,
    }
}

fn request(problem: String, remedy: &str) -> Error {
    Error::Request {
        problem,
        remedy: remedy.to_owned(),
    }
}
