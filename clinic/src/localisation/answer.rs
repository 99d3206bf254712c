//! Finds the list of boxes in what a model wrote. Nothing here panics, whatever that is.

use serde_json::{Deserializer, Value};

/// Ends a thought, where one is still in the text (`<unused95>`, google-health/medgemma, the notebooks' own split).
const END_OF_THOUGHT: &str = "<unused95>";

/// What stands before the list that counts; compared without regard to case.
const MARK: &str = "final answer";

/// A list of objects, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct List<'a> {
    pub elements: Vec<Element<'a>>,
    /// Whether it is JSON to its end, its elements apart.
    pub whole: bool,
}

/// One element of a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Element<'a> {
    /// As it was written.
    pub text: &'a str,
    /// `None` if it is not JSON.
    pub value: Option<Value>,
}

/// The list after the last [`MARK`]; without one the last whole list, and without that the last.
pub(super) fn find(answer: &str) -> Option<List<'_>> {
    let answer = match answer.rsplit_once(END_OF_THOUGHT) {
        Some((_, answer)) => answer,
        None => answer,
    };
    // Lower case of ASCII keeps the positions of all bytes.
    let marked = answer
        .to_ascii_lowercase()
        .rfind(MARK)
        .and_then(|at| answer.get(at + MARK.len()..));
    if let Some(list) = marked.and_then(|text| lists(text).next()) {
        return Some(list);
    }
    let mut lists: Vec<_> = lists(answer).collect();
    let last_whole = lists.iter().rposition(|list| list.whole);
    let last = lists.len().checked_sub(1)?;
    Some(lists.swap_remove(last_whole.unwrap_or(last)))
}

/// Every list of objects in a text, and every lone object with a box.
fn lists(text: &str) -> impl Iterator<Item = List<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.get(rest.find(['[', '{'])?..)?;
            match read_list(rest).or_else(|| read_object(rest)) {
                Some((list, after)) => {
                    rest = after;
                    return Some(list);
                }
                // One byte: a bracket.
                None => rest = rest.get(1..)?,
            }
        }
    })
}

/// A list at the beginning of `text`, and what stands behind it. `None` if it is a list of something else, as `[0, 1000]`.
fn read_list(text: &str) -> Option<(List<'_>, &str)> {
    let mut rest = text.strip_prefix('[')?.trim_start();
    if !rest.is_empty() && !rest.starts_with(['{', ']']) {
        return None;
    }
    let mut list = List::default();
    let mut after_comma = false;
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            list.whole = !after_comma;
            return Some((list, after));
        }
        let Some((element, after)) = read_element(rest) else {
            return Some((list, ""));
        };
        list.elements.push(element);
        rest = after.trim_start();
        after_comma = rest.starts_with(',');
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with(']') => {}
            None => return Some((list, rest)),
        }
    }
}

/// An object with a box at the beginning of `text`, as a list of one, and what stands behind it.
fn read_object(text: &str) -> Option<(List<'_>, &str)> {
    let inside = text.strip_prefix('{')?.trim_start();
    let begins_like_one = ["\"box_2d\"", "\"label\""]
        .iter()
        .any(|key| inside.starts_with(key));
    let (element, after) = match read_json(text)? {
        (Ok(value), length) => {
            value.get("box_2d")?;
            split(text, length, Some(value))?
        }
        // A brace that opens something else is no object, and costs no search for its end.
        _ if !begins_like_one => return None,
        _ => match read_element(text) {
            Some(read) => read,
            None => return Some((List::default(), "")),
        },
    };
    let list = List {
        whole: true,
        elements: vec![element],
    };
    Some((list, after))
}

/// The element at the beginning of `text`, and what stands behind it. `None` if the text ends within it.
fn read_element(text: &str) -> Option<(Element<'_>, &str)> {
    match read_json(text)? {
        (Ok(value), length) => split(text, length, Some(value)),
        (Err(error), _) if error.is_eof() => None,
        (Err(_), _) => split(text, extent(text)?, None),
    }
}

/// The JSON value at the beginning of `text` and its bytes. Deep nesting is an error, not a deep recursion.
fn read_json(text: &str) -> Option<(serde_json::Result<Value>, usize)> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?;
    Some((value, values.byte_offset()))
}

fn split(text: &str, length: usize, value: Option<Value>) -> Option<(Element<'_>, &str)> {
    let (text, after) = text.split_at_checked(length)?;
    Some((Element { text, value }, after))
}

/// Bytes of an element that is not JSON: up to the bracket that closes it, or to what separates it from the next.
/// `None` if the text ends within it.
fn extent(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (index, byte) in text.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => return Some(index),
            b'}' | b']' if depth == 1 => return Some(index + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}
