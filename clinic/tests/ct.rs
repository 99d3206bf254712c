//! A CT series on its way to a model: windows, sampling, prompt and context.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outpost_clinic::Error;
use outpost_clinic::ct::{
    INSTRUCTION, MAX_SIDE, MAX_SLICES, Series, Slice, Window, Windows, check_context, sample,
};
use outpost_engine::chat::Part;
use proptest::prelude::*;

fn slice(value: f32) -> Slice {
    Slice::new(2, 1, vec![value; 2], None).unwrap()
}

fn series(count: usize) -> Series {
    Series::new((0..count).map(|index| slice(index as f32)).collect()).unwrap()
}

/// Which slices of [`series`] are there.
fn values(series: &Series) -> Vec<usize> {
    let first = |slice: &Slice| slice.hounsfield()[0] as usize;
    series.slices().iter().map(first).collect()
}

/// numpy 2.4, f32: `np.round((np.clip(hu, low, high) - low) / (high - low) * 255)`, as the notebook's `norm` and rounding.
#[test]
fn windows_give_the_samples_of_the_notebook() {
    let expected_1_5 = [
        (-3024.0, [0, 0, 0]),
        (-1000.0, [3, 0, 0]),
        (-134.0, [111, 1, 0]),
        (-1.0, [127, 98, 0]),
        (7.0, [128, 103, 22]),
        (33.0, [132, 122, 105]),
        (81.0, [138, 157, 255]),
        (216.0, [154, 255, 255]),
        (500.0, [190, 255, 255]),
        (3071.0, [255, 255, 255]),
    ];
    let expected_1_0 = [
        (-1024.0, [23, 0, 0]),
        (-1.0, [139, 98, 0]),
        (500.0, [196, 255, 255]),
        (1025.0, [255; 3]),
    ];
    for (windows, expected) in [
        (Windows::MEDGEMMA_1_5, expected_1_5.as_slice()),
        (Windows::MEDGEMMA_1_0, &expected_1_0),
    ] {
        for (hu, samples) in expected {
            let picture = slice(*hu).picture(&windows);
            assert_eq!(picture.pixels, [*samples, *samples].concat(), "{hu}");
        }
    }
}

/// Where numpy's rounding shows: 25.5, 76.5 and 127.5 go to the even neighbour.
#[test]
fn halves_are_rounded_to_even() {
    let [_, _, brain] = Windows::MEDGEMMA_1_5.0;
    let found = [8.0, 24.0, 40.0, 56.0, 72.0].map(|hu| brain.sample(hu));
    assert_eq!(found, [26, 76, 128, 178, 230]);
    assert_eq!(Windows::MEDGEMMA_1_0.0[0].sample(-1150.0), 8);
}

/// Sums over every integer of -2048..4096, from the same numpy expression.
#[test]
fn every_value_of_a_scanner_agrees_in_sum() {
    let sums = |windows: Windows| {
        windows.0.map(|window| {
            let samples = (-2048_i16..4096).map(|hu| u64::from(window.sample(f32::from(hu))));
            samples
                .zip((0..251_u64).cycle())
                .fold((0, 0), |(sum, weighted), (sample, weight)| {
                    (sum + sample, weighted + sample * weight)
                })
        })
    };
    assert_eq!(
        sums(Windows::MEDGEMMA_1_5),
        [
            (1_044_353, 129_874_256),
            (1_034_153, 128_531_600),
            (1_034_153, 128_946_790)
        ]
    );
    assert_eq!(sums(Windows::MEDGEMMA_1_0)[0], (1_069_852, 133_064_816));
}

#[test]
fn a_window_needs_a_width() {
    assert!(Window::between(0.0, 80.0).is_some());
    for (low, high) in [
        (80.0, 0.0),
        (1.0, 1.0),
        (f32::NAN, 1.0),
        (0.0, f32::INFINITY),
    ] {
        assert!(Window::between(low, high).is_none());
    }
}

