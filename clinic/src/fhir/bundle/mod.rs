//! From what a consultation said to a Bundle of FHIR R4.
//!
//! | of the record | becomes |
//! | --- | --- |
//! | medication, any status but `intended` | MedicationStatement with that status |
//! | medication, `intended` | MedicationRequest, status `draft`, intent `proposal`: nobody has prescribed it yet |
//! | its dose, route, frequency, duration | `text` of one dosage; what reads without doubt also as `timing`, `doseAndRate` |
//! | its strength | after the name, in the text of the medication |
//! | condition of the patient | Condition; a refuted one without `clinicalStatus` |
//! | condition of a relative | FamilyMemberHistory; a refuted one is left out, since R4 cannot say that a relative lacks it |
//! | allergy | AllergyIntolerance, `active`; a refuted one `inactive`, since `ait-1` wants a clinical status |
//! | vital sign | Observation by R4's profile of it; both blood pressures that stand together as one panel |
//! | vital sign in another unit | converted where that is a fixed factor, else with its words and without a code |
//! | transcript | DocumentReference with its SHA-256, and with the words where they may go along |
//! | note | Composition with its sections |
//! | how it was made | Device (the program and its model) and Provenance of everything but it and the patient |
//!
//! A fact without a code has its words and nothing else. A fact whose evidence is not in the transcript, or that has no
//! words, is left out, and [`Built::left_out`] says so. Observations, Composition and DocumentReference are `preliminary`.
//!
//! Each fact has the extension [`EVIDENCE`] with `start` and `end` (bytes of the transcript in UTF-8), `text` (the words
//! there) and `source` (the DocumentReference).

mod dosage;
mod facts;
mod ids;
mod making;
mod vitals;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::fhir::validate;
use crate::record::{Coding, Record};

pub use making::{Edit, Making, Note, Section};

/// The extension that holds the words of the transcript that a fact came from.
pub const EVIDENCE: &str = "urn:outpost:fhir:evidence";
/// The system of identifiers that are SHA-256 of bytes, in hexadecimal.
pub const SHA256: &str = "urn:outpost:fhir:sha256";

/// Codes beside a record, each list as long as the record's; `None` where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codes {
    /// Of [`Record::medications`], such as RxNorm.
    pub medications: Vec<Option<Coding>>,
    /// Of [`Record::conditions`], such as ICD-10-CM.
    pub conditions: Vec<Option<Coding>>,
    /// Of [`Record::allergies`].
    pub allergies: Vec<Option<Coding>>,
}

/// What a Bundle is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// To be kept or handed over.
    #[default]
    Collection,
    /// To be sent to a server, which makes every resource or none.
    Transaction,
}

/// Where a consultation took place: `Encounter.class`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Setting {
    /// The patient came.
    #[default]
    Ambulatory,
    /// In an emergency room.
    Emergency,
    /// On a ward.
    Inpatient,
    /// At the patient's home.
    Home,
    /// By telephone or picture.
    Virtual,
}

/// What a Bundle is made of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What was said.
    pub record: &'a Record,
    /// The codes of what was said.
    pub codes: &'a Codes,
    /// Where it was said.
    pub transcript: &'a str,
    /// Whether the transcript's words go along; its SHA-256 and the words of each fact always do.
    pub with_transcript: bool,
    /// The note that was written about it.
    pub note: Option<&'a Note>,
    /// The patient's name, where the user gave it.
    pub patient_name: Option<&'a str>,
    /// Where it took place.
    pub setting: Setting,
    /// How the record was made.
    pub making: &'a Making,
    /// What the Bundle is for.
    pub kind: Kind,
    /// Makes the addresses: the same seed and transcript give the same ones.
    pub seed: u64,
}

/// A Bundle, and what is not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The Bundle.
    pub bundle: Value,
    /// The facts that are not in it, such as `conditions[2]`, and why.
    pub left_out: Vec<(String, &'static str)>,
    /// `fullUrl` of each fact in it, such as `conditions[0]`.
    pub addresses: Vec<(String, String)>,
}

