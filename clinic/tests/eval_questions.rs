//! Questions as the public sets have them, and the choices that written answers name. All questions here are invented.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outpost_clinic::Error;
use outpost_clinic::eval::ask::block;
use outpost_clinic::eval::letter::named;
use outpost_clinic::eval::{Choices, CopBase, Kind, Question, Style, read};
use serde_json::{Value, json};

fn lines(docs: &[Value]) -> String {
    docs.iter().map(|doc| format!("{doc}\n")).collect()
}

fn questions(docs: &[Value]) -> Vec<Question> {
    read(&lines(docs), None).unwrap()
}

fn choices(question: &Question) -> &Choices {
    match &question.kind {
        Kind::Choice(choices) => choices,
        other => panic!("{}", other.name()),
    }
}

fn refusal(docs: &[Value]) -> (usize, String) {
    match read(&lines(docs), None).unwrap_err() {
        error @ Error::Question { line, .. } => (line, error.to_string()),
        error => (0, error.to_string()),
    }
}

fn medqa() -> Value {
    json!({
        "question": "Which of these words is invented?",
        "options": {"A": "stone", "B": "kelogorel", "C": "water", "D": "bread", "E": "tree"},
        "answer_idx": "B", "answer": "kelogorel", "meta_info": "step1",
    })
}

fn medmcqa(cop: impl Into<Value>) -> Value {
    json!({
        "id": "9f1", "question": "Which letter comes third?", "opa": "a", "opb": "b", "opc": "c", "opd": "d",
        "cop": cop.into(), "subject_name": "Letters", "topic_name": null, "exp": null, "choice_type": "single",
    })
}

#[test]
fn medqa_is_asked_as_the_harness_asks_it() {
    let found = &questions(&[medqa()])[0];
    assert_eq!(
        (found.id.as_str(), found.subject.as_deref()),
        ("1", Some("step1"))
    );
    let choices = choices(found);
    assert_eq!(
        (choices.right, choices.labels().concat().as_str()),
        (1, "ABCDE")
    );
    assert_eq!(
        block(choices, true),
        "Question: Which of these words is invented?\nA. stone\nB. kelogorel\nC. water\nD. bread\nE. tree\nAnswer:"
    );
    assert!(block(choices, false).ends_with("E. tree\nAnswer with one letter: A, B, C, D or E."));
}

#[test]
fn medqa_in_the_harnesss_own_fields_is_the_same_question() {
    let endings = json!({
        "id": "test-0", "sent1": "Which of these words is invented?", "sent2": "", "ending0": "stone",
        "ending1": "kelogorel", "ending2": "water", "ending3": "bread", "label": 1,
    });
    let found = &questions(std::slice::from_ref(&endings))[0];
    assert_eq!((found.id.as_str(), choices(found).right), ("test-0", 1));
    assert_eq!(
        block(choices(found), true),
        "Question: Which of these words is invented?\nA. stone\nB. kelogorel\nC. water\nD. bread\nAnswer:"
    );
    let mut wrong = endings;
    wrong["label"] = json!(4);
    assert!(refusal(&[wrong]).1.contains("`label` is 4"));
}

#[test]
fn medmcqa_is_asked_as_the_harness_asks_it() {
    let found = &questions(&[medmcqa(2), medmcqa(0)])[0];
    assert_eq!(
        (found.id.as_str(), found.subject.as_deref()),
        ("9f1", Some("Letters"))
    );
    let prompt = block(choices(found), true);
    assert_eq!(
        prompt,
        "Question: Which letter comes third?\nChoices:\nA. a\nB. b\nC. c\nD. d\nAnswer:"
    );
}

#[test]
fn cop_counts_from_0_or_from_1_as_the_file_shows() {
    let right =
        |docs: &[Value]| -> Vec<_> { questions(docs).iter().map(|q| choices(q).right).collect() };
    assert_eq!(right(&[medmcqa(2), medmcqa(0)]), [2, 0]);
    assert_eq!(right(&[medmcqa(2), medmcqa(4), medmcqa(1)]), [1, 3, 0]);
    let (line, refused) = refusal(&[medmcqa(4), medmcqa(0)]);
    assert_eq!(line, 1);
    assert!(refused.contains("0 on line 2"), "{refused}");
}

