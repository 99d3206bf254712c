//! What the sampler promises.

use proptest::prelude::*;

use super::*;

fn sampler(options: SamplerOptions) -> Sampler {
    Sampler::new(options).unwrap()
}

fn warm() -> SamplerOptions {
    SamplerOptions {
        temperature: 1.0,
        ..Default::default()
    }
}

/// The ids that `draws` picks give.
fn picks(options: SamplerOptions, logits: &[f32], draws: usize) -> Vec<u32> {
    let mut sampler = sampler(options);
    (0..draws)
        .map(|_| sampler.sample(&mut logits.to_vec(), &[], None).unwrap())
        .collect()
}

/// Ids in order of likelihood, by the plain method.
fn ranked(logits: &[f32]) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    ids.sort_by(|&a, &b| {
        logits[b as usize]
            .partial_cmp(&logits[a as usize])
            .unwrap()
            .then(a.cmp(&b))
    });
    ids
}

fn any_logits() -> impl Strategy<Value = Vec<f32>> {
    // Few distinct values, so that ties are common.
    prop::collection::vec(
        prop_oneof![
            -30.0f32..30.0,
            prop::sample::select(vec![-1.0f32, 0.0, -0.0, 2.5])
        ],
        1..700,
    )
}

fn any_options() -> impl Strategy<Value = SamplerOptions> {
    (
        0.05f32..3.0,
        0usize..40,
        0.01f32..=1.0,
        0.0f32..=1.0,
        any::<u64>(),
    )
        .prop_map(|(temperature, top_k, top_p, min_p, seed)| SamplerOptions {
            temperature,
            top_k,
            top_p,
            min_p,
            seed,
            ..Default::default()
        })
}

/// Which ids may be picked, by the definitions on the sorted list.
fn reference(logits: &[f32], options: &SamplerOptions) -> Vec<u32> {
    let mut ids = ranked(logits);
    if options.top_k > 0 {
        ids.truncate(options.top_k);
    }
    let largest = logits[ids[0] as usize];
    let weight = |id: u32| {
        ((f64::from(logits[id as usize]) - f64::from(largest)) / f64::from(options.temperature))
            .exp()
    };
    let total: f64 = ids.iter().map(|&id| weight(id)).sum();
    let mut before = 0.0;
    ids.retain(|&id| {
        // A hair's breadth of slack for sums in another order.
        let keep = before < f64::from(options.top_p) * total * (1.0 + 1e-9) || options.top_p == 1.0;
        before += weight(id);
        keep && weight(id) >= f64::from(options.min_p)
    });
    ids
}

