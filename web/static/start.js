// Starts the page's WebAssembly. If that fails, says so where the page would have shown its own errors.
import "./guard.js";
import init from "./app/outpost_app.js";

init().catch((error) => {
  console.error(error);
  const notice = document.createElement("div");
  notice.className = "error";
  notice.setAttribute("role", "alert");
  notice.dataset.testid = "error";
  const what = document.createElement("p");
  what.className = "error-what";
  what.textContent = "The page could not start.";
  const remedy = document.createElement("p");
  remedy.textContent =
    typeof WebAssembly === "object"
      ? "Load it again. If that does not help, update this browser: Outpost needs a current Chrome, Edge, Safari or Firefox."
      : "This browser does not run WebAssembly. Use a current Chrome, Edge, Safari or Firefox.";
  notice.append(what, remedy);
  document.getElementById("slot-tray")?.replaceChildren(notice);
});
