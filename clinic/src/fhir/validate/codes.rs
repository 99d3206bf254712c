//! The form of codes of well-known systems: what can be said about a code without its table.

/// What is wrong with a code of this system; `None` where nothing can be said against it.
pub fn wrong_form(system: &str, code: &str) -> Option<String> {
    let (name, right) = match system {
        "http://loinc.org" => (
            "LOINC: digits, a hyphen and the check digit",
            is_loinc(code),
        ),
        // A colon and what follows refine a concept: SNOMED's compositional grammar.
        "http://snomed.info/sct" => (
            "SNOMED CT: 6 to 18 digits, the last one a check digit",
            is_snomed(code.split([':', '+', '|']).next().unwrap_or(code).trim()),
        ),
        "http://www.nlm.nih.gov/research/umls/rxnorm" => (
            "RxNorm: a number",
            !code.is_empty() && code.len() <= 8 && code.bytes().all(|c| c.is_ascii_digit()),
        ),
        "http://hl7.org/fhir/sid/icd-10-cm" => (
            "ICD-10-CM: a letter, a digit, a digit or letter, and after a dot one to four more",
            is_icd10cm(code),
        ),
        super::ucum::SYSTEM => ("UCUM", super::ucum::is_unit(code)),
        _ => return None,
    };
    let shown: String = code.chars().take(40).collect();
    (!right).then(|| format!("`{shown}` is not a code of {name}"))
}

/// A number with a check digit. Parts (`LP`), answers (`LA`) and lists (`LL`, `LG`) begin with letters, and have another.
fn is_loinc(code: &str) -> bool {
    let part = ["LP", "LA", "LL", "LG"]
        .iter()
        .find_map(|kind| code.strip_prefix(kind));
    let number = part.unwrap_or(code);
    let Some((digits, check)) = number.split_once('-') else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !is_number(digits) || digits.len() > 8 || check.len() != 1 || !is_number(check) {
        return false;
    }
    if part.is_some() {
        return true;
    }
    // Luhn's formula, modulus 10: every second digit from the right is doubled (LOINC Users' Guide, appendix C).
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(nth, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = if nth % 2 == 0 { digit * 2 } else { digit };
            doubled / 10 + doubled % 10
        })
        .sum();
    check.parse() == Ok((10 - sum % 10) % 10)
}

/// Verhoeff's check digit (SNOMED CT Technical Implementation Guide, section on check digits).
fn is_snomed(code: &str) -> bool {
    if !(6..=18).contains(&code.len())
        || !code.bytes().all(|c| c.is_ascii_digit())
        || code.starts_with('0')
    {
        return false;
    }
    let mut check = 0;
    for (nth, digit) in code.bytes().rev().enumerate() {
        let mut digit = usize::from(digit - b'0');
        for _ in 0..nth % 8 {
            digit = turn(digit);
        }
        check = dihedral(check, digit);
    }
    check == 0
}

/// Verhoeff's permutation, once.
fn turn(digit: usize) -> usize {
    [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
        .get(digit)
        .copied()
        .unwrap_or(0)
}

/// The product in the dihedral group of order ten: 0 to 4 are turns, 5 to 9 reflections.
fn dihedral(a: usize, b: usize) -> usize {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

fn is_icd10cm(code: &str) -> bool {
    let (category, rest) = code.split_once('.').unwrap_or((code, "A"));
    let letter = |c: &u8| c.is_ascii_uppercase() || c.is_ascii_digit();
    let [first, second, third] = category.as_bytes() else {
        return false;
    };
    first.is_ascii_uppercase()
        && second.is_ascii_digit()
        && letter(third)
        && (1..=4).contains(&rest.len())
        && rest.as_bytes().iter().all(letter)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fhir::table::table;

    #[test]
    fn loinc_codes_of_the_table_have_their_check_digit_and_changed_ones_do_not() {
        for vital in table().vitals() {
            for code in std::iter::once(&vital.measure)
                .chain(&vital.components)
                .map(|measure| measure.code)
            {
                assert!(is_loinc(code), "{code}");
                let (digits, check) = code.split_once('-').unwrap();
                let other = (check.parse::<u32>().unwrap() + 1) % 10;
                assert!(!is_loinc(&format!("{digits}-{other}")), "{code}");
            }
        }
        for bad in [
            "",
            "-",
            "8867",
            "8867-",
            "-4",
            "a-1",
            "8867-44",
            "123456789-1",
        ] {
            assert!(!is_loinc(bad), "{bad}");
        }
    }

    #[test]
    fn a_changed_digit_of_verhoeffs_is_noticed() {
        let good: Vec<String> = (1000..2000)
            .map(|n| format!("{n}00"))
            .flat_map(|stem| (0..10).map(move |check| format!("{stem}{check}")))
            .filter(|code| is_snomed(code))
            .collect();
        assert_eq!(good.len(), 1000, "each stem has one check digit");
        let mut changed = good[17].clone().into_bytes();
        changed[2] = if changed[2] == b'9' {
            b'0'
        } else {
            changed[2] + 1
        };
        assert!(!is_snomed(std::str::from_utf8(&changed).unwrap()));
        assert!(!is_snomed("12") && !is_snomed("0123456") && !is_snomed("12345a7"));
    }

    #[test]
    fn forms_of_other_systems() {
        let icd = "http://hl7.org/fhir/sid/icd-10-cm";
        for good in ["A00", "A00.0", "A0A.A123"] {
            assert_eq!(wrong_form(icd, good), None, "{good}");
        }
        for bad in [
            "",
            "a00",
            "A0",
            "A00.",
            "A00.12345",
            "A00-1",
            "0A0",
            "A00.a",
        ] {
            assert!(wrong_form(icd, bad).is_some(), "{bad}");
        }
        let rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm";
        assert_eq!(wrong_form(rxnorm, "1"), None);
        assert!(wrong_form(rxnorm, "").is_some() && wrong_form(rxnorm, "12a").is_some());
        assert_eq!(wrong_form("http://example.org", "anything"), None);
    }
}
