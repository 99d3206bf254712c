//! SOAP notes: the loaded model drafts, `clinic` decides what counts.

use outpost_clinic::soap::note;
use outpost_engine::ports::Clock;
use outpost_engine::session::Engine;
use outpost_protocol::{Consultation, Event, ModelInUse};

use crate::consultation::{Drafting, result, sampler, setup};
use crate::desk::Task;
use crate::event_loop::BrowserClock;
use crate::problem::Result;
use crate::tables::Codes;

/// Writes a note about a consultation with the loaded model.
///
/// # Errors
/// [`crate::problem::Problem::Cancelled`] if the page stops it, and what keeps the model from writing.
pub async fn write(
    task: &Task,
    engine: &mut Engine,
    model: &ModelInUse,
    codes: &Codes,
    asked: Consultation,
) -> Result<Event> {
    let setup = setup(&asked, model, &codes.terminology, &note::prompt())?;
    let started_ms = BrowserClock.now_ms();
    let mut writer = Drafting::new(task, engine, sampler(asked.temperature, asked.seed));
    let noted = note::process(&mut writer, &asked.transcript, &setup).await;
    let mut noted = writer.outcome(noted)?;
    noted.notices.extend(codes.notices());
    noted.processing_time_ms = Some(BrowserClock.now_ms() - started_ms);
    result(&noted)
}
