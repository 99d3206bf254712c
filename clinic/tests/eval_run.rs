//! Runs over questions: what is asked, what is logged, how a log is gone on with, and how two are compared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use outpost_clinic::eval::compare::{Verdict, compare, samples};
use outpost_clinic::eval::run::Head;
use outpost_clinic::eval::{Answer, Ask, By, Evaluation, Framing, Plan, Report, Summary, read};
use outpost_engine::chat::ChatTemplate;
use outpost_engine::likelihood::LogLikelihood;
use outpost_engine::tokenizer::Tokenizer;
use serde_json::{Value, json};

const BY_LIKELIHOOD: Plan = Plan {
    by: By::Likelihood,
    framing: Framing::Chat,
    max_tokens: 8,
};

const BY_GENERATION: Plan = Plan {
    by: By::Generation,
    ..BY_LIKELIHOOD
};

const PLAIN: Plan = Plan {
    framing: Framing::Plain,
    ..BY_LIKELIHOOD
};

fn tokenizer() -> (Tokenizer, ChatTemplate) {
    let file = fs::read("../tests/golden/tokenizer/tokenizer.json").unwrap();
    let tokenizer = Tokenizer::from_json(&file).unwrap();
    let template = ChatTemplate::new(&tokenizer, 4).unwrap();
    (tokenizer, template)
}

fn doc(number: usize) -> Value {
    json!({
        "id": format!("q{number}"), "subject": if number.is_multiple_of(2) { "even" } else { "odd" },
        "question": format!("Which is {number}?"), "choices": ["a stone", "water", "bread"], "answer": number % 3,
    })
}

fn questions(count: usize) -> String {
    (0..count)
        .map(|number| format!("{}\n", doc(number)))
        .collect()
}

fn evaluation(count: usize, plan: Plan) -> Evaluation {
    Evaluation::new(read(&questions(count), None).unwrap(), plan)
}

fn summary(evaluation: &Evaluation) -> Summary {
    let Report::Choices(summary) = evaluation.report() else {
        panic!("not of choices");
    };
    summary.clone()
}

fn likelihoods(sums: &[f64]) -> Answer {
    let each = sums.iter().map(|sum| LogLikelihood {
        sum: *sum,
        tokens: 1,
        greedy: *sum > -1.0,
    });
    Answer::Likelihoods(each.collect())
}

/// Says the first option's letter, and, for each character, the longest option's text.
fn first_letter() -> Answer {
    likelihoods(&[-0.5, -1.5, -2.0, -6.0, -6.0, -6.0])
}

/// A log of answers: which of them are right.
fn log_of(rights: &[bool]) -> String {
    let (_, template) = tokenizer();
    let mut evaluation = evaluation(rights.len(), BY_GENERATION);
    let lines = rights.iter().enumerate().map(|(number, right)| {
        let at = if *right { number % 3 } else { (number + 1) % 3 };
        let answer = Answer::Text(["A", "B", "C"][at].to_owned());
        evaluation.take(&answer, &template).unwrap().line().unwrap()
    });
    lines.collect()
}

#[test]
fn in_a_turn_the_models_own_words_are_scored() {
    let (tokenizer, template) = tokenizer();
    let evaluation = evaluation(1, BY_LIKELIHOOD);
    let Some(Ask::Score {
        prompt,
        continuations,
    }) = evaluation.ask(&tokenizer, &template).unwrap()
    else {
        panic!("nothing to score");
    };
    let text = "<bos><start_of_turn>user\nQuestion: Which is 0?\nA. a stone\nB. water\nC. bread\nAnswer:<end_of_turn>\n\
                <start_of_turn>model\n";
    assert_eq!(prompt, tokenizer.encode(text).unwrap());
    let texts: Vec<_> = continuations
        .iter()
        .map(|ids| tokenizer.decode(ids))
        .collect();
    assert_eq!(texts, ["A", "B", "C", "a stone", "water", "bread"]);
    // Together they are what the whole would be.
    for (continuation, text_of) in continuations.iter().zip(&texts) {
        let whole = [prompt.as_slice(), continuation].concat();
        assert_eq!(
            whole,
            tokenizer.encode(&format!("{text}{text_of}")).unwrap()
        );
    }
}

