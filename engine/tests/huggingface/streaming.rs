//! However large a folder is, little of it is in memory at a time, and reading forward reads everything once.

use std::cell::RefCell;
use std::rc::Rc;

use outpost_engine::error::Result;
use outpost_engine::ports::ByteSource;
use outpost_engine::weights::huggingface::HuggingFaceModel;
use outpost_engine::weights::shards::{Manifest, Packing, Role, Sha256Stream, ShardSet};
use outpost_engine::weights::{BlockType, Part, Safetensors, TensorInfo, WeightSource};
use serde_json::json;

use super::folder::{Folder, Tensor};
use super::memory::peak_bytes;

/// A file that notes what is asked of it.
struct Watched {
    bytes: Rc<Vec<u8>>,
    requests: Rc<RefCell<Vec<usize>>>,
}

impl ByteSource for Watched {
    fn len(&self) -> u64 {
        self.bytes.as_slice().len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.requests.borrow_mut().push(buf.len());
        self.bytes.read_exact_at(offset, buf)
    }

    fn label(&self) -> &str {
        "watched"
    }
}

/// A text model of one layer with 8 million elements in BF16, most of them in a few matrices.
fn wide() -> Folder {
    const HIDDEN: usize = 512;
    const INNER: usize = 4608;
    let folder = Folder::golden().text_only().map_tensors(|tensor| {
        let name = tensor.name.as_str();
        let layer = name
            .strip_prefix("model.layers.")
            .is_some_and(|rest| !rest.starts_with("0."));
        let shape: Vec<usize> = match name {
            "model.embed_tokens.weight" => vec![440, HIDDEN],
            _ if name.contains("mlp.down") => vec![HIDDEN, INNER],
            _ if name.contains("mlp.") => vec![INNER, HIDDEN],
            _ if name.contains("o_proj") => vec![HIDDEN, 128],
            _ if name.contains("q_proj") => vec![128, HIDDEN],
            _ if name.contains("_proj") => vec![64, HIDDEN],
            _ if name.contains("q_norm") || name.contains("k_norm") => tensor.shape.clone(),
            _ => vec![HIDDEN],
        };
        let elements: usize = shape.iter().product();
        let data =
            (0..elements).flat_map(|n| ((n * 7919 % 997) as f32 / 997.0 - 0.5).to_le_bytes());
        let data = data.collect();
        let block = BlockType::F32;
        (!layer).then(|| {
            Tensor {
                name: tensor.name,
                shape,
                block,
                data,
            }
            .to(BlockType::Bf16)
        })
    });
    folder.config(|config| {
        config["hidden_size"] = json!(HIDDEN);
        config["intermediate_size"] = json!(INNER);
        config["num_hidden_layers"] = json!(1);
        config.as_object_mut().unwrap().remove("layer_types");
    })
}

fn open(
    folder: &Folder,
    block: BlockType,
) -> (HuggingFaceModel<Watched>, Rc<RefCell<Vec<usize>>>, u64) {
    let requests = Rc::new(RefCell::new(Vec::new()));
    let mut bytes = 0;
    let mut files = Vec::new();
    for (name, file) in &folder.weights {
        bytes += file.len() as u64;
        let source = Watched {
            bytes: Rc::new(file.clone()),
            requests: Rc::clone(&requests),
        };
        files.push((name.clone(), Safetensors::open(source).unwrap()));
    }
    let model = HuggingFaceModel::open("wide", &folder.documents(), files, Some(block)).unwrap();
    requests.borrow_mut().clear();
    (model, requests, bytes)
}

