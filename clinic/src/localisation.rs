//! Where something is in a picture: what MedGemma 1.5 is asked, and its answer as boxes in the picture's own pixels.
//!
//! Source of prompt and format: google-health/medgemma (Apache-2.0), notebooks/
//! cxr_anatomy_localization_with_hugging_face.ipynb. The answer ends with `Final Answer: X`, X a JSON list of
//! `{"box_2d": [y0, x0, y1, x1], "label": ".."}`. The prompt asks for a scale of 0 to 1000, the technical report
//! (arXiv:2604.05081, 3.2.4) speaks of 0 to 1; [`Localisation::parse`] says how the two are told apart.
//!
//! In labels, "left" is the patient's left: the right half of a frontal X-ray. Pixels count from the picture's own left.

mod answer;

use std::fmt;

use outpost_engine::chat::{Conversation, Message, Part, Role};
use outpost_engine::image::Square;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// The prompt around the name of what is to be found; verbatim, so that the model sees what it was trained on.
const PROMPT: [&str; 2] = [
    r#"Instructions:
The following user query will require outputting bounding boxes. The format of bounding boxes coordinates is [y0, x0, y1, x1] where (y0, x0) must be top-left corner and (y1, x1) the bottom-right corner. This implies that x0 < x1 and y0 < y1. Always normalize the x and y coordinates the range [0, 1000], meaning that a bounding box starting at 15% of the image width would be associated with an x coordinate of 150. You MUST output a single parseable json list of objects enclosed into ```json...``` brackets, for instance ```json[{"box_2d": [800, 3, 840, 471], "label": "car"}, {"box_2d": [400, 22, 600, 73], "label": "dog"}]``` is a valid output. Now answer to the user query.

Remember "left" refers to the patient's left side where the heart is and sometimes underneath an L in the upper right corner of the image.

Query:
Where is the "#,
    r#"? Don't give a final answer without reasoning. Output the final answer in the format "Final Answer: X" where X is a JSON list of objects. The object needs a "box_2d" and "label" key. Answer:"#,
];

/// An answer whose numbers reach no further is on the scale of 0 to 1. On that of 0 to 1000 all its boxes would lie in
/// the first two thousandths of the picture, and a single patch of the encoder covers 15 (14 pixels of 896).
const UNIT_SCALE_REACHES: f64 = 2.0;

/// Most characters that are kept of an element that was dropped.
const MAX_KEPT_CHARS: usize = 200;

/// How the model saw a picture: its size, and whether it was padded to a square or squashed into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    padded: bool,
}

impl Frame {
    /// The picture had `width` x `height` pixels and went through [`outpost_engine::image::pad_to_square`].
    pub fn padded(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            padded: true,
        }
    }

    /// The picture had `width` x `height` pixels and was given to the model as it was.
    pub fn squashed(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            padded: false,
        }
    }

    /// A point of the model's square, x and y in 0..=1, as a point of the picture in pixels. Points in the padding lie
    /// outside of the picture.
    pub fn to_picture(&self, x: f64, y: f64) -> (f64, f64) {
        let (left, top, width, height) = self.square();
        (x * width - left, y * height - top)
    }

    /// A point of the picture in pixels as a point of the model's square, x and y in 0..=1.
    pub fn to_square(&self, x: f64, y: f64) -> (f64, f64) {
        let (left, top, width, height) = self.square();
        ((x + left) / width, (y + top) / height)
    }

    /// Where the picture begins in the square, and the square's width and height. All in pixels of the picture.
    fn square(&self) -> (f64, f64, f64, f64) {
        if !self.padded {
            return (0.0, 0.0, f64::from(self.width), f64::from(self.height));
        }
        let Square { side, left, top } = Square::around(self.width, self.height);
        let side = f64::from(side);
        (f64::from(left), f64::from(top), side, side)
    }
}

/// A box in the picture as it was before the model saw it: edges in pixels, 0 at the left and at the top, and never
/// outside of the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PixelBox {
    /// What the model says is in it; "left" means the patient's left. Empty if the model gave no text.
    pub label: String,
    /// Left edge.
    pub x0: f64,
    /// Upper edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
}

/// Why an element of the list is no box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It cannot be read as JSON. `NaN` and infinities are no JSON.
    NotJson,
    /// It has no `box_2d`.
    NoBox,
    /// Its `box_2d` is not a list of four numbers.
    NotFourNumbers,
    /// A number is beyond the scale.
    OutsideScale,
    /// An edge lies on or beyond its opposite.
    Reversed,
    /// It lies in the padding alone.
    InPadding,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "it is not JSON",
            Self::NoBox => "it has no box_2d",
            Self::NotFourNumbers => "its box_2d is not four numbers",
            Self::OutsideScale => "a number is outside of the scale",
            Self::Reversed => "an edge lies on or beyond its opposite",
            Self::InPadding => "it lies outside of the picture, in its padding",
        })
    }
}