#[test]
fn without_a_template_a_space_begins_each_continuation() {
    let (tokenizer, template) = tokenizer();
    let evaluation = evaluation(1, PLAIN);
    let Some(Ask::Score {
        prompt,
        continuations,
    }) = evaluation.ask(&tokenizer, &template).unwrap()
    else {
        panic!("nothing to score");
    };
    let text = "<bos>Question: Which is 0?\nA. a stone\nB. water\nC. bread\nAnswer:";
    assert_eq!(prompt, tokenizer.encode(text).unwrap());
    for (continuation, text_of) in continuations
        .iter()
        .zip([" A", " B", " C", " a stone", " water", " bread"])
    {
        let whole = [prompt.as_slice(), continuation].concat();
        assert_eq!(
            whole,
            tokenizer.encode(&format!("{text}{text_of}")).unwrap()
        );
    }
}

#[test]
fn control_tokens_in_a_question_are_characters() {
    let (tokenizer, template) = tokenizer();
    let doc = json!({"question": "<end_of_turn>", "choices": ["<eos>", "b"], "answer": 0});
    let questions = read(&doc.to_string(), None).unwrap();
    let end = tokenizer.token_id("<end_of_turn>").unwrap();
    for plan in [BY_LIKELIHOOD, PLAIN] {
        let evaluation = Evaluation::new(questions.clone(), plan);
        let Some(Ask::Score {
            prompt,
            continuations,
        }) = evaluation.ask(&tokenizer, &template).unwrap()
        else {
            panic!("nothing to score");
        };
        let ends = prompt.iter().filter(|id| **id == end).count();
        assert_eq!(ends, usize::from(plan == BY_LIKELIHOOD));
        assert!(
            continuations
                .iter()
                .flatten()
                .all(|id| !tokenizer.is_control(*id))
        );
    }
}

#[test]
fn a_picture_stands_where_it_is_asked_for_and_needs_the_template() {
    let (tokenizer, template) = tokenizer();
    let soft = template.soft_token().unwrap();
    for first in [true, false] {
        let doc = json!({"question": "Which?", "choices": ["a", "b"], "answer": 0, "image": "x.png", "image_first": first});
        let questions = read(&doc.to_string(), None).unwrap();
        let chat = Evaluation::new(questions.clone(), BY_LIKELIHOOD);
        let Some(Ask::Score { prompt, .. }) = chat.ask(&tokenizer, &template).unwrap() else {
            panic!("nothing to score");
        };
        let at = prompt.iter().position(|id| *id == soft).unwrap();
        assert_eq!(prompt.iter().filter(|id| **id == soft).count(), 4);
        assert_eq!(at < prompt.len() / 2, first);
        let plain = Evaluation::new(questions, PLAIN);
        let refused = plain.ask(&tokenizer, &template).unwrap_err().to_string();
        assert!(refused.contains("chat template"), "{refused}");
    }
}

#[test]
fn a_scored_question_is_logged_as_the_harness_logs_it() {
    let (_, template) = tokenizer();
    let mut evaluation = evaluation(2, BY_LIKELIHOOD);
    let line = evaluation
        .take(&first_letter(), &template)
        .unwrap()
        .line()
        .unwrap();
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1);
    let keys = [
        "doc_id",
        "doc",
        "target",
        "arguments",
        "resps",
        "filtered_resps",
        "filter",
        "metrics",
        "doc_hash",
        "prompt_hash",
        "target_hash",
        "acc",
        "acc_norm",
    ];
    let places: Vec<_> = keys
        .iter()
        .map(|key| line.rfind(&format!("\"{key}\":")).expect(key))
        .collect();
    assert!(places.is_sorted());
    let logged: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(logged.as_object().unwrap().len(), keys.len());
    assert_eq!(logged["doc"], doc(0));
    assert_eq!(logged["target"], "0");
    assert_eq!(logged["metrics"], json!(["acc", "acc_norm"]));
    assert_eq!(logged["filtered_resps"][1], json!(["-1.5", "False"]));
    assert_eq!(logged["resps"][0], json!([["-0.5", "True"]]));
    assert_eq!(logged["arguments"]["gen_args_5"]["arg_1"], "bread");
    assert_eq!(
        logged["arguments"]["gen_args_5"]["arg_0"],
        logged["arguments"]["gen_args_0"]["arg_0"]
    );
    // The likeliest letter is A; of texts that are equally likely the longest is the likeliest a character.
    assert_eq!(
        (&logged["acc"], &logged["acc_norm"]),
        (&json!(1.0), &json!(1.0))
    );
    let second = evaluation.take(&first_letter(), &template).unwrap();
    assert_eq!(
        (second.mark("acc"), second.mark("acc_norm")),
        (Some(false), Some(false))
    );
    assert!(evaluation.next().is_none());
}

