//! Vital signs as Observations by R4's profiles. Codes and units are those of the table, which has them from HL7.

use serde_json::{Value, json};

use super::{Builder, set};
use crate::fhir::table::{Measure, Vital as Profile, table};
use crate::fhir::validate::is_unit;
use crate::record::{Vital, VitalSign};

const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const NO_NUMBER: &str = "its value is not a number";
const NO_EVIDENCE: &str = "its evidence is not in the transcript";

/// Units that are a fixed multiple of one that the profile allows. International yard and pound agreement, 1959.
const FACTORS: [(&str, &str, f64); 6] = [
    ("m", "cm", 100.0),
    ("mm", "cm", 0.1),
    ("[ft_i]", "[in_i]", 12.0),
    ("mg", "g", 0.001),
    ("[stone_av]", "[lb_av]", 14.0),
    ("[oz_av]", "[lb_av]", 0.0625),
];

impl Builder<'_> {
    pub(super) fn vital_signs(&mut self) {
        let vitals = &self.source.record.vitals;
        let mut nth = 0;
        while let Some(vital) = vitals.get(nth) {
            let name = format!("vitals[{nth}]");
            nth += 1;
            if !vital.value.is_finite() {
                self.leave_out(name, NO_NUMBER);
                continue;
            }
            let partner = vitals.get(nth).filter(|next| {
                vital.sign == VitalSign::SystolicBloodPressure
                    && next.sign == VitalSign::DiastolicBloodPressure
                    && next.value.is_finite()
                    && self.evidence(next.evidence).is_some()
            });
            let Some(evidence) = self.evidence(vital.evidence) else {
                self.leave_out(name, NO_EVIDENCE);
                continue;
            };
            let mut extensions = vec![evidence];
            if let Some(partner) = partner {
                extensions.extend(
                    self.evidence(partner.evidence)
                        .filter(|_| partner.evidence != vital.evidence),
                );
            }
            let mut observation = self.observation(vital, partner);
            set(&mut observation, "extension", json!(extensions));
            self.add_fact(&name, observation);
            if partner.is_some()
                && let Some((_, url)) = self.addresses.last().cloned()
            {
                self.addresses.push((format!("vitals[{nth}]"), url));
                nth += 1;
            }
        }
    }

    fn observation(&self, vital: &Vital, partner: Option<&Vital>) -> Value {
        let mut observation = json!({
            "resourceType": "Observation",
            "status": "preliminary",
            "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs"}]}],
            "code": {"text": words(vital.sign)},
            "subject": self.reference("patient"),
            "encounter": self.reference("encounter"),
            "effectiveDateTime": self.source.making.recorded,
        });
        let profile = table()
            .vitals()
            .iter()
            .find(|profile| profile.name == profile_name(vital.sign));
        let coded = profile.filter(|profile| {
            follows(vital, profile) && partner.is_none_or(|partner| follows(partner, profile))
        });
        let Some(profile) = coded else {
            // Another unit than the profile's: a code would promise what the profile says.
            let all = [Some(vital), partner];
            let components: Vec<Value> = all
                .into_iter()
                .flatten()
                .map(|vital| json!({"code": {"text": words(vital.sign)}, "valueQuantity": as_said(vital)}))
                .collect();
            if partner.is_some() {
                set(&mut observation, "code", json!({"text": "Blood pressure"}));
                set(&mut observation, "component", json!(components));
            } else {
                set(&mut observation, "valueQuantity", as_said(vital));
            }
            return observation;
        };
        set(
            &mut observation,
            "meta",
            json!({"profile": [format!("http://hl7.org/fhir/StructureDefinition/{}", profile.name)]}),
        );
        set(&mut observation, "code", coding(&profile.measure));
        if profile.components.is_empty() {
            set(
                &mut observation,
                "valueQuantity",
                quantity(vital, &profile.measure).unwrap_or_else(|| as_said(vital)),
            );
            return observation;
        }
        let components: Vec<Value> = profile
            .components
            .iter()
            .enumerate()
            .map(|(nth, measure)| {
                let mut component = json!({"code": coding(measure)});
                let said = [Some(vital), partner]
                    .into_iter()
                    .flatten()
                    .find(|vital| place(vital.sign) == Some(nth));
                match said.and_then(|said| quantity(said, measure)) {
                    Some(value) => set(&mut component, "valueQuantity", value),
                    None => set(&mut component, "dataAbsentReason", not_said()),
                }
                component
            })
            .collect();
        set(&mut observation, "component", json!(components));
        observation
    }
}

