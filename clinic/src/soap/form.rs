//! A SOAP note whose every sentence names the words of the consultation that support it.
//!
//! Only the words are looked for. Whether a sentence follows from them is for a person to say, who has both before the eyes.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::danger::Urgency;
use crate::drafting::{Dropped, Reading, Reason};
use crate::extract::{Transcript, instructions};
use crate::form::{Fault, Field, Form, Item, Kind, List, Member};
use crate::names;
use crate::numbers::{self, Flag};
use crate::record::Span;

/// What a model is asked for such a note.
pub const INSTRUCTION: &str = include_str!("instruction.txt").trim_ascii();

/// The words of an urgency, in a form.
pub(crate) const URGENCY: Member = Member::Field(Field::new(
    "urgency",
    Kind::Choice(&["routine", "urgent", "emergency"]),
));

const SENTENCE: &[Field] = &[
    Field::new("quote", Kind::Text),
    Field::new("text", Kind::Text),
];

const fn section(key: &'static str) -> Member {
    Member::List(List {
        key,
        most: 16,
        fields: SENTENCE,
    })
}

/// The form.
pub const FORM: Form = Form {
    most_chars: 400,
    members: &[
        section("subjective"),
        section("objective"),
        section("assessment"),
        section("plan"),
        URGENCY,
    ],
};

/// A part of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// What the patient says.
    Subjective,
    /// What was found and measured.
    Objective,
    /// What it is thought to be.
    Assessment,
    /// What is to be done.
    Plan,
}

impl Section {
    /// All, in the order of a note.
    pub const ALL: [Self; 4] = [
        Self::Subjective,
        Self::Objective,
        Self::Assessment,
        Self::Plan,
    ];

    /// Its name in the form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subjective => "subjective",
            Self::Objective => "objective",
            Self::Assessment => "assessment",
            Self::Plan => "plan",
        }
    }
}

/// A sentence of a note, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// Where in the note.
    pub section: Section,
    /// The sentence.
    pub text: String,
    /// The words of the transcript that it rests on, as the transcript has them.
    pub quote: String,
    /// Where they stand in the transcript.
    pub evidence: Span,
    /// Numbers in it that the transcript does not have.
    pub numbers: Vec<Flag>,
    /// Names in it that the transcript does not have, by their places in `text`.
    pub names: Vec<Span>,
}

/// A note of which every sentence has its evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The sentences, in the order of the note.
    pub sentences: Vec<Sentence>,
    /// Sections without a sentence. They are shown as empty, never filled in.
    pub empty: Vec<Section>,
}

impl Note {
    /// The note of these sentences.
    pub fn of(mut sentences: Vec<Sentence>) -> Self {
        sentences.sort_by_key(|sentence| sentence.section);
        let has = |section| sentences.iter().any(|it| it.section == section);
        let empty = Section::ALL.into_iter().filter(|section| !has(*section));
        Self {
            empty: empty.collect(),
            sentences,
        }
    }
}

/// What a model drafted: the note, and how urgent the model thinks it is. [`Urgency::with_floor`] with the danger signs says
/// what is shown.
pub type Drafted = (Note, Option<Urgency>);

/// Reads a draft against its transcript. It can be used if all sections are there and at least one sentence has its evidence.
pub fn read(draft: &str, transcript: &Transcript<'_>) -> Reading<Drafted> {
    let said = instructions::masked(transcript);
    let filled = FORM.read(draft);
    let urgency = filled.fields.get("urgency");
    let urgency = urgency.and_then(|value| serde_json::from_value(value.clone()).ok());
    let mut reader = Reader {
        said: Transcript::new(&said),
        transcript,
        sentences: Vec::new(),
        dropped: Vec::new(),
        faults: filled.faults,
        seen: HashSet::new(),
    };
    for item in &filled.items {
        reader.take(item);
    }
    let Reader {
        sentences,
        dropped,
        mut faults,
        ..
    } = reader;
    if sentences.is_empty() && faults.is_empty() && dropped.is_empty() {
        let problem = "the note is empty; write what was said, each sentence with its quote";
        faults.push(Fault::new("", problem));
    }
    let is_section = |key: &&str| Section::ALL.iter().any(|section| section.name() == *key);
    let whole = !filled.missing.iter().any(is_section);
    Reading {
        usable: whole && !sentences.is_empty(),
        made: (Note::of(sentences), urgency),
        dropped,
        faults,
    }
}

