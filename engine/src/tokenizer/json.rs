//! The tokenizer that a Hugging Face `tokenizer.json` describes.
//!
//! It gives the ids of Hugging Face's `tokenizers`, with which the tests compare it. That crate would keep every piece
//! and merge in maps of their own, 115 MB for Gemma 3, and cannot be told to leave `<unused94>` and its like alone, which
//! tokenizer.json does not call special.

use super::Span;
use super::bpe::Bpe;
use super::json_file::{Replace, TokenizerFile, broken};
use super::special::{Fragment, SpecialTokens};
use super::vocabulary::{Kind, Vocabulary};
use crate::error::Result;

/// Byte-pair encoding as `tokenizer.json` holds it.
#[derive(Debug)]
pub struct JsonTokenizer {
    pub(super) vocabulary: Vocabulary,
    pub(super) bos: u32,
    pub(super) eos: u32,
    special: SpecialTokens,
    normalizer: Option<Replace>,
    model: Bpe,
}

impl JsonTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for bytes that are no tokenizer, [`Error::Unsupported`] for one that is not built like
    /// Gemma's.
    ///
    /// [`Error::Tokenizer`]: crate::error::Error::Tokenizer
    /// [`Error::Unsupported`]: crate::error::Error::Unsupported
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let file = TokenizerFile::read(bytes)?;
        let marker = |name: &str| {
            file.vocabulary
                .id(name)
                .ok_or_else(|| broken(format!("it has no token `{name}`")))
        };
        Ok(Self {
            bos: marker("<bos>")?,
            eos: marker("<eos>")?,
            special: SpecialTokens::new(&file.vocabulary)?,
            normalizer: file.normalizer,
            model: file.model,
            vocabulary: file.vocabulary,
        })
    }

    /// See [`super::Tokenizer::encode_spans`].
    pub(super) fn encode_spans(&self, spans: &[Span<'_>]) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.special
            .split(&self.vocabulary, spans, |fragment| match fragment {
                Fragment::Token(id) => {
                    ids.push(id);
                    Ok(())
                }
                Fragment::Text(text) => self.encode_text(text, &mut ids),
            })?;
        Ok(ids)
    }

    /// Normalises and merges `text`, in which no token is recognised as a whole.
    fn encode_text(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let before = ids.len();
        match &self.normalizer {
            Some(Replace { from, to }) => self.model.encode(&text.replace(from, to), ids),
            None => self.model.encode(text, ids),
        }
        let made = ids.iter().skip(before);
        let mut marks = made.filter(|id| self.vocabulary.kind(**id) == Some(Kind::Control));
        match marks.next() {
            // No file of Gemma's merges characters into a control token. One that does must not pass for Gemma's.
            Some(&id) => Err(broken(format!(
                "it turns ordinary text into the control token `{}`",
                self.vocabulary.piece(id).unwrap_or_default()
            ))),
            None => Ok(()),
        }
    }
}
