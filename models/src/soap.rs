//! `outpost soap`: a transcript to a SOAP note whose every sentence has its evidence, and danger signs.

use outpost_clinic::soap::note::{self, Noted};
use outpost_engine::ports::Clock;

use crate::args::SoapArgs;
use crate::error::Result;
use crate::extract::{Drafting, Work, sampler, show_signs, taken_ms, write_bundle};
use crate::load::Compute;
use crate::output;

/// Prints the result, or what a person wants to know of it.
pub fn run(args: &SoapArgs, compute: Compute) -> Result<()> {
    let (work, mut loaded) = Work::begin(&args.consultation, note::prompt(), compute)?;
    let (started_ms, setup) = (loaded.clock.now_ms(), work.setup(args.bundle.is_some()));
    let mut writer = Drafting {
        sampler: sampler(&args.consultation.draft),
        loaded: &mut loaded,
    };
    let noting = note::process(&mut writer, &work.transcript, &setup);
    let mut noted = pollster::block_on(noting)?;
    noted.processing_time_ms = taken_ms(&loaded, started_ms, &args.consultation.draft);
    if let Some(Some(path)) = &args.bundle {
        write_bundle(path, noted.bundle.as_ref())?;
    }
    match args.consultation.json {
        true => output::json(&noted),
        false => show(&noted),
    }
}

fn show(noted: &Noted) -> Result<()> {
    for it in noted.note.iter().flat_map(|note| &note.sentences) {
        output::line(&format!("{:<11} {}", it.section.name(), it.text))?;
        for flag in &it.numbers {
            let number = flag.span.of(&it.text).unwrap_or_default();
            output::line(&format!("  LOOK AT   {number} ({:?})", flag.kind))?;
        }
    }
    for section in noted.note.iter().flat_map(|note| &note.empty) {
        output::line(&format!("{:<11} (nothing)", section.name()))?;
    }
    output::line(&format!("urgency     {:?}", noted.urgency))?;
    show_signs(&noted.danger_signs, &noted.notices)
}
