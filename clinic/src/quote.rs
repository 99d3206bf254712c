//! Words that a model says it took from a transcript, and whether they are there.

use crate::record::Span;

/// Where a transcript has the words of a quote: the same but for case, white space and the shape of apostrophes, and whole
/// words at both ends. `None` where it does not have them, and for a quote without words.
///
/// ```
/// use outpost_clinic::quote::find;
///
/// let transcript = "She can’t\n sleep  at night.";
/// let span = find("can't sleep", transcript).unwrap();
/// assert_eq!(span.of(transcript), Some("can’t\n sleep"));
/// assert_eq!(find("leep", transcript), None);
/// ```
pub fn find(quote: &str, transcript: &str) -> Option<Span> {
    let wanted: Vec<char> = normal(quote).into_iter().map(|(c, _)| c).collect();
    if !wanted.iter().any(|c| c.is_alphanumeric()) {
        return None;
    }
    let text = normal(transcript);
    let last = text.len().checked_sub(wanted.len())?;
    let is_word = |at: usize| text.get(at).is_some_and(|(c, _)| c.is_alphanumeric());
    let starts_word = wanted.first().is_some_and(|c| c.is_alphanumeric());
    let ends_word = wanted.last().is_some_and(|c| c.is_alphanumeric());
    (0..=last).find_map(|start| {
        let end = start + wanted.len();
        let words = text.get(start..end)?;
        let same = words.iter().map(|(c, _)| c).eq(wanted.iter());
        let cut = (starts_word && start > 0 && is_word(start - 1)) || (ends_word && is_word(end));
        (same && !cut).then_some(Span {
            start: words.first()?.1.start,
            end: words.last()?.1.end,
        })
    })
}

/// The characters that are compared, each with its place: lower case, one space for any white space, none at the ends.
fn normal(text: &str) -> Vec<(char, Span)> {
    let mut normal: Vec<(char, Span)> = Vec::new();
    for (start, c) in text.char_indices() {
        let span = Span {
            start,
            end: start + c.len_utf8(),
        };
        if c.is_whitespace() {
            if normal.last().is_some_and(|(last, _)| *last != ' ') {
                normal.push((' ', span));
            }
            continue;
        }
        let c = match c {
            '’' | '‘' => '\'',
            '“' | '”' => '"',
            _ => c,
        };
        normal.extend(c.to_lowercase().map(|c| (c, span)));
    }
    if normal.last().is_some_and(|(last, _)| *last == ' ') {
        normal.pop();
    }
    normal
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_quote_is_found_whatever_its_case_and_spaces() {
        let transcript = "Patient:  I have a FEVER\nsince Monday. “Bad” one.";
        for (quote, found) in [
            (
                "i have a fever since monday",
                "I have a FEVER\nsince Monday",
            ),
            ("  fever  ", "FEVER"),
            ("\"bad\"", "“Bad”"),
            ("Monday.", "Monday."),
        ] {
            assert_eq!(find(quote, transcript).unwrap().of(transcript), Some(found));
        }
    }

    #[test]
    fn a_quote_that_is_not_there_is_not_found() {
        let transcript = "No fever since Monday.";
        for quote in [
            "",
            " ",
            ".",
            "ever",
            "No fever since Mon",
            "fever Monday",
            "fever, since",
            "No fever since Monday. And more",
        ] {
            assert_eq!(find(quote, transcript), None, "{quote}");
        }
        assert_eq!(find("fever", ""), None);
    }

    #[test]
    fn letters_that_grow_in_lower_case_keep_their_place() {
        let transcript = "İstanbul visit, then fever";
        assert_eq!(
            find("fever", transcript).unwrap().of(transcript),
            Some("fever")
        );
        assert_eq!(
            find(transcript, transcript).unwrap().of(transcript),
            Some(transcript)
        );
    }
}
