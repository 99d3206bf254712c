//! A CT series as pictures and a question, as MedGemma was trained on it.
//!
//! Each slice becomes one picture whose red, green and blue are three windows on its Hounsfield units. The prompt is an
//! instruction, then for each slice its picture and `SLICE n`, then the question. Source: google-health/medgemma
//! (Apache-2.0), notebooks/high_dimensional_ct_hugging_face.ipynb; 85 slices at most: arXiv:2604.05081, 2.3.

use outpost_engine::chat::{Conversation, Message, Part, Role};
use outpost_engine::image::RgbImage;

use crate::error::{Error, Result};

/// Most slices of a prompt: with 256 tokens each, what MedGemma 1.5 was trained on.
pub const MAX_SLICES: usize = 85;

/// Longest side of a slice in pixels. Scanners write 512, the finest 2,048.
pub const MAX_SIDE: u32 = 4096;

/// The notebook's instruction without its words "from the center of the abdomen", which hold for its own example.
pub const INSTRUCTION: &str = "You are an instructor teaching medical students. You are analyzing a contiguous block of CT slices. Please review the slices provided below carefully.";

/// Tokens of an answer that have to fit beside the prompt.
const MIN_ANSWER_TOKENS: u64 = 1;

/// A range of Hounsfield units that is spread over the 256 levels of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    low: f32,
    high: f32,
}

impl Window {
    /// What lies between `low` and `high`; `None` unless `low` is below `high` and both are finite.
    pub const fn between(low: f32, high: f32) -> Option<Self> {
        match low.is_finite() && high.is_finite() && low < high {
            true => Some(Self { low, high }),
            false => None,
        }
    }

    /// A sample for a value in Hounsfield units: `(clip(hu) - low) / (high - low) * 255`, rounded half to even.
    ///
    /// In f32 and in this order, as the notebook does it with numpy.
    pub fn sample(&self, hu: f32) -> u8 {
        let clipped = hu.clamp(self.low, self.high);
        let level = (clipped - self.low) / (self.high - self.low) * 255.0;
        level.round_ties_even() as u8
    }
}

/// The windows of red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Windows(pub [Window; 3]);

impl Windows {
    /// MedGemma 1.5: -1024..1024 (air to above bone), -135..215 (fat to start of bone), 0..80 (water to brain).
    pub const MEDGEMMA_1_5: Self = Self([
        Window {
            low: -1024.0,
            high: 1024.0,
        },
        Window {
            low: -135.0,
            high: 215.0,
        },
        Window {
            low: 0.0,
            high: 80.0,
        },
    ]);

    /// MedGemma 1.0: widths 2250, 350 and 80 around levels -100, 40 and 40, as level - width / 2 .. level + width / 2
    /// (google-health/medgemma, python/data_processing/image_utils.py, `window_accurate`).
    pub const MEDGEMMA_1_0: Self = Self([
        Window {
            low: -1225.0,
            high: 1025.0,
        },
        Window {
            low: -135.0,
            high: 215.0,
        },
        Window {
            low: 0.0,
            high: 80.0,
        },
    ]);
}

/// One slice in Hounsfield units.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    width: u32,
    height: u32,
    hounsfield: Vec<f32>,
    position_mm: Option<f64>,
}

impl Slice {
    /// hounsfield: `[height, width]`, row-major. `position_mm`: where it lies along the patient, if that is known.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a side beyond [`MAX_SIDE`], and [`Error::Series`] for a slice without pixels, with
    /// another number of values, or with one that is not finite.
    pub fn new(
        width: u32,
        height: u32,
        hounsfield: Vec<f32>,
        position_mm: Option<f64>,
    ) -> Result<Self> {
        check_side("the width of a slice", width)?;
        check_side("the height of a slice", height)?;
        let expected = u64::from(width) * u64::from(height);
        if expected == 0 || hounsfield.len() as u64 != expected {
            return Err(Error::Series {
                problem: format!(
                    "a slice of {width} x {height} pixels came with {} values",
                    hounsfield.len()
                ),
                remedy: "give one value for each pixel, and at least one",
            });
        }
        if let Some(value) = hounsfield.iter().find(|value| !value.is_finite()) {
            return Err(Error::Series {
                problem: format!("a slice holds the value {value}"),
                remedy: "give Hounsfield units",
            });
        }
        Ok(Self {
            width,
            height,
            hounsfield,
            position_mm,
        })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Values in Hounsfield units: `[height, width]`, row-major.
    pub fn hounsfield(&self) -> &[f32] {
        &self.hounsfield
    }

    /// Where the slice lies along the patient, in millimetres from an origin that its series shares.
    pub fn position_mm(&self) -> Option<f64> {
        self.position_mm
    }

    /// The slice through three windows.
    pub fn picture(&self, windows: &Windows) -> RgbImage {
        let samples = |&hu: &f32| windows.0.map(|window| window.sample(hu));
        RgbImage {
            width: self.width,
            height: self.height,
            pixels: self.hounsfield.iter().flat_map(samples).collect(),
        }
    }
}

/// Slices of one scan, in the order in which a model sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    slices: Vec<Slice>,
}

