//! A writer that follows a script, and what it was asked.

#![allow(
    dead_code, // each file of tests uses a part of this
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::VecDeque;

use outpost_clinic::Result;
use outpost_clinic::drafting::MOST_REPAIRS;
use outpost_clinic::writer::{Ask, Draft, Writer};
use outpost_engine::chat::Part;

/// Writes what it was told to, one draft after the other, and keeps what it was asked.
#[derive(Default)]
pub struct Script {
    /// What is left to write.
    pub drafts: VecDeque<Draft>,
    /// What it was asked.
    pub asked: Vec<Ask>,
}

impl Script {
    /// A script of these drafts.
    pub fn of<const N: usize, T: Into<String>>(drafts: [T; N]) -> Self {
        let draft = |text: T| Draft {
            text: text.into(),
            cut: false,
        };
        Self {
            drafts: drafts.into_iter().map(draft).collect(),
            asked: Vec::new(),
        }
    }

    /// One draft that does not end, as often as it is asked for.
    pub fn endless(begins: &str, goes_on: &str) -> Self {
        let endless = Draft {
            text: format!("{begins}{}", goes_on.repeat(5000)),
            cut: true,
        };
        Self {
            drafts: VecDeque::from(vec![endless; 1 + MOST_REPAIRS]),
            asked: Vec::new(),
        }
    }

    /// What it was told the last time.
    pub fn told(&self) -> &str {
        let asked = self.asked.last().unwrap();
        let last = asked.conversation.messages.last().unwrap();
        match last.parts.last().unwrap() {
            Part::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }
}

impl Writer for Script {
    async fn write(&mut self, ask: &Ask) -> Result<Draft> {
        self.asked.push(ask.clone());
        Ok(self
            .drafts
            .pop_front()
            .expect("it is asked no more often than it has drafts"))
    }
}
