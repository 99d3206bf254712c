//! The vocabulary: what every id stands for, and which id a text has.
//!
//! All pieces lie in one string and the index is one table of ids, so that 262,144 pieces cost about 10 MB and no
//! allocation each.

use std::hash::{BuildHasher, RandomState};

use crate::error::{Error, Result};

/// Most ids that a vocabulary may have; Gemma 3 has 262,208.
const MAX_TOKENS: u64 = 1 << 22;

/// Most bytes that all pieces together may have.
const MAX_BYTES: u64 = 1 << 28;

/// An empty slot of the index.
const EMPTY: u32 = u32::MAX;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text that merges may produce.
    Normal,
    /// Text that is always one token, such as a run of newlines.
    UserDefined,
    /// A mark that is not text, such as `<end_of_turn>`. Outside data must never produce one.
    Control,
    /// One byte of a character that has no token.
    Byte(u8),
    /// An id that fills the embedding up.
    Unused,
}

impl Kind {
    /// What `piece` is for, given what its file declares it to be.
    ///
    /// Names win over declarations: some published GGUF files declare `<start_of_turn>` to be ordinary text.
    pub(super) fn of(piece: &str, declared: Kind) -> Kind {
        if is_control_name(piece) {
            return Kind::Control;
        }
        match (declared, byte_of(piece)) {
            (Kind::Normal, Some(byte)) => Kind::Byte(byte),
            _ => declared,
        }
    }
}

/// Whether `piece` is the name of one of Gemma 3's control tokens.
fn is_control_name(piece: &str) -> bool {
    const NAMES: [&str; 11] = [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<mask>",
        "[multimodal]",
        "<start_of_turn>",
        "<end_of_turn>",
        "<start_of_image>",
        "<end_of_image>",
        "<image_soft_token>",
    ];
    let unused = piece
        .strip_prefix("<unused")
        .and_then(|rest| rest.strip_suffix('>'));
    NAMES.contains(&piece)
        || unused.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The byte that a piece such as `<0x0A>` stands for.
pub(super) fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let hexadecimal = |b: u8| matches!(b, b'0'..=b'9' | b'A'..=b'F');
    let well_formed = digits.len() == 2 && digits.bytes().all(hexadecimal);
    u8::from_str_radix(digits, 16).ok().filter(|_| well_formed)
}

/// Pieces by id and ids by piece.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// All pieces, one after another in order of their ids.
    text: String,
    /// Where each piece ends in `text`. `[vocab]`
    ends: Vec<u32>,
    /// What each id is for. `[vocab]`
    kinds: Vec<Kind>,
    /// Open addressing with linear probing: ids, or `EMPTY`. A power of two, at most half full.
    table: Vec<u32>,
    hasher: RandomState,
}

impl Vocabulary {
    /// A vocabulary of `count` pieces. Of equal pieces the lowest id is the one that text gets.
    pub(super) fn new<'a>(
        count: usize,
        pieces: impl Iterator<Item = (&'a str, Kind)>,
    ) -> Result<Self> {
        within("the number of tokens", count as u64, MAX_TOKENS)?;
        let mut vocabulary = Self {
            text: String::new(),
            ends: Vec::with_capacity(count),
            kinds: Vec::with_capacity(count),
            table: vec![EMPTY; (count * 2).next_power_of_two()],
            hasher: RandomState::new(),
        };
        for (id, (piece, declared)) in (0u32..).zip(pieces.take(count)) {
            let bytes = vocabulary.text.len() as u64 + piece.len() as u64;
            within("the length of all tokens in bytes", bytes, MAX_BYTES)?;
            if let Err(slot) = vocabulary.find(piece)
                && let Some(entry) = vocabulary.table.get_mut(slot)
            {
                *entry = id;
            }
            vocabulary.text.push_str(piece);
            vocabulary.ends.push(bytes as u32);
            vocabulary.kinds.push(Kind::of(piece, declared));
        }
        Ok(vocabulary)
    }

    /// Number of ids.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The piece that `id` stands for.
    pub(super) fn piece(&self, id: u32) -> Option<&str> {
        let id = id as usize;
        let end = *self.ends.get(id)? as usize;
        let start = match id.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.text.get(start..end)
    }

    /// What `id` is for.
    pub(super) fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    /// The id of `piece`.
    pub(super) fn id(&self, piece: &str) -> Option<u32> {
        self.find(piece).ok()
    }

