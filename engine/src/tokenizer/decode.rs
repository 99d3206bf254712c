//! Ids back to text, one at a time.
//!
//! U+2581 becomes a space, control tokens become nothing, and byte tokens are held back until they complete a
//! character. Hugging Face's ByteFallback makes one U+FFFD for every byte of a run that is not UTF-8 as a whole; this
//! decoder cannot wait for the end of the run, so it replaces only what is broken, as `String::from_utf8_lossy` does.

use super::SPACE_MARK;
use super::vocabulary::{Kind, Vocabulary};

/// Turns ids into text as they come. Made by [`super::Tokenizer::decoder`].
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    vocabulary: &'a Vocabulary,
    /// The beginning of a character: at most 3 bytes between calls.
    pending: Vec<u8>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary) -> Self {
        Self {
            vocabulary,
            pending: Vec::new(),
        }
    }

    /// The text that `id` completes; empty for control tokens, unknown ids and a character's first bytes.
    pub fn push(&mut self, id: u32) -> String {
        match self.vocabulary.kind(id) {
            Some(Kind::Byte(byte)) => {
                self.pending.push(byte);
                self.complete()
            }
            Some(Kind::Normal | Kind::UserDefined) => {
                let mut text = self.finish();
                let piece = self.vocabulary.piece(id).unwrap_or_default();
                text.push_str(&piece.replace(SPACE_MARK, " "));
                text
            }
            Some(Kind::Control | Kind::Unused) | None => String::new(),
        }
    }

    /// What is left of an incomplete character, as U+FFFD.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }

    /// Takes everything from `pending` but the beginning of a character that more bytes can complete.
    fn complete(&mut self) -> String {
        match std::str::from_utf8(&self.pending) {
            Err(error) if error.error_len().is_none() => {
                let begun = self.pending.split_off(error.valid_up_to());
                let text = self.finish();
                self.pending = begun;
                text
            }
            // A byte that continues nothing may itself begin a character.
            Err(error)
                if error.valid_up_to() + error.error_len().unwrap_or(0) < self.pending.len() =>
            {
                let broken = error.valid_up_to() + error.error_len().unwrap_or(0);
                let rest = self.pending.split_off(broken);
                let mut text = self.finish();
                self.pending = rest;
                text.push_str(&self.complete());
                text
            }
            _ => self.finish(),
        }
    }
}
