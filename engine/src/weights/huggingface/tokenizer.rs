//! `tokenizer.json` to the arrays that a GGUF file has for the same tokenizer.
//!
//! `tokenizer.json` joins the pair of neighbours whose merge is listed first; from GGUF's arrays a reader joins the pair
//! whose joined text has the highest score (`engine/src/tokenizer/spm.rs`). Both give the same ids if
//!
//! 1. every way to join two pieces to a third is listed, so that looking a joined text up finds what the list allows;
//! 2. the merges that make a piece follow each other, so that minus the first one's place in the list, as a score, puts
//!    pieces in the order of their merges. Of two places where the same piece can be made a reader takes the left one.
//!
//! Gemma's file has both properties, and a file without them is refused. It also has ids for runs of spaces, which are
//! merged before anything else and whose merges do not follow each other. They agree if
//!
//! 3. there is an id for each length up to the longest, and a run that has begun is lengthened before another begins.
//!
//! Then a run grows from the left by either way of choosing. (A converter that has `tokenizer.model` writes these ids with
//! real spaces, to be split off before anything is joined, which is the same for real spaces. As pieces like any other they
//! also serve a literal U+2581, for which that converter's file has other ids than Hugging Face.)

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::super::metadata::{Array, Value};
use super::tokenizer_json::{Added, Merge, Replace, TokenizerJson, broken, unlike};
use crate::error::{Error, Result};

/// Stands for a space in pieces.
const SPACE_MARK: char = '\u{2581}';

/// `tokenizer.ggml.token_type`. A byte token is found by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// The keys `tokenizer.ggml.*`, but for the chat template. rows: of the embedding; ids that no token has are unused.
///
/// # Errors
/// [`Error::Tokenizer`] for a document that is no tokenizer, [`Error::Unsupported`] for one that is not built like Gemma's.
pub(super) fn metadata(json: &[u8], rows: u64) -> Result<Vec<(String, Value)>> {
    let file = TokenizerJson::read(json)?;
    check_normalizer(&file)?;
    let tokens = Tokens::new(&file, rows)?;
    let scores = scores(&tokens, &file.merges(|text| tokens.id(text))?)?;

    let marker = |name: &str| tokens.id(name).map(Value::U32);
    let needed = |name: &str| marker(name).ok_or_else(|| broken(format!("it has no `{name}`")));
    let mut entries = vec![
        ("model", Value::String("llama".to_owned())),
        ("pre", Value::String("default".to_owned())),
        ("bos_token_id", needed("<bos>")?),
        ("eos_token_id", needed("<eos>")?),
        ("add_bos_token", Value::Bool(true)),
        ("add_eos_token", Value::Bool(false)),
        ("add_space_prefix", Value::Bool(false)),
    ];
    entries.extend(marker("<unk>").map(|id| ("unknown_token_id", id)));
    entries.extend(marker("<pad>").map(|id| ("padding_token_id", id)));
    let kinds = tokens.kinds.iter().map(|kind| *kind as i32).collect();
    let texts = tokens.texts.iter().map(|text| text.to_string()).collect();
    entries.push(("tokens", Value::Array(Array::String(texts))));
    entries.push(("scores", Value::Array(Array::F32(scores))));
    entries.push(("token_type", Value::Array(Array::I32(kinds))));
    let key = |(key, value)| (format!("tokenizer.ggml.{key}"), value);
    Ok(entries.into_iter().map(key).collect())
}

/// What GGUF's readers do to text before they join it.
fn check_normalizer(file: &TokenizerJson) -> Result<()> {
    match &file.normalizer {
        Some(Replace { from, to }) if from == " " && to.chars().eq([SPACE_MARK]) => Ok(()),
        Some(Replace { from, to }) => Err(unlike(&format!(
            "a tokenizer.json that replaces {from:?} by {to:?}"
        ))),
        None => Err(unlike("a tokenizer.json without a normalizer")),
    }
}

/// What every id stands for.
struct Tokens<'a> {
    /// `[rows]`
    texts: Vec<Cow<'a, str>>,
    /// `[rows]`
    kinds: Vec<Kind>,
    ids: HashMap<&'a str, u32>,
}