#[test]
fn likelihood_by_characters_can_differ_from_likelihood() {
    let (_, template) = tokenizer();
    let bare =
        json!({"question": "Which?", "choices": ["ab", "abcdefgh"], "answer": 1, "style": "bare"});
    let mut evaluation = Evaluation::new(read(&bare.to_string(), None).unwrap(), BY_LIKELIHOOD);
    let sample = evaluation
        .take(&likelihoods(&[-2.0, -4.0]), &template)
        .unwrap();
    assert_eq!(
        (sample.mark("acc"), sample.mark("acc_norm")),
        (Some(false), Some(true))
    );
}

#[test]
fn a_written_answer_is_logged_with_what_was_read_out_of_it() {
    let (_, template) = tokenizer();
    let mut evaluation = evaluation(3, BY_GENERATION);
    let mut take = |text: &str| {
        let sample = evaluation
            .take(&Answer::Text(text.to_owned()), &template)
            .unwrap();
        (
            sample.filtered_resps[0].clone(),
            sample.mark("exact_match"),
            sample.mark("unparsed"),
            sample.target,
        )
    };
    assert_eq!(
        take("The answer is A."),
        (json!("A"), Some(true), Some(false), "A".to_owned())
    );
    assert_eq!(
        take("C"),
        (json!("C"), Some(false), Some(false), "B".to_owned())
    );
    assert_eq!(
        take("Who knows?"),
        (json!("[invalid]"), Some(false), Some(true), "C".to_owned())
    );
    let summary = summary(&evaluation);
    assert_eq!(
        (
            summary.metrics["exact_match"].right,
            summary.metrics["unparsed"].right
        ),
        (1, 1)
    );
    assert_eq!(summary.subjects["even"]["exact_match"].count, 2);
    assert_eq!(summary.subjects["odd"]["exact_match"].right, 0);
}

#[test]
fn an_answer_to_something_else_is_not_taken() {
    let (_, template) = tokenizer();
    let mut scored = evaluation(1, BY_LIKELIHOOD);
    assert!(
        scored
            .take(&Answer::Text("A".to_owned()), &template)
            .is_err()
    );
    assert!(scored.take(&likelihoods(&[-1.0, -2.0]), &template).is_err());
    assert_eq!(scored.answered(), 0);
    scored.take(&first_letter(), &template).unwrap();
    assert!(scored.take(&first_letter(), &template).is_err());
}

#[test]
fn a_run_that_was_cut_anywhere_ends_with_the_same_log() {
    let (_, template) = tokenizer();
    let whole = log_of(&[true, false, true, true]);
    for cut in 0..=whole.len() {
        if !whole.is_char_boundary(cut) {
            continue;
        }
        let mut evaluation = evaluation(4, BY_GENERATION);
        let kept = evaluation.resume(&whole[..cut]).unwrap();
        let mut log = whole[..kept].to_owned();
        while evaluation.next().is_some() {
            let number = evaluation.answered();
            let at = if number == 1 { 2 } else { number % 3 };
            let answer = Answer::Text(["A", "B", "C"][at].to_owned());
            log += &evaluation.take(&answer, &template).unwrap().line().unwrap();
        }
        assert_eq!(log, whole);
        assert_eq!(summary(&evaluation).metrics["exact_match"].right, 3);
    }
}

#[test]
fn a_log_of_other_questions_or_none_is_refused() {
    let log = log_of(&[true, true, true]);
    let mut short = evaluation(2, BY_GENERATION);
    assert!(
        short
            .resume(&log)
            .unwrap_err()
            .to_string()
            .contains("more answers")
    );
    let other = questions(3).replace("Which is 1?", "Which was 1?");
    let mut other = Evaluation::new(read(&other, None).unwrap(), BY_GENERATION);
    let refused = other.resume(&log).unwrap_err().to_string();
    assert!(
        refused.contains("line 2") && refused.contains("another question than q1"),
        "{refused}"
    );
    let mut lines: Vec<_> = log.split_inclusive('\n').collect();
    lines.swap(0, 1);
    let refused = evaluation(3, BY_GENERATION)
        .resume(&lines.concat())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("line 1") && refused.contains("another question than q0"),
        "{refused}"
    );
    let refused = evaluation(3, BY_GENERATION)
        .resume("{}\n")
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("line 1") && refused.contains("delete this log"),
        "{refused}"
    );
}

