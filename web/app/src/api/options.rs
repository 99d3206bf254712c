//! The options of `generate`, `bench`, `benchKernels`, `processMedicalText`, `soapNote` and `imagingFindings`, from JavaScript
//! objects.

use js_sys::{Array, JSON, Reflect};
use outpost_protocol::{
    BENCH_PROMPT_TOKENS, BENCH_TOKENS, Consultation, DeviceChoice, Imaging, Message, Part,
    ProductShape, Request, Role, Sampling,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, Blob};

/// The plain part of `GenerateOptions`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    messages: Vec<PlainMessage>,
    max_tokens: u32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    repetition_penalty: f32,
    seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        let Sampling {
            temperature,
            top_k,
            top_p,
            min_p,
            repetition_penalty,
            seed,
        } = Sampling::default();
        Self {
            messages: Vec::new(),
            max_tokens: 512,
            temperature,
            top_k,
            top_p,
            min_p,
            repetition_penalty,
            seed,
        }
    }
}

/// `BenchOptions`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bench {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens written after the first one.
    pub tokens: u32,
    /// Where to compute, if it is said.
    pub device: Option<DeviceChoice>,
    /// Threads on the processor, if it is said.
    pub threads: Option<u32>,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            prompt_tokens: BENCH_PROMPT_TOKENS,
            tokens: BENCH_TOKENS,
            device: None,
            threads: None,
        }
    }
}

/// `KernelBenchOptions`.
#[derive(Deserialize)]
pub struct KernelBench {
    /// Which products.
    pub shapes: Vec<ProductShape>,
    /// Where to compute.
    #[serde(default)]
    pub device: DeviceChoice,
}

/// `Consultation`, as JavaScript has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Process {
    transcript: String,
    validate_fhir: Option<bool>,
    use_fallback: bool,
    transaction: bool,
    max_tokens: u32,
    temperature: f32,
    seed: u64,
    patient: serde_json::Value,
    recorded: Option<String>,
}

impl Default for Process {
    fn default() -> Self {
        let Consultation {
            transcript,
            validate_fhir: _,
            use_fallback,
            transaction,
            max_tokens,
            temperature,
            seed,
            patient,
            recorded,
        } = Consultation::default();
        Self {
            transcript,
            validate_fhir: None,
            use_fallback,
            transaction,
            max_tokens,
            temperature,
            seed,
            patient,
            recorded,
        }
    }
}

/// `Imaging`, as JavaScript has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Pictured {
    question: String,
    patient: serde_json::Value,
    max_tokens: u32,
    temperature: f32,
    seed: u64,
}

impl Default for Pictured {
    fn default() -> Self {
        let Imaging {
            question,
            patient,
            max_tokens,
            temperature,
            seed,
        } = Imaging::default();
        Self {
            question,
            patient,
            max_tokens,
            temperature,
            seed,
        }
    }
}

#[derive(Deserialize)]
struct PlainMessage {
    role: Role,
    content: String,
}

/// What `generate` was given -> the request, its pictures, and what may stop it.
///
/// # Errors
/// A `TypeError` that says what makes no sense.
pub fn parse(options: &JsValue) -> Result<(Request, Array, Option<AbortSignal>), JsValue> {
    let wrong =
        |detail: String| type_error(&detail, "Give generate what GenerateOptions describes.");
    let text = plain(options)?.ok_or_else(|| wrong("generate takes an object".to_owned()))?;
    let plain: Options =
        serde_json::from_str(&text).map_err(|problem| wrong(problem.to_string()))?;
    let attachments = images(options)?;
    let last = plain
        .messages
        .iter()
        .rfind(|message| message.role == Role::User);
    let last = last.ok_or_else(|| wrong("messages needs one whose role is \"user\"".to_owned()))?;
    if last.content.trim().is_empty() && attachments.length() == 0 {
        return Err(wrong(
            "the last user message is empty: give it words or a picture".to_owned(),
        ));
    }
    let request = Request::Generate {
        messages: with_pictures(plain.messages, attachments.length()),
        max_tokens: plain.max_tokens,
        sampling: Sampling {
            temperature: plain.temperature,
            top_k: plain.top_k,
            top_p: plain.top_p,
            min_p: plain.min_p,
            repetition_penalty: plain.repetition_penalty,
            seed: plain.seed,
        },
    };
    let signal: Option<AbortSignal> = Reflect::get(options, &"signal".into())?.dyn_into().ok();
    Ok((request, attachments, signal))
}

/// What `bench` was given; nothing at all is what it does by itself.
///
/// # Errors
/// A `TypeError` that says what makes no sense.
pub fn parse_bench(options: &JsValue) -> Result<Bench, JsValue> {
    if options.is_undefined() || options.is_null() {
        return Ok(Bench::default());
    }
    let bench: Bench = read(options, "bench", "BenchOptions")?;
    if bench.prompt_tokens == 0 || bench.tokens == 0 || bench.threads == Some(0) {
        let detail = "promptTokens, tokens and threads begin at 1";
        return Err(wrong(detail, "bench", "BenchOptions"));
    }
    Ok(bench)
}

/// What `benchKernels` was given.
///
/// # Errors
/// A `TypeError` that says what makes no sense.
pub fn parse_kernel_bench(options: &JsValue) -> Result<KernelBench, JsValue> {
    read(options, "benchKernels", "KernelBenchOptions")
}

