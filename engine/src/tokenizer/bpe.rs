//! Byte-pair encoding by ranked merges, as `tokenizer.json` holds it.
//!
//! The algorithm is that of Hugging Face's `tokenizers` with `byte_fallback`: characters become ids, one without an id
//! becomes the ids of its bytes; then, of all neighbours that a merge joins, the pair of the lowest rank is joined, the
//! leftmost of equals, until none is left. 514,906 merges cost about 10 MB and no allocation each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, RandomState};

use crate::weights::huggingface::tokenizer_json::Merge;

/// An empty slot of the index, and no symbol.
const NONE: u32 = u32::MAX;

/// A byte-pair encoding.
#[derive(Debug)]
pub(super) struct Bpe {
    /// The ids of single characters.
    characters: HashMap<char, u32>,
    /// The id of each byte token. `[256]`
    byte_ids: [u32; 256],
    /// By rank; the lowest is joined first.
    merges: Vec<Merge>,
    /// Open addressing with linear probing: ranks, or `NONE`. A power of two, at most half full.
    table: Vec<u32>,
    hasher: RandomState,
}

impl Bpe {
    /// merges: by rank, fewer than 2³¹. Of two with the same pair the later counts, as in `tokenizers`.
    pub(super) fn new(
        characters: HashMap<char, u32>,
        byte_ids: [u32; 256],
        merges: Vec<Merge>,
    ) -> Self {
        let mut bpe = Self {
            characters,
            byte_ids,
            table: vec![NONE; (merges.len() * 2).next_power_of_two()],
            merges,
            hasher: RandomState::new(),
        };
        for (rank, merge) in (0u32..).zip(&bpe.merges) {
            let slot = bpe.slot(merge.left, merge.right);
            if let Some(entry) = bpe.table.get_mut(slot) {
                *entry = rank;
            }
        }
        bpe
    }

    /// Appends the ids of `text`, which is at most 2 MiB long.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        let mut symbols = Vec::with_capacity(text.len());
        for character in text.chars() {
            match self.characters.get(&character) {
                Some(&id) => symbols.push(id),
                None => {
                    let mut buffer = [0; 4];
                    let bytes = character.encode_utf8(&mut buffer).bytes();
                    symbols.extend(bytes.filter_map(|byte| self.byte_ids.get(byte as usize)));
                }
            }
        }
        let mut symbols = Symbols::new(&symbols);
        let mut queue = BinaryHeap::new();
        for left in 0..symbols.0.len() {
            queue.extend(self.proposal(&symbols, left as u32));
        }
        while let Some(Reverse((_, left, joined))) = queue.pop() {
            // The pair may have changed since, even to one that another merge joins to the same id.
            let still = symbols.pair(left).and_then(|pair| self.find(pair));
            if still.is_none_or(|(_, merge)| merge.joined != joined) {
                continue;
            }
            let before = symbols.join(left, joined);
            queue.extend(before.and_then(|before| self.proposal(&symbols, before)));
            queue.extend(self.proposal(&symbols, left));
        }
        ids.extend(symbols.0.iter().map(|s| s.id).filter(|id| *id != NONE));
    }

    /// Rank, place and result of joining the symbol at `left` with the one after it.
    fn proposal(&self, symbols: &Symbols, left: u32) -> Option<Reverse<(u32, u32, u32)>> {
        let (rank, merge) = self.find(symbols.pair(left)?)?;
        Some(Reverse((rank, left, merge.joined)))
    }

    fn find(&self, (left, right): (u32, u32)) -> Option<(u32, &Merge)> {
        let rank = *self.table.get(self.slot(left, right))?;
        Some((rank, self.merges.get(rank as usize)?))
    }

    /// The slot of the index that holds the merge of this pair, or where it belongs.
    fn slot(&self, left: u32, right: u32) -> usize {
        let mask = self.table.len().saturating_sub(1);
        let mut slot = self.hasher.hash_one((left, right)) as usize & mask;
        loop {
            let rank = self.table.get(slot).map_or(NONE, |rank| *rank);
            match self.merges.get(rank as usize) {
                Some(merge) if (merge.left, merge.right) != (left, right) => {
                    slot = (slot + 1) & mask;
                }
                _ => return slot,
            }
        }
    }
}

/// `NONE` as its id once its left neighbour has taken it up.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    /// Indices of the neighbours; `NONE` at the ends.
    before: u32,
    after: u32,
}

/// The text as a linked list of symbols.
struct Symbols(Vec<Symbol>);

