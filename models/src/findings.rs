//! `outpost findings`: what is seen in medical pictures, as data, and danger signs in what was asked.

use outpost_clinic::consultation::{ModelInfo, PRIVACY};
use outpost_clinic::findings::{self, Described, Setup};
use outpost_clinic::writer::{Ask, Draft, Writer};
use outpost_engine::image::RgbImage;
use outpost_engine::ports::Clock;

use crate::args::FindingsArgs;
use crate::error::Result;
use crate::extract::{Drafting, describe, draft, patient, sampler, show_signs, taken_ms};
use crate::load::{self, Compute};
use crate::output;

/// Prints the result, or what a person wants to know of it.
pub fn run(args: &FindingsArgs, compute: Compute) -> Result<()> {
    let pictures = load::pictures(&args.images)?;
    let (model, quantization) = describe(&args.model.model)?;
    let mut loaded = load::engine(&args.model, compute)?;
    let setup = Setup {
        pictures: pictures.len(),
        question: args.question.clone(),
        patient: patient(&args.patient),
        max_tokens: args.draft.max_tokens,
        model_info: ModelInfo {
            model,
            quantization,
            device: loaded.engine.stats().adapter.clone(),
            privacy: PRIVACY.to_owned(),
        },
    };
    let started_ms = loaded.clock.now_ms();
    let mut writer = Looking {
        drafting: Drafting {
            sampler: sampler(&args.draft),
            loaded: &mut loaded,
        },
        pictures,
    };
    let mut described = pollster::block_on(findings::process(&mut writer, setup))?;
    described.processing_time_ms = taken_ms(&loaded, started_ms, &args.draft);
    match args.json {
        true => output::json(&described),
        false => show(&described),
    }
}

/// Has the loaded model write drafts about pictures.
struct Looking<'a> {
    drafting: Drafting<'a>,
    pictures: Vec<RgbImage>,
}

impl Writer for Looking<'_> {
    async fn write(&mut self, ask: &Ask) -> outpost_clinic::Result<Draft> {
        draft(&mut self.drafting, &self.pictures, ask).await
    }
}

fn show(described: &Described) -> Result<()> {
    if let Some(seen) = &described.findings {
        output::line(&format!("modality    {:?} {}", seen.modality, seen.view))?;
        for it in &seen.findings {
            output::line(&format!(
                "{:<11} {}, {:?} {}: {}",
                format!("{:?}", it.certainty).to_lowercase(),
                it.what,
                it.side,
                it.zone,
                it.evidence
            ))?;
        }
        output::line(&format!("impression  {}", seen.impression))?;
        output::line(&format!("limitations {}", seen.limitations))?;
    }
    for it in &described.numbers {
        output::line(&format!("  LOOK AT   a number in {}", it.path))?;
    }
    output::line(&format!("urgency     {:?}", described.urgency))?;
    show_signs(&described.danger_signs, &described.notices)
}