impl<'a> Tokens<'a> {
    fn new(file: &'a TokenizerJson, rows: u64) -> Result<Self> {
        let most = file.most_ids();
        if rows > most as u64 {
            return Err(broken(format!(
                "{rows} rows of the embedding are far more than its tokens"
            )));
        }
        let unused = |id| Cow::Owned(format!("[PAD{id}]"));
        let mut tokens = Self {
            texts: (0..rows).map(unused).collect(),
            kinds: vec![Kind::Unused; rows as usize],
            ids: HashMap::with_capacity(most / 2),
        };
        for (text, id) in file.pieces.iter() {
            let kind = match is_byte(text) {
                true => Kind::Byte,
                false => Kind::Normal,
            };
            if tokens.ids.insert(text, id).is_some() || !tokens.place(text, id, kind) {
                return Err(broken(format!(
                    "its id {id} (`{text}`) is taken or beyond {rows} rows"
                )));
            }
        }
        for added in &file.added {
            tokens.add(added, rows)?;
        }
        match (0..=255u8).find(|byte| tokens.kind(&format!("<0x{byte:02X}>")) != Some(Kind::Byte)) {
            None => Ok(tokens),
            Some(byte) => Err(broken(format!(
                "it has no token for byte {byte} (`<0x{byte:02X}>`)"
            ))),
        }
    }

    /// Whether the id was free.
    fn place(&mut self, text: &'a str, id: u32, kind: Kind) -> bool {
        let entry = self
            .texts
            .get_mut(id as usize)
            .zip(self.kinds.get_mut(id as usize));
        match entry {
            Some((own, own_kind)) if *own_kind == Kind::Unused => {
                (*own, *own_kind) = (Cow::Borrowed(text), kind);
                true
            }
            _ => false,
        }
    }

    /// A token that is recognised as a whole.
    fn add(&mut self, added: &'a Added, rows: u64) -> Result<()> {
        let (text, id) = (added.content.as_str(), added.id);
        let kind = kind_of(added);
        if let Kind::UserDefined = kind
            && text.contains(SPACE_MARK)
        {
            // Runs of spaces are merged like other pieces.
            return match is_run(text) && self.ids.get(text) == Some(&id) {
                true => Ok(()),
                false => Err(unlike(&format!("an added token `{text}`"))),
            };
        }
        match self.id(text) {
            Some(own) if own == id => {
                if let Some(own) = self.kinds.get_mut(id as usize) {
                    *own = kind;
                }
                Ok(())
            }
            // Models without an image encoder have no row for the token that stands for pictures.
            None if u64::from(id) >= rows && kind == Kind::Control => Ok(()),
            None if self.place(text, id, kind) => {
                self.ids.insert(text, id);
                Ok(())
            }
            _ => Err(broken(format!(
                "the id {id} of its token `{text}` is another's, or beyond {rows} rows"
            ))),
        }
    }

    fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    fn kind(&self, text: &str) -> Option<Kind> {
        self.kinds.get(self.id(text)? as usize).copied()
    }

    /// Whether text can become this while it is joined. A single character is there before it is known to have no id.
    fn is_symbol(&self, text: &str) -> bool {
        let mut letters = text.chars();
        let single = letters.next().is_some() && letters.next().is_none();
        single || matches!(self.kind(text), Some(Kind::Normal | Kind::UserDefined))
    }

    /// Where `text` can be cut into two symbols, in bytes.
    fn cuts(&self, text: &str) -> Vec<usize> {
        let places = text.char_indices().map(|(place, _)| place).skip(1);
        let both = |place: &usize| {
            let (left, right) = text.split_at(*place);
            self.is_symbol(left) && self.is_symbol(right)
        };
        places.filter(both).collect()
    }
}

