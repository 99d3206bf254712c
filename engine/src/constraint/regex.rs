//! Regular expressions as JSON Schema writes them (ECMA-262), as far as an automaton can follow them.
//!
//! Left out, and refused: lookaround, word boundaries, back references, properties (`\p`), and anchors that are not at the
//! beginning or end of an alternative.

use super::limits::{MAX_COUNT, MAX_SOURCE_DEPTH};
use crate::error::{Error, Result, shown};

/// Characters from one code point to another, both included.
pub type Range = (u32, u32);

/// All characters: Unicode scalar values.
pub const ALL: [Range; 2] = [(0, 0xD7FF), (0xE000, 0x10_FFFF)];

/// What ends a line, which `.` leaves out.
const LINE_ENDS: [Range; 3] = [(10, 10), (13, 13), (0x2028, 0x2029)];

/// What all of ECMA-262, Unicode and Rust call white space.
const SPACES: [Range; 8] = [
    (9, 13),
    (0x20, 0x20),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
];

/// What only some of them do.
const DISPUTED_SPACES: [Range; 3] = [(0x85, 0x85), (0x3000, 0x3000), (0xFEFF, 0xFEFF)];

const DIGITS: [Range; 1] = [(0x30, 0x39)];
const WORD: [Range; 4] = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];

/// A regular expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Regex {
    /// One of these characters.
    Class(Vec<Range>),
    /// One after another.
    Concat(Vec<Regex>),
    /// One of them.
    Either(Vec<Regex>),
    /// That many times; without an end if there is no second number.
    Repeat(Box<Regex>, u32, Option<u32>),
    /// `^`
    Start,
    /// `$`
    End,
}

impl Regex {
    /// What matches exactly these characters.
    pub fn literal(text: &str) -> Self {
        let one = |c: char| Self::Class(vec![(u32::from(c), u32::from(c))]);
        Self::Concat(text.chars().map(one).collect())
    }

    /// Reads a pattern that is to be found anywhere in a text, as `pattern` of JSON Schema is.
    ///
    /// # Errors
    /// [`Error::Request`] for what is no regular expression or not supported.
    pub fn anywhere(pattern: &str) -> Result<Self> {
        let regex = parse(pattern)?;
        let alternatives = match regex {
            Self::Either(alternatives) => alternatives,
            other => vec![other],
        };
        let anchored = alternatives.into_iter().map(|one| anchored(one, pattern));
        Ok(Self::Either(anchored.collect::<Result<_>>()?))
    }

    /// Reads a pattern that is to match a whole text.
    ///
    /// # Errors
    /// As [`Self::anywhere`].
    pub fn whole(pattern: &str) -> Result<Self> {
        let regex = parse(pattern)?;
        match regex.has_anchor() {
            true => Err(unsupported(pattern, "an anchor")),
            false => Ok(regex),
        }
    }

    fn has_anchor(&self) -> bool {
        match self {
            Self::Start | Self::End => true,
            Self::Class(_) => false,
            Self::Concat(parts) | Self::Either(parts) => parts.iter().any(Self::has_anchor),
            Self::Repeat(part, ..) => part.has_anchor(),
        }
    }
}

/// Puts anything before and after where there is no anchor.
fn anchored(regex: Regex, pattern: &str) -> Result<Regex> {
    let mut parts = match regex {
        Regex::Concat(parts) => parts,
        other => vec![other],
    };
    // `^(...)$` within one group says the same as without the group.
    if let [Regex::Either(_)] = parts.as_slice()
        && let Some(Regex::Either(alternatives)) = parts.pop()
    {
        let inner = alternatives.into_iter().map(|one| anchored(one, pattern));
        return Ok(Regex::Either(inner.collect::<Result<_>>()?));
    }
    let anything = || Regex::Repeat(Box::new(Regex::Class(ALL.to_vec())), 0, None);
    match parts.first() {
        Some(Regex::Start) => drop(parts.remove(0)),
        _ => parts.insert(0, anything()),
    }
    match parts.last() {
        Some(Regex::End) => drop(parts.pop()),
        _ => parts.push(anything()),
    }
    let regex = Regex::Concat(parts);
    match regex.has_anchor() {
        true => Err(unsupported(pattern, "an anchor within it")),
        false => Ok(regex),
    }
}

fn parse(pattern: &str) -> Result<Regex> {
    let mut parser = Parser {
        pattern,
        letters: pattern.chars().collect(),
        at: 0,
        depth: 0,
    };
    let regex = parser.alternatives()?;
    match parser.at == parser.letters.len() {
        true => Ok(regex),
        false => Err(parser.malformed("a `)` has no beginning")),
    }
}