impl Symbols {
    fn new(ids: &[u32]) -> Self {
        let symbol = |(at, &id): (u32, &u32)| Symbol {
            id,
            before: at.checked_sub(1).unwrap_or(NONE),
            after: at + 1,
        };
        let mut symbols: Vec<Symbol> = (0u32..).zip(ids).map(symbol).collect();
        if let Some(last) = symbols.last_mut() {
            last.after = NONE;
        }
        Self(symbols)
    }

    fn get(&self, at: u32) -> Option<Symbol> {
        self.0.get(at as usize).copied().filter(|s| s.id != NONE)
    }

    /// The ids of the symbol at `left` and of the one after it.
    fn pair(&self, left: u32) -> Option<(u32, u32)> {
        let symbol = self.get(left)?;
        Some((symbol.id, self.get(symbol.after)?.id))
    }

    /// Makes the symbol at `left` and the one after it one with the id `joined`. Returns where the one before is.
    fn join(&mut self, left: u32, joined: u32) -> Option<u32> {
        let symbol = self.get(left)?;
        let after = self.get(symbol.after)?.after;
        self.0.get_mut(symbol.after as usize)?.id = NONE;
        *self.0.get_mut(left as usize)? = Symbol {
            id: joined,
            before: symbol.before,
            after,
        };
        if let Some(next) = self.0.get_mut(after as usize) {
            next.before = left;
        }
        Some(symbol.before).filter(|before| *before != NONE)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::Model;
    use tokenizers::models::bpe::{BPE, Vocab};

    use super::*;

    /// Letters `a` to `h` with ids 0 to 7; bytes from 100.
    fn split(merges: &[(u32, u32, u32)], text: &str) -> Vec<u32> {
        let characters = ('a'..='h').zip(0..).collect();
        let byte_ids = std::array::from_fn(|byte| 100 + byte as u32);
        let merge = |&(left, right, joined): &(u32, u32, u32)| Merge {
            left,
            right,
            joined,
        };
        let mut ids = Vec::new();
        Bpe::new(characters, byte_ids, merges.iter().map(merge).collect()).encode(text, &mut ids);
        ids
    }

    #[test]
    fn the_lowest_rank_is_joined_first_and_the_leftmost_of_equals() {
        assert_eq!(split(&[(0, 1, 10), (1, 2, 11)], "abc"), [10, 2]);
        assert_eq!(split(&[(1, 2, 11), (0, 1, 10)], "abc"), [0, 11]);
        assert_eq!(split(&[(0, 0, 10)], "aaaaa"), [10, 10, 0]);
        assert_eq!(
            split(&[(0, 0, 10), (10, 10, 11), (11, 0, 12)], "aaaaa"),
            [12]
        );
    }

    #[test]
    fn what_has_no_id_becomes_bytes_and_no_merge_means_no_join() {
        assert_eq!(split(&[], "aé"), [0, 100 + 0xC3, 100 + 0xA9]);
        assert_eq!(split(&[(0, 1, 10)], "b a b"), [1, 132, 0, 132, 1]);
        assert!(split(&[(0, 1, 10)], "").is_empty());
    }

    #[test]
    fn of_a_pair_listed_twice_the_later_counts() {
        // As the first it would be joined before (1, 2).
        let merges = [(0, 1, 10), (1, 2, 11), (0, 1, 12)];
        assert_eq!(split(&merges, "abc"), [0, 11]);
        assert_eq!(split(&merges, "ab"), [12]);
    }

    proptest! {
        #[test]
        fn any_merges_give_the_ids_that_hugging_face_s_crate_gives(
            choices in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..24),
            text in "[a-dé]{0,40}",
        ) {
            // Pieces that two merges make have one id, as in a real vocabulary.
            let mut pieces: Vec<String> = ('a'..='d').map(String::from).collect();
            let mut merges = Vec::new();
            let mut names = Vec::new();
            for (left, right) in choices {
                let (left, right) = (left.index(pieces.len()), right.index(pieces.len()));
                let joined = format!("{}{}", pieces[left], pieces[right]);
                let known = pieces.iter().position(|piece| *piece == joined);
                names.push((pieces[left].clone(), pieces[right].clone()));
                merges.push((left as u32, right as u32, known.unwrap_or(pieces.len()) as u32));
                if known.is_none() {
                    pieces.push(joined);
                }
            }
            let bytes = (0..256).map(|byte| (format!("<0x{byte:02X}>"), 100 + byte));
            let vocab: Vocab = pieces.into_iter().zip(0..).chain(bytes).collect();
            let reference = BPE::builder().vocab_and_merges(vocab, names).byte_fallback(true).build().unwrap();
            let expected: Vec<u32> = reference.tokenize(&text).unwrap().iter().map(|token| token.id).collect();
            prop_assert_eq!(split(&merges, &text), expected);
        }
    }
}
