//! The dialog that asks the model questions with known answers, and says how often it was right and how sure that is.
//!
//! `index.html` has painted it, closed; here it is filled. It is one picture of its state, painted anew when that changes.

use gloo::events::EventListener;
use leptos::ev;
use leptos::html::{Dialog, button};
use leptos::prelude::*;
use serde_json::Value;
use wasm_bindgen::JsCast;
use web_sys::{Element, File, HtmlDialogElement, HtmlInputElement};

use super::files::files;
use super::{SharedClient, close_dialog};
use crate::actions;
use crate::state::{App, Evaluation, Problem, Run};

/// A press this soon after the button has come to mean something else was meant for what it said before.
const DOUBLE_CLICK_MS: f64 = 400.0;

/// What shares are called on the page.
const NAMES: [(&str, &str); 9] = [
    ("acc", "Right"),
    ("acc_norm", "Right by its text"),
    ("exact_match", "Right"),
    ("unparsed", "No answer found"),
    ("first_pass", "At first pass"),
    ("repaired", "Repaired"),
    ("fallback", "By rules"),
    ("blocked", "Blocked"),
    ("valid_bundle", "Valid Bundle"),
];

/// The button in the dialog of models that opens this one.
pub fn opener(app: App, models: NodeRef<Dialog>) -> impl IntoView {
    let open = move |_| {
        close_dialog(models);
        if let Some(Parts(dialog)) = Parts::find() {
            let _ = dialog.show_modal();
        }
    };
    button()
        .class("link")
        .attr("type", "button")
        .attr("data-testid", "evaluate")
        .attr("disabled", move || {
            (!actions::can_measure(app)).then_some("")
        })
        .on(ev::click, open)
        .child("Test with questions")
}

/// Listens to the painted dialog, and fills it. Closing it stops what goes on; what is answered is kept.
pub fn adopt(app: App, client: SharedClient) {
    let Some(parts) = Parts::find() else {
        return;
    };
    parts.on_press("evaluation-close", || {
        if let Some(Parts(dialog)) = Parts::find() {
            dialog.close();
        }
    });
    let stop = move || client.with_value(|client| actions::stop_evaluating(app, client));
    EventListener::new(&parts.0, "close", move |_| stop()).forget();
    parts.on_files("evaluation-questions", move |files| {
        actions::choose_questions(app, files);
    });
    let start = move |again: bool| {
        let Some(parts) = Parts::find() else { return };
        let limit = parts.value("evaluation-limit").trim().parse().ok();
        let limit = limit.filter(|limit| *limit > 0);
        let by = parts.value("evaluation-by");
        client.with_value(|client| actions::evaluate(app, client, &by, limit, again));
    };
    let changed_ms = StoredValue::new(f64::MIN);
    parts.on_press("evaluation-start", move || {
        if app.evaluation_call.get_untracked().is_some() {
            stop();
        } else if actions::now_ms() - changed_ms.get_value() > DOUBLE_CLICK_MS {
            start(false);
        }
    });
    parts.on_press("evaluation-again", move || start(true));
    parts.on_press("evaluation-save", move || actions::save_log(app));
    parts.on_files("evaluation-compare", move |files| {
        client.with_value(|client| actions::compare_with(app, client, &files));
    });
    Effect::new(move |was: Option<bool>| {
        let going = app.evaluation_call.get().is_some();
        if was != Some(going) {
            changed_ms.set_value(actions::now_ms());
        }
        let free = actions::can_measure(app);
        app.evaluation
            .with(|evaluation| parts.paint(evaluation, going, free));
        going
    });
}

/// The painted dialog, whose parts are known by their test ids.
struct Parts(HtmlDialogElement);

impl Parts {
    fn find() -> Option<Self> {
        let dialog = document().get_element_by_id("evaluation")?;
        dialog.dyn_into().ok().map(Self)
    }

    fn part(&self, name: &str) -> Option<Element> {
        let selector = format!("[data-testid={name}]");
        self.0.query_selector(&selector).ok().flatten()
    }

