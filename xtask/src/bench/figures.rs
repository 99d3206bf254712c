//! From runs to figures: medians with quartiles, and ratios with targets.

use serde_json::{Map, Value, json};

/// What a run tells that is the same in each: taken from the last one.
const COUNTERS: [&str; 6] = [
    "weight_bytes",
    "bytes_read_per_token",
    "dispatches_per_token",
    "submits_per_token",
    "readback_bytes_per_token",
    "gpu_bytes_peak",
];

/// An engine on a device, and what it did in each round.
#[derive(Debug, Clone, Default)]
pub struct Contestant {
    /// `outpost`, `wllama`, `llama.cpp`.
    pub engine: String,
    /// `cpu` or `gpu`.
    pub device: String,
    /// Threads on the CPU.
    pub threads: u32,
    /// One object a round, with the keys of `outpost bench --json`.
    pub runs: Vec<Value>,
    /// Loading, where that is done once for all rounds.
    pub load_ms: Option<f64>,
    /// Why it was not measured further.
    pub failed: Option<String>,
}

impl Contestant {
    /// From what `tests/bench/run.mjs` writes.
    pub fn read(value: &Value) -> Option<Self> {
        Some(Self {
            engine: value["engine"].as_str()?.to_owned(),
            device: value["device"].as_str()?.to_owned(),
            threads: u32::try_from(value["threads"].as_u64()?).ok()?,
            runs: value["runs"].as_array()?.clone(),
            load_ms: value["load_ms"].as_f64(),
            failed: value["failed"].as_str().map(str::to_owned),
        })
    }

    /// How it is called in a table.
    pub fn name(&self) -> String {
        let Self {
            engine,
            device,
            threads,
            ..
        } = self;
        match (device.as_str(), threads) {
            ("gpu", _) => format!("{engine}, GPU"),
            (_, 1) => format!("{engine}, 1 thread"),
            _ => format!("{engine}, {threads} threads"),
        }
    }

    /// A figure over all rounds; nothing where no round has it.
    pub fn spread(&self, key: &str) -> Option<Spread> {
        Spread::of(self.runs.iter().filter_map(|run| run[key].as_f64()))
    }

    /// Milliseconds until it is loaded.
    pub fn loading_ms(&self) -> Option<f64> {
        self.load_ms
            .or_else(|| self.spread("load_ms").map(|spread| spread.median))
    }

    fn json(&self) -> Value {
        let mut found = Map::new();
        found.insert("engine".to_owned(), json!(self.engine));
        found.insert("device".to_owned(), json!(self.device));
        found.insert("threads".to_owned(), json!(self.threads));
        found.insert("adapter".to_owned(), self.last("adapter"));
        found.insert("load_ms".to_owned(), json!(self.loading_ms()));
        for key in ["prefill_tok_s", "decode_tok_s", "prefill_ms", "decode_ms"] {
            found.insert(
                key.to_owned(),
                json!(self.spread(key).map(|spread| spread.json())),
            );
        }
        for key in COUNTERS {
            found.insert(key.to_owned(), self.last(key));
        }
        found.insert("runs".to_owned(), json!(self.runs));
        found.insert("failed".to_owned(), json!(self.failed));
        Value::Object(found)
    }

    fn last(&self, key: &str) -> Value {
        self.runs.last().map_or(Value::Null, |run| run[key].clone())
    }
}

/// Contestants as JSON.
pub fn answers(contestants: &[Contestant]) -> Vec<Value> {
    contestants.iter().map(Contestant::json).collect()
}

/// The middle of some numbers and of their halves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half of the numbers are at most this.
    pub median: f64,
    /// A quarter of them is at most this.
    pub lower: f64,
    /// Three quarters are at most this.
    pub upper: f64,
}

impl Spread {
    /// Quartiles by linear interpolation between the two nearest; nothing of nothing.
    pub fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.filter(|number| number.is_finite()).collect();
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len().checked_sub(1)?;
        let at = |part: f64| {
            let place = part * last as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            numbers[below] + (numbers[above] - numbers[below]) * place.fract()
        };
        Some(Self {
            median: at(0.5),
            lower: at(0.25),
            upper: at(0.75),
        })
    }

    fn json(self) -> Value {
        json!({ "median": self.median, "lower_quartile": self.lower, "upper_quartile": self.upper })
    }
}

/// Two contestants that are compared.
#[derive(Debug, Clone)]
pub struct Target {
    ours: (String, u32),
    theirs: (String, String, u32),
    least: Option<(f64, f64)>,
}

impl Target {
    /// Our engine on a device with some threads, and another engine on one with some. `least`: what the ratios of prefill
    /// and decode are to be.
    pub fn between(
        ours: (&str, u32),
        theirs: (&str, &str, u32),
        least: Option<(f64, f64)>,
    ) -> Self {
        Self {
            ours: (ours.0.to_owned(), ours.1),
            theirs: (theirs.0.to_owned(), theirs.1.to_owned(), theirs.2),
            least,
        }
    }
}

