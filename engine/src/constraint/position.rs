//! Where in a text an answer is, byte by byte.
//!
//! A JSON string has one spelling for each text: characters as they are in UTF-8, and escapes only where JSON asks for them.

use super::automaton::Automaton;
use super::kinds::PLAIN;
use super::program::Text;
use super::vocabulary::Bulk;

/// What of a character has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partial {
    /// Nothing.
    None,
    /// Not even the quote that begins the string.
    Unopened,
    /// `\`
    Escape,
    /// `\u` and some of its four digits.
    Code {
        /// How many.
        digits: u8,
        /// What they say.
        value: u8,
    },
    /// Some of its bytes in UTF-8.
    Utf8 {
        /// Bits so far.
        value: u32,
        /// Bytes to come.
        left: u8,
        /// The first code point that needs as many bytes.
        least: u32,
    },
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// State of the automaton.
    pub state: u32,
    /// Characters so far, where they are counted.
    pub count: u32,
    /// What of the next one is there.
    pub partial: Partial,
}

/// What a byte did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The text goes on, and may end here as well if `true`.
    On(Place, bool),
    /// It was the last one.
    Closed,
}

impl Text {
    /// Where the text begins.
    pub fn start(&self) -> Place {
        Place {
            state: 0,
            count: 0,
            partial: match self.json {
                true => Partial::Unopened,
                false => Partial::None,
            },
        }
    }

    /// Whether the text may end without anything more, but for the quote of a string.
    pub fn may_end(&self, place: Place) -> bool {
        let long_enough = self.length.is_none_or(|(min, _)| place.count >= min);
        place.partial == Partial::None && long_enough && self.automaton.accepts(place.state)
    }

    /// How many characters may still come; `None`: any number.
    pub fn characters_left(&self, place: Place) -> Option<u32> {
        let (_, max) = self.length?;
        max.map(|max| max.saturating_sub(place.count))
    }

    /// Sets of tokens that may come as the next characters, each of other kinds and lengths.
    pub fn bulks(&self, place: Place, longest: u32) -> Vec<Bulk> {
        let most = self.characters_left(place).unwrap_or(longest).min(longest);
        match self.free {
            true => vec![Bulk { kinds: PLAIN, most }],
            false => self.automaton.bulks(place.state, most),
        }
    }

    /// The place after `byte`, if it may come.
    pub fn step(&self, place: Place, byte: u8) -> Option<Moved> {
        let with = |partial| Some(Moved::On(Place { partial, ..place }, false));
        match place.partial {
            Partial::Unopened => (byte == b'"').then_some(Moved::On(
                Place {
                    partial: Partial::None,
                    ..place
                },
                false,
            )),
            Partial::None => match byte {
                b'"' if self.json => self.may_end(place).then_some(Moved::Closed),
                _ if self.characters_left(place) == Some(0) => None,
                b'\\' if self.json => {
                    let escaped = [0x22, 0x5C].into_iter().chain(0..0x20);
                    let mut codes = escaped.filter(|code| self.allows(place, *code, *code));
                    codes.next().and(with(Partial::Escape))
                }
                0..0x20 if self.json => None,
                0..0x80 => self.completed(place, u32::from(byte)),
                0xC2..0xE0 => self.begun(place, u32::from(byte) & 0x1F, 1, 0x80),
                0xE0..0xF0 => self.begun(place, u32::from(byte) & 0x0F, 2, 0x800),
                0xF0..0xF5 => self.begun(place, u32::from(byte) & 0x07, 3, 0x1_0000),
                _ => None,
            },
            Partial::Escape => {
                let code = match byte {
                    b'"' => 0x22,
                    b'\\' => 0x5C,
                    b'b' => 8,
                    b't' => 9,
                    b'n' => 10,
                    b'f' => 12,
                    b'r' => 13,
                    b'u' => {
                        let mut codes = (0..0x20).filter(|code| self.has_long_form(place, *code));
                        let code = Partial::Code {
                            digits: 0,
                            value: 0,
                        };
                        return codes.next().and(with(code));
                    }
                    _ => return None,
                };
                self.completed(place, code)
            }
            Partial::Code { digits, value } => {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    b'a'..=b'f' => byte - b'a' + 10,
                    _ => return None,
                };
                let fits = |code: u32| match digits {
                    0 | 1 => digit == 0,
                    2 => code >> 4 == u32::from(digit),
                    _ => code == u32::from(value) << 4 | u32::from(digit),
                };
                let mut codes =
                    (0..0x20).filter(|code| fits(*code) && self.has_long_form(place, *code));
                let code = codes.next()?;
                match digits {
                    3 => self.completed(place, code),
                    _ => with(Partial::Code {
                        digits: digits + 1,
                        value: digit,
                    }),
                }
            }
            Partial::Utf8 { value, left, least } => {
                if !(0x80..0xC0).contains(&byte) {
                    return None;
                }
                self.begun(place, value << 6 | u32::from(byte) & 0x3F, left - 1, least)
            }
        }
    }

    /// Some bytes of a character are there, if there is one that begins so.
    fn begun(&self, place: Place, value: u32, left: u8, least: u32) -> Option<Moved> {
        if left == 0 {
            return match value >= least {
                true => self.completed(place, value),
                false => None,
            };
        }
        let bits = 6 * u32::from(left);
        let (low, high) = (value << bits, ((value + 1) << bits) - 1);
        let low = low.max(least);
        let partial = Partial::Utf8 { value, left, least };
        (low <= high && self.allows(place, low, high))
            .then_some(Moved::On(Place { partial, ..place }, false))
    }

    fn completed(&self, place: Place, code: u32) -> Option<Moved> {
        let state = self.automaton.next(place.state, code)?;
        let count = match self.length {
            None => 0,
            // Beyond the least number nothing needs counting where there is no largest.
            Some((min, None)) => (place.count + 1).min(min),
            Some((_, Some(max))) if place.count >= max => return None,
            Some(_) => place.count + 1,
        };
        let place = Place {
            state,
            count,
            partial: Partial::None,
        };
        Some(Moved::On(place, !self.json && self.may_end(place)))
    }

    fn allows(&self, place: Place, low: u32, high: u32) -> bool {
        Automaton::has_any(&self.automaton, place.state, low, high)
    }

    /// Whether a control character may come that has no short escape.
    fn has_long_form(&self, place: Place, code: u32) -> bool {
        !matches!(code, 8 | 9 | 10 | 12 | 13) && self.allows(place, code, code)
    }
}
