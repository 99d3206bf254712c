//! Tables of codes that a person brought.

use serde::{Deserialize, Serialize};

/// What a table is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// RxNorm: RXNCONSO.RRF, and beside it RXNREL.RRF if it is there.
    RxNorm,
    /// An own list of conditions, as CSV.
    Conditions,
    /// An own list of medications, as CSV.
    Medications,
}

impl TableKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RxNorm, Self::Conditions, Self::Medications];

    /// Its name, as JSON has it too.
    pub fn name(self) -> &'static str {
        match self {
            Self::RxNorm => "rxnorm",
            Self::Conditions => "conditions",
            Self::Medications => "medications",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A table that a person brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableInfo {
    /// Tells tables apart.
    pub id: String,
    /// What it is of.
    pub kind: TableKind,
    /// Its name.
    pub title: String,
    /// Its release; empty if nobody said.
    pub release: String,
    /// Its address in FHIR.
    pub system: String,
    /// How many codes are kept of it.
    pub codes: u64,
    /// Bytes that it takes on this device.
    pub bytes: u64,
    /// The files that it came from.
    pub source: String,
    /// When it was added, in milliseconds since 1970.
    pub added_ms: u64,
    /// Whether it can be used.
    pub status: TableStatus,
}

/// Whether a table can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum TableStatus {
    /// It is what was stored.
    Installed,
    /// Its bytes are others than were stored: it is not used.
    Changed,
}
