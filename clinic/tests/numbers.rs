//! Numbers of an output that are not in its input.

#![allow(clippy::unwrap_used)]

use outpost_clinic::numbers::{Kind, check};
use proptest::prelude::*;

/// What is flagged, with the words of the output.
fn flags<'a>(input: &str, output: &'a str) -> Vec<(&'a str, Kind)> {
    check(input, output)
        .into_iter()
        .map(|flag| (flag.span.of(output).unwrap(), flag.kind))
        .collect()
}

#[test]
fn the_same_number_in_another_form_is_not_flagged() {
    for (input, output) in [
        ("two tablets", "2 tablets"),
        ("Take 2 tabs.", "two tablets"),
        ("half a tablet", "½ tablet"),
        ("1/2 tablet", "0.5 tablets"),
        ("0,5 ml", "0.5 mL"),
        ("2 1/2 tablets", "2.5 tablets"),
        ("2½ tablets", "two and a half tablets"),
        ("1,000 mg", "1000 mg"),
        ("1.000.000 units", "1,000,000 IU"),
        ("10\u{a0}000 units", "10000 units"),
        ("five to seven days", "5-7 days"),
        ("2 – 3 times", "2 to 3 times"),
        ("2 or 3 days", "2-3 days"),
        ("blood pressure 120 over 80", "BP 120/80"),
        ("BP 120/80 mmHg", "systolic 120"),
        ("one hundred and twenty over eighty", "120/80"),
        ("thirty-eight point five", "38.5"),
        ("twenty-five mg", "25mg"),
        ("twice a day", "2 times a day"),
        ("12 March 2024", "2024-03-12"),
        ("March 12, 2024", "12/03/2024"),
        ("12/03/2024", "12.03.2024"),
        ("12/03/2024", "seen in 2024"),
        ("at 10:30", "10:30"),
        ("15 mg/kg", "15 mg per kg"),
        ("vitamin B12 and SpO2", "b12"),
        ("on the 3rd day", "3"),
        ("500 microgram", "500 mcg"),
        ("500 mg", "500"),
        ("250mg three times daily", "250 mg x3 daily"),
        ("", "no one came"),
    ] {
        assert_eq!(flags(input, output), [], "`{input}` and `{output}`");
    }
}

#[test]
fn what_is_not_in_the_input_is_flagged_with_its_place() {
    for (input, output, expected) in [
        ("500 mg", "250 mg", vec![("250 mg", Kind::Absent)]),
        (
            "amoxicillin",
            "amoxicillin 500 mg for 7 days",
            vec![("500 mg", Kind::Absent), ("7 days", Kind::Absent)],
        ),
        (
            "two tablets",
            "one tablet",
            vec![("one tablet", Kind::Absent)],
        ),
        ("120/80", "120/90", vec![("120/90", Kind::Absent)]),
        ("120/80", "80/120", vec![("80/120", Kind::Absent)]),
        ("120/80", "80/80", vec![("80/80", Kind::Absent)]),
        ("2-3 days", "2-4 days", vec![("2-4 days", Kind::Absent)]),
        (
            "12/03/2024",
            "13/03/2024",
            vec![("13/03/2024", Kind::Absent)],
        ),
        ("B12", "B13", vec![("B13", Kind::Absent)]),
        ("1,5 mg", "15 mg", vec![("15 mg", Kind::Absent)]),
        (
            "1 500 mg tablet",
            "1500 mg tablet",
            vec![("1500 mg", Kind::Absent)],
        ),
        ("1000", "1.000", vec![("1.000", Kind::Absent)]),
        (
            "temperature normal",
            "38.5 °C",
            vec![("38.5 °C", Kind::Absent)],
        ),
    ] {
        assert_eq!(flags(input, output), expected, "`{input}` and `{output}`");
    }
}

