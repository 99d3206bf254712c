//! ICD-10-CM from the files that the National Center for Health Statistics publishes: the tabular list as XML, and the list of
//! codes as lines.
//!
//! The XML has the names; the list decides what is a code, because some codes take only some of the seventh characters that
//! their category has.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use roxmltree::{Document, Node, ParsingOptions};

use super::table::{Ending, Entry, Table, Term, TermKind};
use super::words;
use super::{ICD10CM_SYSTEM, shown};
use crate::error::{Error, Result};

/// What the table is called in messages.
const TABULAR: &str = "the tabular list of ICD-10-CM";
const CODE_LIST: &str = "the code list of ICD-10-CM";

/// Characters of the longest codes, without their dot.
const SEVENTH: usize = 7;

/// Reads the tabular list and the list of codes.
///
/// release: what the files call themselves, such as `April 1, 2026`.
///
/// # Errors
///
/// Where a file is of another kind, or the two disagree: a code of one is not in the other.
pub fn read(tabular_xml: &str, code_list: &str, release: &str) -> Result<Table> {
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(tabular_xml, options).map_err(|error| {
        let place = error.pos();
        table_error(
            TABULAR,
            place.row.into(),
            format!("it is not XML: {}", shown(&error.to_string())),
        )
    })?;
    let root = document.root_element();
    if !root.has_tag_name("ICD10CM.tabular") {
        let found = shown(root.tag_name().name());
        return Err(table_error(TABULAR, 1, format!("it begins with <{found}>")));
    }
    let listed = listed_codes(code_list)?;
    let mut reading = Reading {
        document: &document,
        listed: &listed,
        found: HashSet::new(),
        entries: BTreeMap::new(),
        mentions: Vec::new(),
    };
    for node in root
        .descendants()
        .filter(|node| node.has_tag_name("section"))
    {
        for child in node.children().filter(|child| child.has_tag_name("diag")) {
            reading.code(child, &[])?;
        }
    }
    if let Some((line, code)) = listed
        .iter()
        .filter(|(code, _)| !reading.found.contains(*code))
        .map(|(code, line)| (line, code))
        .min()
    {
        let detail = format!("code `{code}` is not in the tabular list");
        return Err(table_error(CODE_LIST, *line, detail));
    }
    reading.add_mentions();
    let entries: Vec<Entry> = reading.entries.into_values().collect();
    let abbreviations = entries.iter().flat_map(explained).collect();
    Ok(Table {
        system: ICD10CM_SYSTEM.to_owned(),
        title: "ICD-10-CM".to_owned(),
        release: release.to_owned(),
        entries,
        abbreviations,
    })
}

fn table_error(table: &'static str, line: u64, detail: String) -> Error {
    Error::Table {
        table,
        line,
        detail,
    }
}

/// Codes without their dots, and the line of each; what follows a code on its line is its name. Some lists have chapters (`1`),
/// sections (`A00-A09`) and codes that head others as well.
fn listed_codes(list: &str) -> Result<BTreeMap<String, u64>> {
    let mut codes = BTreeMap::new();
    for (index, line) in list.lines().enumerate() {
        let Some(code) = line.split_whitespace().next() else {
            continue;
        };
        let chapter = code.bytes().all(|byte| byte.is_ascii_digit());
        if chapter || code.contains('-') {
            continue;
        }
        let code = code.replace('.', "");
        let sound = (3..=SEVENTH).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !sound {
            let detail = format!("`{}` is no code", shown(&code));
            return Err(table_error(CODE_LIST, index as u64 + 1, detail));
        }
        codes.insert(code, index as u64 + 1);
    }
    Ok(codes)
}

struct Reading<'a> {
    document: &'a Document<'a>,
    listed: &'a BTreeMap<String, u64>,
    /// Codes without dots that have been met.
    found: HashSet<String>,
    entries: BTreeMap<String, Entry>,
    /// A code, and what the table calls it where it is about another.
    mentions: Vec<(String, String)>,
}

