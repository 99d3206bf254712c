//! Danger signs by rule: a floor for urgency that no model can lower.
//!
//! Each rule is a row of `danger/signs.tsv` and names the published document that it comes from. No row, no sign. What a
//! rule finds is shown apart from what a model wrote. Where it is unclear whether a sign was said of the patient, it
//! counts: a floor that is too high costs a look, one that is too low may cost a life.
//!
//! Measurements come from a [`Record`] and from the transcript itself, where named signs are looked for too, so that a model
//! which overlooked one does not lower the floor. This is no medical device, and no rule replaces a clinician.

mod document;
pub mod measure;
mod spoken;
pub mod table;
pub mod words;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::quote::Transcript;
use crate::record::{Record, Span, Vital};
use measure::Decimal;
use table::{Group, Limit, Population, Rule, Source};

pub use document::document;

/// The rules, as they are shipped.
const SIGNS: &str = include_str!("danger/signs.tsv");

/// How soon a patient must be seen. Ordered: the later the more urgent.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// May wait its turn.
    #[default]
    Routine,
    /// Is to be seen soon, before others.
    Urgent,
    /// Is to be treated or sent to a hospital at once.
    Emergency,
}

impl Urgency {
    /// What is shown: the model's urgency, but never less than the floor.
    #[must_use]
    pub fn with_floor(self, floor: Self) -> Self {
        self.max(floor)
    }
}

/// An age in completed units, as it was said: `Months(3)` is anything from three months to a day less than four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Age {
    /// Completed days.
    Days(u16),
    /// Completed weeks.
    Weeks(u16),
    /// Completed months.
    Months(u16),
    /// Completed years.
    Years(u16),
}

impl Age {
    /// The first day of this age. A month is a twelfth of 365.25 days, so that two months begin on day 60 as WHO has it
    /// (a young infant is 0 to 59 days old).
    pub fn first_day(self) -> u64 {
        Self::day(self, 0)
    }

    /// The day after the last one of this age.
    pub fn end_day(self) -> u64 {
        Self::day(self, 1)
    }

    fn day(self, more: u64) -> u64 {
        let months = |months: u64| months * 36_525 / 1_200;
        match self {
            Self::Days(days) => u64::from(days) + more,
            Self::Weeks(weeks) => (u64::from(weeks) + more) * 7,
            Self::Months(count) => months(u64::from(count) + more),
            Self::Years(years) => months((u64::from(years) + more) * 12),
        }
    }
}

/// A sex, where rules ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// Whether a patient is pregnant or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pregnancy {
    /// Neither.
    No,
    /// Is pregnant.
    Pregnant,
    /// Gave birth within the last year.
    Postpartum,
}

/// What is known of a patient. `None`: not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Patient {
    /// The age. While it is not known, rules for adults hold and those for children do not.
    pub age: Option<Age>,
    /// The sex.
    pub sex: Option<Sex>,
    /// Whether pregnant. While it is not known, rules for pregnancy do not hold.
    pub pregnancy: Option<Pregnancy>,
}

/// What a sign was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Words of the transcript.
    Words(Span),
    /// The measurement with this index in [`Record::vitals`].
    Vital(usize),
}

/// A danger sign that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// The rule that found it.
    pub rule: String,
    /// The least urgency that it asks for.
    pub urgency: Urgency,
    /// What a health worker reads.
    pub shown: String,
    /// What it was found in: one of each group of the rule that was found, at least one.
    pub evidence: Vec<Evidence>,
    /// The document that the rule comes from.
    pub source: Source,
}

/// Why a rule was not applied that might have held. Rules for others than the patient are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It is for children, and the age is not known.
    AgeUnknown,
    /// It is for pregnancy or the time after a birth, and neither is known.
    PregnancyUnknown,
    /// The measurement with this index in [`Record::vitals`] has a unit that does not fit, or is no number.
    Unreadable(usize),
}

/// A rule that was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotApplied {
    /// The rule.
    pub rule: String,
    /// Why.
    pub why: Why,
}

/// What the rules say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The least urgency; [`Urgency::Routine`] where nothing was found.
    pub floor: Urgency,
    /// What was found, the most urgent first, and in the order of the table.
    pub found: Vec<Sign>,
    /// Which rules were not applied though they might have held.
    pub not_applied: Vec<NotApplied>,
}

