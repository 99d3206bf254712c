//! Danger signs: every row of the table at its threshold, at its ages and in words, and the table itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod danger_case;

use danger_case::{beside, beyond, someone, with_vital};
use outpost_clinic::danger::measure::Decimal;
use outpost_clinic::danger::table::{Limit, Operator, Population, Rule};
use outpost_clinic::danger::{
    Age, Assessment, Evidence, Patient, Pregnancy, Rules, Sex, Urgency, Why, document,
};
use outpost_clinic::record::{Record, VitalSign};

fn rules() -> Rules {
    Rules::shipped().unwrap()
}

fn has(assessment: &Assessment, rule: &Rule) -> bool {
    assessment.found.iter().any(|sign| sign.rule == rule.id)
}

/// Every limit of the table, with its rule and the number of its group.
fn limits(rules: &Rules) -> Vec<(&Rule, usize, &Limit)> {
    let of = |rule| move |(index, limit)| (rule, index, limit);
    let mut limits = Vec::new();
    for rule in rules.rows() {
        for (index, group) in rule.groups.iter().enumerate() {
            limits.extend(
                group
                    .limits
                    .iter()
                    .map(|limit| (index, limit))
                    .map(of(rule)),
            );
        }
    }
    limits
}

/// Whether a rule should hold just below, at and just above its threshold.
fn expected(operator: Operator) -> [bool; 3] {
    match operator {
        Operator::Below => [true, false, false],
        Operator::AtOrBelow => [true, true, false],
        Operator::Above => [false, false, true],
        Operator::AtOrAbove => [false, true, true],
    }
}

#[test]
fn every_threshold_holds_at_just_below_and_just_above_as_its_row_says() {
    let rules = rules();
    let all = limits(&rules);
    assert!(all.len() >= 50, "{}", all.len());
    for (rule, index, limit) in all {
        // By one in the last place that an instrument shows, and by the least that can be written.
        let shown = match limit.sign {
            VitalSign::BodyTemperature => limit.places.max(1),
            _ => limit.places,
        };
        for places in [shown, 6] {
            let threshold = limit.threshold;
            let values = [
                threshold.step(places, false),
                threshold,
                threshold.step(places, true),
            ];
            for (value, expected) in values.into_iter().zip(expected(limit.operator)) {
                let (mut record, text) = beside(rule, index);
                record.vitals.insert(
                    0,
                    with_vital(limit.sign, value.to_f64(), &limit.unit)
                        .vitals
                        .remove(0),
                );
                let assessment = rules.assess(&someone(rule), &record, &text);
                assert_eq!(
                    has(&assessment, rule),
                    expected,
                    "{} at {}",
                    rule.id,
                    value.to_f64()
                );
                if expected {
                    assert!(assessment.floor >= rule.urgency, "{}", rule.id);
                    let found = assessment
                        .found
                        .iter()
                        .find(|found| found.rule == rule.id)
                        .unwrap();
                    assert!(found.evidence.contains(&Evidence::Vital(0)), "{}", rule.id);
                }
            }
        }
    }
}

#[test]
fn a_temperature_in_the_other_unit_meets_the_same_threshold() {
    let rules = rules();
    let mut seen = 0;
    for (rule, index, limit) in limits(&rules) {
        if limit.sign != VitalSign::BodyTemperature {
            continue;
        }
        seen += 1;
        let degrees = limit.threshold.to_f64();
        let (other, unit) = match limit.unit.as_str() {
            "Cel" => (degrees * 9.0 / 5.0 + 32.0, "[degF]"),
            _ => ((degrees - 32.0) * 5.0 / 9.0, "Cel"),
        };
        let other = Decimal::read(&format!("{other:.1}")).unwrap();
        let values = [other.step(1, false), other, other.step(1, true)];
        for (value, expected) in values.into_iter().zip(expected(limit.operator)) {
            let (mut record, text) = beside(rule, index);
            record
                .vitals
                .extend(with_vital(limit.sign, value.to_f64(), unit).vitals);
            let found = has(&rules.assess(&someone(rule), &record, &text), rule);
            assert_eq!(found, expected, "{} at {} {unit}", rule.id, value.to_f64());
        }
    }
    assert!(seen >= 8);
}

#[test]
fn a_rule_that_counts_does_not_hold_with_one_less() {
    let rules = rules();
    let mut seen = 0;
    for rule in rules.rows().iter().filter(|rule| rule.least > 1) {
        seen += 1;
        for index in 0..rule.groups.len() {
            let (record, text) = beside(rule, index);
            assert!(
                !has(&rules.assess(&someone(rule), &record, &text), rule),
                "{} in `{text}`",
                rule.id
            );
        }
    }
    assert!(seen >= 5);
}