impl Reading<'_> {
    /// Reads a code and those below it. endings: seventh characters of what is above.
    fn code(&mut self, node: Node<'_, '_>, endings: &[Ending]) -> Result<()> {
        let code = self.text_of(node, "name")?;
        let display = self.text_of(node, "desc")?;
        let plain = code.replace('.', "");
        let own = node
            .children()
            .find(|child| child.has_tag_name("sevenChrDef"));
        let own = own.map(seventh_characters);
        let endings = own.as_deref().unwrap_or(endings);
        let below: Vec<Node<'_, '_>> = node
            .children()
            .filter(|child| child.has_tag_name("diag"))
            .collect();
        let endings_here: Vec<Ending> = if below.is_empty() {
            let ended = |letter: char| format!("{plain:X<6}{letter}");
            let allowed: Vec<Ending> = endings
                .iter()
                .filter(|(letter, _)| self.listed.contains_key(&ended(*letter)))
                .cloned()
                .collect();
            self.found
                .extend(allowed.iter().map(|(letter, _)| ended(*letter)));
            allowed
        } else {
            Vec::new()
        };
        let complete = below.is_empty() && endings_here.is_empty();
        if complete && (!self.listed.contains_key(&plain) || !endings.is_empty()) {
            let detail =
                format!("code `{code}` or its seventh characters are not in the code list");
            return Err(self.error(node, detail));
        }
        let mut terms = self.other_names(node);
        terms.extend(shorter(&display));
        let entry = Entry {
            code: code.clone(),
            display,
            complete,
            terms,
            endings: endings_here,
            ingredients: Vec::new(),
        };
        self.found.insert(plain);
        self.entries.insert(code, entry);
        self.note_mentions(node);
        for child in below {
            self.code(child, endings)?;
        }
        Ok(())
    }

    /// Inclusion terms are names of the code; `Includes` notes are of what it covers.
    fn other_names(&self, node: Node<'_, '_>) -> Vec<Term> {
        notes(node, &["inclusionTerm", "includes"])
            .flat_map(|text| {
                let shorter = shorter(&text);
                std::iter::once(synonym(text)).chain(shorter)
            })
            .collect()
    }

    /// A note such as `fracture of elbow NOS (S42.40-)` calls another code by a name.
    fn note_mentions(&mut self, node: Node<'_, '_>) {
        let places = ["excludes1", "excludes2", "codeAlso"];
        for text in notes(node, &places) {
            if let Some((name, code)) = mention(&text) {
                self.mentions.push((code.to_owned(), name.to_owned()));
            }
        }
    }

    fn add_mentions(&mut self) {
        for (code, name) in std::mem::take(&mut self.mentions) {
            if let Some(entry) = self.entries.get_mut(&code) {
                entry.terms.push(Term {
                    kind: TermKind::Mention,
                    text: name,
                });
            }
        }
    }

    fn text_of(&self, node: Node<'_, '_>, name: &str) -> Result<String> {
        node.children()
            .find(|child| child.has_tag_name(name))
            .and_then(|child| child.text())
            .map(tidy)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.error(node, format!("a code has no <{name}>")))
    }

    fn error(&self, node: Node<'_, '_>, detail: String) -> Error {
        let place = self.document.text_pos_at(node.range().start);
        table_error(TABULAR, place.row.into(), detail)
    }
}

fn seventh_characters(node: Node<'_, '_>) -> Vec<Ending> {
    node.children()
        .filter(|child| child.has_tag_name("extension"))
        .filter_map(|child| {
            let letter = child.attribute("char")?.chars().next()?;
            Some((letter, tidy(child.text().unwrap_or_default())))
        })
        .collect()
}

/// Notes in children of a code that have one of these names.
fn notes<'a>(node: Node<'a, 'a>, places: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    node.children()
        .filter(move |child| places.contains(&child.tag_name().name()))
        .flat_map(|child| child.children().filter(|note| note.has_tag_name("note")))
        .filter_map(|note| note.text().map(tidy))
        .filter(|text| !text.is_empty())
}

fn synonym(text: String) -> Term {
    Term {
        kind: TermKind::Synonym,
        text,
    }
}

