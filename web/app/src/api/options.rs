//! The options of `generate`, `bench` and `benchKernels`, from JavaScript objects.

use js_sys::{Array, JSON, Reflect};
use outpost_protocol::{
    BENCH_PROMPT_TOKENS, BENCH_TOKENS, DeviceChoice, Message, Part, ProductShape, Request, Role,
    Sampling,
};
use serde::Deserialize;
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
    // Pictures and the signal have no JSON form; they are left out here and read one by one below.
    let keep =
        Closure::<dyn Fn(String, JsValue) -> JsValue>::new(|key: String, value: JsValue| match key
            .as_str()
        {
            "images" | "signal" => JsValue::UNDEFINED,
            _ => value,
        });
    let text = JSON::stringify_with_replacer(options, keep.as_ref())?;
    let text = text
        .as_string()
        .ok_or_else(|| wrong("generate takes an object".to_owned()))?;
    let plain: Options =
        serde_json::from_str(&text).map_err(|problem| wrong(problem.to_string()))?;
    let attachments = Array::new();
    let images = Reflect::get(options, &"images".into())?;
    if !images.is_undefined() && !images.is_null() {
        for image in Array::from(&images) {
            attachments.push(to_blob(image)?.as_ref());
        }
    }
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
    let wrong = |detail: &str| type_error(detail, "Give bench what BenchOptions describes.");
    if options.is_undefined() || options.is_null() {
        return Ok(Bench::default());
    }
    let text = JSON::stringify(options)?.as_string();
    let text = text.ok_or_else(|| wrong("bench takes an object"))?;
    let bench: Bench =
        serde_json::from_str(&text).map_err(|problem| wrong(&problem.to_string()))?;
    if bench.prompt_tokens == 0 || bench.tokens == 0 || bench.threads == Some(0) {
        return Err(wrong("promptTokens, tokens and threads begin at 1"));
    }
    Ok(bench)
}

/// What `benchKernels` was given.
///
/// # Errors
/// A `TypeError` that says what makes no sense.
pub fn parse_kernel_bench(options: &JsValue) -> Result<KernelBench, JsValue> {
    let wrong = |detail: &str| {
        type_error(
            detail,
            "Give benchKernels what KernelBenchOptions describes.",
        )
    };
    let text = JSON::stringify(options)?.as_string();
    let text = text.ok_or_else(|| wrong("benchKernels takes an object"))?;
    serde_json::from_str(&text).map_err(|problem| wrong(&problem.to_string()))
}

fn type_error(detail: &str, remedy: &str) -> JsValue {
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
