//! What the consultation's view is built of. Every element is made by one function and erased to one type: Leptos compiles
//! each combination of element, attributes and children by itself, which would double the page's module.

use std::sync::Arc;

use leptos::attr::any_attribute::{AnyAttribute, IntoAnyAttribute};
use leptos::attr::custom::custom_attribute;
use leptos::ev;
use leptos::html::custom;
use leptos::prelude::*;

use crate::state::consulting::{Outcome, Span};
use crate::ui::icons;

/// An outcome that is shown, and which of its words are pointed at.
#[derive(Clone)]
pub struct Shown {
    /// What is shown.
    pub outcome: Arc<Outcome>,
    /// The words of the transcript that are pointed at.
    pub pointed: RwSignal<Option<Span>>,
}

/// An attribute that stays as it is.
pub fn is(name: &'static str, value: impl Into<String>) -> AnyAttribute {
    custom_attribute(name, value.into()).into_any_attr()
}

/// An attribute that follows signals; it is not there while there is `None`.
pub fn follows(
    name: &'static str,
    value: impl Fn() -> Option<&'static str> + Send + 'static,
) -> AnyAttribute {
    let value: Box<dyn Fn() -> Option<&'static str> + Send> = Box::new(value);
    custom_attribute(name, value).into_any_attr()
}

/// An element.
pub fn node(tag: &'static str, attributes: Vec<AnyAttribute>, children: Vec<AnyView>) -> AnyView {
    custom(tag)
        .add_any_attr(attributes)
        .child(children)
        .into_any()
}

/// A button.
pub fn press(
    class: &'static str,
    mut attributes: Vec<AnyAttribute>,
    act: impl Fn() + 'static,
    children: Vec<AnyView>,
) -> AnyView {
    attributes.extend([is("class", class), is("type", "button")]);
    let act: Box<dyn Fn()> = Box::new(act);
    custom("button")
        .add_any_attr(attributes)
        .on(ev::click, move |_| act())
        .child(children)
        .into_any()
}

/// Words.
pub fn text(words: impl Into<String>) -> AnyView {
    words.into().into_any()
}

/// Words that follow signals.
pub fn live_text(words: impl Fn() -> String + Send + 'static) -> AnyView {
    let words: Box<dyn Fn() -> String + Send> = Box::new(words);
    words.into_any()
}

/// Parts that follow signals.
pub fn live(parts: impl Fn() -> Vec<AnyView> + Send + 'static) -> AnyView {
    let parts: Box<dyn Fn() -> Vec<AnyView> + Send> = Box::new(parts);
    parts.into_any()
}

/// An icon.
pub fn icon(lines: &'static str) -> AnyView {
    icons::icon(lines).into_any()
}

/// A paragraph.
pub fn line(class: &'static str, words: impl Into<String>) -> AnyView {
    node("p", vec![is("class", class)], vec![text(words)])
}

/// Words within a line.
pub fn words(class: &'static str, words: impl Into<String>) -> AnyView {
    node("span", vec![is("class", class)], vec![text(words)])
}

/// Words after an icon.
pub fn marked(class: &'static str, lines: &'static str, said: impl Into<String>) -> AnyView {
    let parts = vec![icon(lines), words("", said)];
    node("p", vec![is("class", class)], parts)
}

/// Parts below one another, or as the class has them.
pub fn group(class: &'static str, parts: Vec<AnyView>) -> AnyView {
    node("div", vec![is("class", class)], parts)
}

/// A list.
pub fn list(class: &'static str, items: Vec<AnyView>) -> AnyView {
    let items = items.into_iter().map(|it| node("li", vec![], vec![it]));
    node("ul", vec![is("class", class)], items.collect())
}

/// A part with a heading.
pub fn titled(class: &'static str, title: impl Into<String>, parts: Vec<AnyView>) -> AnyView {
    let mut all = vec![node("h3", vec![], vec![text(title)])];
    all.extend(parts);
    node("section", vec![is("class", class)], all)
}

/// What is seen once it is asked for.
pub fn fold(name: impl Into<String>, test_id: &'static str, parts: Vec<AnyView>) -> AnyView {
    let mut all = vec![node("summary", vec![], vec![text(name)])];
    all.extend(parts);
    let attributes = vec![is("class", "fold"), is("data-testid", test_id)];
    node("details", attributes, all)
}

/// The words of the transcript that something rests on. A press points at them where they stand.
pub fn quote(shown: &Shown, span: Span) -> AnyView {
    let pointed = shown.pointed;
    let said = span.of(&shown.outcome.transcript).trim();
    let is_pointed = move || match pointed.get() == Some(span) {
        true => Some("true"),
        false => Some("false"),
    };
    let attributes = vec![
        is("data-testid", "evidence"),
        is("title", "Show it in what was said"),
        follows("aria-pressed", is_pointed),
    ];
    let point = move || {
        pointed.update(|pointed| *pointed = (*pointed != Some(span)).then_some(span));
    };
    let said = words("quote-words", format!("\u{201c}{said}\u{201d}"));
    press("quote", attributes, point, vec![said])
}

/// Words with their first letter in capitals.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
