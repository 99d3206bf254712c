//! Names in a text that its transcript does not have: of a drug, a person or a place.
//!
//! A quote is looked for word by word, but the sentence that rests on it is the model's own, and a name that was copied with
//! one syllable less is another drug. Two things give such a word away: it nearly is a name of the transcript, or it is written
//! as a name where a name stands out. What is left over are names at the beginning of a sentence that resemble nothing.

use strsim::osa_distance;

use crate::quote::{Transcript, Word};
use crate::record::Span;

/// Shortest word that can be a name.
const LEAST_LETTERS: usize = 4;

/// Names of `output` that the transcript does not have, in the order of the output.
///
/// ```
/// use outpost_clinic::names::unsaid;
/// use outpost_clinic::quote::Transcript;
///
/// let said = Transcript::new("I start Fenatulex 35 mg.");
/// let written = "Fenulex 35 mg, as Mavorin was not tolerated.";
/// let names: Vec<_> = unsaid(&said, written).iter().filter_map(|name| name.of(written)).collect();
/// assert_eq!(names, ["Fenulex", "Mavorin"]);
/// ```
pub fn unsaid(transcript: &Transcript<'_>, output: &str) -> Vec<Span> {
    let said = transcript.words();
    let names = names(transcript);
    let written = Transcript::new(output);
    let words = written.words();
    let is_unsaid = |(at, word): (usize, &Word)| {
        let is_word = is_word(&word.folded) && !said.iter().any(|it| it.folded == word.folded);
        let nearly = || names.iter().any(|name| nearly(name, &word.folded));
        (is_word && (stands_out(&written, at) || nearly())).then_some(word.span)
    };
    words.iter().enumerate().filter_map(is_unsaid).collect()
}

/// The words of a transcript that are names: written as one, or with a dose behind them.
fn names<'t>(transcript: &'t Transcript<'_>) -> Vec<&'t str> {
    let words = transcript.words();
    let is_number = |at: usize| {
        words
            .get(at)
            .is_some_and(|it| it.folded.starts_with(|c: char| c.is_ascii_digit()))
    };
    let name = |(at, word): (usize, &'t Word)| {
        let is_name = stands_out(transcript, at) || is_number(at + 1);
        (is_name && is_word(&word.folded)).then_some(&*word.folded)
    };
    words.iter().enumerate().filter_map(name).collect()
}

fn is_word(folded: &str) -> bool {
    folded.chars().all(char::is_alphabetic) && folded.chars().count() >= LEAST_LETTERS
}

/// Whether a word has a capital though no sentence begins with it. Abbreviations are all capitals.
fn stands_out(text: &Transcript<'_>, at: usize) -> bool {
    let (Some(word), Some(last)) = (text.words().get(at), at.checked_sub(1)) else {
        return false;
    };
    let inside = text
        .words()
        .get(last)
        .is_some_and(|it| it.sentence == word.sentence);
    let written = word.span.of(text.text()).unwrap_or_default();
    inside && written.starts_with(char::is_uppercase) && written.contains(char::is_lowercase)
}

/// Whether a word nearly is a name, and no form of it such as a plural.
fn nearly(name: &str, word: &str) -> bool {
    let form = |one: &str, other: &str| {
        one.strip_prefix(other)
            .is_some_and(|end| matches!(end, "s" | "es" | "ed" | "ing" | "n" | "ly"))
    };
    let most = name.chars().count().max(word.chars().count()) / 4;
    !form(word, name) && !form(name, word) && osa_distance(name, word) <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'o>(said: &str, written: &'o str) -> Vec<&'o str> {
        let said = Transcript::new(said);
        let spans = unsaid(&said, written);
        spans.iter().filter_map(|span| span.of(written)).collect()
    }

    #[test]
    fn a_name_that_was_copied_wrongly_is_found_wherever_it_stands() {
        let said = "She takes Fenatulex 35 mg. I start mavorin 5 mg twice a day.";
        assert_eq!(found(said, "Fenulex 35 mg."), ["Fenulex"]);
        assert_eq!(found(said, "Takes fenatulax 35 mg."), ["fenatulax"]);
        assert_eq!(found(said, "Start mavoran 5 mg."), ["mavoran"]);
    }

    #[test]
    fn a_name_that_nobody_said_is_found_where_it_stands_out() {
        let said = "She has had a cough for three days.";
        assert_eq!(found(said, "Refer to Doctor Miller."), ["Doctor", "Miller"]);
        assert_eq!(found(said, "Cough. Give Tudidix."), ["Tudidix"]);
    }

    #[test]
    fn other_words_of_a_note_are_no_names() {
        let said = "Her sister Anna has two cats. I gave Fenatulex 35 mg, and Fenatulexes are green. Pulse 72.";
        for written in [
            "Patient reports that she was given Fenatulex 35 mg.",
            "FENATULEX 35 mg was given. ECG was not done.",
            "Pulses are regular, 72 per minute.",
            "The sister of the patient, Anna, has cats.",
            "",
        ] {
            assert_eq!(found(said, written), Vec::<&str>::new(), "{written}");
        }
    }
}
