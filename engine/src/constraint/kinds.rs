//! Kinds of characters: what a pattern says of a whole kind holds for all tokens that are made of it.

use super::regex::Range;

/// A set of kinds, one bit each.
pub type Kinds = u16;

/// What needs an escape in a JSON string, and bytes that are no character.
pub const SPECIAL: Kinds = 1 << 15;

/// All others.
pub const PLAIN: Kinds = SPECIAL - 1;

/// The characters of each kind, in order.
const KINDS: [&[Range]; 15] = [
    &[(0x61, 0x7A)],
    &[(0x41, 0x5A)],
    &[(0x30, 0x39)],
    &[(0x20, 0x20)],
    &[(0x2D, 0x2D)],
    &[(0x2E, 0x2E)],
    &[(0x2C, 0x2C)],
    &[(0x27, 0x27)],
    &[(0x28, 0x29)],
    &[(0x2F, 0x2F)],
    &[(0x3A, 0x3A)],
    &[
        (0x21, 0x21),
        (0x23, 0x26),
        (0x2A, 0x2B),
        (0x3B, 0x40),
        (0x5B, 0x5B),
        (0x5D, 0x60),
        (0x7B, 0x7F),
    ],
    // White space by some definition.
    &[
        (0x85, 0x85),
        (0xA0, 0xA0),
        (0x1680, 0x1680),
        (0x2000, 0x200A),
        (0x2028, 0x2029),
        (0x202F, 0x202F),
        (0x205F, 0x205F),
        (0x3000, 0x3000),
        (0xFEFF, 0xFEFF),
    ],
    // Latin letters and signs.
    &[(0x80, 0x84), (0x86, 0x9F), (0xA1, 0x24F)],
    &[
        (0x250, 0x167F),
        (0x1681, 0x1FFF),
        (0x200B, 0x2027),
        (0x202A, 0x202E),
        (0x2030, 0x205E),
        (0x2060, 0x2FFF),
        (0x3001, 0xD7FF),
        (0xE000, 0xFEFE),
        (0xFF00, 0x10_FFFF),
    ],
];

/// The kinds with their characters.
pub fn all() -> impl Iterator<Item = (Kinds, &'static [Range])> {
    KINDS
        .iter()
        .enumerate()
        .map(|(bit, ranges)| (1 << bit, *ranges))
}

/// The kinds of a token's characters, and how many there are.
pub fn of(token: &[u8]) -> (Kinds, usize) {
    let Ok(text) = std::str::from_utf8(token) else {
        return (SPECIAL, token.len());
    };
    let kinds = text
        .chars()
        .map(|letter| of_range((letter.into(), letter.into())));
    let special = text.contains(|letter: char| letter < ' ' || matches!(letter, '"' | '\\'));
    let kinds = kinds.fold(0, |kinds, kind| kinds | kind);
    (
        kinds | if special { SPECIAL } else { 0 },
        text.chars().count(),
    )
}

/// The kinds of which a range has at least one character.
pub fn of_range((low, high): Range) -> Kinds {
    let touches = |ranges: &[Range]| {
        let place = ranges.partition_point(|(_, end)| *end < low);
        ranges.get(place).is_some_and(|(start, _)| *start <= high)
    };
    let found = all().filter(|(_, ranges)| touches(ranges));
    found.fold(0, |kinds, (kind, _)| kinds | kind)
}
