//! FHIR R4: from what a consultation said to a Bundle, and whether a Bundle is valid.

pub mod bundle;
mod table;
pub mod validate;

pub use bundle::{Built, Codes, Source, build};
pub use validate::{Issue, Links, validate, validate_with};
