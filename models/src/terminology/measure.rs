//! `outpost terminology measure`: how often queries find their codes, without and with a re-rank by a model's embeddings.

use std::path::Path;

use outpost_clinic::eval::paired::Pairs;
use outpost_clinic::terminology::Index;
use outpost_clinic::terminology::measure::{Counts, Query, SHOWN, place, queries};
use outpost_clinic::terminology::rerank::{RETRIEVED, embedded, rerank};
use outpost_engine::ports::Clock;
use outpost_engine::session::DEFAULT_CONTEXT_TOKENS;
use serde::Serialize;

use super::text;
use crate::args::{ModelArgs, TerminologyMeasureArgs};
use crate::error::{Error, Result};
use crate::load::{self, Compute, Loaded};
use crate::output::{self, HostClock};

/// Times of the queries, in milliseconds.
#[derive(Debug, Default, Serialize)]
struct Times {
    median_ms: f64,
    worst_ms: f64,
}

/// One way of searching.
#[derive(Debug, Serialize)]
struct Way {
    /// Queries whose first candidate is right.
    first: u64,
    /// Queries with a right one among five.
    five: u64,
    times: Times,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    queries: usize,
    left_out: usize,
    search: Way,
    #[serde(skip_serializing_if = "Option::is_none")]
    reranked: Option<Reranked>,
}

#[derive(Debug, Serialize)]
struct Reranked {
    model: String,
    weight: f32,
    #[serde(flatten)]
    way: Way,
    /// `a`: the search alone; `b`: re-ranked.
    pairs: Counts,
}

/// Runs the command.
pub fn run(args: &TerminologyMeasureArgs, compute: Compute) -> Result<()> {
    let tsv = text(&args.queries)?;
    let all = queries(&tsv).map_err(Error::clinic(&args.queries))?;
    let conditions = index(&args.icd10cm)?;
    let medications = args.rxnorm.as_deref().map(index).transpose()?;
    let asked: Vec<(&Query<'_>, &Index)> = all
        .iter()
        .filter_map(|query| match query.table {
            "icd10cm" => Some((query, &conditions)),
            "rxnorm" => Some((query, medications.as_ref()?)),
            _ => None,
        })
        .collect();
    let mut loaded = match &args.model {
        Some(model) => Some(load::engine(&model_args(model), compute)?),
        None => None,
    };
    let clock = HostClock::start();
    let mut counts = Counts::default();
    let (mut alone_ms, mut reranked_ms) = (Vec::new(), Vec::new());
    for (query, index) in &asked {
        let began = clock.now_ms();
        let found = index.search(query.text, SHOWN);
        alone_ms.push(clock.now_ms() - began);
        let alone = place(index, query, &found);
        let reranked = match &mut loaded {
            Some(loaded) => {
                let began = clock.now_ms();
                let found = in_other_order(loaded, query.text, index, args.weight)?;
                reranked_ms.push(clock.now_ms() - began);
                place(index, query, &found)
            }
            None => None,
        };
        counts.add(alone, reranked);
    }
    let reranked = args.model.as_ref().map(|model| Reranked {
        model: model.display().to_string(),
        weight: args.weight,
        way: Way {
            first: counts.first.both + counts.first.only_b,
            five: counts.five.both + counts.five.only_b,
            times: times(reranked_ms),
        },
        pairs: counts,
    });
    let report = Report {
        queries: asked.len(),
        left_out: all.len() - asked.len(),
        search: Way {
            first: counts.first.both + counts.first.only_a,
            five: counts.five.both + counts.five.only_a,
            times: times(alone_ms),
        },
        reranked,
    };
    match args.json {
        true => output::json(&report),
        false => show(&report),
    }
}

fn in_other_order(
    loaded: &mut Loaded,
    said: &str,
    index: &Index,
    weight: f32,
) -> Result<Vec<outpost_clinic::terminology::Candidate>> {
    let found = index.search(said, RETRIEVED);
    let texts: Vec<String> = std::iter::once(said)
        .chain(found.iter().map(|it| it.term.as_str()))
        .map(embedded)
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors =
        pollster::block_on(loaded.engine.embed(&texts)).map_err(outpost_clinic::Error::from)?;
    let Some((said, terms)) = vectors.split_first() else {
        return Ok(found);
    };
    let mut found = rerank(found, said, terms, weight);
    found.truncate(SHOWN);
    Ok(found)
}

fn model_args(model: &Path) -> ModelArgs {
    ModelArgs {
        model: model.to_owned(),
        mmproj: None,
        context_tokens: DEFAULT_CONTEXT_TOKENS,
    }
}

fn index(path: &Path) -> Result<Index> {
    let bytes = std::fs::read(path).map_err(|error| Error::read(path, &error))?;
    Index::from_bytes(&bytes).map_err(Error::clinic(path))
}

fn times(mut each_ms: Vec<f64>) -> Times {
    each_ms.sort_by(f64::total_cmp);
    Times {
        median_ms: each_ms.get(each_ms.len() / 2).copied().unwrap_or_default(),
        worst_ms: each_ms.last().copied().unwrap_or_default(),
    }
}

fn show(report: &Report) -> Result<()> {
    let way = |name: &str, way: &Way| {
        let percent = |count: u64| 100.0 * count as f64 / report.queries.max(1) as f64;
        output::line(&format!(
            "{name:<12} first {:5.1} % ({})  among {SHOWN} {:5.1} % ({})  {:.2} ms a query (median), {:.2} ms (worst)",
            percent(way.first),
            way.first,
            percent(way.five),
            way.five,
            way.times.median_ms,
            way.times.worst_ms
        ))
    };
    output::line(&format!(
        "{} queries; {} left out, of tables that are not given",
        report.queries, report.left_out
    ))?;
    way("search", &report.search)?;
    let Some(reranked) = &report.reranked else {
        return Ok(());
    };
    way("re-ranked", &reranked.way)?;
    let pairs = |name: &str, pairs: &Pairs| {
        let interval = pairs.interval();
        output::line(&format!(
            "{name}: both right {}, only the search {}, only re-ranked {}, neither {}; difference {:+.1} % ({:+.1} to {:+.1})",
            pairs.both,
            pairs.only_a,
            pairs.only_b,
            pairs.neither,
            100.0 * pairs.difference(),
            100.0 * interval.low,
            100.0 * interval.high
        ))
    };
    pairs("first", &reranked.pairs.first)?;
    pairs("among five", &reranked.pairs.five)
}