/// Scores with which a reader joins in the order of `merges`, if there are such. `[rows]`
fn scores(tokens: &Tokens<'_>, merges: &[Merge]) -> Result<Vec<f32>> {
    // Of what no merge makes; nothing asks for it.
    let never = -(merges.len() as f32) - 1.0;
    let mut scores = vec![never; tokens.texts.len()];
    let mut done = vec![false; tokens.texts.len()];
    let mut runs = Runs::default();
    let mut next = 0;
    for group in merges.chunk_by(|one, other| one.joined == other.joined) {
        let first = next;
        next += group.len();
        let Some(place) = group.first().map(|merge| merge.joined as usize) else {
            continue;
        };
        let (Some(text), Some(kind)) = (tokens.texts.get(place), tokens.kinds.get(place)) else {
            continue;
        };
        match kind {
            Kind::Normal => {}
            Kind::Byte => {
                return Err(unlike(&format!(
                    "a tokenizer.json that merges to the byte `{text}`"
                )));
            }
            // Split off before anything is joined.
            _ => continue,
        }
        let (Some(score), Some(done)) = (scores.get_mut(place), done.get_mut(place)) else {
            continue;
        };
        let lefts = group
            .iter()
            .map(|merge| tokens.texts.get(merge.left as usize));
        let mut cuts: Vec<usize> = lefts.flatten().map(|left| left.len()).collect();
        if is_run(text) {
            *score = score.max(-(first as f32));
            *done = true;
            runs.add(text, first, &cuts)?;
            continue;
        }
        if std::mem::replace(done, true) {
            return Err(incomplete(text));
        }
        *score = -(first as f32);
        runs.first_other.get_or_insert(first);
        cuts.sort_unstable();
        if cuts != tokens.cuts(text) {
            return Err(incomplete(text));
        }
    }
    runs.check(tokens)?;
    for ((text, kind), done) in tokens.texts.iter().zip(&tokens.kinds).zip(&done) {
        if *kind == Kind::Normal && !done && !tokens.cuts(text).is_empty() {
            return Err(incomplete(text));
        }
    }
    Ok(scores)
}

/// The merges that make runs of spaces.
#[derive(Debug, Default)]
struct Runs {
    /// For each run, by its length in spaces: where it is cut, and the rank of that merge.
    merges: BTreeMap<usize, Vec<(usize, usize)>>,
    last: usize,
    /// Rank of the first merge that makes something else.
    first_other: Option<usize>,
}

impl Runs {
    fn add(&mut self, text: &str, first: usize, cuts: &[usize]) -> Result<()> {
        let merges = self.merges.entry(spaces(text.len())).or_default();
        merges.extend(cuts.iter().map(|cut| spaces(*cut)).zip(first..));
        self.last = self.last.max(first + cuts.len() - 1);
        Ok(())
    }

    /// Property 3 above.
    fn check(&self, tokens: &Tokens<'_>) -> Result<()> {
        let Some(&longest) = self.merges.keys().next_back() else {
            return Ok(());
        };
        let by_one = |length: usize| {
            let merges = self.merges.get(&length)?;
            merges
                .iter()
                .find(|(cut, _)| cut + 1 == length)
                .map(|(_, rank)| *rank)
        };
        let begun = by_one(2);
        let grows =
            (3..=longest).all(|length| by_one(length).is_some_and(|rank| Some(rank) < begun));
        let complete = self.merges.iter().all(|(length, merges)| {
            let mut cuts: Vec<usize> = merges.iter().map(|(cut, _)| *cut).collect();
            cuts.sort_unstable();
            let all = tokens.cuts(&SPACE_MARK.to_string().repeat(*length));
            cuts.into_iter().eq(all.into_iter().map(spaces))
        });
        let before = self.first_other.is_none_or(|other| self.last < other);
        match begun.is_some() && grows && complete && before {
            true => Ok(()),
            false => Err(unlike(
                "a tokenizer.json whose runs of spaces do not grow from the left",
            )),
        }
    }
}

/// Spaces in as many bytes of [`SPACE_MARK`].
fn spaces(bytes: usize) -> usize {
    bytes / SPACE_MARK.len_utf8()
}

/// Whether `text` stands for spaces alone.
fn is_run(text: &str) -> bool {
    text.chars().all(|letter| letter == SPACE_MARK)
}

/// What llama.cpp's converter makes of it.
fn kind_of(added: &Added) -> Kind {
    let text = added.content.as_str();
    let reserved = text.starts_with("<unused") || ["<mask>", "<pad>"].contains(&text);
    match text {
        "<unk>" => Kind::Unknown,
        _ if added.special || reserved => Kind::Control,
        _ => Kind::UserDefined,
    }
}

/// Whether `text` is the name of a byte token, such as `<0x0A>`.
fn is_byte(text: &str) -> bool {
    let digits = text
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'));
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(hexadecimal))
}

fn incomplete(text: &str) -> Error {
    unlike(&format!(
        "a tokenizer.json that does not list all merges to `{text}` one after the other"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
