//! Folders that are broken, incomplete or something else: each is refused with a reason.

use outpost_engine::error::Error;
use outpost_engine::weights::huggingface::{INDEX, MAX_DOCUMENT_BYTES, WEIGHTS};
use serde_json::{Value, json};

use super::folder::{Folder, file};

fn refusal(folder: &Folder) -> String {
    folder.open(None).unwrap_err().to_string()
}

fn index(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Folder {
    let mut folder = Folder::golden();
    let mut index: Value = serde_json::from_slice(&folder.documents[INDEX]).unwrap();
    change(index["weight_map"].as_object_mut().unwrap());
    folder
        .documents
        .insert(INDEX.to_owned(), serde_json::to_vec(&index).unwrap());
    folder
}

/// The golden folder with one value of `config.json` replaced.
fn config(path: &str, value: Value) -> Folder {
    Folder::golden().config(|config| {
        let (parent, key) = path.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value;
    })
}

#[test]
fn configurations_of_something_else_are_refused() {
    let rope = "/text_config/rope_parameters";
    let cases = [
        ("/model_type", json!("llama"), "a model of type `llama`"),
        ("/model_type", json!("gemma3n"), "a model of type `gemma3n`"),
        ("/model_type", Value::Null, "config.json is damaged"),
        (
            "/architectures",
            json!(["Gemma3ForSequenceClassification"]),
            "Gemma3ForSequenceClassification",
        ),
        (
            "/quantization_config",
            json!({ "bits": 4 }),
            "quantised already",
        ),
        (
            "/text_config/hidden_size",
            json!(-1),
            "config.json is damaged",
        ),
        (
            "/text_config/hidden_size",
            json!(1e99),
            "config.json is damaged",
        ),
        ("/text_config", json!("large"), "config.json is damaged"),
        (
            "/text_config/hidden_activation",
            json!("relu"),
            "activation `relu`",
        ),
        (
            "/text_config/attention_bias",
            json!(true),
            "attention with biases",
        ),
        (
            "/text_config/final_logit_softcapping",
            json!(30.0),
            "softcapping",
        ),
        (
            "/text_config/attn_logit_softcapping",
            json!(50.0),
            "softcapping",
        ),
        (
            "/text_config/use_bidirectional_attention",
            json!(true),
            "both directions",
        ),
        (
            "/text_config/query_pre_attn_scalar",
            json!(168),
            "implies 32",
        ),
        (
            "/text_config/num_attention_heads",
            json!(0),
            "num_attention_heads is 0",
        ),
        (
            "/text_config/layer_types",
            json!(vec!["chunked_attention"; 7]),
            "chunked_attention",
        ),
        (
            "/text_config/rope_parameters/rope_theta",
            json!(1e6),
            "unknown field `rope_theta`",
        ),
        (
            &format!("{rope}/full_attention/rope_type"),
            json!("yarn"),
            "type `yarn`",
        ),
        (
            &format!("{rope}/full_attention/factor"),
            Value::Null,
            "no factor",
        ),
        (
            &format!("{rope}/sliding_attention/rope_type"),
            json!("linear"),
            "in sliding layers",
        ),
        (
            "/vision_config/hidden_act",
            json!("gelu"),
            "activation `gelu`",
        ),
        ("/vision_config/num_channels", json!(1), "1 colours"),
        (
            "/vision_config/patch_size",
            json!(0),
            "no multiple of patch_size 0",
        ),
        (
            "/vision_config/patch_size",
            json!(13),
            "no multiple of patch_size 13",
        ),
        ("/mm_tokens_per_image", json!(0), "mm_tokens_per_image is 0"),
        ("/mm_tokens_per_image", json!(7), "mm_tokens_per_image is 7"),
        ("/mm_tokens_per_image", json!(9), "mm_tokens_per_image is 9"),
    ];
    for (path, value, expected) in cases {
        let found = refusal(&config(path, value));
        assert!(found.contains(expected), "{path}: {found}");
    }
}

#[test]
fn shapes_that_the_configuration_denies_are_refused() {
    let cases = [
        ("/text_config/hidden_size", 96, "embed_tokens.weight"),
        ("/text_config/vocab_size", 441, "embed_tokens.weight"),
        ("/text_config/intermediate_size", 64, "mlp.gate_proj.weight"),
        (
            "/text_config/num_key_value_heads",
            4,
            "self_attn.k_proj.weight",
        ),
        ("/vision_config/hidden_size", 64, "patch_embedding.weight"),
        (
            "/vision_config/image_size",
            224,
            "position_embedding.weight",
        ),
    ];
    for (path, value, tensor) in cases {
        let error = config(path, json!(value)).open(None).unwrap_err();
        assert!(
            matches!(&error, Error::TensorShape { name, .. } if name.ends_with(tensor)),
            "{path}: {error}"
        );
    }
    // Layers that are not there, however many are announced.
    for (path, layers) in [
        ("/text_config/num_hidden_layers", u32::MAX),
        ("/vision_config/num_hidden_layers", 4),
    ] {
        let folder = config(path, json!(layers)).config(|config| {
            config["text_config"]
                .as_object_mut()
                .unwrap()
                .remove("layer_types");
        });
        assert!(
            matches!(folder.open(None), Err(Error::MissingTensor { .. })),
            "{path}"
        );
    }
}

#[test]
fn a_folder_without_a_document_or_a_file_is_refused() {
    for document in ["config.json", "tokenizer.json"] {
        let mut folder = Folder::golden();
        folder.documents.remove(document);
        assert!(refusal(&folder).contains(&format!("has no {document}")));
        folder.documents.insert(document.to_owned(), b"{".to_vec());
        assert!(refusal(&folder).contains(document));
    }
    let mut folder = Folder::golden();
    folder.weights.remove("model-00002-of-00003.safetensors");
    assert!(
        refusal(&folder).contains("names `model-00002-of-00003.safetensors`, which is not there")
    );
    let mut folder = Folder::golden();
    folder.documents.remove(INDEX);
    assert!(refusal(&folder).contains("neither model.safetensors nor"));
    let large = vec![b' '; MAX_DOCUMENT_BYTES as usize + 1];
    let mut folder = Folder::golden();
    folder
        .documents
        .insert("tokenizer_config.json".to_owned(), large);
    assert!(matches!(
        folder.open(None),
        Err(Error::LimitExceeded { .. })
    ));
}

#[test]
fn an_index_that_cannot_be_followed_is_refused() {
    let norm = "language_model.model.norm.weight";
    let cases: [(Value, &str); 7] = [
        (
            json!("../../etc/passwd"),
            "no safetensors file of this folder",
        ),
        (
            json!("/dev/zero.safetensors"),
            "no safetensors file of this folder",
        ),
        (
            json!(".hidden.safetensors"),
            "no safetensors file of this folder",
        ),
        (
            json!("a\\b.safetensors"),
            "no safetensors file of this folder",
        ),
        (
            json!("model.safetensors"),
            "names `model.safetensors`, which is not there",
        ),
        (json!("model-00001-of-00003.safetensors"), "and it is not"),
        (json!(7), "model.safetensors.index.json"),
    ];
    for (file, expected) in cases {
        let found = refusal(&index(|map| {
            map.insert(norm.to_owned(), file);
        }));
        assert!(found.contains(expected), "{found}");
    }
    assert!(refusal(&index(|map| map.clear())).contains("names no files"));
    let many = index(|map| {
        for n in 0..2_000 {
            map.insert(format!("t{n}"), json!(format!("f{n}.safetensors")));
        }
    });
    assert!(matches!(many.open(None), Err(Error::LimitExceeded { .. })));
    let absent = index(|map| {
        map.insert(
            "nothing".to_owned(),
            json!("model-00001-of-00003.safetensors"),
        );
    });
    assert!(refusal(&absent).contains("tensor `nothing`"));
}

#[test]
fn tensors_that_are_missing_twice_there_or_unknown_are_refused() {
    let whole = || Folder::golden().in_one_file();
    let names = [
        "embed_tokens.weight",
        "layers.6.mlp.down_proj.weight",
        "encoder.layers.2.mlp.fc2.bias",
        "mm_input_projection_weight",
    ];
    for name in names {
        let folder = whole().map_tensors(|tensor| (!tensor.name.ends_with(name)).then_some(tensor));
        let error = folder.open(None).unwrap_err();
        assert!(
            matches!(&error, Error::MissingTensor { name: missing } if missing.ends_with(name)),
            "{error}"
        );
    }
    let mut twice = Folder::golden();
    let first = twice.weights["model-00001-of-00003.safetensors"].clone();
    twice
        .weights
        .insert("model-00003-of-00003.safetensors".to_owned(), first);
    assert!(refusal(&twice).contains("is in `model-00001-of-00003.safetensors` and"));
    let extra = |name: &str| {
        whole().add(|tensors| {
            let mut tensor = tensors[0].clone();
            tensor.name = name.to_owned();
            tensors.push(tensor);
        })
    };
    let found = refusal(&extra("base_model.model.layers.0.lora_A.weight"));
    assert!(
        found.contains("lora_A.weight`, which is none of Gemma 3's"),
        "{found}"
    );
    for known in [
        "vision_tower.vision_model.head.probe",
        "vision_tower.embeddings.position_ids",
    ] {
        assert!(extra(known).open(None).is_ok(), "{known}");
    }
}

#[test]
fn broken_safetensors_files_are_refused() {
    let whole = Folder::golden().in_one_file();
    let bytes = &whole.weights[WEIGHTS];
    for length in [0, 7, 8, 1000, bytes.len() / 2, bytes.len() - 1] {
        let mut folder = whole.clone();
        folder
            .weights
            .insert(WEIGHTS.to_owned(), bytes[..length].to_vec());
        assert!(
            matches!(folder.open(None), Err(Error::Truncated { .. })),
            "{length}"
        );
    }
    let mut folder = whole.clone();
    folder.weights.insert(WEIGHTS.to_owned(), file(&[]));
    assert!(matches!(
        folder.open(None),
        Err(Error::MissingTensor { .. })
    ));
}

#[test]
fn a_tokenizer_of_another_kind_is_refused() {
    let mut folder = Folder::golden();
    let json = String::from_utf8(folder.documents["tokenizer.json"].clone()).unwrap();
    for (from, to, expected) in [
        (
            "\"type\":\"BPE\"",
            "\"type\":\"WordPiece\"",
            "of kind `WordPiece`",
        ),
        (
            "\"byte_fallback\":true",
            "\"byte_fallback\":false",
            "without byte_fallback",
        ),
        ("\"<bos>\"", "\"<begin>\"", "it has no `<bos>`"),
    ] {
        folder.documents.insert(
            "tokenizer.json".to_owned(),
            json.replace(from, to).into_bytes(),
        );
        let found = refusal(&folder);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn values_that_a_type_cannot_hold_are_refused_when_they_are_read() {
    use outpost_engine::weights::{BlockType, Part, WeightSource};
    for value in [f32::NAN, f32::INFINITY, 70_000.0] {
        let folder = Folder::golden().in_one_file().map_tensors(|mut tensor| {
            if tensor.name.ends_with("layers.0.mlp.up_proj.weight") {
                tensor.data[400..404].copy_from_slice(&value.to_le_bytes());
            }
            Some(tensor)
        });
        let read = |block| {
            let model = folder.open(block).unwrap();
            let tensor = model.text.tensor("blk.0.ffn_up.weight").unwrap();
            model.text.read_part(tensor, Part::Values, 0, &mut [0; 64])
        };
        assert_eq!(read(None), Ok(()));
        for block in [BlockType::Q8_0, BlockType::Q4_0, BlockType::F16] {
            let error = read(Some(block)).unwrap_err().to_string();
            assert!(
                error.contains(&format!("holds {value}, as {block}")),
                "{error}"
            );
        }
        assert_eq!(read(Some(BlockType::Bf16)).is_ok(), value == 70_000.0);
    }
}
