//! `window.outpost`: the public client, for pages that want the engine without this page's own controls.

mod clinic;
mod evaluation;
mod options;
mod tables;

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, JSON, Object, Promise, Reflect};
use outpost_protocol::{Consent, DeviceChoice, Event, Fit, Need, Request, Verdict};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use crate::client::{Answers, Client, Load, text_of};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("api/types.ts");

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "GenerateOptions")]
    pub type JsGenerateOptions;
    #[wasm_bindgen(typescript_type = "BenchOptions")]
    pub type JsBenchOptions;
    #[wasm_bindgen(typescript_type = "Promise<BenchReport>")]
    pub type JsBenchPromise;
    #[wasm_bindgen(typescript_type = "Promise<Fit>")]
    pub type JsFitPromise;
    #[wasm_bindgen(typescript_type = "KernelBenchOptions")]
    pub type JsKernelBenchOptions;
    #[wasm_bindgen(typescript_type = "Promise<ProductTime[]>")]
    pub type JsProductTimesPromise;
    #[wasm_bindgen(typescript_type = "Promise<Adapter>")]
    pub type JsAdapterPromise;
    #[wasm_bindgen(typescript_type = "Promise<ModelInfo>")]
    pub type JsModelPromise;
    #[wasm_bindgen(typescript_type = "Promise<ModelFile>")]
    pub type JsModelFilePromise;
    #[wasm_bindgen(typescript_type = "Promise<ModelInfo[]>")]
    pub type JsModelsPromise;
    #[wasm_bindgen(typescript_type = "Promise<IteratorResult<Token, undefined>>")]
    pub type JsTokenPromise;
    #[wasm_bindgen(typescript_type = "Promise<Record<string, number | string | null>>")]
    pub type JsStatsPromise;
    #[wasm_bindgen(typescript_type = "Iterable<File> | ArrayLike<File>")]
    pub type JsFiles;
}

/// The engine, as a page uses it.
#[wasm_bindgen]
#[derive(Clone)]
pub struct Outpost {
    client: Client,
    /// Resolves once whoever made this client has finished its own preparations.
    prepared: Option<Promise>,
}

impl Outpost {
    /// The client of a page that prepares a model itself; `ready()` waits for that.
    pub fn prepared_by(client: Client, prepared: Promise) -> Self {
        Self {
            client,
            prepared: Some(prepared),
        }
    }

    fn promise<T: JsCast>(&self, request: Request, attachments: Array) -> T {
        let client = self.client.clone();
        let promise =
            future_to_promise(
                async move { to_js(client.call(request, &attachments).last().await) },
            );
        promise.unchecked_into()
    }
}

