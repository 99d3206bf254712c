//! Questions from JSON lines. Which set a line is from is seen from its fields:
//!
//! | fields | set |
//! | --- | --- |
//! | `question`, `options` {`A`..}, `answer_idx` (, `answer`, `meta_info`) | MedQA |
//! | `sent1`, `ending0`..`ending3`, `label` | the same, as lm-evaluation-harness reads it (GBaker/MedQA-USMLE-4-options-hf) |
//! | `question`, `opa`..`opd`, `cop` (, `subject_name`, `exp`) | MedMCQA |
//! | `question`, `context`, `final_decision` (, `pubid`); or `QUESTION`, `CONTEXTS` | PubMedQA |
//! | `question`, `choices` [..], `answer` (, `id`, `subject`, `system`, `image`, `image_first`, `style`) | any other; also pictures with labels |
//! | `transcript`, `expected` [{`kind`, `name`, ..}, ..] (, `id`) | facts in a transcript |
//! | `id`, `task`, `prompt`, `expected` (, `fields`, `system`, `image`, `image_first`) | words that are known |
//!
//! `style` is `lettered`, as if there were none, or `bare`: the question is asked as it is, without its options.
//!
//! `cop` counts from 1 in the files that MedMCQA's authors publish, and from 0 in the data set on Hugging Face, whose loader
//! takes one away (datasets/medmcqa/medmcqa.py). A file in which 0 occurs counts from 0, one in which 4 occurs from 1. One
//! in which neither does is not guessed at. A `cop` of -1 is a question whose answer is not published.

use serde_json::{Map, Value};

use super::facts::Fact;
use super::question::{Choices, Kind, MAX_CHOICES, Question, Style, Words, letter};
use crate::error::{Error, Result};

/// Where `cop` counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopBase {
    /// The first option is 0, as in the data set on Hugging Face.
    Zero,
    /// The first option is 1, as in the files of MedMCQA's authors.
    One,
}

/// The fields of a line and its number.
struct Line<'a> {
    number: usize,
    doc: &'a Map<String, Value>,
}

/// All questions of a file of JSON lines; empty lines are left out. `cop`: where MedMCQA's answers count from, if the
/// file does not show it.
///
/// # Errors
/// [`Error::Question`] with the line and what is wrong there, [`Error::Questions`] for a file as a whole.
pub fn read(text: &str, cop: Option<CopBase>) -> Result<Vec<Question>> {
    let mut docs = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let doc: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            question_error(number, format!("this is no JSON object ({error})"), FORMS)
        })?;
        docs.push((number, doc));
    }
    let lines = || {
        docs.iter().map(|(number, doc)| Line {
            number: *number,
            doc,
        })
    };
    let cop = match cop {
        Some(base) => Some(base),
        None => cop_base(lines())?,
    };
    let questions = lines().map(|line| line.question(cop));
    let questions = questions.collect::<Result<Vec<_>>>()?;
    let Some(first) = questions.first() else {
        return Err(Error::Questions {
            problem: "the file holds no question".to_owned(),
            remedy: "write one on each line",
        });
    };
    let same = |kind: &Kind| std::mem::discriminant(kind) == std::mem::discriminant(&first.kind);
    if let Some(at) = questions.iter().position(|question| !same(&question.kind)) {
        let problem = format!(
            "this is one of {}, the first line one of {}",
            questions.get(at).map_or("", |other| other.kind.name()),
            first.kind.name()
        );
        let number = docs.get(at).map_or(0, |(number, _)| *number);
        return Err(question_error(
            number,
            problem,
            "put them into files of their own",
        ));
    }
    Ok(questions)
}

const FORMS: &str = "give each line the fields of MedQA (question, options, answer_idx), MedMCQA (question, opa to opd, cop), \
PubMedQA (question, context, final_decision), of a general question (question, choices, answer), of a transcript \
(transcript, expected), or of a prompt (id, task, prompt, expected)";

fn question_error(line: usize, problem: impl Into<String>, remedy: &'static str) -> Error {
    Error::Question {
        line,
        problem: problem.into(),
        remedy,
    }
}