/// The id of the profile of R4 for what was measured.
fn profile_name(sign: VitalSign) -> &'static str {
    match sign {
        VitalSign::HeartRate => "heartrate",
        VitalSign::RespiratoryRate => "resprate",
        VitalSign::BodyTemperature => "bodytemp",
        VitalSign::SystolicBloodPressure | VitalSign::DiastolicBloodPressure => "bp",
        VitalSign::OxygenSaturation => "oxygensat",
        VitalSign::BodyWeight => "bodyweight",
        VitalSign::BodyHeight => "bodyheight",
    }
}

fn words(sign: VitalSign) -> &'static str {
    match sign {
        VitalSign::HeartRate => "Heart rate",
        VitalSign::RespiratoryRate => "Respiratory rate",
        VitalSign::BodyTemperature => "Body temperature",
        VitalSign::SystolicBloodPressure => "Systolic blood pressure",
        VitalSign::DiastolicBloodPressure => "Diastolic blood pressure",
        VitalSign::OxygenSaturation => "Oxygen saturation",
        VitalSign::BodyWeight => "Body weight",
        VitalSign::BodyHeight => "Body height",
    }
}

/// Which component of the panel it is: the profile has systolic first.
fn place(sign: VitalSign) -> Option<usize> {
    match sign {
        VitalSign::SystolicBloodPressure => Some(0),
        VitalSign::DiastolicBloodPressure => Some(1),
        _ => None,
    }
}

fn follows(vital: &Vital, profile: &Profile) -> bool {
    let measure =
        place(vital.sign).map_or(Some(&profile.measure), |nth| profile.components.get(nth));
    measure.is_some_and(|measure| quantity(vital, measure).is_some())
}

fn coding(measure: &Measure) -> Value {
    json!({"coding": [{"system": LOINC, "code": measure.code, "display": measure.display}], "text": measure.display})
}

/// The value in a unit that the profile allows.
fn quantity(vital: &Vital, measure: &Measure) -> Option<Value> {
    let allowed = |unit: &str| measure.units.contains(&unit);
    let (value, code) = if allowed(&vital.unit) {
        (vital.value, vital.unit.as_str())
    } else {
        let (_, to, factor) = FACTORS
            .iter()
            .find(|(from, to, _)| *from == vital.unit && allowed(to))?;
        // Ten digits: what multiplying adds behind them was never measured.
        (format!("{:.9e}", vital.value * factor).parse().ok()?, *to)
    };
    Some(
        json!({"value": number(value), "unit": unit_words(vital.sign, code), "system": UCUM, "code": code}),
    )
}

/// The words that HL7's examples show for a unit.
fn unit_words(sign: VitalSign, code: &str) -> &str {
    match (sign, code) {
        (VitalSign::HeartRate, "/min") => "beats/minute",
        (VitalSign::RespiratoryRate, "/min") => "breaths/minute",
        (_, "mm[Hg]") => "mmHg",
        (_, "Cel") => "C",
        (_, "[degF]") => "degF",
        (_, "[lb_av]") => "lbs",
        (_, "[in_i]") => "in",
        _ => code,
    }
}

/// The value in the unit that was said, coded where that is UCUM.
fn as_said(vital: &Vital) -> Value {
    let mut quantity = json!({"value": number(vital.value)});
    if let Some(unit) = super::clean(&vital.unit) {
        if is_unit(&unit) {
            set(&mut quantity, "system", json!(UCUM));
            set(&mut quantity, "code", json!(unit));
        }
        set(&mut quantity, "unit", json!(unit));
    }
    quantity
}

/// Whole numbers without a fraction: `120`, not `120.0`.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and far below 2^53")]
    if value.fract() == 0.0 && value.abs() < 1e15 {
        json!(value as i64)
    } else {
        json!(value)
    }
}

fn not_said() -> Value {
    json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]})
}