#[test]
fn a_converted_value_and_a_changed_unit_are_told_apart_from_an_invented_one() {
    for (input, output, expected) in [
        ("500 mg", "0.5 g", ("0.5 g", Kind::Converted)),
        ("0.5 g", "500 mg", ("500 mg", Kind::Converted)),
        ("100.4 °F", "38 °C", ("38 °C", Kind::Converted)),
        ("one week", "7 days", ("7 days", Kind::Converted)),
        ("2 years", "24 months", ("24 months", Kind::Converted)),
        ("1 litre", "1000 ml", ("1000 ml", Kind::Converted)),
        ("500 mg/5 ml", "500 mg/l", ("500 mg/l", Kind::UnitDiffers)),
        ("1 mg/ml", "1 g/l", ("1 g/l", Kind::Converted)),
        ("500-1000 mg", "0.5-1 g", ("0.5-1 g", Kind::Converted)),
        ("500 mg", "500 mcg", ("500 mcg", Kind::UnitDiffers)),
        ("5 mg", "5 ml", ("5 ml", Kind::UnitDiffers)),
        (
            "amoxicillin 500",
            "amoxicillin 500 mg",
            ("500 mg", Kind::UnitDiffers),
        ),
        ("3/12/2024", "12/3/2024", ("12/3/2024", Kind::Converted)),
    ] {
        assert_eq!(flags(input, output), [expected], "`{input}` and `{output}`");
    }
}

#[test]
fn a_flag_says_what_it_was_made_from() {
    let input = "paracetamol 500 mg";
    let flag = check(input, "0.5 g")[0];
    assert_eq!(flag.source.unwrap().of(input), Some("500 mg"));
    assert_eq!(check(input, "7 days")[0].source, None);
}

/// Forms in which a number may be written, as `(text, places of its digits)`.
fn written() -> impl Strategy<Value = String> {
    prop_oneof![
        "[1-9][0-9]{0,3}",
        "[0-9]{1,3}\\.[0-9]{1,3}",
        "[0-9]{1,3},[0-9]{1,2}",
        "[1-9][0-9]{0,2},[0-9]{3}",
        "[1-9][0-9]{1,2}/[0-9]{2,3}",
        "[1-9]/[248]",
        "[1-9] 1/2",
        "[1-9]½",
        "[0-9]{1,2}-[0-9]{1,2}",
        "[0-9]{1,2} to [0-9]{1,2}",
        "[0-3][0-9]/[01][0-9]/20[0-9]{2}",
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]",
        "[0-2][0-9]:[0-5][0-9]",
        "[1-9][0-9]{0,2}(mg|g|ml|kg|%)",
        "[1-9][0-9]{0,2} (mg/kg|tablets|days|mmHg|°C)",
        "[A-Z][0-9]{1,3}",
        "[0-9]{1,24}",
    ]
}

proptest! {
    #[test]
    fn any_text_compared_with_itself_has_no_flags(text in "\\PC*") {
        prop_assert_eq!(check(&text, &text), []);
    }

    #[test]
    fn any_note_compared_with_itself_has_no_flags(parts in prop::collection::vec((written(), "[a-z ,.]{0,8}"), 0..8)) {
        let text: String = parts.into_iter().map(|(number, words)| format!("{number} {words} ")).collect();
        prop_assert_eq!(check(&text, &text), []);
    }

    #[test]
    fn a_changed_digit_is_always_flagged(number in written(), place in 0_usize..64, other in 0_u8..9, before in "[a-z]{0,6}", after in "[a-z]{3,6}") {
        let places: Vec<usize> = number.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
        let at = places[place % places.len()];
        let digit = number.as_bytes()[at] - b'0';
        let replaced = if other >= digit { other + 1 } else { other };
        let mut changed = number.clone();
        changed.replace_range(at..=at, &replaced.to_string());
        let (input, output) = (format!("{before} {number} {after}"), format!("{before} {changed} {after}"));
        let flags = check(&input, &output);
        let at = at + before.len() + 1;
        prop_assert!(
            flags.iter().any(|flag| flag.span.range().contains(&at)),
            "`{}` became `{}` and was not flagged: {:?}", input, output, flags
        );
    }
}
