//! Text to token ids and back, from a GGUF file's metadata or from `tokenizer.json`.
//!
//! Text from outside is never trusted: see [`Tokenizer::encode_spans`]. Neither tokenizer adds bos by itself.

mod bpe;
mod decode;
mod json;
mod special;
mod spm;
mod vocabulary;

pub use decode::Decoder;
pub use json::JsonTokenizer;
pub use spm::SpmTokenizer;

use crate::error::Result;
use crate::weights::Metadata;
use vocabulary::{Kind, Vocabulary};

/// Stands for a space in pieces.
const SPACE_MARK: &str = "\u{2581}";

/// A stretch of text and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<'a> {
    /// The text.
    pub text: &'a str,
    /// Whether control tokens such as `<end_of_turn>` count in it. Only for text that this program itself wrote.
    pub trusted: bool,
}

impl<'a> Span<'a> {
    /// Text that this program wrote.
    pub fn trusted(text: &'a str) -> Self {
        Self {
            text,
            trusted: true,
        }
    }

    /// Text from anywhere else.
    pub fn untrusted(text: &'a str) -> Self {
        Self {
            text,
            trusted: false,
        }
    }
}

/// A tokenizer of Gemma's family.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // There is one for each loaded model.
pub enum Tokenizer {
    /// From GGUF metadata.
    Spm(SpmTokenizer),
    /// From `tokenizer.json`.
    Json(JsonTokenizer),
}

impl Tokenizer {
    /// The tokenizer in a GGUF file's metadata. See [`SpmTokenizer::from_metadata`] for its errors.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self> {
        SpmTokenizer::from_metadata(metadata).map(Self::Spm)
    }

    /// The tokenizer in a `tokenizer.json`. See [`JsonTokenizer::from_json`] for its errors.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        JsonTokenizer::from_json(bytes).map(Self::Json)
    }

    /// The ids of `text`. Control tokens in it count, as they do in Hugging Face's `encode`; no bos is added.
    ///
    /// # Errors
    /// [`crate::error::Error::LimitExceeded`] for more than 2 MiB of text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_spans(&[Span::trusted(text)])
    }

    /// The ids of all spans taken as one text. A control token counts only where every byte of it is in trusted spans;
    /// anywhere else its characters are ordinary text. Apart from that, borders between spans make no difference.
    ///
    /// # Errors
    /// [`crate::error::Error::LimitExceeded`] for more than 2 MiB of text.
    pub fn encode_spans(&self, spans: &[Span<'_>]) -> Result<Vec<u32>> {
        match self {
            Self::Spm(spm) => spm.encode_spans(spans),
            Self::Json(json) => json.encode_spans(spans),
        }
    }

    /// Streams ids back into text.
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder::new(self.vocabulary())
    }

    /// The text of `ids`: without control tokens, and with U+FFFD for what is not UTF-8.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut decoder = self.decoder();
        let mut text: String = ids.iter().map(|&id| decoder.push(id)).collect();
        text.push_str(&decoder.finish());
        text
    }

    /// The id of the token whose piece is `text`.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.vocabulary().id(text)
    }

    /// The piece of `id` as its file holds it: spaces mostly as U+2581, bytes as `<0x0A>`.
    pub fn piece(&self, id: u32) -> Option<&str> {
        self.vocabulary().piece(id)
    }

    /// The bytes that `id` adds to a text; `None` for marks that are not text.
    pub fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        match self.vocabulary().kind(id)? {
            Kind::Byte(byte) => Some(vec![byte]),
            Kind::Normal | Kind::UserDefined => {
                let piece = self.piece(id)?;
                Some(piece.replace(SPACE_MARK, " ").into_bytes())
            }
            Kind::Control | Kind::Unused => None,
        }
    }

    /// Number of ids, some of which may only fill the embedding up.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary().len()
    }

    /// Whether `id` is a mark that is not text.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocabulary().kind(id) == Some(Kind::Control)
    }

    /// The id that begins a sequence.
    pub fn bos(&self) -> u32 {
        match self {
            Self::Spm(spm) => spm.bos,
            Self::Json(json) => json.bos,
        }
    }

    /// The id that ends a sequence.
    pub fn eos(&self) -> u32 {
        match self {
            Self::Spm(spm) => spm.eos,
            Self::Json(json) => json.eos,
        }
    }

    fn vocabulary(&self) -> &Vocabulary {
        match self {
            Self::Spm(spm) => &spm.vocabulary,
            Self::Json(json) => &json.vocabulary,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(crate) mod tests;
