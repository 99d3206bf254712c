//! A table of codes while it is being made into an index file.
//!
//! The body of the file, after magic, version and checksum; numbers are LEB128, `strings` are front-coded (`put_strings` in `format.rs`),
//! and a stream is bytes after their length:
//!
//! ```text
//! text     system, title, release
//! strings  codes, sorted
//! stream   of each entry: 1 where it is complete, else 0
//! stream   of each entry: its set of endings, from 1; 0 for none
//! stream   of each entry: how many terms it has; the first is its display
//! stream   of each term: its kind
//! strings  terms, in the order of their entries
//! strings  words, sorted
//! stream   of each word: how many terms hold it, and these, each as its distance from the one before
//! number   of sets of endings; of each: how many endings; of each: letter, text
//! number   of abbreviations; of each: text, and what it stands for
//! number   of links from a brand to its ingredients; of each: two entries
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use twox_hash::XxHash64;

use super::format::{MAGIC, MOST_TERM_BYTES, Output, VERSION, broken, put_number, put_strings};
use super::{shown, words};
use crate::error::Result;

/// What a term is to its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TermKind {
    /// The table's name for it.
    Display,
    /// Another name that the table has for it.
    Synonym,
    /// A brand name of it.
    Brand,
    /// What the table calls it in passing, where it is about another code.
    Mention,
}

impl TermKind {
    const ALL: [Self; 4] = [Self::Display, Self::Synonym, Self::Brand, Self::Mention];

    /// The kind that a file means by a number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// One of the names that a code has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// What it is to the code.
    pub kind: TermKind,
    /// The name.
    pub text: String,
}

/// The last character of a code, and what it says.
pub type Ending = (char, String);

/// A code with its names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The code, as the table writes it.
    pub code: String,
    /// The table's name for it.
    pub display: String,
    /// Whether it is a complete code, rather than one that heads others.
    pub complete: bool,
    /// Its other names.
    pub terms: Vec<Term>,
    /// Characters that complete it: the seventh of ICD-10-CM.
    pub endings: Vec<Ending>,
    /// Codes of its ingredients, where it is a brand.
    pub ingredients: Vec<String>,
}

/// A table of codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its FHIR address.
    pub system: String,
    /// What it is, for a person.
    pub title: String,
    /// Which release of it.
    pub release: String,
    /// Its codes.
    pub entries: Vec<Entry>,
    /// Abbreviations that it explains, and what they stand for.
    pub abbreviations: BTreeSet<(String, String)>,
}

/// Codes with their names, in the order of the codes, for an index file.
pub(super) trait Entries {
    /// How many codes.
    fn count(&self) -> usize;
    /// A code.
    fn code(&self, entry: usize) -> &str;
    /// Whether a code is complete.
    fn is_complete(&self, entry: usize) -> bool;
    /// Characters that complete a code.
    fn endings(&self, entry: usize) -> &[Ending];
    /// The names of a code, its display first.
    fn names(&self, entry: usize) -> impl Iterator<Item = (TermKind, &str)>;
    /// From brands to their ingredients, sorted.
    fn links(&self) -> Vec<(u32, u32)>;
}

/// An index file that was made.
#[derive(Debug)]
pub struct IndexFile {
    pieces: Vec<Vec<u8>>,
}

impl IndexFile {
    /// Its bytes, in pieces of any length.
    pub fn into_pieces(self) -> impl Iterator<Item = Vec<u8>> {
        self.pieces.into_iter()
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.pieces.concat()
    }
}

impl Table {
    /// The index file.
    ///
    /// # Errors
    ///
    /// Where a code stands twice, or has no name.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.to_file().map(IndexFile::into_bytes)
    }

    /// The index file, whose bytes have not been brought together.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes).
    pub fn to_file(&self) -> Result<IndexFile> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by(|one, other| one.code.cmp(&other.code));
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].code == pair[1].code) {
            return Err(broken(format!(
                "code `{}` stands twice",
                shown(&pair[0].code)
            )));
        }
        let about = [&self.system, &self.title, &self.release].map(String::as_str);
        write(about, &entries.as_slice(), &self.abbreviations)
    }
}

impl Entries for &[&Entry] {
    fn count(&self) -> usize {
        self.len()
    }

    fn code(&self, entry: usize) -> &str {
        self.get(entry).map_or("", |entry| &entry.code)
    }

    fn is_complete(&self, entry: usize) -> bool {
        self.get(entry).is_some_and(|entry| entry.complete)
    }

    fn endings(&self, entry: usize) -> &[Ending] {
        self.get(entry).map_or(&[], |entry| &entry.endings)
    }

    fn names(&self, entry: usize) -> impl Iterator<Item = (TermKind, &str)> {
        let entry = self.get(entry);
        let display = entry.map(|entry| (TermKind::Display, entry.display.as_str()));
        let terms = entry.map_or(&[][..], |entry| &entry.terms);
        display
            .into_iter()
            .chain(terms.iter().map(|term| (term.kind, term.text.as_str())))
    }