#[test]
fn every_rule_by_age_begins_and_ends_on_the_day_that_its_row_says() {
    let rules = rules();
    for rule in rules.rows() {
        let concerns = |day: u64| {
            let Ok(day) = u16::try_from(day) else {
                return None;
            };
            let patient = Patient {
                age: Some(Age::Days(day)),
                ..someone(rule)
            };
            let (mut record, mut text) = beside(rule, 0);
            let group = &rule.groups[0];
            match (group.limits.first(), group.phrases.first()) {
                (Some(limit), _) => record
                    .vitals
                    .extend(with_vital(limit.sign, beyond(limit), &limit.unit).vitals),
                (None, Some(phrase)) => {
                    let not = if phrase.is_inverted() { "not " } else { "" };
                    text.push_str(&format!("Today: {not}{}.", phrase.sample()));
                }
                (None, None) => unreachable!(),
            }
            Some(has(&rules.assess(&patient, &record, &text), rule))
        };
        if let Some(from) = rule.from {
            assert_eq!(concerns(from.first_day()), Some(true), "{}", rule.id);
            if from.first_day() > 0 {
                assert_eq!(concerns(from.first_day() - 1), Some(false), "{}", rule.id);
            }
        }
        if let Some(to) = rule.to {
            assert_eq!(concerns(to.first_day() - 1), Some(true), "{}", rule.id);
            assert_eq!(concerns(to.first_day()), Some(false), "{}", rule.id);
        }
    }
}

#[test]
fn the_floor_is_never_lowered() {
    let all = [Urgency::Routine, Urgency::Urgent, Urgency::Emergency];
    for model in all {
        for floor in all {
            let shown = model.with_floor(floor);
            assert!(shown >= model && shown >= floor && (shown == model || shown == floor));
        }
    }
}

#[test]
fn nothing_said_is_nothing_found() {
    let rules = rules();
    for text in [
        "",
        " \n",
        "?!.,:",
        "Cough for three days, temperature normal, eats and drinks well.",
    ] {
        let adult = Patient {
            age: Some(Age::Years(40)),
            ..Patient::default()
        };
        let assessment = rules.assess(&adult, &Record::default(), text);
        assert_eq!(
            (assessment.floor, assessment.found.len()),
            (Urgency::Routine, 0),
            "{text}"
        );
    }
}

#[test]
fn an_unknown_age_leaves_the_rules_for_adults_and_names_the_others() {
    let rules = rules();
    let record = with_vital(VitalSign::RespiratoryRate, 55.0, "/min");
    let assessment = rules.assess(&Patient::default(), &record, "Stridor.");
    for rule in rules.rows() {
        let skipped = assessment
            .not_applied
            .iter()
            .find(|skipped| skipped.rule == rule.id);
        let why = match rule.population {
            Population::Adult | Population::AdultNotPregnant => None,
            Population::Child | Population::Infant => Some(Why::AgeUnknown),
            Population::Pregnancy | Population::Postpartum | Population::Maternal => {
                Some(Why::PregnancyUnknown)
            }
        };
        assert_eq!(skipped.map(|skipped| skipped.why), why, "{}", rule.id);
    }
    let found: Vec<&str> = assessment
        .found
        .iter()
        .map(|sign| sign.rule.as_str())
        .collect();
    assert_eq!(
        found,
        [
            "iitt-stridor",
            "iitt-breathing-fast",
            "news2-breathing-fast"
        ]
    );
    let man = Patient {
        age: Some(Age::Years(30)),
        sex: Some(Sex::Male),
        pregnancy: None,
    };
    assert_eq!(rules.assess(&man, &record, "").not_applied, []);
}

#[test]
fn the_early_warning_score_is_not_used_in_pregnancy() {
    let rules = rules();
    let record = with_vital(VitalSign::HeartRate, 131.0, "/min");
    for (pregnancy, expected) in [
        (Pregnancy::Pregnant, false),
        (Pregnancy::Postpartum, true),
        (Pregnancy::No, true),
    ] {
        let patient = Patient {
            age: Some(Age::Years(30)),
            sex: None,
            pregnancy: Some(pregnancy),
        };
        let found = rules.assess(&patient, &record, "").found;
        assert_eq!(
            found.iter().any(|sign| sign.rule == "news2-pulse-fast"),
            expected
        );
    }
}

