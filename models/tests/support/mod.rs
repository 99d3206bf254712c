//! Runs the built command and reads what it leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// A path below `tests/golden`.
pub fn golden(path: &str) -> String {
    format!("../tests/golden/{path}")
}

/// An empty directory for one test.
pub fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// What a run of the command left.
pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `outpost` with these arguments.
pub fn outpost(arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_outpost"))
        .args(arguments)
        .output()
        .unwrap();
    Run {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    /// Stdout of a run that went well.
    pub fn text(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// The one JSON object on the stdout of a run that went well.
    pub fn json(self) -> Value {
        let text = self.text();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value.is_object(), "{text}");
        value
    }

    /// The one line that says what went wrong and, behind a semicolon, what to do.
    pub fn refusal(self) -> String {
        assert_eq!(self.status, Some(1), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "nothing is printed before an error");
        let lines = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 1, "{}", self.stderr);
        assert_eq!(self.stderr.lines().last(), Some(lines[0]));
        assert!(lines[0].contains("; "), "no remedy: {}", lines[0]);
        lines[0].to_owned()
    }
}

/// Tensors of a safetensors file.
pub struct Tensors(Vec<u8>);

impl Tensors {
    pub fn read(path: impl AsRef<Path>) -> Self {
        Self(fs::read(path).unwrap())
    }

    pub fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.names()
            .into_iter()
            .map(|name| name.to_string())
            .collect()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.tensor(name).unwrap().shape().to_vec()
    }

    pub fn f32s(&self, name: &str) -> Vec<f32> {
        self.numbers(name, Dtype::F32, f32::from_le_bytes)
    }

    pub fn i32s(&self, name: &str) -> Vec<i32> {
        self.numbers(name, Dtype::I32, i32::from_le_bytes)
    }

    fn numbers<T>(&self, name: &str, dtype: Dtype, read: fn([u8; 4]) -> T) -> Vec<T> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), dtype, "{name}");
        let bytes = tensor.data().chunks_exact(4);
        bytes.map(|bytes| read(bytes.try_into().unwrap())).collect()
    }
}

/// Ids as `--tokens` takes them.
pub fn ids(tokens: &[i32]) -> String {
    let ids: Vec<_> = tokens.iter().map(i32::to_string).collect();
    ids.join(",")
}

/// A number of a `case.toml`.
pub fn tolerance(case: &str, key: &str) -> f32 {
    let text = fs::read_to_string(golden(case)).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
    line.unwrap().trim().parse().unwrap()
}

/// The greatest absolute difference.
pub fn furthest(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The likeliest token after each row of `logits`.
pub fn likeliest(logits: &[f32], vocabulary: usize) -> Vec<i32> {
    let best = |row: &[f32]| {
        let mut best = 0;
        for (id, value) in row.iter().enumerate() {
            if *value > row[best] {
                best = id;
            }
        }
        best as i32
    };
    logits.chunks(vocabulary).map(best).collect()
}
