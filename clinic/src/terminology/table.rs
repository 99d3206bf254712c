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

use super::format::{MAGIC, MOST_TERM_BYTES, VERSION, broken, put_bytes, put_number, put_strings};
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

impl Table {
    /// The index file.
    ///
    /// # Errors
    ///
    /// Where a code stands twice, or has no name.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by(|one, other| one.code.cmp(&other.code));
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].code == pair[1].code) {
            return Err(broken(format!(
                "code `{}` stands twice",
                shown(&pair[0].code)
            )));
        }
        let terms: Vec<Vec<(TermKind, &str)>> = entries
            .iter()
            .map(|entry| terms_of(entry))
            .collect::<Result<_>>()?;
        let mut body = Vec::new();
        for text in [&self.system, &self.title, &self.release] {
            put_bytes(&mut body, text.as_bytes());
        }
        put_strings(&mut body, entries.iter().map(|entry| entry.code.as_str()));
        let complete: Vec<u8> = entries
            .iter()
            .map(|entry| u8::from(entry.complete))
            .collect();
        put_bytes(&mut body, &complete);
        let sets: BTreeSet<&[Ending]> = entries
            .iter()
            .map(|entry| entry.endings.as_slice())
            .filter(|set| !set.is_empty())
            .collect();
        let sets: Vec<&[Ending]> = sets.into_iter().collect();
        put_numbers(
            &mut body,
            entries.iter().map(|entry| {
                sets.binary_search(&entry.endings.as_slice())
                    .map_or(0, |at| at + 1)
            }),
        );
        put_numbers(&mut body, terms.iter().map(Vec::len));
        let kinds: Vec<u8> = terms
            .iter()
            .flatten()
            .map(|(kind, _)| *kind as u8)
            .collect();
        put_bytes(&mut body, &kinds);
        put_strings(&mut body, terms.iter().flatten().map(|(_, text)| *text));
        put_words(&mut body, terms.iter().flatten().map(|(_, text)| *text));
        put_number(&mut body, sets.len() as u64);
        for set in sets {
            put_number(&mut body, set.len() as u64);
            for (letter, text) in set {
                put_number(&mut body, u64::from(u32::from(*letter)));
                put_bytes(&mut body, text.as_bytes());
            }
        }
        put_number(&mut body, self.abbreviations.len() as u64);
        for (short, long) in &self.abbreviations {
            put_bytes(&mut body, short.as_bytes());
            put_bytes(&mut body, long.as_bytes());
        }
        put_links(&mut body, &entries);

        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&checksum(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }
}

/// xxHash64 with the seed 0.
pub(super) fn checksum(body: &[u8]) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(body);
    hasher.finish()
}

/// Display first, then each other name once.
fn terms_of(entry: &Entry) -> Result<Vec<(TermKind, &str)>> {
    if words::words(&entry.display).is_empty() || entry.code.is_empty() {
        return Err(broken(format!("code `{}` has no name", shown(&entry.code))));
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let own = entry
        .terms
        .iter()
        .map(|term| (term.kind, term.text.as_str()));
    for (kind, text) in std::iter::once((TermKind::Display, entry.display.as_str())).chain(own) {
        let normal = words::words(text);
        let wanted = kind == TermKind::Display
            || (text.len() <= MOST_TERM_BYTES && !normal.is_empty() && !seen.contains(&normal));
        if wanted {
            seen.insert(normal);
            found.push((kind, text));
        }
    }
    if entry.display.len() > MOST_TERM_BYTES {
        return Err(broken(format!(
            "the name of code `{}` is longer than {MOST_TERM_BYTES} bytes",
            shown(&entry.code)
        )));
    }
    found[1..].sort();
    Ok(found)
}

fn put_numbers(body: &mut Vec<u8>, numbers: impl Iterator<Item = usize>) {
    let mut stream = Vec::new();
    for number in numbers {
        put_number(&mut stream, number as u64);
    }
    put_bytes(body, &stream);
}

/// The words of all terms, and in which terms each is.
fn put_words<'a>(body: &mut Vec<u8>, terms: impl Iterator<Item = &'a str>) {
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
    put_strings(body, holders.keys().map(String::as_str));
    let mut stream = Vec::new();
    for list in holders.values() {
        put_number(&mut stream, list.len() as u64);
        let mut before = 0;
        for &index in list {
            put_number(&mut stream, u64::from(index - before));
            before = index;
        }
    }
    put_bytes(body, &stream);
}

fn put_links(body: &mut Vec<u8>, entries: &[&Entry]) {
    let place = |code: &str| entries.binary_search_by(|entry| entry.code.as_str().cmp(code));
    let links: Vec<(usize, usize)> = entries
        .iter()
        .enumerate()
        .flat_map(|(from, entry)| {
            let to = entry.ingredients.iter().filter_map(|code| place(code).ok());
            to.map(move |to| (from, to))
        })
        .collect();
    put_number(body, links.len() as u64);
    for (from, to) in links {
        put_number(body, from as u64);
        put_number(body, to as u64);
    }
}
