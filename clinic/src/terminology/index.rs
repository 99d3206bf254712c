//! An index file, read: what it holds lies in a few flat blocks of memory, whatever the number of its codes.
//!
//! The file may come from anywhere, so every number in it is compared with what it can be. Words go into an FST here rather
//! than in the file, because one from outside could be built to lead nowhere.

use fst::{Map, MapBuilder};

use super::format::{
    HEADER_BYTES, MAGIC, MOST_TERM_BYTES, Reader, Strings, VERSION, broken, read_strings,
};
use super::table::{Ending, TermKind, checksum};
use super::words::{self, MOST_WORD_BYTES};
use crate::error::Result;
use crate::record::Coding;

/// Longest code, in bytes.
const MOST_CODE_BYTES: usize = 128;

/// Most abbreviations, endings of a code, or sets of these.
const MOST_SMALL: usize = 1 << 16;

/// A table of codes that can be searched.
#[derive(Debug)]
pub struct Index {
    pub(super) system: String,
    pub(super) title: String,
    pub(super) release: String,
    pub(super) codes: Strings,
    /// [entries]: 1 where the code is complete.
    pub(super) complete: Vec<u8>,
    /// [entries]: set of endings, from 1; 0 for none.
    pub(super) ending_set: Vec<u32>,
    /// [entries + 1]: first term of each.
    pub(super) first_term: Vec<u32>,
    /// [terms]
    pub(super) kinds: Vec<TermKind>,
    /// [terms]
    pub(super) terms: Strings,
    /// [terms]
    pub(super) entry_of: Vec<u32>,
    /// Word to its number.
    pub(super) words: Map<Vec<u8>>,
    /// [words + 1]: where the terms of each begin in `holders`.
    pub(super) first_holder: Vec<u32>,
    /// Terms that hold a word, word by word.
    pub(super) holders: Vec<u32>,
    /// [words]: how much a word counts.
    pub(super) weights: Vec<f32>,
    /// [terms]: sum of the weights of its words.
    pub(super) term_weights: Vec<f32>,
    pub(super) endings: Vec<Vec<Ending>>,
    /// Sorted; the words of what each stands for.
    pub(super) abbreviations: Vec<(String, Vec<String>)>,
    /// Brand and ingredient, sorted.
    pub(super) links: Vec<(u32, u32)>,
}

