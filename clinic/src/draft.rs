//! JSON in what a model wrote.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The first JSON object of a draft, with or without a code fence or text around it.
///
/// # Errors
/// [`Error::NotJson`].
pub fn object(draft: &str) -> Result<Map<String, Value>> {
    let not_json = |detail: &str| Error::NotJson {
        detail: detail.to_owned(),
    };
    let start = draft.find('{').ok_or_else(|| not_json("there is no `{`"))?;
    serde_json::Deserializer::from_str(draft.get(start..).unwrap_or_default())
        .into_iter()
        .next()
        .ok_or_else(|| not_json("it is empty"))?
        .map_err(|error| not_json(&error.to_string()))
}
