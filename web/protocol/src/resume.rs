//! An answer that another Worker goes on with.
//!
//! It is asked the same with the same seed, so it writes the same tokens; those that were shown are not shown again. Should
//! it come to another token, because another device rounds otherwise, the answer begins anew.

use crate::Event;

/// Which tokens of an answer were shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShownTokens {
    shown: Vec<Event>,
    /// How many of them the present Worker has written.
    written: usize,
}

impl ShownTokens {
    /// Another Worker begins.
    pub fn begin_again(&mut self) {
        self.written = 0;
    }

    /// What of the present Worker's next event is still to be shown.
    pub fn to_show(&mut self, event: Event) -> Vec<Event> {
        if !matches!(event, Event::Token { .. }) {
            return vec![event];
        }
        let at = self.written;
        self.written += 1;
        match self.shown.get(at) {
            Some(known) if *known == event => Vec::new(),
            Some(_) => {
                self.shown.truncate(at);
                self.shown.push(event);
                let again = self.shown.iter().cloned();
                std::iter::once(Event::Restarted).chain(again).collect()
            }
            None => {
                self.shown.push(event.clone());
                vec![event]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: u32) -> Event {
        Event::Token {
            token: id,
            text: format!("{id} "),
            thought: false,
        }
    }

    fn shown(tokens: &mut ShownTokens, ids: &[u32]) -> Vec<Event> {
        let events = ids.iter().map(|id| tokens.to_show(token(*id)));
        events.flatten().collect()
    }

    #[test]
    fn what_the_first_worker_writes_is_shown_as_it_comes() {
        let mut tokens = ShownTokens::default();
        assert_eq!(
            shown(&mut tokens, &[7, 7, 8]),
            [token(7), token(7), token(8)]
        );
        assert_eq!(tokens.to_show(Event::Done), [Event::Done]);
    }

    #[test]
    fn another_worker_goes_on_where_the_first_ended() {
        let mut tokens = ShownTokens::default();
        shown(&mut tokens, &[7, 8]);
        tokens.begin_again();
        assert_eq!(shown(&mut tokens, &[7]), []);
        assert_eq!(shown(&mut tokens, &[8, 9]), [token(9)]);
        tokens.begin_again();
        assert_eq!(shown(&mut tokens, &[7, 8, 9, 10]), [token(10)]);
    }

    #[test]
    fn an_answer_that_comes_out_differently_begins_anew() {
        let mut tokens = ShownTokens::default();
        shown(&mut tokens, &[7, 8, 9]);
        tokens.begin_again();
        let found = shown(&mut tokens, &[7, 5, 6]);
        assert_eq!(found, [Event::Restarted, token(7), token(5), token(6)]);
        tokens.begin_again();
        assert_eq!(shown(&mut tokens, &[7, 5, 6]), []);
    }
}
