//! Medications, conditions and allergies as resources.

use serde_json::{Value, json};

use super::{Builder, EVIDENCE, clean, concept, dosage, set};
use crate::record::{Coding, MedicationStatus, Span, Subject, Verification};

const NO_WORDS: &str = "it has no name";
const NO_EVIDENCE: &str = "its evidence is not in the transcript";
const REFUTED_RELATIVE: &str = "FHIR R4 cannot say that a relative does not have it";

impl Builder<'_> {
    /// The extension with the transcript's words; `None` where there are none.
    pub(super) fn evidence(&self, span: Span) -> Option<Value> {
        let words = clean(span.of(self.source.transcript)?)?;
        Some(json!({"url": EVIDENCE, "extension": [
            {"url": "start", "valueUnsignedInt": span.start},
            {"url": "end", "valueUnsignedInt": span.end},
            {"url": "text", "valueString": words},
            {"url": "source", "valueReference": self.reference("transcript")},
        ]}))
    }

    /// The name of a fact and its evidence, or a note that it is left out.
    fn fact(&mut self, name: &str, words: &str, span: Span) -> Option<(String, Value)> {
        match (clean(words), self.evidence(span)) {
            (Some(words), Some(evidence)) => Some((words, evidence)),
            (None, _) => {
                self.leave_out(name.to_owned(), NO_WORDS);
                None
            }
            (_, None) => {
                self.leave_out(name.to_owned(), NO_EVIDENCE);
                None
            }
        }
    }

    pub(super) fn medication(&mut self, nth: usize) {
        let source = self.source;
        let name = format!("medications[{nth}]");
        let Some(medication) = source.record.medications.get(nth) else {
            return;
        };
        let Some((words, evidence)) = self.fact(&name, &medication.name, medication.evidence)
        else {
            return;
        };
        let words = match medication.strength.as_deref().and_then(clean) {
            Some(strength) => format!("{words} {strength}"),
            None => words,
        };
        let medicine = concept(&words, code(&source.codes.medications, nth));
        let recorded = &source.making.recorded;
        let (mut resource, dosage_name) = if medication.status == MedicationStatus::Intended {
            let request = json!({
                "resourceType": "MedicationRequest",
                "extension": [evidence],
                "status": "draft",
                "intent": "proposal",
                "medicationCodeableConcept": medicine,
                "subject": self.reference("patient"),
                "encounter": self.reference("encounter"),
                "authoredOn": recorded,
            });
            (request, "dosageInstruction")
        } else {
            let statement = json!({
                "resourceType": "MedicationStatement",
                "extension": [evidence],
                "status": medication.status,
                "medicationCodeableConcept": medicine,
                "subject": self.reference("patient"),
                "context": self.reference("encounter"),
                "dateAsserted": recorded,
            });
            (statement, "dosage")
        };
        if let Some(dosage) = dosage::dosage(medication) {
            set(&mut resource, dosage_name, json!([dosage]));
        }
        self.add_fact(&name, resource);
    }

    pub(super) fn condition(&mut self, nth: usize) {
        let source = self.source;
        let name = format!("conditions[{nth}]");
        let Some(condition) = source.record.conditions.get(nth) else {
            return;
        };
        let Some((words, evidence)) = self.fact(&name, &condition.name, condition.evidence) else {
            return;
        };
        let refuted = condition.verification == Verification::Refuted;
        let what = concept(&words, code(&source.codes.conditions, nth));
        let onset = condition.onset.as_deref().and_then(clean);
        if condition.subject == Subject::Family {
            if refuted {
                return self.leave_out(name, REFUTED_RELATIVE);
            }
            let mut inner = json!({"code": what});
            if let Some(onset) = onset {
                set(&mut inner, "onsetString", json!(onset));
            }
            let history = json!({
                "resourceType": "FamilyMemberHistory",
                "extension": [evidence],
                "status": "partial",
                "patient": self.reference("patient"),
                "date": source.making.recorded,
                "relationship": {"text": "relative; which one is in the evidence, where it was said"},
                "condition": [inner],
            });
            return self.add_fact(&name, history);
        }
        let mut resource = json!({
            "resourceType": "Condition",
            "extension": [evidence],
            "verificationStatus": verification("http://terminology.hl7.org/CodeSystem/condition-ver-status", condition.verification),
            "code": what,
            "subject": self.reference("patient"),
            "encounter": self.reference("encounter"),
            "recordedDate": source.making.recorded,
        });
        if let Some(status) = condition.clinical_status.filter(|_| !refuted) {
            let system = "http://terminology.hl7.org/CodeSystem/condition-clinical";
            set(
                &mut resource,
                "clinicalStatus",
                json!({"coding": [{"system": system, "code": status}]}),
            );
        }
        if let Some(onset) = onset {
            set(&mut resource, "onsetString", json!(onset));
        }
        self.add_fact(&name, resource);
    }

    pub(super) fn allergy(&mut self, nth: usize) {
        let source = self.source;
        let name = format!("allergies[{nth}]");
        let Some(allergy) = source.record.allergies.get(nth) else {
            return;
        };
        let Some((words, evidence)) = self.fact(&name, &allergy.substance, allergy.evidence) else {
            return;
        };
        let clinical = if allergy.verification == Verification::Refuted {
            "inactive"
        } else {
            "active"
        };
        let system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
        let mut resource = json!({
            "resourceType": "AllergyIntolerance",
            "extension": [evidence],
            "clinicalStatus": {"coding": [{"system": system, "code": clinical}]},
            "verificationStatus":
                verification("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", allergy.verification),
            "code": concept(&words, code(&source.codes.allergies, nth)),
            "patient": self.reference("patient"),
            "encounter": self.reference("encounter"),
            "recordedDate": source.making.recorded,
        });
        if let Some(reaction) = allergy.reaction.as_deref().and_then(clean) {
            set(
                &mut resource,
                "reaction",
                json!([{"manifestation": [{"text": reaction}]}]),
            );
        }
        self.add_fact(&name, resource);
    }
}

fn verification(system: &str, code: Verification) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

fn code(codes: &[Option<Coding>], nth: usize) -> Option<&Coding> {
    codes.get(nth).and_then(Option::as_ref)
}
