//! Sets up what is missing on this machine, and names exactly what it may not install itself.

mod packages;
mod terminology;
mod wasm_target;
mod wasm_tools;

use std::path::{Path, PathBuf};

pub use self::terminology::ensure_icd10cm;
pub use self::wasm_target::WasmToolchain;
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::{Run, find_program};

/// Chromium in headless mode with WebGPU on its software adapter, and no traffic of its own.
///
/// The same flags serve wasm-pack's tests and Playwright's (`tests/browser/lib/browser.mjs` reads
/// them from the environment).
pub const CHROMIUM_FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

const CHROMIUM_NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Major version of Node that the browser tests are written for.
const NODE_MAJOR: u32 = 20;

/// What the browser tests run with.
#[derive(Debug)]
pub struct BrowserTools {
    /// Chromium or Chrome.
    pub chromium: PathBuf,
    /// The WebDriver server of the same version.
    pub chromedriver: PathBuf,
    /// Node, for Playwright.
    pub node: PathBuf,
}

impl BrowserTools {
    /// Node with a script below `tests`, told where the built page, what serves it and the browser are.
    pub fn script(&self, places: &Places, script: &str) -> Result<Run> {
        Ok(Run::new(places, &self.node)?
            .arg(places.root.join("tests").join(script))
            .env("OUTPOST_XTASK", &places.xtask)
            .env("OUTPOST_COMMAND", places.outpost())
            .env("OUTPOST_DIST", places.dist())
            .env("OUTPOST_HOSTS", places.hosts())
            .env("OUTPOST_OUTPUT", places.browser_output())
            .env("OUTPOST_CHROMIUM", &self.chromium)
            .env("OUTPOST_CHROMIUM_FLAGS", CHROMIUM_FLAGS.join(" ")))
    }
}

/// Everything that any command needs.
pub fn everything(places: &Places) -> Result<()> {
    for_page(places)?;
    ensure_icd10cm(places)?;
    for_wasm_pack(places)?;
    for_native_tests(places)?;
    for_browser_tests(places).map(|_| ())
}

/// What building the page needs: the compiler for wasm32 and wasm-bindgen of the locked version.
pub fn for_page(places: &Places) -> Result<WasmToolchain> {
    let toolchain = wasm_target::ensure(places)?;
    wasm_tools::ensure_wasm_bindgen(places)?;
    Ok(toolchain)
}

/// What wasm-pack's packages need, beyond [`for_page`].
pub fn for_wasm_pack(places: &Places) -> Result<()> {
    wasm_tools::ensure_wasm_pack(places)
}

/// What native tests need: a Vulkan loader and at least one driver, by software if need be.
pub fn for_native_tests(places: &Places) -> Result<()> {
    if cfg!(target_os = "linux") && !(vulkan_loader_is_there() && vulkan_driver_is_there()) {
        packages::install(
            places,
            "a Vulkan driver",
            &["libvulkan1", "mesa-vulkan-drivers"],
        )?;
    }
    Ok(())
}

/// What browser tests need: Chromium, its driver, Node and the packages of `tests/browser`.
pub fn for_browser_tests(places: &Places) -> Result<BrowserTools> {
    let mut missing = Vec::new();
    if find_program(places, &CHROMIUM_NAMES).is_none() {
        missing.push("chromium");
    }
    if find_program(places, &["chromedriver"]).is_none() {
        missing.push("chromium-driver");
    }
    if find_program(places, &["node"]).is_none() {
        missing.push("nodejs");
    }
    if find_program(places, &["npm"]).is_none() {
        missing.push("npm");
    }
    if !missing.is_empty() {
        packages::install(places, "the browser tests", &missing)?;
    }
    let found = |names: &[&str]| {
        find_program(places, names).ok_or_else(|| {
            Failure::new(format!("`{}` is still not on the PATH", names[0]))
                .remedy("install it by hand and run this again")
        })
    };
    let tools = BrowserTools {
        chromium: found(&CHROMIUM_NAMES)?,
        chromedriver: found(&["chromedriver"])?,
        node: found(&["node"])?,
    };
    check_node(places, &tools.node)?;
    install_node_packages(places, "tests/browser")?;
    Ok(tools)
}

/// Node alone, of a version that is new enough.
pub fn for_node(places: &Places) -> Result<PathBuf> {
    if find_program(places, &["node"]).is_none() {
        packages::install(places, "measuring WebAssembly", &["nodejs"])?;
    }
    let node = find_program(places, &["node"]).ok_or_else(|| {
        Failure::new("`node` is still not on the PATH")
            .remedy("install it by hand and run this again")
    })?;
    check_node(places, &node)?;
    Ok(node)
}

/// What `tests/bench` needs: what browser tests need, and the packages of other engines.
pub fn for_bench(places: &Places) -> Result<BrowserTools> {
    let tools = for_browser_tests(places)?;
    install_node_packages(places, "tests/bench")?;
    Ok(tools)
}

/// Writes the capabilities that wasm-bindgen's test runner gives to chromedriver; returns the file.
pub fn write_webdriver_json(places: &Places, chromium: &Path) -> Result<PathBuf> {
    let capabilities = serde_json::json!({
        "goog:chromeOptions": { "binary": chromium, "args": CHROMIUM_FLAGS }
    });
    let path = places.target.join("webdriver.json");
    std::fs::write(&path, format!("{capabilities:#}\n"))
        .map_err(|error| Failure::file("write", &path, &error))?;
    Ok(path)
}

fn check_node(places: &Places, node: &Path) -> Result<()> {
    let version = Run::new(places, node)?.arg("--version").output()?;
    match major_version(&version) {
        Some(major) if major >= NODE_MAJOR => Ok(()),
        _ => Err(Failure::new(format!("Node is {}, too old", version.trim()))
            .remedy(format!("install Node {NODE_MAJOR} or newer"))),
    }
}

/// `npm ci` in a folder, unless the installed packages are those of its lock file already.
fn install_node_packages(places: &Places, folder: &str) -> Result<()> {
    let folder = places.root.join(folder);
    let lock = folder.join("package-lock.json");
    let installed = folder.join("node_modules/.outpost-lock");
    let wanted = std::fs::read(&lock).map_err(|error| Failure::file("read", &lock, &error))?;
    if std::fs::read(&installed).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    // No package here has an install script to run, and no browser is to be downloaded.
    Run::new(places, "npm")?
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .within(&folder)
        .run()?;
    std::fs::write(&installed, wanted).map_err(|error| Failure::file("write", &installed, &error))
}

fn major_version(printed: &str) -> Option<u32> {
    printed
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn vulkan_loader_is_there() -> bool {
    const FOLDERS: [&str; 4] = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    FOLDERS
        .iter()
        .any(|folder| Path::new(folder).join("libvulkan.so.1").exists())
}

fn vulkan_driver_is_there() -> bool {
    if ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
    {
        return true;
    }
    ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
        .iter()
        .any(|folder| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_prints_its_version_with_a_v() {
        assert_eq!(major_version("v20.20.2\n"), Some(20));
        assert_eq!(major_version("22.1.0"), Some(22));
        assert_eq!(major_version("node"), None);
    }
}
