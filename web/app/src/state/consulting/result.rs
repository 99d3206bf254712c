//! The results of `window.outpost.processMedicalText` and `soapNote`: the fields that are shown, which `api/clinic.ts`
//! describes. What is missing, or of another type, is empty, and other fields are passed over: the page shows what there is.
//! They are read field by field, since derived code would be a tenth of the page's module.

use serde_json::Value;

/// Bytes of the transcript in UTF-8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The words here; nothing where the text does not reach so far, or a character would be cut.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    fn read(value: &Value) -> Self {
        let at = |key| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        Self {
            start: usize::try_from(at("start")).unwrap_or(usize::MAX),
            end: usize::try_from(at("end")).unwrap_or(usize::MAX),
        }
    }
}

/// What became of a consultation.
#[derive(Debug)]
pub struct Processed {
    pub data: Data,
    pub validation: Validation,
    pub way: String,
    /// Where rules find what the draft lacks.
    pub overlooked: Vec<Span>,
    pub repair_log: Vec<Attempt>,
    pub danger_signs: Danger,
    pub notices: Vec<String>,
    pub processing_time_ms: Option<f64>,
    pub model_info: Made,
}

impl Processed {
    /// Reads the result.
    pub fn read(value: &Value) -> Self {
        let (data, validation) = (part(value, "data"), part(value, "validation"));
        let (danger, made) = (part(value, "danger_signs"), part(value, "model_info"));
        Self {
            data: Data {
                medications: list(data, "medications", Fact::read),
                conditions: list(data, "conditions", Fact::read),
                allergies: list(data, "allergies", Fact::read),
                vital_signs: list(data, "vital_signs", Fact::read),
            },
            validation: Validation {
                bundle_valid: yes(validation, "bundle_valid"),
                medications: list(validation, "medications", Validity::read),
                conditions: list(validation, "conditions", Validity::read),
                allergies: list(validation, "allergies", Validity::read),
                vital_signs: list(validation, "vital_signs", Validity::read),
                issues: list(validation, "issues", Issue::read),
            },
            way: text(value, "way"),
            overlooked: list(value, "overlooked", |it| Span::read(part(it, "evidence"))),
            repair_log: list(value, "repair_log", Attempt::read),
            danger_signs: Danger {
                floor: text(danger, "floor"),
                found: list(danger, "found", Sign::read),
                not_applied: list(danger, "not_applied", |it| text(it, "why")),
            },
            notices: list(value, "notices", words),
            processing_time_ms: number(value, "processing_time_ms"),
            model_info: Made {
                model: text(made, "model"),
                quantization: text(made, "quantization"),
                device: text(made, "device"),
            },
        }
    }
}

/// The record.
#[derive(Debug)]
pub struct Data {
    pub medications: Vec<Fact>,
    pub conditions: Vec<Fact>,
    pub allergies: Vec<Fact>,
    pub vital_signs: Vec<Fact>,
}

/// An item of any of the four lists: each has some of these.
#[derive(Debug)]
pub struct Fact {
    /// What it is called: a name, a substance or a vital sign.
    pub name: String,
    pub strength: Option<String>,
    pub dosage: Option<String>,
    pub status: Option<String>,
    pub clinical_status: Option<String>,
    pub verification: Option<String>,
    pub onset: Option<String>,
    pub subject: Option<String>,
    pub reaction: Option<String>,
    pub value: Option<f64>,
    pub unit: Option<String>,
    pub coded: Option<Coded>,
    pub evidence: Span,
}

impl Fact {
    fn read(value: &Value) -> Self {
        let named = ["name", "substance", "sign"];
        let name = named.into_iter().find_map(|key| some_text(value, key));
        Self {
            name: name.unwrap_or_default(),
            strength: some_text(value, "strength"),
            dosage: some_text(value, "dosage"),
            status: some_text(value, "status"),
            clinical_status: some_text(value, "clinical_status"),
            verification: some_text(value, "verification"),
            onset: some_text(value, "onset"),
            subject: some_text(value, "subject"),
            reaction: some_text(value, "reaction"),
            value: number(value, "value"),
            unit: some_text(value, "unit"),
            coded: value.get("coded").map(Coded::read),
            evidence: Span::read(part(value, "evidence")),
        }
    }
}

/// A code, who chose it, and what else it could have been.
#[derive(Debug)]
pub struct Coded {
    pub coding: Option<Coding>,
    pub chosen_by: String,
    pub candidates: Vec<Candidate>,
}