#[test]
fn where_cop_counts_from_is_not_guessed() {
    let docs = lines(&[medmcqa(1), medmcqa(3)]);
    let refused = read(&docs, None).unwrap_err().to_string();
    assert!(
        refused.contains("neither 0 nor 4") && refused.contains("--cop-from"),
        "{refused}"
    );
    for (base, rights) in [(CopBase::Zero, [1, 3]), (CopBase::One, [0, 2])] {
        let found = read(&docs, Some(base)).unwrap();
        assert_eq!(
            found.iter().map(|q| choices(q).right).collect::<Vec<_>>(),
            rights
        );
    }
}

#[test]
fn pubmedqa_is_asked_as_the_harness_asks_it() {
    for context in [
        json!("One.\nTwo."),
        json!(["One.", "Two."]),
        json!({"contexts": ["One.", "Two."], "labels": []}),
    ] {
        let doc = json!({"pubid": 7, "question": "Is it?", "context": context, "final_decision": "maybe"});
        let found = &questions(&[doc])[0];
        assert_eq!(found.id, "7");
        let choices = choices(found);
        assert_eq!(
            (choices.right, choices.labels()),
            (2, ["yes", "no", "maybe"].map(str::to_owned).to_vec())
        );
        assert_eq!(
            block(choices, true),
            "Abstract: One.\nTwo.\nQuestion: Is it?\nAnswer:"
        );
    }
}

#[test]
fn a_general_question_names_its_answer_by_place_letter_or_text() {
    let general = |answer: Value| json!({"id": "x", "question": "Which?", "choices": ["one", "C", "two"], "answer": answer, "image": "a.png"});
    for (answer, right) in [
        (json!(0), 0),
        (json!("B"), 1),
        (json!("two"), 2),
        (json!("C"), 1),
    ] {
        let found = &questions(&[general(answer)])[0];
        assert_eq!(choices(found).right, right);
        assert_eq!(found.image.as_deref(), Some("a.png"));
        assert!(found.image_first);
    }
}

#[test]
fn a_bare_question_is_asked_as_it_is() {
    let doc = json!({
        "question": "Describe this X-ray", "choices": ["There is nothing.", "There is something."], "answer": 1,
        "style": "bare", "image": "a.png", "image_first": false,
    });
    let found = &questions(&[doc])[0];
    let choices = choices(found);
    assert_eq!(choices.style, Style::Bare);
    assert_eq!(
        [block(choices, true), block(choices, false)],
        ["Describe this X-ray"; 2]
    );
    assert_eq!(choices.labels(), choices.options);
    assert!(!found.image_first);
}

#[test]
fn transcripts_and_prompts_are_told_from_questions() {
    let transcript = json!({"id": "t", "transcript": "He coughs.", "expected": [{"kind": "condition", "name": "cough"}]});
    assert!(
        matches!(&questions(&[transcript])[0].kind, Kind::Facts { expected, .. } if expected.len() == 1)
    );
    let prompt = json!({"id": "p", "task": "t", "prompt": "Say a.", "expected": "a", "system": null, "image": null});
    assert!(matches!(&questions(&[prompt])[0].kind, Kind::Words(words) if words.expected == "a"));
}

