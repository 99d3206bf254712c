//! A conversation of arbitrary texts through the chat template with two real tokenizers. Whatever is said, the control
//! tokens are the template's own, and the text comes back.
//!
//! Bytes that no UTF-8 has part the input: FF begins the next turn, FE is an image, FD begins another text of the same
//! turn, and what stands before FC is the system's.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use outpost_engine::chat::{
    Channel, ChatTemplate, Conversation, Message, Part, Role, ThinkingSplit,
};
use outpost_engine::tokenizer::Tokenizer;
use outpost_engine::weights::{Gguf, WeightSource};
use outpost_fuzz::check_error;

const IMAGE_TOKENS: usize = 3;

static JSON: LazyLock<Tokenizer> = LazyLock::new(|| {
    let bytes = include_bytes!("../../golden/tokenizer/tokenizer.json");
    Tokenizer::from_json(bytes).expect("a sound file")
});

static SPM: LazyLock<Tokenizer> = LazyLock::new(|| {
    let bytes = include_bytes!("../../golden/tokenizer/vocab.gguf").to_vec();
    let gguf = Gguf::open(bytes).expect("a sound file");
    Tokenizer::from_metadata(gguf.metadata()).expect("a sound tokenizer")
});

fuzz_target!(|data: &[u8]| {
    let conversation = conversation(data);
    let json = rendered(&JSON, &conversation);
    let spm = rendered(&SPM, &conversation);
    // The two are known to differ at a literal U+2581 beside a space or another one.
    if !data.windows(3).any(|bytes| bytes == "\u{2581}".as_bytes()) {
        assert_eq!(json, spm);
    }
    for tokenizer in [&*JSON, &*SPM] {
        check_thinking(tokenizer, data);
    }
});

fn conversation(data: &[u8]) -> Conversation {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (system, turns) = match data.iter().position(|byte| *byte == 0xfc) {
        Some(end) => (Some(text(&data[..end])), &data[end + 1..]),
        None => (None, data),
    };
    let part = |bytes: &[u8]| match bytes {
        [0xfe, ..] => Part::Image,
        _ => Part::Text(text(bytes.strip_prefix(b"\xfd").unwrap_or(bytes))),
    };
    let turn = |(index, bytes): (usize, &[u8])| Message {
        role: [Role::User, Role::Model][index % 2],
        parts: bytes
            .chunk_by(|_, next| !matches!(next, 0xfd | 0xfe))
            .map(part)
            .collect(),
    };
    let turns = turns.split(|byte| *byte == 0xff);
    Conversation {
        system,
        messages: turns.enumerate().map(turn).collect(),
    }
}

/// The prompt's ids, once they are what the template says; `None` if it refuses the conversation.
fn rendered(tokenizer: &Tokenizer, conversation: &Conversation) -> Option<Vec<u32>> {
    let template = ChatTemplate::new(tokenizer, IMAGE_TOKENS).expect("a template");
    let prompt = match template.render(tokenizer, conversation) {
        Ok(prompt) => prompt,
        Err(error) => {
            check_error(&error);
            return None;
        }
    };
    let id = |name: &str| tokenizer.token_id(name).expect("a control token");
    let soft_token = template.soft_token().expect("a vocabulary with images");
    let mut controls = vec![tokenizer.bos()];
    let mut text = String::new();
    for (index, message) in conversation.messages.iter().enumerate() {
        controls.push(id("<start_of_turn>"));
        text.push_str(match message.role {
            Role::User => "user\n",
            Role::Model => "model\n",
        });
        if let (0, Some(system)) = (index, &conversation.system) {
            text.push_str(system);
            text.push_str("\n\n");
        }
        for part in &message.parts {
            match part {
                Part::Text(said) => text.push_str(trim(said)),
                Part::Image => {
                    controls.push(id("<start_of_image>"));
                    controls.extend([soft_token; IMAGE_TOKENS]);
                    controls.push(id("<end_of_image>"));
                    text.push_str("\n\n\n\n");
                }
            }
        }
        controls.push(id("<end_of_turn>"));
        text.push('\n');
    }
    controls.push(id("<start_of_turn>"));
    text.push_str("model\n");

    let tokens = &prompt.tokens;
    let is_control = |id: &u32| tokenizer.is_control(*id);
    let found: Vec<u32> = tokens.iter().copied().filter(is_control).collect();
    assert_eq!(found, controls);
    assert_eq!(tokenizer.decode(tokens), text.replace('\u{2581}', " "));
    let images = prompt.images.iter().cloned().flatten();
    let soft = (0..tokens.len()).filter(|&at| tokens[at] == soft_token);
    assert!(images.eq(soft));
    Some(prompt.tokens)
}

/// Python's `str.strip`.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// Ids of an answer as they might come: nothing of their text is lost but the header of a thought.
fn check_thinking(tokenizer: &Tokenizer, data: &[u8]) {
    let ids = data.as_chunks::<2>().0.iter();
    let ids =
        ids.map(|&id| u32::from(u16::from_le_bytes(id)) % (tokenizer.vocab_size() as u32 + 8));
    let mut split = ThinkingSplit::new(tokenizer);
    let mut decoder = tokenizer.decoder();
    let (mut whole, mut shown) = (0, 0);
    for id in ids {
        let text = decoder.push(id);
        whole += text.len();
        shown += length(&split.push(id, &text));
    }
    let rest = decoder.finish();
    whole += rest.len();
    shown += rest.len() + length(&split.finish());
    assert!(shown <= whole, "text from nowhere");
}

fn length(channel: &Channel) -> usize {
    match channel {
        Channel::Thought(text) | Channel::Answer(text) => text.len(),
    }
}
