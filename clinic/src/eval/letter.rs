//! Which choice a written answer names. Of these the first that holds, on the answer without `*`, `_` and `` ` `` around words:
//!
//! 1. The whole answer is a label, in brackets or not, with a full stop or not: `B`, `(B)`, `B.`; a word in any case: `Yes.`
//! 2. The last place that says `answer is`, `answer:`, `choice is` or `option is` and then a label: `The final answer is (C).`
//! 3. A label and `.`, `)` or `:` begin the answer, or a word that is a label: `B. Fever`, `No, it does not.`
//! 4. Exactly one option's text occurs, as whole words.
//!
//! A letter must be a capital that no letter or digit touches: `A` in `A patient` begins a sentence, and only the
//! punctuation of 1 to 3 makes it an answer. What none of these finds is unparsed, and counts as wrong.

use super::question::Choices;

/// The choice that `answer` names, from 0.
pub fn named(answer: &str, choices: &Choices) -> Option<usize> {
    let plain: String = answer
        .chars()
        .filter(|c| !matches!(c, '*' | '_' | '`'))
        .collect();
    let plain = plain.trim();
    let labels = choices.labels();
    let words = !choices.are_lettered();
    whole(plain, &labels, words)
        .or_else(|| after_phrase(plain, &labels, words))
        .or_else(|| at_start(plain, &labels, words))
        .or_else(|| only_option(plain, &choices.options))
}

/// The label that a piece of text is, apart from brackets and a full stop.
fn whole(text: &str, labels: &[String], words: bool) -> Option<usize> {
    let bare = text.trim_matches(|c: char| {
        c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '.' | ':' | '"')
    });
    label(bare, labels, words)
}

fn label(bare: &str, labels: &[String], words: bool) -> Option<usize> {
    labels.iter().position(|label| match words {
        true => label.eq_ignore_ascii_case(bare),
        false => label == bare,
    })
}

/// The label behind the last phrase that announces one.
fn after_phrase(text: &str, labels: &[String], words: bool) -> Option<usize> {
    // The same length, byte by byte.
    let lower = text.to_ascii_lowercase();
    let phrases = ["answer is", "answer:", "choice is", "option is"];
    let ends = phrases.iter().flat_map(|phrase| {
        lower
            .match_indices(phrase)
            .map(|(at, found)| at + found.len())
    });
    let mut ends: Vec<_> = ends.collect();
    ends.sort_unstable();
    ends.iter().rev().find_map(|end| {
        let rest = text.get(*end..)?;
        let rest = rest
            .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '(' | '[' | '"'));
        label(first_word(rest), labels, words)
    })
}

/// The label that begins the answer.
fn at_start(text: &str, labels: &[String], words: bool) -> Option<usize> {
    let text = text.trim_start_matches(['(', '[', '"']);
    let word = first_word(text);
    let next = text.get(word.len()..)?.chars().next();
    match words || matches!(next, Some('.' | ')' | ':' | ']')) {
        true => label(word, labels, words),
        false => None,
    }
}

/// Letters and digits at the beginning.
fn first_word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// The one option whose words occur, where none of the others does. An option within another one that occurs does not
/// count.
fn only_option(text: &str, options: &[String]) -> Option<usize> {
    let text = words(text);
    let options: Vec<_> = options.iter().map(|option| words(option)).collect();
    let occurs = |option: &String| option.trim() != "" && text.contains(option.as_str());
    let within_another = |option: &String| {
        options
            .iter()
            .any(|other| other != option && occurs(other) && other.contains(option.as_str()))
    };
    let mut found = (0..options.len()).filter(|at| {
        options
            .get(*at)
            .is_some_and(|option| occurs(option) && !within_another(option))
    });
    match (found.next(), found.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

/// Lower-case words with a space around each.
fn words(text: &str) -> String {
    let letters = text
        .to_lowercase()
        .replace(|c: char| !c.is_alphanumeric(), " ");
    let words: Vec<_> = letters.split_whitespace().collect();
    format!(" {} ", words.join(" "))
}