#[test]
fn packing_holds_a_few_hundred_kilobytes_and_reads_each_byte_once() {
    const COPY: usize = 1 << 20;
    let folder = wide();
    for block in [BlockType::Q8_0, BlockType::Q4K, BlockType::Bf16] {
        let (model, requests, bytes) = open(&folder, block);
        assert!(bytes > 14_000_000, "{bytes}");
        let packing = Packing::plan(vec![(Role::Text, model.text)], "Wide", 4 << 20).unwrap();
        let mut buf = vec![0; COPY];
        let ((), peak) = peak_bytes(|| {
            for (index, shard) in packing.shards().iter().enumerate() {
                for start in (0..shard.bytes).step_by(COPY) {
                    let count = (COPY as u64).min(shard.bytes - start) as usize;
                    packing.read_shard(index, start, &mut buf[..count]).unwrap();
                }
            }
        });
        assert!(peak < 1 << 20, "{block}: {peak}");
        let requests = requests.borrow();
        assert!(requests.iter().all(|bytes| *bytes <= 128 << 10), "{block}");
        let read: u64 = requests.iter().map(|bytes| *bytes as u64).sum();
        assert!(read <= bytes, "{block}: {read} of {bytes}");
    }
}

#[test]
fn one_word_costs_one_chunk() {
    let (model, requests, _) = open(&wide(), BlockType::Q4K);
    let tensor = model.text.tensor("blk.0.ffn_up.weight").unwrap();
    assert_eq!(tensor.block, BlockType::Q4K);
    let middle = tensor.part_bytes(Part::Values) / 8 * 4;
    model
        .text
        .read_part(tensor, Part::Values, middle, &mut [0; 4])
        .unwrap();
    model
        .text
        .read_part(tensor, Part::Scales, middle / 8 / 4 * 4, &mut [0; 4])
        .unwrap();
    assert_eq!(requests.borrow().as_slice(), [1 << 16]);
}

#[test]
fn opening_a_folder_reads_no_weights() {
    let folder = wide();
    let requests = Rc::new(RefCell::new(Vec::new()));
    let bytes = folder.weights.values().next().unwrap().clone();
    let source = Watched {
        bytes: Rc::new(bytes),
        requests: Rc::clone(&requests),
    };
    let files = vec![(
        "model.safetensors".to_owned(),
        Safetensors::open(source).unwrap(),
    )];
    HuggingFaceModel::open("wide", &folder.documents(), files, None).unwrap();
    let read: usize = requests.borrow().iter().sum();
    assert!(read < 10_000, "{read}");
}

fn whole(source: &impl WeightSource, tensor: &TensorInfo, part: Part) -> Vec<u8> {
    let mut bytes = vec![0xaa; tensor.part_bytes(part) as usize];
    source.read_part(tensor, part, 0, &mut bytes).unwrap();
    bytes
}

#[test]
fn shards_hold_the_same_model_wherever_they_are_cut() {
    let folder = Folder::golden();
    for (block, shard_bytes, step) in [
        (Some(BlockType::Q4_0), 10_007, 313),
        (Some(BlockType::Q8_0), 65_537, 4_099),
        (None, 1 << 20, 99_991),
    ] {
        let model = folder.open(block).unwrap();
        let again = folder.open(block).unwrap();
        let files = vec![
            (Role::Text, model.text),
            (Role::Vision, model.vision.unwrap()),
        ];
        let packing = Packing::plan(files, "Folder", shard_bytes).unwrap();
        let mut shards = Vec::new();
        let mut hashes = Vec::new();
        for (index, shard) in packing.shards().iter().enumerate() {
            let mut bytes = vec![0xaa; shard.bytes as usize];
            for (n, piece) in bytes.chunks_mut(step).enumerate() {
                packing.read_shard(index, (n * step) as u64, piece).unwrap();
            }
            let mut hash = Sha256Stream::new();
            hash.update(&bytes);
            hashes.push(hash.finish());
            shards.push(bytes);
        }
        let manifest = packing.manifest(&hashes).unwrap();
        let manifest = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
        let vision = shards.split_off(manifest.file(Role::Text).unwrap().shards.len());
        let expected = [
            (Role::Text, shards, again.text),
            (Role::Vision, vision, again.vision.unwrap()),
        ];
        for (role, shards, source) in expected {
            let set = ShardSet::open(&manifest, role, shards).unwrap();
            assert_eq!(set.metadata(), source.metadata());
            assert_eq!(set.tensors(), source.tensors());
            for tensor in source.tensors() {
                for part in tensor.parts() {
                    assert!(
                        whole(&set, tensor, *part) == whole(&source, tensor, *part),
                        "{}",
                        tensor.name
                    );
                }
            }
        }
    }
}
