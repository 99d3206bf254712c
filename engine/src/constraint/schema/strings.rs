//! Strings: lengths, patterns, formats.

use super::super::automaton::Automaton;
use super::super::json::Json;
use super::super::program::{NodeId, Text};
use super::super::regex::{ALL, Range, Regex, without};
use super::{Compiler, refused};
use crate::error::{Result, shown};

/// Formats, as patterns of whole texts. Dates are true ones of the years 1000 to 2999, times without leap seconds
/// (RFC 3339; ISO 8601 for durations, without fractions).
const FORMATS: [(&str, &str); 6] = [
    ("date", DATE),
    ("time", TIME),
    ("date-time", ""),
    (
        "duration",
        r"P(\d{1,4}W|\d{1,4}Y(\d{1,2}M(\d{1,3}D)?)?|\d{1,3}M(\d{1,3}D)?|\d{1,4}D|T(\d{1,4}H(\d{1,4}M)?|\d{1,4}M))",
    ),
    (
        "uuid",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ),
    (
        "email",
        r"[A-Za-z0-9_]([A-Za-z0-9_.+-]?[A-Za-z0-9_]){0,31}@([a-z0-9]([a-z0-9-]?[a-z0-9]){0,15}\.){1,4}[a-z]{2,12}",
    ),
];

const DATE: &str = r"[12]\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))|([12]\d(0[48]|[2468][048]|[13579][26])|(1[26]|2[048])00)-02-29";
const TIME: &str = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)";

/// What a string without a pattern may hold: all characters but controls other than tab and new line.
pub fn free_characters() -> Vec<Range> {
    without(&ALL, &[(0, 8), (11, 31)])
}

impl Compiler<'_> {
    pub(super) fn string(&mut self, schema: &Json, at: &str) -> Result<NodeId> {
        let (min, max) = self.counts(schema, ["minLength", "maxLength"], at)?;
        let pattern = match schema.get("pattern") {
            None => None,
            Some(Json::Text(pattern)) => Some(Automaton::new(&Regex::anywhere(pattern)?)?),
            Some(_) => return Err(refused(at, "`pattern` is not a string", "correct it")),
        };
        let format = match schema.get("format") {
            None => None,
            Some(Json::Text(name)) => Some(self.format(name, at)?),
            Some(_) => return Err(refused(at, "`format` is not a string", "correct it")),
        };
        let impossible = || {
            refused(
                at,
                "no string satisfies its pattern, format and length",
                "correct one of them",
            )
        };
        let automaton = match (pattern, format) {
            (None, None) => {
                return self.program.add_text(Text {
                    automaton: Automaton::any_of(&free_characters()),
                    length: (min > 0 || max.is_some()).then_some((min, max)),
                    json: true,
                    free: true,
                });
            }
            (Some(pattern), None) => pattern,
            (None, Some(format)) => format,
            (Some(Some(pattern)), Some(Some(format))) => pattern.and(&format)?,
            (Some(_), Some(_)) => None,
        };
        let mut automaton = automaton.ok_or_else(impossible)?;
        if min > 0 || max.is_some() {
            automaton = automaton.of_length(min, max)?.ok_or_else(impossible)?;
        }
        self.program.add_text(Text {
            automaton,
            length: None,
            json: true,
            free: false,
        })
    }

    fn format(&self, name: &str, at: &str) -> Result<Option<Automaton>> {
        let known = FORMATS.iter().find(|(known, _)| *known == name);
        let Some((_, pattern)) = known else {
            let problem = format!("the format `{}` is not supported", shown(name));
            let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
            return Err(refused(
                at,
                &problem,
                &format!("use a `pattern`, or one of: {}", names.join(", ")),
            ));
        };
        let pattern = match name {
            "date-time" => format!("({DATE})T{TIME}"),
            _ => (*pattern).to_owned(),
        };
        Automaton::new(&Regex::whole(&pattern)?)
    }
}
