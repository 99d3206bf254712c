//! Model and cache together: runs tokens and pictures through the decoder, a bounded piece at a time.

mod ahead;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Waker};

use burn::tensor::{Tensor, TensorData};

use super::NamedTensor;
use super::features::{self, FeatureKey};
use super::pace::Pace;
use crate::error::{Error, Result};
use crate::image::{self, RgbImage};
use crate::kernels::{
    self, CandidateParams, ComputeDevice, Recording, StepState, TokenRules, copy_rows,
    top_candidates, top_candidates_under,
};
use crate::model::{KvCache, MedGemma, Span, Trace, Vision};

/// A picture's pixels, [3, image_size, image_size], normalised.
pub type Pixels = Vec<f32>;

/// One piece of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Positions that it covers.
    pub range: Range<usize>,
    /// Which picture it is, or text.
    pub picture: Option<usize>,
}

/// What stands at a position: a token's id, or a place in a picture's own run.
pub type Key = u64;

/// Which scores of the next token are read back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scores {
    /// Those of the whole vocabulary.
    All,
    /// The best ones.
    Best(CandidateParams),
}

impl Scores {
    /// Bytes to read.
    pub fn bytes(self, vocab_size: usize) -> u64 {
        let numbers = match self {
            Self::All => vocab_size,
            Self::Best(best) => 2 * best.count,
        };
        (numbers * size_of::<f32>()) as u64
    }
}

/// Numbers on their way from the device.
pub struct Reading(Pin<Box<dyn Future<Output = Result<Vec<f32>>>>>);

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl Reading {
    /// Has the device begin.
    fn begun(reading: impl Future<Output = Result<Vec<f32>>> + 'static) -> Self {
        let mut reading: Pin<Box<dyn Future<Output = _>>> = Box::pin(reading);
        // The first poll submits the work; whoever awaits the reading polls it again. Where it is ready at once, what it
        // read is kept.
        match reading
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            std::task::Poll::Ready(values) => Self(Box::pin(std::future::ready(values))),
            std::task::Poll::Pending => Self(reading),
        }
    }

    /// Waits for them.
    pub async fn finish(self) -> Result<Vec<f32>> {
        self.0.await
    }
}

/// Model, cache and device.
#[derive(Debug)]
pub struct Core {
    model: MedGemma,
    cache: KvCache,
    device: ComputeDevice,
    image_token: Option<u32>,
    pace: Pace,
    /// What the cache holds, position by position.
    kept: Vec<Key>,
    /// Positions that were written since the cache was last filled from its beginning.
    written: usize,
    /// What the image encoder made of the last prompt's pictures, or what was given for them.
    features: BTreeMap<FeatureKey, Vec<f32>>,
    /// What an answer that was given up had begun to read.
    unread: Option<Reading>,
    state: StepState,
    /// What candidates are chosen by, once some answer needed it.
    rules: Option<TokenRules>,
    recording: (Scores, Recording),
}

impl Core {
    pub fn new(
        model: MedGemma,
        cache: KvCache,
        device: ComputeDevice,
        image_token: Option<u32>,
    ) -> Self {
        Self {
            pace: Pace::default(),
            kept: Vec::new(),
            written: 0,
            features: BTreeMap::new(),
            unread: None,
            state: StepState::new(&device),
            rules: None,
            recording: (Scores::All, Recording::default()),
            model,
            cache,
            device,
            image_token,
        }
    }

    pub fn model(&self) -> &MedGemma {
        &self.model
    }

    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    pub fn context_tokens(&self) -> usize {
        self.cache.context_tokens()
    }

    /// Fails if `tokens` do not fit the context.
    pub fn check_room(&self, tokens: usize) -> Result<()> {
        if tokens <= self.context_tokens() {
            return Ok(());
        }
        Err(Error::ContextFull {
            needed_tokens: tokens,
            context_tokens: self.context_tokens(),
        })
    }