/// Where `cop` counts from, as far as the file shows it.
fn cop_base<'a>(lines: impl Iterator<Item = Line<'a>>) -> Result<Option<CopBase>> {
    let mut seen = [None; 2];
    let mut any = None;
    for line in lines.filter(|line| line.doc.contains_key("opa")) {
        any = any.or(Some(line.number));
        match line.whole_number("cop") {
            Some(0) => seen[0] = seen[0].or(Some(line.number)),
            Some(4) => seen[1] = seen[1].or(Some(line.number)),
            _ => {}
        }
    }
    match (seen, any) {
        ([Some(zero), Some(four)], _) => Err(question_error(
            four,
            format!("`cop` is 4 here and 0 on line {zero}"),
            "let it count from 0 or from 1 in the whole file",
        )),
        ([Some(_), None], _) => Ok(Some(CopBase::Zero)),
        ([None, Some(_)], _) => Ok(Some(CopBase::One)),
        ([None, None], Some(first)) => Err(question_error(
            first,
            "neither 0 nor 4 occurs as `cop` in this file, so nothing shows whether it counts from 0 or from 1",
            "say which (`--cop-from`, or `copFrom` in the page): 0 for the data set on Hugging Face, 1 for the files of MedMCQA's authors",
        )),
        ([None, None], None) => Ok(None),
    }
}

