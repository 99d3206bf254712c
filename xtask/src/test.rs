//! Every check and test, in the order that finds mistakes soonest; the first that fails ends the run.
//!
//! The order also decides what is built when. Packages are always named in the same groups ([`NATIVE_PACKAGES`] and
//! those of [`build`]), because cargo unites the features of what it builds in one call, and another set of features
//! means another build of burn and wgpu.

use std::time::{Duration, Instant};

use crate::audit;
use crate::build::{
    self, COST_PACKAGES, NATIVE_PACKAGES, PAGE_PACKAGES, THREAD_PACKAGES, WORKER_PACKAGES,
};
use crate::error::{Failure, Result};
use crate::places::Places;
use crate::process::Run;
use crate::setup::{self, WasmToolchain};
use crate::tidy;

/// Native crates without burn.
const SMALL_PACKAGES: [&str; 6] = [
    "outpost-constraint-cost",
    "outpost-protocol",
    "outpost-store",
    "outpost-thread",
    "outpost-vault",
    "xtask",
];

/// Seconds that a test in the browser may take: software WebGPU compiles its pipelines slowly.
const BROWSER_TEST_TIMEOUT_S: &str = "900";

/// What to run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Options {
    /// Only what needs no browser and no WebAssembly.
    pub fast: bool,
    /// Fail where Cargo.lock is not what the manifests ask for.
    pub locked: bool,
    /// Write the README's screenshots anew.
    pub update_screenshots: bool,
    /// Only the steps whose name contains this.
    pub only: Option<String>,
}

struct Step {
    name: &'static str,
    run: fn(&Places, &Options) -> Result<()>,
}

const STEPS: [Step; 6] = [
    Step {
        name: "format",
        run: format,
    },
    Step {
        name: "rules of the source tree",
        run: tidy_tree,
    },
    Step {
        name: "audit of dependencies",
        run: audit,
    },
    Step {
        name: "clippy, native",
        run: clippy_native,
    },
    Step {
        name: "documentation",
        run: documentation,
    },
    Step {
        name: "tests, native",
        run: native_tests,
    },
];

const BROWSER_STEPS: [Step; 4] = [
    Step {
        name: "clippy, wasm32",
        run: clippy_wasm,
    },
    Step {
        name: "page",
        run: page,
    },
    Step {
        name: "tests in a Worker on WebGPU",
        run: wasm_tests,
    },
    Step {
        name: "tests of the page",
        run: page_tests,
    },
];

/// Runs all steps and prints how long each took.
pub fn run(places: &Places, options: &Options) -> Result<()> {
    let browser_steps = if options.fast {
        &[]
    } else {
        &BROWSER_STEPS[..]
    };
    let wanted = |step: &&Step| {
        options
            .only
            .as_ref()
            .is_none_or(|word| step.name.contains(word.as_str()))
    };
    let steps: Vec<&Step> = STEPS.iter().chain(browser_steps).filter(wanted).collect();
    if steps.is_empty() {
        let names: Vec<&str> = STEPS
            .iter()
            .chain(browser_steps)
            .map(|step| step.name)
            .collect();
        return Err(Failure::arguments("no step has such a name")
            .remedy(format!("the steps are: {}", names.join("; "))));
    }
    let begun = Instant::now();
    let mut times = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        eprintln!("[{}/{}] {}", index + 1, steps.len(), step.name);
        let step_begun = Instant::now();
        let outcome = (step.run)(places, options);
        let took = step_begun.elapsed();
        times.push((step.name, took));
        if let Err(failure) = outcome {
            report(&times, begun.elapsed());
            return Err(Failure::new(format!(
                "step `{}` failed: {failure}",
                step.name
            )));
        }
        eprintln!("    ok, {}", seconds(took));
    }
    report(&times, begun.elapsed());
    eprintln!("all {} steps passed", steps.len());
    Ok(())
}