/// An element of the list that is no box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The element as the model wrote it; of a long one, the beginning.
    pub element: String,
    /// Why it is no box.
    pub reason: Reason,
}

/// Where the model says that something is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Localisation {
    /// The boxes, in the model's order. Empty if it found nothing.
    pub boxes: Vec<PixelBox>,
    /// What else the list held.
    pub dropped: Vec<Dropped>,
    /// Whether the list does not end as JSON asks. It was cut short, or it is damaged there: more boxes may be missing.
    pub cut: bool,
}

impl Localisation {
    /// The published question for `what`, such as `right clavicle`.
    pub fn prompt(what: &str) -> String {
        PROMPT.join(what.trim())
    }

    /// The conversation that asks where `what` is in one picture. The picture stands first, as in the notebook.
    pub fn ask(what: &str) -> Conversation {
        Conversation {
            system: None,
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::Image, Part::Text(Self::prompt(what))],
            }],
        }
    }

    /// Reads an answer, with or without code fences, text around the list, or a thought before it.
    ///
    /// The list after the last `Final Answer` counts; if there is none, the last one that is whole. A single object
    /// stands for a list of one.
    ///
    /// The scale is one for all boxes of an answer: 0 to 1000 if any number is above 2, else 0 to 1. So `[0, 0, 1, 1]`
    /// alone is the whole picture; read as thousandths it would be smaller than anything that the model can see.
    ///
    /// # Errors
    /// [`Error::NoBoxes`] if there is no such list. An empty list is an answer: nothing was found.
    pub fn parse(answer: &str, frame: &Frame) -> Result<Self> {
        let list = answer::find(answer).ok_or(Error::NoBoxes)?;
        let read: Vec<_> = list
            .elements
            .iter()
            .map(|element| (element, numbers(element.value.as_ref())))
            .collect();
        let numbers = read.iter().filter_map(|(_, numbers)| numbers.ok());
        let reach = numbers
            .flatten()
            .fold(0.0, |reach: f64, number| reach.max(number.abs()));
        let scale = match reach <= UNIT_SCALE_REACHES {
            true => 1.0,
            false => 1000.0,
        };
        let mut localisation = Self {
            cut: !list.whole,
            ..Self::default()
        };
        for (element, numbers) in read {
            let edges = numbers.and_then(|numbers| edges(numbers, scale, frame));
            match edges {
                Ok([x0, y0, x1, y1]) => localisation.boxes.push(PixelBox {
                    label: label(element.value.as_ref()),
                    x0,
                    y0,
                    x1,
                    y1,
                }),
                Err(reason) => localisation.dropped.push(Dropped {
                    element: element.text.chars().take(MAX_KEPT_CHARS).collect(),
                    reason,
                }),
            }
        }
        Ok(localisation)
    }
}

/// The numbers of an element's box as they are: `[y0, x0, y1, x1]`.
fn numbers(element: Option<&Value>) -> Result<[f64; 4], Reason> {
    let element = element.ok_or(Reason::NotJson)?;
    let numbers = element.get("box_2d").ok_or(Reason::NoBox)?;
    let numbers: Option<Vec<f64>> = numbers
        .as_array()
        .and_then(|numbers| numbers.iter().map(Value::as_f64).collect());
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or(Reason::NotFourNumbers)
}

/// Edges in the picture, clipped to it: `[x0, y0, x1, y1]`.
fn edges(numbers: [f64; 4], scale: f64, frame: &Frame) -> Result<[f64; 4], Reason> {
    if !numbers.iter().all(|number| (0.0..=scale).contains(number)) {
        return Err(Reason::OutsideScale);
    }
    let [y0, x0, y1, x1] = numbers.map(|number| number / scale);
    if x0 >= x1 || y0 >= y1 {
        return Err(Reason::Reversed);
    }
    let (width, height) = (f64::from(frame.width), f64::from(frame.height));
    let (left, upper) = frame.to_picture(x0, y0);
    let (right, lower) = frame.to_picture(x1, y1);
    let edges = [
        left.clamp(0.0, width),
        upper.clamp(0.0, height),
        right.clamp(0.0, width),
        lower.clamp(0.0, height),
    ];
    match edges {
        [x0, y0, x1, y1] if x0 < x1 && y0 < y1 => Ok(edges),
        _ => Err(Reason::InPadding),
    }
}

fn label(element: Option<&Value>) -> String {
    let label = element.and_then(|element| element.get("label")?.as_str());
    label.unwrap_or_default().trim().to_owned()
}