    /// Resizes and normalises pictures for the encoder.
    pub fn prepare(&self, images: &[RgbImage]) -> Result<Vec<Pixels>> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let config = self.vision()?.config();
        let size = config.image_size as u32;
        Ok(images
            .iter()
            .map(|picture| {
                let resized = image::resize_bilinear(picture, size, size);
                image::normalise(&resized, config.mean, config.std)
            })
            .collect())
    }

    /// Cuts tokens into pieces: each picture whole, text in chunks.
    pub fn segments(&self, tokens: &[u32], pictures: usize) -> Result<Vec<Segment>> {
        let vocab_size = self.model.decoder().config().vocab_size;
        if let Some(id) = tokens.iter().find(|id| **id as usize >= vocab_size) {
            return Err(Error::Request {
                problem: format!("token {id} is not in the vocabulary of {vocab_size}"),
                remedy: "use ids of this model's tokenizer".to_owned(),
            });
        }
        if tokens.is_empty() {
            return Err(Error::Request {
                problem: "there are no tokens".to_owned(),
                remedy: "give at least one".to_owned(),
            });
        }
        let image_tokens = self
            .model
            .vision()
            .map_or(0, |vision| vision.config().image_tokens());
        segments(
            tokens,
            self.image_token,
            image_tokens,
            pictures,
            self.cache.chunk_tokens(),
        )
    }

    /// What stands at each position of `tokens`: pictures by what they show, so that the same one is known again.
    ///
    /// pictures: their [`features::digest`]s
    pub fn keys(&self, tokens: &[u32], segments: &[Segment], pictures: &[[u8; 32]]) -> Vec<Key> {
        let mut keys: Vec<Key> = tokens.iter().map(|id| Key::from(*id)).collect();
        for segment in segments {
            let Some(digest) = segment.picture.and_then(|index| pictures.get(index)) else {
                continue;
            };
            let mut first = [0; 8];
            first.copy_from_slice(&digest[..8]);
            // Above every token's id.
            let picture = Key::from_le_bytes(first) | 1 << 63;
            for (place, key) in keys[segment.range.clone()].iter_mut().enumerate() {
                *key = picture.wrapping_add(place as u64) | 1 << 63;
            }
        }
        keys
    }

    /// How many positions of `keys` the cache already holds, as far as it can go on from there. The last one is never among
    /// them, since its scores are wanted, and no picture is cut.
    pub fn reusable(&self, keys: &[Key], segments: &[Segment]) -> usize {
        let same = keys.iter().zip(&self.kept).take_while(|(a, b)| a == b);
        let mut held = same.count().min(keys.len().saturating_sub(1));
        let cut = segments
            .iter()
            .find(|segment| segment.picture.is_some() && segment.range.contains(&held));
        if let Some(cut) = cut {
            held = cut.range.start;
        }
        match self.cache.can_go_back(self.written, held) {
            true => held,
            false => 0,
        }
    }

    /// Runs one piece through the decoder; `keys` are those of all positions -> [tokens, hidden]
    pub fn run(
        &mut self,
        tokens: &[u32],
        keys: &[Key],
        segment: &Segment,
        features: Option<Tensor<2>>,
        trace: &mut Trace,
    ) -> Result<Tensor<2>> {
        let range = segment.range.clone();
        self.forget_from(range.start, range.end);
        let decoder = self.model.decoder();
        let x = match features {
            Some(features) => features,
            None => decoder.embed(tokens.get(range.clone()).unwrap_or_default()),
        };
        let span = Span {
            position: range.start,
            picture: segment.picture.is_some(),
            layers_per_submit: self.pace.layers_per_submit(range.len()),
        };
        let hidden = decoder.forward(x, span, &mut self.cache, trace)?;
        self.kept.extend(keys.get(range).unwrap_or_default());
        Ok(hidden)
    }

    /// Forgets what the cache holds, and what pictures became.
    pub fn forget(&mut self) {
        self.features.clear();
        self.forget_from(0, 0);
    }

    /// Forgets what the cache holds and what pictures became, and overwrites it. What else was computed of it is given back to the device.
    pub async fn erase(&mut self) -> Result<()> {
        self.read_rest().await;
        self.kept.fill(0);
        self.kept = Vec::new();
        for values in self.features.values_mut() {
            values.fill(0.0);
        }
        self.features.clear();
        self.written = 0;
        // What is recorded keeps the last token's vectors, and the rules keep which tokens there were.
        self.recording = (Scores::All, Recording::default());
        self.rules = None;
        self.state.set(0, 0);
        self.cache.erase();
        // Comes after all of that.
        let last = Tensor::zeros([1, 1], self.device.burn());
        self.settle(&last).await?;
        self.device.free_unused();
        Ok(())
    }

    /// The cache is about to be written from `start` to `end`.
    fn forget_from(&mut self, start: usize, end: usize) {
        self.kept.truncate(start);
        self.written = match start {
            0 => end,
            _ => self.written.max(end),
        };
    }

    /// What of a piece to run next: text in as many tokens as the device bears, a picture whole.
    pub fn first_part(&self, segment: &Segment) -> Segment {
        let mut part = segment.clone();
        if segment.picture.is_none() {
            let tokens = self.pace.chunk_tokens(segment.range.len());
            part.range.end = segment.range.start + tokens;
        }
        part
    }

    /// Learns what it took to run `tokens` tokens.
    pub fn learn_pace(&mut self, tokens: usize, elapsed_ms: f64) {
        let layers = self.model.decoder().config().layers;
        self.pace.learn(tokens, layers, elapsed_ms);
    }

    /// The image encoder, or a refusal.
    pub fn vision(&self) -> Result<&Vision> {
        self.model.vision().ok_or_else(|| Error::Request {
            problem: "this model cannot see pictures".to_owned(),
            remedy: "add the model's mmproj file, or remove the picture".to_owned(),
        })
    }

    /// Forgets what became of all pictures but these.
    pub fn keep_features(&mut self, of: &[FeatureKey]) {
        self.features.retain(|key, _| of.contains(key));
    }

    /// Remembers what became of a picture: [image tokens, hidden], row by row.
    pub fn know_features(&mut self, key: FeatureKey, values: Vec<f32>) {
        self.features.insert(key, values);
    }

    /// What became of a picture, if that is known: [image tokens, hidden], row by row.
    pub fn known_features(&self, key: &FeatureKey) -> Option<&[f32]> {
        self.features.get(key).map(Vec::as_slice)
    }

    /// The same on the device: [image tokens, hidden]
    pub fn known_picture(&self, key: &FeatureKey) -> Option<Tensor<2>> {
        let values = self.features.get(key)?.clone();
        let hidden = self.model.decoder().config().hidden_size;
        let shape = [values.len() / hidden, hidden];
        Some(Tensor::from_data(
            TensorData::new(values, shape),
            self.device.burn(),
        ))
    }

    /// pixels -> [image tokens, hidden]
    pub fn encode(&self, pixels: &Pixels, trace: &mut Trace) -> Result<Tensor<2>> {
        self.vision()?.encode(pixels, trace)
    }

    /// Scores after the last row of `hidden`: `[vocab]`, or [2, count] with their ids.
    pub fn scores_after(&self, hidden: Tensor<2>, scores: Scores) -> Reading {
        let logits = self.model.decoder().last_logits(hidden);
        let found = selected(logits, scores, self.rules.as_ref());
        Reading::begun(kernels::read(found, self.device.kind()))
    }

    /// Takes over a reading that nobody waits for: cubecl uses its buffer again, and must not before it is through.
    pub fn leave(&mut self, reading: Option<Reading>) {
        if reading.is_some() {
            self.unread = reading;
        }
    }

    /// Waits for what was left.
    pub async fn read_rest(&mut self) {
        if let Some(reading) = self.unread.take() {
            let _ = reading.finish().await;
        }
    }

    /// Has candidates chosen by these rules from now on, where a penalty asks for rules.
    pub fn rule(&mut self, allowed: Option<&[u32]>, occurred: &[u32]) {
        let vocab_size = self.model.decoder().config().vocab_size;
        let rules = self
            .rules
            .get_or_insert_with(|| TokenRules::new(vocab_size, &self.device));
        rules.set(allowed, occurred);
    }

    /// Runs the token `id` at `position` and scores what comes after it, as [`scores_after`](Self::scores_after).
    pub fn step(&mut self, id: u32, position: usize, scores: Scores) -> Result<Reading> {
        self.forget_from(position, position + 1);
        self.state.set(id, position);
        if self.recording.0 != scores {
            self.recording = (scores, Recording::default());
        }
        let (decoder, state, cache) = (self.model.decoder(), &self.state, &mut self.cache);
        let rules = self.rules.as_ref();
        let step = || Ok(selected(decoder.step(state, cache)?, scores, rules));
        let found = self.recording.1.run(state, step)?;
        self.kept.push(Key::from(id));
        Ok(Reading::begun(kernels::read(found, self.device.kind())))
    }

    /// Runs the tokens `ids` from `position` on and scores what comes after each, row by row as [`step`](Self::step) does
    /// for one. The cache can go back to any of them.
    pub fn run_ahead(&mut self, ids: &[u32], position: usize, scores: Scores) -> Result<Reading> {
        self.forget_from(position, position + ids.len());
        let decoder = self.model.decoder();
        let span = Span {
            position,
            picture: false,
            layers_per_submit: self.pace.layers_per_submit(ids.len()),
        };
        let x = decoder.embed(ids);
        let hidden = decoder.forward(x, span, &mut self.cache, &mut Trace::off())?;
        self.kept.extend(ids.iter().map(|id| Key::from(*id)));
        let found = selected(decoder.logits(hidden), scores, self.rules.as_ref());
        Ok(Reading::begun(kernels::read(found, self.device.kind())))
    }

    /// Scores after every token: [tokens, vocab]
    pub async fn all_logits(
        &mut self,
        tokens: &[u32],
        pictures: Vec<Pixels>,
        trace: &mut Trace,
    ) -> Result<Vec<f32>> {
        self.check_room(tokens.len())?;
        let mut logits = Vec::new();
        let segments = self.segments(tokens, pictures.len())?;
        let digests: Vec<_> = pictures.iter().map(features::digest).collect();
        let keys = self.keys(tokens, &segments, &digests);
        for segment in segments {
            let features = match segment.picture.and_then(|index| pictures.get(index)) {
                Some(pixels) => Some(self.encode(pixels, trace)?),
                None => None,
            };
            let hidden = self.run(tokens, &keys, &segment, features, trace)?;
            let rows = self.model.decoder().logits(hidden);
            logits.extend(self.read(rows).await?);
        }
        Ok(logits)
    }

    /// Every named tensor, the rows of all pieces together.
    pub async fn trace(
        &mut self,
        tokens: &[u32],
        pictures: Vec<Pixels>,
    ) -> Result<Vec<NamedTensor>> {
        let mut trace = Trace::on();
        let logits = self.all_logits(tokens, pictures, &mut trace).await?;
        let mut named: Vec<NamedTensor> = Vec::new();
        for (name, tensor) in trace.into_tensors() {
            let [rows, cols] = tensor.dims();
            let values = self.read(tensor).await?;
            match named.iter_mut().find(|known| known.name == name) {
                Some(known) => {
                    known.shape[0] += rows;
                    known.values.extend(values);
                }
                None => named.push(NamedTensor {
                    name,
                    shape: [rows, cols],
                    values,
                }),
            }
        }
        let shape = [tokens.len(), logits.len() / tokens.len()];
        named.push(NamedTensor {
            name: "logits".to_owned(),
            shape,
            values: logits,
        });
        Ok(named)
    }

    /// Features of pictures: [pictures * image tokens, hidden]
    pub async fn features(&self, pictures: Vec<Pixels>) -> Result<Vec<f32>> {
        let mut features = Vec::new();
        for pixels in &pictures {
            features.extend(self.read(self.encode(pixels, &mut Trace::off())?).await?);
        }
        Ok(features)
    }

    /// Waits until `tensor` is computed, so that progress is true and no submit grows without bound.
    pub async fn settle(&self, tensor: &Tensor<2>) -> Result<()> {
        let [_, cols] = tensor.dims();
        let first = copy_rows(
            Tensor::empty([1, cols], &tensor.device()),
            tensor.clone(),
            0,
            0,
            1,
        );
        self.read(first).await.map(|_| ())
    }

    /// Values of a tensor, row by row.
    pub async fn read(&self, tensor: Tensor<2>) -> Result<Vec<f32>> {
        kernels::read(tensor, self.device.kind()).await
    }
}