fn head() -> Head {
    Head {
        version: Head::VERSION,
        model: "one.gguf".to_owned(),
        model_digest: "aa".to_owned(),
        questions: "q.jsonl".to_owned(),
        questions_sha256: "bb".to_owned(),
        plan: BY_LIKELIHOOD,
        settings: [("device".to_owned(), "cpu".to_owned())].into(),
    }
}

#[test]
fn a_log_of_another_run_is_refused_with_what_differs() {
    let ours = head();
    ours.admits(&head()).unwrap();
    let renamed = Head {
        model: "moved.gguf".to_owned(),
        ..head()
    };
    ours.admits(&renamed).unwrap();
    let table = [
        (
            Head {
                model_digest: "cc".to_owned(),
                ..head()
            },
            "another model by the name one.gguf",
        ),
        (
            Head {
                model: "two.gguf".to_owned(),
                model_digest: "cc".to_owned(),
                ..head()
            },
            "model two.gguf instead of one.gguf",
        ),
        (
            Head {
                questions_sha256: "cc".to_owned(),
                ..head()
            },
            "other questions in q.jsonl",
        ),
        (
            Head {
                plan: BY_GENERATION,
                ..head()
            },
            "by generation of 8 tokens in the chat template instead of by likelihood",
        ),
        (
            Head {
                plan: PLAIN,
                ..head()
            },
            "without the chat template instead of",
        ),
        (
            Head {
                settings: [("device".to_owned(), "gpu".to_owned())].into(),
                ..head()
            },
            "device gpu instead of cpu",
        ),
        (
            Head {
                settings: Default::default(),
                ..head()
            },
            "device nothing instead of cpu",
        ),
        (
            Head {
                version: 2,
                ..head()
            },
            "format 2 instead of 1",
        ),
    ];
    for (found, reason) in table {
        let refused = ours.admits(&found).unwrap_err().to_string();
        assert!(
            refused.contains(reason) && refused.contains("another folder"),
            "{refused}"
        );
    }
}

#[test]
fn two_logs_are_compared_question_by_question() {
    let a = samples(&log_of(&[true, true, true, false, false])).unwrap();
    let b = samples(&log_of(&[true, false, true, true, false])).unwrap();
    let found = compare(&a, &b, None).unwrap();
    assert_eq!(found.metric, "exact_match");
    assert_eq!((found.a.right, found.b.right, found.a.count), (3, 3, 5));
    let pairs = (
        found.pairs.both,
        found.pairs.only_a,
        found.pairs.only_b,
        found.pairs.neither,
    );
    assert_eq!(pairs, (2, 1, 1, 1));
    assert_eq!((found.difference, found.mcnemar_p), (0.0, 1.0));
    assert!(found.same_prompts);
    assert_eq!(found.verdict, Verdict::Open);
}

#[test]
fn whether_one_in_a_hundred_is_lost_depends_on_the_whole_interval() {
    let verdict = |a: &[bool], b: &[bool]| {
        let (a, b) = (samples(&log_of(a)).unwrap(), samples(&log_of(b)).unwrap());
        compare(&a, &b, None).unwrap().verdict
    };
    let right = vec![true; 500];
    assert_eq!(verdict(&right, &right), Verdict::Less);
    assert_eq!(verdict(&right[..100], &right[..100]), Verdict::Open);
    let mut worse = right.clone();
    worse[..40].fill(false);
    assert_eq!(verdict(&right, &worse), Verdict::More);
    assert_eq!(verdict(&worse, &right), Verdict::Less);
}

#[test]
fn logs_of_different_questions_are_not_compared() {
    let a = samples(&log_of(&[true, true, true])).unwrap();
    let refused = |b: &str, metric: Option<&str>| {
        compare(&a, &samples(b).unwrap(), metric)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&log_of(&[true, true]), None).contains("3 answers, the other 2"));
    assert!(refused("", None).contains("no answer"));
    assert!(refused(&log_of(&[true, true, true]), Some("acc")).contains("have acc"));
    let (_, template) = tokenizer();
    let mut other = evaluation(3, BY_LIKELIHOOD);
    let scored: String = (0..3)
        .map(|_| {
            other
                .take(&first_letter(), &template)
                .unwrap()
                .line()
                .unwrap()
        })
        .collect();
    assert!(refused(&scored, None).contains("other questions from question 0"));
    assert!(samples("[]\n").unwrap_err().to_string().contains("line 1"));
}
