//! The disk refuses an operation, or has no space. The error says so, nothing is lost, and it goes on from there: at
//! once, after the tab was closed, or after the power has gone.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use outpost_store::Error;
use support::disk::{Failure, FakeDisk};
use support::histories::{History, Step};
use support::models::Sample;
use support::random::Random;
use support::run::{Run, Told};
use support::survival::Survival;

fn history(old: &[usize], steps: &[Step]) -> History {
    History {
        samples: vec![
            Sample::new("alpha", 1, &[64, 90, 17]),
            Sample::new("alpha", 2, &[64, 33]),
            Sample::new("beta", 3, &[41, 12, 60]),
        ],
        old: old.to_vec(),
        steps: [&[Step::Adopt], steps].concat(),
    }
}

fn histories() -> Vec<History> {
    vec![
        history(
            &[0],
            &[
                Step::Begin(1, 1),
                Step::Compact,
                Step::Install(1),
                Step::Compact,
                Step::Delete(1),
            ],
        ),
        history(
            &[],
            &[
                Step::Install(0),
                Step::SpoilAndRepair(0, 1),
                Step::Compact,
                Step::CleanUp,
            ],
        ),
        history(
            &[2],
            &[
                Step::Delete(2),
                Step::BeginConversion(2, 1),
                Step::Convert(2),
                Step::Reload,
            ],
        ),
    ]
}

/// Lets every operation of a history fail in one way, and goes on at once and after the tab was closed -> how many failures
/// that were, those of power among them.
fn fails_everywhere(history: &History, failure: Failure, random: &mut Random) -> usize {
    let disk = history.disk();
    Run::new(history, disk.clone(), Told::default()).finish();
    let operations = disk.operations();
    let mut failures = 0;
    for operation in 0..operations {
        for reloads in [false, true] {
            let disk = history.disk();
            disk.fail_at(operation, failure);
            let mut run = Run::new(history, disk, Told::default());
            let Err(error) = run.try_finish() else {
                // It did not matter: the operation was a help and no need.
                continue;
            };
            match failure {
                Failure::Full => assert!(matches!(error, Error::Full { .. }), "{error}"),
                _ => assert!(matches!(error, Error::Storage { .. }), "{error}"),
            }
            if run.is_open() {
                run.check();
            }
            if reloads {
                run.reload().unwrap();
                run.check();
            }
            failures += 1 + goes_on(run, random);
        }
    }
    failures
}

/// Goes on to the end, and lets the power go soon and later on the way -> how many power failures.
fn goes_on(mut run: Run<'_>, random: &mut Random) -> usize {
    run.skip_help();
    let history = run.history();
    let later = run.finish_in_snapshots();
    let soon = later.iter().take(12);
    let whenever: Vec<_> = (0..4).map(|_| random.pick(&later)).collect();
    let moments: Vec<_> = soon.chain(whenever).collect();
    for (left, told) in &moments {
        let survival = *random.pick(&[Survival::Anything, Survival::Everything]);
        let disk = FakeDisk::after_power_failure(left, survival, random);
        let mut run = Run::new(history, disk, told.clone());
        run.open().unwrap();
        run.check();
        run.finish();
    }
    moments.len()
}

#[test]
fn an_operation_that_fails_loses_nothing() {
    let mut random = Random::new(7);
    let mut failures = 0;
    for _ in 0..ROUNDS {
        for history in histories() {
            failures += fails_everywhere(&history, Failure::Before, &mut random);
            failures += fails_everywhere(&history, Failure::After, &mut random);
        }
    }
    println!("{failures} failures of operations, and of power after them");
    assert!(failures > 1_000);
}

#[test]
fn a_disk_that_is_full_at_any_write_loses_nothing() {
    let mut random = Random::new(8);
    let failures = histories()
        .into_iter()
        .map(|history| fails_everywhere(&history, Failure::Full, &mut random));
    assert!(failures.sum::<usize>() > 100);
}

#[test]
fn an_installation_ends_on_a_disk_that_gets_space_a_little_at_a_time() {
    let history = history(&[], &[Step::Install(0), Step::Convert(2)]);
    let disk = history.disk();
    let mut run = Run::new(&history, disk.clone(), Told::default());
    let mut refusals = 0;
    let mut capacity = 0;
    loop {
        disk.set_capacity(Some(capacity));
        match run.try_finish() {
            Ok(()) => break,
            Err(Error::Full { path }) => assert!(!path.is_empty()),
            Err(error) => panic!("{error}"),
        }
        refusals += 1;
        capacity += 5;
    }
    assert!(refusals > 100, "{refusals}");
}

const ROUNDS: usize = 2;