/// logits: [rows, vocab]
fn selected(logits: Tensor<2>, scores: Scores, rules: Option<&TokenRules>) -> Tensor<2> {
    match scores {
        Scores::All => logits,
        Scores::Best(CandidateParams { count, penalty }) => match (penalty, rules) {
            (Some(penalty), Some(rules)) => top_candidates_under(logits, count, rules, penalty),
            _ => top_candidates(logits, count),
        },
    }
}

fn segments(
    tokens: &[u32],
    image_token: Option<u32>,
    image_tokens: usize,
    pictures: usize,
    chunk_tokens: usize,
) -> Result<Vec<Segment>> {
    let is_image = |index: usize| {
        pictures > 0 && image_token.is_some() && tokens.get(index).copied() == image_token
    };
    let mut segments = Vec::new();
    let mut seen = 0;
    let mut start = 0;
    while start < tokens.len() {
        let kind = is_image(start);
        let limit = if kind { image_tokens } else { chunk_tokens };
        let mut end = start + 1;
        while end < tokens.len() && end - start < limit && is_image(end) == kind {
            end += 1;
        }
        if kind && end - start != image_tokens {
            return Err(Error::Request {
                problem: format!(
                    "{} image tokens stand together where a picture has {image_tokens}",
                    end - start
                ),
                remedy: "put all tokens of a picture together".to_owned(),
            });
        }
        segments.push(Segment {
            range: start..end,
            picture: kind.then_some(seen),
        });
        seen += usize::from(kind);
        start = end;
    }
    if seen != pictures {
        return Err(Error::Request {
            problem: format!("the tokens hold {seen} pictures, but {pictures} were given"),
            remedy: "give one picture for each run of image tokens".to_owned(),
        });
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ranges(tokens: &[u32], pictures: usize) -> Vec<(Range<usize>, Option<usize>)> {
        let segments = segments(tokens, Some(9), 2, pictures, 3).unwrap();
        segments.into_iter().map(|s| (s.range, s.picture)).collect()
    }

    #[test]
    fn text_is_cut_into_chunks_and_a_picture_stays_whole() {
        let pieces = ranges(&[1, 1, 1, 1, 9, 9, 1], 1);
        assert_eq!(
            pieces,
            [(0..3, None), (3..4, None), (4..6, Some(0)), (6..7, None)]
        );
    }

    #[test]
    fn pictures_side_by_side_are_told_apart() {
        assert_eq!(ranges(&[9, 9, 9, 9], 2), [(0..2, Some(0)), (2..4, Some(1))]);
    }

    #[test]
    fn without_pictures_an_image_token_is_a_token_like_any_other() {
        assert_eq!(ranges(&[1, 9, 1], 0), [(0..3, None)]);
    }

    #[test]
    fn a_torn_picture_and_a_missing_one_are_refused() {
        assert!(segments(&[9, 1], Some(9), 2, 1, 3).is_err());
        assert!(segments(&[9, 9], Some(9), 2, 2, 3).is_err());
        assert!(segments(&[1, 1], Some(9), 2, 1, 3).is_err());
    }
}
