//! The bytes of every token, as a tree: tokens that begin alike are looked at together.
//!
//! Within a string most tokens are known at once, by their length and the kinds of their characters ([`Bulk`]); only the
//! others are looked at.

use std::collections::BTreeMap;

use super::kinds::{self, Kinds, PLAIN, SPECIAL};
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
    plain: TokenMask,
    /// The others, those together whose characters are of the same kinds.
    groups: Vec<Group>,
    longest_plain: u32,
    /// Bytes of every token. [vocab]
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

/// Plain tokens of some kinds.
#[derive(Debug)]
struct Group {
    kinds: Kinds,
    /// Characters and ids, the shortest first.
    tokens: Vec<(u32, u32)>,
}

/// All tokens of at most `most` characters that are of these kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bulk {
    /// Kinds of characters.
    pub kinds: Kinds,
    /// Characters.
    pub most: u32,
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
            groups: Vec::new(),
            longest_plain: 0,
            ends,
            bytes,
        };
        let mut sorted: Vec<u32> = (0..vocabulary.ends.len() as u32).collect();
        sorted.retain(|id| !vocabulary.token(*id).is_empty());
        sorted.sort_by_key(|id| vocabulary.token(*id));
        let mut special = Vec::new();
        let mut groups: BTreeMap<Kinds, Vec<(u32, u32)>> = BTreeMap::new();
        for id in &sorted {
            let (kinds, count) = kinds::of(vocabulary.token(*id));
            if kinds & SPECIAL != 0 {
                special.push(*id);
                continue;
            }
            let count = count as u32;
            groups.entry(kinds).or_default().push((count, *id));
            vocabulary.longest_plain = vocabulary.longest_plain.max(count);
            vocabulary.plain.allow(*id);
        }
        vocabulary.groups = groups
            .into_iter()
            .map(|(kinds, mut tokens)| {
                tokens.sort_unstable();
                Group { kinds, tokens }
            })
            .collect();
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
    pub(super) fn longest_plain(&self) -> u32 {
        self.longest_plain
    }

    /// How many tokens are in `bulk`.
    pub(super) fn count(&self, bulk: &Bulk) -> usize {
        self.bulk(bulk).map(<[_]>::len).sum()
    }

    /// Allows the tokens in `bulk`.
    pub(super) fn allow(&self, bulk: &Bulk, mask: &mut TokenMask) {
        if bulk.kinds == PLAIN && bulk.most >= self.longest_plain {
            return mask.allow_all(&self.plain);
        }
        for (_, id) in self.bulk(bulk).flatten() {
            mask.allow(*id);
        }
    }

    fn bulk(&self, bulk: &Bulk) -> impl Iterator<Item = &[(u32, u32)]> {
        let Bulk { kinds, most } = *bulk;
        let groups = self
            .groups
            .iter()
            .filter(move |group| group.kinds & !kinds == 0);
        groups.map(move |Group { tokens, .. }| {
            let end = tokens.partition_point(|(count, _)| *count <= most);
            tokens.get(..end).unwrap_or_default()
        })
    }
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
    /// Those of all tokens that begin so.
    kinds: Kinds,
    /// Most characters of them.
    longest: u8,
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
                    kinds: 0,
                    longest: 0,
                    byte: *byte,
                    depth: depth as u8,
                });
            }
            if let Some(node) = trie.nodes.last_mut() {
                let (kinds, count) = kinds::of(token);
                node.token = id;
                node.kinds = kinds;
                // At most as many as bytes.
                node.longest = count as u8;
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
        let Some(node) = open.pop().and_then(|index| self.nodes.get_mut(index)) else {
            return;
        };
        node.end = end;
        let TrieNode { kinds, longest, .. } = *node;
        let parent = open.last().and_then(|index| self.nodes.get_mut(*index));
        if let Some(parent) = parent {
            parent.kinds |= kinds;
            parent.longest = parent.longest.max(longest);
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

    /// Allows the tokens that can be read from the state `start` on, but for those in `bulk`, which are allowed already.
    /// `step` gives the state after a byte; `dead` is the one from which nothing goes on.
    pub(super) fn allow(
        &self,
        start: u32,
        dead: u32,
        bulk: &Bulk,
        mut step: impl FnMut(u32, u8) -> Result<u32>,
        mask: &mut TokenMask,
    ) -> Result<()> {
        let mut states = vec![start; self.depth + 1];
        let mut index = 0;
        while let Some(node) = self.nodes.get(index) {
            if node.kinds & !bulk.kinds == 0 && u32::from(node.longest) <= bulk.most {
                index = node.end as usize;
                continue;
            }
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
