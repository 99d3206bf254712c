//! Models in OPFS: what is written is read back, what is incomplete is refused, what is removed is gone.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use js_sys::{Array, Uint8Array};
use outpost_engine::ports::ByteSource;
use outpost_engine::weights::shards::{Manifest, Packing, Role, ShardSet};
use outpost_engine::weights::{Gguf, WeightSource};
use outpost_protocol::ModelStatus;
use outpost_store::{Conversion, DiskFile, Reading};
use outpost_worker::{FileSource, Folder, Models, Problem};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const MODEL: &[u8] = include_bytes!("../../../tests/golden/random/model-q4_0.gguf");

/// An empty folder of the test's own.
async fn empty(name: &str) -> Folder {
    let root = Folder::root().await.unwrap();
    root.remove(name).await.unwrap();
    root.folder(name).await.unwrap()
}

/// Stores the golden model in shards of 64 KiB.
async fn stored(models: &Models) -> Manifest {
    let text = Gguf::open(MODEL.to_vec()).unwrap();
    let packing = Packing::plan(vec![(Role::Text, text)], "Golden", 64 << 10).unwrap();
    let conversion = Conversion {
        key: "golden",
        name: "Golden",
        source: "golden.gguf",
        shards: packing.shards(),
    };
    let library = &models.0;
    let installation = library.convert(conversion).await.unwrap();
    let mut hashes = Vec::new();
    for (index, shard) in packing.shards().iter().enumerate() {
        let mut bytes = vec![0; shard.bytes as usize];
        packing.read_shard(index, 0, &mut bytes).unwrap();
        let mut writer = library
            .write(&installation, &shard.name, &mut ())
            .await
            .unwrap();
        writer.write(&bytes).unwrap();
        hashes.push(library.finish(writer).unwrap().0);
    }
    let manifest = packing.manifest(&hashes).unwrap();
    library.complete(&installation, &manifest, 1).await.unwrap();
    manifest
}

