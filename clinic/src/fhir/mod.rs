//! FHIR R4: from what a consultation said to a Bundle, and whether a Bundle is valid.

mod table;
pub mod validate;

pub use validate::{Issue, Links, validate, validate_with};