/// How many times as fast the first is as the second, for each pair that was measured.
pub fn ratios(contestants: &[Contestant], targets: &[Target]) -> Vec<Value> {
    let found = |engine: &str, device: &str, threads: u32| {
        contestants
            .iter()
            .find(|one| one.engine == engine && one.device == device && one.threads == threads)
    };
    let ratio = |target: &Target| {
        let ours = found("outpost", &target.ours.0, target.ours.1)?;
        let theirs = found(&target.theirs.0, &target.theirs.1, target.theirs.2)?;
        let of = |key: &str| Some(ours.spread(key)?.median / theirs.spread(key)?.median);
        let (prefill, decode) = (of("prefill_tok_s")?, of("decode_tok_s")?);
        Some(json!({
            "of": ours.name(),
            "to": theirs.name(),
            "prefill": prefill,
            "decode": decode,
            "prefill_target": target.least.map(|(least, _)| least),
            "decode_target": target.least.map(|(_, least)| least),
            "met": target.least.map(|(least, other)| prefill >= least && decode >= other),
        }))
    };
    targets.iter().filter_map(ratio).collect()
}

/// A product with a matrix of four bits, in our page and in ONNX Runtime Web.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Rows, columns, and rows of the other matrix.
    pub shape: (u64, u64, u64),
    /// The adapter of the other engine.
    pub adapter: String,
    /// Milliseconds of ours.
    pub outpost_ms: Option<Spread>,
    /// Milliseconds of theirs: the faster of its ways, exact and with x in eight bits.
    pub other_ms: Option<Spread>,
    raw: Value,
}

impl Kernel {
    /// What the ratio is to be.
    pub const TARGET: f64 = 1.2;

    /// From what `tests/bench/run.mjs` writes.
    pub fn read(value: &Value) -> Option<Self> {
        let spread = |key: &str| {
            let times = value[key].as_array()?;
            Spread::of(times.iter().filter_map(Value::as_f64))
        };
        let ways = [spread("exact"), spread("int8")].into_iter().flatten();
        Some(Self {
            shape: (
                value["rows"].as_u64()?,
                value["cols"].as_u64()?,
                value["tokens"].as_u64()?,
            ),
            adapter: value["adapter"].as_str().unwrap_or_default().to_owned(),
            outpost_ms: spread("outpost"),
            other_ms: ways.min_by(|one, other| one.median.total_cmp(&other.median)),
            raw: value.clone(),
        })
    }

    /// How many times as fast ours is.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.other_ms?.median / self.outpost_ms?.median)
    }

    /// Everything that was measured.
    pub fn json(&self) -> Value {
        let (rows, cols, tokens) = self.shape;
        json!({
            "rows": rows,
            "cols": cols,
            "tokens": tokens,
            "adapter": self.adapter,
            "outpost_ms": self.outpost_ms.map(Spread::json),
            "onnxruntime_ms": self.other_ms.map(Spread::json),
            "ratio": self.ratio(),
            "target": Self::TARGET,
            "met": self.ratio().map(|ratio| ratio >= Self::TARGET),
            "runs": { "outpost": self.raw["outpost"], "exact": self.raw["exact"], "int8": self.raw["int8"] },
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn contestant(engine: &str, device: &str, threads: u32, prefill: &[f64]) -> Contestant {
        let run = |speed: &f64| json!({ "prefill_tok_s": speed, "decode_tok_s": speed / 2.0 });
        Contestant {
            engine: engine.to_owned(),
            device: device.to_owned(),
            threads,
            runs: prefill.iter().map(run).collect(),
            ..Contestant::default()
        }
    }

    #[test]
    fn quartiles_lie_between_the_nearest_numbers() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter()).unwrap();
        assert_eq!(
            (spread.lower, spread.median, spread.upper),
            (1.75, 2.5, 3.25)
        );
        let single = Spread::of([7.0].into_iter()).unwrap();
        assert_eq!((single.lower, single.median, single.upper), (7.0, 7.0, 7.0));
        assert_eq!(Spread::of([f64::NAN].into_iter()), None);
    }

    #[test]
    fn a_ratio_is_that_of_medians_and_both_parts_must_meet_the_target() {
        let contestants = [
            contestant("outpost", "cpu", 1, &[30.0, 40.0, 1000.0]),
            contestant("wllama", "cpu", 1, &[10.0]),
        ];
        let compared = |least| {
            let target = Target::between(("cpu", 1), ("wllama", "cpu", 1), Some(least));
            ratios(&contestants, &[target])[0].clone()
        };
        assert_eq!(compared((4.0, 4.0))["prefill"], 4.0);
        assert_eq!(compared((4.0, 4.0))["met"], true);
        assert_eq!(compared((4.0, 4.1))["met"], false);
    }

    #[test]
    fn what_was_not_measured_has_no_ratio() {
        let contestants = [
            contestant("outpost", "gpu", 1, &[30.0]),
            contestant("wllama", "cpu", 1, &[]),
        ];
        let target = Target::between(("gpu", 1), ("wllama", "cpu", 1), None);
        assert!(ratios(&contestants, &[target]).is_empty());
    }

    #[test]
    fn a_kernel_is_compared_with_the_faster_of_the_other_ways() {
        let measured = json!({
            "rows": 4, "cols": 32, "tokens": 1, "adapter": "a",
            "outpost": [2.0], "exact": [6.0], "int8": [3.0, 5.0],
        });
        assert_eq!(Kernel::read(&measured).unwrap().ratio(), Some(2.0));
    }
}
