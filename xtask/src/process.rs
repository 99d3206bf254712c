//! Running other programs: what is run is shown, and a failure names the command that failed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Failure, Result};
use crate::places::Places;

/// A program that is about to be run from the checkout, with the project's own tools on its path.
pub struct Run {
    command: Command,
    line: String,
}

impl Run {
    /// `program` with no arguments yet.
    pub fn new(places: &Places, program: impl AsRef<OsStr>) -> Result<Self> {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command
            .current_dir(&places.root)
            .env("PATH", places.search_path()?)
            .env("CARGO_TARGET_DIR", &places.target);
        Ok(Self {
            command,
            line: shown(program),
        })
    }

    /// `cargo`, of the toolchain that runs this program.
    pub fn cargo(places: &Places) -> Result<Self> {
        Self::new(places, "cargo")
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        let argument = argument.as_ref();
        self.line.push(' ');
        self.line.push_str(&shown(argument));
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it elsewhere than in the checkout's root.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Shows the command, runs it with its output passed through, and fails if it fails.
    pub fn run(mut self) -> Result<()> {
        eprintln!("    $ {}", self.line);
        let status = self
            .command
            .status()
            .map_err(|error| self.cannot_start(&error))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("`{}` failed ({status})", self.line)))
        }
    }

    /// Runs it quietly and returns what it printed.
    pub fn output(mut self) -> Result<String> {
        let output = self
            .command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.cannot_start(&error))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let complaint = String::from_utf8_lossy(&output.stderr);
            Err(Failure::new(format!(
                "`{}` failed: {}",
                self.line,
                complaint.trim()
            )))
        }
    }

    /// Runs it quietly -> whether it succeeded, and all that it printed.
    pub fn outcome(mut self) -> Result<(bool, String)> {
        let output = self
            .command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.cannot_start(&error))?;
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        Ok((output.status.success(), printed))
    }

    fn cannot_start(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("`{}` cannot be started: {error}", self.line))
    }
}

/// The first of these programs that is installed.
pub fn find_program(places: &Places, names: &[&str]) -> Option<PathBuf> {
    let path = places.search_path().ok()?;
    names.iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
            .find(|candidate| candidate.is_file())
    })
}

fn shown(argument: &OsStr) -> String {
    let text = argument.to_string_lossy();
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || "'\"$&|;<>*".contains(c)) {
        format!("'{}'", text.replace('\'', r"'\''"))
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        assert_eq!(shown(OsStr::new("--port")), "--port");
        assert_eq!(shown(OsStr::new("two words")), "'two words'");
        assert_eq!(shown(OsStr::new("it's")), r"'it'\''s'");
    }
}