fn report(times: &[(&str, Duration)], total: Duration) {
    eprintln!();
    for (name, took) in times {
        eprintln!("{:>9}  {name}", seconds(*took));
    }
    eprintln!("{:>9}  in all", seconds(total));
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn format(places: &Places, options: &Options) -> Result<()> {
    if options.locked {
        Run::cargo(places)?
            .args(["metadata", "--locked", "--format-version", "1"])
            .output()
            .map_err(|failure| failure.remedy("run `cargo metadata` and commit Cargo.lock"))?;
    }
    Run::cargo(places)?
        .args(["fmt", "--all", "--check"])
        .run()
        .map_err(|failure| failure.remedy("run `cargo fmt --all`"))
}

fn tidy_tree(places: &Places, _: &Options) -> Result<()> {
    tidy::run(places)
}

fn audit(places: &Places, _: &Options) -> Result<()> {
    audit::run(places)
}

fn clippy_native(places: &Places, _: &Options) -> Result<()> {
    for packages in [&NATIVE_PACKAGES[..], &SMALL_PACKAGES] {
        Run::cargo(places)?
            .args(["clippy", "--all-targets"])
            .args(selection(packages))
            .args(["--", "-D", "warnings"])
            .run()?;
    }
    Ok(())
}

fn documentation(places: &Places, _: &Options) -> Result<()> {
    for packages in [&NATIVE_PACKAGES[..], &SMALL_PACKAGES] {
        Run::cargo(places)?
            .args(["doc", "--no-deps"])
            .args(selection(packages))
            .env("RUSTDOCFLAGS", "-D warnings")
            .run()?;
    }
    Ok(())
}

fn native_tests(places: &Places, _: &Options) -> Result<()> {
    setup::for_native_tests(places)?;
    let icd10cm = setup::ensure_icd10cm(places)?;
    for packages in [&NATIVE_PACKAGES[..], &SMALL_PACKAGES] {
        Run::cargo(places)?
            .arg("test")
            .args(selection(packages))
            .env("OUTPOST_ICD10CM", &icd10cm)
            .run()?;
    }
    Ok(())
}

fn clippy_wasm(places: &Places, _: &Options) -> Result<()> {
    let toolchain = setup::for_page(places)?;
    for packages in [
        &WORKER_PACKAGES[..],
        &PAGE_PACKAGES,
        &THREAD_PACKAGES,
        &COST_PACKAGES,
    ] {
        lint_wasm(places, &toolchain, packages)?;
    }
    Ok(())
}

/// Lints in the release profile, so that macros and build scripts are those of the page.
fn lint_wasm(places: &Places, toolchain: &WasmToolchain, packages: &[&str]) -> Result<()> {
    let lint = if toolchain.has_clippy() {
        "clippy"
    } else {
        "check"
    };
    let run = Run::cargo(places)?
        .args([lint, "--release", "--target", "wasm32-unknown-unknown"])
        .args(selection(packages));
    let run = if toolchain.has_clippy() {
        run.args(["--", "-D", "warnings"])
    } else {
        run
    };
    toolchain.apply(run).run()
}

fn page(places: &Places, _: &Options) -> Result<()> {
    build::dist(places)?.check()
}

fn wasm_tests(places: &Places, _: &Options) -> Result<()> {
    let toolchain = setup::for_page(places)?;
    setup::for_wasm_pack(places)?;
    let browser = setup::for_browser_tests(places)?;
    let webdriver = setup::write_webdriver_json(places, &browser.chromium)?;
    let test = Run::new(places, "wasm-pack")?
        .args(["test", "--headless", "--chrome", "--chromedriver"])
        .arg(&browser.chromedriver)
        .args(["--mode", "no-install", "--release"])
        .arg(places.root.join("web/worker"))
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", webdriver)
        .env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_TEST_TIMEOUT_S);
    toolchain.apply(test).run()
}

fn page_tests(places: &Places, options: &Options) -> Result<()> {
    let browser = setup::for_browser_tests(places)?;
    build::outpost(places)?;
    let tests = browser.script(places, "browser/run.mjs")?;
    let tests = if options.update_screenshots {
        tests.env(
            "OUTPOST_UPDATE_SCREENSHOTS",
            places.root.join("docs/screenshots"),
        )
    } else {
        tests
    };
    tests.run().map_err(|failure| {
        failure.remedy(format!(
            "see the pictures and logs in {}",
            places.browser_output().display()
        ))
    })
}

fn selection<'a>(packages: &'a [&str]) -> impl Iterator<Item = &'a str> {
    packages.iter().flat_map(|package| ["-p", package])
}