/// Makes a Bundle.
///
/// # Errors
/// [`Error::Unsupported`] where the moment of making is no instant of FHIR.
pub fn build(source: &Source<'_>) -> Result<Built> {
    if !validate::is_instant(&source.making.recorded) {
        return Err(Error::Unsupported {
            what: format!("the time `{}`", source.making.recorded),
            remedy: "give it as YYYY-MM-DDThh:mm:ssZ",
        });
    }
    let mut builder = Builder::new(source);
    builder.patient();
    builder.encounter();
    builder.transcript();
    for nth in 0..source.record.medications.len() {
        builder.medication(nth);
    }
    for nth in 0..source.record.conditions.len() {
        builder.condition(nth);
    }
    for nth in 0..source.record.allergies.len() {
        builder.allergy(nth);
    }
    builder.vital_signs();
    builder.note();
    builder.provenance();
    Ok(builder.finish())
}

/// A Bundle that is being made.
struct Builder<'a> {
    source: &'a Source<'a>,
    ids: ids::Ids,
    entries: Vec<Value>,
    /// `fullUrl` and type of what Provenance speaks of.
    targets: Vec<String>,
    left_out: Vec<(String, &'static str)>,
    addresses: Vec<(String, String)>,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            ids: ids::Ids::new(source.seed, source.transcript),
            entries: Vec::new(),
            targets: Vec::new(),
            left_out: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// Adds a resource; its address is that of `name`.
    fn add(&mut self, name: &str, resource: Value) -> String {
        let url = self.ids.url(name);
        let kind = resource
            .get("resourceType")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if !matches!(kind.as_str(), "Patient" | "Device" | "Provenance") {
            self.targets.push(url.clone());
        }
        let mut entry = json!({"fullUrl": url, "resource": resource});
        if self.source.kind == Kind::Transaction {
            set(
                &mut entry,
                "request",
                json!({"method": "POST", "url": kind}),
            );
        }
        self.entries.push(entry);
        url
    }

    /// Adds the resource of a fact.
    fn add_fact(&mut self, name: &str, resource: Value) {
        let url = self.add(name, resource);
        self.addresses.push((name.to_owned(), url));
    }

    fn leave_out(&mut self, name: String, why: &'static str) {
        self.left_out.push((name, why));
    }

    fn reference(&self, name: &str) -> Value {
        json!({"reference": self.ids.url(name)})
    }

    fn patient(&mut self) {
        let name = match self.source.patient_name.and_then(clean) {
            Some(name) => json!({"text": name}),
            None => json!({"extension": [absent("masked")]}),
        };
        self.add(
            "patient",
            json!({"resourceType": "Patient", "name": [name]}),
        );
    }

    fn encounter(&mut self) {
        let (code, display) = match self.source.setting {
            Setting::Ambulatory => ("AMB", "ambulatory"),
            Setting::Emergency => ("EMER", "emergency"),
            Setting::Inpatient => ("IMP", "inpatient encounter"),
            Setting::Home => ("HH", "home health"),
            Setting::Virtual => ("VR", "virtual"),
        };
        let encounter = json!({
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code, "display": display},
            "subject": self.reference("patient"),
        });
        self.add("encounter", encounter);
    }

    fn finish(self) -> Built {
        let kind = match self.source.kind {
            Kind::Collection => "collection",
            Kind::Transaction => "transaction",
        };
        let bundle = json!({
            "resourceType": "Bundle",
            "identifier": {"system": "urn:ietf:rfc:3986", "value": self.ids.url("bundle")},
            "type": kind,
            "timestamp": self.source.making.recorded,
            "entry": self.entries,
        });
        Built {
            bundle,
            left_out: self.left_out,
            addresses: self.addresses,
        }
    }
}

/// R4's extension for what is not there, with its reason.
fn absent(reason: &str) -> Value {
    json!({"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": reason})
}

/// Puts `value` under `name`, if `object` is one.
fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// Text as R4's strings are: with something in it, without control characters, not around with spaces.
fn clean(text: &str) -> Option<String> {
    let text: String = text
        .chars()
        .map(|c| {
            if c.is_control() && !matches!(c, '\n' | '\t') {
                ' '
            } else {
                c
            }
        })
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A concept: its words, and its code where there is one.
fn concept(text: &str, code: Option<&Coding>) -> Value {
    let mut concept = json!({"text": text});
    if let Some(code) = code {
        let mut coding = Map::new();
        for (name, value) in [
            ("system", Some(&code.system)),
            ("version", code.version.as_ref()),
            ("code", Some(&code.code)),
            ("display", Some(&code.display)),
        ] {
            if let Some(value) = value.and_then(|value| clean(value)) {
                coding.insert(name.to_owned(), Value::String(value));
            }
        }
        set(&mut concept, "coding", json!([coding]));
    }
    concept
}
