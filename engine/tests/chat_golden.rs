//! Conversations become exactly the prompt that Gemma 3's chat template and processor make of them.
//! Fixtures: tests/golden/chat, made by tests/golden/make.py.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outpost_engine::chat::{ChatTemplate, Conversation, Message, Part, Role};
use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::{Gguf, WeightSource};
use serde::Deserialize;

const GOLDEN: &str = "../tests/golden";

/// The template renders these, and this engine refuses them: an empty turn, and an answer to the model's own turn.
const REFUSED: [&str; 2] = ["empty_turn", "ends_with_the_model"];

#[derive(Deserialize)]
struct Case {
    name: String,
    system: Option<String>,
    turns: Vec<Turn>,
    expanded: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    parts: Vec<TurnPart>,
}

#[derive(Deserialize)]
struct TurnPart {
    text: Option<String>,
}

impl Case {
    fn conversation(&self) -> Conversation {
        let part = |part: &TurnPart| part.text.clone().map_or(Part::Image, Part::Text);
        let message = |turn: &Turn| Message {
            role: match turn.role.as_str() {
                "user" => Role::User,
                "assistant" => Role::Model,
                other => panic!("unknown role {other}"),
            },
            parts: turn.parts.iter().map(part).collect(),
        };
        Conversation {
            system: self.system.clone(),
            messages: self.turns.iter().map(message).collect(),
        }
    }

    fn images(&self) -> usize {
        let parts = self.turns.iter().flat_map(|turn| &turn.parts);
        parts.filter(|part| part.text.is_none()).count()
    }
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(format!("{GOLDEN}/{file}")).unwrap()
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&read("chat/conversations.json")).unwrap()
}

fn tokens_per_image() -> usize {
    let case = String::from_utf8(read("chat/case.toml")).unwrap();
    let value = case
        .lines()
        .find_map(|line| line.strip_prefix("tokens_per_image = "))
        .unwrap();
    value.parse().unwrap()
}

fn tokenizers() -> [Tokenizer; 2] {
    let gguf = Gguf::open(read("tokenizer/vocab.gguf")).unwrap();
    [
        Tokenizer::from_json(&read("tokenizer/tokenizer.json")).unwrap(),
        Tokenizer::from_metadata(gguf.metadata()).unwrap(),
    ]
}

#[test]
fn prompts_have_hugging_face_s_ids() {
    for tokenizer in tokenizers() {
        let template = ChatTemplate::new(&tokenizer, tokens_per_image()).unwrap();
        for case in cases() {
            let prompt = template.render(&tokenizer, &case.conversation());
            if REFUSED.contains(&case.name.as_str()) {
                assert!(prompt.is_err(), "{}", case.name);
                continue;
            }
            assert_eq!(prompt.unwrap().tokens, case.ids, "{}", case.name);
        }
    }
}

#[test]
fn prompts_have_hugging_face_s_text() {
    let [tokenizer, _] = tokenizers();
    let template = ChatTemplate::new(&tokenizer, tokens_per_image()).unwrap();
    for case in cases() {
        if !REFUSED.contains(&case.name.as_str()) {
            assert_eq!(
                template.text(&case.conversation()).unwrap(),
                case.expanded,
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn image_positions_are_those_of_the_soft_tokens() {
    for tokenizer in tokenizers() {
        let template = ChatTemplate::new(&tokenizer, tokens_per_image()).unwrap();
        let soft_token = tokenizer.token_id("<image_soft_token>").unwrap();
        for case in cases() {
            let Ok(prompt) = template.render(&tokenizer, &case.conversation()) else {
                continue;
            };
            assert_eq!(prompt.images.len(), case.images(), "{}", case.name);
            let marked: Vec<usize> = prompt.images.iter().cloned().flatten().collect();
            let found: Vec<usize> = (0..prompt.tokens.len())
                .filter(|&at| prompt.tokens[at] == soft_token)
                .collect();
            assert_eq!(marked, found, "{}", case.name);
            assert!(
                prompt
                    .images
                    .iter()
                    .all(|range| range.len() == tokens_per_image())
            );
        }
    }
}

#[test]
fn answers_end_at_eos_and_at_the_end_of_a_turn() {
    for tokenizer in tokenizers() {
        let template = ChatTemplate::new(&tokenizer, tokens_per_image()).unwrap();
        assert_eq!(template.stop_ids(), [1, 106]);
    }
}
