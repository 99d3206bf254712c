//! Words within a few slips of a given one: a letter left out, added, replaced, or two of them swapped.

use fst::Automaton;

use super::words::MOST_WORD_BYTES;

/// Cells of a row: one for each beginning of the word.
const CELLS: usize = MOST_WORD_BYTES + 1;

/// Slips that a word of so many letters may have.
pub fn allowed_slips(letters: usize) -> u8 {
    match letters {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

/// Accepts words within some slips of another (optimal string alignment distance), for a search through an FST.
///
/// A state is a row of the table that computes the distance, and the one before it; no table of states is built ahead.
#[derive(Debug)]
pub struct Alike<'a> {
    word: &'a [u8],
    slips: u8,
}

/// Two rows of the distance's table.
#[derive(Debug, Clone)]
pub struct Rows {
    now: [u8; CELLS],
    before: [u8; CELLS],
    last: Option<u8>,
}

impl<'a> Alike<'a> {
    /// Of a word of at most [`MOST_WORD_BYTES`] bytes; of a longer one, its beginning counts.
    pub fn new(word: &'a str, slips: u8) -> Self {
        let word = word.as_bytes();
        Self {
            word: word.get(..MOST_WORD_BYTES).unwrap_or(word),
            slips,
        }
    }
}

impl Automaton for Alike<'_> {
    type State = Rows;

    fn start(&self) -> Rows {
        let mut now = [u8::MAX; CELLS];
        for (cell, value) in now.iter_mut().zip(0..=self.word.len() as u8) {
            *cell = value;
        }
        Rows {
            now,
            before: [u8::MAX; CELLS],
            last: None,
        }
    }

    fn is_match(&self, state: &Rows) -> bool {
        state.now[self.word.len()] <= self.slips
    }

    fn can_match(&self, state: &Rows) -> bool {
        state.now[..=self.word.len()]
            .iter()
            .any(|&cell| cell <= self.slips)
    }

    fn accept(&self, state: &Rows, byte: u8) -> Rows {
        let mut now = [u8::MAX; CELLS];
        now[0] = state.now[0].saturating_add(1);
        for (index, &letter) in self.word.iter().enumerate() {
            let replaced = state.now[index].saturating_add(u8::from(letter != byte));
            let changed = replaced
                .min(state.now[index + 1].saturating_add(1))
                .min(now[index].saturating_add(1));
            let swapped = match index.checked_sub(1) {
                Some(left) if self.word[left] == byte && state.last == Some(letter) => {
                    state.before[left].saturating_add(1)
                }
                _ => u8::MAX,
            };
            now[index + 1] = changed.min(swapped);
        }
        Rows {
            now,
            before: state.now,
            last: Some(byte),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use fst::{IntoStreamer, Set, Streamer};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_accepts_just_what_the_distance_allows(
            mut list in proptest::collection::btree_set("[abc]{0,7}", 1..40),
            word in "[abc]{0,7}",
            slips in 0u8..3,
        ) {
            list.insert(word.clone());
            let set = Set::from_iter(&list).unwrap();
            let mut stream = set.search(Alike::new(&word, slips)).into_stream();
            let mut found = Vec::new();
            while let Some(key) = stream.next() {
                found.push(String::from_utf8(key.to_vec()).unwrap());
            }
            let expected: Vec<String> = list
                .into_iter()
                .filter(|other| strsim::osa_distance(&word, other) <= usize::from(slips))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn short_words_are_spelt_as_they_are() {
        assert_eq!(allowed_slips(3), 0);
        assert_eq!(allowed_slips(4), 1);
        assert_eq!(allowed_slips(7), 1);
        assert_eq!(allowed_slips(8), 2);
    }
}
