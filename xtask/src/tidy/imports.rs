//! What each part must never do, as the names that its code may not use.

use super::{Breach, source, tree::SourceFile};

/// Names that are forbidden below some folders.
struct Rule {
    /// Folders or files, relative to the checkout.
    parts: &'static [&'static str],
    /// Paths that must not be used, nor anything below them.
    forbidden: &'static [&'static str],
    because: &'static str,
}

const RULES: [Rule; 13] = [
    Rule {
        parts: &["engine/src", "clinic/src"],
        forbidden: &[
            "web_sys",
            "js_sys",
            "wasm_bindgen",
            "wasm_bindgen_futures",
            "gloo",
            "std::fs",
            "std::time",
            "std::thread",
            "std::net",
            "std::env",
            "std::process",
            "rayon",
        ],
        because: "the engine and the clinic are pure: the world comes in through ports",
    },
    Rule {
        parts: &["store/src"],
        forbidden: &[
            "web_sys",
            "js_sys",
            "wasm_bindgen",
            "wasm_bindgen_futures",
            "gloo",
            "std::fs",
            "std::time",
            "std::thread",
            "std::net",
            "std::env",
            "std::process",
            "rayon",
            "rand",
            "getrandom",
            "burn",
            "burn_flex",
            "cubecl",
        ],
        because: "the store is pure: the disk comes in through a port, the time from whoever calls",
    },
    Rule {
        parts: &["engine/src/weights"],
        forbidden: &[
            "burn",
            "burn_flex",
            "cubecl",
            "crate::kernels",
            "crate::tokenizer",
            "crate::image",
            "crate::model",
            "crate::chat",
            "crate::sampler",
            "crate::session",
        ],
        because: "weights turns untrusted bytes into typed tensors and knows of no device and no model",
    },
    Rule {
        parts: &["engine/src/tokenizer"],
        forbidden: &[
            "burn",
            "cubecl",
            "crate::kernels",
            "crate::image",
            "crate::model",
            "crate::chat",
            "crate::sampler",
            "crate::session",
        ],
        because: "the tokenizer knows text, ids and the metadata that it is made from",
    },
    Rule {
        parts: &["engine/src/image"],
        forbidden: &[
            "burn",
            "cubecl",
            "crate::weights",
            "crate::kernels",
            "crate::tokenizer",
            "crate::model",
            "crate::chat",
            "crate::sampler",
            "crate::session",
        ],
        because: "image turns bytes into pixels and knows nothing else",
    },
    Rule {
        parts: &["engine/src/kernels"],
        forbidden: &[
            "crate::tokenizer",
            "crate::image",
            "crate::model",
            "crate::chat",
            "crate::sampler",
            "crate::session",
        ],
        because: "kernels lie below the model",
    },
    Rule {
        parts: &["engine/src/model"],
        forbidden: &[
            "crate::weights::gguf",
            "crate::weights::safetensors",
            "crate::weights::shards",
            "crate::weights::Gguf",
            "crate::weights::Safetensors",
            "crate::weights::ShardSet",
            "crate::tokenizer",
            "crate::chat",
            "crate::sampler",
            "crate::session",
        ],
        because: "the model reads any source of weights: it knows no file format and no tokenizer",
    },
    Rule {
        parts: &[
            "engine/src/chat.rs",
            "engine/src/chat",
            "engine/src/sampler.rs",
            "engine/src/sampler",
        ],
        forbidden: &["crate::model", "crate::session"],
        because: "chat and sampler lie beside the model and below the session",
    },
    Rule {
        parts: &["engine/src/error.rs", "engine/src/ports.rs"],
        forbidden: &[
            "burn",
            "cubecl",
            "crate::weights",
            "crate::kernels",
            "crate::tokenizer",
            "crate::image",
            "crate::model",
            "crate::chat",
            "crate::sampler",
            "crate::session",
        ],
        because: "errors and ports are leaves",
    },
    Rule {
        parts: &["web/app/src"],
        forbidden: &[
            "outpost_engine",
            "outpost_clinic",
            "outpost_worker",
            "burn",
            "cubecl",
        ],
        because: "the page speaks the protocol to the Worker: it holds no tensors and no weights",
    },
    Rule {
        parts: &["web/protocol/src"],
        forbidden: &[
            "web_sys",
            "js_sys",
            "wasm_bindgen",
            "outpost_engine",
            "outpost_clinic",
        ],
        because: "the protocol is plain data, the same on both sides",
    },
    Rule {
        parts: &["vault/src"],
        forbidden: &[
            "web_sys",
            "js_sys",
            "wasm_bindgen",
            "wasm_bindgen_futures",
            "gloo",
            "std::fs",
            "std::time",
            "std::thread",
            "std::net",
            "std::env",
            "std::process",
            "outpost_engine",
            "outpost_protocol",
        ],
        because: "the vault is pure: storage, cipher and time come in through ports and arguments",
    },
    Rule {
        parts: &["clinic/src", "models/src", "vault/src", "web/worker/src"],
        forbidden: &["outpost_app"],
        because: "imports point one way: nothing imports the page",
    },
];