proptest! {
    #[test]
    fn greedy_picks_the_first_of_the_largest(logits in any_logits()) {
        let picked = picks(SamplerOptions::default(), &logits, 1)[0];
        prop_assert_eq!(picked, ranked(&logits)[0]);
    }

    #[test]
    fn picks_lie_within_top_k_top_p_and_min_p(logits in any_logits(), options in any_options()) {
        let allowed = reference(&logits, &options);
        for id in picks(options.clone(), &logits, 8) {
            prop_assert!(allowed.contains(&id), "{id} is not one of {allowed:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_picks(logits in any_logits(), options in any_options()) {
        prop_assert_eq!(picks(options.clone(), &logits, 8), picks(options, &logits, 8));
    }

    #[test]
    fn filters_that_drop_nothing_change_no_pick(logits in any_logits(), seed in any::<u64>()) {
        let plain = SamplerOptions { seed, ..warm() };
        let with_filters = SamplerOptions { top_k: logits.len(), min_p: 1e-40, ..plain.clone() };
        prop_assert_eq!(picks(plain, &logits, 8), picks(with_filters, &logits, 8));
    }

    #[test]
    fn top_k_of_one_and_a_tiny_temperature_are_greedy(logits in any_logits(), seed in any::<u64>()) {
        let greedy = picks(SamplerOptions::default(), &logits, 4);
        prop_assert_eq!(&picks(SamplerOptions { top_k: 1, seed, ..warm() }, &logits, 4), &greedy);
        prop_assert_eq!(&picks(SamplerOptions { min_p: 1.0, top_k: 1, seed, ..warm() }, &logits, 4), &greedy);
        let cold = SamplerOptions { temperature: f32::MIN_POSITIVE, top_k: 1, seed, ..Default::default() };
        prop_assert_eq!(&picks(cold, &logits, 4), &greedy);
    }

    #[test]
    fn only_allowed_tokens_are_picked(
        logits in any_logits(), options in any_options(), chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        greedy in any::<bool>(),
    ) {
        let mut mask = TokenMask::none(logits.len());
        chosen.iter().for_each(|index| mask.allow(index.index(logits.len()) as u32));
        let temperature = if greedy { 0.0 } else { options.temperature };
        let mut sampler = sampler(SamplerOptions { temperature, ..options });
        let id = sampler.sample(&mut logits.clone(), &[], Some(&mask)).unwrap();
        prop_assert!(mask.allows(id));
    }

    #[test]
    fn the_most_likely_candidates_are_enough_for_top_k(
        logits in any_logits(), options in any_options(), history in prop::collection::vec(0u32..700, 0..4),
    ) {
        let options = SamplerOptions { top_k: options.top_k.max(1), repetition_penalty: 1.3, ..options };
        // The penalty may drop as many of them as occurred.
        let candidates: Vec<Candidate> = ranked(&logits)
            .into_iter()
            .take(options.top_k + history.len())
            .map(|id| Candidate { id, logit: logits[id as usize] })
            .collect();
        let from_candidates = sampler(options.clone()).sample_candidates(&candidates, &history, None).unwrap();
        prop_assert_eq!(from_candidates, sampler(options).sample(&mut logits.clone(), &history, None).unwrap());
    }

    #[test]
    fn a_mask_allows_what_was_allowed(size in 0usize..200, ids in prop::collection::vec(0u32..250, 0..50)) {
        let (mut some, mut all) = (TokenMask::none(size), TokenMask::all(size));
        for &id in &ids {
            some.allow(id);
            all.forbid(id);
        }
        for id in 0..300 {
            let inside = (id as usize) < size;
            prop_assert_eq!(some.allows(id), inside && ids.contains(&id));
            prop_assert_eq!(all.allows(id), inside && !ids.contains(&id));
        }
        prop_assert_eq!(some.count() + all.count(), size);
    }
}

#[test]
fn picks_follow_the_distribution() {
    let shares = [0.5f32, 0.3, 0.15, 0.05];
    let logits = shares.map(f32::ln);
    let draws = 20_000;
    let counts = |options: SamplerOptions| {
        let mut counts = [0.0f64; 4];
        picks(options, &logits, draws)
            .iter()
            .for_each(|&id| counts[id as usize] += 1.0 / draws as f64);
        counts
    };
    let close = |found: [f64; 4], expected: [f64; 4]| {
        // Five standard deviations.
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 0.018),
            "{found:?} {expected:?}"
        );
    };
    close(counts(warm()), [0.5, 0.3, 0.15, 0.05]);
    close(
        counts(SamplerOptions { top_k: 2, ..warm() }),
        [0.625, 0.375, 0.0, 0.0],
    );
    // 0.5 + 0.3 falls short of 0.9, so the third is needed.
    close(
        counts(SamplerOptions {
            top_p: 0.9,
            ..warm()
        }),
        [0.5263, 0.3158, 0.1579, 0.0],
    );
    close(
        counts(SamplerOptions {
            min_p: 0.5,
            ..warm()
        }),
        [0.625, 0.375, 0.0, 0.0],
    );
    // Squares of the shares.
    close(
        counts(SamplerOptions {
            temperature: 0.5,
            ..warm()
        }),
        [0.6849, 0.2466, 0.0616, 0.0068],
    );
}

#[test]
fn top_p_looks_at_what_top_k_left() {
    // Of the whole, the first has 0.4; of the first two, 0.5714.
    let logits = [0.4f32, 0.3, 0.2, 0.1].map(f32::ln);
    let options = SamplerOptions {
        top_k: 2,
        top_p: 0.55,
        ..warm()
    };
    assert!(picks(options, &logits, 200).iter().all(|&id| id == 0));
    let options = SamplerOptions {
        top_p: 0.55,
        ..warm()
    };
    assert!(picks(options, &logits, 200).contains(&1));
}

#[test]
fn ties_go_to_the_lower_id_also_at_the_edge_of_top_k() {
    let logits = [1.0, 3.0, 3.0, 3.0, 0.0, -0.0];
    assert_eq!(picks(SamplerOptions::default(), &logits, 1), [1]);
    let kept = picks(SamplerOptions { top_k: 2, ..warm() }, &logits, 200);
    assert!(kept.contains(&1) && kept.contains(&2) && !kept.contains(&3));
    assert_eq!(picks(SamplerOptions::default(), &[-0.0, 0.0], 1), [0]);
}

