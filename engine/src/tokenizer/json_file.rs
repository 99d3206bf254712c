//! Reads `tokenizer.json`, 33 MB of it for Gemma 3, and checks it.
//!
//! Only what Gemma's file uses is accepted: anything else would tokenise differently from what was tested. Pieces and
//! merges are read into one string each, without an allocation for every one of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::bpe::{Bpe, Merge};
use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result, shown};

/// How many times longer normalised text may be.
const MAX_GROWTH: usize = 4;

/// A `tokenizer.json`, read and checked. Its post-processor, which only adds bos, is not used.
pub(super) struct TokenizerFile {
    pub(super) vocabulary: Vocabulary,
    pub(super) normalizer: Option<Replace>,
    pub(super) model: Bpe,
}

/// What is done to text before it is merged.
#[derive(Debug)]
pub(super) struct Replace {
    pub(super) from: String,
    pub(super) to: String,
}

impl TokenizerFile {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)
            .map_err(|e| broken(format!("tokenizer.json is not UTF-8: {e}")))?;
        let file: File = serde_json::from_str(text)
            .map_err(|e| broken(format!("tokenizer.json cannot be read: {e}")))?;
        file.model.check()?;
        let normalizer = normalizer(file.normalizer, file.pre_tokenizer)?;
        let (vocabulary, characters) = vocabulary(&file.model.vocab, &file.added_tokens)?;
        let merges = file.model.merges.resolve(&vocabulary, &file.model.vocab)?;
        Ok(Self {
            model: Bpe::new(characters, vocabulary.byte_ids()?, merges),
            normalizer,
            vocabulary,
        })
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
struct Added {
    id: u32,
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
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
                "added token `{}` with single_word, lstrip, rstrip or normalized",
                self.content
            )));
        }
        Ok(())
    }
}

impl Model {
    fn check(&self) -> Result<()> {
        let empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        if let Some(kind) = self.kind.as_deref().filter(|kind| *kind != "BPE") {
            return Err(unlike(&format!("a tokenizer.json of kind `{kind}`")));
        }
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
    if let Some(Replace { from, .. }) = &replace
        && from.is_empty()
    {
        return Err(broken("its normalizer replaces nothing".to_owned()));
    }
    // Gemma's makes three bytes of one. Far more of each would make far more of a text than its limit lets in.
    if let Some(Replace { from, to }) = &replace
        && to.len() > MAX_GROWTH * from.len()
    {
        return Err(unlike("a tokenizer.json that makes text much longer"));
    }
    if let Some(PreTokenizer::Split {
        pattern: Pattern::String(at),
    }) = pre_tokenizer
    {
        let gone = |replace: &Replace| replace.from == at && !replace.to.contains(&at);
        if !replace.as_ref().is_some_and(gone) {
            return Err(unlike(&format!(
                "a tokenizer.json that splits text at {at:?}"
            )));
        }
    }
    Ok(replace)
}

/// All pieces by id, and the ids of single characters. Ids that no piece has are unused.
fn vocabulary(model: &Pieces, added: &[Added]) -> Result<(Vocabulary, HashMap<char, u32>)> {
    let mut added_ids = HashMap::with_capacity(added.len());
    for token in added {
        token.check()?;
        added_ids.insert(token.content.as_str(), token.id);
    }
    // A table of all ids is made, so the ids must lie close together.
    let limit = 2 * (model.ids.len() + added.len());
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
            Some(Some((other, _))) if *other != piece => {
                return Err(broken(format!("id {id} is both `{other}` and `{piece}`")));
            }
            Some(entry) => *entry = Some((piece, kind)),
            None => {}
        }
        Ok(())
    };
    let mut characters = HashMap::new();
    for (piece, id) in model.iter() {
        if let Some(other) = added_ids.get(piece).filter(|other| **other != id) {
            return Err(twice(piece, *other, id));
        }
        place(id, piece, Kind::Normal)?;
        let mut letters = piece.chars();
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            characters.insert(letter, id);
        }
    }
    for token in added {
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
    let added = added.iter().map(|token| (token.content.as_str(), token.id));
    for (piece, id) in model.iter().chain(added) {
        if let Some(other) = vocabulary.id(piece).filter(|other| *other != id) {
            return Err(twice(piece, id, other));
        }
    }
    Ok((vocabulary, characters))
}

