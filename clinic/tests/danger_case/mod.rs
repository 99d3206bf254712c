//! Cases made from rows of the table of danger signs.

use outpost_clinic::danger::table::{Limit, Operator, Population, Rule};
use outpost_clinic::danger::{Age, Patient, Pregnancy, Sex};
use outpost_clinic::record::{Record, Span, Vital, VitalSign};

/// Someone whom a rule is for, as young as it allows.
pub fn someone(rule: &Rule) -> Patient {
    let pregnancy = match rule.population {
        Population::Pregnancy | Population::Maternal => Pregnancy::Pregnant,
        Population::Postpartum => Pregnancy::Postpartum,
        Population::Adult
        | Population::AdultNotPregnant
        | Population::Child
        | Population::Infant => Pregnancy::No,
    };
    Patient {
        age: Some(rule.from.unwrap_or(Age::Years(25))),
        sex: Some(Sex::Female),
        pregnancy: Some(pregnancy),
    }
}

/// A record with one measurement.
pub fn with_vital(sign: VitalSign, value: f64, unit: &str) -> Record {
    Record {
        vitals: vec![Vital {
            sign,
            value,
            unit: unit.to_owned(),
            evidence: Span { start: 0, end: 0 },
        }],
        ..Record::default()
    }
}

/// A measurement beyond a limit.
pub fn beyond(limit: &Limit) -> f64 {
    let up = matches!(limit.operator, Operator::Above | Operator::AtOrAbove);
    limit.threshold.step(0, up).to_f64()
}

/// What of the other groups of a rule must be found beside the one at `index`: measurements and words.
pub fn beside(rule: &Rule, index: usize) -> (Record, String) {
    let (mut record, mut text) = (Record::default(), String::new());
    let others = rule
        .groups
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index);
    for (_, group) in others.take(rule.least - 1) {
        match (group.phrases.first(), group.limits.first()) {
            (Some(phrase), _) => text.push_str(&format!("There is {}. ", phrase.sample())),
            (None, Some(limit)) => record
                .vitals
                .extend(with_vital(limit.sign, beyond(limit), &limit.unit).vitals),
            (None, None) => unreachable!(),
        }
    }
    (record, text)
}
