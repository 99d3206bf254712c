//! Tables of codes: what is read from them, what is refused, and what is found in them.
//!
//! Small tables here are INVENTED, codes and names alike; the whole of ICD-10-CM is read from its published files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "terminology/choosing.rs"]
mod choosing;
#[path = "terminology/files.rs"]
mod files;
#[path = "terminology/icd10cm.rs"]
mod icd10cm;
#[path = "terminology/lists.rs"]
mod lists;
#[path = "terminology/medications.rs"]
mod medications;
#[path = "terminology/pieces.rs"]
mod pieces;
