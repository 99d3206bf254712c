//! The tokenizer that a Hugging Face `tokenizer.json` describes.
//!
//! It gives the ids of Hugging Face's `tokenizers`, with which the tests compare it. That crate would keep every piece
//! and merge in maps of their own, 115 MB for Gemma 3, and cannot be told to leave `<unused94>` and its like alone, which
//! tokenizer.json does not call special.

use std::collections::HashMap;

use super::Span;
use super::bpe::Bpe;
use super::special::{Fragment, SpecialTokens};
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};
use crate::weights::huggingface::tokenizer_json::{Replace, TokenizerJson, broken};

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
    /// Gemma's, [`Error::LimitExceeded`] for one that is far larger.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let file = TokenizerJson::read(bytes)?;
        let (vocabulary, characters) = vocabulary(&file)?;
        let merges = file.merges(|piece| vocabulary.id(piece))?;
        let marker = |name: &str| {
            let missing = || broken(format!("it has no token `{name}`"));
            vocabulary.id(name).ok_or_else(missing)
        };
        Ok(Self {
            bos: marker("<bos>")?,
            eos: marker("<eos>")?,
            special: SpecialTokens::new(&vocabulary)?,
            normalizer: file.normalizer,
            model: Bpe::new(characters, vocabulary.byte_ids()?, merges),
            vocabulary,
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

/// All pieces by id, and the ids of single characters. Ids that no piece has are unused.
fn vocabulary(file: &TokenizerJson) -> Result<(Vocabulary, HashMap<char, u32>)> {
    let added = || {
        file.added
            .iter()
            .map(|token| (token.content.as_str(), token.id))
    };
    let added_ids: HashMap<&str, u32> = added().collect();
    let limit = file.most_ids();
    let mut pieces: Vec<Option<(&str, Kind)>> = Vec::new();
    let mut place = |id: u32, piece, kind| -> Result<()> {
        let index = id as usize;
        if index >= limit {
            return Err(broken(format!(
                "token `{piece}` has id {id}, of which at most {limit} are expected"
            )));
        }
        if index >= pieces.len() {
            pieces.resize(index + 1, None);
        }
        match pieces.get_mut(index) {
            // The model's own come first: one that finds its place taken is listed twice.
            Some(Some((other, _))) if *other != piece || kind == Kind::Normal => {
                return Err(broken(format!("id {id} is both `{other}` and `{piece}`")));
            }
            Some(entry) => *entry = Some((piece, kind)),
            None => {}
        }
        Ok(())
    };
    let mut characters = HashMap::new();
    for (piece, id) in file.pieces.iter() {
        if let Some(other) = added_ids.get(piece).filter(|other| **other != id) {
            return Err(twice(piece, *other, id));
        }
        place(id, piece, Kind::Normal)?;
        let mut letters = piece.chars();
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            characters.insert(letter, id);
        }
    }
    for token in &file.added {
        let kind = match token.special {
            true => Kind::Control,
            false => Kind::UserDefined,
        };
        place(token.id, &token.content, kind)?;
    }
    let all = pieces
        .iter()
        .map(|piece| piece.unwrap_or(("", Kind::Unused)));
    let vocabulary = Vocabulary::new(pieces.len(), all)?;
    for (piece, id) in file.pieces.iter().chain(added()) {
        if let Some(other) = vocabulary.id(piece).filter(|other| *other != id) {
            return Err(twice(piece, id, other));
        }
    }
    Ok((vocabulary, characters))
}

fn twice(piece: &str, id: u32, other: u32) -> Error {
    broken(format!("token `{piece}` has both id {id} and id {other}"))
}
