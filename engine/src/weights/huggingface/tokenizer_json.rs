//! Reads `tokenizer.json`, 33 MB of it for Gemma 3, and checks what can be checked before its tokens have a table.
//!
//! Only what Gemma's file uses is accepted: anything else would tokenise differently from what was tested. Pieces and
//! merges are read into one string each, without an allocation for every one of them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{TOKENIZER, check_size};
use crate::error::{Error, Result, shown};

/// How many times longer normalised text may be.
const MAX_GROWTH: usize = 4;

/// A `tokenizer.json`. Its post-processor, which only adds bos, is not read; its pre-tokenizer does nothing.
pub(crate) struct TokenizerJson {
    /// Tokens that are recognised as a whole. Some of them are pieces, too.
    pub(crate) added: Vec<Added>,
    pub(crate) normalizer: Option<Replace>,
    pub(crate) pieces: Pieces,
    merges: Merges,
}

/// A token that is recognised as a whole.
#[derive(Deserialize)]
pub(crate) struct Added {
    pub(crate) id: u32,
    pub(crate) content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    pub(crate) special: bool,
}

/// What is done to text before it is merged.
#[derive(Debug)]
pub(crate) struct Replace {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// The pieces of `model.vocab` in the file's order, and their ids. `[pieces]`
pub(crate) struct Pieces {
    texts: Texts,
    ids: Vec<u32>,
}

/// Joins two ids to one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merge {
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) joined: u32,
}

impl TokenizerJson {
    /// # Errors
    /// [`Error::Tokenizer`] for a document that is no tokenizer, [`Error::Unsupported`] for one that is not built like
    /// Gemma's, [`Error::LimitExceeded`] for more than [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES).
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        check_size(TOKENIZER, bytes)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|error| broken(format!("{TOKENIZER} is no UTF-8: {error}")))?;
        let file: File = serde_json::from_str(text).map_err(|error| unread(text, &error))?;
        file.model.check()?;
        file.added_tokens.iter().try_for_each(Added::check)?;
        Ok(Self {
            added: file.added_tokens,
            normalizer: normalizer(file.normalizer, file.pre_tokenizer)?,
            pieces: file.model.vocab,
            merges: file.model.merges,
        })
    }

    /// Ids at most: whoever makes a table of all ids asks that they lie close together.
    pub(crate) fn most_ids(&self) -> usize {
        2 * (self.pieces.ids.len() + self.added.len())
    }

    /// The merges by rank. id: of a token by its text.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for a merge of or to what is none of the pieces.
    pub(crate) fn merges(&self, id: impl Fn(&str) -> Option<u32>) -> Result<Vec<Merge>> {
        let mut is_piece = vec![false; self.most_ids()];
        for id in &self.pieces.ids {
            if let Some(entry) = is_piece.get_mut(*id as usize) {
                *entry = true;
            }
        }
        let id = |does: &str, range: Range<u32>| {
            let piece = self.merges.0.get(range);
            let id = id(piece).filter(|id| is_piece.get(*id as usize) == Some(&true));
            let missing = || {
                broken(format!(
                    "a merge {does} `{piece}`, which has no id among its pieces"
                ))
            };
            id.ok_or_else(missing)
        };
        let (pairs, _) = self.merges.0.ends.as_chunks();
        let mut start = 0;
        let resolve = |&[middle, end]: &[u32; 2]| {
            let start = std::mem::replace(&mut start, end);
            Ok(Merge {
                left: id("needs", start..middle)?,
                right: id("needs", middle..end)?,
                joined: id("makes", start..end)?,
            })
        };
        pairs.iter().map(resolve).collect()
    }
}

impl Pieces {
    /// Pieces and their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        let ends = self.texts.ends.iter().copied();
        let ranges = std::iter::once(0).chain(ends.clone()).zip(ends);
        let texts = ranges.map(|(start, end)| self.texts.get(start..end));
        texts.zip(self.ids.iter().copied())
    }
}

/// For a document that is sound, but not like Gemma's.
pub(crate) fn unlike(what: &str) -> Error {
    Error::Unsupported {
        what: shown(what),
        remedy: "use the tokenizer.json that comes with a Gemma 3 model: BPE with byte_fallback, all merges listed in \
                 the order of what they make"
            .to_owned(),
    }
}

