//! `outpost extract`: a transcript to facts with codes, a valid FHIR Bundle and danger signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use outpost_clinic::consultation::{self, ModelInfo, Options, PRIVACY, Processed, Setup};
use outpost_clinic::danger::{Age, Assessment, Patient, Pregnancy, Sex};
use outpost_clinic::extract::{self, INSTRUCTION, Way};
use outpost_clinic::fhir::bundle::Making;
use outpost_clinic::terminology::{Index, Terminology, list, rxnorm};
use outpost_clinic::writer::{Ask, Draft, Writer};
use outpost_engine::constraint::Rule;
use outpost_engine::error::Error as EngineError;
use outpost_engine::image::RgbImage;
use outpost_engine::ports::Clock;
use outpost_engine::sampler::SamplerOptions;
use outpost_engine::session::{Event, FinishReason, Flow, Request};
use outpost_engine::weights::{WeightSource, main_type};
use serde_json::Value;

use crate::args::{ConsultationArgs, DraftArgs, ExtractArgs, PatientArgs, PregnancyArg, SexArg};
use crate::error::{Error, Result};
use crate::load::{self, Compute, Loaded};
use crate::output;
use crate::source::Model;

/// Largest transcript, in bytes: far beyond any context.
const MAX_TRANSCRIPT_BYTES: u64 = 1 << 20;

/// Prints the result, or what a person wants to know of it.
pub fn run(args: &ExtractArgs, compute: Compute) -> Result<()> {
    let (work, mut loaded) = Work::begin(&args.consultation, INSTRUCTION.to_owned(), compute)?;
    let (started_ms, setup) = (loaded.clock.now_ms(), work.setup(!args.no_fhir));
    let mut writer = Drafting {
        sampler: sampler(&args.consultation.draft),
        loaded: &mut loaded,
    };
    let processing = consultation::process(&mut writer, &work.transcript, &setup);
    let mut processed = pollster::block_on(processing)?;
    processed.processing_time_ms = taken_ms(&loaded, started_ms, &args.consultation.draft);
    if let Some(path) = &args.bundle {
        write_bundle(path, processed.bundle.as_ref())?;
    }
    match args.consultation.json {
        true => output::json(&processed),
        false => show(&processed),
    }
}

/// A consultation that is worked on.
pub struct Work<'a> {
    args: &'a ConsultationArgs,
    /// What was said.
    pub transcript: String,
    terminology: Terminology,
    making: Making,
}

impl<'a> Work<'a> {
    /// Reads what the arguments name, and loads the model. `prompt` is what it will be asked.
    pub fn begin(
        args: &'a ConsultationArgs,
        prompt: String,
        compute: Compute,
    ) -> Result<(Self, Loaded)> {
        let transcript = transcript(&args.transcript)?;
        let terminology = terminology(args)?;
        let (model, quantization) = describe(&args.model.model)?;
        let recorded = recorded(args)?;
        let loaded = load::engine(&args.model, compute)?;
        let model = ModelInfo {
            model,
            quantization,
            device: loaded.engine.stats().adapter.clone(),
            privacy: PRIVACY.to_owned(),
        };
        let work = Self {
            args,
            transcript,
            terminology,
            making: model.making(prompt, recorded),
        };
        Ok((work, loaded))
    }

    /// What it is processed with.
    pub fn setup(&self, validate_fhir: bool) -> Setup<'_> {
        let Self { args, .. } = self;
        Setup {
            terminology: &self.terminology,
            patient: patient(&args.patient),
            making: self.making.clone(),
            options: Options {
                extract: extract::Options {
                    max_tokens: args.draft.max_tokens,
                    fallback: !args.no_fallback,
                },
                validate_fhir,
                transaction: args.transaction,
                with_transcript: !args.without_transcript,
                seed: args.draft.seed.unwrap_or_default(),
            },
        }
    }
}
/// Has the loaded model write drafts.
pub struct Drafting<'a> {
    /// The model.
    pub loaded: &'a mut Loaded,
    /// How it picks tokens.
    pub sampler: SamplerOptions,
}

impl Writer for Drafting<'_> {
    async fn write(&mut self, ask: &Ask) -> outpost_clinic::Result<Draft> {
        draft(self, &[], ask).await
    }
}

