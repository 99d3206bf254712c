//! What of a run people see: each answer as it comes, and what came out.

use std::collections::BTreeMap;

use outpost_clinic::eval::facts::Counts;
use outpost_clinic::eval::sample::Sample;
use outpost_clinic::eval::summary::Share;
use outpost_clinic::eval::transcript::Extracted;
use outpost_clinic::eval::words::{Score, WordScores};
use outpost_clinic::eval::{Answer, Evaluation, Kind, Question, Report, Summary};
use serde_json::json;

use crate::error::Result;
use crate::output;

/// One more answer. `pace`: seconds for each, and until the end.
pub fn answered(
    evaluation: &Evaluation,
    most: usize,
    sample: &Sample,
    answer: &Answer,
    pace: (f64, f64),
) {
    let done = evaluation.answered();
    let question = evaluation.questions().get(sample.doc_id);
    let name = question.map_or("", |question| question.id.as_str());
    if let (Answer::Extracted(processed), Report::Transcripts(extracted)) =
        (answer, evaluation.report())
    {
        let so_far = extracted.scores.facts.f1().unwrap_or_default() * 100.0;
        eprintln!(
            "{done}/{most} {name} {:?}; F1 {so_far:.1} % so far",
            processed.way
        );
        return;
    }
    let first = sample.metrics.first();
    let right = first.and_then(|metric| sample.mark(metric)) == Some(true);
    let mark = if right { "right" } else { "wrong" };
    match (answer, question) {
        (
            Answer::Text(text),
            Some(Question {
                kind: Kind::Words(words),
                ..
            }),
        ) => {
            eprintln!("{done}/{most} {name} {mark}");
            if !right {
                eprintln!("  expected {:?}\n  answered {text:?}", words.expected);
            }
        }
        _ => eprintln!(
            "{done}/{most} {name} {mark}; {}, {}",
            rate(pace.0),
            rest(pace.1)
        ),
    }
}

/// How fast it goes.
fn rate(each_s: f64) -> String {
    match each_s {
        1.0.. => format!("{each_s:.1} s each"),
        _ => format!("{:.1} a second", 1.0 / each_s.max(1e-3)),
    }
}

/// How long it goes on.
fn rest(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{seconds:.0} s to go"),
        ..5400.0 => format!("{:.0} min to go", seconds / 60.0),
        _ => format!("{:.1} h to go", seconds / 3600.0),
    }
}

/// Shares of right choices.
pub fn choices(summary: &Summary, as_json: bool) -> Result<()> {
    if as_json {
        return output::json(&json!(summary));
    }
    for (metric, share) in &summary.metrics {
        line(metric, share)?;
    }
    for (subject, shares) in &summary.subjects {
        for (metric, share) in shares {
            line(&format!("{subject}, {metric}"), share)?;
        }
    }
    if summary.answered < summary.questions {
        output::line(&format!(
            "{} of {} questions asked",
            summary.answered, summary.questions
        ))?;
    }
    Ok(())
}

/// A share with its interval.
pub fn line(name: &str, share: &Share) -> Result<()> {
    output::line(&format!(
        "{name:<32} {:>5.1} %  {} of {}  (95 %: {:.1} to {:.1})",
        share.share * 100.0,
        share.right,
        share.count,
        share.interval.low * 100.0,
        share.interval.high * 100.0,
    ))
}

/// Shares of right words.
pub fn words(report: &WordScores, as_json: bool) -> Result<()> {
    if as_json {
        return output::json(report);
    }
    for (task, scores) in &report.tasks {
        score(&format!("{task}, exact"), &scores.exact)?;
        for (field, of_field) in &scores.fields {
            score(&format!("{task}, {field}"), of_field)?;
        }
    }
    score("all, exact", &report.total)
}

fn score(name: &str, score: &Score) -> Result<()> {
    output::line(&format!(
        "{name:<32} {:>5.1} %  {} of {}",
        score.percent, score.right, score.count
    ))
}

/// Which facts of transcripts were found, and by which ways.
pub fn transcripts(extracted: &Extracted, as_json: bool) -> Result<()> {
    if as_json {
        return output::json(&extracted.json());
    }
    let scores = &extracted.scores;
    counts("all facts", &scores.facts)?;
    let of: [(&str, &BTreeMap<String, Counts>); 2] =
        [("", &scores.kinds), ("field ", &scores.fields)];
    for (names, all) in of {
        for (name, of_name) in all {
            counts(&format!("{names}{name}"), of_name)?;
        }
    }
    match &extracted.ways {
        Some(ways) => output::line(&format!(
            "of {} transcripts: {} at first pass, {} repaired, {} by rules, {} blocked; {} valid Bundles; {} facts dropped",
            extracted.transcripts,
            ways.first_pass,
            ways.repaired,
            ways.fallback,
            ways.blocked,
            ways.valid_bundles,
            ways.dropped
        )),
        None => Ok(()),
    }
}

fn counts(name: &str, counts: &Counts) -> Result<()> {
    let percent = |share: Option<f64>| {
        share.map_or("  -".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    output::line(&format!(
        "{name:<32} F1 {:>7}  precision {:>7}  recall {:>7}  {} right of {} found, {} expected",
        percent(counts.f1()),
        percent(counts.precision()),
        percent(counts.recall()),
        counts.right,
        counts.found,
        counts.expected,
    ))
}