#[wasm_bindgen]
impl Outpost {
    /// An engine of its own, in a Worker made from `worker.js` beside the page.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self {
            client: Client::default(),
            prepared: None,
        }
    }

    /// Resolves once the engine runs, and with it the page's own model if it has one.
    pub fn ready(&self) -> JsAdapterPromise {
        let (client, prepared) = (self.client.clone(), self.prepared.clone());
        let ready = async move {
            if let Some(prepared) = prepared {
                JsFuture::from(prepared).await?;
            }
            to_js(client.ask(Request::Init).await)
        };
        future_to_promise(ready).unchecked_into()
    }

    /// Every installed model.
    pub fn models(&self) -> JsModelsPromise {
        self.promise(Request::ListModels, Array::new())
    }

    /// Installs GGUF files, a text model and, for pictures, its mmproj; or a shard set, as its archive or file by file.
    #[wasm_bindgen(js_name = importFiles)]
    pub fn import_files(&self, files: JsFiles) -> JsModelPromise {
        self.promise(
            Request::ImportFiles {
                name: None,
                consent: Consent::NotAsked,
            },
            Array::from(&files),
        )
    }

    /// Installs the shard set whose manifest lies at `url`. An interrupted download continues.
    pub fn download(&self, url: String) -> JsModelPromise {
        self.promise(Request::Download { manifest_url: url }, Array::new())
    }

    /// Puts an installed model on the device: "auto", "gpu" or "cpu". `threads` are those on the processor, the engine's own
    /// among them; as many as suit if not given. Only one tab has the engine: `take_over` ends it in another one.
    pub fn load(
        &self,
        id: String,
        device: Option<String>,
        threads: Option<u32>,
        take_over: Option<bool>,
    ) -> JsAdapterPromise {
        let device = device.as_deref().and_then(DeviceChoice::named);
        let load = Load {
            model: id,
            device: device.unwrap_or_default(),
            threads,
            take_over: take_over.unwrap_or(false),
        };
        self.promise(load.into(), Array::new())
    }

    /// Compares an installed model with its manifest.
    pub fn verify(&self, id: String) -> JsModelsPromise {
        self.promise(Request::Verify { model: id }, Array::new())
    }

    /// Offers an installed model as one file, to be saved and given to `importFiles` on another device. Its address is
    /// valid until `URL.revokeObjectURL`.
    #[wasm_bindgen(js_name = exportModel)]
    pub fn export_model(&self, id: String) -> JsModelFilePromise {
        self.promise(Request::Export { model: id }, Array::new())
    }

    /// Removes an installed model.
    pub fn remove(&self, id: String) -> JsModelsPromise {
        self.promise(Request::Delete { model: id }, Array::new())
    }

    /// Answers a conversation: `for await (const { text, tokenId } of outpost.generate({ messages })) …`.
    ///
    /// # Errors
    /// A `TypeError` for options that make no sense. What fails later is thrown by the iteration.
    pub fn generate(&self, options: JsGenerateOptions) -> Result<TokenStream, JsValue> {
        let (request, attachments, signal) = options::parse(options.as_ref())?;
        let answers = self.client.call(request, &attachments);
        let stream = TokenStream {
            client: self.client.clone(),
            id: answers.id(),
            answers: Rc::new(RefCell::new(Some(answers))),
        };
        let aborted = stream.clone();
        options::on_abort(signal, move || aborted.client.cancel(aborted.id))?;
        Ok(stream)
    }

    /// Measures the loaded model with a prompt and an answer of exact lengths. Where a device or threads are named, the
    /// model is loaded there first.
    pub fn bench(&self, options: Option<JsBenchOptions>) -> JsBenchPromise {
        let client = self.client.clone();
        let bench = async move {
            let options = options::parse_bench(options.as_deref().unwrap_or(&JsValue::UNDEFINED))?;
            if options.device.is_some() || options.threads.is_some() {
                let load = client.loaded().ok_or_else(|| {
                    error("No model is loaded.", "Load one before it is measured.")
                })?;
                let load = Load {
                    device: options.device.unwrap_or(load.device),
                    threads: options.threads.or(load.threads),
                    ..load
                };
                to_js(client.ask(load.into()).await)?;
            }
            let request = Request::Bench {
                prompt_tokens: options.prompt_tokens,
                tokens: options.tokens,
            };
            to_js(client.ask(request).await)
        };
        future_to_promise(bench).unchecked_into()
    }

    /// Finds out how MedGemma 4B in Q4_0 would run here, or a model of these sizes: bytes of all files, and of the text
    /// model's weights.
    pub fn fit(&self, stored_bytes: Option<f64>, weight_bytes: Option<f64>) -> JsFitPromise {
        let usual = Need::MEDGEMMA_4B;
        let need = Need {
            stored_bytes: stored_bytes.map_or(usual.stored_bytes, |bytes| bytes as u64),
            weight_bytes: weight_bytes.map_or(usual.weight_bytes, |bytes| bytes as u64),
        };
        self.promise(Request::Fit { need }, Array::new())
    }

    /// Measures single products, beside those of other engines.
    #[wasm_bindgen(js_name = benchKernels)]
    pub fn bench_kernels(&self, options: &JsKernelBenchOptions) -> JsProductTimesPromise {
        let client = self.client.clone();
        let parsed = options::parse_kernel_bench(options.as_ref());
        let bench = async move {
            let options::KernelBench { shapes, device } = parsed?;
            to_js(client.ask(Request::BenchKernels { shapes, device }).await)
        };
        future_to_promise(bench).unchecked_into()
    }

    /// Counters with the names of `outpost bench`; null where nothing was measured.
    pub fn stats(&self) -> JsStatsPromise {
        self.promise(Request::Stats, Array::new())
    }
}

impl Default for Outpost {
    fn default() -> Self {
        Self::new()
    }
}

/// The tokens of one answer: an async iterator.
#[wasm_bindgen]
#[derive(Clone)]
pub struct TokenStream {
    client: Client,
    id: u32,
    /// Empty while a `next` waits, and after the end.
    answers: Rc<RefCell<Option<Answers>>>,
}

