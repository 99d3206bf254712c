//! Choosing files. The input itself is what is pressed: it lies, unseen, over whatever shows it, so that a press, the
//! keyboard, a dropped file and assistive technology all reach the real thing.

use leptos::ev;
use leptos::html::input;
use leptos::prelude::*;
use web_sys::{File, FileList, HtmlInputElement};

/// An input that hands over what was chosen, and then forgets it, so that the same files can be chosen again.
/// Its parent needs the class `file-command`.
pub fn file_input(
    accept: &'static str,
    label: &'static str,
    test_id: Option<&'static str>,
    chosen: impl Fn(Vec<File>) + 'static,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Input>::new();
    let take = move |_| {
        if let Some(input) = node.get_untracked() {
            chosen(taken(&input));
        }
    };
    input()
        .node_ref(node)
        .attr("type", "file")
        .attr("multiple", "")
        .attr("accept", accept)
        .attr("data-testid", test_id)
        .attr("title", label)
        .attr("aria-label", label)
        .on(ev::change, take)
}

/// The files of a list, which JavaScript may change at any time.
pub fn files(list: Option<FileList>) -> Vec<File> {
    list.map_or(Vec::new(), |list| {
        (0..list.length())
            .filter_map(|index| list.get(index))
            .collect()
    })
}

fn taken(input: &HtmlInputElement) -> Vec<File> {
    let chosen = files(input.files());
    input.set_value("");
    chosen
}
