//! Manifests and shards.

use outpost_engine::error::Result;
use outpost_engine::weights::shards::{
    HAI_DEF, Manifest, ManifestFile, Packing, Role, Sha256Stream, ShardSet, verify_shard,
};
use outpost_engine::weights::{BlockType, Gguf, Value, WeightSource};

use super::gguf_writer::GgufWriter;
use super::{Case, check, flip_every_bit, read_all, variant_of};

const SHARD_BYTES: u64 = 300;

fn gguf() -> Gguf<Vec<u8>> {
    licensed("terms")
}

fn licensed(terms: &str) -> Gguf<Vec<u8>> {
    let writer = GgufWriter::new()
        .value("general.license", &Value::String(terms.into()))
        .tensor("a", &[4, 32], BlockType::Q8_0, &[5; 136])
        .tensor("b", &[5], BlockType::F16, &[6; 10]);
    Gguf::open(writer.bytes()).unwrap()
}

fn packing() -> Packing<Gguf<Vec<u8>>> {
    Packing::plan(vec![(Role::Text, gguf())], "A model", SHARD_BYTES).unwrap()
}

/// A sound manifest and its shards.
fn sound() -> (Manifest, Vec<Vec<u8>>) {
    let packing = packing();
    let mut shards = Vec::new();
    let mut hashes = Vec::new();
    for (index, plan) in packing.shards().iter().enumerate() {
        let mut bytes = vec![0xaa; plan.bytes as usize];
        packing.read_shard(index, 0, &mut bytes).unwrap();
        let mut hash = Sha256Stream::new();
        hash.update(&bytes);
        hashes.push(hash.finish());
        shards.push(bytes);
    }
    (packing.manifest(&hashes).unwrap(), shards)
}

fn json(change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let (mut manifest, _) = sound();
    change(&mut manifest);
    manifest.to_json().unwrap()
}

fn file(change: impl FnOnce(&mut ManifestFile)) -> Vec<u8> {
    json(|m| change(&mut m.files[0]))
}

#[test]
fn what_must_be_told_with_medgemma_is_in_its_manifest_and_in_no_others() {
    let terms = |name: &str, license: &str| {
        let packing = Packing::plan(vec![(Role::Text, licensed(license))], name, 1 << 20).unwrap();
        packing.manifest(&[[0; 32]]).unwrap().terms
    };
    assert_eq!(terms("Medgemma 4b It", "other"), HAI_DEF);
    assert_eq!(terms("Mine", "health-ai-developer-foundations"), HAI_DEF);
    assert_eq!(terms("Gemma 3 270m", "gemma"), "gemma");
    assert_eq!(terms("Mine", ""), "");
}

