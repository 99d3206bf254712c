//! The `outpost` command: the engine on a workstation, for people, tests and benchmarks.
//!
//! Results go to stdout (with `--json` as one object), progress to stderr. It exits with 0 on success, with 2 on bad
//! arguments, and with 1 on any other error, after one line `error: what happened; what to do`.

mod args;
mod bench;
mod error;
mod eval;
mod extract;
mod fhir;
mod findings;
mod generate;
mod helpers;
mod inspect;
mod load;
mod logits;
mod output;
mod pack;
mod soap;
mod source;
mod tensors;
mod terminology;
mod tokenize;
mod trace;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use error::Result;
use load::Compute;

fn main() -> ExitCode {
    let cli = Cli::parse();
    quieten_mesa();
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

/// Where there is no desktop, Mesa's device-select layer asks for a Wayland display and prints `error:` lines of its own,
/// which would break this command's promise of a single one. Without a desktop it has nothing to select by.
fn quieten_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no other thread has been started yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

fn run(cli: &Cli) -> Result<()> {
    let device = Compute {
        device: cli.device.into(),
        threads: cli.threads,
        drafts: !cli.no_drafts,
        rounded_products: cli.rounded_products,
    };
    match &cli.command {
        Command::Inspect(args) => inspect::run(args),
        Command::Tokenize(args) => tokenize::run(args),
        Command::Generate(args) => generate::run(args, device),
        Command::Logits(args) => logits::run(args, device),
        Command::Trace(args) => trace::run(args, device),
        Command::Pack(args) => pack::run(args),
        Command::Bench(args) => bench::run(args, device),
        Command::Eval(args) => eval::run(args, device),
        Command::Extract(args) => extract::run(args, device),
        Command::Soap(args) => soap::run(args, device),
        Command::Findings(args) => findings::run(args, device),
        Command::Fhir(command) => fhir::run(command),
        Command::Terminology(command) => terminology::run(command, device),
    }
}
