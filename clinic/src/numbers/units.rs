//! Units as they are written in notes, and which of them measure the same.

use super::quantity::Number;

/// Names of a unit, what it measures, and its size: numerator and denominator of its factor to the first of its sort, and
/// what is taken off before (for degrees Fahrenheit).
struct Row(&'static [&'static str], &'static str, i128, i128, i128);

/// Names with capitals are matched as they are, others in any case.
const ROWS: &[Row] = &[
    Row(&["ng", "nanogram", "nanograms"], "mass", 1, 1, 0),
    Row(
        &["mcg", "µg", "μg", "ug", "microgram", "micrograms"],
        "mass",
        1_000,
        1,
        0,
    ),
    Row(
        &[
            "mg",
            "mgs",
            "milligram",
            "milligrams",
            "milligramme",
            "milligrammes",
        ],
        "mass",
        1_000_000,
        1,
        0,
    ),
    Row(
        &["g", "gm", "gram", "grams", "gramme", "grammes"],
        "mass",
        1_000_000_000,
        1,
        0,
    ),
    Row(
        &["kg", "kgs", "kilo", "kilos", "kilogram", "kilograms"],
        "mass",
        1_000_000_000_000,
        1,
        0,
    ),
    Row(
        &[
            "ml",
            "mls",
            "cc",
            "millilitre",
            "millilitres",
            "milliliter",
            "milliliters",
        ],
        "volume",
        1,
        1,
        0,
    ),
    Row(&["cl"], "volume", 10, 1, 0),
    Row(&["dl"], "volume", 100, 1, 0),
    Row(
        &["l", "litre", "litres", "liter", "liters"],
        "volume",
        1_000,
        1,
        0,
    ),
    Row(&["mmol"], "amount", 1, 1, 0),
    Row(&["mol"], "amount", 1_000, 1, 0),
    Row(&["iu", "unit", "units"], "units", 1, 1, 0),
    Row(&["meq"], "equivalents", 1, 1, 0),
    Row(
        &[
            "mm",
            "millimetre",
            "millimetres",
            "millimeter",
            "millimeters",
        ],
        "length",
        1,
        1,
        0,
    ),
    Row(
        &[
            "cm",
            "cms",
            "centimetre",
            "centimetres",
            "centimeter",
            "centimeters",
        ],
        "length",
        10,
        1,
        0,
    ),
    Row(
        &["m", "metre", "metres", "meter", "meters"],
        "length",
        1_000,
        1,
        0,
    ),
    Row(&["s", "sec", "secs", "second", "seconds"], "time", 1, 1, 0),
    Row(&["min", "mins", "minute", "minutes"], "time", 60, 1, 0),
    Row(
        &["h", "hr", "hrs", "hour", "hours", "hourly"],
        "time",
        3_600,
        1,
        0,
    ),
    Row(&["d", "day", "days"], "time", 86_400, 1, 0),
    Row(&["wk", "week", "weeks"], "time", 604_800, 1, 0),
    Row(&["month", "months"], "months", 1, 1, 0),
    Row(&["y", "yr", "yrs", "year", "years"], "months", 12, 1, 0),
    Row(&["°c", "celsius", "C"], "temperature", 1, 1, 0),
    Row(&["°f", "fahrenheit", "F"], "temperature", 5, 9, 32),
    Row(&["°", "degree", "degrees"], "degrees", 1, 1, 0),
    Row(&["mmhg"], "pressure", 1, 1, 0),
    Row(&["bpm"], "rate", 1, 1, 0),
    Row(&["%", "percent"], "share", 1, 1, 0),
    Row(&["tablet", "tablets", "tab", "tabs"], "tablets", 1, 1, 0),
    Row(&["capsule", "capsules", "cap", "caps"], "capsules", 1, 1, 0),
    Row(&["pill", "pills"], "pills", 1, 1, 0),
    Row(&["drop", "drops"], "drops", 1, 1, 0),
    Row(&["puff", "puffs"], "puffs", 1, 1, 0),
    Row(&["spray", "sprays"], "sprays", 1, 1, 0),
    Row(&["teaspoon", "teaspoons", "tsp"], "teaspoons", 1, 1, 0),
    Row(
        &["tablespoon", "tablespoons", "tbsp"],
        "tablespoons",
        1,
        1,
        0,
    ),
    Row(&["sachet", "sachets"], "sachets", 1, 1, 0),
    Row(&["ampoule", "ampoules", "amp", "amps"], "ampoules", 1, 1, 0),
    Row(&["vial", "vials"], "vials", 1, 1, 0),
    Row(&["dose", "doses"], "doses", 1, 1, 0),
    Row(&["time", "times"], "times", 1, 1, 0),
];

/// One unit, or several as in `mg/kg/day`: rows of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    rows: Vec<usize>,
}

impl Unit {
    /// A single unit by its name.
    pub fn named(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        let named = |row: &Row| {
            row.0.iter().any(|known| {
                let cased = known.chars().any(char::is_uppercase);
                if cased {
                    *known == name
                } else {
                    *known == lower
                }
            })
        };
        let row = ROWS.iter().position(named)?;
        Some(Self { rows: vec![row] })
    }

    /// Whether this is the unit of a name.
    pub fn is(&self, name: &str) -> bool {
        Self::named(name).as_ref() == Some(self)
    }

    /// This for each of another: `mg` and `kg` become `mg/kg`.
    #[must_use]
    pub fn per(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        self
    }

    fn sorts(&self) -> Vec<&'static str> {
        self.rows
            .iter()
            .filter_map(|row| ROWS.get(*row))
            .map(|row| row.1)
            .collect()
    }

    /// Whether both measure the same, so that one converts into the other.
    pub fn measures_like(&self, other: &Self) -> bool {
        self.sorts() == other.sorts()
    }

    /// A number of this in the first unit of its sort; `None` if it grows too large.
    pub fn base(&self, number: Number) -> Option<Number> {
        let mut base = number;
        for (index, row) in self
            .rows
            .iter()
            .filter_map(|row| ROWS.get(*row))
            .enumerate()
        {
            let &Row(_, _, top, bottom, less) = row;
            base = match index {
                0 => base.minus(less)?.times(top, bottom)?,
                _ => base.times(bottom, top)?,
            };
        }
        Some(base)
    }
}
