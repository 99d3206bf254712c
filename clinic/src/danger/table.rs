//! The table of danger signs: what a row says, and how it is read.

use serde::{Deserialize, Serialize};

use super::measure::{self, Decimal};
use super::words::Phrase;
use crate::danger::{Age, Urgency};
use crate::error::{Error, Result};
use crate::record::VitalSign;

/// A published document that rules come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its title.
    pub title: String,
    /// Who published it.
    pub publisher: String,
    /// When, or `n.d.` where the document does not say.
    pub year: String,
    /// Where in it: a table, page or section.
    pub place: String,
    /// Its public address.
    pub url: String,
    /// Where the text was read that the rule was made from: the document, or a copy of it.
    pub read_at: String,
}

/// Whom a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Population {
    /// By age.
    Adult,
    /// By age, and not in pregnancy.
    AdultNotPregnant,
    /// By age.
    Child,
    /// By age.
    Infant,
    /// Pregnant, at any age.
    Pregnancy,
    /// After a birth, at any age.
    Postpartum,
    /// Pregnant or after a birth, at any age.
    Maternal,
}

/// How a measurement must stand to a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// `<`
    Below,
    /// `<=`
    AtOrBelow,
    /// `>`
    Above,
    /// `>=`
    AtOrAbove,
}

/// What a rule looks for.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A measurement beyond a threshold.
    Vital {
        /// What is measured.
        sign: VitalSign,
        /// On which side of the threshold.
        operator: Operator,
        /// The threshold.
        threshold: Decimal,
        /// Decimal places that the table writes it with.
        places: u32,
        /// Its unit in UCUM.
        unit: String,
    },
    /// Words in the transcript.
    Named {
        /// Each alone is enough.
        phrases: Vec<Phrase>,
    },
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name; no other row has it.
    pub id: String,
    /// Whom it is for.
    pub population: Population,
    /// The youngest that it is for.
    pub from: Option<Age>,
    /// The age that it ends before.
    pub to: Option<Age>,
    /// What it looks for.
    pub what: What,
    /// The least urgency where it is found.
    pub urgency: Urgency,
    /// What a health worker reads.
    pub shown: String,
    /// Where it comes from.
    pub source: Source,
    /// What the source says, in short.
    pub said: String,
}

impl Operator {
    /// Whether a measurement that stands so to the threshold is beyond it.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Below => ordering.is_lt(),
            Self::AtOrBelow => ordering.is_le(),
            Self::Above => ordering.is_gt(),
            Self::AtOrAbove => ordering.is_ge(),
        }
    }

    /// As the table writes it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtOrBelow => "<=",
            Self::Above => ">",
            Self::AtOrAbove => ">=",
        }
    }
}

/// Reads a table.
///
/// # Errors
/// [`Error::DangerTable`] with the first row that is not as the head of the file describes.
pub fn read(text: &str) -> Result<Vec<Rule>> {
    let mut sources: Vec<(&str, Source)> = Vec::new();
    let mut rules: Vec<Rule> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fault = |detail: &str| Error::DangerTable {
            line: index + 1,
            detail: detail.to_owned(),
        };
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            [first, ..] if first.is_empty() || first.starts_with('#') => {}
            ["source", key, title, publisher, year, url, read_at] => sources.push((
                key,
                Source {
                    title: (*title).to_owned(),
                    publisher: (*publisher).to_owned(),
                    year: (*year).to_owned(),
                    place: String::new(),
                    url: (*url).to_owned(),
                    read_at: (*read_at).to_owned(),
                },
            )),
            ["rule", rest @ ..] => {
                let rule = rule(rest, &sources).map_err(|detail| fault(&detail))?;
                if rules.iter().any(|other| other.id == rule.id) {
                    return Err(fault("its name stands twice"));
                }
                rules.push(rule);
            }
            _ => return Err(fault("it is neither a source of 7 fields nor a rule")),
        }
    }
    Ok(rules)
}

fn rule(fields: &[&str], sources: &[(&str, Source)]) -> Result<Rule, String> {
    let &[
        id,
        population,
        from,
        to,
        what,
        operator,
        threshold,
        unit,
        words,
        urgency,
        shown,
        source,
        place,
        said,
    ] = fields
    else {
        return Err(format!(
            "a rule has 14 fields after its first, not {}",
            fields.len()
        ));
    };
    let found = sources.iter().find(|(key, _)| *key == source);
    let (_, source) = found.ok_or(format!("there is no source `{source}` above it"))?;
    let what = match what {
        "sign" => What::Named {
            phrases: words
                .split('|')
                .map(|phrase| Phrase::read(phrase).ok_or(format!("`{phrase}` holds no words")))
                .collect::<Result<_, _>>()?,
        },
        _ => vital(what, operator, threshold, unit)?,
    };
    Ok(Rule {
        id: id.to_owned(),
        population: word(population)?,
        from: age(from)?,
        to: age(to)?,
        what,
        urgency: word(urgency)?,
        shown: shown.to_owned(),
        source: Source {
            place: place.to_owned(),
            ..source.clone()
        },
        said: said.to_owned(),
    })
}

fn vital(what: &str, operator: &str, threshold: &str, unit: &str) -> Result<What, String> {
    let sign: VitalSign = word(what)?;
    if !measure::fits(sign, unit) {
        return Err(format!("`{unit}` is no unit of {what}"));
    }
    let operator = match operator {
        "<" => Operator::Below,
        "<=" => Operator::AtOrBelow,
        ">" => Operator::Above,
        ">=" => Operator::AtOrAbove,
        _ => return Err(format!("`{operator}` is no operator")),
    };
    let places = threshold
        .split_once('.')
        .map_or(0, |(_, places)| places.len());
    Ok(What::Vital {
        sign,
        operator,
        threshold: Decimal::read(threshold).ok_or(format!("`{threshold}` is no number"))?,
        places: u32::try_from(places).unwrap_or(0),
        unit: unit.to_owned(),
    })
}

/// A word that names a variant, as it is written in JSON.
fn word<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(name.into()).map_err(|_| format!("`{name}` is not known"))
}

/// An age in UCUM, such as `2 mo`.
fn age(text: &str) -> Result<Option<Age>, String> {
    if text == "-" {
        return Ok(None);
    }
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u16 = number.parse().map_err(|_| format!("`{text}` is no age"))?;
    match unit {
        "d" => Ok(Some(Age::Days(number))),
        "wk" => Ok(Some(Age::Weeks(number))),
        "mo" => Ok(Some(Age::Months(number))),
        "a" => Ok(Some(Age::Years(number))),
        _ => Err(format!("`{text}` is no age")),
    }
}