#[test]
fn a_measurement_that_cannot_be_read_is_named_and_not_passed_over() {
    let rules = rules();
    let adult = Patient {
        age: Some(Age::Years(30)),
        pregnancy: Some(Pregnancy::No),
        ..Patient::default()
    };
    for (value, unit) in [(39.5, "K"), (f64::NAN, "Cel"), (39.5, "")] {
        let record = with_vital(VitalSign::BodyTemperature, value, unit);
        let assessment = rules.assess(&adult, &record, "");
        assert_eq!(assessment.found, []);
        assert!(!assessment.not_applied.is_empty());
        assert!(
            assessment
                .not_applied
                .iter()
                .all(|skipped| skipped.why == Why::Unreadable(0))
        );
    }
}

#[test]
fn a_measurement_that_the_record_lacks_is_found_in_the_words() {
    let rules = rules();
    let child = Patient {
        age: Some(Age::Months(30)),
        ..Patient::default()
    };
    let said = "Cough since Monday. Sats are 84 percent.";
    let assessment = rules.assess(&child, &Record::default(), said);
    assert_eq!(assessment.floor, Urgency::Emergency);
    let [Evidence::Words(span)] = assessment.found[0].evidence[..] else {
        unreachable!()
    };
    assert_eq!(span.of(said), Some("Sats are 84 percent"));
    let pregnant = Patient {
        age: Some(Age::Years(30)),
        sex: None,
        pregnancy: Some(Pregnancy::Pregnant),
    };
    for (said, floor) in [
        ("Blood pressure 160 over 95.", Urgency::Emergency),
        ("Blood pressure 159/109.", Urgency::Urgent),
        ("Blood pressure 139/89.", Urgency::Routine),
    ] {
        assert_eq!(
            rules.assess(&pregnant, &Record::default(), said).floor,
            floor,
            "{said}"
        );
    }
}

#[test]
fn the_second_measurement_counts_as_the_first() {
    let mut record = with_vital(VitalSign::OxygenSaturation, 97.0, "%");
    record
        .vitals
        .extend(with_vital(VitalSign::OxygenSaturation, 84.0, "%").vitals);
    let child = Patient {
        age: Some(Age::Months(30)),
        ..Patient::default()
    };
    let assessment = rules().assess(&child, &record, "");
    assert_eq!(assessment.floor, Urgency::Emergency);
    assert_eq!(assessment.found[0].evidence, [Evidence::Vital(1)]);
}

#[test]
fn every_row_names_its_source_and_fits_its_population() {
    let rules = rules();
    for rule in rules.rows() {
        let source = &rule.source;
        let year = source.year == "n.d."
            || source
                .year
                .parse()
                .is_ok_and(|year: u16| (1990..2100).contains(&year));
        assert!(year, "{}: {}", rule.id, source.year);
        for field in [
            &source.title,
            &source.publisher,
            &source.place,
            &source.read_at,
            &rule.said,
            &rule.shown,
        ] {
            assert!(
                field.len() > 2 && field.trim() == field,
                "{}: `{field}`",
                rule.id
            );
        }
        assert!(source.url.starts_with("http"), "{}", rule.id);
        assert!(
            !rule.said.contains('|') && !rule.shown.contains('|'),
            "{}",
            rule.id
        );
        assert!(
            rule.urgency > Urgency::Routine,
            "{} changes nothing",
            rule.id
        );
        let day = |age: Option<Age>| age.map(Age::first_day);
        let (from, to) = (day(rule.from), day(rule.to));
        match rule.population {
            Population::Adult | Population::AdultNotPregnant => assert!(
                from >= Some(Age::Years(12).first_day()) && to.is_none(),
                "{}",
                rule.id
            ),
            Population::Child => assert!(
                from < to && to <= Some(Age::Years(12).first_day()),
                "{}",
                rule.id
            ),
            Population::Infant => assert!(
                from < to && to <= Some(Age::Months(3).first_day()),
                "{}",
                rule.id
            ),
            _ => assert_eq!((from, to), (None, None), "{}", rule.id),
        }
    }
}

#[test]
fn what_a_health_worker_reads_is_the_threshold_of_the_row() {
    let rules = rules();
    let single: Vec<_> = limits(&rules)
        .into_iter()
        .filter(|(rule, ..)| rule.least == 1)
        .collect();
    assert!(single.len() >= 45);
    for (rule, _, limit) in single {
        let operator = match limit.operator {
            Operator::Below => "below",
            Operator::AtOrBelow => "at or below",
            Operator::Above => "above",
            Operator::AtOrAbove => "at or above",
        };
        let places = usize::try_from(limit.places).unwrap();
        let words = format!("{operator} {:.places$}", limit.threshold.to_f64());
        let at = rule
            .shown
            .find(&words)
            .unwrap_or_else(|| panic!("{}: {words}", rule.id));
        assert!(
            operator.starts_with("at or") || !rule.shown[..at].ends_with("at or "),
            "{}",
            rule.id
        );
        let after = rule.shown[at + words.len()..].chars().next();
        assert!(
            after.is_some_and(|c| !c.is_ascii_digit() && c != '.'),
            "{}",
            rule.id
        );
    }
}