#[test]
fn slices_that_make_no_sense_are_refused() {
    for (width, height, values) in [
        (2, 2, vec![0.0; 3]),
        (0, 2, vec![]),
        (1, 1, vec![f32::NAN]),
        (1, 1, vec![f32::INFINITY]),
    ] {
        let error = Slice::new(width, height, values, None).unwrap_err();
        assert!(matches!(error, Error::Series { .. }), "{error}");
    }
    let error = Slice::new(MAX_SIDE + 1, 1, Vec::new(), None).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    assert!(Series::new(Vec::new()).is_err());
}

/// Python: `[int(round(i / 85 * (n - 1))) for i in range(1, 86)]`, as the notebook samples.
#[test]
fn a_long_series_is_sampled_as_in_the_notebook() {
    for (count, first, last, sum) in [
        (86, [1, 2, 3, 4, 5, 6], [83, 84, 85], 3655),
        (100, [1, 2, 3, 5, 6, 7], [97, 98, 99], 4257),
        (171, [2, 4, 6, 8, 10, 12], [166, 168, 170], 7310),
        (300, [4, 7, 11, 14, 18, 21], [292, 295, 299], 12857),
        (1000, [12, 24, 35, 47, 59, 71], [975, 987, 999], 42957),
    ] {
        let found = sample(count, MAX_SLICES);
        assert_eq!(found.len(), MAX_SLICES);
        assert_eq!(found[..6], first, "{count}");
        assert_eq!(found[82..], last, "{count}");
        assert_eq!(found.iter().sum::<usize>(), sum, "{count}");
    }
    assert_eq!(sample(10, 4), [2, 4, 7, 9]);
    assert_eq!(values(&series(10).sampled(4).unwrap()), [2, 4, 7, 9]);
}

#[test]
fn a_short_series_stays_whole() {
    assert_eq!(values(&series(3).sampled(85).unwrap()), [0, 1, 2]);
    assert_eq!(sample(85, 85), (0..85).collect::<Vec<_>>());
    assert!(series(3).sampled(0).is_err());
}

#[test]
fn the_prompt_numbers_each_slice_behind_its_picture() {
    let conversation = series(2).prompt(INSTRUCTION, "What is it?").unwrap();
    let text = |text: &str| Part::Text(text.to_owned());
    let expected = [
        text(INSTRUCTION),
        Part::Image,
        text("SLICE 1"),
        Part::Image,
        text("SLICE 2"),
        text("What is it?"),
    ];
    assert_eq!(conversation.messages[0].parts, expected);
    assert_eq!(conversation.messages.len(), 1);
}

#[test]
fn a_prompt_takes_no_more_slices_than_the_model_was_trained_on() {
    assert!(series(MAX_SLICES).prompt("", "?").is_ok());
    let error = series(MAX_SLICES + 1).prompt("", "?").unwrap_err();
    assert!(error.to_string().contains("86 slices"), "{error}");
}

#[test]
fn a_series_beyond_the_context_is_refused_with_its_numbers() {
    assert_eq!(check_context(85, 256, 600, 32_768), Ok(22_360));
    assert_eq!(check_context(2, 4, 10, 19), Ok(18));
    let error = check_context(85, 256, 600, 2048).unwrap_err();
    assert_eq!(
        error.to_string(),
        "85 slices with their question need 22361 tokens and the context holds 2048; use fewer slices or a longer context"
    );
    assert!(check_context(2, 4, 10, 18).is_err());
    assert!(check_context(usize::MAX, usize::MAX, 1, usize::MAX - 1).is_err());
}

proptest! {
    #[test]
    fn windows_are_monotone_and_reach_from_0_to_255(a in -4096.0_f32..4096.0, b in -4096.0_f32..4096.0) {
        for window in Windows::MEDGEMMA_1_5.0.into_iter().chain(Windows::MEDGEMMA_1_0.0) {
            prop_assert!(a > b || window.sample(a) <= window.sample(b));
            prop_assert_eq!((window.sample(-4096.0), window.sample(4096.0)), (0, 255));
        }
    }

    #[test]
    fn a_sample_ascends_ends_with_the_last_and_has_as_many_as_asked(count in 1_usize..3000, most in 1_usize..200) {
        let found = sample(count, most);
        prop_assert_eq!(found.len(), count.min(most));
        prop_assert!(found.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(found.last(), Some(&(count - 1)));
    }
}