impl Coded {
    fn read(value: &Value) -> Self {
        let coding = value.get("coding").filter(|coding| coding.is_object());
        Self {
            coding: coding.map(Coding::read),
            chosen_by: text(value, "chosen_by"),
            candidates: list(value, "candidates", |it| Candidate {
                coding: Coding::read(part(it, "coding")),
                complete: yes(it, "complete"),
            }),
        }
    }
}

/// A code of a table.
#[derive(Debug, PartialEq)]
pub struct Coding {
    pub system: String,
    pub code: String,
    pub display: String,
}

impl Coding {
    fn read(value: &Value) -> Self {
        Self {
            system: text(value, "system"),
            code: text(value, "code"),
            display: text(value, "display"),
        }
    }
}

/// A code that may be meant.
#[derive(Debug)]
pub struct Candidate {
    pub coding: Coding,
    pub complete: bool,
}

/// What validation says.
#[derive(Debug)]
pub struct Validation {
    pub bundle_valid: bool,
    pub medications: Vec<Validity>,
    pub conditions: Vec<Validity>,
    pub allergies: Vec<Validity>,
    pub vital_signs: Vec<Validity>,
    pub issues: Vec<Issue>,
}

/// Whether an item is valid.
#[derive(Debug)]
pub struct Validity {
    pub valid: bool,
    pub error: Option<String>,
}

impl Validity {
    fn read(value: &Value) -> Self {
        Self {
            valid: yes(value, "valid"),
            error: some_text(value, "error"),
        }
    }
}

/// Something wrong with the Bundle or a draft, and where.
#[derive(Debug)]
pub struct Issue {
    pub path: String,
    pub message: String,
}

impl Issue {
    fn read(value: &Value) -> Self {
        let message = some_text(value, "message").or_else(|| some_text(value, "problem"));
        Self {
            path: text(value, "path"),
            message: message.unwrap_or_default(),
        }
    }
}

/// A draft.
#[derive(Debug)]
pub struct Attempt {
    pub draft: String,
    pub cut: bool,
    pub faults: Vec<Issue>,
    pub dropped: Vec<Dropped>,
}

impl Attempt {
    fn read(value: &Value) -> Self {
        Self {
            draft: text(value, "draft"),
            cut: yes(value, "cut"),
            faults: list(value, "faults", Issue::read),
            dropped: list(value, "dropped", |it| Dropped {
                said: text(it, "said"),
                reason: text(it, "reason"),
            }),
        }
    }
}

/// What was left out of a draft.
#[derive(Debug)]
pub struct Dropped {
    pub said: String,
    pub reason: String,
}

/// Danger signs by rule.
#[derive(Debug)]
pub struct Danger {
    pub floor: String,
    pub found: Vec<Sign>,
    /// Why rules were not applied; empty for a measurement that could not be compared.
    pub not_applied: Vec<String>,
}

/// A danger sign.
#[derive(Debug)]
pub struct Sign {
    pub urgency: String,
    pub shown: String,
    pub evidence: Vec<SignEvidence>,
    pub source: Source,
}

impl Sign {
    fn read(value: &Value) -> Self {
        let source = part(value, "source");
        Self {
            urgency: text(value, "urgency"),
            shown: text(value, "shown"),
            evidence: list(value, "evidence", |it| SignEvidence {
                words: it.get("words").map(Span::read),
                vital: it
                    .get("vital")
                    .and_then(Value::as_u64)
                    .and_then(|at| usize::try_from(at).ok()),
            }),
            source: Source {
                title: text(source, "title"),
                publisher: text(source, "publisher"),
                year: text(source, "year"),
                place: text(source, "place"),
                url: text(source, "url"),
            },
        }
    }
}

/// Either words of the transcript or the index of a measurement.
#[derive(Debug)]
pub struct SignEvidence {
    pub words: Option<Span>,
    pub vital: Option<usize>,
}

/// The document that a rule comes from.
#[derive(Debug)]
pub struct Source {
    pub title: String,
    pub publisher: String,
    pub year: String,
    pub place: String,
    pub url: String,
}

/// What computed.
#[derive(Debug)]
pub struct Made {
    pub model: String,
    pub quantization: String,
    pub device: String,
}

/// A SOAP note, and how it came about.
#[derive(Debug)]
pub struct Noted {
    /// The note as it came, to be sent back for the Bundle.
    pub note: Value,
    /// The sentences; `None` if blocked.
    pub sentences: Option<Vec<Sentence>>,
    pub urgency: String,
    pub model_urgency: Option<String>,
    pub way: String,
    pub repair_log: Vec<Attempt>,
    pub notices: Vec<String>,
}

