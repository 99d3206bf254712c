//! What was said, and what is known of the patient. The words stay in their field, whatever becomes of them.

use leptos::ev;
use leptos::html::{form as form_element, input, option, select, textarea};
use leptos::prelude::*;
use outpost_protocol::ModelState;
use web_sys::SubmitEvent;

use super::parts::{self, group, is, line, live, live_text, press, text};
use super::{View, going};
use crate::state::consulting::{Consulting, PatientWords};
use crate::ui::{close_dialog, show_dialog};

/// A choice among words: what the request says, and what is shown.
type Choice = (&'static str, &'static str);

const UNITS: [Choice; 4] = [
    ("years", "years"),
    ("months", "months"),
    ("weeks", "weeks"),
    ("days", "days"),
];
const SEXES: &[Choice] = &[("", "Not said"), ("female", "Female"), ("male", "Male")];
const PREGNANCIES: &[Choice] = &[
    ("", "Not said"),
    ("no", "No"),
    ("pregnant", "Pregnant"),
    ("postpartum", "Gave birth within a year"),
];

/// The form. It is hidden while an outcome is shown, so that what was typed keeps its place and its undo history.
pub fn form(view: View, is_hidden: Memo<bool>) -> AnyView {
    let submit = move |event: SubmitEvent| event.prevent_default();
    let fields = vec![transcript(view), patient(view)];
    let foot = vec![problem(view), not_ready(view), going::going(view)];
    form_element()
        .class("said-form")
        .attr("hidden", move || is_hidden.get().then_some(""))
        .on(ev::submit, submit)
        .child((group("said-fields", fields), group("said-foot", foot)))
        .into_any()
}

fn transcript(view: View) -> AnyView {
    let consulting = view.app.consulting;
    let node = NodeRef::<leptos::html::Textarea>::new();
    // Only what another part has changed is put into the field: it keeps the cursor otherwise.
    Effect::new(move |_| {
        let words = consulting.transcript.get();
        if let Some(area) = node.get().filter(|area| area.value() != words) {
            area.set_value(&words);
        }
    });
    Effect::new(move |before: Option<bool>| {
        let is_shown = consulting.is_outcome_shown.get();
        if before == Some(true)
            && !is_shown
            && let Some(area) = node.get_untracked()
        {
            let _ = area.focus();
        }
        is_shown
    });
    let area = textarea()
        .node_ref(node)
        .attr("id", "consultation-words")
        .attr("data-testid", "consultation-transcript")
        .attr("autocomplete", "off")
        .attr("aria-describedby", "consultation-hint")
        .attr("placeholder", "Type, paste or dictate it here.")
        .on(ev::input, move |event| {
            consulting.transcript.set(event_target_value(&event));
        });
    group(
        "said-field",
        vec![
            parts::node(
                "label",
                vec![is("for", "consultation-words")],
                vec![text("What was said")],
            ),
            area.into_any(),
            parts::node(
                "p",
                vec![is("class", "fine"), is("id", "consultation-hint")],
                vec![live_text(move || hint(view).to_owned())],
            ),
        ],
    )
}

/// Where the words are kept.
fn hint(view: View) -> &'static str {
    match view.app.protected.get() {
        true => {
            "It stays on this device, on this page alone: it is not stored, and gone when the page is closed or locks."
        }
        false => {
            "It stays on this device, on this page alone: it is not stored, and gone when the page is closed."
        }
    }
}

