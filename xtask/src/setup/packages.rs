//! System packages, by apt-get where this runs as root on Debian or Ubuntu, else by naming the command.

use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::{Run, find_program};

/// Installs `packages`, which `purpose` needs.
pub fn install(places: &Places, purpose: &str, packages: &[&str]) -> Result<()> {
    if !may_install(places) {
        return Err(
            Failure::new(format!("{purpose} needs what is not installed"))
                .remedy(format!("run `{}` and then this again", by_hand(packages))),
        );
    }
    eprintln!("    installing {} for {purpose}", packages.join(", "));
    let apt_get = |arguments: &[&str]| -> Result<()> {
        Run::new(places, "apt-get")?
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
    };
    apt_get(&["update", "-qq"])?;
    apt_get(
        &["install", "-y", "-qq", "--no-install-recommends"]
            .iter()
            .chain(packages)
            .copied()
            .collect::<Vec<_>>(),
    )
    .map_err(|failure| failure.remedy(format!("install them by hand: `{}`", by_hand(packages))))
}

/// Whether [`install`] would try, rather than say what to run.
pub fn may_install(places: &Places) -> bool {
    runs_as_root() && find_program(places, &["apt-get"]).is_some()
}

fn by_hand(packages: &[&str]) -> String {
    format!(
        "sudo apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    )
}

#[cfg(unix)]
fn runs_as_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(not(unix))]
fn runs_as_root() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_run_by_hand_can_be_pasted() {
        assert_eq!(
            by_hand(&["chromium", "chromium-driver"]),
            "sudo apt-get install -y --no-install-recommends chromium chromium-driver"
        );
    }
}
