//! Numbers and strings of an index file: LEB128 and front coding, read with every bound checked.

use crate::error::{Error, Result};

/// First bytes of an index file.
pub const MAGIC: [u8; 8] = *b"OUTPOSTT";

/// The format that is written and read.
pub const VERSION: u32 = 1;

/// Bytes before the body: magic, version, xxHash64 of the body.
pub const HEADER_BYTES: usize = 20;

/// Longest term, in bytes.
pub const MOST_TERM_BYTES: usize = 8192;

/// Most bytes that all terms of a file may have once they are unpacked.
const MOST_TEXT_BYTES: usize = 128 << 20;

/// Most bytes of text for each byte that it was packed into; those of published tables are two or three.
const MOST_UNPACKED: usize = 16;

/// What is wrong with an index file.
pub fn broken(detail: impl Into<String>) -> Error {
    Error::Index {
        detail: detail.into(),
    }
}

/// Appends a number: seven bits a byte, the lowest first.
pub fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A file while it is written. Its long streams stay where they were made: a copy of one could be the most that memory has
/// to hold.
#[derive(Debug, Default)]
pub struct Output {
    pieces: Vec<Vec<u8>>,
    /// What follows the pieces.
    small: Vec<u8>,
}

impl Output {
    /// Appends a number.
    pub fn number(&mut self, number: u64) {
        put_number(&mut self.small, number);
    }

    /// Appends a text after its length.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.small.extend_from_slice(text.as_bytes());
    }

    /// Appends bytes after their length.
    pub fn stream(&mut self, stream: Vec<u8>) {
        self.number(stream.len() as u64);
        self.pieces.push(std::mem::take(&mut self.small));
        self.pieces.push(stream);
    }

    /// Everything, in order.
    pub fn into_pieces(mut self) -> Vec<Vec<u8>> {
        self.pieces.push(self.small);
        self.pieces
    }
}

/// Reads on from where it stopped.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// From the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8> {
        let (&first, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| broken("it ends too early"))?;
        self.rest = rest;
        Ok(first)
    }

    /// A number.
    pub fn number(&mut self) -> Result<u64> {
        let mut number = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(broken("a number has too many bytes"))
    }

    /// A number that is at most `limit`.
    pub fn at_most(&mut self, limit: usize, what: &str) -> Result<usize> {
        let number = self.number()?;
        match usize::try_from(number) {
            Ok(small) if small <= limit => Ok(small),
            _ => Err(broken(format!(
                "{what} is {number}, and at most {limit} is possible"
            ))),
        }
    }

    /// So many bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| broken("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Bytes after their length.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.at_most(self.rest.len(), "a length")?;
        self.take(length)
    }

    /// A string after its length.
    pub fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| broken("a text is not UTF-8"))
    }
}

/// Strings one after the other in one block of memory.
#[derive(Debug, Default)]
pub struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The string at `index`; an empty one where there is none.
    pub fn get(&self, index: usize) -> &str {
        let end = self.ends.get(index).copied().unwrap_or_default() as usize;
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default() as usize,
            None => 0,
        };
        self.text.get(start..end).unwrap_or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Where `wanted` is, if they are sorted.
    pub fn binary_search(&self, wanted: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).cmp(wanted) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

/// Writes strings: of each, what it shares with the one before is not repeated. Lengths and letters are kept apart, which
/// compresses better.
pub fn put_strings<'a>(output: &mut Output, strings: impl Iterator<Item = &'a str> + Clone) {
    let (mut shared, mut lengths) = (Vec::new(), Vec::new());
    // What grows as it is filled is there twice for a moment, and this is the longest stream of all.
    let mut before = "";
    let all_letters = strings.clone().map(|string| {
        let same = common_prefix(before, string);
        before = string;
        string.len() - same
    });
    let mut letters = Vec::with_capacity(all_letters.sum());
    let mut before = "";
    let mut count = 0;
    for string in strings {
        let same = common_prefix(before, string);
        put_number(&mut shared, same as u64);
        put_number(&mut lengths, (string.len() - same) as u64);
        letters.extend_from_slice(&string.as_bytes()[same..]);
        before = string;
        count += 1;
    }
    output.number(count);
    for stream in [shared, lengths, letters] {
        output.stream(stream);
    }
}