#[test]
fn empty_lines_and_a_byte_order_mark_are_no_questions() {
    let text = format!("\u{feff}{}\r\n\n  \n{}", medqa(), medqa());
    let found = read(&text, None).unwrap();
    assert_eq!(
        found.iter().map(|q| q.id.as_str()).collect::<Vec<_>>(),
        ["1", "4"]
    );
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
    let with = |mut doc: Value, field: &str, value: Value| {
        doc[field] = value;
        doc
    };
    let general = json!({"question": "Which?", "choices": ["a", "b"], "answer": 0});
    let table = [
        (json!({"question": "Which?"}), "which set"),
        (
            with(medqa(), "answer_idx", json!("F")),
            "`answer_idx` is \"F\"",
        ),
        (
            with(medqa(), "answer", json!("water")),
            "`answer` is \"water\", but not option B",
        ),
        (
            with(medqa(), "options", json!({"A": "x", "C": "y"})),
            "no text for B",
        ),
        (
            with(medqa(), "options", json!(["x", "y"])),
            "`options` is no object",
        ),
        (with(medqa(), "question", json!(" ")), "`question` is empty"),
        (
            with(medqa(), "question", json!(5)),
            "`question` is 5 where text belongs",
        ),
        (with(general.clone(), "answer", json!(2)), "`answer` is 2"),
        (
            with(general.clone(), "answer", json!("c")),
            "`answer` is \"c\"",
        ),
        (with(general.clone(), "answer", json!(-1)), "`answer` is -1"),
        (
            with(general.clone(), "answer", Value::Null),
            "`answer` is null",
        ),
        (
            with(general.clone(), "choices", json!(["a"])),
            "there are 1 choices",
        ),
        (
            with(general.clone(), "choices", json!(["a", " "])),
            "choice B is empty",
        ),
        (
            with(general.clone(), "choices", json!(["a", 1])),
            "something else than text",
        ),
        (
            with(general.clone(), "style", json!("odd")),
            "`style` is \"odd\"",
        ),
        (with(general.clone(), "image", json!(1)), "`image` is 1"),
        (
            json!({"question": "Is it?", "context": "x", "final_decision": "perhaps"}),
            "`final_decision` is \"perhaps\"",
        ),
        (
            json!({"question": "Is it?", "final_decision": "no"}),
            "`context` is missing",
        ),
        (
            json!({"transcript": "x", "expected": [{"kind": "a"}]}),
            "`expected` is no list of facts",
        ),
        (json!([1, 2]), "no JSON object"),
    ];
    for (doc, reason) in table {
        let (line, refused) = refusal(&[general.clone(), doc]);
        assert_eq!(line, 2, "{refused}");
        assert!(
            refused.contains(reason) && refused.contains("; "),
            "{refused}"
        );
    }
    let mcq = |cop: Value| vec![medmcqa(0), medmcqa(cop)];
    assert!(refusal(&mcq(json!(-1))).1.contains("published"));
    assert!(refusal(&mcq(json!(7))).1.contains("`cop` is 7"));
    assert!(refusal(&mcq(Value::Null)).1.contains("`cop` is null"));
}

#[test]
fn a_file_holds_questions_of_one_kind() {
    let prompt = json!({"id": "p", "task": "t", "prompt": "Say a.", "expected": "a"});
    let (line, refused) = refusal(&[medqa(), prompt]);
    assert_eq!(line, 2);
    assert!(refused.contains("files of their own"), "{refused}");
    let refused = read("\n \n", None).unwrap_err().to_string();
    assert!(refused.contains("no question"), "{refused}");
}

fn lettered(options: &[&str]) -> Choices {
    Choices {
        question: "Which?".to_owned(),
        context: None,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        right: 0,
        style: Style::Lettered,
    }
}

#[test]
fn the_letter_is_read_out_of_an_answer() {
    let choices = lettered(&["stone", "dry bread", "water", "bread"]);
    let table = [
        ("B", Some(1)),
        (" (B) ", Some(1)),
        ("**C.**", Some(2)),
        ("B. dry bread", Some(1)),
        ("C) because it flows", Some(2)),
        ("D: bread", Some(3)),
        ("The answer is B.", Some(1)),
        ("The correct answer is **(C)**", Some(2)),
        (
            "First I thought the answer is A. But no.\nFinal Answer: D",
            Some(3),
        ),
        ("Option is hard to say. Answer: A", Some(0)),
        ("It must be water, surely.", Some(2)),
        ("I would eat dry bread.", Some(1)),
        // An article is no choice, and neither is a letter that is none of them.
        ("A patient would not know.", None),
        ("The answer is a secret.", None),
        ("E", None),
        ("The answer is E.", None),
        ("Stone or water.", None),
        ("Bananas", None),
        ("", None),
    ];
    for (answer, wanted) in table {
        assert_eq!(named(answer, &choices), wanted, "{answer:?}");
    }
}

#[test]
fn a_word_is_read_in_any_case() {
    let choices = Choices {
        style: Style::Words,
        ..lettered(&["yes", "no", "maybe"])
    };
    let table = [
        ("yes", Some(0)),
        ("No.", Some(1)),
        ("Maybe, it depends.", Some(2)),
        ("The answer is NO", Some(1)),
        ("I think it is maybe so.", Some(2)),
        ("Nobody knows.", None),
        ("It is yes and no.", None),
    ];
    for (answer, wanted) in table {
        assert_eq!(named(answer, &choices), wanted, "{answer:?}");
    }
}
