//! Numbers and doses of an output that are not in its input.
//!
//! Numbers are compared by value and unit: `2 tablets` is `two tablets`, `½` is `0.5`, `1,000` is `1000`. A value that was
//! converted, such as `0.5 g` for `500 mg`, is flagged as such and not as invented: a person should look at it, and it may
//! be right. Nothing here says that a number that is in the input stands in the right place.

pub(crate) mod quantity;
pub(crate) mod read;
mod units;

use serde::{Deserialize, Serialize};

use crate::record::Span;
use quantity::{Number, Quantity, Value};
use units::Unit;

/// What is wrong with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It is in the input in another unit.
    Converted,
    /// It is in the input, but with a unit of another size or sort, or with none.
    UnitDiffers,
    /// It is not in the input.
    Absent,
}

/// A number of the output that a person should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// Where it stands in the output, with its unit.
    pub span: Span,
    /// What is wrong.
    pub kind: Kind,
    /// What it was probably made from, in the input.
    pub source: Option<Span>,
}

/// The numbers of `output` that `input` does not have, in the order of the output.
///
/// ```
/// use outpost_clinic::numbers::{Kind, check};
///
/// let flags = check("two tablets of 500 mg", "2 tablets of 0.5 g for 7 days");
/// let kinds: Vec<Kind> = flags.iter().map(|flag| flag.kind).collect();
/// assert_eq!(kinds, [Kind::Converted, Kind::Absent]);
/// ```
pub fn check(input: &str, output: &str) -> Vec<Flag> {
    let inputs = read::quantities(input);
    read::quantities(output)
        .iter()
        .filter_map(|quantity| {
            let (kind, source) = judge(quantity, &inputs)?;
            Some(Flag {
                span: quantity.span,
                kind,
                source,
            })
        })
        .collect()
}

/// What is wrong with a quantity, and with which input it was compared.
fn judge(quantity: &Quantity, inputs: &[Quantity]) -> Option<(Kind, Option<Span>)> {
    // `one` is more often a pronoun than a number.
    if quantity.is_pronoun() {
        return None;
    }
    let mut best = (Kind::Absent, None);
    for input in inputs {
        match relate(quantity, input) {
            Relation::Same => return None,
            Relation::Flagged(kind) if kind < best.0 => best = (kind, Some(input.span)),
            Relation::Flagged(_) | Relation::Other => {}
        }
    }
    if let Value::Pair(first, second) = &quantity.value {
        // `2 or 3 days` may become `2 to 3 days`; both numbers must stand by themselves.
        let is_number = |input: &&Quantity| matches!(input.value, Value::Number(_));
        let alone: Vec<Quantity> = inputs.iter().filter(is_number).cloned().collect();
        let single = |value| Quantity {
            value: Value::Number(value),
            ..quantity.clone()
        };
        let parts = [*first, *second].map(|value| judge(&single(value), &alone));
        let worst = parts.into_iter().flatten().max_by_key(|part| part.0)?;
        return Some(if worst.0 < best.0 { worst } else { best });
    }
    Some(best)
}

/// How a quantity of the output stands to one of the input.
enum Relation {
    Same,
    Flagged(Kind),
    Other,
}

fn relate(output: &Quantity, input: &Quantity) -> Relation {
    match (&output.value, &input.value) {
        (Value::Number(number), _) => input
            .value
            .numbers()
            .into_iter()
            .map(|other| {
                relate_numbers(
                    &[*number],
                    output.unit.as_ref(),
                    &[other],
                    input.unit.as_ref(),
                )
            })
            .reduce(Relation::better)
            .unwrap_or(Relation::Other),
        (Value::Pair(first, second), Value::Pair(other_first, other_second)) => relate_numbers(
            &[*first, *second],
            output.unit.as_ref(),
            &[*other_first, *other_second],
            input.unit.as_ref(),
        ),
        (Value::Parts(parts), Value::Parts(others)) => {
            let sorted = |parts: &[u64]| {
                let mut parts = parts.to_vec();
                parts.sort_unstable();
                parts
            };
            if others.windows(parts.len()).any(|window| window == parts) {
                Relation::Same
            } else if sorted(parts) == sorted(others) {
                Relation::Flagged(Kind::Converted)
            } else {
                Relation::Other
            }
        }
        (Value::Name(name), Value::Name(other)) if name == other => Relation::Same,
        _ => Relation::Other,
    }
}

impl Relation {
    fn better(self, other: Self) -> Self {
        match (self, other) {
            (Self::Same, _) | (_, Self::Same) => Self::Same,
            (Self::Flagged(first), Self::Flagged(second)) => Self::Flagged(first.min(second)),
            (Self::Other, relation) | (relation, Self::Other) => relation,
        }
    }
}

fn relate_numbers(
    output: &[Number],
    unit: Option<&Unit>,
    input: &[Number],
    input_unit: Option<&Unit>,
) -> Relation {
    let same_value = output == input;
    match (unit, input_unit) {
        (None, _) if same_value => Relation::Same,
        (Some(unit), Some(other)) if unit == other && same_value => Relation::Same,
        (Some(unit), Some(other)) if unit != other => {
            let converted = output.iter().zip(input).all(|(number, from)| {
                unit.base(*number)
                    .is_some_and(|base| other.base(*from) == Some(base))
            });
            match converted && unit.measures_like(other) {
                true => Relation::Flagged(Kind::Converted),
                false if same_value => Relation::Flagged(Kind::UnitDiffers),
                false => Relation::Other,
            }
        }
        (Some(_), None) if same_value => Relation::Flagged(Kind::UnitDiffers),
        _ => Relation::Other,
    }
}
