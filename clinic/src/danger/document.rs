//! The rules as a page for clinicians to check: `docs/danger-signs.md` is what this writes.

use std::fmt::Write;

use super::Rules;
use super::table::{Population, Rule};
use crate::danger::{Age, Urgency};

/// What stands before the rules.
const HEAD: &str = "# Danger signs

Outpost looks for these signs by fixed rules, without a model. What they find sets a floor: the urgency that is shown may
be higher than a model wrote, never lower. This page is made from the table that the program itself reads,
`clinic/src/danger/signs.tsv`.

**This is not a medical device.** No authority has approved these rules, and no clinician has yet signed them off for use
with patients. Sources were read in stored copies, mostly in part, of the pages named below; some of these are copies of the
document already. Check a rule against the document itself before relying on it. Where a source asks for a second measurement or for another sign beside it, a rule here may hold
without: it errs towards more urgent. Nothing found does not mean that nothing is wrong.

How it decides:

- Ages are in completed units; an age known to the year concerns every rule that holds for a part of that year.
- While the age is not known, rules for adults hold and those for children do not; while it is not known whether a woman is
  pregnant, rules for pregnancy do not. What was left out for that reason is listed beside the result.
- Measurements are those of the record and those that follow the name of a vital sign in the transcript. They are compared
  exactly, Fahrenheit and Celsius alike. One in a unit that is not understood is listed as such.
- Named signs are words in the transcript. Left out are those surely denied, surely of a relative, or only named as a
  reason to return. Whatever is unclear counts. An answer that is taken back later (`No. Wait, yes.`) is not understood.

No rule looks at: blood pressure under 16 years outside of pregnancy, the pulse of children without fever after the first
month or from 5 to 11 years, capillary refill, blood glucose, urine output. The Interagency Integrated Triage Tool for
children under 12 and the full text of several WHO guidelines were not at hand.
";

/// The rules as Markdown: the sources, then one table for each population.
pub fn document(rules: &Rules) -> String {
    let mut page = HEAD.to_owned();
    let mut sources: Vec<&super::table::Source> = Vec::new();
    for rule in rules.rows() {
        if !sources.iter().any(|source| source.url == rule.source.url) {
            sources.push(&rule.source);
        }
    }
    page.push_str("\n## Sources\n\n");
    for (index, source) in sources.iter().enumerate() {
        let _ = writeln!(
            page,
            "{}. {}. {}, {}: <{}>. Read at: {}.",
            index + 1,
            source.title,
            source.publisher,
            source.year,
            source.url,
            source.read_at
        );
    }
    let groups: [(&str, &[Population]); 4] = [
        ("Adults", &[Population::Adult, Population::AdultNotPregnant]),
        ("Children", &[Population::Child]),
        ("Infants", &[Population::Infant]),
        (
            "Pregnancy and after a birth",
            &[
                Population::Pregnancy,
                Population::Postpartum,
                Population::Maternal,
            ],
        ),
    ];
    for (title, populations) in groups {
        let _ = write!(
            page,
            "\n## {title}\n\n| sign | for | least urgency | found by | source | what it says |\n| --- | --- | --- | --- | --- | --- |\n"
        );
        for rule in rules
            .rows()
            .iter()
            .filter(|rule| populations.contains(&rule.population))
        {
            let source = sources
                .iter()
                .position(|source| source.url == rule.source.url);
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {}, {} | {} |",
                rule.shown,
                whom(rule),
                urgency(rule.urgency),
                found_by(rule),
                source.map_or(0, |index| index + 1),
                rule.source.place,
                rule.said
            );
        }
    }
    page
}

fn whom(rule: &Rule) -> String {
    match (rule.population, rule.from, rule.to) {
        (Population::Pregnancy, ..) => "pregnant".to_owned(),
        (Population::Postpartum, ..) => "after a birth".to_owned(),
        (Population::Maternal, ..) => "pregnant or after a birth".to_owned(),
        (Population::AdultNotPregnant, Some(from), None) => {
            format!("{} and over, not pregnant", age(from))
        }
        (_, Some(from), None) => format!("{} and over", age(from)),
        (_, Some(from), Some(to)) => format!("{} to under {}", age(from), age(to)),
        (_, None, Some(to)) => format!("under {}", age(to)),
        (_, None, None) => "any age".to_owned(),
    }
}

fn age(age: Age) -> String {
    match age {
        Age::Days(0) => "birth".to_owned(),
        Age::Days(days) => format!("{days} days"),
        Age::Weeks(weeks) => format!("{weeks} weeks"),
        Age::Months(months) => format!("{months} months"),
        Age::Years(years) => format!("{years} years"),
    }
}

fn urgency(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Routine => "routine",
        Urgency::Urgent => "urgent",
        Urgency::Emergency => "emergency",
    }
}

fn found_by(rule: &Rule) -> String {
    let groups: Vec<String> = rule
        .groups
        .iter()
        .map(|group| {
            let limits = group.limits.iter().map(ToString::to_string);
            let phrases = group.phrases.iter().map(ToString::to_string);
            limits.chain(phrases).collect::<Vec<_>>().join("; ")
        })
        .collect();
    match groups.len() {
        1 => groups.concat(),
        _ => format!("{} of: ({})", rule.least, groups.join("), (")),
    }
}
