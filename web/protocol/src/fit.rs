//! Whether a model would run on a device, before anybody fetches it.

use serde::{Deserialize, Serialize};

use crate::format;
use crate::model::{Adapter, DeviceKind};

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Bytes of all its files.
    pub stored_bytes: u64,
    /// Bytes of the text model's weights, each of which is read for every token.
    pub weight_bytes: u64,
}

impl Need {
    /// MedGemma 4B in Q4_0 with its picture file, as `cargo xtask scale` measures it.
    pub const MEDGEMMA_4B: Self = Self {
        stored_bytes: 3_214_622_016,
        weight_bytes: 2_356_970_752,
    };

    /// Bytes on a GPU: the weights with what is rounded up, keys and values, and room to work.
    pub fn gpu_bytes(self) -> u64 {
        self.weight_bytes + self.weight_bytes / 20 + 300_000_000
    }
}

/// What a device has for a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// What the model takes.
    pub need: Need,
    /// Whether storage took a file of that length; `None` where the page has no storage.
    pub has_room: Option<bool>,
    /// Bytes that the browser says the page may store besides what it has: an estimate, which some browsers round so that it
    /// tells nothing. `None` if it does not say.
    pub free_bytes: Option<u64>,
    /// Whether the browser has promised not to clear the page's storage by itself.
    pub is_kept: bool,
    /// What there is to compute on.
    pub adapter: Adapter,
    /// Bytes that could be had on the GPU, of those that are needed and no more; `None` without one.
    pub gpu_bytes: Option<u64>,
    /// Tokens a second that a measured product gives reason to expect; `None` where that was not measured.
    pub expected_tok_s: Option<f64>,
}

/// How a model would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rating {
    /// As fast as one likes to read.
    Well,
    /// Slower than that.
    Slowly,
    /// Not at all.
    Not,
}

/// How a model would run, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub rating: Rating,
    /// Why.
    pub why: String,
    /// What would help; empty for one that runs well.
    pub remedy: String,
}

/// A note of 300 tokens in two minutes.
const SLOW_TOK_S: f64 = 2.5;
/// Tokens of a note.
const NOTE_TOKENS: f64 = 300.0;

impl Fit {
    /// In plain words.
    pub fn verdict(&self) -> Verdict {
        let not = |why: String, remedy: &str| Verdict {
            rating: Rating::Not,
            why,
            remedy: format!("{remedy} A smaller model takes less."),
        };
        if self.has_room != Some(true) {
            let needed = format::bytes(self.need.stored_bytes);
            return not(
                format!(
                    "It takes {needed} of storage, and the browser does not give this page as much."
                ),
                "Free space on this device, or remove a model that is not used.",
            );
        }
        let needed = self.need.gpu_bytes();
        if let Some(had) = self.gpu_bytes.filter(|had| *had < needed) {
            let (needed, had) = (format::bytes(needed), format::bytes(had));
            return not(
                format!("It takes {needed} of graphics memory, and {had} can be had."),
                "Close other tabs and applications and check again.",
            );
        }
        let speed = self.expected_tok_s.filter(|rate| *rate > 0.0).map(speed);
        let is_fast = self.expected_tok_s.is_some_and(|rate| rate >= SLOW_TOK_S);
        match (self.adapter.kind, is_fast) {
            (DeviceKind::Gpu, true) => Verdict {
                rating: Rating::Well,
                why: speed.unwrap_or_default(),
                remedy: String::new(),
            },
            (DeviceKind::Gpu, false) => Verdict {
                rating: Rating::Slowly,
                why: speed.unwrap_or_else(|| "Its speed could not be measured.".to_owned()),
                remedy: "A smaller model is faster.".to_owned(),
            },
            (DeviceKind::Cpu, _) => {
                let reason = self.adapter.why_not_gpu.clone();
                let reason = reason.unwrap_or_else(|| "There is no graphics processor.".to_owned());
                Verdict {
                    rating: Rating::Slowly,
                    why: [Some(reason), speed].into_iter().flatten().collect::<Vec<_>>().join(" "),
                    remedy: "A browser with WebGPU on a device with a graphics processor is faster; so is a smaller model."
                        .to_owned(),
                }
            }
        }
    }
}

fn speed(rate: f64) -> String {
    let each = match rate >= 1.0 {
        true => format!("write about {}", format::rate(rate)),
        false => format!("take about {} for a token", format::duration(1000.0 / rate)),
    };
    let note = format::duration(NOTE_TOKENS / rate * 1000.0);
    format!("It should {each}: {note} for a note of {NOTE_TOKENS}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit() -> Fit {
        Fit {
            need: Need::MEDGEMMA_4B,
            has_room: Some(true),
            free_bytes: Some(10_000_000_000),
            is_kept: true,
            adapter: Adapter {
                kind: DeviceKind::Gpu,
                name: "a GPU".to_owned(),
                why_not_gpu: None,
            },
            gpu_bytes: Some(Need::MEDGEMMA_4B.gpu_bytes()),
            expected_tok_s: Some(8.0),
        }
    }

    #[test]
    fn a_device_with_room_and_speed_runs_it_well() {
        let verdict = fit().verdict();
        assert_eq!(verdict.rating, Rating::Well);
        assert_eq!(
            verdict.why,
            "It should write about 8.0 tokens/s: 38 s for a note of 300."
        );
    }

    #[test]
    fn too_little_storage_comes_before_everything_else() {
        let verdict = Fit {
            has_room: Some(false),
            gpu_bytes: Some(0),
            ..fit()
        }
        .verdict();
        assert_eq!(verdict.rating, Rating::Not);
        assert_eq!(
            verdict.why,
            "It takes 3.2 GB of storage, and the browser does not give this page as much."
        );
    }

    #[test]
    fn too_little_graphics_memory_is_no() {
        let verdict = Fit {
            gpu_bytes: Some(1_500_000_000),
            ..fit()
        }
        .verdict();
        assert_eq!(verdict.rating, Rating::Not);
        assert!(verdict.why.contains("graphics memory"), "{}", verdict.why);
    }

    #[test]
    fn a_slow_device_says_how_slow() {
        let verdict = Fit {
            expected_tok_s: Some(0.05),
            ..fit()
        }
        .verdict();
        assert_eq!(verdict.rating, Rating::Slowly);
        assert_eq!(
            verdict.why,
            "It should take about 20 s for a token: 100 min for a note of 300."
        );
    }

    #[test]
    fn without_a_graphics_processor_it_is_slow_and_says_why() {
        let verdict = Fit {
            adapter: Adapter {
                kind: DeviceKind::Cpu,
                name: "Processor".to_owned(),
                why_not_gpu: Some("This browser has no WebGPU.".to_owned()),
            },
            gpu_bytes: None,
            ..fit()
        }
        .verdict();
        assert_eq!(verdict.rating, Rating::Slowly);
        assert!(
            verdict
                .why
                .starts_with("This browser has no WebGPU. It should write"),
            "{}",
            verdict.why
        );
    }

    #[test]
    fn a_browser_that_does_not_say_what_is_free_is_not_taken_for_full() {
        let verdict = Fit {
            free_bytes: None,
            ..fit()
        }
        .verdict();
        assert_eq!(verdict.rating, Rating::Well);
    }
}