/// The pieces of `model.vocab` in the file's order.
struct Pieces {
    text: String,
    /// Where each piece ends in `text`. `[pieces]`
    ends: Vec<usize>,
    /// `[pieces]`
    ids: Vec<u32>,
}

impl Pieces {
    fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let pieces = starts.zip(&self.ends).zip(&self.ids);
        pieces.filter_map(|((start, end), id)| Some((self.text.get(*start..*end)?, *id)))
    }
}

impl<'de> Deserialize<'de> for Pieces {
    fn deserialize<D: Deserializer<'de>>(file: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pieces;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of pieces to ids")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Pieces, A::Error> {
                let mut pieces = Pieces {
                    text: String::new(),
                    ends: Vec::new(),
                    ids: Vec::new(),
                };
                while let Some((Text(piece), id)) = map.next_entry()? {
                    pieces.text.push_str(&piece);
                    pieces.ends.push(pieces.text.len());
                    pieces.ids.push(id);
                }
                Ok(pieces)
            }
        }
        file.deserialize_map(Reader)
    }
}

/// The merges of `model.merges` by rank.
struct Merges {
    /// The two pieces of each merge, one after the other.
    text: String,
    /// Where the left piece of each merge ends in `text`, and where the right one does. `[merges]`
    ends: Vec<(usize, usize)>,
}

impl Merges {
    /// The merges as ids of `model`'s pieces in `vocabulary`.
    fn resolve(&self, vocabulary: &Vocabulary, model: &Pieces) -> Result<Vec<Merge>> {
        let mut merged = vec![false; vocabulary.len()];
        for id in &model.ids {
            if let Some(entry) = merged.get_mut(*id as usize) {
                *entry = true;
            }
        }
        let id = |range: std::ops::Range<usize>| -> Result<u32> {
            let piece = self.text.get(range).unwrap_or_default();
            let id = vocabulary.id(piece);
            id.filter(|id| merged.get(*id as usize) == Some(&true))
                .ok_or_else(|| {
                    broken(format!(
                        "a merge needs the token `{piece}`, which is missing"
                    ))
                })
        };
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let resolve = |(start, &(middle, end)): (usize, &(usize, usize))| {
            Ok(Merge {
                left: id(start..middle)?,
                right: id(middle..end)?,
                joined: id(start..end)?,
            })
        };
        starts.zip(&self.ends).map(resolve).collect()
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(file: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Merges;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }
            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> std::result::Result<Merges, A::Error> {
                let mut merges = Merges {
                    text: String::new(),
                    ends: Vec::new(),
                };
                while let Some(Pair(left, right)) = list.next_element()? {
                    merges.text.push_str(&left);
                    let middle = merges.text.len();
                    merges.text.push_str(&right);
                    merges.ends.push((middle, merges.text.len()));
                }
                Ok(merges)
            }
        }
        file.deserialize_seq(Reader)
    }
}

/// Text that is copied only where the file has escapes in it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Two pieces; old files have them in one string, with a space between.
struct Pair<'a>(Cow<'a, str>, Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Pair<'a> {
    fn deserialize<D: Deserializer<'de>>(file: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pair<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a merge of two pieces")
            }
            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> std::result::Result<Pair<'de>, A::Error> {
                let left: Option<Text<'de>> = list.next_element()?;
                let right: Option<Text<'de>> = list.next_element()?;
                let more: Option<Text<'de>> = list.next_element()?;
                match (left, right, more) {
                    (Some(Text(left)), Some(Text(right)), None) => Ok(Pair(left, right)),
                    _ => Err(A::Error::custom("a merge is not of two pieces")),
                }
            }
            fn visit_str<E: serde::de::Error>(
                self,
                text: &str,
            ) -> std::result::Result<Pair<'de>, E> {
                let Some((left, right)) = text.split_once(' ') else {
                    return Err(E::custom(format!("merge `{text}` is not of two pieces")));
                };
                Ok(Pair(
                    Cow::Owned(left.to_owned()),
                    Cow::Owned(right.to_owned()),
                ))
            }
        }
        file.deserialize_any(Reader)
    }
}

fn twice(piece: &str, id: u32, other: u32) -> Error {
    broken(format!("token `{piece}` has both id {id} and id {other}"))
}

fn unlike(what: &str) -> Error {
    Error::Unsupported {
        what: shown(what),
        remedy: "use the tokenizer.json that comes with a Gemma 3 model".to_owned(),
    }
}

pub(super) fn broken(detail: String) -> Error {
    Error::Tokenizer {
        detail: shown(&detail),
    }
}
