// The page that installs models from other hosts. It starts nothing by itself: what is fetched, and from where, a person has
// typed or pressed.
import { ask, call } from "./engine.js";
import { bytes, facts, inReadingOrder, remaining } from "./words.js";

/** Pages share it while they are at work: no newer version takes over meanwhile (service-worker/sw.js). */
const BUSY_LOCK = "outpost-busy";
/** Where the browser keeps which model the main page begins with (web/app/src/actions/models.rs). */
const LAST_MODEL = "outpost.model";
/** The rate is that of so many milliseconds. */
const RATE_MS = 5_000;

const part = (id) => document.getElementById(id);
const show = (id, shown) => (part(id).hidden = !shown);

/** The call that fetches, and the addresses that it was asked for; the call is gone while it is paused. */
let job = null;
let samples = [];

/** Fetches what lies at the addresses until it is there, paused, refused, or has failed. */
async function fetchModel(addresses, consent) {
  said(null);
  show("terms", false);
  show("done", false);
  show("ask", false);
  samples = [];
  progress({ done: 0, total: 0 });
  const { id, ended } = call({ do: "fetch", addresses, consent }, (event) => event.event === "progress" && progress(event));
  const mine = (job = { addresses, call: id, ended });
  const release = await holdBusyLock();
  const last = await ended;
  release();
  mine.call = null;
  if (mine.cancelled) return;
  switch (last.event) {
    case "installed":
      idle();
      part("done-name").textContent = last.model.name;
      part("use").onclick = () => localStorage.setItem(LAST_MODEL, last.model.id);
      show("done", true);
      part("done").focus();
      navigator.storage.persist?.();
      break;
    case "terms_asked":
      askForTerms(last);
      break;
    case "cancelled":
      paused();
      break;
    default:
      idle();
      said(last);
  }
  list();
}

/** Nothing is being fetched, and something can be. */
function idle() {
  job = null;
  show("ask", true);
  show("work", false);
}

function paused() {
  part("work-what").textContent = "Paused";
  for (const id of ["work-rate", "work-left"]) part(id).textContent = "";
  part("pause").textContent = "Go on";
}

function progress({ done, total }) {
  show("work", true);
  part("pause").textContent = "Pause";
  part("work-what").textContent = total ? "Fetching the model" : "Asking for the model";
  part("work-much").textContent = total ? `${bytes(done)} of ${bytes(total)}` : "";
  const bar = part("bar");
  if (total) Object.assign(bar, { max: total, value: done });
  else bar.removeAttribute("value");
  const now = performance.now();
  // What was there already has arrived at no rate.
  if (total) samples.push([now, done]);
  while (samples.length > 2 && now - samples[1][0] > RATE_MS) samples.shift();
  const [[since, before] = [now, done]] = samples;
  const rate = now - since > 500 ? ((done - before) * 1000) / (now - since) : 0;
  part("work-rate").textContent = rate ? `${bytes(Math.round(rate))}/s` : "";
  part("work-left").textContent = remaining(rate, total - done);
}

/** Shows what a model asks of whoever adds it; nothing of it is on this device yet. */
function askForTerms({ name, terms, notice }) {
  show("work", false);
  part("terms-name").textContent = name;
  part("terms-text").replaceChildren(...linked(terms));
  part("terms-notice").textContent = inReadingOrder(notice);
  part("agree").checked = false;
  part("accept").disabled = true;
  show("terms", true);
  part("terms").focus();
}

/** Text in which an address can be followed. */
function linked(text) {
  const [, before, address, after] = /^(.*?)(https:\/\/[^\s,)]+)(.*)$/s.exec(text) ?? [null, text];
  if (!address) return [text];
  const link = document.createElement("a");
  link.className = "link";
  link.textContent = address;
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return [before, link, after];
}

function said(problem) {
  if (!problem) return part("said").replaceChildren();
  const notice = element("div", "error", undefined, "error");
  const words = element("div");
  words.append(element("p", "error-what", inReadingOrder(problem.message)), element("p", "", inReadingOrder(problem.remedy)));
  notice.append(words);
  part("said").replaceChildren(notice);
}

function element(kind, className = "", text, testId) {
  const made = document.createElement(kind);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  if (testId) made.dataset.testid = testId;
  return made;
}

/** Lists what there is. While something is fetched, or another tab is at work, the list stays as it was. */
async function list() {
  if (job?.call) return;
  const found = await ask({ do: "list_models" });
  if (found.event !== "models") return;
  part("list").replaceChildren(...found.models.map(row));
  show("none", found.models.length === 0);
}

function row(model) {
  const item = element("li");
  const words = element("span", "model-facts");
  words.append(element("strong", "", model.name), element("span", "fine", facts(model)));
  const remote = model.source.split(" ").filter((source) => /^https?:\/\//.test(source));
  if (remote.length > 0) words.append(element("span", "fine plain", remote.join(" ")));
  const commands = element("span", "model-actions");
  if (remote.length > 0 && model.status.is !== "installed") {
    commands.append(command("Go on", "go-on", () => job?.call || fetchModel(remote, "ask")));
  }
  if (model.status.is !== "installed") commands.append(command("Remove", "remove", () => remove(model)));
  item.append(words, commands);
  return item;
}

function command(name, testId, press) {
  const button = element("button", "link", name, testId);
  button.type = "button";
  button.addEventListener("click", press);
  return button;
}

async function remove(model) {
  if (job?.call) return;
  if (job) idle();
  const found = await ask({ do: "delete", model: model.id });
  if (found.event === "failed") said(found);
  await list();
}

/** What is not finished of these addresses. */
async function unfinished(addresses) {
  const { models = [] } = await ask({ do: "list_models" });
  const bare = addresses.map((address) => address.split("#")[0]);
  return models.filter(({ source, status }) => status.is === "unfinished" && bare.some((address) => source.split(" ").includes(address)));
}

/** Stops, and removes what there is. */
async function cancel() {
  if (!job) return;
  const { addresses, ended } = Object.assign(job, { cancelled: true });
  if (job.call) {
    ask({ do: "cancel", call: job.call });
    await ended;
  }
  for (const { id } of await unfinished(addresses)) await ask({ do: "delete", model: id });
  idle();
  await list();
}

/** Resolves to what gives the lock back. */
function holdBusyLock() {
  return new Promise((resolve) => {
    if (!navigator.locks) return resolve(() => {});
    navigator.locks.request(BUSY_LOCK, { mode: "shared" }, () => new Promise((release) => resolve(release)));
  });
}

part("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const addresses = ["address", "picture-address"].map((id) => part(id).value.trim()).filter(Boolean);
  fetchModel(addresses, "ask");
});
part("pause").addEventListener("click", () => {
  if (job?.call) ask({ do: "cancel", call: job.call });
  else if (job) fetchModel(job.addresses, "ask");
});
part("cancel").addEventListener("click", cancel);
part("agree").addEventListener("change", ({ target }) => (part("accept").disabled = !target.checked));
part("accept").addEventListener("click", () => fetchModel(job.addresses, "given"));
part("refuse").addEventListener("click", () => {
  show("terms", false);
  idle();
});
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && list());
list();
