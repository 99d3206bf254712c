//! Reads `tokenizer.json` into parts that the crate `tokenizers` can be given without harm.
//!
//! The crate's own reader panics on merges that make no token, so everything is checked here first. Only what Gemma's
//! file uses is accepted: anything else would tokenise differently from what was tested.

use serde::Deserialize;
use tokenizers::AddedToken;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::Replace;
use tokenizers::pre_tokenizers::split::Split;

use super::vocabulary::{Kind, Vocabulary};
use crate::error::{Error, Result};

/// A `tokenizer.json`, read and checked. Its post-processor, which only adds bos, is not used.
pub(super) struct TokenizerFile {
    pub(super) vocabulary: Vocabulary,
    pub(super) normalizer: Option<Replace>,
    pub(super) pre_tokenizer: Option<Split>,
    pub(super) model: BPE,
}

impl TokenizerFile {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)
            .map_err(|e| broken(format!("tokenizer.json is not UTF-8: {e}")))?;
        let file: File = serde_json::from_str(text)
            .map_err(|e| broken(format!("tokenizer.json cannot be read: {e}")))?;
        file.model.check()?;
        for added in &file.added_tokens {
            added.check(&file.model.vocab)?;
        }
        Ok(Self {
            vocabulary: vocabulary(&file.model.vocab, &file.added_tokens)?,
            normalizer: file.normalizer,
            pre_tokenizer: file.pre_tokenizer,
            model: file.model.build()?,
        })
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<Replace>,
    pre_tokenizer: Option<Split>,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: Vocab,
    merges: Vec<Merge>,
    unk_token: Option<String>,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    byte_fallback: Option<bool>,
    fuse_unk: Option<bool>,
    ignore_merges: Option<bool>,
}

/// Two pieces; files made by old versions of the crate have them in one string, with a space between.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Joined(String),
}

impl Added {
    fn check(&self, vocab: &Vocab) -> Result<()> {
        let Self { id, token } = self;
        if token.single_word || token.lstrip || token.rstrip || token.normalized {
            return Err(unlike(&format!(
                "added token `{}` with single_word, lstrip, rstrip or normalized",
                token.content
            )));
        }
        match vocab.get(&token.content) {
            Some(other) if other != id => Err(broken(format!(
                "token `{}` has both id {id} and id {other}",
                token.content
            ))),
            _ => Ok(()),
        }
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

    fn build(self) -> Result<BPE> {
        let mut merges = Merges::with_capacity(self.merges.len());
        let mut joined = String::new();
        for merge in self.merges {
            let (left, right) = match merge {
                Merge::Pair(left, right) => (left, right),
                Merge::Joined(pair) => match pair.split_once(' ') {
                    Some((left, right)) => (left.to_owned(), right.to_owned()),
                    None => return Err(broken(format!("merge `{pair}` is not of two pieces"))),
                },
            };
            joined.clear();
            joined.extend([left.as_str(), right.as_str()]);
            for piece in [&left, &right, &joined] {
                if !self.vocab.contains_key(piece) {
                    return Err(broken(format!(
                        "a merge needs the token `{piece}`, which is missing"
                    )));
                }
            }
            merges.push((left, right));
        }
        let mut builder = BPE::builder()
            .vocab_and_merges(self.vocab, merges)
            .byte_fallback(true)
            .fuse_unk(self.fuse_unk.unwrap_or(false))
            // A cache would keep short texts, and with them what a patient said, for as long as the thread lives.
            .cache_capacity(0);
        if let Some(unknown) = self.unk_token {
            builder = builder.unk_token(unknown);
        }
        builder
            .build()
            .map_err(|e| broken(format!("its model cannot be built: {e}")))
    }
}

/// All pieces by id. Ids that no piece has are unused.
fn vocabulary(model: &Vocab, added: &[Added]) -> Result<Vocabulary> {
    // A table of all ids is made, so the ids must lie close together.
    let limit = 2 * (model.len() + added.len());
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
    for (piece, id) in model {
        place(*id, piece, Kind::Normal)?;
    }
    for Added { id, token } in added {
        let kind = match token.special {
            true => Kind::Control,
            false => Kind::UserDefined,
        };
        place(*id, &token.content, kind)?;
    }
    let all = pieces
        .iter()
        .map(|piece| piece.unwrap_or(("", Kind::Unused)));
    Vocabulary::new(pieces.len(), all)
}

fn unlike(what: &str) -> Error {
    Error::Unsupported {
        what: what.to_owned(),
        remedy: "use the tokenizer.json that comes with a Gemma 3 model".to_owned(),
    }
}

fn broken(detail: String) -> Error {
    Error::Tokenizer { detail }
}
