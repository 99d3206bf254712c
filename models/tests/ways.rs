//! Ways to ask: several pictures and turns, thinking, places in a picture, CT series.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Run, golden, outpost, scratch};

/// Runs `generate` on the CPU with the random model and its encoder.
fn generate(arguments: &[&str]) -> Run {
    let (model, mmproj) = (
        golden("random/model-f32.gguf"),
        golden("random/mmproj-f32.gguf"),
    );
    #[rustfmt::skip]
    let fixed = [
        "--device", "cpu", "generate", "--model", &model, "--mmproj", &mmproj, "--max-tokens", "8", "--json",
    ];
    outpost(&[fixed.as_slice(), arguments].concat())
}

fn answer(arguments: &[&str]) -> Value {
    generate(arguments).json()
}

/// What two ways of asking have in common if they ask the same.
fn same(one: &Value, other: &Value) -> bool {
    ["prompt_tokens", "token_ids", "text"]
        .iter()
        .all(|key| one[key] == other[key])
}

/// A file of one CT slice, 2 x 2 pixels of `hu` Hounsfield units at height `z`: explicit little endian, invented.
fn slice(z: i32, hu: i16) -> Vec<u8> {
    let text = |text: String| {
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(2), b' ');
        bytes
    };
    let short = |number: u16| number.to_le_bytes().to_vec();
    let elements = [
        (0x0002, 0x0010, "UI", b"1.2.840.10008.1.2.1\0".to_vec()),
        (0x0008, 0x0060, "CS", b"CT".to_vec()),
        (0x0020, 0x0032, "DS", text(format!("0\\0\\{z}"))),
        (0x0020, 0x0037, "DS", text("1\\0\\0\\0\\1\\0".to_owned())),
        (0x0028, 0x0002, "US", short(1)),
        (0x0028, 0x0004, "CS", text("MONOCHROME2".to_owned())),
        (0x0028, 0x0010, "US", short(2)),
        (0x0028, 0x0011, "US", short(2)),
        (0x0028, 0x0100, "US", short(16)),
        (0x0028, 0x0101, "US", short(16)),
        (0x0028, 0x0102, "US", short(15)),
        (0x0028, 0x0103, "US", short(1)),
        (0x0028, 0x1052, "DS", text("0".to_owned())),
        (0x0028, 0x1053, "DS", text("1".to_owned())),
        (0x7FE0, 0x0010, "OW", hu.to_le_bytes().repeat(4)),
    ];
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    for (group, element, representation, value) in elements {
        let (group, element): (u16, u16) = (group, element);
        bytes.extend([group.to_le_bytes(), element.to_le_bytes()].concat());
        bytes.extend(representation.as_bytes());
        match representation {
            "OW" => {
                bytes.extend([0; 2]);
                bytes.extend((value.len() as u32).to_le_bytes());
            }
            _ => bytes.extend((value.len() as u16).to_le_bytes()),
        }
        bytes.extend(value);
    }
    bytes
}

/// A folder with slices, whose names say nothing about their order; and the path of one of them.
fn series(folder: &Path, count: i32) -> (String, String) {
    for index in 0..count {
        let name = format!("{}.dcm", (index * 7) % count);
        fs::write(folder.join(name), slice(index, (index * 30) as i16)).unwrap();
    }
    fs::write(folder.join(".hidden"), "no slice").unwrap();
    let one = folder.join("0.dcm");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    (path(folder), path(&one))
}

#[test]
fn pictures_stand_first_unless_asked_otherwise() {
    let (first, second) = (golden("random/first.png"), golden("random/second.png"));
    let pictures = [
        "--prompt",
        "What is it?",
        "--image",
        &first,
        "--image",
        &second,
    ];
    let ask = |more: &[&str]| answer(&[pictures.as_slice(), more].concat());
    let usual = ask(&[]);
    assert!(same(&usual, &ask(&["--image-order", "first"])));
    // Behind the words, the picture's blank line no longer joins the one that begins the turn.
    let last = ask(&["--image-order", "last"]);
    assert_eq!(
        last["prompt_tokens"].as_u64(),
        usual["prompt_tokens"].as_u64().map(|tokens| tokens + 1)
    );
}

#[test]
fn a_role_follows_the_instruction_to_think() {
    let thinking = answer(&["--prompt", "why?", "--think", "--system", "Be brief."]);
    let spelt = "SYSTEM INSTRUCTION: think silently if needed. Be brief.";
    assert!(same(
        &thinking,
        &answer(&["--prompt", "why?", "--system", spelt])
    ));
}