impl Noted {
    /// Reads the result.
    pub fn read(value: &Value) -> Self {
        let note = value.get("note").filter(|note| note.is_object());
        Self {
            note: note.cloned().unwrap_or_default(),
            sentences: note.map(|note| list(note, "sentences", Sentence::read)),
            urgency: text(value, "urgency"),
            model_urgency: some_text(value, "model_urgency"),
            way: text(value, "way"),
            repair_log: list(value, "repair_log", Attempt::read),
            notices: list(value, "notices", words),
        }
    }
}

/// A sentence of a note.
#[derive(Debug)]
pub struct Sentence {
    pub section: String,
    pub text: String,
    pub evidence: Span,
    /// What a person should look at, in the order of the text.
    pub flags: Vec<Flag>,
}

impl Sentence {
    fn read(value: &Value) -> Self {
        Self {
            section: text(value, "section"),
            text: text(value, "text"),
            evidence: Span::read(part(value, "evidence")),
            flags: Flag::all(value),
        }
    }
}

/// A number or a name of a sentence that was not said, or said otherwise.
#[derive(Debug)]
pub struct Flag {
    pub span: Span,
    pub kind: String,
}

impl Flag {
    fn all(sentence: &Value) -> Vec<Self> {
        let mut flags = list(sentence, "numbers", |it| Self {
            span: Span::read(part(it, "span")),
            kind: text(it, "kind"),
        });
        flags.extend(list(sentence, "names", |it| Self {
            span: Span::read(it),
            kind: "absent".to_owned(),
        }));
        flags.sort_by_key(|flag| flag.span.start);
        flags
    }
}

/// Findings in pictures, and how they came about.
#[derive(Debug)]
pub struct Described {
    /// What is seen; `None` if blocked.
    pub seen: Option<Seen>,
    pub urgency: String,
    pub model_urgency: Option<String>,
    pub repair_log: Vec<Attempt>,
    pub notices: Vec<String>,
}

impl Described {
    /// Reads the result.
    pub fn read(value: &Value) -> Self {
        let findings = value.get("findings").filter(|it| it.is_object());
        let numbers = part(value, "numbers").as_array();
        Self {
            seen: findings.map(|it| Seen::read(it, numbers.map_or(&[], Vec::as_slice))),
            urgency: text(value, "urgency"),
            model_urgency: some_text(value, "model_urgency"),
            repair_log: list(value, "repair_log", Attempt::read),
            notices: list(value, "notices", words),
        }
    }
}

/// What is seen in pictures.
#[derive(Debug)]
pub struct Seen {
    pub modality: String,
    pub view: String,
    pub findings: Vec<Finding>,
    pub impression: String,
    pub limitations: String,
    /// Numbers that were not given, as they stand in these texts.
    pub numbers: Vec<String>,
}

impl Seen {
    fn read(findings: &Value, numbers: &[Value]) -> Self {
        let number = |number: &Value| {
            let path = text(number, "path").replace('[', "/").replace("].", "/");
            let said = findings.pointer(&format!("/{path}"))?.as_str()?;
            let span = Span::read(part(number, "span"));
            said.get(span.start..span.end).map(str::to_owned)
        };
        Self {
            modality: text(findings, "modality"),
            view: text(findings, "view"),
            findings: list(findings, "findings", |it| Finding {
                what: text(it, "what"),
                side: text(it, "side"),
                zone: text(it, "zone"),
                certainty: text(it, "certainty"),
                evidence: text(it, "evidence"),
            }),
            impression: text(findings, "impression"),
            limitations: text(findings, "limitations"),
            numbers: numbers.iter().filter_map(number).collect(),
        }
    }
}

/// A finding, with what shows it.
#[derive(Debug)]
pub struct Finding {
    pub what: String,
    pub side: String,
    pub zone: String,
    pub certainty: String,
    pub evidence: String,
}

fn part<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

fn words(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn text(value: &Value, key: &str) -> String {
    words(part(value, key))
}

fn some_text(value: &Value, key: &str) -> Option<String> {
    part(value, key).as_str().map(str::to_owned)
}

fn number(value: &Value, key: &str) -> Option<f64> {
    part(value, key).as_f64()
}

fn yes(value: &Value, key: &str) -> bool {
    part(value, key).as_bool() == Some(true)
}

fn list<T>(value: &Value, key: &str, read: fn(&Value) -> T) -> Vec<T> {
    let items = part(value, key).as_array();
    items.map_or(Vec::new(), |items| items.iter().map(read).collect())
}
