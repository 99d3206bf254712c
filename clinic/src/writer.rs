//! What writes drafts: a model, or a script in a test.

use std::future::Future;

use outpost_engine::chat::Conversation;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// What a draft is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The conversation; its last turn is the user's. Its pictures are those that the writer was given, in their order.
    pub conversation: Conversation,
    /// JSON Schema, as text, that the answer must keep to, where the writer can be held to one.
    pub schema: Option<String>,
    /// Longest answer, in tokens.
    pub max_tokens: usize,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The answer.
    pub text: String,
    /// Whether it was ended by the limit of tokens or by the context, not by the writer.
    pub cut: bool,
}

/// Writes drafts.
pub trait Writer {
    /// Writes one.
    ///
    /// # Errors
    /// What keeps it from writing at all. A bad draft is no error.
    fn write(&mut self, ask: &Ask) -> impl Future<Output = Result<Draft>>;
}