    /// Ids and their kinds in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &str, Kind)> {
        let spans = (0u32..).zip(&self.kinds);
        spans.filter_map(|(id, &kind)| Some((id, self.piece(id)?, kind)))
    }

    /// The ids of the 256 byte tokens.
    pub(super) fn byte_ids(&self) -> Result<[u32; 256]> {
        let mut ids = [EMPTY; 256];
        for (id, _, kind) in self.iter() {
            if let Kind::Byte(byte) = kind
                && let Some(entry) = ids.get_mut(byte as usize)
                && *entry == EMPTY
            {
                *entry = id;
            }
        }
        match ids.iter().position(|&id| id == EMPTY) {
            Some(byte) => Err(Error::Tokenizer {
                detail: format!("it has no token for byte {byte} (`<0x{byte:02X}>`)"),
            }),
            None => Ok(ids),
        }
    }

    /// The id of `piece`, or the slot of the index where it belongs.
    fn find(&self, piece: &str) -> std::result::Result<u32, usize> {
        let mask = self.table.len().saturating_sub(1);
        let mut slot = self.hasher.hash_one(piece) as usize & mask;
        loop {
            match self.table.get(slot) {
                Some(&id) if id != EMPTY => {
                    if self.piece(id) == Some(piece) {
                        return Ok(id);
                    }
                }
                _ => return Err(slot),
            }
            slot = (slot + 1) & mask;
        }
    }
}

fn within(what: &str, value: u64, limit: u64) -> Result<()> {
    if value <= limit {
        return Ok(());
    }
    Err(Error::LimitExceeded {
        what: what.to_owned(),
        value,
        limit,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_pieces_are_each_other_s_inverse() {
        let pieces: Vec<String> = (0..5_000).map(|n| format!("{:x}", n * 7919)).collect();
        let all = pieces.iter().map(|piece| (piece.as_str(), Kind::Normal));
        let vocabulary = Vocabulary::new(pieces.len(), all).unwrap();
        for (id, piece) in (0u32..).zip(&pieces) {
            assert_eq!(vocabulary.piece(id), Some(piece.as_str()));
            assert_eq!(vocabulary.id(piece), Some(id));
        }
        assert_eq!(vocabulary.id("no such piece"), None);
        assert_eq!(vocabulary.piece(5_000), None);
    }

    #[test]
    fn of_equal_pieces_the_lowest_id_is_found() {
        let pieces = [
            ("a", Kind::Normal),
            ("", Kind::Unused),
            ("a", Kind::UserDefined),
        ];
        let vocabulary = Vocabulary::new(3, pieces.into_iter()).unwrap();
        assert_eq!(vocabulary.id("a"), Some(0));
        assert_eq!(vocabulary.piece(2), Some("a"));
    }

    #[test]
    fn an_empty_vocabulary_finds_nothing() {
        let vocabulary = Vocabulary::new(0, std::iter::empty()).unwrap();
        assert_eq!((vocabulary.len(), vocabulary.id("a")), (0, None));
    }

    #[test]
    fn gemma_s_control_tokens_are_control_whatever_the_file_declares() {
        for name in [
            "<start_of_turn>",
            "<unused0>",
            "<unused6241>",
            "<image_soft_token>",
        ] {
            assert_eq!(Kind::of(name, Kind::Normal), Kind::Control, "{name}");
        }
        for name in [
            "<unused>",
            "<unused1",
            "<unusedx>",
            "<unused1>x",
            "start_of_turn",
        ] {
            assert_eq!(Kind::of(name, Kind::Normal), Kind::Normal, "{name}");
        }
    }

    #[test]
    fn byte_tokens_are_two_upper_case_hexadecimal_digits() {
        assert_eq!(byte_of("<0x0A>"), Some(10));
        assert_eq!(byte_of("<0xFF>"), Some(255));
        for piece in [
            "<0xF>", "<0xff>", "<0x+1>", "<0x0A", "0x0A", "<0x0AB>", "<0x>",
        ] {
            assert_eq!(byte_of(piece), None, "{piece}");
        }
    }

    #[test]
    fn a_missing_byte_token_is_named() {
        let error = Vocabulary::new(0, std::iter::empty())
            .unwrap()
            .byte_ids()
            .unwrap_err();
        assert!(error.to_string().contains("<0x00>"), "{error}");
    }
}
