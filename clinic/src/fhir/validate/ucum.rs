//! Units of the Unified Code for Units of Measure: whether a text is one, by UCUM's grammar over the symbols of
//! `definitions/ucum.txt`.
//!
//! ```text
//! main-term = "/" term | term
//! term      = component { ("." | "/") component }
//! component = factor | annotation | annotatable [ annotation ] | "(" term ")" [ annotation ]
//! annotatable = [ prefix ] metric unit [ exponent ] | other unit [ exponent ]
//! exponent  = [ "+" | "-" ] digits;   factor = digits;   annotation = "{" printable ASCII but braces "}"
//! ```
//! A prefix stands only before a metric unit. Source: UCUM 2.2, section 2.

use std::collections::HashSet;
use std::sync::OnceLock;

/// The address of UCUM as a system of codes.
pub const SYSTEM: &str = "http://unitsofmeasure.org";

const SOURCE: &str = include_str!("../definitions/ucum.txt");
/// Longer texts are no units that anybody writes.
const MAX_BYTES: usize = 200;
const MAX_PARENTHESES: usize = 16;

#[derive(Debug, Default)]
struct Symbols {
    prefixes: Vec<&'static str>,
    metric: HashSet<&'static str>,
    other: HashSet<&'static str>,
}

fn symbols() -> &'static Symbols {
    static SYMBOLS: OnceLock<Symbols> = OnceLock::new();
    SYMBOLS.get_or_init(|| {
        let mut symbols = Symbols::default();
        for line in SOURCE.lines() {
            match line.split_once(' ') {
                Some(("prefix", rest)) => symbols.prefixes = rest.split(' ').collect(),
                Some(("metric", rest)) => symbols.metric = rest.split(' ').collect(),
                Some(("other", rest)) => symbols.other = rest.split(' ').collect(),
                _ => {}
            }
        }
        symbols
    })
}

/// Whether `text` is a unit of UCUM, in its case-sensitive form.
pub fn is_unit(text: &str) -> bool {
    if text.is_empty()
        || text.len() > MAX_BYTES
        || !text.bytes().all(|c| c.is_ascii_graphic() || c == b' ')
    {
        return false;
    }
    let mut rest = Rest {
        text: text.strip_prefix('/').unwrap_or(text),
    };
    rest.term(0) && rest.text.is_empty()
}

struct Rest<'a> {
    text: &'a str,
}

impl Rest<'_> {
    fn take(&mut self, symbol: char) -> bool {
        let rest = self.text.strip_prefix(symbol);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn digits(&mut self) -> bool {
        let rest = self.text.trim_start_matches(|c: char| c.is_ascii_digit());
        let any = rest.len() < self.text.len();
        self.text = rest;
        any
    }

    fn term(&mut self, depth: usize) -> bool {
        loop {
            if !self.component(depth) {
                return false;
            }
            if !self.take('.') && !self.take('/') {
                return true;
            }
        }
    }

    fn component(&mut self, depth: usize) -> bool {
        if self.take('(') {
            return depth < MAX_PARENTHESES
                && self.term(depth + 1)
                && self.take(')')
                && self.annotation() != Some(false);
        }
        match self.annotation() {
            Some(right) => return right,
            None if self.simple_unit() => {}
            // Nothing is measured in a unit of no size.
            None if self
                .text
                .trim_start_matches('0')
                .starts_with(|c: char| c.is_ascii_digit()) =>
            {
                return self.digits() && self.annotation() != Some(false);
            }
            None => return false,
        }
        let signed = self.take('+') || self.take('-');
        (self.digits() || !signed) && self.annotation() != Some(false)
    }

    /// `None` where there is none, `false` where one begins and is wrong.
    fn annotation(&mut self) -> Option<bool> {
        let inner = self.text.strip_prefix('{')?;
        let Some((words, rest)) = inner.split_once('}') else {
            return Some(false);
        };
        self.text = rest;
        Some(!words.contains(['{', ' ']))
    }

    /// The longest symbol that the text begins with and that leaves what may follow a symbol.
    fn simple_unit(&mut self) -> bool {
        let symbols = symbols();
        for (end, _) in self
            .text
            .char_indices()
            .map(|(at, c)| (at + c.len_utf8(), c))
            .rev()
            .skip_while(|(end, _)| *end > 24)
        {
            let (Some(symbol), Some(rest)) = (self.text.get(..end), self.text.get(end..)) else {
                continue;
            };
            let ends = rest.is_empty()
                || rest.starts_with(['.', '/', ')', '{', '+', '-'])
                || rest.starts_with(|c: char| c.is_ascii_digit());
            if !ends {
                continue;
            }
            let prefixed = || {
                symbols.prefixes.iter().any(|prefix| {
                    symbol
                        .strip_prefix(prefix)
                        .is_some_and(|unit| symbols.metric.contains(unit))
                })
            };
            if symbols.metric.contains(symbol) || symbols.other.contains(symbol) || prefixed() {
                self.text = rest;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_medicine_are_units() {
        for unit in [
            "mm[Hg]",
            "/min",
            "Cel",
            "[degF]",
            "%",
            "kg",
            "[lb_av]",
            "cm",
            "[in_i]",
            "kg/m2",
            "mg/dL",
            "mmol/L",
            "10*3/uL",
            "{beats}/min",
            "{score}",
            "[iU]/mL",
            "m[IU]/mL",
            "mg.kg-1",
            "mL/min/{1.73_m2}",
            "ug",
            "d",
            "wk",
            "mo",
            "a",
            "h",
            "1",
            "ml/(kg.h)",
            "10.uL/4",
            "m[H2O]",
            "U/L",
            "B[SPL]",
            "g{creat}",
        ] {
            assert!(is_unit(unit), "{unit}");
        }
    }

    #[test]
    fn what_people_write_instead_is_not() {
        for text in [
            "",
            "mmHg",
            "bpm",
            "°C",
            "C el",
            "degrees",
            "kgs",
            "µg",
            "mcg",
            "beats/min",
            "mg/",
            "//min",
            "mg..L",
            "(mg",
            "mg)",
            "{beats",
            "k[in_i]",
            "mg dL",
            "{a b}",
            "m+",
            "%%",
            "kg/m²",
            "IU",
            "tablets",
            "{}}",
            "{{a}}",
            "/",
            ".",
            "()",
            "0",
            "/0",
            "0{RBC}",
        ] {
            assert!(!is_unit(text), "{text}");
        }
    }

    #[test]
    fn hostile_texts_end_soon() {
        assert!(!is_unit(&"(".repeat(100_000)));
        assert!(!is_unit(&format!("{}m{}", "(".repeat(50), ")".repeat(50))));
        assert!(!is_unit(&"m.".repeat(100_000)));
    }
}