/// Words that kernels do not know, whatever they stand in.
const MODEL_NAMES: [&str; 3] = ["gemma", "siglip", "medgemma"];

/// What the service worker must not touch: models and patients' data, and code outside its folder.
const SERVICE_WORKER_WORDS: [(&str, &str); 6] = [
    ("navigator.storage", "it never opens OPFS"),
    ("getDirectory", "it never opens OPFS"),
    ("indexedDB", "it keeps no data but the precache"),
    ("\"../", "it uses nothing outside its folder"),
    ("'../", "it uses nothing outside its folder"),
    ("http", "it speaks to its own origin alone"),
];

/// Checks one file.
pub fn check(file: &SourceFile) -> Vec<Breach> {
    let mut breaches = Vec::new();
    if file.is_rust() && !file.is_test() {
        check_names(file, &mut breaches);
    }
    if lies_in(&file.path, "engine/src/kernels") {
        check_words(file, &mut breaches, |line| {
            let line = line.to_lowercase();
            MODEL_NAMES
                .iter()
                .find(|name| line.contains(*name))
                .map(|name| {
                    format!("`{name}`: kernels have no knowledge of the model that uses them")
                })
        });
    }
    if lies_in(&file.path, "service-worker") && file.path.ends_with("js") {
        check_words(file, &mut breaches, |line| {
            let code = line.split("//").next().unwrap_or_default();
            SERVICE_WORKER_WORDS
                .iter()
                .find(|(word, _)| code.contains(word))
                .map(|(word, because)| {
                    format!("`{word}`: the service worker serves the application; {because}")
                })
        });
    }
    breaches
}

fn check_names(file: &SourceFile, breaches: &mut Vec<Breach>) {
    let rules: Vec<&Rule> = RULES
        .iter()
        .filter(|rule| rule.parts.iter().any(|part| lies_in(&file.path, part)))
        .collect();
    if rules.is_empty() {
        return;
    }
    // A file that is not Rust is reported by the rules on shape.
    for name in source::names(&file.text, false).unwrap_or_default() {
        for rule in &rules {
            if let Some(forbidden) = rule
                .forbidden
                .iter()
                .find(|path| lies_below(&name.text, path))
            {
                breaches.push(Breach {
                    file: file.path.clone(),
                    line: name.line,
                    message: format!("`{forbidden}` must not be used here: {}", rule.because),
                });
            }
        }
    }
}

fn check_words(
    file: &SourceFile,
    breaches: &mut Vec<Breach>,
    judge: impl Fn(&str) -> Option<String>,
) {
    for (index, line) in file.text.lines().enumerate() {
        if let Some(message) = judge(line) {
            breaches.push(Breach {
                file: file.path.clone(),
                line: index + 1,
                message,
            });
        }
    }
}