#[wasm_bindgen]
impl TokenStream {
    /// Itself.
    #[wasm_bindgen(js_name = "[Symbol.asyncIterator]")]
    pub fn async_iterator(&self) -> TokenStream {
        self.clone()
    }

    /// The next token.
    pub fn next(&self) -> JsTokenPromise {
        let shared = Rc::clone(&self.answers);
        let next = async move {
            let Some(mut answers) = shared.take() else {
                return iteration(None);
            };
            loop {
                match answers.next().await {
                    Some(Event::Token {
                        token,
                        text,
                        thought,
                    }) => {
                        *shared.borrow_mut() = Some(answers);
                        return iteration(Some((token, &text, thought)));
                    }
                    Some(Event::Failed { message, remedy }) => {
                        return Err(error(&message, &remedy));
                    }
                    Some(Event::InUse) => return to_js(Event::InUse),
                    // What was handed out cannot be taken back.
                    Some(Event::Restarted) => {
                        answers.cancel();
                        return Err(error(
                            "The engine started again, and its answer is another one.",
                            "Ask once more.",
                        ));
                    }
                    Some(_) => {}
                    None => return iteration(None),
                }
            }
        };
        future_to_promise(next).unchecked_into()
    }

    /// Ends the answer early; what `break` in a `for await` calls.
    #[wasm_bindgen(js_name = "return")]
    pub fn stop(&self) -> JsTokenPromise {
        self.client.cancel(self.id);
        self.answers.take();
        future_to_promise(async { iteration(None) }).unchecked_into()
    }
}

fn iteration(token: Option<(u32, &str, bool)>) -> Result<JsValue, JsValue> {
    let result = Object::new();
    Reflect::set(&result, &"done".into(), &token.is_none().into())?;
    if let Some((id, text, thought)) = token {
        let value = Object::new();
        Reflect::set(&value, &"text".into(), &text.into())?;
        Reflect::set(&value, &"tokenId".into(), &id.into())?;
        Reflect::set(&value, &"thought".into(), &thought.into())?;
        Reflect::set(&result, &"value".into(), &value)?;
    }
    Ok(result.into())
}

/// The value of a final event.
fn to_js(event: Event) -> Result<JsValue, JsValue> {
    let text = match event {
        Event::Ready { adapter } | Event::Loaded { adapter, .. } => {
            outpost_protocol::encode(&adapter)
        }
        Event::Models { models } => outpost_protocol::encode(&models),
        Event::Installed { model } => outpost_protocol::encode(&model),
        Event::Exported { file } => outpost_protocol::encode(&file),
        Event::Benched { report } => outpost_protocol::encode(&report),
        Event::Fits { fit } => {
            let verdict = fit.verdict();
            outpost_protocol::encode(&FitWithVerdict { fit, verdict })
        }
        Event::KernelsBenched { times } => outpost_protocol::encode(&times),
        Event::Processed { result } => outpost_protocol::encode(&result),
        Event::Healthy { health } => outpost_protocol::encode(&health),
        Event::Tables { tables } => outpost_protocol::encode(&tables),
        Event::TableImported { id, tables } => {
            outpost_protocol::encode(&tables.into_iter().find(|table| table.id == id))
        }
        Event::Stats { stats } => outpost_protocol::encode(&stats),
        Event::Failed { message, remedy } => return Err(error(&message, &remedy)),
        Event::InUse => {
            return Err(error(
                "The engine is at work in another tab of this page.",
                "Close that tab, or take the engine over.",
            ));
        }
        Event::Cancelled => {
            return Err(error(
                "This was stopped.",
                "Begin it again when you want it.",
            ));
        }
        _ => return Ok(JsValue::UNDEFINED),
    };
    JSON::parse(&text.map_err(|problem| error(&problem, ""))?)
}

/// What was found, and what it comes to.
#[derive(serde::Serialize)]
struct FitWithVerdict {
    #[serde(flatten)]
    fit: Fit,
    verdict: Verdict,
}

fn error(message: &str, remedy: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    let _ = Reflect::set(&error, &"remedy".into(), &remedy.into());
    error.into()
}

/// Makes `client` the page's `window.outpost`.
pub fn publish(outpost: Outpost) {
    let value = JsValue::from(outpost);
    if let Err(problem) = Reflect::set(&js_sys::global(), &"outpost".into(), &value) {
        web_sys::console::warn_1(&text_of(&problem).into());
    }
}
