//! The SentencePiece tokenizer that `tokenizer.ggml.*` in a GGUF file describes, from those metadata alone.
//!
//! The algorithm is llama.cpp's for `tokenizer.ggml.model = "llama"` (llama-vocab.cpp, `llm_tokenizer_spm`): of all
//! neighbours whose joined text is a token, join the pair with the highest score, the leftmost of equals, until none is
//! left; what then is no token becomes bytes. It gives Hugging Face's ids but for a literal U+2581 beside a space or
//! another U+2581.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::special::{Fragment, SpecialTokens};
use super::vocabulary::{Kind, Vocabulary};
use super::{SPACE_MARK, Span};
use crate::error::{Error, Result};
use crate::weights::Metadata;

const MODEL: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const SCORES: &str = "tokenizer.ggml.scores";
const TOKEN_TYPES: &str = "tokenizer.ggml.token_type";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";

/// SentencePiece by scores, as GGUF files of Gemma hold it.
#[derive(Debug)]
pub struct SpmTokenizer {
    pub(super) vocabulary: Vocabulary,
    pub(super) bos: u32,
    pub(super) eos: u32,
    special: SpecialTokens,
    /// The score of each id; higher is joined first. `[vocab]`
    scores: Vec<f32>,
    /// The id of each byte token. [256]
    byte_ids: [u32; 256],
    /// Length of the longest piece, beyond which no pair need be looked up.
    longest_bytes: usize,
}

impl SpmTokenizer {
    /// Reads the tokenizer from a GGUF file's metadata.
    ///
    /// `tokenizer.ggml.add_space_prefix` and `add_bos_token` are not followed: Gemma has no prefix, and the chat
    /// template brings its own bos.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another kind of tokenizer; [`Error::MissingKey`], [`Error::BadKey`] and
    /// [`Error::Tokenizer`] for data that do not make one.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let model = metadata.str(MODEL)?;
        if model != "llama" {
            return Err(Error::Unsupported {
                what: format!(
                    "a tokenizer of kind `{}`",
                    model.chars().take(64).collect::<String>().escape_debug()
                ),
                remedy: "use a GGUF file whose tokenizer.ggml.model is `llama`; the converter writes that when the \
                         model's folder holds tokenizer.model"
                    .to_owned(),
            });
        }
        let tokens = metadata.strings(TOKENS)?;
        let scores = metadata.f32s(SCORES)?;
        let types = metadata.i32s(TOKEN_TYPES)?;
        same_length(SCORES, scores.len(), tokens.len())?;
        same_length(TOKEN_TYPES, types.len(), tokens.len())?;
        if let Some(id) = scores.iter().position(|score| !score.is_finite()) {
            return Err(bad(SCORES, format!("is not a finite number at {id}")));
        }
        let kinds = types
            .iter()
            .map(|&kind| declared_kind(kind))
            .collect::<Result<Vec<_>>>()?;

        let pieces = tokens.iter().map(String::as_str).zip(kinds);
        let vocabulary = Vocabulary::new(tokens.len(), pieces)?;
        let marker = |key: &str| -> Result<u32> {
            let id = metadata.u32(key)?;
            match vocabulary.kind(id) {
                Some(_) => Ok(id),
                None => Err(bad(
                    key,
                    format!("is {id}, beyond the {} tokens", tokens.len()),
                )),
            }
        };
        Ok(Self {
            bos: marker(BOS)?,
            eos: marker(EOS)?,
            special: SpecialTokens::new(&vocabulary)?,
            scores: scores.to_vec(),
            byte_ids: vocabulary.byte_ids()?,
            longest_bytes: tokens.iter().map(String::len).max().unwrap_or(0),
            vocabulary,
        })
    }

    /// See [`super::Tokenizer::encode_spans`].
    pub(super) fn encode_spans(&self, spans: &[Span<'_>]) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.special.split(&self.vocabulary, spans, |fragment| {
            match fragment {
                Fragment::Token(id) => ids.push(id),
                Fragment::Text(text) => self.encode_text(&text.replace(' ', SPACE_MARK), &mut ids),
            }
            Ok(())
        })?;
        Ok(ids)
    }

    /// Joins the characters of `text` into tokens. O(n log n): every join proposes at most two others.
    fn encode_text(&self, text: &str, ids: &mut Vec<u32>) {
        let mut symbols = Symbols::new(text);
        let mut queue = BinaryHeap::new();
        for left in 1..symbols.0.len() {
            queue.extend(self.proposal(text, &symbols, left - 1, left));
        }
        while let Some(pair) = queue.pop() {
            let Some((before, after)) = symbols.join(&pair) else {
                continue;
            };
            let joined = pair.left as usize;
            queue.extend(before.and_then(|left| self.proposal(text, &symbols, left, joined)));
            queue.extend(after.and_then(|right| self.proposal(text, &symbols, joined, right)));
        }
        for symbol in symbols.0.iter().filter(|symbol| symbol.bytes > 0) {
            let Some(piece) = text.get(symbol.range()) else {
                continue;
            };
            match self.text_id(piece) {
                Some(id) => ids.push(id),
                None => {
                    ids.extend(piece.bytes().filter_map(|b| self.byte_ids.get(b as usize)));
                }
            }
        }
    }

    /// The pair of neighbours `left` and `right`, if their joined text is a token.
    fn proposal(&self, text: &str, symbols: &Symbols, left: usize, right: usize) -> Option<Pair> {
        let start = symbols.0.get(left)?.range().start;
        let end = symbols.0.get(right)?.range().end;
        let bytes = end
            .checked_sub(start)
            .filter(|n| *n <= self.longest_bytes)?;
        let id = self.text_id(text.get(start..end)?)?;
        Some(Pair {
            score: *self.scores.get(id as usize)?,
            left: left as u32,
            right: right as u32,
            bytes: bytes as u32,
        })
    }

    /// The id of `piece` if ordinary text may become it. No merge ever makes a control token.
    fn text_id(&self, piece: &str) -> Option<u32> {
        let id = self.vocabulary.id(piece)?;
        matches!(self.vocabulary.kind(id)?, Kind::Normal | Kind::UserDefined).then_some(id)
    }
}

