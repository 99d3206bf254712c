//! RxNorm from the files that the National Library of Medicine publishes: names in RXNCONSO.RRF, and in RXNREL.RRF which brand
//! has which ingredients.
//!
//! Columns and their meaning: RxNorm Technical Documentation, sections on RXNCONSO.RRF and RXNREL.RRF. Only RxNorm's own names
//! are taken (`SAB` is `RXNORM`), in English, and only those that are not suppressed.
//!
//! The files have gigabytes, and a page has little memory. So they come in pieces, and what is taken of them lies close: the
//! texts in blocks, and of each name twelve bytes beside them.

use std::collections::BTreeSet;

use super::RXNORM_SYSTEM;
use super::rrf::{Lines, Row};
use super::table::{Ending, Entries, IndexFile, TermKind, write};
use crate::error::{Error, Result};

const NAMES: &str = "RXNCONSO.RRF";
const RELATIONS: &str = "RXNREL.RRF";

/// Columns of RXNCONSO.RRF; each ends with `|`.
const NAME_COLUMNS: [&str; 18] = [
    "RXCUI", "LAT", "TS", "LUI", "STT", "SUI", "ISPREF", "RXAUI", "SAUI", "SCUI", "SDUI", "SAB",
    "TTY", "CODE", "STR", "SRL", "SUPPRESS", "CVF",
];

/// Columns of RXNREL.RRF.
const RELATION_COLUMNS: [&str; 16] = [
    "RXCUI1", "RXAUI1", "STYPE1", "REL", "RXCUI2", "RXAUI2", "STYPE2", "RELA", "RUI", "SRUI",
    "SAB", "SL", "DIR", "RG", "SUPPRESS", "CVF",
];

/// Term types that are taken; the first one that a concept has is its name, the others are further names.
///
/// Ingredient, precise ingredient, several ingredients, brand, clinical and branded drugs, packs, components and forms; then
/// names for prescribing, and synonyms.
const TERM_TYPES: [&str; 14] = [
    "IN", "PIN", "MIN", "BN", "SCD", "SBD", "GPCK", "BPCK", "SCDC", "SCDF", "SBDF", "PSN", "TMSY",
    "SY",
];

/// Most names that are taken: each is in memory while the index is made, and again when it is used.
const MOST_NAMES: usize = 700_000;

/// Most bytes of all names together.
const MOST_TEXT_BYTES: usize = 48 << 20;

/// Reads whole files -> the index file.
///
/// release: which one, such as the date of its file's name.
///
/// # Errors
///
/// As [`Reader`].
pub fn read(names: &str, relations: Option<&str>, release: &str) -> Result<Vec<u8>> {
    let mut reader = Reader::of(release);
    reader.names(names.as_bytes())?;
    if let Some(relations) = relations {
        reader.relations(relations.as_bytes())?;
    }
    Ok(reader.finish()?.into_bytes())
}

/// Reads files that come in pieces: first all of the names, then relations where they are there.
///
/// Its functions fail where a line has too few or too many columns or one of them is not what it should be: line and column are
/// named. After that it is of no use any more.
#[derive(Debug)]
pub struct Reader {
    release: String,
    lines: Lines,
    relation_lines: Lines,
    names: Names,
    /// Brands with their ingredients, by the places of their concepts.
    brands: BTreeSet<(u32, u32)>,
}

impl Reader {
    /// release: which one, such as the date of its file's name.
    pub fn of(release: &str) -> Self {
        Self {
            release: release.to_owned(),
            lines: Lines::of(NAMES),
            relation_lines: Lines::of(RELATIONS),
            names: Names::default(),
            brands: BTreeSet::new(),
        }
    }

    /// The next bytes of RXNCONSO.RRF.
    ///
    /// # Errors
    ///
    /// See [`Reader`]; and more names than are read.
    pub fn names(&mut self, piece: &[u8]) -> Result<()> {
        let Self { lines, names, .. } = self;
        lines.push(piece, |line, text| names.take(line, text))
    }