/// What `name` (`processMedicalText` or `soapNote`) was given, and what may stop it. `with_bundle`: whether a Bundle is made
/// where nothing is said of it.
///
/// # Errors
/// A `TypeError` that says what makes no sense.
pub fn parse_consultation(
    options: &JsValue,
    name: &str,
    with_bundle: bool,
) -> Result<(Consultation, Option<AbortSignal>), JsValue> {
    let given: Process = read(options, name, "Consultation")?;
    if given.transcript.trim().is_empty() {
        return Err(wrong("the transcript is empty", name, "Consultation"));
    }
    let consultation = Consultation {
        transcript: given.transcript,
        validate_fhir: given.validate_fhir.unwrap_or(with_bundle),
        use_fallback: given.use_fallback,
        transaction: given.transaction,
        max_tokens: given.max_tokens,
        temperature: given.temperature,
        seed: given.seed,
        patient: given.patient,
        recorded: given.recorded,
    };
    let signal = Reflect::get(options, &"signal".into())?.dyn_into().ok();
    Ok((consultation, signal))
}

/// What `reviewRecord` was given; the Worker says what of it makes no sense.
///
/// # Errors
/// A `TypeError` for what is no object.
pub fn parse_review(review: &JsValue) -> Result<serde_json::Value, JsValue> {
    read(review, "reviewRecord", "Review")
}

/// What `name` was given, by way of JSON; `described_by`: its type in TypeScript.
fn read<T: DeserializeOwned>(
    given: &JsValue,
    name: &str,
    described_by: &str,
) -> Result<T, JsValue> {
    let wrong = |detail: &str| wrong(detail, name, described_by);
    let text = JSON::stringify(given)?.as_string();
    let text = text.ok_or_else(|| wrong(&format!("{name} takes an object")))?;
    serde_json::from_str(&text).map_err(|problem| wrong(&problem.to_string()))
}

fn wrong(detail: &str, name: &str, described_by: &str) -> JsValue {
    type_error(
        detail,
        &format!("Give {name} what {described_by} describes."),
    )
}

/// What `imagingFindings` was given, its pictures, and what may stop it.
///
/// # Errors
/// A `TypeError` that says what makes no sense.
pub fn parse_imaging(options: &JsValue) -> Result<(Imaging, Array, Option<AbortSignal>), JsValue> {
    let wrong = |detail: &str| wrong(detail, "imagingFindings", "Imaging");
    let text = plain(options)?.ok_or_else(|| wrong("imagingFindings takes an object"))?;
    let Pictured {
        question,
        patient,
        max_tokens,
        temperature,
        seed,
    } = serde_json::from_str(&text).map_err(|problem| wrong(&problem.to_string()))?;
    let images = images(options)?;
    if images.length() == 0 {
        return Err(wrong("there is no picture in `images`"));
    }
    let imaging = Imaging {
        question,
        patient,
        max_tokens,
        temperature,
        seed,
    };
    let signal = Reflect::get(options, &"signal".into())?.dyn_into().ok();
    Ok((imaging, images, signal))
}

/// Options as JSON. Pictures and the signal have no such form: they are left out here, and read one by one.
fn plain(options: &JsValue) -> Result<Option<String>, JsValue> {
    let keep =
        Closure::<dyn Fn(String, JsValue) -> JsValue>::new(|key: String, value: JsValue| match key
            .as_str()
        {
            "images" | "signal" => JsValue::UNDEFINED,
            _ => value,
        });
    Ok(JSON::stringify_with_replacer(options, keep.as_ref())?.as_string())
}

/// The pictures among options, as attachments.
fn images(options: &JsValue) -> Result<Array, JsValue> {
    let attachments = Array::new();
    let images = Reflect::get(options, &"images".into())?;
    if !images.is_undefined() && !images.is_null() {
        for image in Array::from(&images) {
            attachments.push(to_blob(image)?.as_ref());
        }
    }
    Ok(attachments)
}

/// Has `stop` be called when the signal says so, or now if it has.
///
/// # Errors
/// What the browser says to a listener.
pub fn on_abort(signal: Option<AbortSignal>, stop: impl FnOnce() + 'static) -> Result<(), JsValue> {
    let Some(signal) = signal else {
        return Ok(());
    };
    if signal.aborted() {
        stop();
        return Ok(());
    }
    let stop = Closure::once_into_js(stop);
    signal.add_event_listener_with_callback("abort", stop.unchecked_ref())
}

/// A `TypeError` with what to do.
pub fn type_error(detail: &str, remedy: &str) -> JsValue {
    let error = js_sys::TypeError::new(detail);
    let _ = Reflect::set(&error, &"remedy".into(), &remedy.into());
    error.into()
}

fn to_blob(image: JsValue) -> Result<Blob, JsValue> {
    match image.dyn_into::<Blob>() {
        Ok(blob) => Ok(blob),
        Err(bytes) => Blob::new_with_buffer_source_sequence(&Array::of1(&bytes)),
    }
}

/// Messages whose last user message begins with the pictures.
fn with_pictures(messages: Vec<PlainMessage>, pictures: u32) -> Vec<Message> {
    let last_user = messages
        .iter()
        .rposition(|message| message.role == Role::User);
    let turn = |(index, message): (usize, PlainMessage)| {
        let shown = if Some(index) == last_user {
            0..pictures
        } else {
            0..0
        };
        let image = |attachment| Part::Image {
            attachment,
            features: None,
        };
        let mut parts: Vec<Part> = shown.map(image).collect();
        if !message.content.is_empty() {
            parts.push(Part::Text {
                text: message.content,
            });
        }
        Message {
            role: message.role,
            parts,
        }
    };
    messages.into_iter().enumerate().map(turn).collect()
}
