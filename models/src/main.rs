//! The `outpost` command: the engine on a workstation, for people, tests and benchmarks.
//!
//! Results go to stdout (with `--json` as one object), progress to stderr. It exits with 0 on success, with 2 on bad
//! arguments, and with 1 on any other error, after one line `error: what happened; what to do`.

mod args;
mod bench;
mod error;
mod eval;
mod generate;
mod inspect;
mod load;
mod logits;
mod output;
mod pack;
mod source;
mod tensors;
mod tokenize;
mod trace;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use error::Result;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough.
        Err(error) if error.is_closed_output() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.one_line());
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let device = cli.device.into();
    match &cli.command {
        Command::Inspect(args) => inspect::run(args),
        Command::Tokenize(args) => tokenize::run(args),
        Command::Generate(args) => generate::run(args, device),
        Command::Logits(args) => logits::run(args, device),
        Command::Trace(args) => trace::run(args, device),
        Command::Pack(args) => pack::run(args),
        Command::Bench(args) => bench::run(args, device),
        Command::Eval(args) => eval::run(args, device),
    }
}