    /// The next bytes of RXNREL.RRF; no more names may follow.
    ///
    /// # Errors
    ///
    /// See [`Reader`].
    pub fn relations(&mut self, piece: &[u8]) -> Result<()> {
        self.end_names()?;
        let (names, brands) = (&self.names, &mut self.brands);
        self.relation_lines
            .push(piece, |line, text| relate(names, brands, line, text))
    }

    /// The index file.
    ///
    /// # Errors
    ///
    /// See [`Reader`]; and where there is no name to be taken.
    pub fn finish(mut self) -> Result<IndexFile> {
        self.end_names()?;
        let (names, brands) = (&self.names, &mut self.brands);
        self.relation_lines
            .finish(|line, text| relate(names, brands, line, text))?;
        let concepts = Concepts::of(&self.names, &self.brands);
        let about = [RXNORM_SYSTEM, "RxNorm", &self.release];
        write(about, &concepts, &BTreeSet::new())
    }

    fn end_names(&mut self) -> Result<()> {
        if self.names.is_ended() {
            return Ok(());
        }
        let Self { lines, names, .. } = self;
        lines.finish(|line, text| names.take(line, text))?;
        names.end();
        match names.is_ended() {
            true => Ok(()),
            false => Err(Error::Table {
                table: NAMES,
                line: lines.count(),
                detail: match lines.count() {
                    0 => "it is empty".to_owned(),
                    _ => "it ends, and none of its names is RxNorm's own (SAB is RXNORM), in English and not suppressed".to_owned(),
                },
            }),
        }
    }
}

/// The second concept of a row has the relation to the first: `brand` is `tradename_of` an ingredient where it stands second.
fn relate(names: &Names, brands: &mut BTreeSet<(u32, u32)>, line: u64, text: &str) -> Result<()> {
    let row = Row::read(RELATIONS, &RELATION_COLUMNS, line, text)?;
    if row.is_suppressed()? || row.get("SAB") != "RXNORM" {
        return Ok(());
    }
    let (brand, ingredient) = match row.get("RELA") {
        "tradename_of" => ("RXCUI2", "RXCUI1"),
        "has_tradename" => ("RXCUI1", "RXCUI2"),
        _ => return Ok(()),
    };
    let found = |column: &str, kind: &str| {
        let (place, rank) = names.concept(Id::of(row.get(column))?)?;
        (TERM_TYPES.get(usize::from(rank)) == Some(&kind)).then_some(place)
    };
    if let (Some(brand), Some(ingredient)) = (found(brand, "BN"), found(ingredient, "IN")) {
        brands.insert((brand, ingredient));
    }
    Ok(())
}

/// A concept's number: of each digit four bits, one more than it, from the highest bits on. So they are in the order of their
/// texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Id(u32);

impl Id {
    /// `None` for what is no number of at most 8 digits.
    fn of(text: &str) -> Option<Self> {
        if !(1..=8).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let packed = text
            .bytes()
            .fold(0, |packed, byte| packed << 4 | u32::from(byte - b'0' + 1));
        Some(Self(packed << (4 * (8 - text.len()))))
    }

    fn digits(self) -> impl Iterator<Item = char> {
        (0..8)
            .map(move |place| self.0 >> (28 - 4 * place) & 0xf)
            .take_while(|&digit| digit > 0)
            .filter_map(|digit| char::from_digit(digit - 1, 10))
    }
}

/// A name that is taken.
#[derive(Debug, Clone, Copy)]
struct Name {
    id: Id,
    /// Where its text begins.
    start: u32,
    bytes: u16,
    /// Its place among the term types.
    rank: u8,
}

/// The names that are taken, in the order of the file; once they have ended, by concept, term type and text.
#[derive(Debug, Default)]
struct Names {
    list: Vec<Name>,
    texts: Texts,
    /// [concepts]: its first name. Empty until the names have ended.
    first: Vec<u32>,
}

