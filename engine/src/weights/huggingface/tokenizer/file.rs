//! Reads `tokenizer.json` and refuses what Gemma's does not have. Pieces are borrowed from the document, merges kept in one
//! string: there are 514,906 of them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{Kind, SPACE_MARK, broken, unlike};
use crate::error::Result;

/// What of the document counts. Its post-processor only adds bos.
#[derive(Deserialize)]
pub(super) struct File<'a> {
    #[serde(borrow, default)]
    pub(super) added_tokens: Vec<Added<'a>>,
    normalizer: Option<Normalizer>,
    pre_tokenizer: Option<PreTokenizer>,
    #[serde(borrow)]
    pub(super) model: Model<'a>,
}

/// A token that is recognised as a whole.
#[derive(Deserialize)]
pub(super) struct Added<'a> {
    pub(super) id: u32,
    #[serde(borrow)]
    pub(super) content: Cow<'a, str>,
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
pub(super) struct Model<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    pub(super) vocab: Pieces<'a>,
    pub(super) merges: Merges,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
}

impl<'a> File<'a> {
    pub(super) fn read(json: &'a [u8]) -> Result<Self> {
        let text =
            std::str::from_utf8(json).map_err(|e| broken(format!("text is no UTF-8: {e}")))?;
        let file: Self = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
        file.model.check()?;
        // What GGUF's readers do to text before they join it.
        let Some(Normalizer::Replace {
            pattern: Pattern::String(from),
            content,
        }) = &file.normalizer
        else {
            return Err(unlike("a tokenizer.json without a normalizer"));
        };
        if from != " " || !content.chars().eq([SPACE_MARK]) {
            return Err(unlike(&format!(
                "a tokenizer.json that replaces {from:?} by {content:?}"
            )));
        }
        // Gemma's splits at spaces, of which the normalizer has left none.
        match &file.pre_tokenizer {
            Some(PreTokenizer::Split {
                pattern: Pattern::String(at),
            }) if at != " " => Err(unlike(&format!(
                "a tokenizer.json that splits text at {at:?}"
            ))),
            _ => Ok(file),
        }
    }
}

impl Model<'_> {
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
        match empty(&self.continuing_subword_prefix) && empty(&self.end_of_word_suffix) {
            true => Ok(()),
            false => Err(unlike(
                "a tokenizer.json with prefixes or suffixes of words",
            )),
        }
    }
}

impl Added<'_> {
    pub(super) fn check(&self) -> Result<()> {
        match self.single_word || self.lstrip || self.rstrip || self.normalized {
            false => Ok(()),
            true => Err(unlike(&format!(
                "an added token `{}` with single_word, lstrip, rstrip or normalized",
                self.content
            ))),
        }
    }

    /// What llama.cpp's converter makes of it.
    pub(super) fn kind(&self) -> Kind {
        let text = self.content.as_ref();
        let reserved = text.starts_with("<unused") || ["<mask>", "<pad>"].contains(&text);
        match text {
            "<unk>" => Kind::Unknown,
            _ if self.special || reserved => Kind::Control,
            _ => Kind::UserDefined,
        }
    }
}

/// The pieces and their ids, in the document's order.
pub(super) struct Pieces<'a>(pub(super) Vec<(Cow<'a, str>, u32)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pieces<'a> {
    fn deserialize<D: Deserializer<'de>>(file: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pieces<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of pieces to ids")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Pieces<'de>, A::Error> {
                let mut pieces = Vec::new();
                while let Some((Text(piece), id)) = map.next_entry()? {
                    pieces.push((piece, id));
                }
                Ok(Pieces(pieces))
            }
        }
        file.deserialize_map(Reader)
    }
}

/// The merges by rank.
#[derive(Debug)]
pub(super) struct Merges {
    /// The two pieces of each merge, one after the other.
    text: String,
    /// Where the left piece of each merge ends in `text`, and where the right one does. `[merges]`
    ends: Vec<(u32, u32)>,
}

impl Merges {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What the merge at `rank` makes.
    pub(super) fn joined(&self, rank: usize) -> Option<&str> {
        let (_, end) = self.ends.get(rank)?;
        self.text.get(self.start(rank)..*end as usize)
    }

    /// Bytes of its left piece.
    pub(super) fn cut(&self, rank: usize) -> Option<usize> {
        let (middle, _) = self.ends.get(rank)?;
        Some(*middle as usize - self.start(rank))
    }

    fn start(&self, rank: usize) -> usize {
        let before = rank.checked_sub(1).and_then(|rank| self.ends.get(rank));
        before.map_or(0, |(_, end)| *end as usize)
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
                    // A document's bytes are limited, so these fit.
                    merges.text.push_str(&left);
                    let middle = merges.text.len() as u32;
                    merges.text.push_str(&right);
                    merges.ends.push((middle, merges.text.len() as u32));
                }
                Ok(merges)
            }
        }
        file.deserialize_seq(Reader)
    }
}

/// Text that is copied only where the document has escapes in it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Two pieces; old documents have them in one string, with a space between.
struct Pair<'a>(Cow<'a, str>, Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Pair<'a> {
    fn deserialize<D: Deserializer<'de>>(file: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form<'a> {
            #[serde(borrow)]
            Two((Text<'a>, Text<'a>)),
            #[serde(borrow)]
            One(Text<'a>),
        }
        match Form::deserialize(file)? {
            Form::Two((Text(left), Text(right))) => Ok(Self(left, right)),
            Form::One(Text(text)) => match text.split_once(' ') {
                Some((left, right)) => Ok(Self(left.to_owned().into(), right.to_owned().into())),
                None => Err(D::Error::custom(format!(
                    "the merge `{text}` is not of two pieces"
                ))),
            },
        }
    }
}
