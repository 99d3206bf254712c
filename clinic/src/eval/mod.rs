//! Questions with known answers: reading them, asking them, and saying what came out so that it can be trusted.
//!
//! - `question`, `read`: multiple-choice questions in the public sets' own field names, one JSON object a line.
//! - `ask`: what goes to a model, by likelihood or by generation, and how it is tokenised.
//! - `letter`: the choice that a written answer names.
//! - `sample`: one line of the log, as EleutherAI's lm-evaluation-harness has it.
//! - `run`: the questions one after the other, also from where an interrupted log ends.
//! - `interval`, `paired`: what a share of right answers, and a difference of two, are worth.
//! - `summary`: the shares, overall and by subject. `compare`: two logs of the same questions.
//! - `facts`, `transcript`: what was extracted from a transcript, against what is in it. `words`: answers in known words.
//! - `report`: what came out, whatever was asked.
//!
//! Nothing here knows a file, a clock or a model: a host brings text, asks the model, and keeps the lines.

pub mod ask;
pub mod compare;
pub mod facts;
pub mod interval;
pub mod letter;
pub mod paired;
pub mod question;
mod read;
pub mod report;
pub mod run;
pub mod sample;
pub mod summary;
pub mod transcript;
pub mod words;

pub use ask::{Ask, By, Framing, Plan};
pub use compare::Comparison;
pub use interval::Interval;
pub use question::{Choices, Kind, Question, Style, Words};
pub use read::{CopBase, read};
pub use report::Report;
pub use run::{Answer, Evaluation};
pub use summary::Summary;

use sha2::{Digest, Sha256};

/// SHA-256 of a text, in hexadecimal digits.
pub fn digest(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

/// Bytes as hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