impl Series {
    /// Slices that are in order already; [`crate::dicom::order`] finds the order of DICOM files.
    ///
    /// # Errors
    /// [`Error::Series`] if there are none.
    pub fn new(slices: Vec<Slice>) -> Result<Self> {
        match slices.is_empty() {
            true => Err(Error::Series {
                problem: "the series has no slices".to_owned(),
                remedy: "give at least one",
            }),
            false => Ok(Self { slices }),
        }
    }

    /// The slices.
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// At most `most` slices of this series, those that [`sample`] names.
    ///
    /// # Errors
    /// [`Error::Series`] if `most` is 0.
    pub fn sampled(self, most: usize) -> Result<Self> {
        if self.slices.len() <= most {
            return Ok(self);
        }
        let mut slices: Vec<_> = self.slices.into_iter().map(Some).collect();
        let taken = sample(slices.len(), most)
            .into_iter()
            .filter_map(|index| slices.get_mut(index)?.take());
        Self::new(taken.collect())
    }

    /// One picture for each slice.
    pub fn pictures(&self, windows: &Windows) -> Vec<RgbImage> {
        self.slices
            .iter()
            .map(|slice| slice.picture(windows))
            .collect()
    }

    /// The conversation that asks `question` about the series. `instruction`: [`INSTRUCTION`], or one that names the
    /// region.
    ///
    /// # Errors
    /// [`Error::Series`] for more than [`MAX_SLICES`] slices: take a sample first.
    pub fn prompt(&self, instruction: &str, question: &str) -> Result<Conversation> {
        prompt(instruction, self.slices.len(), question)
    }
}

/// The conversation that asks `question` about a series of `slices` slices, for who holds its pictures already.
///
/// The chat template trims every text and puts nothing between two, so the question follows the last `SLICE n` without a
/// gap: the notebook's does as well.
///
/// # Errors
/// As [`Series::prompt`].
pub fn prompt(instruction: &str, slices: usize, question: &str) -> Result<Conversation> {
    if slices == 0 || slices > MAX_SLICES {
        return Err(Error::Series {
            problem: format!(
                "the series has {slices} slices, and a prompt takes 1 to {MAX_SLICES}"
            ),
            remedy: "take a uniform sample of it",
        });
    }
    let mut parts = vec![Part::Text(instruction.to_owned())];
    for number in 1..=slices {
        parts.extend([Part::Image, Part::Text(format!("SLICE {number}"))]);
    }
    parts.push(Part::Text(question.to_owned()));
    Ok(Conversation {
        system: None,
        messages: vec![Message {
            role: Role::User,
            parts,
        }],
    })
}

/// Which of `count` slices to take so that there are at most `most`, evenly over the whole: ascending, none twice.
///
/// As the notebook does it: for i in 1..=most the slice at `i / most * (count - 1)`, rounded half to even. So the last
/// slice is always among them and the first is not.
pub fn sample(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    let last = (count - 1) as f64;
    let at = |i: usize| (i as f64 / most as f64 * last).round_ties_even() as usize;
    (1..=most).map(at).collect()
}

/// Tokens that a prompt needs, or a refusal if it does not fit a context with room for an answer.
///
/// `image_tokens`: tokens of one picture (256 for MedGemma). `text_tokens`: all others of the rendered prompt.
///
/// # Errors
/// [`Error::SeriesTooLong`] with the slices, the tokens and the context.
pub fn check_context(
    slices: usize,
    image_tokens: usize,
    text_tokens: usize,
    context_tokens: usize,
) -> Result<u64> {
    let prompt_tokens = (slices as u64)
        .saturating_mul(image_tokens as u64)
        .saturating_add(text_tokens as u64);
    let needed_tokens = prompt_tokens.saturating_add(MIN_ANSWER_TOKENS);
    if needed_tokens > context_tokens as u64 {
        return Err(Error::SeriesTooLong {
            slices,
            needed_tokens,
            context_tokens,
        });
    }
    Ok(prompt_tokens)
}

/// Refuses sides beyond [`MAX_SIDE`].
pub(crate) fn check_side(what: &'static str, side: u32) -> Result<()> {
    match side > MAX_SIDE {
        true => Err(Error::LimitExceeded {
            what,
            value: u64::from(side),
            limit: u64::from(MAX_SIDE),
        }),
        false => Ok(()),
    }
}