    /// What a field holds. A list of choices has its value by the same name.
    fn value(&self, name: &str) -> String {
        let field = self.part(name).map(JsCast::unchecked_into);
        field.map_or(String::new(), |field: HtmlInputElement| field.value())
    }

    fn on_press(&self, name: &str, press: impl Fn() + 'static) {
        if let Some(part) = self.part(name) {
            EventListener::new(&part, "click", move |_| press()).forget();
        }
    }

    /// Hands over what was chosen, and forgets it, so that the same files can be chosen again.
    fn on_files(&self, name: &str, take: impl Fn(Vec<File>) + 'static) {
        let Some(Ok(input)) = self.part(name).map(JsCast::dyn_into::<HtmlInputElement>) else {
            return;
        };
        let chosen = input.clone();
        EventListener::new(&input, "change", move |_| {
            let files = files(chosen.files());
            chosen.set_value("");
            take(files);
        })
        .forget();
    }

    fn say(&self, name: &str, text: &str) {
        if let Some(part) = self.part(name) {
            part.set_text_content(Some(text));
        }
    }

    fn set(&self, name: &str, attribute: &str, on: bool) {
        if let Some(part) = self.part(name) {
            let _ = part.toggle_attribute_with_force(attribute, on);
        }
    }

    fn paint(&self, evaluation: &Evaluation, going: bool, free: bool) {
        let Evaluation { run, compared, .. } = evaluation;
        self.say("evaluation-name", &name(evaluation));
        self.say("evaluation-state", &state(run));
        self.say(
            "evaluation-start",
            match (going, run) {
                (true, _) => "Stop",
                (_, Run::Stopped(_) | Run::Failed(_)) => "Go on",
                _ => "Start",
            },
        );
        let ready = free && evaluation.questions.is_some();
        self.set("evaluation-start", "disabled", !going && !ready);
        self.set("evaluation-again", "disabled", !ready);
        for field in ["evaluation-by", "evaluation-limit", "evaluation-questions"] {
            self.set(field, "disabled", going);
        }
        let (done, total) = match run {
            Run::Going(progress) | Run::Stopped(progress) => {
                (whole(progress, "/done"), whole(progress, "/total"))
            }
            _ => (0, 0),
        };
        self.set("evaluation-progress", "hidden", total == 0);
        if let Some(bar) = self.part("evaluation-progress") {
            let _ = bar.set_attribute("max", &total.max(1).to_string());
            let _ = bar.set_attribute("value", &done.to_string());
        }
        let problem = match (run, compared) {
            (Run::Failed(problem), _) | (_, Some((_, Err(problem)))) => Some(problem),
            _ => None,
        };
        self.set("evaluation-error", "hidden", problem.is_none());
        let Problem {
            message, remedy, ..
        } = problem.cloned().unwrap_or(Problem {
            message: String::new(),
            remedy: String::new(),
            retry: false,
        });
        self.say("evaluation-what", &message);
        self.say("evaluation-remedy", &remedy);
        let evaluated = match run {
            Run::Done(evaluated) => Some(evaluated),
            _ => None,
        };
        self.set("evaluation-then", "hidden", evaluated.is_none());
        self.rows("evaluation-result", &evaluated.map_or(Vec::new(), rows));
        let comparison = match compared {
            Some((other, Ok(found))) => comparison_rows(other, found),
            _ => Vec::new(),
        };
        self.rows("evaluation-comparison", &comparison);
    }

    /// Fills a list of names and values.
    fn rows(&self, name: &str, rows: &[(String, String)]) {
        let Some(list) = self.part(name) else { return };
        list.set_text_content(None);
        for (name, value) in rows {
            let row = || {
                let row = document().create_element("div")?;
                for (kind, text) in [("dt", name), ("dd", value)] {
                    let part = document().create_element(kind)?;
                    part.set_text_content(Some(text));
                    row.append_child(&part)?;
                }
                list.append_child(&row)
            };
            let _ = row();
        }
    }
}

fn name(evaluation: &Evaluation) -> String {
    match (&evaluation.questions, evaluation.pictures.len()) {
        (None, _) => "Choose questions".to_owned(),
        (Some(file), 0) => file.name(),
        (Some(file), 1) => format!("{}, 1 picture", file.name()),
        (Some(file), count) => format!("{}, {count} pictures", file.name()),
    }
}

