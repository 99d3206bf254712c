//! Finds sentences of a transcript that speak to a program instead of about a patient.
//!
//! A transcript is what anyone in the room said, and what a picture or a file brought along. Nobody tells a colleague to
//! ignore instructions or to write JSON; so a fact whose only evidence is such a sentence is not taken from it. What is left
//! out is counted and shown. A sentence that instructs in other words than these is not recognised: evidence, tables and
//! validators stand behind it.

use crate::quote::Transcript;
use crate::record::Span;

/// Runs of words, each of which makes a sentence an instruction.
const SIGNS: &[&str] = &[
    "ignore all previous",
    "ignore previous instructions",
    "ignore the previous instructions",
    "ignore your instructions",
    "ignore all instructions",
    "ignore the above",
    "disregard all previous",
    "disregard previous instructions",
    "disregard the above",
    "disregard your instructions",
    "forget your instructions",
    "forget all previous",
    "system prompt",
    "you are an ai",
    "you are an assistant",
    "as an ai",
    "language model",
    "reply with json",
    "respond with json",
    "respond only with",
    "output json",
    "output the following",
    "write json",
    "return json",
    "as json",
    "print the following",
    "add the code",
    "use the code",
    "assign the code",
    "set the code",
    "write the code",
    "end of transcript",
    "note to the model",
    "note to the assistant",
    "instruction to the model",
    "instructions to the model",
];

/// Marks that no one speaks.
const MARKS: &[&str] = &[
    "<start_of_turn>",
    "<end_of_turn>",
    "<|",
    "|>",
    "[inst]",
    "```",
    "{\"",
    "===",
];

/// Whether the sentences that `span` touches speak to a program.
pub fn within(transcript: &Transcript<'_>, span: Span) -> bool {
    let sentences = transcript.sentences(span);
    sentences.of(transcript.text()).is_some_and(speaks)
}

/// Whether words speak to a program.
pub fn speaks(words: &str) -> bool {
    let folded = words.to_lowercase();
    let words: Vec<_> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let spoken = format!(" {} ", words.join(" "));
    SIGNS
        .iter()
        .any(|sign| spoken.contains(&format!(" {sign} ")))
        || MARKS.iter().any(|mark| folded.contains(mark))
}

/// The transcript with spaces in place of its sentences that speak to a program; every other byte stays where it is.
pub fn masked(transcript: &Transcript<'_>) -> String {
    let mut text = transcript.text().to_owned();
    for sentence in transcript.by_sentence().map(|words| transcript.span(words)) {
        if within(transcript, sentence) {
            text.replace_range(sentence.range(), &" ".repeat(sentence.end - sentence.start));
        }
    }
    text
}
