//! Where things are: the checkout, and the folders outside it that hold whatever is built or installed.
//!
//! Nothing is written into the checkout, so that a fresh clone shares builds and tools with the last one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};

/// The folders that every chore works with.
#[derive(Debug, Clone)]
pub struct Places {
    /// The checkout.
    pub root: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, else `target` in the cache.
    pub target: PathBuf,
    /// Tools that were installed for this project alone, such as wasm-bindgen of the locked version.
    pub tools: PathBuf,
    /// This program, by a path that stays valid when it is built again while it runs.
    pub xtask: PathBuf,
}

impl Places {
    /// Finds the folders from the environment.
    pub fn find() -> Result<Self> {
        // At run time first: checkouts that share a target folder share this program too.
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&here)
            .parent()
            .map(Path::to_path_buf)
            .ok_or_else(|| Failure::new("xtask does not lie in a workspace"))?;
        if !root.join("Cargo.lock").is_file() {
            return Err(
                Failure::new(format!("{} has no Cargo.lock", root.display()))
                    .remedy("run `cargo xtask` from a checkout of the repository"),
            );
        }
        let cache = cache_folder(|name| std::env::var_os(name))?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| cache.join("target"), |path| root.join(path));
        let xtask = std::env::current_exe()
            .map_err(|error| Failure::new(format!("cannot tell which program this is: {error}")))?;
        Ok(Self {
            root,
            target,
            tools: cache.join("tools"),
            xtask,
        })
    }

    /// The page as it is served.
    pub fn dist(&self) -> PathBuf {
        self.target.join("dist")
    }

    /// Configuration of static hosts that serve the page.
    pub fn hosts(&self) -> PathBuf {
        self.target.join("hosts")
    }

    /// Programs installed for this project.
    pub fn tools_bin(&self) -> PathBuf {
        self.tools.join("bin")
    }

    /// What the browser tests leave behind: screenshots and logs.
    pub fn browser_output(&self) -> PathBuf {
        self.target.join("browser-tests")
    }

    /// The native `outpost` command as cargo builds it.
    pub fn outpost(&self) -> PathBuf {
        self.target
            .join("debug")
            .join(format!("outpost{}", std::env::consts::EXE_SUFFIX))
    }

    /// The generator of shape-true models as cargo builds it.
    pub fn shape_true(&self) -> PathBuf {
        self.outpost()
            .with_file_name(format!("shape-true{}", std::env::consts::EXE_SUFFIX))
    }

    /// Shape-true models, and what `cargo xtask scale` leaves beside them.
    pub fn scale(&self) -> PathBuf {
        self.tools.with_file_name("scale")
    }

    /// `PATH` with the project's own tools first.
    pub fn search_path(&self) -> Result<OsString> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.tools_bin()).chain(std::env::split_paths(&inherited));
        std::env::join_paths(folders)
            .map_err(|error| Failure::new(format!("the search path cannot be extended: {error}")))
    }
}

/// `$XDG_CACHE_HOME/outpost`, else `~/.cache/outpost`.
fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("XDG_CACHE_HOME")
        .or_else(|| {
            set("HOME")
                .or_else(|| set("USERPROFILE"))
                .map(|home| home.join(".cache"))
        })
        .map(|folder| folder.join("outpost"))
        .ok_or_else(|| Failure::new("HOME is not set").remedy("set it, or set XDG_CACHE_HOME"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Result<PathBuf> {
        cache_folder(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_cache_is_where_the_desktop_says_else_below_home() {
        let home = ("HOME", "/home/a");
        assert_eq!(
            folder(&[home]).unwrap(),
            Path::new("/home/a/.cache/outpost")
        );
        assert_eq!(
            folder(&[home, ("XDG_CACHE_HOME", "/c")]).unwrap(),
            Path::new("/c/outpost")
        );
        assert_eq!(
            folder(&[home, ("XDG_CACHE_HOME", "")]).unwrap(),
            Path::new("/home/a/.cache/outpost")
        );
        assert!(folder(&[]).is_err());
    }
}