/// A stretch of the text; `bytes` is 0 once its left neighbour has taken it up.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: u32,
    bytes: u32,
    /// Indices of the neighbours; `NONE` at the ends.
    before: u32,
    after: u32,
}

const NONE: u32 = u32::MAX;

impl Symbol {
    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.bytes as usize
    }
}

/// The text as a linked list of symbols.
struct Symbols(Vec<Symbol>);

impl Symbols {
    /// One symbol for each character. The text's length fits `u32`: `special` limits it.
    fn new(text: &str) -> Self {
        let mut symbols: Vec<Symbol> = (0u32..)
            .zip(text.char_indices())
            .map(|(i, (start, c))| Symbol {
                start: start as u32,
                bytes: c.len_utf8() as u32,
                before: i.checked_sub(1).unwrap_or(NONE),
                after: i + 1,
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.after = NONE;
        }
        Self(symbols)
    }

    /// Joins `pair` into its left symbol and returns the indices of the neighbours of what it became; `None` if either
    /// side has changed since the pair was proposed.
    fn join(&mut self, pair: &Pair) -> Option<(Option<usize>, Option<usize>)> {
        let (left, right) = (
            *self.0.get(pair.left as usize)?,
            *self.0.get(pair.right as usize)?,
        );
        if left.bytes == 0 || right.bytes == 0 || left.bytes + right.bytes != pair.bytes {
            return None;
        }
        self.0.get_mut(pair.right as usize)?.bytes = 0;
        let joined = self.0.get_mut(pair.left as usize)?;
        joined.bytes = pair.bytes;
        joined.after = right.after;
        if let Some(next) = self.0.get_mut(right.after as usize) {
            next.before = pair.left;
        }
        let index = |i: u32| (i != NONE).then_some(i as usize);
        Some((index(left.before), index(right.after)))
    }
}

/// Two neighbours that could be joined. The greatest is joined first.
#[derive(Debug, Clone, Copy)]
struct Pair {
    score: f32,
    left: u32,
    right: u32,
    /// Bytes of both together when the pair was proposed.
    bytes: u32,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        // Adding 0 makes -0 equal to 0.
        (self.score + 0.0)
            .total_cmp(&(other.score + 0.0))
            .then_with(|| other.left.cmp(&self.left))
            .then_with(|| self.bytes.cmp(&other.bytes))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

/// GGUF's `tokenizer.ggml.token_type`.
fn declared_kind(kind: i32) -> Result<Kind> {
    match kind {
        // A byte token's text says which byte it is; see `Kind::of`.
        1 | 6 => Ok(Kind::Normal),
        2 | 3 => Ok(Kind::Control),
        4 => Ok(Kind::UserDefined),
        5 => Ok(Kind::Unused),
        _ => Err(bad(
            TOKEN_TYPES,
            format!("holds {kind}, where 1 to 6 are known"),
        )),
    }
}

fn same_length(key: &str, found: usize, tokens: usize) -> Result<()> {
    if found == tokens {
        return Ok(());
    }
    Err(bad(key, format!("has {found} entries for {tokens} tokens")))
}

fn bad(key: &str, problem: String) -> Error {
    Error::BadKey {
        key: key.to_owned(),
        problem,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
