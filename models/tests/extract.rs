//! `outpost extract` from end to end with the demonstration model: facts, codes, a Bundle, and the same bytes for a seed. What
//! is said here is invented, and so are the drugs and codes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[allow(dead_code)]
mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::{Run, outpost, scratch};

const MODEL: &str = "demo/demo-q8_0.gguf";

const SAID: &str = "A 40 year old woman has had sore throat for 3 days. She has no cough. Blood pressure 120/80. \
    Pulse 72. She is allergic to Pelvimol. I prescribed Fenatulex 35 mg, twice a day for 5 days.";

const CONDITIONS: &str =
    "system,code,display\nurn:invented,C-01,sore throat\nurn:invented,C-02,cough\n";

/// RXNCONSO.RRF as NLM lays it out, with an invented drug and code.
const RXNCONSO: &str = "9000001|ENG||||||1|||9000001|RXNORM|IN|9000001|Fenatulex||N|4096|\n";

struct Files {
    folder: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = scratch(name);
        fs::write(folder.join("said.txt"), SAID).unwrap();
        fs::write(folder.join("conditions.csv"), CONDITIONS).unwrap();
        fs::write(folder.join("RXNCONSO.RRF"), RXNCONSO).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn extract(&self, more: &[&str]) -> Run {
        let said = self.path("said.txt");
        let (conditions, rxnorm) = (self.path("conditions.csv"), self.path("RXNCONSO.RRF"));
        let mut arguments = vec![
            "--device",
            "cpu",
            "extract",
            "--model",
            MODEL,
            "--transcript",
            &said,
        ];
        arguments.extend(["--condition-list", &conditions, "--rxnorm", &rxnorm]);
        arguments.extend(more);
        outpost(&arguments)
    }
}

#[test]
fn a_transcript_becomes_facts_with_codes_and_a_bundle_that_validates() {
    let files = Files::new("extract");
    let bundle = files.path("bundle.json");
    let run = files.extract(&["--json", "--bundle", &bundle]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    let done: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(done["success"], true);
    assert_eq!(done["data"]["medications"][0]["name"], "Fenatulex");
    assert_eq!(done["data"]["medications"][0]["rxnorm_code"], "9000001");
    assert_eq!(
        done["data"]["medications"][0]["dosage"],
        "twice a day, 5 days"
    );
    let conditions = done["data"]["conditions"].as_array().unwrap();
    let throat = conditions
        .iter()
        .find(|it| it["name"] == "sore throat")
        .unwrap();
    assert_eq!(throat["coded"]["coding"]["code"], "C-01");
    let cough = conditions.iter().find(|it| it["name"] == "cough").unwrap();
    assert_eq!(cough["verification"], "refuted");
    assert!(done["processing_time_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(done["model_info"]["quantization"], "Q8_0");
    assert_eq!(done["model_info"]["privacy"], "on-device");
    assert!(
        done["validation"]["medications"][0]["valid"]
            .as_bool()
            .unwrap()
    );
    let kept: Value = serde_json::from_str(&fs::read_to_string(&bundle).unwrap()).unwrap();
    assert_eq!(kept, done["bundle"]);
    let validated = outpost(&["fhir", "validate", &bundle]);
    assert_eq!(
        validated.status,
        Some(0),
        "{}{}",
        validated.stdout,
        validated.stderr
    );
}

#[test]
fn a_seed_gives_the_same_bytes() {
    let files = Files::new("extract-seed");
    let of = |seed| {
        files
            .extract(&["--json", "--seed", seed, "--temperature", "1"])
            .stdout
    };
    let first = of("7");
    assert!(!first.is_empty());
    assert_eq!(first, of("7"));
    let done: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(done["processing_time_ms"], Value::Null);
}

#[test]
fn what_cannot_be_used_is_said_in_one_line() {
    let files = Files::new("extract-bad");
    fs::write(files.folder.join("empty.txt"), " \n").unwrap();
    fs::write(files.folder.join("bad.RRF"), "1|ENG\n").unwrap();
    let (said, empty, bad) = (
        files.path("said.txt"),
        files.path("empty.txt"),
        files.path("bad.RRF"),
    );
    let cases: [(&[&str], &str); 4] = [
        (&["--transcript", &empty], "is empty; give the transcript"),
        (&["--transcript", "nowhere.txt"], "cannot be read"),
        (&["--transcript", &said, "--rxnorm", &bad], "line 1"),
        (
            &["--transcript", &said, "--recorded", "yesterday"],
            "YYYY-MM-DDThh:mm:ssZ",
        ),
    ];
    let run = |more: &[&str]| {
        let mut arguments = vec!["--device", "cpu", "extract", "--model", MODEL];
        arguments.extend(more);
        outpost(&arguments)
    };
    for (more, words) in cases {
        let refusal = run(more).refusal();
        assert!(refusal.contains(words), "{more:?}: {refusal}");
    }
    let run = run(&["--transcript", &said, "--age", "old"]);
    assert_eq!(run.status, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("is no age"), "{}", run.stderr);
}