impl Names {
    fn take(&mut self, line: u64, text: &str) -> Result<()> {
        let row = Row::read(NAMES, &NAME_COLUMNS, line, text)?;
        let [id, language, source, kind, name] =
            ["RXCUI", "LAT", "SAB", "TTY", "STR"].map(|column| row.get(column));
        if row.is_suppressed()? || language != "ENG" || source != "RXNORM" {
            return Ok(());
        }
        let Some(rank) = TERM_TYPES.iter().position(|known| *known == kind) else {
            return Ok(());
        };
        let name = name.trim();
        if name.is_empty() {
            return Err(row.error("STR", "is empty"));
        }
        let id =
            Id::of(id).ok_or_else(|| row.error("RXCUI", "is no number of at most 8 digits"))?;
        let exceeded = |what, value, limit| Error::LimitExceeded { what, value, limit };
        if self.list.len() == MOST_NAMES {
            let (found, most) = (MOST_NAMES as u64 + 1, MOST_NAMES as u64);
            return Err(exceeded("the number of names of RxNorm", found, most));
        }
        if self.texts.bytes() + name.len() > MOST_TEXT_BYTES {
            let (found, most) = (self.texts.bytes() + name.len(), MOST_TEXT_BYTES as u64);
            return Err(exceeded("bytes of names of RxNorm", found as u64, most));
        }
        self.list.push(Name {
            id,
            start: self.texts.push(name),
            bytes: name.len() as u16,
            rank: rank as u8,
        });
        Ok(())
    }

    fn is_ended(&self) -> bool {
        !self.first.is_empty()
    }

    fn end(&mut self) {
        let Self { list, texts, first } = self;
        let key = |name: &Name| (name.id, name.rank, texts.get(name));
        list.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        list.dedup_by(|one, other| key(one) == key(other));
        list.shrink_to_fit();
        for (place, name) in list.iter().enumerate() {
            let before = place.checked_sub(1).and_then(|before| list.get(before));
            if before.is_none_or(|before| before.id != name.id) {
                first.push(place as u32);
            }
        }
    }

    /// The place of a concept, and the rank of its name.
    fn concept(&self, id: Id) -> Option<(u32, u8)> {
        let id_at = |place: &u32| self.list.get(*place as usize).map(|name| name.id);
        let place = self
            .first
            .binary_search_by(|place| id_at(place).cmp(&Some(id)))
            .ok()?;
        let name = self.of_concept(place).first()?;
        Some((place as u32, name.rank))
    }

    /// The names of a concept.
    fn of_concept(&self, place: usize) -> &[Name] {
        let start = self.first.get(place).copied().unwrap_or_default() as usize;
        let end = self.first.get(place + 1).map(|&end| end as usize);
        self.list
            .get(start..end.unwrap_or(self.list.len()))
            .unwrap_or_default()
    }
}

/// Texts in blocks of memory that never move: one that grows would be there twice while it does.
#[derive(Debug, Default)]
struct Texts {
    blocks: Vec<String>,
}

impl Texts {
    const BLOCK_BYTES: usize = 1 << 20;

    /// Bytes of all blocks.
    fn bytes(&self) -> usize {
        self.blocks.len() * Self::BLOCK_BYTES
    }

    /// Adds a text, shorter than a block -> where it begins.
    fn push(&mut self, text: &str) -> u32 {
        let fits = |block: &&mut String| block.len() + text.len() <= Self::BLOCK_BYTES;
        if self.blocks.last_mut().filter(fits).is_none() {
            self.blocks.push(String::with_capacity(Self::BLOCK_BYTES));
        }
        let before = (self.blocks.len() - 1) * Self::BLOCK_BYTES;
        let Some(block) = self.blocks.last_mut() else {
            return 0;
        };
        let start = before + block.len();
        block.push_str(text);
        start as u32
    }

