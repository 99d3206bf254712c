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

/// A measurement beyond a threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// What is measured.
    pub sign: VitalSign,
    /// On which side of the threshold.
    pub operator: Operator,
    /// The threshold.
    pub threshold: Decimal,
    /// Decimal places that the table writes it with.
    pub places: u32,
    /// Its unit in UCUM.
    pub unit: String,
}

impl std::fmt::Display for Limit {
    /// As the table writes it: `heart-rate > 160 /min`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = serde_json::to_value(self.sign).unwrap_or_default();
        let symbol = SYMBOLS
            .iter()
            .find(|(_, operator)| *operator == self.operator);
        let (name, symbol) = (
            name.as_str().unwrap_or_default(),
            symbol.map_or("", |(symbol, _)| symbol),
        );
        write!(
            f,
            "{name} {symbol} {} {}",
            self.threshold.to_f64(),
            self.unit
        )
    }
}

/// What counts once: a measurement beyond one of the thresholds, or one of the phrases in the transcript.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Each alone is enough.
    pub limits: Vec<Limit>,
    /// Each alone is enough.
    pub phrases: Vec<Phrase>,
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
    /// How many of the groups must be found; for most rules one of one.
    pub least: usize,
    /// What it looks for.
    pub groups: Vec<Group>,
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
    let (least, groups) = match what {
        "sign" => (1, vec![group(words)?]),
        "several" => (
            threshold
                .parse()
                .map_err(|_| format!("`{threshold}` is no count"))?,
            words.split(" & ").map(group).collect::<Result<_, _>>()?,
        ),
        _ => (
            1,
            vec![Group {
                limits: vec![limit(what, operator, threshold, unit)?],
                ..Group::default()
            }],
        ),
    };
    if least == 0 || least > groups.len() {
        return Err(format!(
            "{least} of {} groups cannot be asked for",
            groups.len()
        ));
    }
    Ok(Rule {
        id: id.to_owned(),
        population: word(population)?,
        from: age(from)?,
        to: age(to)?,
        least,
        groups,
        urgency: word(urgency)?,
        shown: shown.to_owned(),
        source: Source {
            place: place.to_owned(),
            ..source.clone()
        },
        said: said.to_owned(),
    })
}

/// Alternatives parted by `|`: phrases, and limits such as `heart-rate > 160 /min`.
fn group(text: &str) -> Result<Group, String> {
    let mut group = Group::default();
    for alternative in text.split('|') {
        let parts: Vec<&str> = alternative.split(' ').collect();
        match parts.as_slice() {
            &[what, operator, threshold, unit]
                if SYMBOLS.iter().any(|(symbol, _)| *symbol == operator) =>
            {
                group.limits.push(limit(what, operator, threshold, unit)?);
            }
            _ => {
                let phrase =
                    Phrase::read(alternative).ok_or(format!("`{alternative}` holds no words"))?;
                group.phrases.push(phrase);
            }
        }
    }
    Ok(group)
}

/// The operators as the table writes them.
const SYMBOLS: [(&str, Operator); 4] = [
    ("<", Operator::Below),
    ("<=", Operator::AtOrBelow),
    (">", Operator::Above),
    (">=", Operator::AtOrAbove),
];

fn limit(what: &str, operator: &str, threshold: &str, unit: &str) -> Result<Limit, String> {
    let sign: VitalSign = word(what)?;
    if !measure::fits(sign, unit) {
        return Err(format!("`{unit}` is no unit of {what}"));
    }
    let found = SYMBOLS.iter().find(|(symbol, _)| *symbol == operator);
    let (_, operator) = found.ok_or(format!("`{operator}` is no operator"))?;
    let places = threshold
        .split_once('.')
        .map_or(0, |(_, places)| places.len());
    Ok(Limit {
        sign,
        operator: *operator,
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
