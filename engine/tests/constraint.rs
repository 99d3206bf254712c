//! What a constraint promises: whatever is picked of what it allows parses and satisfies the schema.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/answers.rs"]
mod answers;
#[path = "support/schemas.rs"]
mod schemas;

use std::rc::Rc;

use outpost_engine::constraint::{Constraint, Grammar, Rule, Vocabulary};
use outpost_engine::error::Error;
use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::{Gguf, WeightSource};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

const GOLDEN: &str = "../tests/golden/tokenizer";

/// Schemas that are tried.
const SCHEMAS: u64 = 1_000;

/// Longest answer to each.
const MOST_TOKENS: usize = 600;

fn tokenizers() -> [Tokenizer; 2] {
    let read = |name: &str| std::fs::read(format!("{GOLDEN}/{name}")).unwrap();
    let gguf = Gguf::open(read("vocab.gguf")).unwrap();
    [
        Tokenizer::from_json(&read("tokenizer.json")).unwrap(),
        Tokenizer::from_metadata(gguf.metadata()).unwrap(),
    ]
}

struct Setting {
    tokenizer: Tokenizer,
    vocabulary: Rc<Vocabulary>,
    stop: u32,
}

fn settings() -> [Setting; 2] {
    tokenizers().map(|tokenizer| Setting {
        vocabulary: Rc::new(Vocabulary::new(&tokenizer).unwrap()),
        stop: tokenizer.token_id("<end_of_turn>").unwrap(),
        tokenizer,
    })
}

impl Setting {
    fn begin(&self, rule: Rule) -> Result<Constraint, Error> {
        let grammar = Grammar::new(&rule)?;
        Constraint::new(self.vocabulary.clone(), Rc::new(grammar), &[self.stop])
    }

    fn schema(&self, text: &str) -> Constraint {
        self.begin(Rule::JsonSchema(text.to_owned())).unwrap()
    }

    /// Tokens by chance, of those that are allowed; those that end something oftener, or no string would end.
    fn pick(&self, allowed: &[u32], rng: &mut ChaCha8Rng) -> u32 {
        let ends = |id: &&u32| **id == self.stop || self.vocabulary.token(**id).contains(&b'"');
        let ending: Vec<&u32> = allowed.iter().filter(ends).collect();
        match !ending.is_empty() && rng.random_bool(0.2) {
            true => *ending[rng.random_range(0..ending.len())],
            false => allowed[rng.random_range(0..allowed.len())],
        }
    }

    /// An answer by chance, and whether it ended. `look` sees it after every token.
    fn answer(
        &self,
        constraint: &mut Constraint,
        seed: u64,
        mut look: impl FnMut(&str, &Constraint),
    ) -> (String, bool) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ids = Vec::new();
        for _ in 0..MOST_TOKENS {
            if constraint.must_stop() {
                return (self.tokenizer.decode(&ids), true);
            }
            let mask = constraint.mask().unwrap();
            let allowed: Vec<u32> = (0..mask.vocab_size() as u32)
                .filter(|id| mask.allows(*id))
                .collect();
            assert!(
                !allowed.is_empty(),
                "nothing is allowed after {:?}",
                self.tokenizer.decode(&ids)
            );
            let id = self.pick(&allowed, &mut rng);
            constraint.accept(id).unwrap();
            if id == self.stop {
                return (self.tokenizer.decode(&ids), true);
            }
            ids.push(id);
            look(&self.tokenizer.decode(&ids), constraint);
        }
        (self.tokenizer.decode(&ids), false)
    }

    /// Whether `text` may be written token by token, and may end then.
    fn takes(&self, constraint: &mut Constraint, text: &str) -> bool {
        for id in self.tokenizer.encode(text).unwrap() {
            let allowed = constraint.mask().unwrap().allows(id);
            assert_eq!(
                allowed,
                constraint.accept(id).is_ok(),
                "token {id} of {text:?}"
            );
            if !allowed {
                return false;
            }
        }
        constraint.is_complete()
    }
}

