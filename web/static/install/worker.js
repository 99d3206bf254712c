// The Worker of the page that installs models: the engine's own, from an address whose answer lets it ask other hosts
// (xtask/src/serve/headers.rs). A Worker's policy comes with its script, not with the page that starts it.
import "../worker.js";