impl Index {
    /// Reads an index file.
    ///
    /// # Errors
    ///
    /// Where the file is of another kind or version, was changed or contradicts itself.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let body = body_of(bytes)?;
        let mut reader = Reader::new(body);
        let [system, title, release] =
            [reader.text()?, reader.text()?, reader.text()?].map(str::to_owned);
        let codes = read_strings(&mut reader, MOST_CODE_BYTES)?;
        let entries = codes.len();
        let sorted = (1..entries).all(|index| codes.get(index - 1) < codes.get(index));
        if !sorted || (entries > 0 && codes.get(0).is_empty()) {
            return Err(broken("its codes are not in order"));
        }
        let complete = of_each(reader.bytes()?, entries)?.to_vec();
        let mut sets = Reader::new(reader.bytes()?);
        let ending_set = (0..entries)
            .map(|_| {
                sets.at_most(MOST_SMALL, "a set of endings")
                    .map(|set| set as u32)
            })
            .collect::<Result<Vec<u32>>>()?;
        let mut counts = Reader::new(reader.bytes()?);
        let kinds = reader
            .bytes()?
            .iter()
            .map(|&kind| TermKind::from_number(kind).ok_or_else(|| broken("a term has no kind")))
            .collect::<Result<Vec<_>>>()?;
        let terms = read_strings(&mut reader, MOST_TERM_BYTES)?;
        if terms.len() != kinds.len() {
            return Err(broken("some terms have no kind"));
        }
        let (first_term, entry_of) = owners(&mut counts, entries, terms.len())?;
        let (words, word_count) = read_words(&mut reader)?;
        let mut stream = Reader::new(reader.bytes()?);
        let holders = Holders::read(&mut stream, word_count, terms.len())?;
        let (weights, term_weights) = holders.weigh(&words, terms.len());
        let endings = read_endings(&mut reader)?;
        if ending_set.iter().any(|&set| set as usize > endings.len()) {
            return Err(broken("a code names endings that are not there"));
        }
        let abbreviations = read_abbreviations(&mut reader)?;
        let links = read_links(&mut reader, entries)?;
        if reader.left() > 0 {
            return Err(broken(format!("{} bytes follow its end", reader.left())));
        }
        Ok(Self {
            system,
            title,
            release,
            codes,
            complete,
            ending_set,
            first_term,
            kinds,
            terms,
            entry_of,
            words,
            first_holder: holders.first,
            holders: holders.terms,
            weights,
            term_weights,
            endings,
            abbreviations,
            links,
        })
    }

    /// The table's FHIR address.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// What the table is, for a person.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Which release of the table.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// How many codes it has, and how many of them are complete.
    pub fn counts(&self) -> (usize, usize) {
        (0..self.codes.len()).fold((0, 0), |(all, complete), entry| {
            let endings = self.endings_of(entry).len();
            (
                all + 1 + endings,
                complete + endings + usize::from(self.is_complete(entry)),
            )
        })
    }

    /// What a code means; `None` where the table has no such code. A dot may be left out.
    pub fn lookup(&self, code: &str) -> Option<Coding> {
        self.find(code)
            .map(|(entry, ending)| self.coding(entry, ending))
    }

    /// Whether a code is in the table, and complete.
    pub fn is_complete_code(&self, code: &str) -> bool {
        self.find(code)
            .is_some_and(|(entry, ending)| ending.is_some() || self.is_complete(entry))
    }

    /// Every code, with whether it is complete.
    pub fn codes(&self) -> impl Iterator<Item = (String, bool)> {
        (0..self.codes.len()).flat_map(move |entry| {
            let endings = self.endings_of(entry).iter();
            let ended = endings.map(move |ending| (self.ended(entry, ending.0), true));
            std::iter::once((self.codes.get(entry).to_owned(), self.is_complete(entry)))
                .chain(ended)
        })
    }

    /// The ingredients of a brand; none where it is none, or the table does not say.
    pub fn ingredients(&self, code: &str) -> Vec<Coding> {
        let Ok(brand) = self.codes.binary_search(code) else {
            return Vec::new();
        };
        self.links_of(brand as u32)
            .iter()
            .map(|link| self.coding(link.1 as usize, None))
            .collect()
    }

    /// Links from a brand to its ingredients.
    pub(super) fn links_of(&self, brand: u32) -> &[(u32, u32)] {
        let begin = self.links.partition_point(|link| link.0 < brand);
        let end = self.links.partition_point(|link| link.0 <= brand);
        self.links.get(begin..end).unwrap_or_default()
    }

    pub(super) fn is_complete(&self, entry: usize) -> bool {
        self.complete.get(entry).is_some_and(|&flag| flag == 1)
    }

    /// Characters that complete a code.
    pub(super) fn endings_of(&self, entry: usize) -> &[Ending] {
        let set = self.ending_set.get(entry).copied().unwrap_or_default() as usize;
        set.checked_sub(1)
            .and_then(|set| self.endings.get(set))
            .map_or(&[], Vec::as_slice)
    }

    /// The coding of an entry, with one of its endings.
    pub(super) fn coding(&self, entry: usize, ending: Option<&Ending>) -> Coding {
        let first = self.first_term.get(entry).copied().unwrap_or_default();
        let display = self.terms.get(first as usize);
        Coding {
            system: self.system.clone(),
            code: match ending {
                Some((letter, _)) => self.ended(entry, *letter),
                None => self.codes.get(entry).to_owned(),
            },
            display: match ending {
                Some((_, text)) => format!("{display}, {text}"),
                None => display.to_owned(),
            },
            version: Some(self.release.clone()).filter(|release| !release.is_empty()),
        }
    }

    /// A code with its seventh character; places that it leaves open are an X.
    fn ended(&self, entry: usize, letter: char) -> String {
        let code = self.codes.get(entry);
        let given = code.chars().filter(|character| *character != '.').count();
        let dot = if code.contains('.') || given > 3 {
            ""
        } else {
            "."
        };
        format!(
            "{code}{dot}{}{letter}",
            "X".repeat(6usize.saturating_sub(given))
        )
    }

    fn find(&self, code: &str) -> Option<(usize, Option<&Ending>)> {
        let code = code.trim();
        self.find_exactly(code)
            .or_else(|| self.find_exactly(&code.to_ascii_uppercase()))
            .or_else(|| {
                let (head, rest) = code.split_at_checked(3)?;
                let dotted = format!("{head}.{rest}").to_ascii_uppercase();
                self.find_exactly(&dotted)
            })
    }

    fn find_exactly(&self, code: &str) -> Option<(usize, Option<&Ending>)> {
        if let Ok(entry) = self.codes.binary_search(code) {
            return Some((entry, None));
        }
        let last = code.chars().next_back()?;
        let mut base = code.strip_suffix(last)?;
        loop {
            if let Ok(entry) = self.codes.binary_search(base) {
                let endings = self.endings_of(entry).iter();
                let ending = endings.into_iter().find(|ending| ending.0 == last)?;
                return (self.ended(entry, last) == code).then_some((entry, Some(ending)));
            }
            base = base.strip_suffix(['X', '.'])?;
        }
    }
}

fn body_of(bytes: &[u8]) -> Result<&[u8]> {
    let (header, body) = bytes
        .split_at_checked(HEADER_BYTES)
        .ok_or_else(|| broken("it ends too early"))?;
    let mut header = Reader::new(header);
    if header.take(8)? != MAGIC {
        return Err(broken("it does not begin as one"));
    }
    let version = header.take(4)?.iter().rev();
    let version = version.fold(0, |number, &byte| number << 8 | u32::from(byte));
    if version != VERSION {
        return Err(broken(format!(
            "it is of version {version}, and {VERSION} is read"
        )));
    }
    if header.take(8)? != checksum(body).to_le_bytes() {
        return Err(broken("its checksum is wrong"));
    }
    Ok(body)
}