struct Parser<'a> {
    pattern: &'a str,
    letters: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek();
        self.at += usize::from(letter.is_some());
        letter
    }

    fn takes(&mut self, text: &str) -> bool {
        let found = self.letters.get(self.at..).unwrap_or_default().iter();
        let same = found.take(text.chars().count()).copied().eq(text.chars());
        if same {
            self.at += text.chars().count();
        }
        same
    }

    fn malformed(&self, detail: &str) -> Error {
        Error::Request {
            problem: format!(
                "the pattern `{}` cannot be read: {detail}",
                shown(self.pattern)
            ),
            remedy: "correct it".to_owned(),
        }
    }

    fn unsupported(&self, what: &str) -> Error {
        unsupported(self.pattern, what)
    }

    fn alternatives(&mut self) -> Result<Regex> {
        self.depth += 1;
        if self.depth > MAX_SOURCE_DEPTH {
            return Err(self.unsupported("groups that lie so deep"));
        }
        let mut alternatives = vec![self.sequence()?];
        while self.takes("|") {
            alternatives.push(self.sequence()?);
        }
        self.depth -= 1;
        match alternatives.len() {
            1 => Ok(alternatives.remove(0)),
            _ => Ok(Regex::Either(alternatives)),
        }
    }

    fn sequence(&mut self) -> Result<Regex> {
        let mut parts = Vec::new();
        while let Some(letter) = self.peek() {
            if matches!(letter, '|' | ')') {
                break;
            }
            let atom = self.atom()?;
            parts.push(self.quantified(atom)?);
        }
        Ok(Regex::Concat(parts))
    }

    fn atom(&mut self) -> Result<Regex> {
        match self.next() {
            Some('^') => Ok(Regex::Start),
            Some('$') => Ok(Regex::End),
            Some('.') => Ok(Regex::Class(without(&ALL, &LINE_ENDS))),
            Some('[') => self.class().map(Regex::Class),
            Some('(') => self.group(),
            Some('\\') => self.escape(false).map(Regex::Class),
            Some('*' | '+' | '?') => Err(self.malformed("a quantifier follows nothing")),
            Some(letter) => Ok(Regex::Class(single(letter))),
            None => Err(self.malformed("it ends too early")),
        }
    }

    fn group(&mut self) -> Result<Regex> {
        if self.takes("?<") {
            if matches!(self.peek(), Some('=' | '!')) {
                return Err(self.unsupported("lookbehind"));
            }
            while self
                .next()
                .ok_or_else(|| self.malformed("a group's name does not end"))?
                != '>'
            {}
        } else if self.takes("?") && !self.takes(":") {
            return Err(self.unsupported("lookahead or a group's flags"));
        }
        let inner = self.alternatives()?;
        match self.takes(")") {
            true => Ok(inner),
            false => Err(self.malformed("a group does not end")),
        }
    }

    fn quantified(&mut self, atom: Regex) -> Result<Regex> {
        let start = self.at;
        let (min, max) = match self.next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match self.counts()? {
                Some(counts) => counts,
                // ECMA-262's annex B: a brace that counts nothing is a character.
                None => {
                    self.at = start;
                    return Ok(atom);
                }
            },
            _ => {
                self.at = start;
                return Ok(atom);
            }
        };
        // Lazy or not: which texts match is the same.
        self.takes("?");
        if matches!(atom, Regex::Start | Regex::End) {
            return Err(self.unsupported("an anchor that is repeated"));
        }
        if max.is_some_and(|max| max < min) {
            return Err(self.malformed("a repetition ends before it begins"));
        }
        if matches!(self.peek(), Some('*' | '+' | '?')) {
            return Err(self.malformed("one quantifier follows another"));
        }
        Ok(Regex::Repeat(Box::new(atom), min, max))
    }

    /// After `{`: `n}`, `n,}` or `n,m}`.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>> {
        let Some(min) = self.count()? else {
            return Ok(None);
        };
        if self.takes("}") {
            return Ok(Some((min, Some(min))));
        }
        if !self.takes(",") {
            return Ok(None);
        }
        let max = self.count()?;
        Ok(self.takes("}").then_some((min, max)))
    }

    fn count(&mut self) -> Result<Option<u32>> {
        let mut count = None;
        while let Some(digit) = self.peek().and_then(|letter| letter.to_digit(10)) {
            self.at += 1;
            let value = u64::from(count.unwrap_or(0)) * 10 + u64::from(digit);
            super::limits::within("a repetition in a pattern", value, MAX_COUNT)?;
            count = Some(value as u32);
        }
        Ok(count)
    }

    /// After `\`. Within a class `\b` is a backspace.
    fn escape(&mut self, in_class: bool) -> Result<Vec<Range>> {
        let letter = self
            .next()
            .ok_or_else(|| self.malformed("it ends with `\\`"))?;
        Ok(match letter {
            'd' => DIGITS.to_vec(),
            'D' => without(&ALL, &DIGITS),
            'w' => WORD.to_vec(),
            'W' => without(&ALL, &WORD),
            's' => SPACES.to_vec(),
            'S' => without(&without(&ALL, &SPACES), &DISPUTED_SPACES),
            't' => single('\t'),
            'n' => single('\n'),
            'v' => single('\u{b}'),
            'f' => single('\u{c}'),
            'r' => single('\r'),
            '0' => single('\0'),
            'b' if in_class => single('\u{8}'),
            'x' => self.code(2)?,
            'u' if self.takes("{") => {
                let mut digits = String::new();
                loop {
                    match self.next() {
                        Some('}') => break,
                        Some(digit) if digits.len() < 6 => digits.push(digit),
                        _ => return Err(self.malformed("`\\u{` does not end")),
                    }
                }
                self.character(&digits)?
            }
            'u' => self.code(4)?,
            'b' | 'B' => return Err(self.unsupported("a word boundary")),
            'p' | 'P' => return Err(self.unsupported("a property of characters (`\\p`)")),
            '1'..='9' | 'k' => return Err(self.unsupported("a back reference")),
            'c' => return Err(self.unsupported("a control letter (`\\c`)")),
            letter if letter.is_ascii_alphanumeric() => {
                return Err(self.malformed(&format!("`\\{letter}` means nothing")));
            }
            letter => single(letter),
        })
    }

    fn code(&mut self, digits: usize) -> Result<Vec<Range>> {
        let text: String = (0..digits).filter_map(|_| self.next()).collect();
        match text.chars().count() == digits {
            true => self.character(&text),
            false => Err(self.malformed("a code point is cut off")),
        }
    }

    fn character(&self, digits: &str) -> Result<Vec<Range>> {
        let code = u32::from_str_radix(digits, 16)
            .ok()
            .and_then(char::from_u32);
        let letter = code.ok_or_else(|| {
            self.malformed(&format!("`{}` is no character's code point", shown(digits)))
        })?;
        Ok(single(letter))
    }

    /// After `[`.
    fn class(&mut self) -> Result<Vec<Range>> {
        let negated = self.takes("^");
        let mut ranges: Vec<Range> = Vec::new();
        loop {
            if self.takes("]") {
                break;
            }
            let low = self.class_part()?;
            let range = self.peek() == Some('-')
                && !matches!(self.letters.get(self.at + 1), Some(']') | None);
            if !range {
                ranges.extend(low);
                continue;
            }
            self.at += 1;
            let high = self.class_part()?;
            match (low.as_slice(), high.as_slice()) {
                ([(low, low_end)], [(high, high_end)]) if low == low_end && high == high_end => {
                    if low > high {
                        return Err(self.malformed("a range ends before it begins"));
                    }
                    ranges.push((*low, *high));
                }
                _ => return Err(self.malformed("a range begins or ends with a class")),
            }
        }
        let ranges = match negated {
            true => without(&ALL, &ranges),
            // Cuts out what is no character.
            false => without(&ALL, &without(&ALL, &ranges)),
        };
        match ranges.is_empty() {
            true => Err(self.malformed("a class has no characters")),
            false => Ok(ranges),
        }
    }

    fn class_part(&mut self) -> Result<Vec<Range>> {
        match self.next() {
            Some('\\') => self.escape(true),
            Some(letter) => Ok(single(letter)),
            None => Err(self.malformed("a class does not end")),
        }
    }
}

fn single(letter: char) -> Vec<Range> {
    vec![(u32::from(letter), u32::from(letter))]
}

/// What of `ranges`, which are in order, is not in `other`; in order.
pub fn without(ranges: &[Range], other: &[Range]) -> Vec<Range> {
    let mut cut = other.to_vec();
    cut.sort_unstable();
    let mut left = Vec::new();
    for &(low, high) in ranges {
        let mut start = low;
        for &(cut_low, cut_high) in &cut {
            if cut_high < start || cut_low > high {
                continue;
            }
            if cut_low > start {
                left.push((start, cut_low - 1));
            }
            start = cut_high + 1;
        }
        if start <= high {
            left.push((start, high));
        }
    }
    left
}

fn unsupported(pattern: &str, what: &str) -> Error {
    Error::Request {
        problem: format!(
            "the pattern `{}` has {what}, which cannot be followed while an answer is written",
            shown(pattern)
        ),
        remedy: "write it without".to_owned(),
    }
}
