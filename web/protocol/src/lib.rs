//! What the page and the engine's Worker say to each other.
//!
//! A page sends a [`Call`]; the Worker answers with any number of [`Reply`]s that carry the call's id, the last of which
//! is final ([`Event::is_final`]). Both travel by `postMessage` as JSON in the field [`TEXT`]; what has no place in JSON
//! (`File` and `Blob` objects, bytes) travels beside it by structured clone in the field [`ATTACHMENTS`], an array.
//!
//! Invariant: nothing here knows the engine, a browser or a file format.

mod bench;
mod clinic;
mod consultation;
mod evaluation;
mod event;
mod fit;
pub mod format;
mod imaging;
mod model;
mod request;
mod resume;
mod tables;

pub use bench::{BENCH_PROMPT_TOKENS, BENCH_TOKENS, BenchReport, ProductShape, ProductTime};
pub use clinic::ClinicRequest;
pub use consultation::{CodeTable, Consultation, Health, ModelInUse, Trouble};
pub use evaluation::{
    AnswerBy, EVALUATIONS, Evaluated, EvaluationOptions, EvaluationProgress, Interval, Share,
};
pub use event::{Event, Figures, FinishReason, Stage, Unit};
pub use fit::{Fit, Need, Rating, Verdict};
pub use imaging::Imaging;
pub use model::{Adapter, DeviceKind, ModelFile, ModelInfo, ModelState, ModelStatus, Stats};
pub use request::{Consent, DeviceChoice, Message, Part, Request, Role, Sampling};
pub use resume::ShownTokens;
pub use tables::{TableInfo, TableKind, TableStatus};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The field of a posted message that holds the JSON text.
pub const TEXT: &str = "text";
/// The field of a posted message that holds the array of `File`, `Blob` or `Uint8Array` objects.
pub const ATTACHMENTS: &str = "attachments";
/// Id of the model that ships with the application.
pub const DEMO_MODEL: &str = "demo";
/// Where the demonstration model lies, relative to the page.
pub const DEMO_MANIFEST: &str = "models/demo/manifest.json";

/// Names one call of a page; unique within one Worker.
pub type CallId = u32;

/// One request of the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The page's number for this call.
    pub id: CallId,
    /// What is asked.
    pub request: Request,
}

/// One answer of the Worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The call that it belongs to; `None` when the Worker as a whole has failed.
    pub id: Option<CallId>,
    /// What happened.
    pub event: Event,
}

/// A message as JSON text.
///
/// # Errors
/// Says what could not be written.
pub fn encode<T: Serialize>(message: &T) -> Result<String, String> {
    serde_json::to_string(message).map_err(|error| error.to_string())
}

