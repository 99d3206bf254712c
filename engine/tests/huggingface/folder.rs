//! The golden folder in memory, to be changed.

use std::collections::BTreeMap;

use half::{bf16, f16};
use outpost_engine::error::{Error, Result};
use outpost_engine::weights::huggingface::{Documents, HuggingFaceModel, INDEX, WEIGHTS};
use outpost_engine::weights::{BlockType, Safetensors};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

/// A file below `tests/golden`.
pub fn golden(path: &str) -> Vec<u8> {
    let path = format!("../tests/golden/{path}");
    std::fs::read(&path).expect(&path)
}

/// A tensor of a safetensors file.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub block: BlockType,
    pub data: Vec<u8>,
}

impl Tensor {
    /// Its elements.
    pub fn values(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.shape.iter().product()];
        outpost_engine::weights::block::dequantise(self.block, &self.data, &mut values);
        values
    }

    /// The same in another type.
    pub fn to(mut self, block: BlockType) -> Self {
        let values = self.values().into_iter();
        self.data = match block {
            BlockType::F16 => values
                .flat_map(|x| f16::from_f32(x).to_le_bytes())
                .collect(),
            BlockType::Bf16 => values
                .flat_map(|x| bf16::from_f32(x).to_le_bytes())
                .collect(),
            _ => values.flat_map(f32::to_le_bytes).collect(),
        };
        self.block = block;
        self
    }
}

/// A folder's files.
#[derive(Clone)]
pub struct Folder {
    pub documents: BTreeMap<String, Vec<u8>>,
    pub weights: BTreeMap<String, Vec<u8>>,
}

const DOCUMENTS: [&str; 6] = [
    "config.json",
    INDEX,
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "preprocessor_config.json",
];

impl Folder {
    /// The one that transformers made.
    pub fn golden() -> Self {
        let read = |name: String| {
            let bytes = golden(&format!("huggingface/{name}"));
            (name, bytes)
        };
        let weights = (1..=3).map(|n| format!("model-{n:05}-of-00003.safetensors"));
        Self {
            documents: DOCUMENTS.map(str::to_owned).map(read).into(),
            weights: weights.map(read).collect(),
        }
    }

    pub fn documents(&self) -> Documents {
        let read = |name: &str| Ok::<_, Error>(self.documents.get(name).cloned());
        Documents::collect(read).unwrap()
    }

    /// Opens it as a host does, but for files that are not there, which it leaves out.
    pub fn open(&self, quantise: Option<BlockType>) -> Result<HuggingFaceModel<Vec<u8>>> {
        let documents = self.documents();
        let mut files = Vec::new();
        for name in documents.weight_files()? {
            if let Some(bytes) = self.weights.get(&name) {
                files.push((name, Safetensors::open(bytes.clone())?));
            }
        }
        HuggingFaceModel::open("folder", &documents, files, quantise)
    }

    /// With another `config.json`.
    pub fn config(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut config = serde_json::from_slice(&self.documents["config.json"]).unwrap();
        change(&mut config);
        let json = serde_json::to_vec(&config).unwrap();
        self.documents.insert("config.json".to_owned(), json);
        self
    }

    /// With all weights in `model.safetensors` and no index.
    pub fn in_one_file(mut self) -> Self {
        let tensors = self.tensors();
        self.documents.remove(INDEX);
        self.weights = BTreeMap::from([(WEIGHTS.to_owned(), file(&tensors))]);
        self
    }

    /// With other tensors. Call [`in_one_file`](Self::in_one_file) first.
    pub fn map_tensors(mut self, change: impl Fn(Tensor) -> Option<Tensor>) -> Self {
        let tensors: Vec<Tensor> = self.tensors().into_iter().filter_map(change).collect();
        self.weights = BTreeMap::from([(WEIGHTS.to_owned(), file(&tensors))]);
        self
    }

    /// With more tensors. Call [`in_one_file`](Self::in_one_file) first.
    pub fn add(mut self, add: impl FnOnce(&mut Vec<Tensor>)) -> Self {
        let mut tensors = self.tensors();
        add(&mut tensors);
        self.weights = BTreeMap::from([(WEIGHTS.to_owned(), file(&tensors))]);
        self
    }

    /// As a model that only writes: the decoder's keys are the whole configuration.
    pub fn text_only(self) -> Self {
        let folder = self.in_one_file().map_tensors(|mut tensor| {
            let rest = tensor.name.strip_prefix("language_model.")?.to_owned();
            tensor.name = rest;
            Some(tensor)
        });
        folder.config(|config| {
            let mut text = config["text_config"].take();
            text["architectures"] = json!(["Gemma3ForCausalLM"]);
            *config = text;
        })
    }

    /// With another tokenizer, and as many rows of the embedding as it has ids.
    pub fn with_tokenizer(self, json: Vec<u8>, rows: usize) -> Self {
        let mut folder = self.in_one_file().map_tensors(|mut tensor| {
            if tensor.name.ends_with("embed_tokens.weight") {
                tensor.data.resize(rows * tensor.shape[1] * 4, 0);
                tensor.shape[0] = rows;
            }
            Some(tensor)
        });
        folder.documents.insert("tokenizer.json".to_owned(), json);
        folder.config(|config| config["text_config"]["vocab_size"] = json!(rows))
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Tensor {
        self.tensors()
            .into_iter()
            .find(|tensor| tensor.name == name)
            .unwrap()
    }

    fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        for bytes in self.weights.values() {
            for (name, view) in SafeTensors::deserialize(bytes).unwrap().tensors() {
                tensors.push(Tensor {
                    name,
                    shape: view.shape().to_vec(),
                    block: match view.dtype() {
                        Dtype::F32 => BlockType::F32,
                        Dtype::F16 => BlockType::F16,
                        Dtype::BF16 => BlockType::Bf16,
                        other => panic!("{other:?}"),
                    },
                    data: view.data().to_vec(),
                });
            }
        }
        tensors
    }
}

/// A safetensors file.
pub fn file(tensors: &[Tensor]) -> Vec<u8> {
    let mut views = Vec::new();
    for Tensor {
        name,
        shape,
        block,
        data,
    } in tensors
    {
        let dtype = match block {
            BlockType::F16 => Dtype::F16,
            BlockType::Bf16 => Dtype::BF16,
            _ => Dtype::F32,
        };
        let view = TensorView::new(dtype, shape.clone(), data).unwrap();
        views.push((name.as_str(), view));
    }
    safetensors::serialize(views, None).unwrap()
}