#[test]
fn the_penalty_makes_what_occurred_less_likely_whatever_its_sign() {
    let penalised = |logits: &[f32], history: &[u32], window: usize| {
        let options = SamplerOptions {
            repetition_penalty: 2.0,
            repetition_window: window,
            ..Default::default()
        };
        sampler(options)
            .sample(&mut logits.to_vec(), history, None)
            .unwrap()
    };
    assert_eq!(penalised(&[3.0, 2.0], &[0], 0), 1);
    assert_eq!(penalised(&[-1.0, -1.5], &[0], 0), 1);
    assert_eq!(
        penalised(&[3.0, 2.0], &[0, 0, 0], 0),
        1,
        "once, however often it occurred"
    );
    assert_eq!(
        penalised(&[4.1, 2.0], &[0, 0, 0], 0),
        0,
        "once, however often it occurred"
    );
    assert_eq!(
        penalised(&[3.0, 2.0], &[0, 7, 8], 2),
        0,
        "out of the window"
    );
    assert_eq!(
        penalised(&[3.0, 2.0], &[u32::MAX], 0),
        0,
        "ids beyond the vocabulary do nothing"
    );
}

#[test]
fn a_broken_device_is_reported() {
    for broken in [f32::NAN, f32::INFINITY] {
        for options in [SamplerOptions::default(), warm()] {
            let error = sampler(options)
                .sample(&mut [0.0, broken, 1.0], &[], None)
                .unwrap_err();
            assert!(matches!(error, Error::Device { .. }));
            assert!(error.to_string().contains("token 1"), "{error}");
        }
    }
}

#[test]
fn nothing_to_pick_from_is_an_error() {
    let none = TokenMask::none(2);
    for options in [SamplerOptions::default(), warm()] {
        let mut sampler = sampler(options);
        assert!(matches!(
            sampler.sample(&mut [0.0, 1.0], &[], Some(&none)),
            Err(Error::Request { .. })
        ));
        assert!(sampler.sample(&mut [], &[], None).is_err());
        assert!(
            sampler
                .sample(&mut [f32::NEG_INFINITY; 2], &[], None)
                .is_err()
        );
        assert_eq!(
            sampler.sample(&mut [f32::NEG_INFINITY, -9.0], &[], None),
            Ok(1)
        );
    }
}

#[test]
fn options_out_of_range_are_named() {
    let changed = |change: fn(&mut SamplerOptions)| {
        let mut options = SamplerOptions::default();
        change(&mut options);
        options.validate().map_err(|error| error.to_string())
    };
    type Change = fn(&mut SamplerOptions);
    let refused: [(Change, &str); 10] = [
        (|o| o.temperature = -0.1, "temperature is -0.1"),
        (|o| o.temperature = f32::NAN, "temperature is NaN"),
        (|o| o.temperature = f32::INFINITY, "temperature is inf"),
        (|o| o.top_p = 0.0, "top_p is 0"),
        (|o| o.top_p = 1.1, "top_p is 1.1"),
        (|o| o.min_p = -0.1, "min_p is -0.1"),
        (|o| o.min_p = f32::NAN, "min_p is NaN"),
        (|o| o.repetition_penalty = 0.0, "repetition_penalty is 0"),
        (
            |o| o.repetition_penalty = 1e9,
            "repetition_penalty is 1000000000",
        ),
        (
            |o| o.repetition_penalty = f32::NAN,
            "repetition_penalty is NaN",
        ),
    ];
    for (change, words) in refused {
        let message = changed(change).unwrap_err();
        assert!(message.starts_with(words), "{message}");
    }
    assert!(
        changed(|o| (o.temperature, o.top_p, o.min_p, o.top_k) = (100.0, 1.0, 1.0, usize::MAX))
            .is_ok()
    );
}

#[test]
fn absent_options_are_the_defaults() {
    let options: SamplerOptions =
        serde_json::from_str(r#"{"temperature": 0.7, "seed": 18446744073709551615}"#).unwrap();
    assert_eq!(
        options,
        SamplerOptions {
            temperature: 0.7,
            seed: u64::MAX,
            ..Default::default()
        }
    );
}