/// A message from JSON text.
///
/// # Errors
/// Says what was not understood.
pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: &T) {
        let text = encode(message).unwrap();
        assert_eq!(&decode::<T>(&text).unwrap(), message, "{text}");
    }

    fn report() -> BenchReport {
        BenchReport {
            adapter: "x".into(),
            device: DeviceKind::Gpu,
            threads: 1,
            switched_off: vec!["products in tiles of 8".into()],
            load_ms: 3.0,
            prompt_tokens: 128,
            prefill_ms: 0.5,
            prefill_tok_s: 256_000.0,
            decoded_tokens: 32,
            decode_ms: 100.0,
            decode_tok_s: 320.0,
            weight_bytes: Some(1 << 40),
            bytes_read_per_token: Some(1),
            dispatches_per_token: Some(2),
            submits_per_token: Some(3),
            readback_bytes_per_token: None,
            gpu_bytes_peak: None,
            wasm_heap_bytes: Some(4),
        }
    }

    const PRODUCT: ProductShape = ProductShape {
        rows: 64,
        cols: 32,
        tokens: 1,
    };

    #[test]
    fn every_request_survives_the_way_to_the_worker() {
        let generate = Request::Generate {
            messages: vec![Message {
                role: Role::User,
                parts: vec![
                    Part::Image {
                        attachment: 0,
                        features: Some(1),
                    },
                    Part::Text {
                        text: "what? \u{1F4A1}\n\"x\"".into(),
                    },
                ],
            }],
            max_tokens: 7,
            sampling: Sampling {
                temperature: 0.5,
                seed: u64::MAX,
                ..Sampling::default()
            },
        };
        for request in [
            Request::Init,
            Request::ListModels,
            Request::ImportFiles {
                name: Some("a".into()),
                consent: Consent::Ask,
            },
            Request::Fetch {
                addresses: vec!["https://host/m.gguf".into()],
                consent: Consent::Given,
            },
            Request::Download {
                manifest_url: DEMO_MANIFEST.into(),
            },
            Request::Load {
                model: DEMO_MODEL.into(),
                device: DeviceChoice::Cpu,
                threads: Some(4),
                take_over: true,
            },
            generate,
            Request::Bench {
                prompt_tokens: BENCH_PROMPT_TOKENS,
                tokens: 0,
            },
            Request::BenchKernels {
                shapes: vec![PRODUCT],
                device: DeviceChoice::Gpu,
            },
            Request::Cancel { call: 3 },
            Request::Delete {
                model: DEMO_MODEL.into(),
            },
            Request::Stats,
            Request::Forget,
            Request::Clinic {
                ask: ClinicRequest::ImportTable {
                    kind: Some(TableKind::RxNorm),
                    title: None,
                    release: Some("1".into()),
                },
            },
            Request::Clinic {
                ask: ClinicRequest::RemoveTable { id: "1".into() },
            },
        ] {
            round_trip(&Call { id: 9, request });
        }
    }

    #[test]
    fn every_event_survives_the_way_to_the_page() {
        let adapter = Adapter {
            kind: DeviceKind::Gpu,
            name: "x".into(),
            why_not_gpu: None,
        };
        let model = ModelInfo {
            id: "m".into(),
            name: "M".into(),
            bytes: 1,
            vision: true,
            notice: None,
            terms: None,
            accepted_ms: Some(1),
            source: "m.gguf".into(),
            status: ModelStatus::Damaged {
                missing: vec!["text-00001-of-00002.bin".into()],
            },
        };
        let figures = Figures {
            prompt_tokens: 1,
            completion_tokens: 2,
            prefill_ms: 0.5,
            decode_ms: 100.0,
        };
        let events = [
            Event::Ready {
                adapter: adapter.clone(),
            },
            Event::Models {
                models: vec![model.clone()],
            },
            Event::Installed { model },
            Event::TermsAsked {
                name: "M".into(),
                terms: "t".into(),
                notice: String::new(),
            },
            Event::State {
                model: Some("m".into()),
                state: ModelState::Verifying,
            },
            Event::Progress {
                stage: Stage::Copying,
                done: 1,
                total: 2,
                unit: Unit::Bytes,
            },
            Event::Progress {
                stage: Stage::Measuring,
                done: 1,
                total: 2,
                unit: Unit::Tokens,
            },
            Event::PictureEncoded {
                picture: 1,
                features: Vec::new(),
            },
            Event::Token {
                token: 5,
                text: "é".into(),
                thought: false,
            },
            Event::Finished {
                reason: FinishReason::Length,
                text: "é".into(),
                figures,
            },
            Event::Loaded {
                adapter,
                load_ms: 3.0,
            },
            Event::Benched { report: report() },
            Event::KernelsBenched {
                times: vec![ProductTime {
                    shape: PRODUCT,
                    ms: 0.25,
                }],
            },
            Event::Stats {
                stats: Stats::default(),
            },
            Event::TableImported {
                id: "1".into(),
                tables: vec![TableInfo {
                    id: "1".into(),
                    kind: TableKind::Conditions,
                    title: "t".into(),
                    release: String::new(),
                    system: "urn:own".into(),
                    codes: 1,
                    bytes: 2,
                    source: "t.csv".into(),
                    added_ms: 3,
                    status: TableStatus::Changed,
                }],
            },
            Event::Done,
            Event::Cancelled,
            Event::failed("a", "b"),
        ];
        for event in events {
            round_trip(&Reply { id: Some(1), event });
        }
    }

    #[test]
    fn a_report_has_every_key_and_null_where_nothing_is_counted() {
        let text = encode(&report()).unwrap();
        let found: serde_json::Map<String, serde_json::Value> = decode(&text).unwrap();
        let mut keys: Vec<&str> = found.keys().map(String::as_str).collect();
        let mut wanted = [
            "adapter",
            "device",
            "threads",
            "switched_off",
            "load_ms",
            "prompt_tokens",
            "prefill_ms",
            "prefill_tok_s",
            "decoded_tokens",
            "decode_ms",
            "decode_tok_s",
            "weight_bytes",
            "bytes_read_per_token",
            "dispatches_per_token",
            "submits_per_token",
            "readback_bytes_per_token",
            "gpu_bytes_peak",
            "wasm_heap_bytes",
        ];
        keys.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(keys, wanted);
        assert_eq!(found["device"], "gpu");
        assert!(found["gpu_bytes_peak"].is_null());
    }

    #[test]
    fn a_load_that_names_no_threads_leaves_their_number_open() {
        let text = r#"{"id":1,"request":{"do":"load","model":"m","device":"auto"}}"#;
        let request = Request::Load {
            model: "m".into(),
            device: DeviceChoice::Auto,
            threads: None,
            take_over: false,
        };
        assert_eq!(decode::<Call>(text).unwrap().request, request);
    }

    #[test]
    fn features_are_given_to_the_picture_that_they_are_of() {
        let image = |attachment, features| Part::Image {
            attachment,
            features,
        };
        let asked = |first: &[Part], second: &[Part]| Request::Generate {
            messages: [first, second]
                .map(|parts| Message {
                    role: Role::User,
                    parts: parts.to_vec(),
                })
                .to_vec(),
            max_tokens: 1,
            sampling: Sampling::default(),
        };
        let text = Part::Text { text: "and".into() };
        let mut request = asked(
            &[image(0, None), text.clone()],
            &[text.clone(), image(1, None), image(2, None)],
        );
        request.add_features(1, 3);
        request.add_features(9, 4);
        let expected = asked(
            &[image(0, None), text.clone()],
            &[text, image(1, Some(3)), image(2, None)],
        );
        assert_eq!(request, expected);
    }

    #[test]
    fn a_picture_without_features_needs_no_word_for_that() {
        let text = r#"{"image":{"attachment":2}}"#;
        let part: Part = decode(text).unwrap();
        assert_eq!(encode(&part).unwrap(), text);
    }

    #[test]
    fn a_call_ends_with_exactly_one_final_event() {
        assert!(
            !Event::Token {
                token: 0,
                text: String::new(),
                thought: false
            }
            .is_final()
        );
        assert!(
            !Event::State {
                model: None,
                state: ModelState::Absent
            }
            .is_final()
        );
        assert!(
            Event::Done.is_final()
                && Event::Cancelled.is_final()
                && Event::failed("", "").is_final()
        );
    }

    #[test]
    fn speed_counts_the_steps_between_tokens() {
        let figures = Figures {
            prompt_tokens: 9,
            completion_tokens: 21,
            prefill_ms: 1.0,
            decode_ms: 2000.0,
        };
        assert_eq!(figures.tokens_per_second(), Some(10.0));
        let one = Figures {
            completion_tokens: 1,
            ..figures
        };
        assert_eq!(one.tokens_per_second(), None);
    }
}
