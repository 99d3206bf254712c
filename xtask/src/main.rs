//! `cargo xtask`: every chore of this workspace. Each command does its own set-up and says what it does.

mod build;
mod error;
mod places;
mod process;
mod serve;
mod setup;
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
cargo xtask test [--fast] [--only WORD]                 run every check and test; --fast: what needs no browser;
                 [--update-screenshots]                 --only: the steps whose name contains the word
cargo xtask ci                                          the same as test, from a lock file that must be current
cargo xtask tidy                                        only the rules about the source tree
cargo xtask setup                                       only install what building and testing need";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Serve(serve::Options),
    Build { npm: bool },
    Test(test::Options),
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
        Task::Test(options) => test::run(&places, &options),
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
        "tidy" | "setup" => match parser.next()? {
            None if command == "setup" => Ok(Task::Setup),
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
    fn unknown_words_are_refused() {
        for line in [
            "fly",
            "serve --prot 1",
            "test x",
            "serve --port many",
            "tidy --now",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