/// For a document that is not.
pub(crate) fn broken(detail: String) -> Error {
    Error::Tokenizer {
        detail: shown(&detail),
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<Normalizer>,
    pre_tokenizer: Option<PreTokenizer>,
    model: Model,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Normalizer {
    Replace { pattern: Pattern, content: String },
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PreTokenizer {
    Split { pattern: Pattern },
}

#[derive(Deserialize)]
enum Pattern {
    String(String),
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: Pieces,
    merges: Merges,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
}

impl Added {
    fn check(&self) -> Result<()> {
        if self.single_word || self.lstrip || self.rstrip || self.normalized {
            return Err(unlike(&format!(
                "an added token `{}` with single_word, lstrip, rstrip or normalized",
                self.content
            )));
        }
        Ok(())
    }
}

impl Model {
    fn check(&self) -> Result<()> {
        let empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        check_kind(self.kind.as_deref())?;
        if self.byte_fallback != Some(true) {
            return Err(unlike("a tokenizer.json without byte_fallback"));
        }
        if self.ignore_merges == Some(true) || self.dropout.is_some_and(|p| p != 0.0) {
            return Err(unlike("a tokenizer.json with ignore_merges or dropout"));
        }
        if !empty(&self.continuing_subword_prefix) || !empty(&self.end_of_word_suffix) {
            return Err(unlike(
                "a tokenizer.json with prefixes or suffixes of words",
            ));
        }
        Ok(())
    }
}

fn check_kind(kind: Option<&str>) -> Result<()> {
    match kind.filter(|kind| *kind != "BPE") {
        Some(kind) => Err(unlike(&format!("a tokenizer.json of kind `{kind}`"))),
        None => Ok(()),
    }
}

/// Why `text` could not be read. A model of another kind has pieces and merges of another form, or none: then the kind is
/// what has to be said.
fn unread(text: &str, error: &serde_json::Error) -> Error {
    #[derive(Deserialize)]
    struct Outline {
        model: Kind,
    }
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let outline = serde_json::from_str::<Outline>(text).ok();
    let other = outline.and_then(|outline| check_kind(outline.model.kind.as_deref()).err());
    other.unwrap_or_else(|| broken(format!("{TOKENIZER} cannot be read: {error}")))
}

/// The file's normalizer. Gemma's pre-tokenizer splits at what the normalizer has already replaced, so it does nothing.
fn normalizer(
    normalizer: Option<Normalizer>,
    pre_tokenizer: Option<PreTokenizer>,
) -> Result<Option<Replace>> {
    let replace = normalizer.map(|normalizer| {
        let Normalizer::Replace {
            pattern: Pattern::String(from),
            content: to,
        } = normalizer;
        Replace { from, to }
    });
    if let Some(Replace { from, to }) = &replace {
        if from.is_empty() {
            return Err(broken("its normalizer replaces nothing".to_owned()));
        }
        // Gemma's makes three bytes of one. Far more of each would make far more of a text than its limit lets in.
        if to.len() > MAX_GROWTH * from.len() {
            return Err(unlike("a tokenizer.json that makes text much longer"));
        }
    }
    if let Some(PreTokenizer::Split {
        pattern: Pattern::String(at),
    }) = pre_tokenizer
    {
        let gone = |replace: &Replace| replace.from == at && !replace.to.contains(&at);
        if !replace.as_ref().is_some_and(gone) {
            return Err(unlike(&format!(
                "a tokenizer.json that splits text at {at:?} without a normalizer that replaces it"
            )));
        }
    }
    Ok(replace)
}

/// Texts, one after the other.
#[derive(Default)]
struct Texts {
    text: String,
    /// Where each ends in `text`. A document's bytes are limited, so they fit.
    ends: Vec<u32>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
    }

    fn get(&self, range: Range<u32>) -> &str {
        let range = range.start as usize..range.end as usize;
        self.text.get(range).unwrap_or_default()
    }
}

/// Text that is copied only where the file has escapes in it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Pieces {
    fn deserialize<D: Deserializer<'de>>(file: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pieces;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of pieces to ids")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pieces, A::Error> {
                let mut pieces = Pieces {
                    texts: Texts::default(),
                    ids: Vec::new(),
                };
                while let Some((Text(piece), id)) = map.next_entry()? {
                    pieces.texts.push(&piece);
                    pieces.ids.push(id);
                }
                Ok(pieces)
            }
        }
        file.deserialize_map(Reader)
    }
}

/// The left and the right piece of each of `model.merges`, by rank. `[2 * merges]`
struct Merges(Texts);

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(file: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Merges;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merges, A::Error> {
                let mut texts = Texts::default();
                while list.next_element_seed(Pair(&mut texts))?.is_some() {}
                Ok(Merges(texts))
            }
        }
        file.deserialize_seq(Reader)
    }
}

/// Takes up the two pieces of a merge; old files have them in one string, with a space between.
struct Pair<'a>(&'a mut Texts);

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, file: D) -> Result<(), D::Error> {
        file.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a merge of two pieces")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(Text(piece)) = list.next_element()? {
            self.0.push(&piece);
            count += 1;
        }
        match count {
            2 => Ok(()),
            _ => Err(A::Error::custom("a merge is not of two pieces")),
        }
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let Some((left, right)) = text.split_once(' ') else {
            return Err(E::custom(format!("merge `{text}` is not of two pieces")));
        };
        self.0.push(left);
        self.0.push(right);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