    fn links(&self) -> Vec<(u32, u32)> {
        let place = |code: &String| self.binary_search_by(|entry| entry.code.cmp(code)).ok();
        let of = |(from, entry): (usize, &&Entry)| {
            let to = entry.ingredients.iter().filter_map(place);
            to.map(|to| (from as u32, to as u32)).collect::<Vec<_>>()
        };
        self.iter().enumerate().flat_map(of).collect()
    }
}

/// Writes an index file. about: system, title and release.
pub(super) fn write(
    about: [&str; 3],
    entries: &impl Entries,
    abbreviations: &BTreeSet<(String, String)>,
) -> Result<IndexFile> {
    let all = || 0..entries.count();
    let mut terms: Vec<(TermKind, &str)> = Vec::with_capacity(entries.count());
    let mut counts = Vec::new();
    for entry in all() {
        let before = terms.len();
        put_terms(entries, entry, &mut terms)?;
        put_number(&mut counts, (terms.len() - before) as u64);
    }
    let mut output = Output::default();
    for text in about {
        output.text(text);
    }
    put_strings(&mut output, all().map(|entry| entries.code(entry)));
    output.stream(
        all()
            .map(|entry| u8::from(entries.is_complete(entry)))
            .collect(),
    );
    let sets: BTreeSet<&[Ending]> = all()
        .map(|entry| entries.endings(entry))
        .filter(|set| !set.is_empty())
        .collect();
    let sets: Vec<&[Ending]> = sets.into_iter().collect();
    let mut numbers = Vec::new();
    for entry in all() {
        let found = sets.binary_search(&entries.endings(entry));
        put_number(&mut numbers, found.map_or(0, |at| at as u64 + 1));
    }
    output.stream(numbers);
    output.stream(counts);
    output.stream(terms.iter().map(|(kind, _)| *kind as u8).collect());
    put_strings(&mut output, terms.iter().map(|(_, text)| *text));
    put_words(&mut output, terms.iter().map(|(_, text)| *text));
    drop(terms);
    output.number(sets.len() as u64);
    for set in sets {
        output.number(set.len() as u64);
        for (letter, text) in set {
            output.number(u64::from(u32::from(*letter)));
            output.text(text);
        }
    }
    output.number(abbreviations.len() as u64);
    for (short, long) in abbreviations {
        output.text(short);
        output.text(long);
    }
    let links = entries.links();
    output.number(links.len() as u64);
    for (from, to) in links {
        output.number(u64::from(from));
        output.number(u64::from(to));
    }
    Ok(sealed(output))
}

/// The file with this body.
fn sealed(body: Output) -> IndexFile {
    let mut pieces = body.into_pieces();
    let mut hasher = XxHash64::with_seed(0);
    for piece in &pieces {
        hasher.write(piece);
    }
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&hasher.finish().to_le_bytes());
    pieces.insert(0, header);
    IndexFile { pieces }
}

/// xxHash64 with the seed 0.
pub(super) fn checksum(body: &[u8]) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(body);
    hasher.finish()
}

/// Appends the names of a code: display first, then each other one once.
fn put_terms<'a>(
    entries: &'a impl Entries,
    entry: usize,
    terms: &mut Vec<(TermKind, &'a str)>,
) -> Result<()> {
    let code = || shown(entries.code(entry));
    let mut seen = BTreeSet::new();
    let first = terms.len();
    for (kind, text) in entries.names(entry) {
        let normal = words::words(text);
        let is_display = kind == TermKind::Display;
        if is_display && (normal.is_empty() || entries.code(entry).is_empty()) {
            return Err(broken(format!("code `{}` has no name", code())));
        }
        if is_display && text.len() > MOST_TERM_BYTES {
            return Err(broken(format!(
                "the name of code `{}` is longer than {MOST_TERM_BYTES} bytes",
                code()
            )));
        }
        let wanted = is_display
            || (text.len() <= MOST_TERM_BYTES && !normal.is_empty() && !seen.contains(&normal));
        if wanted {
            seen.insert(normal);
            terms.push((kind, text));
        }
    }
    if let Some(others) = terms.get_mut(first + 1..) {
        others.sort_unstable();
    }
    Ok(())
}

/// The words of all terms, and in which terms each is.
fn put_words<'a>(output: &mut Output, terms: impl Iterator<Item = &'a str>) {
    let mut holders: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (index, term) in terms.enumerate() {
        words::each(term, |word| {
            let index = index as u32;
            match holders.get_mut(word) {
                Some(list) if list.last() == Some(&index) => {}
                Some(list) => list.push(index),
                None => {
                    holders.insert(word.to_owned(), vec![index]);
                }
            }
        });
    }
    put_strings(output, holders.keys().map(String::as_str));
    let mut stream = Vec::new();
    for (_, list) in holders {
        put_number(&mut stream, list.len() as u64);
        let mut before = 0;
        for index in list {
            put_number(&mut stream, u64::from(index - before));
            before = index;
        }
    }
    output.stream(stream);
}
