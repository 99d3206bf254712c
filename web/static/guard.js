// This page is never left for another host, neither by a script nor by a link: what a person typed cannot travel in an
// address. Where the browser knows the connection allowlist (xtask/src/serve/headers.rs), that has stopped it already.
globalThis.navigation?.addEventListener("navigate", (event) => {
  if (new URL(event.destination.url).origin !== location.origin) event.preventDefault();
});
