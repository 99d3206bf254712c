//! What speaks about the making: the transcript as a document, the note, the program as a device, and their provenance.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Builder, SHA256, clean, ids, set};
use crate::fhir::validate::escaped;

const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// How a record was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Making {
    /// The program, such as `Outpost 0.1.0`.
    pub program: String,
    /// The model; empty where only rules were at work.
    pub model: String,
    /// How its weights are stored, such as `Q4_0`.
    pub quantisation: String,
    /// What computed it, such as the name of a GPU.
    pub device: String,
    /// What the model was asked; only its SHA-256 is kept.
    pub prompt: String,
    /// What checked the result, such as `outpost fhir validate 0.1.0`.
    pub validators: Vec<String>,
    /// What a person changed.
    pub edits: Vec<Edit>,
    /// When: an instant of FHIR, such as `2026-01-31T10:00:00Z`. The host says it; there is no clock here.
    pub recorded: String,
}

/// A change that a person made to what the model wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// Where, such as `conditions[0].name`.
    pub place: String,
    /// What stood there.
    pub before: String,
    /// What stands there.
    pub after: String,
}

/// A note about a consultation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// Its title.
    pub title: String,
    /// Its parts, in order.
    pub sections: Vec<Section>,
}

/// A part of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its title, such as `Assessment`.
    pub title: String,
    /// Its text, with a line for each paragraph.
    pub text: String,
}

impl Builder<'_> {
    pub(super) fn transcript(&mut self) {
        let source = self.source;
        let mut attachment = json!({
            "contentType": "text/plain; charset=utf-8",
            "size": i32::try_from(source.transcript.len()).unwrap_or(i32::MAX),
            "title": "Transcript",
        });
        if source.with_transcript && !source.transcript.is_empty() {
            set(
                &mut attachment,
                "data",
                json!(ids::base64(source.transcript.as_bytes())),
            );
        }
        let document = json!({
            "resourceType": "DocumentReference",
            "identifier": [{"system": SHA256, "value": ids::sha256(source.transcript.as_bytes())}],
            "status": "current",
            "docStatus": "preliminary",
            "type": {"text": "Transcript of a consultation"},
            "subject": self.reference("patient"),
            "date": source.making.recorded,
            "content": [{"attachment": attachment}],
            "context": {"encounter": [self.reference("encounter")]},
        });
        self.add("transcript", document);
    }

    pub(super) fn note(&mut self) {
        let Some(note) = self.source.note else { return };
        let sections: Vec<Value> = note
            .sections
            .iter()
            .filter_map(|section| {
                let text = clean(&section.text)?;
                let mut made = json!({"text": {"status": "additional", "div": escaped(&text)}});
                if let Some(title) = clean(&section.title) {
                    set(&mut made, "title", json!(title));
                }
                Some(made)
            })
            .collect();
        if sections.is_empty() {
            return;
        }
        let composition = json!({
            "resourceType": "Composition",
            "status": "preliminary",
            "type": {"text": "Note of a consultation"},
            "subject": self.reference("patient"),
            "encounter": self.reference("encounter"),
            "date": self.source.making.recorded,
            "author": [self.reference("program")],
            "title": clean(&note.title).unwrap_or_else(|| "Note".to_owned()),
            "section": sections,
        });
        self.add("note", composition);
    }

    pub(super) fn provenance(&mut self) {
        let making = &self.source.making;
        let said = |label: &str, value: &str| clean(value).map(|value| (label.to_owned(), value));
        let program = clean(&making.program).unwrap_or_else(|| "Outpost".to_owned());
        let mut device = json!({
            "resourceType": "Device",
            "deviceName": [{"name": program, "type": "user-friendly-name"}],
        });
        let versions: Vec<Value> = [
            said("model", &making.model),
            said("quantisation", &making.quantisation),
        ]
        .into_iter()
        .flatten()
        .map(|(label, value)| json!({"type": {"text": label}, "value": value}))
        .collect();
        if !versions.is_empty() {
            set(&mut device, "version", json!(versions));
        }
        if let Some((label, value)) = said("computed on", &making.device) {
            set(
                &mut device,
                "property",
                json!([{"type": {"text": label}, "valueCode": [{"text": value}]}]),
            );
        }
        self.add("program", device);

        let role = |code: &str, display: &str| json!({"coding": [{"system": PARTICIPANT, "code": code, "display": display}]});
        let mut agents =
            vec![json!({"type": role("assembler", "Assembler"), "who": self.reference("program")})];
        for validator in making.validators.iter().filter_map(|name| clean(name)) {
            agents
                .push(json!({"type": role("verifier", "Verifier"), "who": {"display": validator}}));
        }
        let mut entities = vec![json!({"role": "source", "what": self.reference("transcript")})];
        if !making.prompt.is_empty() {
            let identifier =
                json!({"system": SHA256, "value": ids::sha256(making.prompt.as_bytes())});
            entities.push(json!({"role": "source", "what": {"identifier": identifier, "display": "The prompt"}}));
        }
        for edit in &making.edits {
            let words = format!(
                "{}: `{}` changed to `{}` by a person",
                edit.place, edit.before, edit.after
            );
            if let Some(words) = clean(&words) {
                entities.push(json!({"role": "revision", "what": {"display": words}}));
            }
        }
        let targets: Vec<Value> = self
            .targets
            .iter()
            .map(|url| json!({"reference": url}))
            .collect();
        let provenance = json!({
            "resourceType": "Provenance",
            "target": targets,
            "recorded": making.recorded,
            "agent": agents,
            "entity": entities,
        });
        self.add("provenance", provenance);
    }
}
