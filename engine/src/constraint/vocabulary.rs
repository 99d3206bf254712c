//! The bytes of every token, as a tree: tokens that begin alike are looked at together.
//!
//! Most tokens hold nothing but characters that need no escape in a JSON string. Within a string without a pattern these are
//! known at once, by their length; only the others are looked at.

use crate::error::{Error, Result};
use crate::sampler::TokenMask;
use crate::tokenizer::Tokenizer;

/// Longest token that an answer under a constraint may hold, in bytes.
const MAX_TOKEN_BYTES: usize = 255;

const NO_TOKEN: u32 = u32::MAX;

/// Tokens that an answer may hold, by their bytes.
#[derive(Debug)]
pub struct Vocabulary {
    /// All of them.
    pub(super) all: Trie,
    /// Those that hold more than characters which need no escape.
    pub(super) special: Trie,
    /// The others.
    pub(super) plain: TokenMask,
    /// The others by their number of characters.
    plain_by_length: Vec<Vec<u32>>,
    /// Bytes of every token. [vocab]
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Vocabulary {
    /// The tokens of `tokenizer` that are text.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if a byte cannot be written.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let ids = 0..tokenizer.vocab_size() as u32;
        Self::of_tokens(ids.map(|id| tokenizer.bytes(id).unwrap_or_default()))
    }

    /// Tokens in order of their ids; those without bytes are no text.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_tokens(tokens: impl Iterator<Item = Vec<u8>>) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for token in tokens {
            if token.len() <= MAX_TOKEN_BYTES {
                bytes.extend(token);
            }
            ends.push(bytes.len() as u32);
        }
        let mut vocabulary = Self {
            all: Trie::default(),
            special: Trie::default(),
            plain: TokenMask::none(ends.len()),
            plain_by_length: Vec::new(),
            ends,
            bytes,
        };
        let mut sorted: Vec<u32> = (0..vocabulary.ends.len() as u32).collect();
        sorted.retain(|id| !vocabulary.token(*id).is_empty());
        sorted.sort_by_key(|id| vocabulary.token(*id));
        let mut special = Vec::new();
        for id in &sorted {
            match plain_characters(vocabulary.token(*id)) {
                Some(count) => {
                    let lengths = vocabulary.plain_by_length.len().max(count + 1);
                    vocabulary.plain_by_length.resize(lengths, Vec::new());
                    vocabulary.plain_by_length[count].push(*id);
                    vocabulary.plain.allow(*id);
                }
                None => special.push(*id),
            }
        }
        vocabulary.all = Trie::new(&vocabulary, &sorted);
        vocabulary.special = Trie::new(&vocabulary, &special);
        match (0x20..=0xF4).find(|byte| !vocabulary.all.has_byte(*byte)) {
            // Bytes that UTF-8 does not have.
            Some(0x7F | 0xC0 | 0xC1) | None => Ok(vocabulary),
            Some(byte) => Err(Error::Tokenizer {
                detail: format!(
                    "it has no token for byte {byte}, so that not every answer can be written"
                ),
            }),
        }
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of `id`; empty for what is no text.
    pub fn token(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = id.checked_sub(1).and_then(|before| self.ends.get(before));
        let range = start.map_or(0, |start| *start as usize)
            ..self.ends.get(id).map_or(0, |end| *end as usize);
        self.bytes.get(range).unwrap_or_default()
    }

    /// The most characters that a plain token has.
    pub(super) fn longest_plain(&self) -> usize {
        self.plain_by_length.len().saturating_sub(1)
    }

    /// Allows the plain tokens of at most `most` characters.
    pub(super) fn allow_plain(&self, most: usize, mask: &mut TokenMask) {
        if most >= self.longest_plain() {
            return mask.allow_all(&self.plain);
        }
        for id in self.plain_by_length.iter().take(most + 1).flatten() {
            mask.allow(*id);
        }
    }
}

/// How many characters `token` has, if none of them needs an escape in a JSON string.
fn plain_characters(token: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(token).ok()?;
    let special = |letter: char| letter < ' ' || matches!(letter, '"' | '\\');
    (!text.contains(special)).then(|| text.chars().count())
}

/// Tokens by their bytes, each node followed by all that begin as it does.
#[derive(Debug, Default)]
pub(super) struct Trie {
    /// [nodes]
    nodes: Vec<TrieNode>,
    /// Tokens of the same bytes as another, after that one.
    twins: Vec<(u32, u32)>,
    depth: usize,
}

#[derive(Debug, Clone, Copy)]
struct TrieNode {
    /// The first node that does not begin so.
    end: u32,
    /// The token that ends here.
    token: u32,
    byte: u8,
    /// Bytes before it.
    depth: u8,
}

impl Trie {
    /// sorted: ids in the order of their bytes
    fn new(vocabulary: &Vocabulary, sorted: &[u32]) -> Self {
        let mut trie = Self::default();
        let mut before: &[u8] = &[];
        let mut open: Vec<usize> = Vec::new();
        let mut last = NO_TOKEN;
        for &id in sorted {
            let token = vocabulary.token(id);
            if token == before && last != NO_TOKEN {
                trie.twins.push((last, id));
                continue;
            }
            let same = token.iter().zip(before).take_while(|(a, b)| a == b).count();
            while open.len() > same {
                trie.close(&mut open);
            }
            for (depth, byte) in token.iter().enumerate().skip(same) {
                open.push(trie.nodes.len());
                trie.nodes.push(TrieNode {
                    end: 0,
                    token: NO_TOKEN,
                    byte: *byte,
                    depth: depth as u8,
                });
            }
            if let Some(node) = trie.nodes.last_mut() {
                node.token = id;
            }
            trie.depth = trie.depth.max(token.len());
            before = token;
            last = id;
        }
        while !open.is_empty() {
            trie.close(&mut open);
        }
        trie
    }

    fn close(&mut self, open: &mut Vec<usize>) {
        let end = self.nodes.len() as u32;
        if let Some(node) = open.pop().and_then(|index| self.nodes.get_mut(index)) {
            node.end = end;
        }
    }

    fn has_byte(&self, byte: u8) -> bool {
        let mut index = 0;
        while let Some(node) = self.nodes.get(index) {
            if node.byte == byte {
                return node.token != NO_TOKEN;
            }
            index = node.end as usize;
        }
        false
    }

    /// Allows the tokens that can be read from the state `start` on. `step` gives the state after a byte; `dead` is the one
    /// from which nothing goes on.
    pub(super) fn allow(
        &self,
        start: u32,
        dead: u32,
        mut step: impl FnMut(u32, u8) -> Result<u32>,
        mask: &mut TokenMask,
    ) -> Result<()> {
        let mut states = vec![start; self.depth + 1];
        let mut index = 0;
        while let Some(node) = self.nodes.get(index) {
            let depth = node.depth as usize;
            let next = step(states[depth], node.byte)?;
            if next == dead {
                index = node.end as usize;
                continue;
            }
            states[depth + 1] = next;
            if node.token != NO_TOKEN {
                mask.allow(node.token);
            }
            index += 1;
        }
        for (token, twin) in &self.twins {
            if mask.allows(*token) {
                mask.allow(*twin);
            }
        }
        Ok(())
    }
}
