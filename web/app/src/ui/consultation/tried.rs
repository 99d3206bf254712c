//! What was tried, how it was made, and whether it can be handed on.

use leptos::prelude::*;
use leptos::task::spawn_local;
use outpost_protocol::format;

use super::View;
use super::parts::{
    Shown, fold, group, icon, is, line, list, live, live_text, node, press, text, titled,
};
use crate::state::consulting::{Attempt, Dropped, Issue, Outcome, Processed};
use crate::ui::icons;
use crate::{actions, browser};

/// The Bundle, of what is left after a review: saving and copying it, or why there is none.
fn export(outcome: &Outcome, changes: usize) -> AnyView {
    let result = &outcome.result;
    let Some(bundle) = outcome.bundle.clone() else {
        return titled("hand-on", "Nothing to hand on", refusal(result));
    };
    let saved = RwSignal::new("");
    let file = bundle.clone();
    let save = move || {
        saved.set(match actions::save_bundle(&file) {
            true => "Saved.",
            false => "The browser did not take the file. Copy it instead.",
        });
    };
    let copy = move || {
        let file = bundle.clone();
        spawn_local(async move {
            saved.set(match browser::copy(&file).await {
                true => "Copied.",
                false => "The browser does not let this page copy. Save it instead.",
            });
        });
    };
    let buttons = vec![
        press(
            "wide",
            vec![is("data-testid", "export-bundle")],
            save,
            vec![icon(icons::INSTALL), text("Save as a file")],
        ),
        press(
            "link",
            vec![is("data-testid", "copy-bundle")],
            copy,
            vec![text("Copy")],
        ),
    ];
    let said = node(
        "div",
        vec![is("class", "done"), is("role", "status")],
        vec![live_text(move || saved.get().to_owned())],
    );
    let what = format!(
        "A FHIR R4 Bundle of {} resources, found valid on this device. It holds what was said, and is not encrypted: \
         whoever has the file can read it.",
        outcome.entries
    );
    let mut parts = vec![line("fine", what)];
    if changes > 0 {
        let changes = format::count(u32::try_from(changes).unwrap_or(u32::MAX), "change");
        let told = format!(
            "It names {changes} of yours. What you left out is no fact in it, but stays in the words that were said, and in \
             the note if one was written."
        );
        parts.push(line("fine", told));
    }
    parts.extend([group("pass-on", buttons), said]);
    titled("hand-on", "Hand on as data", parts)
}

/// Why there is no Bundle.
fn refusal(result: &Processed) -> Vec<AnyView> {
    let why = match result.way.as_str() {
        "blocked" => "There is no record, so there is no Bundle.",
        _ => "The Bundle is not valid, so it is not given out. What is wrong:",
    };
    vec![line("empty", why), issues(&result.validation.issues)]
}

fn issues(issues: &[Issue]) -> AnyView {
    let one = |it: &Issue| match it.path.is_empty() {
        true => line("", it.message.clone()),
        false => line("", format!("{}: {}", it.path, it.message)),
    };
    list("issue-list", issues.iter().map(one).collect())
}

/// What a person should know.
pub fn notices(shown: &Shown) -> Option<AnyView> {
    let notices = &shown.outcome.result.notices;
    let lines = notices.iter().map(|it| line("", it.clone())).collect();
    (!notices.is_empty()).then(|| titled("to-know", "To know", vec![list("notice-list", lines)]))
}

/// Every draft, and what it was made with.
pub fn tried(shown: &Shown) -> AnyView {
    let result = &shown.outcome.result;
    let mut parts = attempts(&result.repair_log);
    parts.push(titled("attempt", "Made with", vec![made(result)]));
    fold("What was tried", "repair-log", parts)
}

/// Every draft, and what was wrong with it.
pub fn attempts(log: &[Attempt]) -> Vec<AnyView> {
    let log = log.iter().enumerate();
    log.map(|(index, it)| attempt(index, it)).collect()
}

fn attempt(index: usize, attempt: &Attempt) -> AnyView {
    let is_by_rules = attempt.draft.is_empty() && !attempt.cut;
    let title = match is_by_rules {
        true => "Simple rules, without the model".to_owned(),
        false => format!("Draft {}", index + 1),
    };
    let mut parts = Vec::new();
    if attempt.cut {
        parts.push(line("", "It was cut: it was longer than a draft may be."));
    }
    if !attempt.faults.is_empty() {
        parts.push(line("fine", "What was wrong:"));
        parts.push(issues(&attempt.faults));
    }
    if !attempt.dropped.is_empty() {
        parts.push(line("fine", "What was left out:"));
        let left_out = attempt.dropped.iter().map(dropped).collect();
        parts.push(list("issue-list", left_out));
    }
    if parts.is_empty() {
        parts.push(line("", "Nothing was wrong with it."));
    }
    if !is_by_rules {
        let draft = vec![text(attempt.draft.clone())];
        let draft = node("pre", vec![is("tabindex", "0")], draft);
        parts.push(fold("What the model wrote", "draft", vec![draft]));
    }
    titled("attempt", title, parts)
}

fn dropped(dropped: &Dropped) -> AnyView {
    let why = match dropped.reason.as_str() {
        "not-said" => "what was said does not have it",
        "not-in-quote" => "the words that it names do not say it",
        "instruction" => "it stands where somebody tries to instruct the model",
        "no-evidence" => "it does not say what shows it",
        "denied" => "what was said denies it; it is recorded as not there",
        "of-relative" => "it is said of a relative, and recorded so",
        "hypothetical" => "it is only what to return for",
        "past" => "what was said is that it is over",
        "repeated" => "it stands there twice",
        _ => "it is not as it was asked for",
    };
    line("", format!("\u{201c}{}\u{201d}: {why}", dropped.said))
}

fn made(result: &Processed) -> AnyView {
    let made = &result.model_info;
    let way = match result.way.as_str() {
        "first-pass" => "The first draft was taken",
        "repaired" => "A draft was taken after checks found faults",
        "fallback" => "By simple rules",
        _ => "Nothing could be used",
    };
    let time = result.processing_time_ms.map(format::duration);
    let rows = [
        ("Result", way.to_owned()),
        ("Model", made.model.clone()),
        ("Its weights", made.quantization.clone()),
        ("Computed on", format!("{}, on this device", made.device)),
        ("Time", time.unwrap_or_default()),
    ];
    let row = |(name, value): (&'static str, String)| {
        let row = vec![
            node("dt", vec![], vec![text(name)]),
            node("dd", vec![], vec![text(value)]),
        ];
        node("div", vec![], row)
    };
    let attributes = vec![is("class", "facts"), is("data-testid", "made-with")];
    node("dl", attributes, rows.into_iter().map(row).collect())
}

/// Parts of the result that come after the record.
pub fn after(view: View, shown: &Shown) -> AnyView {
    let mut parts: Vec<_> = notices(shown).into_iter().collect();
    let (review, drafted) = (view.app.consulting.review, shown.outcome.clone());
    parts.push(live(move || {
        let review = review.get();
        match review.is_going {
            true => vec![titled(
                "hand-on",
                "Hand on as data",
                vec![line("fine", "It is being made anew.")],
            )],
            false => {
                let outcome = review.outcome.as_deref().unwrap_or(&drafted);
                vec![export(outcome, review.changes.len())]
            }
        }
    }));
    parts.push(tried(shown));
    group("after", parts)
}
