//! Whether a resource is valid FHIR R4: structure, cardinality, types, required codes, references, invariants, vital signs,
//! units and the form of well-known codes. On the device, from the table of structures alone.
//!
//! Not checked: extensible bindings, whether a code exists in a table that R4 does not list, profiles other than those of
//! vital signs, extensions' definitions, and resources that the table does not have: these are refused, never passed over.
//!
//! Nothing panics, whatever the value. The work grows with the value's size: no rule compares everything with everything,
//! what lies deeper than [`MAX_DEPTH`] is refused unread, and after [`MAX_ISSUES`] reasons no more are gathered.

mod codes;
mod date;
mod invariants;
mod links;
mod narrative;
mod primitive;
mod ucum;
mod vitals;
mod walk;

use serde::Serialize;
use serde_json::Value;

use super::table::Severity;

pub use narrative::escaped;
pub use ucum::is_unit;

/// How deep objects may lie in one another; serde_json's own limit on text is 128.
pub const MAX_DEPTH: usize = 64;
/// How many reasons are gathered before the rest is left unread.
pub const MAX_ISSUES: usize = 500;

/// What is wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// Where, in FHIRPath: `Bundle.entry[2].resource.status`.
    pub path: String,
    /// Which rule: R4's key of an invariant, such as `con-5`, or one of [`rule`].
    pub rule: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// The rules that have no key in R4.
pub mod rule {
    /// The JSON value is of another type than the element.
    pub const TYPE: &str = "type";
    /// There is no such element.
    pub const UNKNOWN_FIELD: &str = "unknown-field";
    /// A resource is not in the table, or has no `resourceType`.
    pub const UNKNOWN_RESOURCE: &str = "unknown-resource";
    /// A required element is missing.
    pub const REQUIRED: &str = "required";
    /// An element is there more often than it may be.
    pub const TOO_MANY: &str = "too-many";
    /// A choice was made twice.
    pub const CHOICE: &str = "choice";
    /// An empty array or object, or a `null` that stands for nothing.
    pub const EMPTY: &str = "empty";
    /// A primitive value does not have its type's form.
    pub const FORMAT: &str = "format";
    /// A date or time that does not exist.
    pub const DATE: &str = "date";
    /// A code is not in the value set of a required binding.
    pub const BINDING: &str = "binding";
    /// A unit is not UCUM.
    pub const UNIT: &str = "unit";
    /// A code cannot be one of its system.
    pub const CODE: &str = "code";
    /// A reference leads nowhere.
    pub const UNRESOLVED: &str = "unresolved";
    /// A reference leads to something that may not stand there.
    pub const TARGET: &str = "target";
    /// A `fullUrl` is not an absolute address, or another than the resource's id.
    pub const FULL_URL: &str = "full-url";
    /// A vital sign is not as R4's profile of it says.
    pub const VITAL_SIGN: &str = "vital-sign";
    /// Objects lie too deep in one another.
    pub const DEPTH: &str = "depth";
}

/// Which literal references have to lead to something in the same Bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// All of them: for what is handed over as a whole.
    Inside,
    /// Only `urn:uuid:` and `urn:oid:`, which can lead nowhere else: for what a server keeps.
    Anywhere,
}

/// Everything that makes `resource` invalid; nothing, if it is valid. A Bundle has to hold what it refers to.
pub fn validate(resource: &Value) -> Vec<Issue> {
    validate_with(resource, Links::Inside)
}

/// [`validate`], with a choice of where references may lead.
pub fn validate_with(resource: &Value, links: Links) -> Vec<Issue> {
    walk::walk(resource, links, Severity::Error)
}

/// What R4 advises beyond what it requires (`con-3`, `dom-6`), and `resource` does not do.
pub fn advise(resource: &Value) -> Vec<Issue> {
    walk::walk(resource, Links::Anywhere, Severity::Advice)
}

/// Whether `text` is an instant of FHIR, such as `2026-01-31T10:00:00Z`.
pub fn is_instant(text: &str) -> bool {
    date::instant(text).is_ok()
}

/// Every invariant of the table by key, and whether a rule is written for it here.
pub fn invariants() -> Vec<(&'static str, bool)> {
    let mut all: Vec<_> = super::table::table()
        .invariants()
        .map(|(_, rule)| {
            (
                rule.key,
                walk::KEYS.contains(&rule.key) || invariants::is_known(rule.key),
            )
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}