struct Reader<'a> {
    transcript: &'a Transcript<'a>,
    /// The transcript without what tries to instruct: a dose or a name that only stands there was not said.
    said: Transcript<'a>,
    sentences: Vec<Sentence>,
    dropped: Vec<Dropped>,
    faults: Vec<Fault>,
    seen: HashSet<(Section, String)>,
}

impl Reader<'_> {
    fn take(&mut self, item: &Item) {
        let section = Section::ALL.into_iter().find(|it| it.name() == item.list);
        let (Some(section), Some(text)) = (section, item.text("text")) else {
            return;
        };
        let path = item.path();
        let evidence = match self.evidence(item, text) {
            Ok(evidence) => evidence,
            Err((reason, fault)) => {
                self.faults.extend(fault);
                return self.drop(path, text, reason);
            }
        };
        if !self.seen.insert((section, text.to_lowercase())) {
            return self.drop(path, text, Reason::Repeated);
        }
        let numbers = numbers::check(self.said.text(), text);
        let absent = numbers
            .iter()
            .filter(|flag| flag.kind == numbers::Kind::Absent);
        let names = names::unsaid(&self.said, text);
        let absent = absent.map(|flag| &flag.span).chain(&names);
        let absent: Vec<_> = absent.filter_map(|span| span.of(text)).collect();
        if !absent.is_empty() {
            let absent = absent.join(", ");
            let problem =
                format!("{absent:?} was not said; write what the transcript says, or leave it out");
            self.faults
                .push(Fault::new(format!("{path}.text"), problem));
        }
        let quote = evidence.of(self.transcript.text()).unwrap_or_default();
        self.sentences.push(Sentence {
            section,
            text: text.to_owned(),
            quote: quote.to_owned(),
            evidence,
            numbers,
            names,
        });
    }

    /// Where the transcript has what a sentence rests on, or why it is left out, and what its writer is told.
    fn evidence(&self, item: &Item, text: &str) -> Result<Span, (Reason, Option<Fault>)> {
        let fault = |key, problem| Some(Fault::new(format!("{}.{key}", item.path()), problem));
        if !text.chars().any(char::is_alphanumeric) {
            let problem = "says nothing; write a sentence, or leave the entry out";
            return Err((Reason::Unfit, fault("text", problem)));
        }
        let quote = item.text("quote").unwrap_or_default();
        let Some(evidence) = self.transcript.find(quote) else {
            let problem = "is not in the transcript; copy its words, or leave the entry out";
            return Err((Reason::NotSaid, fault("quote", problem)));
        };
        match instructions::within(self.transcript, evidence) || instructions::speaks(text) {
            true => Err((Reason::Instruction, None)),
            false => Ok(evidence),
        }
    }

    fn drop(&mut self, path: String, said: &str, reason: Reason) {
        self.dropped.push(Dropped {
            path,
            said: said.to_owned(),
            reason,
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    const CONSULTATION: &str = "Patient: I've had a cough for 3 days.\nDoctor: Chest is clear, 37.2. Rest, and come back in 5 days.";

    fn draft() -> Value {
        json!({
            "subjective": [{"quote": "cough for 3 days", "text": "Cough for three days."}],
            "objective": [{"quote": "CHEST IS  CLEAR, 37.2", "text": "Chest clear, 37.2 °C."}],
            "assessment": [{"quote": "it is pneumonia", "text": "Pneumonia."}],
            "plan": [{"quote": "come back in 5 days", "text": "Review in 7 days."}],
            "urgency": "routine"
        })
    }

    fn read_on(consultation: &str, draft: &Value) -> Reading<Drafted> {
        read(&draft.to_string(), &Transcript::new(consultation))
    }

    #[test]
    fn a_sentence_whose_quote_was_not_said_is_dropped_and_kept_for_the_log() {
        let read = read_on(CONSULTATION, &draft());
        let (note, urgency) = read.made;
        let left: Vec<&str> = note.sentences.iter().map(|it| it.text.as_str()).collect();
        let expected = [
            "Cough for three days.",
            "Chest clear, 37.2 °C.",
            "Review in 7 days.",
        ];
        assert_eq!(left, expected);
        assert_eq!(note.empty, [Section::Assessment]);
        assert_eq!(note.sentences[0].quote, "cough for 3 days");
        assert_eq!(
            note.sentences[1].evidence.of(CONSULTATION),
            Some("Chest is clear, 37.2")
        );
        assert_eq!(read.dropped.len(), 1);
        assert_eq!(
            (&*read.dropped[0].path, read.dropped[0].reason),
            ("assessment[0]", Reason::NotSaid)
        );
        assert_eq!(urgency, Some(Urgency::Routine));
        assert!(read.usable);
    }

    #[test]
    fn a_number_that_was_not_said_is_flagged_though_its_sentence_stays() {
        let read = read_on(CONSULTATION, &draft());
        let sentences = read.made.0.sentences.iter();
        let kinds: Vec<Vec<numbers::Kind>> = sentences
            .map(|it| it.numbers.iter().map(|flag| flag.kind).collect())
            .collect();
        assert_eq!(
            kinds,
            [
                vec![],
                vec![numbers::Kind::UnitDiffers],
                vec![numbers::Kind::Absent]
            ]
        );
        let told: Vec<_> = read.faults.iter().map(|it| &*it.path).collect();
        assert_eq!(told, ["assessment[0].quote", "plan[0].text"]);
    }

    #[test]
    fn a_note_without_evidence_is_refused() {
        let read = read_on("Nothing of this.", &draft());
        assert_eq!((read.usable, read.dropped.len()), (false, 4));
        let empty = json!({"subjective": [], "objective": [], "assessment": [], "plan": [], "urgency": "urgent"});
        let read = read_on(CONSULTATION, &empty);
        assert_eq!((read.usable, read.faults.len()), (false, 1));
    }

    #[test]
    fn a_section_or_urgency_that_is_missing_or_of_another_type_is_a_fault() {
        for section in Section::ALL {
            let mut without = draft();
            without.as_object_mut().unwrap().remove(section.name());
            let mut other = draft();
            other[section.name()] = json!("text");
            for wrong in [without, other] {
                let read = read_on(CONSULTATION, &wrong);
                assert!(!read.usable, "{wrong}");
                assert!(read.faults.iter().any(|it| it.path == section.name()));
            }
        }
        for urgency in [json!(null), json!("soon"), json!(2)] {
            let mut other = draft();
            other["urgency"] = urgency;
            let read = read_on(CONSULTATION, &other);
            assert!(read.faults.iter().any(|it| it.path == "urgency"));
            assert_eq!(read.made.1, None);
        }
        assert!(!read("S: cough", &Transcript::new(CONSULTATION)).usable);
    }

    #[test]
    fn the_form_asks_for_what_is_read() {
        let schema: Value = serde_json::from_str(&FORM.schema()).unwrap();
        let required = schema["required"].as_array().unwrap();
        let names = Section::ALL.into_iter().map(Section::name);
        let names: Vec<_> = names.chain(["urgency"]).collect();
        assert_eq!(required, &names);
        for urgency in schema["properties"]["urgency"]["enum"].as_array().unwrap() {
            assert!(serde_json::from_value::<Urgency>(urgency.clone()).is_ok());
        }
    }
}
