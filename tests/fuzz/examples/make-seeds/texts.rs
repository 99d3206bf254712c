//! Seeds that are text: safetensors headers, tokenizers, conversations.

use serde_json::{Map, Value, json};

use crate::Seeds;

/// A text model of one layer, whole, and the same without its weights.
pub fn folders() -> Seeds {
    const WIDTH: usize = 32;
    let tokenizer = tokenizer_json().remove("pairs.json").unwrap_or_default();
    let tokenizer = tokenizer
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    let file: Value = serde_json::from_slice(tokenizer).unwrap_or_default();
    let rows = file["model"]["vocab"].as_object().map_or(0, Map::len);
    let config = json!({
        "model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"], "vocab_size": rows,
        "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 1,
        "num_key_value_heads": 1, "head_dim": WIDTH, "query_pre_attn_scalar": WIDTH, "sliding_window": 8,
        "max_position_embeddings": 64,
    });
    let square = [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    ];
    let norms = [
        "input_layernorm",
        "self_attn.q_norm",
        "self_attn.k_norm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ];
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![rows, WIDTH]),
        ("model.norm.weight".to_owned(), vec![WIDTH]),
    ];
    shapes.extend(square.map(|name| (layer(name), vec![WIDTH, WIDTH])));
    shapes.extend(norms.map(|name| (layer(name), vec![WIDTH])));
    let mut header = Map::new();
    let mut end = 0;
    for (name, shape) in shapes {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let entry = json!({ "dtype": "BF16", "shape": shape, "data_offsets": [start, end] });
        header.insert(name, entry);
    }
    let header = Value::from(header).to_string().into_bytes();
    let length = (header.len() as u64).to_le_bytes();
    let weights = [&length[..], &header, &vec![0x3f; end]].concat();
    let documents = [config.to_string().as_bytes(), b"\0\0", tokenizer, b"\0\0"].concat();
    Seeds::from([
        ("whole".to_owned(), [&documents[..], &weights].concat()),
        ("documents".to_owned(), documents),
    ])
}

/// A file with every type of element, one with a number and no dimensions, one without tensors.
pub fn safetensors() -> Seeds {
    let types = [
        ("F32", 4),
        ("F16", 2),
        ("BF16", 2),
        ("I64", 8),
        ("U8", 1),
        ("BOOL", 1),
        ("F8_E4M3", 1),
    ];
    let mut entries = Map::new();
    let mut end = 0;
    for (dtype, bytes) in types {
        let start = end;
        end += 6 * bytes;
        let entry = json!({ "dtype": dtype, "shape": [2, 3], "data_offsets": [start, end] });
        entries.insert(dtype.to_lowercase(), entry);
    }
    let number = json!({
        "__metadata__": { "format": "pt" },
        "a": { "dtype": "F32", "shape": [], "data_offsets": [0, 4] },
        "b": { "dtype": "F16", "shape": [0], "data_offsets": [4, 4] },
    });
    let file = |header: Value, data: usize| {
        let header = header.to_string().into_bytes();
        let length = (header.len() as u64).to_le_bytes();
        let data: Vec<u8> = (0..data).map(|at| (at * 29) as u8).collect();
        [&length[..], &header, &data].concat()
    };
    Seeds::from([
        ("types.safetensors".to_owned(), file(entries.into(), end)),
        ("number.safetensors".to_owned(), file(number, 4)),
        ("empty.safetensors".to_owned(), file(json!({}), 0)),
    ])
}

/// A vocabulary of marks, bytes and a few letters in the form of Gemma's file, with merges of both spellings.
pub fn tokenizer_json() -> Seeds {
    let marks = ["<pad>", "<eos>", "<bos>", "<unk>", "<end_of_turn>"];
    let letters = [
        "\n",
        "\n\n",
        "\u{2581}",
        "a",
        "b",
        "\u{e9}",
        "ab",
        "\u{2581}a",
        "aba",
        "<",
    ];
    let mut vocab: Vec<String> = marks.iter().map(|mark| (*mark).to_owned()).collect();
    vocab.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    vocab.extend(letters.iter().map(|letter| (*letter).to_owned()));
    let ids: Map<String, Value> = (0..)
        .zip(&vocab)
        .map(|(id, piece)| (piece.clone(), json!(id)))
        .collect();
    let added = |piece: &str, special: bool| {
        json!({
            "id": ids.get(piece), "content": piece, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": special,
        })
    };
    let mut added_tokens: Vec<Value> = marks.iter().map(|mark| added(mark, true)).collect();
    added_tokens.push(added("\n\n", false));
    let file = |merges: Value| {
        let json = json!({
            "version": "1.0",
            "added_tokens": added_tokens,
            "normalizer": { "type": "Replace", "pattern": { "String": " " }, "content": "\u{2581}" },
            "pre_tokenizer": {
                "type": "Split", "pattern": { "String": " " }, "behavior": "MergedWithPrevious", "invert": false,
            },
            "model": {
                "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": ids, "merges": merges,
            },
        });
        [
            json.to_string().as_bytes(),
            b"\0",
            "aba  \u{2581}a\n\n<eos>\u{1f642}b".as_bytes(),
        ]
        .concat()
    };
    let pairs = json!([["a", "b"], ["\u{2581}", "a"], ["ab", "a"]]);
    let joined = json!(["a b", "\u{2581} a", "ab a"]);
    Seeds::from([
        ("pairs.json".to_owned(), file(pairs)),
        ("joined.json".to_owned(), file(joined)),
    ])
}

/// The golden conversations that are short, in the form that the target `chat` takes.
pub fn conversations(golden: &[u8]) -> Seeds {
    let cases: Value = serde_json::from_slice(golden).expect("golden JSON");
    let mut seeds = Seeds::new();
    for case in cases.as_array().into_iter().flatten() {
        let mut bytes = Vec::new();
        if let Some(system) = case["system"].as_str() {
            bytes.extend(system.bytes().chain([0xfc]));
        }
        for (index, turn) in case["turns"].as_array().into_iter().flatten().enumerate() {
            if index > 0 {
                bytes.push(0xff);
            }
            for part in turn["parts"].as_array().into_iter().flatten() {
                match part["text"].as_str() {
                    Some(text) => bytes.extend([0xfd].into_iter().chain(text.bytes())),
                    None => bytes.push(0xfe),
                }
            }
        }
        let name = case["name"].as_str().unwrap_or_default();
        if bytes.len() <= 1_024 {
            seeds.insert(name.to_owned(), bytes);
        }
    }
    seeds
}
