//! How likely several continuations of one prompt are. The prompt is computed once; each continuation goes on from the
//! cache as it stood after it.
//!
//! On the processor the same prompt and continuations give the same bits each time, whatever the clock says, if nothing of
//! them is in the cache.
//!
//! Whole rows of scores are read back, a few at a time, and their softmax is taken on the host in f64.

use super::Generation;
use crate::error::{Error, Result};
use crate::likelihood::LogLikelihood;
use crate::session::core::{Pixels, Reading, Scores};

/// Most rows of scores that are read back at once: 16 MiB with a vocabulary of 262,144.
const MAX_ROWS: usize = 16;

impl Generation<'_> {
    /// How likely each of `continuations` is after the prompt, whose answer must not have begun.
    ///
    /// # Errors
    /// [`Error::Request`] for a continuation without tokens or with unknown ones, [`Error::ContextFull`] for one that does
    /// not fit, [`Error::Device`] if the device fails.
    pub(in crate::session) async fn likelihoods(
        mut self,
        continuations: &[Vec<u32>],
    ) -> Result<Vec<LogLikelihood>> {
        for continuation in continuations {
            self.check_continuation(continuation)?;
        }
        // Encoding takes the pixels; where nothing keeps what became of them, they may be needed again.
        let pictures = match self.feature_keys.is_empty() {
            true => self.pictures.clone(),
            false => Vec::new(),
        };
        self.core.keep_steady(true);
        let first_row = self.prompt_scores().await?;
        let mut found = Vec::with_capacity(continuations.len());
        for continuation in continuations {
            let mut likelihood = LogLikelihood::start();
            if let Some(id) = continuation.first() {
                likelihood.push(&first_row, *id)?;
            }
            if continuation.len() > 1 && !self.core.can_go_back_to(self.prompt_tokens) {
                // A long continuation has overwritten what the windows see before the prompt's end.
                self.rewind(&pictures)?;
                self.prompt_scores().await?;
            }
            self.follow(continuation, &mut likelihood).await?;
            found.push(likelihood);
        }
        Ok(found)
    }

    fn check_continuation(&self, continuation: &[u32]) -> Result<()> {
        if continuation.is_empty() {
            return Err(Error::Request {
                problem: "a continuation has no tokens".to_owned(),
                remedy: "give it at least one".to_owned(),
            });
        }
        let vocab_size = self.core.model().decoder().config().vocab_size;
        if let Some(id) = continuation.iter().find(|id| **id as usize >= vocab_size) {
            return Err(Error::Request {
                problem: format!("token {id} is not in the vocabulary of {vocab_size}"),
                remedy: "use ids of this model's tokenizer".to_owned(),
            });
        }
        self.core
            .check_room(self.prompt_tokens + continuation.len())
    }

    /// Runs what of the prompt is not in the cache -> scores of what follows it, `[vocab]`
    async fn prompt_scores(&mut self) -> Result<Vec<f32>> {
        self.core.read_rest().await;
        while self.hidden.is_none() || self.pending.is_some() || self.segments.len() > 0 {
            let segment = self.pending.take().or_else(|| self.segments.next());
            let Some(segment) = segment else { break };
            self.prefill(segment).await?;
        }
        match self.hidden.take() {
            Some(hidden) => {
                let reading = self.core.scores_after(hidden, Scores::All);
                self.row_values(reading).await
            }
            None => Err(Error::Request {
                problem: "there are no tokens".to_owned(),
                remedy: "give at least one".to_owned(),
            }),
        }
    }

    /// Adds what follows the first token of `continuation`. The last one need not be run: nothing after it is asked.
    async fn follow(&mut self, continuation: &[u32], likelihood: &mut LogLikelihood) -> Result<()> {
        let rows = MAX_ROWS.min(self.core.most_tokens_ahead());
        let given = continuation.split_last().map_or(&[][..], |(_, rest)| rest);
        let wanted = continuation.split_first().map_or(&[][..], |(_, rest)| rest);
        let mut position = self.prompt_tokens;
        for (given, wanted) in given.chunks(rows).zip(wanted.chunks(rows)) {
            let reading = self.core.run_ahead(given, position, Scores::All)?;
            let values = self.row_values(reading).await?;
            let vocab_size = values.len() / given.len();
            for (row, id) in values.chunks_exact(vocab_size.max(1)).zip(wanted) {
                likelihood.push(row, *id)?;
            }
            position += given.len();
        }
        Ok(())
    }

    /// Has the whole prompt run again.
    fn rewind(&mut self, pictures: &[Pixels]) -> Result<()> {
        if !pictures.is_empty() {
            self.pictures = pictures.to_vec();
        }
        let segments = self.core.segments(&self.tokens, self.pictures.len())?;
        self.segments = segments.into_iter();
        self.pending = None;
        self.hidden = None;
        Ok(())
    }

    /// Waits for scores that were begun. They stay the answer's until they are there: if it is given up meanwhile, the core
    /// takes them over.
    async fn row_values(&mut self, reading: Reading) -> Result<Vec<f32>> {
        let values = self.reading.insert(reading).wait().await;
        self.reading = None;
        values
    }
}
