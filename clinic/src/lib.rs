//! Clinical workflows over the engine: what to ask a model, and how to read what it drafted.
//!
//! Everything read here is a draft. These functions check form only, never whether a statement is true, and
//! they invent nothing: a part that the model did not write stays absent.

pub mod assertion;
pub mod coding;
pub mod consultation;
pub mod ct;
pub mod danger;
pub mod dicom;
mod draft;
pub mod drafting;
pub mod error;
pub mod eval;
pub mod extract;
pub mod fhir;
pub mod findings;
pub mod form;
pub mod localisation;
pub mod names;
pub mod numbers;
pub mod prescription;
pub mod quote;
pub mod record;
pub mod soap;
pub mod terminology;
pub mod thinking;
pub mod writer;

pub use error::{Error, Result};
pub use localisation::Localisation;
pub use prescription::Prescription;
pub use soap::SoapNote;

use outpost_engine::chat::{Conversation, Message, Part, Role};

/// A conversation of one turn: an instruction and the text that it is about.
pub fn ask(instruction: &str, text: &str) -> Conversation {
    let text = format!("{instruction}\n{}", text.trim());
    Conversation {
        system: None,
        messages: vec![Message {
            role: Role::User,
            parts: vec![Part::Text(text)],
        }],
    }
}

/// `1 name of the note is`, `2 names of the note are`.
fn counted(count: usize, thing: &str, of: &str) -> String {
    match count {
        1 => format!("1 {thing} of {of} is"),
        _ => format!("{count} {thing}s of {of} are"),
    }
}

/// A conversation that asks about a transcript, which stands between two lines of `===`.
fn ask_about(instruction: &str, transcript: &str) -> Conversation {
    ask(instruction, &format!("===\n{}\n===", transcript.trim()))
}
