//! What goes to stdout and stderr.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::Instant;

use outpost_engine::ports::{Clock, Progress};
use serde::Serialize;

use crate::error::Result;

/// Prints one JSON object.
pub fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(std::io::Error::from)?;
    line(&text)
}

/// Prints one line.
pub fn line(text: &str) -> Result<()> {
    writeln!(stdout(), "{text}")?;
    Ok(())
}

/// Prints a piece of a line at once.
pub fn piece(text: &str) -> Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Bytes for people: 1.5 MiB.
pub fn bytes(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} bytes"),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

/// The time since the command began.
#[derive(Clone)]
pub struct HostClock(Instant);

impl HostClock {
    /// Starts at 0.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for HostClock {
    fn now_ms(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }
}

/// Percents of a long task on stderr, for a person who watches; a log file sees nothing of it.
pub struct Percent {
    task: &'static str,
    shown: Option<u64>,
    watched: bool,
}

impl Percent {
    /// task: what is being done, such as `loading`.
    pub fn of(task: &'static str) -> Self {
        Self {
            task,
            shown: None,
            watched: stderr().is_terminal(),
        }
    }
}

impl Progress for Percent {
    fn report(&mut self, done_bytes: u64, total_bytes: u64) {
        let percent = done_bytes.saturating_mul(100) / total_bytes.max(1);
        if self.watched && self.shown != Some(percent) {
            self.shown = Some(percent);
            eprint!("\r{} {percent} % of {} ", self.task, bytes(total_bytes));
        }
    }
}

impl Drop for Percent {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_largest_unit_that_leaves_a_whole_part() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(1023), "1023 bytes");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(64 << 20), "64.0 MiB");
        assert_eq!(bytes(5 << 40), "5120.0 GiB");
    }
}