/// Has the loaded model write a draft about pictures, or without any.
pub async fn draft(
    drafting: &mut Drafting<'_>,
    pictures: &[RgbImage],
    ask: &Ask,
) -> outpost_clinic::Result<Draft> {
    let request = Request {
        conversation: ask.conversation.clone(),
        max_tokens: ask.max_tokens,
        sampler: drafting.sampler.clone(),
        constraint: ask.schema.clone().map(Rule::JsonSchema),
    };
    let Loaded { engine, clock, .. } = &mut *drafting.loaded;
    let mut on_event = |_: Event| Flow::Continue;
    let outcome = engine.generate(&request, pictures, clock, &mut on_event);
    match outcome.await {
        Ok(outcome) => Ok(Draft {
            text: outcome.text,
            cut: outcome.finish_reason != FinishReason::Stop,
        }),
        // What was asked fits; what was written about it does not fit beside it.
        Err(EngineError::ContextFull { .. }) if ask.conversation.messages.len() > 1 => Ok(Draft {
            text: String::new(),
            cut: true,
        }),
        Err(error) => Err(error.into()),
    }
}

/// How tokens are picked.
pub fn sampler(args: &DraftArgs) -> SamplerOptions {
    SamplerOptions {
        temperature: args.temperature,
        seed: args.seed.unwrap_or_default(),
        ..SamplerOptions::default()
    }
}

/// How long it took, for the result. Whoever gives a seed wants the same bytes again, and time is never the same.
pub fn taken_ms(loaded: &Loaded, started_ms: f64, args: &DraftArgs) -> Option<f64> {
    let taken_ms = loaded.clock.now_ms() - started_ms;
    eprintln!("{:.1} s", taken_ms / 1000.0);
    args.seed.is_none().then_some(taken_ms)
}

/// Writes a Bundle to a file, if there is one.
pub fn write_bundle(path: &Path, bundle: Option<&Value>) -> Result<()> {
    let Some(bundle) = bundle else {
        return Ok(());
    };
    let text = serde_json::to_string_pretty(bundle).map_err(std::io::Error::from)?;
    fs::write(path, text).map_err(|error| Error::write(path, &error))
}

fn transcript(path: &Path) -> Result<String> {
    let length = fs::metadata(path)
        .map_err(|error| Error::read(path, &error))?
        .len();
    if length > MAX_TRANSCRIPT_BYTES {
        let detail = format!("has {length} bytes, above the limit of {MAX_TRANSCRIPT_BYTES}");
        return Err(Error::file(
            path,
            detail,
            "give the transcript of one consultation",
        ));
    }
    let text = fs::read_to_string(path).map_err(|error| Error::read(path, &error))?;
    match text.trim().is_empty() {
        true => Err(Error::file(
            path,
            "is empty",
            "give the transcript of a consultation",
        )),
        false => Ok(text),
    }
}

fn terminology(args: &ConsultationArgs) -> Result<Terminology> {
    let mut terminology = Terminology::default();
    if let Some(path) = args.icd10cm.clone().or_else(built_icd10cm) {
        terminology.conditions.push(index(&path)?);
    }
    if let Some(path) = &args.rxnorm {
        terminology.medications.push(match is_text(path) {
            true => {
                let file = rxnorm::read(&text(path)?, None, "").map_err(Error::clinic(path))?;
                Index::from_bytes(&file)?
            }
            false => index(path)?,
        });
    }
    for path in &args.condition_lists {
        terminology.conditions.push(own_list(path)?);
    }
    for path in &args.medication_lists {
        terminology.medications.push(own_list(path)?);
    }
    Ok(terminology)
}

/// The index that was built beside this command, or with the page.
fn built_icd10cm() -> Option<PathBuf> {
    let command = std::env::current_exe().ok()?;
    let folder = command.parent()?;
    let places = ["icd10cm.index", "../dist/terminology/icd10cm.index"];
    places
        .map(|place| folder.join(place))
        .into_iter()
        .find(|path| path.is_file())
}

fn is_text(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("rrf"))
}

fn own_list(path: &Path) -> Result<Index> {
    let title = path.file_stem().unwrap_or_default().to_string_lossy();
    let table = list::read(&text(path)?, &title, None).map_err(Error::clinic(path))?;
    Ok(Index::from_bytes(&table.to_bytes()?)?)
}

