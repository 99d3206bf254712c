//! The tokenizer that a Hugging Face `tokenizer.json` describes, through the crate `tokenizers`.
//!
//! The crate normalises and merges. Added tokens are split off here, not by the crate's `AddedVocabulary`: that one
//! cannot be told to leave `<unused94>` and its like alone, which tokenizer.json does not call special. For Gemma's
//! file, whose added tokens have no flags, both give the same ids.

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::Replace;
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::{
    Model, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

use super::Span;
use super::json_file::TokenizerFile;
use super::special::{Fragment, SpecialTokens};
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};

/// Byte-pair encoding as `tokenizer.json` holds it.
#[derive(Debug)]
pub struct JsonTokenizer {
    pub(super) vocabulary: Vocabulary,
    pub(super) bos: u32,
    pub(super) eos: u32,
    special: SpecialTokens,
    normalizer: Option<Replace>,
    pre_tokenizer: Option<Split>,
    model: BPE,
}

impl JsonTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for bytes that are no tokenizer, [`Error::Unsupported`] for one that is not built like
    /// Gemma's.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let file = TokenizerFile::read(bytes)?;
        // The model looks them up by itself, and drops a character for which one is missing.
        file.vocabulary.byte_ids()?;
        let marker = |name: &str| {
            file.vocabulary
                .id(name)
                .ok_or_else(|| broken(format!("it has no token `{name}`")))
        };
        Ok(Self {
            bos: marker("<bos>")?,
            eos: marker("<eos>")?,
            special: SpecialTokens::new(&file.vocabulary),
            normalizer: file.normalizer,
            pre_tokenizer: file.pre_tokenizer,
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
        let mut string = PreTokenizedString::from(text);
        let tokenised = (|| {
            if let Some(normalizer) = &self.normalizer {
                string.normalize(|part| normalizer.normalize(part))?;
            }
            if let Some(pre_tokenizer) = &self.pre_tokenizer {
                pre_tokenizer.pre_tokenize(&mut string)?;
            }
            string.tokenize(|part| self.model.tokenize(part.get()))
        })();
        tokenised.map_err(|e| broken(format!("text could not be tokenised: {e}")))?;
        for (_, _, tokens) in string.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            for token in tokens.iter().flatten() {
                // No file of Gemma's merges characters into a control token. One that does must not pass for Gemma's.
                if self.vocabulary.kind(token.id) == Some(Kind::Control) {
                    return Err(broken(format!(
                        "it turns ordinary text into the control token `{}`",
                        token.value
                    )));
                }
                ids.push(token.id);
            }
        }
        Ok(())
    }
}

fn broken(detail: String) -> Error {
    Error::Tokenizer { detail }
}