#[test]
fn whatever_is_picked_parses_and_satisfies_its_schema_and_a_cut_answer_is_known_to_be_cut() {
    let settings = settings();
    let mut ended = 0;
    for seed in 0..SCHEMAS {
        let text = schemas::schema(seed);
        let schema: Value = serde_json::from_str(&text).unwrap();
        let setting = &settings[seed as usize % 2];
        let mut constraint = setting.schema(&text);
        let valid = |answer: &str| {
            let value = serde_json::from_str::<Value>(answer);
            value.is_ok_and(|value| schemas::satisfies(&value, &schema, &schema))
        };
        let look = |so_far: &str, constraint: &Constraint| {
            assert_eq!(
                constraint.is_complete(),
                valid(so_far),
                "seed {seed}: {text}\n{so_far}"
            );
        };
        let (answer, whole) = setting.answer(&mut constraint, seed, look);
        assert_eq!(whole, valid(&answer), "seed {seed}: {text}\n{answer}");
        ended += u64::from(whole);
    }
    println!("{ended} of {SCHEMAS} ended within {MOST_TOKENS} tokens");
    assert!(ended > SCHEMAS * 9 / 10, "{ended}");
}

#[test]
fn members_come_in_the_schema_s_order() {
    let schema = r#"{"type":"object","properties":{"zeta":{"type":"boolean"},"alpha":{"type":"boolean"},"mid":{"type":"boolean"}},"required":["zeta","mid"]}"#;
    for setting in settings() {
        let takes = |text: &str| setting.takes(&mut setting.schema(schema), text);
        assert!(takes(r#"{"zeta":true,"alpha":true,"mid":false}"#));
        assert!(takes(r#"{"zeta":true,"mid":false}"#));
        assert!(!takes(r#"{"alpha":true,"zeta":true,"mid":false}"#));
        assert!(!takes(r#"{"zeta":true}"#));
        assert!(!takes(r#"{"zeta":true,"mid":false,"other":1}"#));
        assert!(!takes(r#"{ "zeta":true,"mid":false}"#));
    }
}

#[test]
fn a_text_has_one_spelling() {
    for setting in settings() {
        let takes = |text: &str| setting.takes(&mut setting.schema(r#"{"type":"string"}"#), text);
        for text in [
            r#""""#,
            r#""मरीज 😀 ümlaut""#,
            r#""a\"b\\c\n\td/""#,
            "\"\u{7f}\u{2028}\"",
        ] {
            assert!(takes(text), "{text}");
        }
        for text in [
            r#""\u0041""#,
            r#""\/""#,
            r#""\ud83d\ude00""#,
            "\"\n\"",
            r#""\u0000""#,
            "'a'",
            r#""\x""#,
        ] {
            assert!(!takes(text), "{text}");
        }
    }
}

#[test]
fn a_control_character_is_written_only_where_a_pattern_asks_for_it() {
    let schema = r#"{"type":"string","pattern":"^[\\u0000-\\u0003\\b\\u001f]$"}"#;
    for setting in settings() {
        let takes = |text: &str| setting.takes(&mut setting.schema(schema), text);
        assert!(takes(r#""\u0002""#) && takes(r#""\u001f""#) && takes(r#""\b""#));
        assert!(!takes(r#""\u0004""#) && !takes(r#""\u001F""#) && !takes(r#""\u0008""#));
    }
}

#[test]
fn numbers_keep_their_bounds_digit_by_digit() {
    let cases = [
        (
            r#"{"type":"integer"}"#,
            vec!["0", "-7", "120"],
            vec!["-0", "007", "1.0", "1e3", "+1", ""],
        ),
        (
            r#"{"type":"integer","minimum":17,"maximum":205}"#,
            vec!["17", "99", "205"],
            vec!["16", "206", "1", "2050"],
        ),
        (
            r#"{"type":"integer","exclusiveMinimum":-3,"exclusiveMaximum":0}"#,
            vec!["-2", "-1"],
            vec!["0", "-3", "1"],
        ),
        (
            r#"{"type":"number","minimum":34.5,"maximum":42}"#,
            vec!["34.5", "36", "41.999", "42.0"],
            vec!["34.4", "42.1", "3"],
        ),
        (
            r#"{"type":"number","exclusiveMinimum":0}"#,
            vec!["0.5", "0.000001"],
            vec!["0", "0.0", "-1", ".5", "1."],
        ),
        (
            r#"{"type":"number","multipleOf":0.25}"#,
            vec!["0.25", "1.5", "-3", "0"],
            vec!["0.2", "0.26"],
        ),
        (
            r#"{"type":"integer","multipleOf":12,"minimum":1}"#,
            vec!["12", "144"],
            vec!["0", "13"],
        ),
    ];
    for setting in settings() {
        for (schema, good, bad) in &cases {
            for text in good {
                assert!(
                    setting.takes(&mut setting.schema(schema), text),
                    "{schema} {text}"
                );
            }
            for text in bad {
                assert!(
                    !setting.takes(&mut setting.schema(schema), text),
                    "{schema} {text}"
                );
            }
        }
    }
}

#[test]
fn dates_are_days_that_there_are() {
    let schema = r#"{"type":"string","format":"date"}"#;
    let [setting, _] = settings();
    for year in [1600, 1900, 1999, 2000, 2023, 2024, 2100] {
        for month in 0..14 {
            for day in [0, 1, 9, 10, 19, 28, 29, 30, 31, 32] {
                let date = format!("{year}-{month:02}-{day:02}");
                let taken = setting.takes(&mut setting.schema(schema), &format!("\"{date}\""));
                assert_eq!(taken, schemas::is_date(&date), "{date}");
            }
        }
    }
}

#[test]
fn what_refers_to_itself_nests_no_deeper_than_readers_read() {
    let schema = r##"{"type":"array","items":{"$ref":"#"}}"##;
    let [setting, _] = settings();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(setting.takes(&mut setting.schema(schema), &nested(100)));
    assert!(!setting.takes(&mut setting.schema(schema), &nested(101)));
}

#[test]
fn any_value_is_any_json() {
    for setting in settings() {
        for seed in 0..40 {
            let (answer, whole) = setting.answer(&mut setting.schema("{}"), seed, |_, _| {});
            assert_eq!(
                whole,
                serde_json::from_str::<Value>(&answer).is_ok(),
                "{answer}"
            );
        }
    }
}

#[test]
fn a_grammar_is_followed() {
    let grammar = r#"
        // A little of FHIRPath.
        start: term (" " OPERATOR " " term)*
        term: NAME ("." call)~0..2 | "(" start ")" | STRING
        call: "first()" | "where(" start ")" | NAME
        OPERATOR: "=" | "and"
              | "or"
        NAME: /[a-z][A-Za-z]{0,11}/
        STRING: /'[^'\\\n]*'/ [" "]
    "#;
    let rule = || Rule::Grammar(grammar.to_owned());
    for setting in settings() {
        let takes = |text: &str| setting.takes(&mut setting.begin(rule()).unwrap(), text);
        assert!(takes("name.where(use = 'a b').first() or (x and y)"));
        assert!(takes("name") && takes("'é' "));
        for text in ["Name", "a.b.c.d", "(a", "a  = b", "a =", "'a", ""] {
            assert!(!takes(text), "{text}");
        }
    }
}

#[test]
fn what_cannot_be_kept_is_refused_with_its_place() {
    let cases = [
        ("{", "not JSON"),
        ("[]", "neither an object nor true"),
        ("false", "no value"),
        (r#"{"type":"text"}"#, "no type `text`"),
        (
            r#"{"type":"object","properties":{"a":{"not":{}}}}"#,
            "#/properties/a",
        ),
        (r#"{"type":"array","uniqueItems":true}"#, "uniqueItems"),
        (r#"{"oneOf":[{}]}"#, "oneOf"),
        (r#"{"type":"string","format":"hostname"}"#, "hostname"),
        (r#"{"type":"string","pattern":"a(?=b)"}"#, "lookahead"),
        (r#"{"type":"string","pattern":"(a)\\1"}"#, "back reference"),
        (r#"{"type":"string","pattern":"\\bx"}"#, "word boundary"),
        (r#"{"type":"string","pattern":"a^b"}"#, "anchor"),
        (r#"{"type":"string","pattern":"[z-a]"}"#, "range"),
        (r#"{"type":"string","pattern":"(a"}"#, "does not end"),
        (
            r#"{"type":"string","pattern":"^a{9}$","maxLength":5}"#,
            "no string satisfies",
        ),
        (
            r#"{"type":"string","minLength":5,"maxLength":4}"#,
            "minLength",
        ),
        (r#"{"type":"integer","minimum":3,"maximum":2}"#, "no number"),
        (
            r#"{"type":"integer","minimum":1.2,"maximum":1.8}"#,
            "no number",
        ),
        (r#"{"type":"integer","multipleOf":0}"#, "multipleOf"),
        (r#"{"type":"integer","minimum":1e300}"#, "15 digits"),
        (r#"{"type":"array","minItems":-1}"#, "minItems"),
        (
            r#"{"type":"array","prefixItems":[{}],"items":false,"minItems":2}"#,
            "minItems",
        ),
        (r#"{"type":"object","required":["a"]}"#, "`a` is required"),
        (r#"{"enum":[]}"#, "no value"),
        (r#"{"type":"string","enum":[1]}"#, "no value"),
        (r##"{"$ref":"#/$defs/none"}"##, "leads nowhere"),
        (r#"{"$ref":"https://example.org/schema"}"#, "leads nowhere"),
        (r##"{"$ref":"#"}"##, "no answer"),
        (
            r##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##,
            "no answer",
        ),
        (
            r##"{"anyOf":[{"type":"null"},{"$ref":"#"}]}"##,
            "begins with itself",
        ),
        (r#"{"type":"string","type":"null"}"#, "twice"),
    ];
    for (schema, reason) in cases {
        let error = Grammar::new(&Rule::JsonSchema(schema.to_owned())).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(reason), "{schema}: {message}");
        assert!(message.contains("; "), "what to do is missing: {message}");
    }
    let grammars = [
        ("", "no rule `start`"),
        ("start: other", "no rule `other`"),
        ("start: \"a", "no end"),
        ("start: start \"a\" | \"b\"", "begins with itself"),
        ("start: \"a\" start", "no answer"),
        ("start: (\"a\"", "no end"),
        ("%ignore \" \"", "directives"),
        ("start: \"a\"\nstart: \"b\"", "twice"),
        ("start: \"a\"i", "flags"),
        ("start: \"a\"~3..2", "ends before"),
        ("start: /^a/", "anchor"),
    ];
    for (grammar, reason) in grammars {
        let error = Grammar::new(&Rule::Grammar(grammar.to_owned())).unwrap_err();
        assert!(error.to_string().contains(reason), "{grammar}: {error}");
    }
}

#[test]
fn hostile_schemas_are_refused_or_bounded() {
    let nested = |open: &str, close: &str, count: usize| {
        format!("{}{{}}{}", open.repeat(count), close.repeat(count))
    };
    let many = |count: usize| {
        let members: Vec<String> = (0..count)
            .map(|index| format!(r#""p{index}":{{"type":"null"}}"#))
            .collect();
        format!(
            r#"{{"type":"object","properties":{{{}}}}}"#,
            members.join(",")
        )
    };
    let refused = [
        nested(r#"{"items":"#, "}", 70),
        nested(r#"{"items":"#, "}", 100_000),
        many(2_001),
        r#"{"type":"string","pattern":"(a|b)*a(a|b){20}"}"#.to_owned(),
        r#"{"type":"string","pattern":"((a{99}){99}){99}"}"#.to_owned(),
        r#"{"type":"string","pattern":"a{99999999999999999999}"}"#.to_owned(),
        r#"{"type":"string","pattern":"x","maxLength":900000}"#.to_owned(),
        r#"{"type":"string","maxLength":99999999999}"#.to_owned(),
        format!(r#"{{"type":"string","pattern":"{}"}}"#, "(".repeat(5_000)),
        format!(r#"{{"description":"{}"}}"#, "x".repeat(600_000)),
    ];
    for schema in refused {
        let began = std::time::Instant::now();
        let error = Grammar::new(&Rule::JsonSchema(schema.clone()));
        assert!(error.is_err(), "{}", &schema[..schema.len().min(99)]);
        assert!(
            began.elapsed().as_secs() < 5,
            "{:?}: {error:?}",
            began.elapsed()
        );
    }
    let [setting, _] = settings();
    let optional = setting.answer(&mut setting.schema(&many(1_000)), 1, |_, _| {});
    assert!(serde_json::from_str::<Value>(&optional.0).is_ok() == optional.1);
}

#[test]
fn a_token_that_may_not_come_is_refused_and_changes_nothing() {
    let [setting, _] = settings();
    let mut constraint = setting.schema(r#"{"const":"yes"}"#);
    let wrong = setting.tokenizer.encode("no").unwrap()[0];
    assert!(constraint.accept(wrong).is_err());
    assert!(constraint.accept(setting.stop).is_err());
    assert!(constraint.accept(u32::MAX).is_err());
    assert!(setting.takes(&mut constraint, r#""yes""#));
    assert!(constraint.must_stop());
    let mask = constraint.mask().unwrap();
    assert_eq!((mask.count(), mask.allows(setting.stop)), (1, true));
}

#[test]
fn marks_that_are_not_text_are_never_allowed_but_to_end() {
    for setting in settings() {
        let mut constraint = setting.schema(r#"{"type":"string"}"#);
        for text in ["", "\"", "a", "\""] {
            for id in setting.tokenizer.encode(text).unwrap() {
                constraint.accept(id).unwrap();
            }
            let ended = constraint.is_complete();
            let mask = constraint.mask().unwrap();
            for id in 0..mask.vocab_size() as u32 {
                let expected = ended && id == setting.stop;
                assert!(
                    !setting.tokenizer.is_control(id) || mask.allows(id) == expected,
                    "{id}"
                );
            }
        }
    }
}

#[test]
fn the_mask_says_of_every_token_what_the_token_by_itself_says() {
    let vocabulary = Rc::new(Vocabulary::of_tokens(answers::tokens().into_iter()).unwrap());
    let named = answers::SCHEMAS
        .iter()
        .map(|(_, schema)| (*schema).to_owned());
    for (seed, text) in (0..).zip(named.chain((0..30).map(schemas::schema))) {
        let grammar = Rc::new(Grammar::new(&Rule::JsonSchema(text.clone())).unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stop = [answers::STOP];
        let mut constraint = Constraint::new(vocabulary.clone(), grammar, &stop).unwrap();
        for step in 0..40 {
            if step % 8 == seed % 8 {
                let mask = constraint.mask().unwrap().clone();
                for id in 0..vocabulary.len() as u32 {
                    let token = String::from_utf8_lossy(vocabulary.token(id));
                    let alone = constraint.allows(id).unwrap();
                    assert_eq!(
                        mask.allows(id),
                        alone,
                        "seed {seed}, step {step}: {token:?} {text}"
                    );
                }
            }
            let id = answers::pick(&mut constraint, &vocabulary, &mut rng);
            constraint.accept(id).unwrap();
            if id == answers::STOP || constraint.must_stop() {
                break;
            }
        }
    }
}

/// `text` with some pieces of it left out, doubled or put elsewhere.
fn garbled(text: &str, rng: &mut ChaCha8Rng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..4) {
        let start = rng.random_range(0..letters.len());
        let end = (start + rng.random_range(1..12)).min(letters.len());
        let piece: Vec<char> = letters[start..end].to_vec();
        if rng.random_bool(0.7) {
            letters.drain(start..end);
        }
        if rng.random_bool(0.6) || letters.is_empty() {
            let place = rng.random_range(0..=letters.len());
            letters.splice(place..place, piece);
        }
    }
    letters.into_iter().collect()
}

#[test]
fn whatever_is_given_as_a_rule_is_kept_or_refused() {
    let [setting, _] = settings();
    let grammar = "start: (\"a\" | b)~1..3 c? // so\nb: /[x-z]{2,}/ \"\\n\" [c]\nc: \"(\" start \")\" | b* \"!\"\n";
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut kept, mut refused) = (0, 0);
    for seed in 0..3_000 {
        let rule = match seed % 3 {
            0 => Rule::Grammar(garbled(grammar, &mut rng)),
            _ => Rule::JsonSchema(garbled(&schemas::schema(seed), &mut rng)),
        };
        match setting.begin(rule.clone()) {
            Err(_) => refused += 1,
            Ok(mut constraint) => {
                kept += 1;
                for _ in 0..12 {
                    let mask = constraint.mask().unwrap();
                    let allowed = (0..mask.vocab_size() as u32).filter(|id| mask.allows(*id));
                    let allowed: Vec<u32> = allowed.collect();
                    assert!(!allowed.is_empty(), "{rule:?}");
                    let id = setting.pick(&allowed, &mut rng);
                    constraint.accept(id).unwrap();
                    if id == setting.stop {
                        break;
                    }
                }
            }
        }
    }
    println!("{kept} kept, {refused} refused");
    assert!(kept > 200 && refused > 200, "{kept} {refused}");
}