/// Which rules look at a sign on one side, by day of age.
fn gaps(sign: VitalSign, high: bool) -> Vec<u16> {
    let rules = rules();
    let covers = |day: u16| {
        limits(&rules).into_iter().any(|(rule, _, limit)| {
            let side = matches!(limit.operator, Operator::Above | Operator::AtOrAbove) == high;
            let from = rule
                .from
                .is_some_and(|from| from.first_day() <= u64::from(day));
            let to = rule.to.is_none_or(|to| u64::from(day) < to.first_day());
            rule.least == 1 && limit.sign == sign && side && from && to
        })
    };
    (0..Age::Years(20).first_day() as u16)
        .filter(|&day| !covers(day))
        .collect()
}

#[test]
fn fast_breathing_and_low_oxygen_leave_no_age_out() {
    assert_eq!(gaps(VitalSign::RespiratoryRate, true), [0_u16; 0]);
    assert_eq!(gaps(VitalSign::OxygenSaturation, false), [0_u16; 0]);
}

#[test]
fn each_source_s_bands_of_age_touch() {
    let rules = rules();
    let all = rules.rows();
    for (first, second) in [
        ("psbi-fast-breathing-first-week", "psbi-fast-breathing"),
        ("psbi-fast-breathing", "imci-fast-breathing-2-to-11-months"),
        (
            "imci-fast-breathing-2-to-11-months",
            "imci-fast-breathing-1-to-4-years",
        ),
        ("imci-fast-breathing-1-to-4-years", "etat-fast-breathing"),
        ("etat-fast-breathing", "iitt-breathing-fast"),
        ("psbi-oxygen-low", "imci-oxygen-low"),
        ("imci-oxygen-low", "etat-oxygen-low"),
        ("etat-oxygen-low", "iitt-oxygen-low"),
        (
            "nice-temperature-under-3-months",
            "nice-temperature-3-to-6-months",
        ),
    ] {
        let band = |id: &str| {
            let rule = all.iter().find(|rule| rule.id == id).unwrap();
            (rule.from, rule.to)
        };
        let day = |age: Option<Age>| age.map(Age::first_day);
        assert_eq!(day(band(first).1), day(band(second).0), "{first}, {second}");
    }
}

#[test]
fn a_table_that_is_not_as_described_is_refused_with_its_line() {
    const SOURCE: &str =
        "source\tk\tInvented title\tInvented publisher\t2001\thttps://example.org\there\n";
    let row =
        "rule\tid\tadult\t12 a\t-\theart-rate\t<\t50\t/min\t-\turgent\tshown\tk\tplace\tsaid\n";
    assert_eq!(
        Rules::read(&format!("{SOURCE}{row}")).unwrap().rows().len(),
        1
    );
    for (from, to) in [
        ("adult", "grown-up"),
        ("12 a", "12"),
        ("12 a", "x a"),
        ("heart-rate", "heart"),
        ("\t<\t", "\t=\t"),
        ("50", "fifty"),
        ("/min", "Cel"),
        ("urgent", "soon"),
        ("\tk\t", "\tl\t"),
        ("said", "said\tmore"),
        ("heart-rate", "sign"),
    ] {
        let broken = format!(
            "{SOURCE}{}",
            row.replacen(from, to, 1)
                .replace("\tsign\t<\t50\t/min\t-\t", "\tsign\t-\t-\t-\t..\t")
        );
        let error = Rules::read(&broken).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{to}: {error}");
    }
    assert!(
        Rules::read(&format!("{SOURCE}{row}{row}"))
            .unwrap_err()
            .to_string()
            .contains("line 3")
    );
    assert!(Rules::read("something else").is_err());
}

#[test]
fn the_page_for_clinicians_is_what_the_table_says() {
    let page = include_str!("../../docs/danger-signs.md");
    let expected = document(&rules());
    assert!(
        page == expected,
        "write it again: cargo run -p outpost-clinic --example danger_signs > docs/danger-signs.md"
    );
    for rule in rules().rows() {
        assert!(
            page.contains(&rule.shown) && page.contains(&rule.source.url),
            "{}",
            rule.id
        );
    }
    assert!(page.contains("This is not a medical device"));
}