/// A name without what the table says may be left out of it: `(..)` holds words that do not change the code, `[..]` another
/// wording. Where the wording is of a single word, it is a name by itself.
fn shorter(text: &str) -> Vec<Term> {
    let mut found = Vec::new();
    let without = tidy(&left_out(text)).replace(" ,", ",");
    if without != text && !without.is_empty() {
        found.push(synonym(without));
    }
    let wording = text
        .strip_suffix(']')
        .and_then(|text| text.split_once(" ["))
        .filter(|(word, other)| !word.contains(' ') && !other.contains('['));
    if let Some((_, other)) = wording {
        found.push(synonym(other.to_owned()));
    }
    found
}

/// Text outside parentheses and brackets.
fn left_out(text: &str) -> String {
    let mut depth = 0usize;
    let mut rest = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => rest.push(letter),
            _ => {}
        }
    }
    rest
}

/// White space as one blank.
fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The name and the one code of a note that ends with a code in parentheses; `-` stands for whatever follows.
fn mention(note: &str) -> Option<(&str, &str)> {
    let (name, code) = note.strip_suffix(')')?.rsplit_once('(')?;
    let code = code.trim().trim_end_matches('-').trim_end_matches('.');
    let one = code.len() >= 3
        && code
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'.');
    let name = name.trim();
    (one && !name.is_empty()).then_some((name, code))
}

/// Abbreviations in a code's names: `[..]` or `(..)` after words whose first letters it has.
fn explained(entry: &Entry) -> BTreeSet<(String, String)> {
    let own = std::iter::once(entry.display.as_str());
    own.chain(entry.terms.iter().map(|term| term.text.as_str()))
        .flat_map(abbreviations)
        .collect()
}

fn abbreviations(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices(['[', '(']) {
        let Some((inside, _)) = text[place + 1..].split_once([']', ')']) else {
            continue;
        };
        let capitals = inside
            .chars()
            .filter(|letter| letter.is_uppercase())
            .count();
        let short = words::words(inside);
        let [short] = short.as_slice() else { continue };
        if capitals < 2 || short.len() > 8 {
            continue;
        }
        let before = words::words(&text[..place]);
        if let Some(long) = standing_for(short, &before) {
            found.push((short.clone(), long.join(" ")));
        }
    }
    found
}

/// The last words of `before` whose first letters are those of `short`; small words may be passed over.
fn standing_for<'a>(short: &str, before: &'a [String]) -> Option<&'a [String]> {
    let mut letters = short.chars().rev().peekable();
    let mut first = before.len();
    while letters.peek().is_some() {
        first = first.checked_sub(1)?;
        let word = &before[first];
        if word.chars().next() == letters.peek().copied() {
            letters.next();
        } else if words::importance(word) >= 1.0 {
            return None;
        }
    }
    Some(&before[first..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abbreviation_is_taken_where_its_letters_are_those_of_the_words_before() {
        assert_eq!(
            abbreviations("Invented marsh virus [IMV] disease"),
            [("imv".to_owned(), "invented marsh virus".to_owned())]
        );
        assert_eq!(
            abbreviations("Sickness of the marsh (SM)"),
            [("sm".to_owned(), "sickness of the marsh".to_owned())]
        );
        assert!(abbreviations("Marsh fever [ABC]").is_empty());
        assert!(abbreviations("Marsh fever [marsh sickness]").is_empty());
    }

    #[test]
    fn what_may_be_left_out_of_a_name_is_left_out() {
        let texts = |text: &str| -> Vec<String> {
            shorter(text).into_iter().map(|term| term.text).collect()
        };
        assert_eq!(
            texts("Marsh fever (acute) (chronic), mild"),
            ["Marsh fever, mild"]
        );
        assert_eq!(texts("Marshpox [reed pox]"), ["Marshpox", "reed pox"]);
        assert_eq!(texts("Innate marshpox [reed pox]"), ["Innate marshpox"]);
        assert!(texts("Marsh fever").is_empty());
    }

    #[test]
    fn a_note_mentions_a_code_only_if_it_names_one() {
        assert_eq!(
            mention("marsh fever NOS (Q99.1-)"),
            Some(("marsh fever NOS", "Q99.1"))
        );
        assert_eq!(mention("marsh fever (Q99.-)"), Some(("marsh fever", "Q99")));
        assert_eq!(mention("marsh fevers (Q90-Q99)"), None);
        assert_eq!(mention("marsh fevers (Q90.1, Q99)"), None);
        assert_eq!(mention("marsh fever"), None);
    }
}
