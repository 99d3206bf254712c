//! What a model may write when it is asked where something is, and what is read from it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outpost_clinic::localisation::{Frame, PixelBox, Reason};
use outpost_clinic::{Error, Localisation};
use outpost_engine::chat::Part;
use proptest::prelude::*;

/// A square picture, so that a thousandth is a pixel.
const THOUSAND: (u32, u32) = (1000, 1000);

fn parse(answer: &str) -> Localisation {
    Localisation::parse(answer, &Frame::padded(THOUSAND.0, THOUSAND.1)).unwrap()
}

/// Edges of the boxes, `[x0, y0, x1, y1]`, rounded.
fn edges(found: &Localisation) -> Vec<[i64; 4]> {
    let rounded = |edge: f64| edge.round() as i64;
    let boxes = found.boxes.iter();
    boxes
        .map(|b| [b.x0, b.y0, b.x1, b.y1].map(rounded))
        .collect()
}

fn reasons(found: &Localisation) -> Vec<Reason> {
    found.dropped.iter().map(|dropped| dropped.reason).collect()
}

#[test]
fn the_question_is_the_published_one() {
    let conversation = Localisation::ask(" right clavicle ");
    let [Part::Image, Part::Text(text)] = conversation.messages[0].parts.as_slice() else {
        panic!("{conversation:?}");
    };
    assert!(text.starts_with("Instructions:\nThe following user query will require"));
    assert!(text.contains("Query:\nWhere is the right clavicle? Don't give a final answer"));
    assert!(text.contains(r#"Remember "left" refers to the patient's left side"#));
    assert!(text.ends_with(r#"The object needs a "box_2d" and "label" key. Answer:"#));
}

#[test]
fn the_published_form_is_read_with_y_before_x() {
    let found = parse(
        "The clavicle is the long bone at the top.\n\nFinal Answer: ```json\n[{\"box_2d\": [140, 110, 340, 470], \"label\": \"right clavicle\"}]\n```",
    );
    let expected = PixelBox {
        label: "right clavicle".to_owned(),
        x0: 110.0,
        y0: 140.0,
        x1: 470.0,
        y1: 340.0,
    };
    assert_eq!(found.boxes, [expected]);
    assert!(found.dropped.is_empty() && !found.cut);
}

#[test]
fn fences_prose_and_a_lone_object_change_nothing() {
    let object = r#"{"box_2d": [1, 2, 30, 40], "label": "a"}"#;
    for answer in [
        format!("Final Answer: [{object}]"),
        format!("Final Answer: {object}"),
        format!("**Final Answer:** ```json[{object}]```"),
        format!("final answer:\n[\n  {object}\n]\nThat is [all] {{of}} it."),
        format!("[{object}]"),
        format!("It is here: {object}."),
        format!(r#"{{"boxes": [{object}]}}"#),
        format!("[y0, x0, y1, x1] in [0, 1000]: [{object}] as said [1]. This is my final answer."),
    ] {
        let found = parse(&answer);
        assert_eq!(edges(&found), [[2, 1, 40, 30]], "{answer}");
        assert!(!found.cut, "{answer}");
    }
}

#[test]
fn the_list_after_the_last_final_answer_counts_else_the_last_whole_one() {
    let (a, b) = (
        r#"[{"box_2d": [0, 0, 10, 10]}]"#,
        r#"[{"box_2d": [0, 0, 20, 20]}]"#,
    );
    for answer in [
        format!("{a} Final Answer: {b}"),
        format!("Final Answer: {a} No. Final Answer: {b}"),
        format!("Final Answer: {b} and not {a}"),
        format!("{a} or rather {b}"),
        format!(r#"{b} or even [{{"box_2d": [0, 0,"#),
        format!("<unused94>thought\nFinal Answer: {a}<unused95>{b}"),
    ] {
        assert_eq!(edges(&parse(&answer)), [[0, 0, 20, 20]], "{answer}");
    }
}

#[test]
fn nothing_found_is_an_answer_and_no_list_is_none() {
    assert_eq!(parse("Final Answer: []"), Localisation::default());
    for answer in [
        "",
        "I see nothing.",
        "Final Answer: none",
        "Final Answer: [140, 110, 340, 470]",
        "{\"a\": 1}",
    ] {
        let error = Localisation::parse(answer, &Frame::squashed(8, 8)).unwrap_err();
        assert_eq!(error, Error::NoBoxes, "{answer}");
    }
}

#[test]
fn one_scale_holds_for_a_whole_answer() {
    // Of two boxes the first alone would pass for fractions.
    let thousandths = r#"[{"box_2d": [0, 0, 1, 1]}, {"box_2d": [100, 200, 300, 400]}]"#;
    assert_eq!(
        edges(&parse(thousandths)),
        [[0, 0, 1, 1], [200, 100, 400, 300]]
    );
    let fractions = r#"[{"box_2d": [0.1, 0.2, 0.3, 0.4]}, {"box_2d": [0, 0, 1, 1]}]"#;
    assert_eq!(
        edges(&parse(fractions)),
        [[200, 100, 400, 300], [0, 0, 1000, 1000]]
    );
    // Alone, zeros and ones are fractions.
    let whole = r#"[{"box_2d": [0, 0, 1, 1]}]"#;
    assert_eq!(edges(&parse(whole)), [[0, 0, 1000, 1000]]);
    // A fraction that goes astray does not turn the others into thousandths.
    let astray = parse(r#"[{"box_2d": [0.1, 0.2, 0.3, 1.04]}, {"box_2d": [0.1, 0.2, 0.3, 0.4]}]"#);
    assert_eq!(edges(&astray), [[200, 100, 400, 300]]);
    assert_eq!(reasons(&astray), [Reason::OutsideScale]);
}

#[test]
fn what_is_no_box_is_dropped_with_its_reason() {
    let good = r#"{"box_2d": [10, 20, 30, 40], "label": "x"}"#;
    for (bad, reason) in [
        (r#"{"label": "x"}"#, Reason::NoBox),
        ("7", Reason::NoBox),
        (r#"{"box_2d": [1, 2, 3]}"#, Reason::NotFourNumbers),
        (r#"{"box_2d": [1, 2, 3, 4, 5]}"#, Reason::NotFourNumbers),
        (r#"{"box_2d": [1, 2, 3, "4"]}"#, Reason::NotFourNumbers),
        (r#"{"box_2d": "1 2 3 4"}"#, Reason::NotFourNumbers),
        (r#"{"box_2d": [1, 2, 3, null]}"#, Reason::NotFourNumbers),
        (r#"{"box_2d": [NaN, 2, 3, 4]}"#, Reason::NotJson),
        (r#"{"box_2d": [1e999, 2, 3, 4]}"#, Reason::NotJson),
        (r#"{"box_2d": [-1, 2, 3, 4]}"#, Reason::OutsideScale),
        (r#"{"box_2d": [1, 2, 3, 1001]}"#, Reason::OutsideScale),
        (r#"{"box_2d": [30, 2, 3, 40]}"#, Reason::Reversed),
        (r#"{"box_2d": [3, 20, 30, 4]}"#, Reason::Reversed),
        (r#"{"box_2d": [3, 4, 3, 40]}"#, Reason::Reversed),
    ] {
        let found = parse(&format!("Final Answer: [{good}, {bad}, {good}]"));
        assert_eq!(reasons(&found), [reason], "{bad}");
        assert_eq!(found.dropped[0].element, bad);
        assert_eq!(edges(&found), [[20, 10, 40, 30]; 2], "{bad}");
        assert!(!found.cut, "{bad}");
    }
    // Without its bracket an element has no end, and takes the rest of the list with it.
    let open = parse(&format!(r#"[{good}, {{"box_2d": [1, 2, 3, 4}}, {good}]"#));
    assert_eq!(
        (open.boxes.len(), reasons(&open)),
        (1, vec![Reason::NotJson])
    );
    assert!(open.cut);
}

#[test]
fn a_missing_label_is_empty_and_the_box_stays() {
    let found = parse(r#"[{"box_2d": [0, 0, 9, 9]}, {"box_2d": [0, 0, 9, 9], "label": 3}]"#);
    let labels: Vec<_> = found.boxes.iter().map(|b| b.label.as_str()).collect();
    assert_eq!(labels, ["", ""]);
}

#[test]
fn a_list_that_does_not_end_says_so_and_keeps_what_is_complete() {
    let whole =
        r#"[{"box_2d": [10, 20, 30, 40], "label": "x"}, {"box_2d": [1, 2, 3, 4], "label": "y"}]"#;
    let ends = [whole.find('}').unwrap() + 1, whole.rfind('}').unwrap() + 1];
    for length in 1..whole.len() {
        let found = parse(&format!("Final Answer: {}", &whole[..length]));
        let complete = ends.iter().filter(|&&end| end <= length).count();
        assert_eq!(found.boxes.len(), complete, "{}", &whole[..length]);
        assert!(found.cut && found.dropped.is_empty());
    }
    // A final answer that was cut is still the final one.
    let cut = parse(r#"First [{"box_2d": [1, 2, 3, 4]}]. Final Answer: [{"box_2d": [10, 20"#);
    assert!(cut.boxes.is_empty() && cut.cut);
    let trailing = parse(r#"[{"box_2d": [10, 20, 30, 40]},]"#);
    assert!(trailing.cut && trailing.boxes.len() == 1);
}

#[test]
fn boxes_are_clipped_to_the_picture_and_those_in_the_padding_dropped() {
    // 1000 x 500: 250 rows of padding above and below.
    let frame = Frame::padded(1000, 500);
    let answer = r#"[{"box_2d": [0, 0, 250, 100]}, {"box_2d": [200, 100, 300, 200]}, {"box_2d": [750, 0, 1000, 9]}]"#;
    let found = Localisation::parse(answer, &frame).unwrap();
    assert_eq!(edges(&found), [[100, 0, 200, 50]]);
    assert_eq!(reasons(&found), [Reason::InPadding; 2]);

    // The same picture squashed: all of the square is picture.
    let found = Localisation::parse(answer, &Frame::squashed(1000, 500)).unwrap();
    assert_eq!(
        edges(&found),
        [[0, 0, 100, 125], [100, 100, 200, 150], [0, 375, 9, 500]]
    );
}

#[test]
fn the_odd_row_of_padding_lies_below() {
    let frame = Frame::padded(4, 1);
    assert_eq!(frame.to_picture(0.5, 0.25), (2.0, 0.0));
    assert_eq!(frame.to_picture(0.5, 0.5), (2.0, 1.0));
}

fn frame() -> impl Strategy<Value = (Frame, f64, f64)> {
    (1_u32..5000, 1_u32..5000, any::<bool>()).prop_map(|(width, height, padded)| {
        let frame = match padded {
            true => Frame::padded(width, height),
            false => Frame::squashed(width, height),
        };
        (frame, f64::from(width), f64::from(height))
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), frame in frame()) {
        let _ = Localisation::parse(&text, &frame.0);
    }

    #[test]
    fn no_mixture_of_json_makes_it_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "[", "]", "{", "}", ",", ":", "\"", "\\", "é", " ", "\n", "Final Answer", "final answer:", "```json", "-1",
            "0.5", "1000", "1e999", "NaN", "null", "\"box_2d\"", "\"box_2d\": [1, 2, 3, 4]", "\"label\": \"x\"",
            "{\"box_2d\": [1, 2, 3, 4]}", "<unused95>", "\\\"",
        ]), 0..40),
        frame in frame(),
    ) {
        if let Ok(found) = Localisation::parse(&pieces.concat(), &frame.0) {
            for b in &found.boxes {
                prop_assert!(0.0 <= b.x0 && b.x0 < b.x1 && b.x1 <= frame.1, "{b:?}");
                prop_assert!(0.0 <= b.y0 && b.y0 < b.y1 && b.y1 <= frame.2, "{b:?}");
            }
        }
    }

    #[test]
    fn to_the_square_and_back_is_the_identity_within_half_a_pixel(
        frame in frame(), at in (0.0..=1.0, 0.0..=1.0),
    ) {
        let (frame, width, height) = frame;
        let (x, y) = (at.0 * width, at.1 * height);
        let square = frame.to_square(x, y);
        let back = frame.to_picture(square.0, square.1);
        prop_assert!((back.0 - x).abs() < 0.5 && (back.1 - y).abs() < 0.5);
        // What the model writes is a thousandth of the square: no further off than half of one.
        let written = frame.to_picture((square.0 * 1000.0).round() / 1000.0, (square.1 * 1000.0).round() / 1000.0);
        let half = width.max(height) / 2000.0 + 1e-9;
        prop_assert!((written.0 - x).abs() <= half && (written.1 - y).abs() <= half);
    }

    #[test]
    fn boxes_inside_the_picture_come_back_where_they_were(
        frame in frame(), corners in (0.0..0.45, 0.0..0.45, 0.55..1.0, 0.55..1.0), fractions: bool,
    ) {
        let (frame, width, height) = frame;
        let (x0, y0) = frame.to_square(corners.0 * width, corners.1 * height);
        let (x1, y1) = frame.to_square(corners.2 * width, corners.3 * height);
        let scale = if fractions { 1.0 } else { 1000.0 };
        prop_assume!(fractions || y1 * scale > 2.0 || x1 * scale > 2.0);
        let [y0, x0, y1, x1] = [y0, x0, y1, x1].map(|edge| edge * scale);
        let answer = format!(r#"Final Answer: [{{"box_2d": [{y0}, {x0}, {y1}, {x1}], "label": "l"}}]"#);
        let found = Localisation::parse(&answer, &frame).unwrap();
        prop_assert_eq!(found.boxes.len(), 1, "{:?}", found);
        let b = &found.boxes[0];
        let expected = [corners.0 * width, corners.1 * height, corners.2 * width, corners.3 * height];
        for (found, expected) in [b.x0, b.y0, b.x1, b.y1].into_iter().zip(expected) {
            prop_assert!(f64::abs(found - expected) < 0.5, "{b:?} for {expected}");
        }
    }
}