fn remedy(problem: Problem) -> String {
    match problem {
        Problem::Failed { message, remedy } => format!("{message} {remedy}"),
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn what_is_written_is_read_back_at_any_offset() {
    let folder = empty("test-offsets").await;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let bytes: Vec<u8> = (0..300_001).map(|_| random.random()).collect();
    folder
        .create("a")
        .await
        .unwrap()
        .write_all_at(0, &bytes)
        .unwrap();

    let file = folder.open("a").await.unwrap().unwrap();
    assert_eq!(file.bytes().unwrap(), bytes.len() as u64);
    for _ in 0..200 {
        let start = random.random_range(0..bytes.len());
        let end = random.random_range(start..=bytes.len());
        let mut found = vec![0; end - start];
        file.read_exact_at(start as u64, &mut found).unwrap();
        assert_eq!(found, bytes[start..end], "{start}..{end}");
    }
    assert!(file.read_exact_at(bytes.len() as u64, &mut [0]).is_err());
}

#[wasm_bindgen_test]
async fn a_chosen_file_is_read_at_any_offset() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let bytes: Vec<u8> = (0..2_500_000).map(|_| random.random()).collect();
    let parts = Array::of1(&Uint8Array::from(bytes.as_slice()));
    let file = web_sys::File::new_with_u8_array_sequence(&parts, "chosen.gguf").unwrap();
    let source = FileSource::new(file).unwrap();
    assert_eq!(
        (source.len(), source.label()),
        (bytes.len() as u64, "chosen.gguf")
    );
    for _ in 0..50 {
        let start = random.random_range(0..bytes.len());
        let end = random.random_range(start..=bytes.len());
        let mut found = vec![0; end - start];
        source.read_exact_at(start as u64, &mut found).unwrap();
        assert!(found == bytes[start..end], "{start}..{end}");
    }
    assert!(source.read_exact_at(2_499_999, &mut [0, 0]).is_err());
}

#[wasm_bindgen_test]
async fn a_stored_model_has_the_tensors_of_its_file() {
    let models = Models::open_in(&empty("test-model").await).await.unwrap();
    let manifest = stored(&models).await;
    let list = models.list().await.unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(
        (list[0].id.as_str(), list[0].vision, &list[0].status),
        (manifest.id.as_str(), false, &ModelStatus::Installed)
    );

    let (folder, found) = models.manifest(&manifest.id).await.unwrap();
    let reading = Reading::default();
    let shards = models.shards(&folder, &found, Role::Text, &reading).await;
    let shards = shards.unwrap().unwrap();
    assert!(shards.len() > 2);
    let stored = ShardSet::open(&found, Role::Text, shards).unwrap();
    let file = Gguf::open(MODEL.to_vec()).unwrap();
    assert_eq!(stored.tensors(), file.tensors());
    for tensor in file.tensors() {
        assert_eq!(
            stored.read_f32(tensor).unwrap(),
            file.read_f32(tensor).unwrap(),
            "{}",
            tensor.name
        );
    }
    assert_eq!(reading.damaged(), [""; 0]);
    let vision = models.shards(&folder, &found, Role::Vision, &reading).await;
    assert!(vision.unwrap().is_none());
}

#[wasm_bindgen_test]
async fn what_is_stored_is_there_when_the_library_is_opened_again() {
    let parent = empty("test-again").await;
    let manifest = stored(&Models::open_in(&parent).await.unwrap()).await;
    let models = Models::open_in(&parent).await.unwrap();
    assert_eq!(models.manifest(&manifest.id).await.unwrap().1, manifest);
    let library = &models.0;
    let model = library.installed(&manifest.id).unwrap();
    assert_eq!(
        library.verify(&model.folder, &mut ()).await.unwrap(),
        [""; 0]
    );
}

#[wasm_bindgen_test]
async fn a_missing_shard_and_a_short_one_are_found_at_the_next_start_and_named() {
    let parent = empty("test-missing").await;
    let models = Models::open_in(&parent).await.unwrap();
    let manifest = stored(&models).await;
    let (folder, _) = models.manifest(&manifest.id).await.unwrap();
    drop(models);
    let files = parent.folder("models").await.unwrap();
    let files = files.folder(&folder).await.unwrap();
    let [first, second, ..] = manifest.files[0].shards.as_slice() else {
        panic!("two shards")
    };
    files
        .create(&second.name)
        .await
        .unwrap()
        .truncate(9)
        .unwrap();
    files.remove(&first.name).await.unwrap();

    let models = Models::open_in(&parent).await.unwrap();
    let said = remedy(models.manifest(&manifest.id).await.unwrap_err());
    assert!(
        said.contains(&first.name) && said.contains(&second.name) && said.contains("Add it again"),
        "{said}"
    );
}

#[wasm_bindgen_test]
async fn a_flipped_bit_is_found_by_reading_and_by_checking() {
    let parent = empty("test-flipped").await;
    let models = Models::open_in(&parent).await.unwrap();
    let manifest = stored(&models).await;
    let (folder, _) = models.manifest(&manifest.id).await.unwrap();
    let files = parent.folder("models").await.unwrap();
    let files = files.folder(&folder).await.unwrap();
    let shard = &manifest.files[0].shards[1];
    let mut byte = [0];
    let mut file = files.create(&shard.name).await.unwrap();
    file.read_exact_at(99, &mut byte).unwrap();
    file.write_all_at(99, &[byte[0] ^ 1]).unwrap();
    drop(file);
    let reading = Reading::default();
    let shards = models.shards(&folder, &manifest, Role::Text, &reading);
    let shards = shards.await.unwrap().unwrap();
    shards[0].read_exact_at(99, &mut byte).unwrap();
    shards[1].read_exact_at(99, &mut byte).unwrap_err();
    assert_eq!(reading.damaged(), [shard.name.clone()]);
    drop(shards);
    let wrong = models.0.verify(&folder, &mut ()).await.unwrap();
    assert_eq!(wrong, [shard.name.clone()]);
    assert!(models.manifest(&manifest.id).await.is_err());
}

#[wasm_bindgen_test]
async fn a_removed_model_is_gone() {
    let parent = empty("test-removed").await;
    let models = Models::open_in(&parent).await.unwrap();
    let manifest = stored(&models).await;
    let (folder, _) = models.manifest(&manifest.id).await.unwrap();
    models.delete(&manifest.id).await.unwrap();
    assert!(models.list().await.unwrap().is_empty());
    let said = remedy(models.manifest(&manifest.id).await.unwrap_err());
    assert!(said.contains("not on this device"), "{said}");
    let left = parent
        .folder("models")
        .await
        .unwrap()
        .names()
        .await
        .unwrap();
    assert!(!left.contains(&folder), "{left:?}");
    models.delete(&manifest.id).await.unwrap();
}

#[wasm_bindgen_test]
async fn an_id_that_is_a_path_names_no_model() {
    let models = Models::open_in(&empty("test-paths").await).await.unwrap();
    for id in ["", "..", "../models", "a/b", "journal.1", "\u{e9}"] {
        assert!(models.manifest(id).await.is_err(), "{id}");
        models.delete(id).await.unwrap();
    }
}
