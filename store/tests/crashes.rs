//! The power goes after every operation of the disk, and whatever the disk had not promised may be lost, torn or
//! reordered. What the library has said stays true, and what was begun can be ended.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use support::histories::{History, Step};
use support::models::Sample;
use support::random::Random;

/// Two versions of each of two models, and one that is described in two ways.
fn samples() -> Vec<Sample> {
    let described = Sample::new("gamma", 5, &[70, 30]);
    vec![
        Sample::new("alpha", 1, &[64, 90, 17]),
        Sample::new("alpha", 2, &[64, 33]),
        Sample::new("beta", 3, &[41, 12, 60, 8]),
        Sample::new("beta", 4, &[41, 12, 60, 9]),
        described.with_notice("Say where it is from."),
        described,
    ]
}

fn history(old: &[usize], steps: &[Step]) -> History {
    History {
        samples: samples(),
        old: old.to_vec(),
        steps: [&[Step::Adopt], steps].concat(),
    }
}

fn written() -> Vec<History> {
    vec![
        history(&[], &[Step::Install(0)]),
        history(&[], &[Step::Begin(0, 1), Step::Reload, Step::Install(0)]),
        history(&[], &[Step::Install(0), Step::Delete(0), Step::Install(0)]),
        history(&[], &[Step::Install(0), Step::Install(1), Step::Install(0)]),
        history(&[], &[Step::Install(4), Step::Install(5), Step::Install(4)]),
        history(&[], &[Step::Convert(2)]),
        history(
            &[],
            &[Step::BeginConversion(2, 2), Step::Reload, Step::Convert(2)],
        ),
        history(&[], &[Step::Convert(2), Step::Convert(3), Step::Convert(3)]),
        history(&[], &[Step::Install(2), Step::Convert(2), Step::Delete(2)]),
        history(&[], &[Step::Install(0), Step::SpoilAndRepair(0, 1)]),
        history(
            &[],
            &[
                Step::Convert(2),
                Step::SpoilAndRepair(2, 3),
                Step::Convert(2),
            ],
        ),
        history(
            &[],
            &[
                Step::Install(0),
                Step::Compact,
                Step::Begin(2, 1),
                Step::Compact,
            ],
        ),
        history(&[0, 2], &[Step::Delete(0), Step::Compact, Step::CleanUp]),
        history(&[0], &[Step::Install(1), Step::Delete(1), Step::Reload]),
        history(&[0], &[Step::Begin(1, 1), Step::Delete(1), Step::CleanUp]),
    ]
}

#[test]
fn a_power_failure_at_any_moment_breaks_no_promise() {
    let mut random = Random::new(2026);
    let mut histories = written();
    histories.extend((0..RANDOM_HISTORIES).map(|_| History::random(&samples(), &mut random)));
    let (mut points, mut failures) = (0, 0);
    for history in &histories {
        let (operations, tried) = history.survives_every_crash(SURVIVALS, &mut random);
        points += operations;
        failures += tried;
    }
    println!(
        "{points} crash points in {} histories, {failures} power failures",
        histories.len()
    );
    assert!(points >= 10_000, "only {points} crash points");
}

const RANDOM_HISTORIES: usize = 110;
const SURVIVALS: usize = 3;