/// A table of rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// The rules that are shipped.
    ///
    /// # Errors
    /// [`crate::Error::DangerTable`] if the table is damaged; a test reads it, so this does not happen in a release.
    pub fn shipped() -> Result<Self> {
        Self::read(SIGNS)
    }

    /// Reads a table in the form of `danger/signs.tsv`, which describes it.
    ///
    /// # Errors
    /// [`crate::Error::DangerTable`] names the first row that does not follow it. A table is read whole or not at all.
    pub fn read(text: &str) -> Result<Self> {
        Ok(Self {
            rules: table::read(text)?,
        })
    }

    /// The rows.
    pub fn rows(&self) -> &[Rule] {
        &self.rules
    }

    /// Looks for danger signs.
    ///
    /// ```
    /// use outpost_clinic::danger::{Age, Patient, Rules, Urgency};
    ///
    /// let patient = Patient { age: Some(Age::Months(8)), ..Patient::default() };
    /// let said = "He has a cough. He has had two convulsions since last night.";
    /// let assessment = Rules::shipped()?.assess(&patient, &Default::default(), said);
    /// assert_eq!(Urgency::Routine.with_floor(assessment.floor), Urgency::Emergency);
    /// # Ok::<(), outpost_clinic::Error>(())
    /// ```
    pub fn assess(&self, patient: &Patient, record: &Record, transcript: &str) -> Assessment {
        let case = Case {
            vitals: &record.vitals,
            spoken: spoken::vitals(transcript),
            text: Transcript::new(transcript),
            maternal: matches!(
                patient.pregnancy,
                Some(Pregnancy::Pregnant | Pregnancy::Postpartum)
            ),
        };
        let mut assessment = Assessment::default();
        for rule in &self.rules {
            let skip = |why| NotApplied {
                rule: rule.id.clone(),
                why,
            };
            match concerns(rule, patient) {
                Concerns::Yes => {}
                Concerns::No => continue,
                Concerns::Unknown(why) => {
                    assessment.not_applied.push(skip(why));
                    continue;
                }
            }
            let evidence: Vec<Evidence> = rule
                .groups
                .iter()
                .filter_map(|group| case.find(group))
                .collect();
            if evidence.len() >= rule.least {
                assessment.found.push(Sign {
                    rule: rule.id.clone(),
                    urgency: rule.urgency,
                    shown: rule.shown.clone(),
                    evidence,
                    source: rule.source.clone(),
                });
            }
            let unreadable = case
                .unreadable(rule)
                .into_iter()
                .map(|index| skip(Why::Unreadable(index)));
            assessment.not_applied.extend(unreadable);
        }
        assessment
            .found
            .sort_by_key(|sign| std::cmp::Reverse(sign.urgency));
        let floor = assessment.found.first().map(|sign| sign.urgency);
        assessment.floor = floor.unwrap_or_default();
        assessment
    }
}

/// Whether a rule is for a patient.
enum Concerns {
    Yes,
    No,
    Unknown(Why),
}

fn concerns(rule: &Rule, patient: &Patient) -> Concerns {
    let maternal = match rule.population {
        Population::AdultNotPregnant if patient.pregnancy == Some(Pregnancy::Pregnant) => {
            return Concerns::No;
        }
        Population::Adult
        | Population::AdultNotPregnant
        | Population::Child
        | Population::Infant => return by_age(rule, patient),
        Population::Pregnancy => [Pregnancy::Pregnant].as_slice(),
        Population::Postpartum => &[Pregnancy::Postpartum],
        Population::Maternal => &[Pregnancy::Pregnant, Pregnancy::Postpartum],
    };
    match patient.pregnancy {
        Some(pregnancy) if maternal.contains(&pregnancy) => Concerns::Yes,
        Some(_) => Concerns::No,
        None if patient.sex == Some(Sex::Male) => Concerns::No,
        None => Concerns::Unknown(Why::PregnancyUnknown),
    }
}

/// An age that is known only to the year or month concerns every rule that holds for a part of it.
fn by_age(rule: &Rule, patient: &Patient) -> Concerns {
    let Some(age) = patient.age else {
        return match rule.population {
            Population::Adult | Population::AdultNotPregnant => Concerns::Yes,
            _ => Concerns::Unknown(Why::AgeUnknown),
        };
    };
    let old_enough = rule
        .from
        .is_none_or(|from| age.end_day() > from.first_day());
    let young_enough = rule.to.is_none_or(|to| age.first_day() < to.first_day());
    match old_enough && young_enough {
        true => Concerns::Yes,
        false => Concerns::No,
    }
}

/// What is known in one case.
struct Case<'a> {
    vitals: &'a [Vital],
    spoken: Vec<Vital>,
    text: Transcript<'a>,
    maternal: bool,
}

impl Case<'_> {
    /// What a group was found in: the record before the transcript.
    fn find(&self, group: &Group) -> Option<Evidence> {
        let beyond = |vital: &Vital| {
            group
                .limits
                .iter()
                .any(|limit| is_beyond(limit, vital) == Some(true))
        };
        let measured = self.vitals.iter().position(beyond).map(Evidence::Vital);
        let said = || {
            self.spoken
                .iter()
                .find(|vital| beyond(vital))
                .map(|vital| vital.evidence)
        };
        let named = || words::find(&self.text, &group.phrases, self.maternal);
        measured.or_else(|| said().or_else(named).map(Evidence::Words))
    }

    /// The measurements that a rule asks for and that cannot be compared.
    fn unreadable(&self, rule: &Rule) -> Vec<usize> {
        let limits = || rule.groups.iter().flat_map(|group| &group.limits);
        let unreadable = |vital: &Vital| {
            limits().any(|limit| limit.sign == vital.sign && is_beyond(limit, vital).is_none())
        };
        let indexed = self.vitals.iter().enumerate();
        indexed
            .filter(|(_, vital)| unreadable(vital))
            .map(|(index, _)| index)
            .collect()
    }
}

/// Whether a measurement is beyond a limit; `None` if it is of something else or cannot be compared.
fn is_beyond(limit: &Limit, vital: &Vital) -> Option<bool> {
    if vital.sign != limit.sign {
        return None;
    }
    let value = Decimal::of(vital.value)?;
    let ordering = measure::compare(
        limit.sign,
        (value, &vital.unit),
        (limit.threshold, &limit.unit),
    )?;
    Some(limit.operator.holds(ordering))
}