fn state(run: &Run) -> String {
    match run {
        Run::Unknown | Run::Failed(_) => String::new(),
        Run::Going(Value::Null) => "Getting ready".to_owned(),
        Run::Going(progress) => so_far(progress),
        Run::Stopped(Value::Null) => "Stopped.".to_owned(),
        Run::Stopped(progress) => format!("Stopped. {}", so_far(progress)),
        Run::Done(evaluated) => format!(
            "{} of {} answered",
            whole(evaluated, "/answered"),
            whole(evaluated, "/questions")
        ),
    }
}

fn so_far(progress: &Value) -> String {
    let (done, total) = (whole(progress, "/done"), whole(progress, "/total"));
    let answered = format!("{done} of {total} answered");
    match words(progress, "/metric") {
        "" => answered,
        "f1" => format!("{answered}, F1 {}", percent(progress, "/value")),
        _ => format!("{answered}, right {}", percent(progress, "/value")),
    }
}

/// What came out, as names and values.
fn rows(evaluated: &Value) -> Vec<(String, String)> {
    let model = ["/model/model", "/model/quantization", "/model/device"];
    let model = model.map(|place| words(evaluated, place)).join(", ");
    let mut rows = vec![("Model".to_owned(), model)];
    if words(evaluated, "/kind") == "transcripts" {
        let [right, found, expected] = [
            "/report/facts/right",
            "/report/facts/found",
            "/report/facts/expected",
        ]
        .map(|place| whole(evaluated, place));
        let f1 = percent(evaluated, "/f1");
        rows.push((
            "Facts, F1".to_owned(),
            format!("{f1}: {right} right of {found} found, {expected} expected"),
        ));
    }
    for (name, called) in NAMES {
        if let Some(share) = evaluated.pointer(&format!("/shares/{name}")) {
            rows.push((called.to_owned(), told(share)));
        }
    }
    rows
}

fn comparison_rows(other: &str, found: &Value) -> Vec<(String, String)> {
    let share = |place: &str| found.pointer(place).map_or(String::new(), told);
    let signed = |place: &str| format!("{:+.2}", number(found, place) * 100.0);
    let mut rows = vec![
        (format!("A, {other}"), share("/a")),
        ("B, this one".to_owned(), share("/b")),
        (
            "B \u{2212} A".to_owned(),
            format!(
                "{} % (95 %: {} to {}), McNemar p = {:.3}",
                signed("/difference"),
                signed("/interval/low"),
                signed("/interval/high"),
                number(found, "/mcnemar_p")
            ),
        ),
    ];
    let verdict = match words(found, "/verdict") {
        "less" => "B loses less than 1 % against A.",
        "more" => "B loses more than 1 % against A.",
        _ => "Whether B loses less than 1 % is open: ask more questions.",
    };
    rows.push(("So".to_owned(), verdict.to_owned()));
    if found.get("same_prompts") == Some(&Value::Bool(false)) {
        let but = "The prompts were not the same.";
        rows.push(("But".to_owned(), but.to_owned()));
    }
    rows
}

/// A share with its interval.
fn told(share: &Value) -> String {
    format!(
        "{}: {} of {} (95 %: {:.1} to {:.1})",
        percent(share, "/share"),
        whole(share, "/right"),
        whole(share, "/count"),
        number(share, "/interval/low") * 100.0,
        number(share, "/interval/high") * 100.0
    )
}

fn percent(value: &Value, place: &str) -> String {
    format!("{:.1} %", number(value, place) * 100.0)
}

fn number(value: &Value, place: &str) -> f64 {
    let number = value.pointer(place).and_then(Value::as_f64);
    number.unwrap_or_default()
}

fn whole(value: &Value, place: &str) -> u64 {
    let number = value.pointer(place).and_then(Value::as_u64);
    number.unwrap_or_default()
}

fn words<'v>(value: &'v Value, place: &str) -> &'v str {
    let words = value.pointer(place).and_then(Value::as_str);
    words.unwrap_or_default()
}