impl Line<'_> {
    fn question(&self, cop: Option<CopBase>) -> Result<Question> {
        let has = |field: &str| self.doc.contains_key(field);
        let (kind, subject) = if has("prompt") && (has("expected") || has("expect")) {
            (Kind::Words(self.words()?), "task")
        } else if has("transcript") {
            (self.facts()?, "subject")
        } else if has("opa") {
            (Kind::Choice(self.medmcqa(cop)?), "subject_name")
        } else if has("options") && has("answer_idx") {
            (Kind::Choice(self.medqa()?), "meta_info")
        } else if has("sent1") && has("ending0") {
            (Kind::Choice(self.medqa_endings()?), "subject")
        } else if has("final_decision") {
            (Kind::Choice(self.pubmedqa()?), "subject")
        } else if has("choices") {
            (Kind::Choice(self.general()?), "subject")
        } else {
            return Err(self.error("nothing says which set this is from", FORMS));
        };
        let id = ["id", "pubid", "PUBID"]
            .iter()
            .find_map(|field| match self.doc.get(*field)? {
                Value::String(id) => Some(id.clone()),
                Value::Number(id) => Some(id.to_string()),
                _ => None,
            });
        Ok(Question {
            id: id.unwrap_or_else(|| self.number.to_string()),
            subject: self.optional_text(subject)?,
            system: self.optional_text("system")?,
            image: self.optional_text("image")?,
            image_first: self.doc.get("image_first") != Some(&Value::Bool(false)),
            kind,
            doc: self.doc.clone(),
        })
    }

    fn medqa(&self) -> Result<Choices> {
        let remedy = "give it as {\"A\": \"..\", \"B\": \"..\", ..}";
        let Some(Value::Object(given)) = self.doc.get("options") else {
            return Err(self.error("`options` is no object", remedy));
        };
        let mut options = Vec::new();
        for at in 0..given.len().min(MAX_CHOICES) {
            match given.get(&letter(at).to_string()) {
                Some(Value::String(option)) => options.push(option.clone()),
                _ => {
                    let problem = format!("`options` has no text for {}", letter(at));
                    return Err(self.error(problem, remedy));
                }
            }
        }
        let named = self.text("answer_idx")?;
        let right = letter_index(&named, options.len()).ok_or_else(|| {
            let problem = format!("`answer_idx` is {named:?}, which is none of the options");
            self.error(problem, "name one of their letters")
        })?;
        if let Some(answer) = self.optional_text("answer")?
            && options.get(right).map(|option| option.trim()) != Some(answer.trim())
        {
            let problem = format!("`answer` is {answer:?}, but not option {}", letter(right));
            return Err(self.error(problem, "let `answer` and `answer_idx` say the same"));
        }
        self.choices(options, right, Style::Lettered)
    }

    fn medqa_endings(&self) -> Result<Choices> {
        let fields = ["ending0", "ending1", "ending2", "ending3"];
        let options = fields.iter().map(|field| self.text(field));
        let options = options.collect::<Result<Vec<_>>>()?;
        // A second part, where there is one, follows the first.
        let second = self.optional_text("sent2")?.unwrap_or_default();
        let question = format!("{} {second}", self.text("sent1")?.trim());
        match self.whole_number("label") {
            Some(right @ 0..4) => {
                self.choices_of(&question, options, right as usize, Style::Lettered)
            }
            _ => {
                let given = self.doc.get("label").unwrap_or(&Value::Null);
                let problem = format!("`label` is {given}, which is none of the four endings");
                Err(self.error(problem, "give the number of the right ending, from 0"))
            }
        }
    }

    fn medmcqa(&self, base: Option<CopBase>) -> Result<Choices> {
        let fields = ["opa", "opb", "opc", "opd"];
        let options = fields.iter().map(|field| self.text(field));
        let options = options.collect::<Result<Vec<_>>>()?;
        let cop = match self.doc.get("cop") {
            Some(Value::String(name)) => {
                let index = letter_index(&name.to_uppercase(), options.len());
                index.map(|index| index as i64)
            }
            _ => self.whole_number("cop").map(|cop| match base {
                Some(CopBase::One) if cop >= 0 => cop - 1,
                _ => cop,
            }),
        };
        match cop {
            Some(right @ 0..4) => self.choices(options, right as usize, Style::Titled),
            Some(-1) => Err(self.error(
                "no `cop` of this question is published (it is -1 or 0)",
                "use the validation split: the test split has no answers",
            )),
            _ => {
                let given = self.doc.get("cop").unwrap_or(&Value::Null);
                let problem = format!("`cop` is {given}, which is none of the four options");
                Err(self.error(problem, "give the number of the right option"))
            }
        }
    }

    fn pubmedqa(&self) -> Result<Choices> {
        let options = ["yes", "no", "maybe"].map(str::to_owned);
        let named = self.text("final_decision")?;
        let right = options
            .iter()
            .position(|option| *option == named)
            .ok_or_else(|| {
                let problem = format!("`final_decision` is {named:?}");
                self.error(problem, "let it be yes, no or maybe")
            })?;
        let remedy = "give the abstract as text, as a list of texts, or as {\"contexts\": [..]}";
        let context = self.doc.get("CONTEXTS").or(self.doc.get("context"));
        let context = match context {
            Some(Value::Object(parts)) => parts.get("contexts"),
            context => context,
        };
        let context = match context {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                let parts = parts.iter().map(|part| part.as_str().map(str::to_owned));
                let parts = parts.collect::<Option<Vec<_>>>();
                let parts = parts.ok_or_else(|| {
                    self.error("`context` holds something else than text", remedy)
                })?;
                parts.join("\n")
            }
            _ => return Err(self.error("`context` is missing", remedy)),
        };
        let upper = self.doc.contains_key("QUESTION");
        let question = self.text(if upper { "QUESTION" } else { "question" })?;
        let choices = self.choices_of(&question, options.to_vec(), right, Style::Words)?;
        Ok(Choices {
            context: Some(context),
            ..choices
        })
    }

    fn general(&self) -> Result<Choices> {
        let Some(Value::Array(given)) = self.doc.get("choices") else {
            return Err(self.error("`choices` is no list", "give it as [\"..\", \"..\", ..]"));
        };
        let texts = given
            .iter()
            .map(|choice| choice.as_str().map(str::to_owned));
        let options = texts.collect::<Option<Vec<_>>>().ok_or_else(|| {
            self.error(
                "`choices` holds something else than text",
                "give each as a text",
            )
        })?;
        let right = match self.doc.get("answer") {
            Some(Value::Number(index)) => index.as_u64().map(|index| index as usize),
            // A text that is a choice counts as that, even if it is a letter.
            Some(Value::String(name)) => options
                .iter()
                .position(|option| option.trim() == name.trim())
                .or_else(|| letter_index(name, options.len())),
            _ => None,
        };
        match right.filter(|right| *right < options.len()) {
            Some(right) => self.choices(options, right, self.style()?),
            None => {
                let given = self.doc.get("answer").unwrap_or(&Value::Null);
                let problem = format!("`answer` is {given}, which is none of the choices");
                Err(self.error(
                    problem,
                    "give its place in the list (from 0), its letter, or its text",
                ))
            }
        }
    }

    fn style(&self) -> Result<Style> {
        match self.optional_text("style")?.as_deref() {
            None | Some("lettered") => Ok(Style::Lettered),
            Some("bare") => Ok(Style::Bare),
            Some(other) => {
                let problem = format!("`style` is {other:?}");
                Err(self.error(problem, "let it be lettered or bare, or leave it out"))
            }
        }
    }

    fn choices(&self, options: Vec<String>, right: usize, style: Style) -> Result<Choices> {
        self.choices_of(&self.text("question")?, options, right, style)
    }

    fn choices_of(
        &self,
        question: &str,
        options: Vec<String>,
        right: usize,
        style: Style,
    ) -> Result<Choices> {
        if !(2..=MAX_CHOICES).contains(&options.len()) {
            let problem = format!("there are {} choices", options.len());
            return Err(self.error(problem, "give 2 to 26"));
        }
        let options: Vec<_> = options
            .iter()
            .map(|option| option.trim().to_owned())
            .collect();
        if let Some(at) = options.iter().position(String::is_empty) {
            let problem = format!("choice {} is empty", letter(at));
            return Err(self.error(problem, "write something there, or leave the question out"));
        }
        Ok(Choices {
            question: question.trim().to_owned(),
            context: None,
            options,
            right,
            style,
        })
    }

    fn facts(&self) -> Result<Kind> {
        let expected = self.doc.get("expected").cloned().unwrap_or_default();
        let expected: Vec<Fact> = serde_json::from_value(expected).map_err(|error| {
            let problem = format!("`expected` is no list of facts ({error})");
            self.error(
                problem,
                "give it as [{\"kind\": \"..\", \"name\": \"..\"}, ..]",
            )
        })?;
        Ok(Kind::Facts {
            transcript: self.text("transcript")?,
            expected,
        })
    }

    fn words(&self) -> Result<Words> {
        self.text("id")?;
        let expected = match self.doc.contains_key("expected") {
            true => "expected",
            false => "expect",
        };
        let fields = match self.doc.get("fields") {
            None => Map::new(),
            Some(Value::Object(fields)) => fields.clone(),
            Some(other) => {
                let problem = format!("`fields` is {other} where an object belongs");
                return Err(self.error(problem, "give it as {\"name\": \"value\", ..}"));
            }
        };
        let prompt = self.optional_text("prompt")?.unwrap_or_default();
        if prompt.trim().is_empty() && self.optional_text("image")?.is_none() {
            return Err(self.error("`prompt` is empty", "say what is asked"));
        }
        Ok(Words {
            task: self.text("task")?,
            prompt,
            expected: self.optional_text(expected)?.unwrap_or_default(),
            fields,
        })
    }

    fn text(&self, field: &str) -> Result<String> {
        match self.doc.get(field) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
            Some(Value::String(_)) => {
                Err(self.error(format!("`{field}` is empty"), "write something there"))
            }
            Some(other) => {
                let problem = format!("`{field}` is {other} where text belongs");
                Err(self.error(problem, "give it as text"))
            }
            None => Err(self.error(format!("`{field}` is missing"), FORMS)),
        }
    }

    /// Nothing and null are the same.
    fn optional_text(&self, field: &str) -> Result<Option<String>> {
        match self.doc.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => {
                let problem = format!("`{field}` is {other} where text belongs");
                Err(self.error(problem, "give it as text, or leave it out"))
            }
        }
    }

    fn whole_number(&self, field: &str) -> Option<i64> {
        self.doc.get(field)?.as_i64()
    }

    fn error(&self, problem: impl Into<String>, remedy: &'static str) -> Error {
        question_error(self.number, problem, remedy)
    }
}

/// The place that a capital letter names among `count`.
fn letter_index(name: &str, count: usize) -> Option<usize> {
    (0..count).find(|at| name.trim() == letter(*at).to_string())
}