fn lies_in(path: &str, part: &str) -> bool {
    path.strip_prefix(part)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether `name` is `path` or begins with it. A lone first segment counts only as the start of a path: a
/// local variable may be called `burn`, but an import or a path may not begin with it.
fn lies_below(name: &str, path: &str) -> bool {
    match name.strip_prefix(path) {
        Some("") => path.contains("::"),
        Some(rest) => rest.starts_with("::"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(path: &str, text: &str) -> Vec<Breach> {
        check(&SourceFile {
            path: path.to_owned(),
            text: format!("//! x\n{text}\n"),
        })
    }

    #[test]
    fn every_rule_can_fail() {
        for (path, bad) in [
            ("engine/src/session/core.rs", "use web_sys::Window;"),
            ("engine/src/session/core.rs", "use js_sys::Promise;"),
            (
                "engine/src/kernels/gpu/mod.rs",
                "use wasm_bindgen::prelude::*;",
            ),
            ("engine/src/weights/gguf.rs", "use std::fs::File;"),
            (
                "engine/src/sampler.rs",
                "fn f() { let _ = std::time::Instant::now(); }",
            ),
            ("engine/src/image/decode.rs", "use std::{io, thread};"),
            ("clinic/src/soap.rs", "use std::{env, fmt};"),
            ("store/src/library.rs", "use std::fs::File;"),
            ("store/src/journal/format.rs", "use burn::tensor::Tensor;"),
            ("engine/src/weights/gguf.rs", "use burn::tensor::Tensor;"),
            (
                "engine/src/weights/gguf.rs",
                "use crate::kernels::matrix::Matrix;",
            ),
            (
                "engine/src/tokenizer/spm.rs",
                "use crate::chat::ChatTemplate;",
            ),
            ("engine/src/image/mod.rs", "use crate::weights::Metadata;"),
            (
                "engine/src/kernels/ops.rs",
                "use crate::model::config::Config;",
            ),
            ("engine/src/kernels/ops.rs", "fn gemma_norm() {}"),
            (
                "engine/src/model/decoder.rs",
                "use crate::weights::gguf::Gguf;",
            ),
            (
                "engine/src/model/decoder.rs",
                "use crate::{tokenizer::Tokenizer, error::Result};",
            ),
            ("engine/src/chat.rs", "use crate::session::Engine;"),
            ("engine/src/ports.rs", "use crate::weights::Metadata;"),
            (
                "web/app/src/client.rs",
                "use outpost_engine::session::Engine;",
            ),
            ("web/protocol/src/lib.rs", "use wasm_bindgen::JsValue;"),
            ("web/worker/src/lib.rs", "use outpost_app::state::State;"),
            ("vault/src/vault.rs", "use web_sys::SubtleCrypto;"),
            (
                "vault/src/content.rs",
                "fn now() -> u64 { std::time::SystemTime::now(); 0 }",
            ),
            (
                "service-worker/sw.js",
                "const root = await navigator.storage.getDirectory();",
            ),
            ("service-worker/sw.js", "import { x } from \"../web/x.js\";"),
            (
                "service-worker/sw.js",
                "fetch('https://elsewhere.example');",
            ),
        ] {
            assert!(!breaches(path, bad).is_empty(), "{path}: {bad}");
        }
    }

    #[test]
    fn a_breach_names_its_line_and_its_reason() {
        let found = breaches("engine/src/weights/gguf.rs", "\nuse burn::tensor::Tensor;");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 3);
        assert!(
            found[0].message.contains("no device"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn what_is_allowed_passes() {
        for (path, good) in [
            ("engine/src/kernels/gpu/mod.rs", "use burn::tensor::Tensor;"),
            (
                "engine/src/model/decoder.rs",
                "use crate::weights::WeightSource;",
            ),
            ("engine/src/weights/gguf.rs", "use crate::error::Result;"),
            (
                "engine/src/weights/gguf.rs",
                "#[cfg(test)]\nmod tests { use std::fs; }",
            ),
            ("engine/src/weights/tests.rs", "use std::fs;"),
            ("engine/tests/golden.rs", "use std::fs;"),
            (
                "engine/src/weights/gguf.rs",
                "fn f(burn: u8) -> u8 { burn }",
            ),
            ("models/src/main.rs", "use std::fs;"),
            (
                "service-worker/sw.js",
                "self.addEventListener('fetch', answer); // not navigator.storage",
            ),
        ] {
            assert!(breaches(path, good).is_empty(), "{path}: {good}");
        }
    }
}