/// Reads what [`put_strings`] wrote; no string is longer than `longest` bytes.
pub fn read_strings(reader: &mut Reader<'_>, longest: usize) -> Result<Strings> {
    let count = reader.number()?;
    let mut shared = Reader::new(reader.bytes()?);
    let mut lengths = Reader::new(reader.bytes()?);
    let mut letters = Reader::new(reader.bytes()?);
    let count = usize::try_from(count)
        .ok()
        .filter(|&count| count <= shared.left())
        .ok_or_else(|| broken(format!("{count} strings do not fit into it")))?;
    // No more than `most`, because the sum may be anything.
    let all = sum(shared.clone())?.saturating_add(sum(lengths.clone())?);
    let packed = shared.left() + lengths.left() + letters.left();
    let most = (MOST_UNPACKED * packed).min(MOST_TEXT_BYTES);
    let mut strings = Strings {
        text: String::with_capacity(all.min(most)),
        ends: Vec::with_capacity(count),
    };
    let mut start = 0;
    for _ in 0..count {
        let length_before = strings.text.len() - start;
        let same = shared.at_most(length_before, "a shared beginning")?;
        let length = lengths.at_most(longest - same.min(longest), "a string's length")?;
        let rest = std::str::from_utf8(letters.take(length)?)
            .map_err(|_| broken("a string is not UTF-8"))?;
        let end = start + same;
        if !strings.text.is_char_boundary(end) {
            return Err(broken("a string is cut within a character"));
        }
        if strings.text.len() + same + length > most {
            return Err(broken(format!("its texts need more than {most} bytes")));
        }
        let next = strings.text.len();
        strings.text.extend_from_within(start..end);
        strings.text.push_str(rest);
        strings.ends.push(strings.text.len() as u32);
        start = next;
    }
    Ok(strings)
}

/// The sum of the numbers of a stream.
fn sum(mut stream: Reader<'_>) -> Result<usize> {
    let mut sum = 0usize;
    while stream.left() > 0 {
        let number = usize::try_from(stream.number()?).unwrap_or(usize::MAX);
        sum = sum.saturating_add(number);
    }
    Ok(sum)
}

/// Bytes that two strings begin with, up to the border of a character.
fn common_prefix(one: &str, other: &str) -> usize {
    let same = one
        .bytes()
        .zip(other.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    (0..=same)
        .rev()
        .find(|&end| one.is_char_boundary(end) && other.is_char_boundary(end))
        .unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written<'a>(strings: impl Iterator<Item = &'a str> + Clone) -> Vec<u8> {
        let mut output = Output::default();
        put_strings(&mut output, strings);
        output.into_pieces().concat()
    }

    #[test]
    fn strings_come_back_as_they_were() {
        let strings = ["", "a", "ab", "äb", "äc", "ö", "z"];
        let bytes = written(strings.into_iter());
        let read = read_strings(&mut Reader::new(&bytes), 8).unwrap();
        assert!(read.iter().eq(strings));
        assert_eq!(read.binary_search("äc"), Ok(4));
        assert_eq!(read.binary_search("b"), Err(3));
        assert_eq!(read.get(7), "");
    }

    #[test]
    fn a_string_that_is_too_long_is_refused() {
        let bytes = written(["abcdefgh", "abcdefghi"].into_iter());
        assert!(read_strings(&mut Reader::new(&bytes), 9).is_ok());
        assert!(read_strings(&mut Reader::new(&bytes), 8).is_err());
    }

    #[test]
    fn a_small_file_does_not_fill_the_memory() {
        let strings: Vec<String> = (0..100)
            .map(|end| format!("{}{end}", "a".repeat(4000)))
            .collect();
        let bytes = written(strings.iter().map(String::as_str));
        let refused = read_strings(&mut Reader::new(&bytes), MOST_TERM_BYTES).unwrap_err();
        assert!(
            refused.to_string().contains("its texts need more than"),
            "{refused}"
        );
    }

    #[test]
    fn numbers_come_back_as_they_were() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX)] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            assert_eq!(Reader::new(&bytes).number().unwrap(), number);
        }
        assert!(Reader::new(&[0xff; 5]).number().is_err());
        assert!(Reader::new(&[0x80]).number().is_err());
    }
}