fn of_each(stream: &[u8], count: usize) -> Result<&[u8]> {
    if stream.len() == count {
        Ok(stream)
    } else {
        Err(broken(format!(
            "{} bytes stand for {count} codes",
            stream.len()
        )))
    }
}

/// First term of each entry, and the entry of each term.
fn owners(counts: &mut Reader<'_>, entries: usize, terms: usize) -> Result<(Vec<u32>, Vec<u32>)> {
    let mut first = Vec::with_capacity(entries + 1);
    let mut entry_of = Vec::with_capacity(terms);
    for entry in 0..entries {
        first.push(entry_of.len() as u32);
        match counts.at_most(terms - entry_of.len(), "a count of terms")? {
            0 => return Err(broken("a code has no name")),
            count => entry_of.extend(std::iter::repeat_n(entry as u32, count)),
        }
    }
    first.push(entry_of.len() as u32);
    if entry_of.len() == terms {
        Ok((first, entry_of))
    } else {
        Err(broken("some terms have no code"))
    }
}

fn read_words(reader: &mut Reader<'_>) -> Result<(Map<Vec<u8>>, usize)> {
    let list = read_strings(reader, MOST_WORD_BYTES)?;
    let unordered = |_| broken("its words are not in order");
    let mut builder = MapBuilder::memory();
    for (number, word) in list.iter().enumerate() {
        builder.insert(word, number as u64).map_err(unordered)?;
    }
    let bytes = builder.into_inner().map_err(unordered)?;
    Ok((Map::new(bytes).map_err(unordered)?, list.len()))
}

/// Which terms hold a word.
struct Holders {
    first: Vec<u32>,
    terms: Vec<u32>,
}

impl Holders {
    fn read(stream: &mut Reader<'_>, words: usize, terms: usize) -> Result<Self> {
        let mut holders = Self {
            first: Vec::with_capacity(words + 1),
            terms: Vec::with_capacity(stream.left()),
        };
        for _ in 0..words {
            holders.first.push(holders.terms.len() as u32);
            let count = stream.at_most(stream.left(), "a count of terms")?;
            let mut term = 0;
            for place in 0..count {
                let step = stream.at_most(terms, "a step between terms")?;
                term += step;
                if term >= terms || (step == 0 && place > 0) {
                    return Err(broken("a word is in a term that is not there"));
                }
                holders.terms.push(term as u32);
            }
        }
        holders.first.push(holders.terms.len() as u32);
        Ok(holders)
    }

    /// How much each word counts, and each term in all: rare words count more.
    fn weigh(&self, words: &Map<Vec<u8>>, terms: usize) -> (Vec<f32>, Vec<f32>) {
        let mut weights = vec![0.0; self.first.len() - 1];
        let mut term_weights = vec![0.0; terms];
        let mut stream = words.stream();
        while let Some((word, number)) = fst::Streamer::next(&mut stream) {
            let word = std::str::from_utf8(word).unwrap_or_default();
            let number = number as usize;
            let list = &self.terms[self.first[number] as usize..self.first[number + 1] as usize];
            let rarity = (1.0 + terms as f32 / list.len().max(1) as f32).ln();
            weights[number] = rarity * words::importance(word);
            for &term in list {
                term_weights[term as usize] += weights[number];
            }
        }
        (weights, term_weights)
    }
}

fn read_endings(reader: &mut Reader<'_>) -> Result<Vec<Vec<Ending>>> {
    let sets = reader.at_most(MOST_SMALL, "the number of sets of endings")?;
    let mut endings = Vec::new();
    for _ in 0..sets {
        let count = reader.at_most(MOST_SMALL, "the number of endings")?;
        let mut set = Vec::new();
        for _ in 0..count {
            let letter = u32::try_from(reader.number()?)
                .ok()
                .and_then(char::from_u32);
            let letter = letter.ok_or_else(|| broken("an ending is no letter"))?;
            set.push((letter, reader.text()?.to_owned()));
        }
        endings.push(set);
    }
    Ok(endings)
}

fn read_abbreviations(reader: &mut Reader<'_>) -> Result<Vec<(String, Vec<String>)>> {
    let count = reader.at_most(MOST_SMALL, "the number of abbreviations")?;
    let mut found = Vec::new();
    for _ in 0..count {
        found.push((reader.text()?.to_owned(), words::words(reader.text()?)));
    }
    found.sort();
    Ok(found)
}

fn read_links(reader: &mut Reader<'_>, entries: usize) -> Result<Vec<(u32, u32)>> {
    let count = reader.at_most(reader.left(), "the number of links")?;
    let last = entries.saturating_sub(1);
    let mut links = Vec::new();
    for _ in 0..count {
        let from = reader.at_most(last, "a brand")?;
        links.push((from as u32, reader.at_most(last, "an ingredient")? as u32));
    }
    if links.is_empty() || entries > 0 {
        links.sort_unstable();
        Ok(links)
    } else {
        Err(broken("it links codes and has none"))
    }
}
