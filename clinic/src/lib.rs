//! Clinical workflows over the engine: what to ask a model, and how to read what it drafted.
//!
//! Everything read here is a draft. These functions check form only, never whether a statement is true, and
//! they invent nothing: a part that the model did not write stays absent.

pub mod coding;
pub mod consultation;
pub mod ct;
pub mod danger;
pub mod dicom;
mod draft;
pub mod error;
pub mod eval;
pub mod extract;
pub mod fhir;
pub mod findings;
pub mod localisation;
pub mod numbers;
pub mod prescription;
pub mod quote;
pub mod record;
pub mod soap;
pub mod terminology;
pub mod thinking;
pub mod writer;

pub use error::{Error, Result};
pub use findings::Findings;
pub use localisation::Localisation;
pub use prescription::Prescription;
pub use soap::{SoapForm, SoapNote};

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
