//! Findings in pictures: the loaded model drafts, `clinic` decides what counts.

use outpost_clinic::findings::{self, Setup};
use outpost_engine::image::RgbImage;
use outpost_engine::ports::Clock;
use outpost_engine::session::Engine;
use outpost_protocol::{Event, Imaging, ModelInUse};

use crate::consultation::{Drafting, model_info, patient, result, sampler};
use crate::desk::Task;
use crate::event_loop::BrowserClock;
use crate::problem::{Problem, Result};

/// Has the loaded model describe pictures.
///
/// # Errors
/// [`Problem::Cancelled`] if the page stops it, no pictures, and what keeps the model from writing.
pub async fn describe(
    task: &Task,
    engine: &mut Engine,
    model: &ModelInUse,
    pictures: Vec<RgbImage>,
    asked: Imaging,
) -> Result<Event> {
    if pictures.is_empty() {
        return Err(Problem::new("There is no picture.", "Add one."));
    }
    let setup = Setup {
        pictures: pictures.len(),
        patient: patient(&asked.patient)?,
        question: asked.question,
        max_tokens: asked.max_tokens.max(1) as usize,
        model_info: model_info(model),
    };
    let started_ms = BrowserClock.now_ms();
    let sampler = sampler(asked.temperature, asked.seed);
    let mut writer = Drafting::new(task, engine, sampler).showing(pictures);
    let described = findings::process(&mut writer, setup).await;
    let mut described = writer.outcome(described)?;
    described.processing_time_ms = Some(BrowserClock.now_ms() - started_ms);
    result(&described)
}
