//! Icons: lines on a 24 x 24 grid that take the colour of the text around them.

use leptos::prelude::*;
use leptos::svg::{path, svg};

/// Arrow up: send.
pub const SEND: &str = "M12 19V5M5.5 11.5 12 5l6.5 6.5";
/// Square: stop.
pub const STOP: &str = "M7 7h10v10H7z";
/// Picture with a plus.
pub const PICTURE: &str = "M20.5 12.5v5a3 3 0 0 1-3 3h-11a3 3 0 0 1-3-3v-11a3 3 0 0 1 3-3h5M3.5 17l4.5-4.5 4 4 2.5-2.5 6 5M19 2.5v6M16 5.5h6";
/// Cross: close, remove.
pub const CLOSE: &str = "M6.5 6.5l11 11M17.5 6.5l-11 11";
/// File with an arrow into it.
pub const ADD_FILE: &str =
    "M12 3.5H7a2 2 0 0 0-2 2v13a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2v-8zM12 3.5v7h7M12 17.5v-4M10 15.5h4";
/// Sheet with a pen: a new conversation.
pub const NEW: &str = "M11 4.5H6.5a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V13M9.5 14.5l.6-3 7.8-7.8a1.7 1.7 0 0 1 2.4 2.4L12.5 14z";
/// Lines of a list beside a clock's hands: earlier conversations.
pub const EARLIER: &str =
    "M4.5 6.5h15M4.5 12h6M4.5 17.5h6M17 13.5v3l2 1.5M21.5 16.5a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0";
/// Closed padlock: lock.
pub const LOCK: &str = "M6.5 10.5h11a1.5 1.5 0 0 1 1.5 1.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19v-7a1.5 1.5 0 0 1 1.5-1.5zM8 10.5V8a4 4 0 0 1 8 0v2.5M12 14.5v2";
/// A sheet with a line of a pulse: a consultation.
pub const CONSULTATION: &str = "M9 4.5H7a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2v-12a2 2 0 0 0-2-2h-2M9 3h6v3.5H9zM7.5 13.5h2.5l1.5-3 2 5.5 1.2-2.5h1.8";
/// Triangle with a stroke: danger.
pub const ALARM: &str = "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.2";
/// Clock: may wait its turn.
pub const CLOCK: &str = "M20.5 12a8.5 8.5 0 1 1-17 0 8.5 8.5 0 0 1 17 0M12 7v5l3.5 2";
/// Stacked layers: models.
pub const MODELS: &str =
    "M12 4 3.5 8.5 12 13l8.5-4.5zM3.5 12.5 12 17l8.5-4.5M3.5 16.5 12 21l8.5-4.5";
/// Two sheets: copy.
pub const COPY: &str = "M9 9.5a2 2 0 0 1 2-2h6.5a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H11a2 2 0 0 1-2-2zM15 7.5v-1a2 2 0 0 0-2-2H6.5a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2H9";
/// Tick: done.
pub const DONE: &str = "M5 12.5l4.5 4.5L19 7.5";
/// Arrow into a tray: install.
pub const INSTALL: &str = "M12 4v11M7 10.5l5 5 5-5M4.5 19.5h15";

/// An icon. It is decoration: its control carries the name.
pub fn icon(lines: &'static str) -> impl IntoView {
    svg()
        .attr("class", "icon")
        .attr("viewBox", "0 0 24 24")
        .attr("aria-hidden", "true")
        .attr("focusable", "false")
        .child(path().attr("d", lines))
}
