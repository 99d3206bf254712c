//! `cargo xtask`: every chore of this workspace. Each command does its own set-up and says what it does.

mod audit;
mod bench;
mod build;
mod error;
mod evaluation;
mod fuzz;
mod places;
mod process;
mod scale;
mod serve;
mod setup;
mod soak;
mod test;
mod tidy;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;

use crate::error::{Failure, Result};
use crate::places::Places;

const USAGE: &str = "\
cargo xtask serve [--port N] [--no-build] [--dir DIR]   build everything and serve the page on localhost
cargo xtask build [--npm]                               build the page; with --npm, the npm package in pkg/ too
cargo xtask headers                                     write the configuration of static hosts that serve the page
cargo xtask test [--fast] [--only WORD]                 run every check and test; --fast: what needs no browser;
                 [--update-screenshots]                 --only: the steps whose name contains the word
cargo xtask ci                                          the same as test, from a lock file that must be current
cargo xtask tidy                                        only the rules about the source tree
cargo xtask fuzz [--seconds N] [--target NAME]          feed the parsers what nobody thought of; N seconds (60) for
                 [--jobs N]                             each target, or for one; --jobs: processes at a time (1)
cargo xtask scale [--shape NAME] [--types MIX]          measure the page with a model of true size and random weights
                  [--model FILE --mmproj FILE]          (4b, q4_0), or with these files, against the native engine
                  [--tokens N] [--no-image]             tokens of the answer (16); without a picture
                  [--device gpu|cpu] [--keep]           the native engine's device (cpu); keep the browser's profile
                  [--json FILE]                         write the figures to a file too
cargo xtask bench [--native] [--browser] [--kernels]    measure the engine beside llama.cpp, wllama and ONNX Runtime Web;
                  [--constraint]                        what constraints on answers cost in WebAssembly;
                  [--shape NAME] [--types MIX]          the model (270m, q4_0)
                  [--model FILE]                        another model's file
                  [--prompt-tokens N] [--tokens N]      a prompt (128) and tokens after the first (32)
                  [--threads N,N] [--devices cpu,gpu]   each of these numbers of threads (1,2); native devices (both)
                  [--positions N,N]                     natively, tokens behind prompts of these lengths as well
                  [--rounds N] [--no-build]             times that everything is measured (5); as it was built before
                  [--json FILE]                         write the figures to a file too
cargo xtask evaluation [--limit N] [--no-build]         the demonstration model in the page on transcripts that it does
                  [--json FILE]                         not know: facts found, records valid; the first N (all)
cargo xtask soak [--json FILE]                          hundreds of answers, loads and imports in one browser: is memory
                                                        flat at the end?
cargo xtask setup                                       only install what building and testing need";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Serve(serve::Options),
    Build { npm: bool },
    Headers,
    Test(test::Options),
    Fuzz(fuzz::Options),
    Scale(scale::Options),
    Bench(bench::Options),
    Evaluation(evaluation::Options),
    Soak { json: Option<PathBuf> },
    Tidy,
    Setup,
    Help,
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1))
        .map_err(usage)
        .and_then(run)
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn usage(error: lexopt::Error) -> Failure {
    Failure::arguments(format!("{error}\n\n{USAGE}"))
}