#[test]
fn a_broken_manifest_gives_the_error_that_names_what_is_wrong() {
    let truncated = "Truncated";
    let malformed = "Malformed";
    let limit = "LimitExceeded";
    #[rustfmt::skip]
    let cases = vec![
        Case("nothing", vec![], malformed, "this manifest is damaged: EOF while parsing"),
        Case("no JSON", b"<html>".to_vec(), malformed, "this manifest is damaged: expected value"),
        Case("100,000 brackets", vec![b'['; 100_000], malformed, "this manifest is damaged:"),
        Case("17 MiB", vec![b' '; 17 << 20], limit, "the manifest, in bytes, is 17825792, above the limit of 16777216"),
        Case("another version of another form", br#"{"format_version": 2, "parts": []}"#.to_vec(), "Unsupported", "version 2 of the manifest is not supported; update this application, or add the model again"),
        Case("a version and nothing else", br#"{"format_version": 1}"#.to_vec(), malformed, "this manifest is damaged: missing field `id`"),

        Case("an id that climbs", json(|m| m.id = "../secret".into()), malformed, "this manifest is damaged: `../secret` is no id"),
        Case("an id that steers a terminal", json(|m| m.id = "a\u{1b}[2J".into()), malformed, "this manifest is damaged: `a\\u{1b}[2J` is no id"),
        Case("no id", json(|m| m.id.clear()), malformed, "this manifest is damaged: `` is no id"),
        Case("an id of 65 letters", json(|m| m.id = "a".repeat(65)), malformed, "this manifest is damaged: `aaa"),
        Case("a name with a line break", json(|m| m.name = "a\nb".into()), malformed, "this manifest is damaged: `a\\nb` is no name"),
        Case("a name of 10,000 letters", json(|m| m.name = "a".repeat(10_000)), malformed, "this manifest is damaged: `aaa"),
        Case("terms of 70,000 letters", json(|m| m.terms = "a".repeat(70_000)), limit, "the terms, in bytes, is 70000, above the limit of 65536"),
        Case("no files", json(|m| m.files.clear()), malformed, "this manifest is damaged: it names no files"),
        Case("two text files", json(|m| m.files.push(m.files[0].clone())), malformed, "this manifest is damaged: it has two text files"),
        Case("one shard in two files", json(|m| { let mut f = m.files[0].clone(); f.role = Role::Vision; m.files.push(f); }), malformed, "this manifest is damaged: shard `text-00001-of-00003.bin` occurs twice"),

        Case("more metadata than a header may have", file(|f| f.metadata_bytes = 65 << 20), limit, "the metadata, in bytes, is 68157440, above the limit of 67108864"),
        Case("more metadata than bytes", file(|f| f.metadata_bytes = 50_000), truncated, "the metadata needs 50000 bytes"),
        Case("metadata in a tensor", file(|f| f.metadata_bytes = 257), malformed, "this manifest is damaged: `metadata` and `a` overlap"),
        Case("65,537 tensors", file(|f| f.tensors = vec![f.tensors[0].clone(); 65_537]), limit, "the number of tensors is 65537, above the limit of 65536"),
        Case("16,385 shards", file(|f| f.shards = vec![f.shards[0].clone(); 16_385]), limit, "the number of shards is 16385, above the limit of 16384"),
        Case("no shards", file(|f| f.shards.clear()), truncated, "the metadata needs"),
        Case("a shard's name that climbs", file(|f| f.shards[0].name = "../../x.bin".into()), malformed, "this manifest is damaged: `../../x.bin` is no name for a shard"),
        Case("a shard's name that is hidden", file(|f| f.shards[0].name = ".x".into()), malformed, "this manifest is damaged: `.x` is no name for a shard"),
        Case("a shard's name of 129 letters", file(|f| f.shards[0].name = "x".repeat(129)), malformed, "this manifest is damaged: `xxx"),
        Case("a shard twice", file(|f| f.shards[1] = f.shards[0].clone()), malformed, "this manifest is damaged: shard `text-00001-of-00003.bin` occurs twice"),
        Case("a shard of 2^64 - 1 bytes", file(|f| f.shards[0].bytes = u64::MAX), limit, "shard `text-00001-of-00003.bin`, in bytes, is 18446744073709551615, above the limit of 67108864"),
        Case("an empty shard", file(|f| f.shards[0].bytes = 0), malformed, "this manifest is damaged: shard `text-00001-of-00003.bin` is empty"),
        Case("half a hash", file(|f| f.shards[0].sha256.truncate(32)), malformed, "this manifest is damaged: shard `text-00001-of-00003.bin` has no SHA-256"),
        Case("a hash in capitals", file(|f| f.shards[0].sha256 = "A".repeat(64)), malformed, "this manifest is damaged: shard `text-00001-of-00003.bin` has no SHA-256"),

        Case("a tensor's name that steers a terminal", file(|f| f.tensors[0].name = "a\u{1b}[2J".into()), malformed, "this manifest is damaged: `a\\u{1b}[2J` is no name of a tensor"),
        Case("a tensor without a name", file(|f| f.tensors[0].name.clear()), malformed, "this manifest is damaged: a tensor has no name"),
        Case("5 dimensions", file(|f| f.tensors[0].shape = vec![1; 5]), limit, "the number of dimensions of tensor `a` is 5"),
        Case("a dimension of 0", file(|f| f.tensors[0].shape = vec![0, 32]), malformed, "this manifest is damaged: tensor `a` has shape [0, 32], with an empty dimension"),
        Case("a shape that overflows", file(|f| f.tensors[0].shape = vec![1 << 60, 32]), malformed, "this manifest is damaged: tensor `a` has shape [1152921504606846976, 32], which is too large for any file"),
        Case("another shape", file(|f| f.tensors[0].shape = vec![5, 32]), malformed, "this manifest is damaged: tensor `a` of [5, 32] Q8_0 has not the parts of its type"),
        Case("another type", file(|f| f.tensors[0].block = BlockType::Q4_0), malformed, "this manifest is damaged: tensor `a` of [4, 32] Q4_0 has not the parts of its type"),
        Case("no parts", file(|f| f.tensors[0].parts.clear()), malformed, "this manifest is damaged: tensor `a` of [4, 32] Q8_0 has not the parts"),
        Case("parts in another order", file(|f| f.tensors[0].parts.reverse()), malformed, "this manifest is damaged: tensor `a` of [4, 32] Q8_0 has not the parts"),
        Case("a part off the alignment", file(|f| f.tensors[1].parts[0].offset += 4), malformed, "this manifest is damaged: tensor `b` is at 772, no multiple of 256"),
        Case("a part past the end", file(|f| f.tensors[1].parts[0].offset += 4096), truncated, "tensor `b` needs"),
        Case("a part that wraps around", file(|f| f.tensors[1].parts[0].offset = u64::MAX - 255), truncated, "tensor `b` needs 184467440737095513"),
        Case("two tensors at one place", file(|f| f.tensors[1].parts[0].offset = 256), malformed, "this manifest is damaged: `b` and `a` overlap"),
    ];
    check(cases, |json| Manifest::from_json(&json));

    let unknown = String::from_utf8(json(|_| ())).unwrap();
    let unknown = unknown.replace("\"Q8_0\"", "\"Q9_9\"");
    let error = Manifest::from_json(unknown.as_bytes()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("this manifest is damaged: unknown variant `Q9_9`")
    );
}

#[test]
fn shards_that_do_not_fit_their_manifest_are_refused() {
    let (manifest, shards) = sound();
    let open = |role, change: fn(&mut Vec<Vec<u8>>)| {
        let mut shards = shards.clone();
        change(&mut shards);
        ShardSet::open(&manifest, role, shards)
    };
    let said = |result: Result<ShardSet<Vec<u8>>>| {
        let error = result.unwrap_err();
        format!("{}: {error}", variant_of(&error))
    };
    assert!(open(Role::Text, |_| ()).is_ok());
    for (found, expected) in [
        (
            said(open(Role::Vision, |_| ())),
            "Request: model `A model` has no vision file",
        ),
        (
            said(open(Role::Text, |s| s.truncate(2))),
            "Request: 2 shards are there of the 3 of the text file",
        ),
        (
            said(open(Role::Text, |s| s[1].truncate(7))),
            "Truncated: shard `text-00002-of-00003.bin` needs 300 bytes, but only 7 are there",
        ),
        (
            said(open(Role::Text, |s| s[2].push(0))),
            "Malformed: this shard is damaged: `text-00003-of-00003.bin` has",
        ),
        (
            said(open(Role::Text, |s| s[0][0] = 2)),
            "Truncated: a metadata key needs",
        ),
        (
            said(open(Role::Text, |s| s[0][0] = 0)),
            "Malformed: this shard set is damaged: its metadata end at 8 where",
        ),
    ] {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn bytes_that_are_not_the_shard_s_are_refused() {
    let (manifest, shards) = sound();
    let shard = &manifest.files[0].shards[0];
    let said = |bytes: &[u8]| {
        let error = verify_shard(shard, [Ok(bytes)]).unwrap_err();
        format!("{}: {error}", variant_of(&error))
    };
    let bytes = &shards[0];
    assert_eq!(verify_shard(shard, [Ok(bytes)]), Ok(()));
    assert!(said(&bytes[1..]).starts_with("Truncated: shard `text-00001-of-00003.bin` needs 300"));
    assert!(said(&[bytes, &[0][..]].concat()).contains("has 301 bytes where 300 belong"));
    assert!(said(&vec![0; bytes.len()]).contains("has the SHA-256"));
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let plan = |files, name: &str, bytes| {
        let error = Packing::plan(files, name, bytes).unwrap_err();
        format!("{}: {error}", variant_of(&error))
    };
    let text = || vec![(Role::Text, gguf())];
    let twice = vec![(Role::Text, gguf()), (Role::Text, gguf())];
    for (found, expected) in [
        (plan(vec![], "m", 64), "Request: there is no file to pack"),
        (plan(twice, "m", 64), "Request: there are two text files"),
        (plan(text(), "", 64), "Request: `` cannot name a model"),
        (
            plan(text(), "m", 0),
            "Request: shards of 0 bytes hold nothing",
        ),
        (
            plan(text(), "m", (64 << 20) + 1),
            "LimitExceeded: the size of a shard, in bytes, is 67108865",
        ),
    ] {
        assert!(found.starts_with(expected), "{found}");
    }
    let packing = packing();
    for (index, offset) in [(0, 300), (3, 0), (0, u64::MAX)] {
        let error = packing.read_shard(index, offset, &mut [0]).unwrap_err();
        assert_eq!(variant_of(&error), "Request", "{error}");
    }
    let error = packing.manifest(&[[0; 32]]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("there are 1 hashes for 3 shards"),
        "{error}"
    );
}

#[test]
fn terms_come_from_the_file_s_own_metadata() {
    let (manifest, _) = sound();
    assert_eq!(manifest.terms, "terms");
    assert!(manifest.id.starts_with("a-model-"));
    assert_eq!(manifest.files[0].name, "memory");
    assert_eq!(Role::of(gguf().metadata()), Role::Text);
}

#[test]
fn a_set_with_any_bit_of_its_manifest_flipped_opens_or_says_why_not() {
    let (manifest, shards) = sound();
    flip_every_bit(&manifest.to_json().unwrap(), |json| {
        if let Ok(manifest) = Manifest::from_json(&json)
            && let Ok(set) = ShardSet::open(&manifest, Role::Text, shards.clone())
        {
            read_all(&set);
        }
    });
}

#[test]
fn a_set_with_any_bit_of_its_metadata_flipped_opens_or_says_why_not() {
    let (manifest, shards) = sound();
    flip_every_bit(&shards[0], |first| {
        let mut shards = shards.clone();
        shards[0] = first;
        if let Ok(set) = ShardSet::open(&manifest, Role::Text, shards) {
            read_all(&set);
        }
    });
}

#[test]
fn a_message_quotes_no_more_of_a_manifest_than_a_person_reads() {
    let long = "a".repeat(1 << 20);
    let ids = json(|m| m.id = long.clone());
    let shards = file(|f| f.shards[0].name = long.clone());
    for json in [ids, shards] {
        let message = Manifest::from_json(&json).unwrap_err().to_string();
        assert!(message.len() < 1_000, "{} bytes", message.len());
    }
}
