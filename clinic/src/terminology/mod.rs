//! Codes from tables that others keep, found on the device: none is ever written from memory.
//!
//! A table ([`Icd10Cm`], [`RxNorm`], [`List`]) becomes one file of bytes by [`Table::to_bytes`], which [`Index`] reads. What was
//! said goes in as text, candidates come out, and [`choose()`] takes one of them only where it is clearly meant: no code is
//! better than a wrong one.
//!
//! [`Icd10Cm`]: icd10cm
//! [`RxNorm`]: rxnorm
//! [`List`]: list

pub mod choose;
mod format;
pub mod icd10cm;
mod index;
pub mod list;
pub mod measure;
pub mod rerank;
mod rrf;
pub mod rxnorm;
mod search;
mod spelling;
pub mod table;
pub mod words;

use std::collections::HashSet;

use serde::{Deserialize, Serialize, Serializer};

pub use self::choose::choose;
pub use self::index::Index;
pub use self::table::{Entry, IndexFile, Table, Term, TermKind};
use crate::record::Coding;

/// ICD-10-CM in FHIR.
pub const ICD10CM_SYSTEM: &str = "http://hl7.org/fhir/sid/icd-10-cm";

/// RxNorm in FHIR.
pub const RXNORM_SYSTEM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";

/// How a candidate was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// Its term has the same words in the same order.
    Exact,
    /// By an abbreviation that the table explains.
    Abbreviation,
    /// By a brand name of it.
    Brand,
    /// Its words begin as those that were asked for.
    Prefix,
    /// By its words, whatever their order.
    Words,
    /// By words that are spelt alike.
    Spelling,
}

/// A code that may be meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The code.
    pub coding: Coding,
    /// How well it fits, from 0 to 1. Written with four digits: more would say nothing.
    #[serde(serialize_with = "rounded")]
    pub score: f32,
    /// How it was found.
    pub matched: Match,
    /// The term of the table that was found.
    pub term: String,
    /// Whether it is a complete code; `false` for one that only heads others.
    pub complete: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks so
fn rounded<S: Serializer>(score: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((f64::from(*score) * 1e4).round() / 1e4)
}

/// The tables that are installed.
#[derive(Debug, Default)]
pub struct Terminology {
    /// Of conditions, the preferred one first.
    pub conditions: Vec<Index>,
    /// Of medications, the preferred one first.
    pub medications: Vec<Index>,
}

impl Terminology {
    /// At most `limit` codes for a condition, the best first.
    pub fn condition(&self, text: &str, limit: usize) -> Vec<Candidate> {
        search_all(&self.conditions, text, limit)
    }

    /// At most `limit` codes for a medication, the best first; none where no such table is installed.
    pub fn medication(&self, text: &str, limit: usize) -> Vec<Candidate> {
        search_all(&self.medications, text, limit)
    }
}

fn search_all(indexes: &[Index], text: &str, limit: usize) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = indexes
        .iter()
        .flat_map(|index| index.search(text, limit))
        .collect();
    // Stable: of equals, the one of the preferred table.
    found.sort_by(|one, other| other.score.total_cmp(&one.score));
    if indexes.len() > 1 {
        // A code that two tables have is one, and no rival of itself.
        let mut seen = HashSet::new();
        found.retain(|one| seen.insert((one.coding.system.clone(), one.coding.code.clone())));
    }
    found.truncate(limit);
    found
}

/// A value of an untrusted table, for a message: short, and nothing that a terminal would obey.
fn shown(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(80)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().nth(80).is_some() {
        shown.push_str("..");
    }
    shown
}