fn run(task: Task) -> Result<()> {
    if task == Task::Help {
        println!("{USAGE}");
        return Ok(());
    }
    let places = Places::find()?;
    match task {
        Task::Serve(options) => serve::run(&places, &options),
        Task::Build { npm } => build::run(&places, npm),
        Task::Headers => build::headers(&places),
        Task::Test(options) => test::run(&places, &options),
        Task::Fuzz(options) => fuzz::run(&places, &options),
        Task::Scale(options) => scale::run(&places, &options),
        Task::Bench(options) => bench::run(&places, &options),
        Task::Evaluation(options) => evaluation::run(&places, &options),
        Task::Soak { json } => soak::run(&places, json.as_ref()),
        Task::Tidy => tidy::run(&places),
        Task::Setup => setup::everything(&places),
        Task::Help => Ok(()),
    }
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Task, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let command = match parser.next()? {
        Some(Value(command)) => command.string()?,
        None | Some(Short('h') | Long("help")) => return Ok(Task::Help),
        Some(other) => return Err(other.unexpected()),
    };
    match command.as_str() {
        "serve" => {
            let mut options = serve::Options::default();
            while let Some(argument) = parser.next()? {
                match argument {
                    Long("port") => options.port = Some(parser.value()?.parse()?),
                    Long("no-build") => options.build = false,
                    Long("dir") => options.dir = Some(PathBuf::from(parser.value()?)),
                    other => return Err(other.unexpected()),
                }
            }
            Ok(Task::Serve(options))
        }
        "build" => {
            let mut npm = false;
            while let Some(argument) = parser.next()? {
                match argument {
                    Long("npm") => npm = true,
                    other => return Err(other.unexpected()),
                }
            }
            Ok(Task::Build { npm })
        }
        "test" | "ci" => {
            let mut options = test::Options {
                locked: command == "ci",
                ..test::Options::default()
            };
            while let Some(argument) = parser.next()? {
                match argument {
                    Long("fast") => options.fast = true,
                    Long("only") => options.only = Some(parser.value()?.string()?),
                    Long("update-screenshots") => options.update_screenshots = true,
                    other => return Err(other.unexpected()),
                }
            }
            Ok(Task::Test(options))
        }
        "fuzz" => {
            let mut options = fuzz::Options::default();
            while let Some(argument) = parser.next()? {
                match argument {
                    Long("seconds") => options.seconds = parser.value()?.parse()?,
                    Long("target") => options.target = Some(parser.value()?.string()?),
                    Long("jobs") => options.jobs = parser.value()?.parse()?,
                    other => return Err(other.unexpected()),
                }
            }
            Ok(Task::Fuzz(options))
        }
        "scale" => {
            let mut options = scale::Options::default();
            while let Some(argument) = parser.next()? {
                match argument {
                    Long("shape") => options.shape = parser.value()?.string()?,
                    Long("types") => options.types = parser.value()?.string()?,
                    Long("model") => options.model = Some(PathBuf::from(parser.value()?)),
                    Long("mmproj") => options.mmproj = Some(PathBuf::from(parser.value()?)),
                    Long("tokens") => options.tokens = parser.value()?.parse()?,
                    Long("no-image") => options.image = false,
                    Long("device") => options.device = parser.value()?.string()?,
                    Long("keep") => options.keep = true,
                    Long("json") => options.json = Some(PathBuf::from(parser.value()?)),
                    other => return Err(other.unexpected()),
                }
            }
            if options.mmproj.is_some() && options.model.is_none() {
                return Err("--mmproj belongs to --model".into());
            }
            Ok(Task::Scale(options))
        }
        "bench" => bench::Options::parse(&mut parser).map(Task::Bench),
        "evaluation" => evaluation::Options::parse(&mut parser).map(Task::Evaluation),
        "soak" => {
            let mut json = None;
            while let Some(argument) = parser.next()? {
                match argument {
                    Long("json") => json = Some(PathBuf::from(parser.value()?)),
                    other => return Err(other.unexpected()),
                }
            }
            Ok(Task::Soak { json })
        }
        "tidy" | "setup" | "headers" => match parser.next()? {
            None if command == "setup" => Ok(Task::Setup),
            None if command == "headers" => Ok(Task::Headers),
            None => Ok(Task::Tidy),
            Some(other) => Err(other.unexpected()),
        },
        "help" => Ok(Task::Help),
        other => Err(format!("`{other}` is not a command").into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, lexopt::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn serve_builds_unless_told_otherwise() {
        let Task::Serve(options) = parsed("serve").unwrap() else {
            unreachable!()
        };
        assert!(options.build);
        let Task::Serve(options) = parsed("serve --no-build --port 0").unwrap() else {
            unreachable!()
        };
        assert!(!options.build);
        assert_eq!(options.port, Some(0));
    }

    #[test]
    fn ci_is_test_with_a_locked_lock_file() {
        let expected = test::Options {
            locked: true,
            ..test::Options::default()
        };
        assert_eq!(parsed("ci").unwrap(), Task::Test(expected));
    }

    #[test]
    fn fuzzing_takes_a_minute_for_each_target_unless_told_otherwise() {
        assert_eq!(
            parsed("fuzz").unwrap(),
            Task::Fuzz(fuzz::Options::default())
        );
        let Task::Fuzz(options) = parsed("fuzz --target gguf --seconds 5").unwrap() else {
            unreachable!()
        };
        assert_eq!(options.target.as_deref(), Some("gguf"));
        assert_eq!((options.seconds, options.jobs), (5, 1));
    }

    #[test]
    fn scale_measures_the_4b_shape_unless_told_otherwise() {
        let Task::Scale(options) = parsed("scale").unwrap() else {
            unreachable!()
        };
        assert_eq!(
            (options.shape.as_str(), options.types.as_str()),
            ("4b", "q4_0")
        );
        let expected = scale::Options {
            model: Some("m.gguf".into()),
            image: false,
            tokens: 4,
            ..options
        };
        let given = parsed("scale --model m.gguf --no-image --tokens 4").unwrap();
        assert_eq!(given, Task::Scale(expected));
    }

    #[test]
    fn unknown_words_are_refused() {
        for line in [
            "scale --mmproj m.gguf",
            "fly",
            "serve --prot 1",
            "test x",
            "serve --port many",
            "tidy --now",
            "bench --threads 1,two",
            "bench --rounds 0",
            "bench --devices npu",
            "fuzz gguf",
            "fuzz --seconds long",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