    fn get(&self, name: &Name) -> &str {
        let start = name.start as usize;
        let within = start % Self::BLOCK_BYTES;
        let block = self.blocks.get(start / Self::BLOCK_BYTES);
        block
            .and_then(|block| block.get(within..within + usize::from(name.bytes)))
            .unwrap_or_default()
    }
}

/// Concepts, as an index has them.
struct Concepts<'a> {
    names: &'a Names,
    /// Brand and ingredient, sorted.
    brands: &'a BTreeSet<(u32, u32)>,
    /// Ingredient, and a brand of it alone; sorted.
    alone: Vec<(u32, u32)>,
    /// Numbers of the concepts, one after the other.
    codes: String,
    /// [concepts]: where each number ends.
    ends: Vec<u32>,
}

impl<'a> Concepts<'a> {
    fn of(names: &'a Names, brands: &'a BTreeSet<(u32, u32)>) -> Self {
        // A brand of one ingredient is a name of it. One of several is a name of none of them.
        let is_alone = |&&(brand, _): &&(u32, u32)| {
            brands
                .range((brand, 0)..=(brand, u32::MAX))
                .nth(1)
                .is_none()
        };
        let mut alone: Vec<(u32, u32)> = brands
            .iter()
            .filter(is_alone)
            .map(|&(brand, ingredient)| (ingredient, brand))
            .collect();
        alone.sort_unstable();
        let (mut codes, mut ends) = (String::new(), Vec::new());
        for place in 0..names.first.len() {
            codes.extend(
                names
                    .of_concept(place)
                    .iter()
                    .take(1)
                    .flat_map(|name| name.id.digits()),
            );
            ends.push(codes.len() as u32);
        }
        Self {
            names,
            brands,
            alone,
            codes,
            ends,
        }
    }
}

impl Entries for Concepts<'_> {
    fn count(&self) -> usize {
        self.ends.len()
    }

    fn code(&self, entry: usize) -> &str {
        let end_of = |entry: usize| self.ends.get(entry).copied().unwrap_or_default() as usize;
        let start = entry.checked_sub(1).map_or(0, end_of);
        self.codes.get(start..end_of(entry)).unwrap_or_default()
    }

    fn is_complete(&self, _entry: usize) -> bool {
        true
    }

    fn endings(&self, _entry: usize) -> &[Ending] {
        &[]
    }

    fn names(&self, entry: usize) -> impl Iterator<Item = (TermKind, &str)> {
        let own = self.names.of_concept(entry).iter().enumerate();
        let own = own.map(|(place, name)| {
            let kind = match place {
                0 => TermKind::Display,
                _ => TermKind::Synonym,
            };
            (kind, self.names.texts.get(name))
        });
        let begin = self.alone.partition_point(|pair| pair.0 < entry as u32);
        let alone = self.alone.get(begin..).unwrap_or_default();
        let brands = alone.iter().take_while(move |pair| pair.0 == entry as u32);
        own.chain(brands.flat_map(|pair| {
            let names = self.names.of_concept(pair.1 as usize).iter().take(1);
            names.map(|name| (TermKind::Brand, self.names.texts.get(name)))
        }))
    }

    fn links(&self) -> Vec<(u32, u32)> {
        self.brands.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_order_of_their_texts() {
        let texts = [
            "0", "00", "01", "1", "10", "100", "11", "12345678", "2", "99999999",
        ];
        let ids: Vec<Option<Id>> = texts.iter().map(|text| Id::of(text)).collect();
        assert!(ids.is_sorted() && ids.iter().all(Option::is_some));
        for (id, text) in ids.into_iter().flatten().zip(texts) {
            assert_eq!(id.digits().collect::<String>(), text);
        }
        for wrong in ["", "123456789", "1x", "-1", "\u{662}"] {
            assert_eq!(Id::of(wrong), None, "{wrong}");
        }
    }
}
