//! A vocabulary in the layout of Gemma 3's, with pieces of its own.
//!
//! Marks stand at the ids that they have in Gemma 3 (transformers, models/gemma3), then come runs of newlines and spaces,
//! HTML tags, bytes, and text. Text pieces are made of syllables such that merging characters leads to them, with a piece for
//! every printable ASCII character, so that all ASCII text becomes pieces and comes back.

use crate::Problem;

/// `tokenizer.ggml.token_type`.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// Ids of the file that Google publishes for its tokenizer; `<image_soft_token>` comes behind.
const FULL: usize = 262_144;
/// Where `<start_of_image>`, `<end_of_image>` and the second stretch of `<unusedN>` begin in it.
const IMAGE_MARKS: usize = 255_999;
/// The least that holds marks, bytes and characters.
const LEAST: usize = 1024;

/// Longest run of newlines or spaces.
const LONGEST_RUN: usize = 31;
const TAGS: [&str; 24] = [
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "strong",
    "em",
    "b",
    "i",
    "u",
    "s",
    "sub",
    "sup",
    "code",
];

const SPACE: char = '\u{2581}';
const CONSONANTS: &str = "bcdfghjklmnpqrstvwxyz";
const VOWELS: &str = "aeiou";
/// Characters that have a piece, the likeliest first: ASCII, then letters of Latin, Greek, Cyrillic, Arabic, Devanagari and
/// Thai, kana, and Chinese characters.
const CHARACTERS: [(char, char); 11] = [
    (SPACE, SPACE),
    ('a', 'z'),
    ('A', 'Z'),
    ('!', '~'),
    ('\t', '\t'),
    ('\u{a1}', '\u{24f}'),
    ('\u{370}', '\u{4ff}'),
    ('\u{620}', '\u{64a}'),
    ('\u{904}', '\u{939}'),
    ('\u{e01}', '\u{e30}'),
    ('\u{3041}', '\u{9fff}'),
];

/// Pieces by id.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Vocabulary {
    /// What each id stands for.
    pub pieces: Vec<String>,
    /// Higher is merged first.
    pub scores: Vec<f32>,
    /// `tokenizer.ggml.token_type`.
    pub kinds: Vec<i32>,
}

impl Vocabulary {
    /// A vocabulary of `size` ids. From 262,144 on marks have their ids; a smaller one ends with those for images.
    pub fn new(size: u64) -> Result<Self, Problem> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if !(LEAST..=1 << 22).contains(&size) {
            let problem = format!("a vocabulary of {size}; choose {LEAST} to {}", 1 << 22);
            return Err(Problem::Arguments(problem));
        }
        let mut vocabulary = Self::default();
        let all = &mut vocabulary;
        for mark in ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]"] {
            let kind = if mark == "<unk>" { UNKNOWN } else { CONTROL };
            all.push(mark.to_owned(), kind, -1000.0);
        }
        all.unused(0..99);
        all.control("<start_of_turn>");
        all.control("<end_of_turn>");
        for length in 1..=LONGEST_RUN {
            all.push("\n".repeat(length), USER_DEFINED, -1000.0);
        }
        for length in 2..=LONGEST_RUN {
            all.push(" ".repeat(length), USER_DEFINED, -1000.0);
        }
        for tag in TAGS {
            all.push(format!("<{tag}>"), USER_DEFINED, -1000.0);
            all.push(format!("</{tag}>"), USER_DEFINED, -1000.0);
        }
        for byte in 0..=u8::MAX {
            all.push(format!("<0x{byte:02X}>"), BYTE, 0.0);
        }

        let full = size >= FULL;
        all.text(if full { IMAGE_MARKS } else { size - 3 });
        all.control("<start_of_image>");
        all.control("<end_of_image>");
        if full {
            all.unused(99..99 + (FULL - all.pieces.len()));
        }
        if all.pieces.len() < size {
            all.control("<image_soft_token>");
        }
        for id in all.pieces.len()..size {
            all.push(format!("[PAD{id}]"), UNUSED, -10_000.0);
        }
        Ok(vocabulary)
    }

    /// Adds pieces of text up to id `end`: most of several characters, one in thirteen of one, as in Gemma 3.
    fn text(&mut self, end: usize) {
        let count = end - self.pieces.len();
        let ranges = CHARACTERS
            .into_iter()
            .flat_map(|(first, last)| first..=last);
        let mut characters: Vec<char> = Vec::new();
        for character in ranges.take((count / 13).max(ascii_range())) {
            // Letters lie in the range of printable characters again.
            if !character.is_ascii() || !characters.contains(&character) {
                characters.push(character);
            }
        }
        let longer = words().take(count - characters.len());
        let pieces = longer.chain(characters.into_iter().map(String::from));
        for (rank, piece) in pieces.enumerate() {
            self.push(piece, NORMAL, -(rank as f32));
        }
    }

    fn unused(&mut self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.control(&format!("<unused{number}>"));
        }
    }

    fn control(&mut self, piece: &str) {
        self.push(piece.to_owned(), CONTROL, -1000.0);
    }

    fn push(&mut self, piece: String, kind: i32, score: f32) {
        self.pieces.push(piece);
        self.kinds.push(kind);
        self.scores.push(score);
    }
}

/// Characters of the ranges up to the last of ASCII.
fn ascii_range() -> usize {
    let ranges = CHARACTERS
        .into_iter()
        .flat_map(|(first, last)| first..=last);
    ranges.take_while(|c| c.is_ascii() || *c == SPACE).count()
}

/// Pieces of several characters, those that are merged first before those that are made of them.
fn words() -> impl Iterator<Item = String> {
    let syllables: Vec<String> = CONSONANTS
        .chars()
        .flat_map(|consonant| {
            VOWELS
                .chars()
                .map(move |vowel| format!("{consonant}{vowel}"))
        })
        .collect();
    let known = syllables.clone();
    let pairs = ('a'..='z')
        .flat_map(|one| ('a'..='z').map(move |other| format!("{one}{other}")))
        .filter(move |pair| !known.contains(pair));
    let count = syllables.len();
    let word = move |number: usize, length: u32| -> String {
        let digit = |place: u32| number / count.pow(place) % count;
        let parts = (0..length).rev().map(digit);
        parts
            .filter_map(|digit| syllables.get(digit).cloned())
            .collect()
    };
    let begin = |word: String| format!("{SPACE}{word}");
    let (one, two, three) = (word.clone(), word.clone(), word);
    let twos = two.clone();
    let first = one.clone();
    // A step that has no divisor in common with the number of words visits each of them once, in no visible order.
    const STEP: usize = 730_001;
    (0..count)
        .map(move |number| one(number, 1))
        .chain(pairs)
        .chain(
            ('a'..='z')
                .chain('A'..='Z')
                .map(move |letter| begin(letter.to_string())),
        )
        .chain((0..count * count).map(move |number| two(number, 2)))
        .chain((0..count).map(move |number| begin(first(number, 1))))
        .chain((0..count * count).map(move |number| begin(twos(number, 2))))
        .chain((0..count.pow(3)).map(move |number| begin(three(number * STEP % count.pow(3), 3))))
}
