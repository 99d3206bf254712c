//! What `cargo xtask bench` is asked for.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

/// What to measure, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Natively, beside llama.cpp.
    pub native: bool,
    /// In Chromium, beside wllama.
    pub browser: bool,
    /// Single products in Chromium, beside ONNX Runtime Web.
    pub kernels: bool,
    /// Constraints on answers, in WebAssembly.
    pub constraint: bool,
    /// Which shape; see `shape-true --help`.
    pub shape: String,
    /// Which types.
    pub types: String,
    /// A model in place of a shape-true one.
    pub model: Option<PathBuf>,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens after the first.
    pub tokens: u32,
    /// Numbers of threads on the CPU.
    pub threads: Vec<u32>,
    /// Where the native engine computes.
    pub devices: Vec<String>,
    /// Lengths of prompts behind which tokens are measured as well.
    pub positions: Vec<u32>,
    /// Times that everything is measured.
    pub rounds: u32,
    /// Whether to build first.
    pub build: bool,
    /// Where the figures go as JSON, besides stdout.
    pub json: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            native: true,
            browser: true,
            kernels: true,
            constraint: true,
            shape: "270m".to_owned(),
            types: "q4_0".to_owned(),
            model: None,
            prompt_tokens: 128,
            tokens: 32,
            threads: vec![1, 2],
            devices: vec!["cpu".to_owned(), "gpu".to_owned()],
            positions: Vec::new(),
            rounds: 5,
            build: true,
            json: None,
        }
    }
}

impl Options {
    /// The arguments after `bench`. Without a word about where, everything is measured.
    pub fn parse(parser: &mut lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut options = Self::default();
        let (mut native, mut browser) = (false, false);
        let (mut kernels, mut constraint) = (false, false);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("native") => native = true,
                Long("browser") => browser = true,
                Long("kernels") => kernels = true,
                Long("constraint") => constraint = true,
                Long("shape") => options.shape = parser.value()?.string()?,
                Long("types") => options.types = parser.value()?.string()?,
                Long("model") => options.model = Some(PathBuf::from(parser.value()?)),
                Long("prompt-tokens") => options.prompt_tokens = at_least_one(parser.value()?)?,
                Long("tokens") => options.tokens = at_least_one(parser.value()?)?,
                Long("threads") => options.threads = numbers(parser.value()?)?,
                Long("devices") => options.devices = devices(&parser.value()?.string()?)?,
                Long("positions") => options.positions = numbers(parser.value()?)?,
                Long("rounds") => options.rounds = at_least_one(parser.value()?)?,
                Long("no-build") => options.build = false,
                Long("json") => options.json = Some(PathBuf::from(parser.value()?)),
                other => return Err(other.unexpected()),
            }
        }
        if native || browser || kernels || constraint {
            (options.native, options.browser) = (native, browser);
            (options.kernels, options.constraint) = (kernels, constraint);
        }
        Ok(options)
    }
}

fn at_least_one(value: OsString) -> Result<u32, lexopt::Error> {
    match value.parse()? {
        0 => Err("0 is too few".into()),
        number => Ok(number),
    }
}

fn numbers(value: OsString) -> Result<Vec<u32>, lexopt::Error> {
    let parts = value.to_string_lossy();
    parts
        .split(',')
        .map(|part| at_least_one(part.into()))
        .collect()
}

fn devices(value: &str) -> Result<Vec<String>, lexopt::Error> {
    let named = |part: &str| match part {
        "cpu" | "gpu" => Ok(part.to_owned()),
        other => Err(format!("`{other}` is not a device: cpu or gpu").into()),
    };
    value.split(',').map(named).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Options {
        Options::parse(&mut lexopt::Parser::from_args(line.split_whitespace())).unwrap()
    }

    #[test]
    fn everything_is_measured_unless_something_is_named() {
        assert_eq!(parsed(""), Options::default());
        let options = parsed("--kernels");
        assert_eq!(
            (options.native, options.browser, options.kernels),
            (false, false, true)
        );
        assert!(!options.constraint);
        let options = parsed("--constraint --rounds 3");
        assert_eq!((options.kernels, options.constraint), (false, true));
    }

    #[test]
    fn threads_and_positions_are_lists() {
        let options = parsed("--threads 1,2,4 --positions 1,8192 --devices gpu");
        assert_eq!(options.threads, [1, 2, 4]);
        assert_eq!(options.positions, [1, 8192]);
        assert_eq!(options.devices, ["gpu"]);
    }
}