fn index(path: &Path) -> Result<Index> {
    let bytes = fs::read(path).map_err(|error| Error::read(path, &error))?;
    Index::from_bytes(&bytes).map_err(Error::clinic(path))
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::read(path, &error))
}

/// What the model calls itself, and the type of most of its bytes.
pub fn describe(path: &Path) -> Result<(String, String)> {
    let model = Model::open(path, None)?;
    let source: &dyn WeightSource = model.text.as_ref();
    let name = source
        .metadata()
        .opt_str("general.name")
        .map_err(Error::of(path))?;
    let file = || {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let quantisation = main_type(source.tensors());
    Ok((
        name.map_or_else(file, str::to_owned),
        quantisation.to_owned(),
    ))
}

/// The instant that the Bundle bears: as given; with a seed, that of the transcript's file; else now.
fn recorded(args: &ConsultationArgs) -> Result<String> {
    if let Some(recorded) = &args.recorded {
        return Ok(recorded.clone());
    }
    let time = match args.draft.seed {
        Some(_) => fs::metadata(&args.transcript)
            .and_then(|it| it.modified())
            .map_err(|error| Error::read(&args.transcript, &error))?,
        None => SystemTime::now(),
    };
    Ok(humantime::format_rfc3339_seconds(time).to_string())
}

/// What is known of the patient.
pub fn patient(args: &PatientArgs) -> Patient {
    let sex = args.sex.map(|sex| match sex {
        SexArg::Female => Sex::Female,
        SexArg::Male => Sex::Male,
    });
    let pregnancy = args.pregnancy.map(|pregnancy| match pregnancy {
        PregnancyArg::No => Pregnancy::No,
        PregnancyArg::Pregnant => Pregnancy::Pregnant,
        PregnancyArg::Postpartum => Pregnancy::Postpartum,
    });
    Patient {
        age: args.age,
        sex,
        pregnancy,
    }
}

/// `8m` to an age of eight months; `d`, `w` and `y` are days, weeks and years.
pub fn age(text: &str) -> std::result::Result<Age, String> {
    let wrong = || format!("{text:?} is no age; write a number and d, w, m or y, such as 8m");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok());
    let number: u16 = number.ok_or_else(wrong)?;
    match unit {
        'd' => Ok(Age::Days(number)),
        'w' => Ok(Age::Weeks(number)),
        'm' => Ok(Age::Months(number)),
        'y' if number <= 130 => Ok(Age::Years(number)),
        _ => Err(wrong()),
    }
}

fn show(processed: &Processed) -> Result<()> {
    let code = |code: &Option<String>| {
        code.clone()
            .map_or_else(String::new, |code| format!("  [{code}]"))
    };
    for it in &processed.data.medications {
        let dosage = it.dosage.as_deref().unwrap_or_default();
        output::line(&format!(
            "medication  {}{}  {dosage}",
            it.said.name,
            code(&it.rxnorm_code)
        ))?;
    }
    for it in &processed.data.conditions {
        output::line(&format!(
            "condition   {}{}",
            it.said.name,
            code(&it.icd10_code)
        ))?;
    }
    for it in &processed.data.allergies {
        output::line(&format!("allergy     {}", it.substance))?;
    }
    for it in &processed.data.vital_signs {
        output::line(&format!(
            "vital sign  {:?} {} {}",
            it.sign, it.value, it.unit
        ))?;
    }
    for it in &processed.overlooked {
        output::line(&format!(
            "OVERLOOKED  \u{201c}{}\u{201d} was said, and the draft does not have it",
            it.quote
        ))?;
    }
    show_signs(&processed.danger_signs, &processed.notices)?;
    let bundle = match (&processed.bundle, processed.way) {
        (Some(_), _) => "a valid FHIR R4 Bundle; --bundle FILE writes it",
        (None, Way::Blocked) => "no Bundle: blocked",
        (None, _) => "no Bundle",
    };
    output::line(bundle)
}

/// What rules found, and what a person should know.
pub fn show_signs(signs: &Assessment, notices: &[String]) -> Result<()> {
    for sign in &signs.found {
        output::line(&format!(
            "DANGER SIGN {:?}: {} ({})",
            sign.urgency, sign.shown, sign.source.title
        ))?;
    }
    for notice in notices {
        output::line(&format!("note        {notice}"))?;
    }
    Ok(())
}