#[test]
fn one_turn_in_a_file_is_the_same_question() {
    let folder = scratch("turns");
    fs::copy(golden("random/first.png"), folder.join("a.png")).unwrap();
    let path = folder.join("turns.json");
    let turns = path.to_str().unwrap();
    let write = |turns: &Value| fs::write(&path, turns.to_string()).unwrap();

    write(&json!([{"role": "user", "text": "What is it?", "images": ["a.png"]}]));
    let in_file = answer(&["--turns", turns]);
    let picture = golden("random/first.png");
    assert!(same(
        &in_file,
        &answer(&["--prompt", "What is it?", "--image", &picture])
    ));

    write(&json!([
        {"role": "user", "text": "What is it?", "images": ["a.png"]},
        {"role": "model", "text": "A picture."},
        {"role": "user", "text": "Of what?", "images": ["a.png"]},
    ]));
    let several = answer(&["--turns", turns, "--system", "Be brief."]);
    assert!(several["prompt_tokens"].as_u64() > in_file["prompt_tokens"].as_u64());

    for (turns, says) in [
        (
            json!([{"role": "model", "text": "Hello."}]),
            "wrong speaker",
        ),
        (json!([]), "empty"),
        (
            json!([{"role": "user", "text": "a", "image": "a.png"}]),
            "no turns",
        ),
        (
            json!([{"role": "user", "text": "a", "images": ["b.png"]}]),
            "b.png",
        ),
    ] {
        write(&turns);
        let refusal = generate(&["--turns", path.to_str().unwrap()]).refusal();
        assert!(refusal.contains(says), "{refusal}");
    }
}

#[test]
fn a_place_is_asked_for_in_one_padded_picture() {
    let (first, second) = (golden("random/first.png"), golden("random/second.png"));
    let located = answer(&["--locate", "heart", "--image", &first]);
    // What this model says is noise: no list, and an answer all the same.
    assert_eq!(located["boxes"], json!([]));
    assert_eq!(located["dropped"], json!([]));
    assert_eq!(located["cut"], false);
    assert!(located["no_boxes"].as_str().unwrap().contains("; "));
    let prompt = answer(&["--prompt", "Where is the heart?", "--image", &first]);
    assert!(prompt.get("boxes").is_none());
    assert!(located["prompt_tokens"].as_u64() > prompt["prompt_tokens"].as_u64());

    let refusal = generate(&["--locate", "heart", "--image", &first, "--image", &second]).refusal();
    assert!(refusal.contains("2 pictures"), "{refusal}");
}

#[test]
fn a_ct_series_is_read_in_its_order_whatever_its_files_are_called() {
    let folder = scratch("ct");
    let (series, one) = series(&folder, 5);
    let ask = |more: &[&str]| answer(&[&["--prompt", "Is it one?", "--ct"], more].concat());
    let in_folder = ask(&[&series]);
    let files: Vec<String> = (0..5)
        .rev()
        .map(|index| format!("{series}/{index}.dcm"))
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert!(same(&in_folder, &ask(&files)));

    let tokens = |answer: &Value| answer["prompt_tokens"].as_u64().unwrap();
    let (all, two) = (
        tokens(&in_folder),
        tokens(&ask(&[&series, "--ct-slices", "2"])),
    );
    let alone = tokens(&ask(&[&one]));
    assert_eq!((all - two, two - alone), (3 * (two - alone), two - alone));
    assert!(two > alone);
}

#[test]
fn a_ct_series_that_cannot_be_used_is_refused_with_what_to_do() {
    let folder = scratch("bad-ct");
    let (series, one) = series(&folder, 3);
    let ask =
        |more: &[&str]| generate(&[&["--prompt", "Is it one?", "--ct"], more].concat()).refusal();
    let refusal = ask(&[&series, "--context-tokens", "48"]);
    assert!(
        refusal.contains("3 slices") && refusal.contains("holds 48"),
        "{refusal}"
    );
    assert!(ask(&[&one, &one]).contains("same place"));
    assert!(ask(&[&golden("random/first.png")]).contains("first.png"));
    assert!(ask(&["no such folder"]).contains("no such folder"));
    fs::write(folder.join("9.dcm"), "no slice").unwrap();
    assert!(ask(&[&series]).contains("9.dcm"));
    let empty = scratch("empty-ct");
    assert!(ask(&[empty.to_str().unwrap()]).contains("no slices"));
}

#[test]
fn ways_that_exclude_each_other_exit_with_2() {
    let table: [&[&str]; 9] = [
        &["--locate", "heart"],
        &["--locate", "heart", "--image", "a.png", "--prompt", "why?"],
        &["--locate", "heart", "--image", "a.png", "--turns", "t.json"],
        &["--turns", "t.json", "--prompt", "why?"],
        &["--turns", "t.json", "--image", "a.png"],
        &["--ct", "folder"],
        &["--ct", "folder", "--prompt", "why?", "--image", "a.png"],
        &["--ct", "folder", "--prompt", "why?", "--ct-slices", "86"],
        &["--prompt", "why?", "--image-order", "middle"],
    ];
    for arguments in table {
        let run = generate(arguments);
        assert_eq!(run.status, Some(2), "{arguments:?}: {}", run.stderr);
    }
}