fn patient(view: View) -> AnyView {
    let consulting = view.app.consulting;
    let patient = consulting.patient;
    let age = move || patient.with(|it| it.age.clone());
    let unit = UNITS.map(|(value, name)| {
        let is_chosen = move || patient.with(|it| it.unit() == value);
        option()
            .attr("value", value)
            .prop("selected", is_chosen)
            .child(name)
            .into_any()
    });
    let number = input()
        .attr("id", "consultation-age")
        .attr("data-testid", "consultation-age")
        .attr("inputmode", "numeric")
        .attr("maxlength", "5")
        .attr("autocomplete", "off")
        .prop("value", age)
        .on(ev::input, move |event| {
            patient.update(|it| it.age = event_target_value(&event));
        });
    let units = select()
        .attr("aria-label", "The age\u{2019}s unit")
        .attr("data-testid", "consultation-age-unit")
        .on(ev::change, move |event| {
            patient.update(|it| it.age_unit = event_target_value(&event));
        })
        .child(unit.into_iter().collect::<Vec<_>>());
    let name = parts::node(
        "label",
        vec![is("for", "consultation-age"), is("class", "choice-name")],
        vec![text("Age")],
    );
    let age = group("age", vec![name, number.into_any(), units.into_any()]);
    let may_be_pregnant = Memo::new(move |_| patient.with(PatientWords::may_be_pregnant));
    let pregnancy = move || match may_be_pregnant.get() {
        true => vec![choice(
            consulting,
            ("pregnancy", "Pregnancy"),
            PREGNANCIES,
            |it| &mut it.pregnancy,
        )],
        false => vec![],
    };
    let is_begun = Memo::new(move |_| {
        let is_typed = consulting.transcript.with(|it| !it.is_empty());
        is_typed || patient.with(|it| *it != PatientWords::default())
    });
    // Nothing of this patient may stay in the form for the next one.
    let next = move || match is_begun.get() {
        true => vec![super::next(view)],
        false => vec![],
    };
    parts::node(
        "fieldset",
        vec![is("class", "patient")],
        vec![
            parts::node("legend", vec![], vec![text("The patient, if known")]),
            line("fine", "Danger signs differ by age and in pregnancy."),
            age,
            choice(consulting, ("sex", "Sex"), SEXES, |it| &mut it.sex),
            live(pregnancy),
            group("", vec![live(next)]),
        ],
    )
}

/// One of a few, side by side.
fn choice(
    consulting: Consulting,
    (name, shown): Choice,
    choices: &'static [Choice],
    of: fn(&mut PatientWords) -> &mut String,
) -> AnyView {
    let patient = consulting.patient;
    let one = |&(value, words): &Choice| {
        let is_chosen = move || patient.with(|it| *of(&mut it.clone()) == value);
        let button = input()
            .attr("type", "radio")
            .attr("name", name)
            .attr("value", value)
            .prop("checked", is_chosen)
            .on(ev::change, move |_| {
                patient.update(|it| *of(it) = value.to_owned());
            });
        parts::node(
            "label",
            vec![is("class", "choice")],
            vec![button.into_any(), parts::words("", words)],
        )
    };
    let legend = parts::node(
        "legend",
        vec![is("class", "choice-name")],
        vec![text(shown)],
    );
    let mut all = vec![legend];
    all.extend(choices.iter().map(one));
    parts::node(
        "fieldset",
        vec![is("class", "choices"), is("data-testid", name)],
        all,
    )
}

/// What went wrong, read out when it comes.
pub fn problem(view: View) -> AnyView {
    let problem = move || match view.app.consulting.problem.get() {
        Some(problem) => {
            let parts = vec![
                line("error-what", problem.message),
                line("", problem.remedy),
            ];
            vec![parts::node(
                "div",
                vec![
                    is("class", "error"),
                    is("data-testid", "consultation-problem"),
                ],
                vec![group("", parts)],
            )]
        }
        None => vec![],
    };
    parts::node("div", vec![is("role", "alert")], vec![live(problem)])
}

/// What is in the way of a draft, or of a good one, and what to do.
fn not_ready(view: View) -> AnyView {
    let app = view.app;
    let to_models = move || {
        close_dialog(view.dialog);
        show_dialog(view.models);
    };
    let missing = move || match (app.in_use.get(), app.state.get()) {
        (true, _) => vec![line(
            "",
            "The model is at work in another tab of this page. Use it there, or take it over at the top of this page.",
        )],
        (_, ModelState::Ready) => tables(view),
        (_, state) if state.is_busy() => {
            vec![line("", "The model is getting ready. What you type stays.")]
        }
        _ => vec![
            line(
                "",
                "No model is ready. Add one, or choose one of those on this device.",
            ),
            press("link", vec![], to_models, vec![text("Models")]),
        ],
    };
    parts::node(
        "div",
        vec![
            is("class", "not-ready"),
            is("id", "consultation-not-ready"),
            is("role", "status"),
            is("data-testid", "consultation-not-ready"),
        ],
        vec![live(missing)],
    )
}

/// Tables that are not here: there are drafts without them, but no codes.
fn tables(view: View) -> Vec<AnyView> {
    let health = view.app.consulting.health.get();
    match health.is_some_and(|health| health.terminology.is_empty()) {
        true => vec![line(
            "",
            "The codes of ICD-10-CM are not on this device: a draft will have none. Open this page once with a network.",
        )],
        false => vec![],
    }
}
