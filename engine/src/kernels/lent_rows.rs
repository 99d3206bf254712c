//! Rows of a matrix that other threads hold: each multiplies with its own while this thread does so with the rest.

use std::rc::Rc;

use burn::tensor::{Int, Tensor};
use burn_flex::Flex;

use super::flex::{bytes, floats, from_floats, product, words};
use super::matrix::RowSpan;
use super::params::{EmbedParams, LinearParams, Tuning};
use super::simd::job::Job;
use crate::error::Result;
use crate::ports::Helpers;

/// Rows in the memory of helpers.
#[derive(Debug)]
pub struct LentRows {
    helpers: Rc<dyn Helpers>,
    /// Of each helper.
    pieces: Vec<Vec<LentPiece>>,
}

#[derive(Debug)]
struct LentPiece {
    span: RowSpan,
    slot: u32,
}

impl LentRows {
    /// Nothing lent yet.
    pub fn new(helpers: &Rc<dyn Helpers>) -> Self {
        Self {
            pieces: (0..helpers.count()).map(|_| Vec::new()).collect(),
            helpers: Rc::clone(helpers),
        }
    }

    /// Whether all rows are with this thread.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(Vec::is_empty)
    }

    /// Gives rows to a helper.
    ///
    /// # Errors
    /// Those of the helper.
    pub fn keep(&mut self, helper: usize, span: RowSpan, bytes: &[u8]) -> Result<()> {
        let slot = self.helpers.keep(helper, bytes)?;
        self.pieces[helper].push(LentPiece { span, slot });
        Ok(())
    }

    /// `x · Wᵀ` with the lent rows and those of `own`. x: [tokens, cols] -> [tokens, rows]
    pub fn linear(
        &self,
        x: Tensor<2>,
        own: Vec<(&Tensor<1, Int>, LinearParams)>,
        [tokens, rows]: [usize; 2],
        tuning: Tuning,
    ) -> Tensor<2> {
        let [_, cols] = x.dims();
        let x = x.try_into_primitive::<Flex>().ok();
        let x = x.as_ref().map(floats).unwrap_or_default();
        let mut y = vec![0.0; tokens * rows];
        let job = |piece: &LentPiece| {
            Job::Linear(LinearParams {
                block: piece.span.block,
                planes: piece.span.planes,
                tokens,
                rows: piece.span.rows,
                cols,
                first_row: 0,
                out_cols: piece.span.rows,
            })
        };
        let multiply = |y: &mut [f32]| {
            for (weights, params) in &own {
                if let Ok(weights) = (*weights).clone().try_into_primitive::<Flex>() {
                    product(x, bytes(&weights), y, params, tuning);
                }
            }
        };
        self.run(
            x,
            job,
            |_| true,
            multiply,
            &mut y,
            |y, span, part| {
                for (y, part) in y.chunks_exact_mut(rows).zip(part.chunks_exact(span.rows)) {
                    y[span.first_row..][..span.rows].copy_from_slice(part);
                }
            },
        );
        Tensor::from_primitive::<Flex>(from_floats(y, &[tokens, rows]))
    }

    /// Fills the rows of `y` whose ids are lent with those rows, each times `scale`. ids: `[tokens]`, y: [tokens, cols]
    pub fn embed(&self, ids: Tensor<1, Int>, y: Tensor<2>, scale: f32) -> Tensor<2> {
        let [tokens, cols] = y.dims();
        let (Ok(ids), Ok(y)) = (
            ids.try_into_primitive::<Flex>(),
            y.try_into_primitive::<Flex>(),
        ) else {
            return Tensor::zeros([tokens, cols], &burn::tensor::Device::flex());
        };
        let ids = words(&ids);
        let ids = &ids[..tokens.min(ids.len())];
        let input: Vec<f32> = ids.iter().map(|id| f32::from_bits(*id)).collect();
        let mut y = floats(&y).to_vec();
        let job = |piece: &LentPiece| {
            Job::Embed(EmbedParams {
                block: piece.span.block,
                planes: piece.span.planes,
                tokens,
                rows: piece.span.rows,
                cols,
                first_row: piece.span.first_row,
                scale,
            })
        };
        let holds = |span: &RowSpan, id: &u32| {
            (span.first_row..span.first_row + span.rows).contains(&(*id as usize))
        };
        let wanted = |span: &RowSpan| ids.iter().any(|id| holds(span, id));
        self.run(
            &input,
            job,
            wanted,
            |_| (),
            &mut y,
            |y, span, part| {
                let rows = y.chunks_exact_mut(cols).zip(part.chunks_exact(cols));
                for ((y, part), id) in rows.zip(ids) {
                    if holds(span, id) {
                        y.copy_from_slice(part);
                    }
                }
            },
        );
        Tensor::from_primitive::<Flex>(from_floats(y, &[tokens, cols]))
    }

    /// Has every helper work on its pieces, one after the other; does `own_work` while the first ones are under way.
    fn run(
        &self,
        input: &[f32],
        job: impl Fn(&LentPiece) -> Job,
        wanted: impl Fn(&RowSpan) -> bool,
        own_work: impl FnOnce(&mut [f32]),
        y: &mut [f32],
        mut place: impl FnMut(&mut [f32], &RowSpan, &[f32]),
    ) {
        let mut own_work = Some(own_work);
        let rounds = self.pieces.iter().map(Vec::len).max().unwrap_or_default();
        for round in 0..rounds {
            let pieces = self.pieces.iter().enumerate();
            let pieces = pieces.filter_map(|(helper, pieces)| Some((helper, pieces.get(round)?)));
            let begun: Vec<_> = pieces
                .filter(|(_, piece)| wanted(&piece.span))
                .map(|(helper, piece)| {
                    let job = job(piece);
                    let begun = self.helpers.begin(helper, piece.slot, &job.words(), input);
                    (helper, piece, job, begun)
                })
                .collect();
            if let Some(own_work) = own_work.take() {
                own_work(y);
            }
            for (helper, piece, job, begun) in begun {
                let mut part = vec![0.0; job.output_len()];
                let finished = begun.and_then(|()| self.helpers.finish(helper, &mut part));
                if let Err(error) = finished {
                    log::error!("a thread failed: {error}");
                    // Nothing is picked from scores that are no numbers, so that the answer ends with an error.
                    part.fill(f32::NAN);
                }
                place(y, &piece.span, &part);
            }
        }
    }
}

impl Drop for LentRows {
    fn drop(&mut self) {
        for (helper, pieces) in self.pieces.iter().enumerate() {
            for piece in pieces {
                self.helpers.release(helper, piece.slot);
            }
        }
    }
}
