// The view in which a consultation becomes data, on a phone: what goes in, what comes out and what it rests on, what is
// handed on, and what is never lost. What is said, and the drugs in it, are invented. By which way the demonstration model
// comes to a record is not asserted: what counts is that the view shows what `processMedicalText` gives.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { forReadme, looks } from "../lib/looks.mjs";
import { part } from "../lib/page.mjs";
import { ANSWER_MS, PICTURES } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 800 };
// Characters of several bytes stand before the facts: places in the transcript are counted in bytes.
const SAID =
  "“A 40 year old woman came with sore throat for 3 days. The oxygen saturation is 88 %. The mother had hay fever. She " +
  "denies hip pain. She has an allergy to Pelvimol. I start Fenatulex 35 mg, every 6 hours for 5 days.”";
const NOTHING = "Good morning. It is a fine day today.";
/** Longer than a press counts as the second half of a double click. */
const DOUBLE_CLICK_MS = 500;
const PASSPHRASE = "four words are enough";

const stage = suite("consultation-screen", { browserOptions: { viewport: PHONE, acceptDownloads: true } });

const words = (page) => part(page, "consultation-transcript");
const run = (page) => part(page, "consultation-run");

async function open(page) {
  if (!(await part(page, "consultation").isVisible())) await part(page, "consultation-open").click();
}

/** From whatever the view shows to an empty form. */
async function begin(page) {
  await open(page);
  const next = part(page, "consultation-next").filter({ visible: true });
  if (await next.count()) {
    await next.click();
    await next.click();
  }
  assert.equal(await words(page).inputValue(), "");
  assert.equal(await part(page, "consultation-age").inputValue(), "");
}

async function draft(page, said, years) {
  await begin(page);
  await words(page).fill(said);
  if (years) await part(page, "consultation-age").fill(years);
  await page.waitForTimeout(DOUBLE_CLICK_MS); // the draft before this one may just have ended
  await run(page).click();
  await part(page, "record").waitFor({ timeout: ANSWER_MS });
}

/** What depends on the time of day, taken out. */
const timeless = (bundle) => JSON.parse(JSON.stringify(bundle).replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "then"));

test("with the keyboard alone: opened, filled in, drafted, read and closed", async () => {
  const { page } = stage;
  await part(page, "consultation-open").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.type("She has a sore throat. Pulse 72.");
  assert.equal(await words(page).inputValue(), "She has a sore throat. Pulse 72.");
  for (let presses = 0; presses < 8 && !(await run(page).evaluate((it) => it === document.activeElement)); presses++)
    await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await part(page, "record").waitFor({ timeout: ANSWER_MS });
  await page.waitForFunction(() => document.activeElement?.dataset.testid === "urgency");
  assert.match(await part(page, "consultation-said").innerText(), /The draft is here/);
  const isEvidence = () => page.evaluate(() => document.activeElement?.dataset.testid === "evidence");
  for (let presses = 0; presses < 12 && !(await isEvidence()); presses++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const pressed = await page.evaluate(() => document.activeElement.innerText);
  assert.equal(`“${await part(page, "pointed").innerText()}”`, pressed);
  await page.keyboard.press("Escape");
  await part(page, "consultation").waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement?.dataset.testid), "consultation-open");
});

test("the view shows what processMedicalText gives: facts with codes, danger signs first, and by which way", async () => {
  const { page } = stage;
  await draft(page, SAID, "40");
  const expected = await processed(page);
  const shown = await part(page, "record").innerText();
  for (const { name, icd10_code: code } of expected.data.conditions) {
    assert.ok(shown.toLowerCase().includes(name.toLowerCase()), `${name} is not shown`);
    if (code) assert.ok(shown.includes(code), `${code} of ${name} is not shown`);
  }
  const facts = Object.values(expected.data).flat().length;
  assert.ok(facts > 2, `only ${facts} facts were found`);
  assert.equal(await part(page, "fact").count(), facts);
  assert.match(shown, /Draft by .* not checked/i);
  assert.equal(await part(page, "overlooked").getByTestId("evidence").count(), expected.overlooked.length);
  assert.equal(await part(page, "record").getAttribute("data-way"), expected.way);
  const danger = part(page, "danger-signs");
  assert.equal((await part(page, "urgency").innerText()).toLowerCase(), expected.danger_signs.floor);
  assert.notEqual(expected.danger_signs.floor, "routine");
  for (const { shown: sign, source } of expected.danger_signs.found) {
    assert.ok((await danger.innerText()).toLowerCase().includes(sign.toLowerCase()), `${sign} is not shown`);
    assert.ok((await danger.innerText()).includes(source.publisher), `${source.publisher} is not named`);
  }
  const above = await danger.evaluate((it) => it.getBoundingClientRect().bottom);
  const below = await part(page, "record").evaluate((it) => it.getBoundingClientRect().top);
  assert.ok(above <= below, "the record stands before the danger signs");
});

test("each fact shows its words, and a press marks them in what was said", async () => {
  const { page } = stage;
  const quotes = part(page, "evidence");
  const count = await quotes.count();
  assert.ok(count > 2);
  for (let nth = 0; nth < count; nth++) {
    const quote = quotes.nth(nth);
    await quote.click();
    assert.equal(await quote.getAttribute("aria-pressed"), "true");
    const marked = (await part(page, "pointed").allInnerTexts()).join("");
    assert.equal(`“${marked.trim()}”`, await quote.innerText());
    const isSeen = await part(page, "pointed").first().evaluate((mark) => {
      const box = mark.getBoundingClientRect();
      const around = mark.parentElement.getBoundingClientRect();
      return box.top >= around.top - 1 && box.top < around.bottom;
    });
    assert.ok(isSeen, `${marked} is marked out of sight`);
    assert.equal(await page.locator(".said-words").evaluate((it) => it.textContent), SAID);
    await quote.click();
  }
  assert.equal(await part(page, "pointed").count(), 0);
});

test("what is saved and what is copied is the Bundle that processMedicalText gives", async () => {
  const { page } = stage;
  const { bundle } = await processed(page);
  assert.ok(bundle);
  const saved = await handedOn(page);
  assert.deepEqual(timeless(saved), timeless(bundle));
  await page.context().grantPermissions(["clipboard-write"]);
  await part(page, "copy-bundle").click();
  await page.getByText("Copied.").waitFor();
  // The page itself may not read the clipboard: it is pasted as a person would.
  await part(page, "consultation-edit").click();
  await words(page).fill("");
  await words(page).focus();
  await page.keyboard.press("ControlOrMeta+V");
  assert.deepEqual(JSON.parse(await words(page).inputValue()), saved);
  await part(page, "consultation-back").click();
});

test("a fact that is left out is not handed on, and is put back; so the view shows what reviewRecord gives", async () => {
  const { page } = stage;
  const facts = await part(page, "fact").count();
  const leaveOut = part(page, "leave-out").first();
  const place = await leaveOut.getAttribute("data-place");
  await leaveOut.focus();
  await page.keyboard.press("Enter");
  await part(page, "left-out").waitFor();
  assert.equal(await part(page, "fact").count(), facts - 1);
  await page.waitForFunction(() => document.activeElement?.dataset.testid === "put-back");
  const saved = await handedOn(page);
  const { bundle, edits, data } = await reviewed(page, [{ place, change: "leave-out" }]);
  assert.deepEqual(timeless(saved), timeless(bundle));
  assert.equal(edits.length, 1);
  assert.equal(Object.values(data).flat().length, facts - 1);
  assert.ok(JSON.stringify(bundle).includes("changed to `left out` by a person"));
  assert.match(await part(page, "consultation-said").innerText(), /Changed\. The Bundle is valid/);
  await part(page, "left-out").scrollIntoViewIfNeeded();
  await looks(page, "consultation-left-out");
  await part(page, "put-back").press("Enter");
  await part(page, "left-out").waitFor({ state: "detached" });
  assert.equal(await part(page, "fact").count(), facts);
  assert.deepEqual(timeless(await handedOn(page)), timeless((await processed(page)).bundle));
});

test("a code is taken among the candidates, or taken out, and the provenance says so", async () => {
  const { page } = stage;
  const { data } = await processed(page);
  const index = data.conditions.findIndex(({ coded: { coding, candidates } }) => coding && candidates.length > 1);
  const place = `conditions[${index}]`;
  const { coding, candidates } = data.conditions[index].coded;
  const candidate = candidates.findIndex(({ coding: { code } }) => code !== coding.code);
  const press = async (name) => {
    const button = part(page, name).and(page.locator(`[data-place="${place}"]`)).first();
    const fold = part(page, "candidates").filter({ has: button });
    await fold.locator("summary").click();
    if (name === "take-code") await looks(page, "consultation-candidates");
    await button.click();
  };
  for (const [name, change, words] of [
    ["take-code", { change: "take-code", candidate }, "chosen by you"],
    ["no-code", { change: "no-code" }, "you took it out"],
  ]) {
    await press(name);
    const fact = part(page, "fact").filter({ has: page.locator(`[data-place="${place}"]`) });
    await fact.getByText(words).waitFor();
    const saved = await handedOn(page);
    const { bundle, edits } = await reviewed(page, [{ place, ...change }]);
    assert.deepEqual(timeless(saved), timeless(bundle));
    assert.match(edits[0].before, new RegExp(`^${coding.code} `));
    assert.match(edits[0].after, name === "no-code" ? /^no code$/ : new RegExp(`^${candidates[candidate].coding.code} `));
  }
  const refused = await page.evaluate(
    (transcript) =>
      window.outpost.processMedicalText({ transcript }).then((result) =>
        window.outpost
          .reviewRecord({ transcript, result, changes: [{ place: "conditions[99]", change: "leave-out" }] })
          .then(() => "done", ({ message, remedy }) => `${message} ${remedy}`),
      ),
    SAID,
  );
  assert.match(refused, /no conditions\[99\].*by its place/s);
});

test("what was tried can be looked at: every draft, its faults, and what was left out", async () => {
  const { page } = stage;
  const expected = await processed(page);
  const log = part(page, "repair-log");
  await log.locator("summary").first().click();
  const shown = await log.innerText();
  assert.match(shown, /Draft 1/);
  for (const { faults } of expected.repair_log)
    for (const { problem } of faults) assert.ok(shown.includes(problem), `${problem} is not shown`);
  assert.ok(shown.includes(expected.model_info.quantization));
  await log.locator("summary").first().click();
});

test("a SOAP note is shown as soapNote gives it: section by section, empty ones too, with the words behind each sentence", async () => {
  const { page } = stage;
  await part(page, "note-run").click();
  await part(page, "note-written").waitFor({ timeout: ANSWER_MS });
  const { note, urgency } = await page.evaluate(
    (transcript) => window.outpost.soapNote({ transcript, patient: { age: { years: 40 } }, validateFhir: false }),
    SAID,
  );
  const shown = await part(page, "note-written").innerText();
  assert.match(shown, /not checked/i);
  assert.match(shown, new RegExp(urgency, "i"));
  for (const name of ["Subjective", "Objective", "Assessment", "Plan"]) assert.ok(shown.includes(name), `no ${name}`);
  for (const { text, numbers } of note.sentences) {
    assert.ok(shown.includes(text), `${text} is not shown`);
    assert.ok(numbers.length === 0 || shown.includes("Check:"), `${text} is not flagged`);
  }
  assert.equal(shown.split("Empty: nothing was said.").length - 1, note.empty.length);
  const quotes = part(page, "note-written").getByTestId("evidence");
  assert.equal(await quotes.count(), note.sentences.length);
  await quotes.first().click();
  await looks(page, "consultation-note");
  const marked = (await part(page, "pointed").allInnerTexts()).join("");
  assert.equal(`“${marked.trim()}”`, await quotes.first().innerText());
  await quotes.first().click();
  const bundle = await handedOn(page);
  const noted = bundle.entry.filter(({ resource }) => resource.resourceType === "Composition");
  assert.equal(noted.length, 1, "the note goes along");
  for (const { text } of note.sentences) assert.ok(JSON.stringify(noted).includes(text), `${text} is not handed on`);
});

test("findings in its pictures are shown as imagingFindings gives them, or that there are none", async () => {
  const { page } = stage;
  const section = part(page, "findings");
  assert.equal(await part(page, "findings-run").isDisabled(), true);
  await part(page, "findings-pictures").setInputFiles([PICTURES.fluid.file, PICTURES.opacity.file]);
  await section.getByRole("button", { name: /Remove the picture/ }).last().click();
  assert.equal(await section.locator("img").count(), 1);
  await looks(page, "consultation-pictures");
  await part(page, "findings-run").click();
  await part(page, "findings-written").waitFor({ timeout: ANSWER_MS });
  const picture = [...(await readFile(PICTURES.fluid.file))];
  const { findings, urgency, numbers } = await page.evaluate(
    ({ picture, question }) =>
      window.outpost.imagingFindings({ images: [new Uint8Array(picture)], question, patient: { age: { years: 40 } } }),
    { picture, question: SAID },
  );
  const shown = (await part(page, "findings-written").innerText()).toLowerCase();
  assert.ok(shown.includes(urgency), `${urgency} is not shown`);
  assert.equal(shown.includes("none could be written"), findings === null);
  for (const { what, evidence } of findings?.findings ?? []) {
    assert.ok(shown.includes(what.toLowerCase()), `${what} is not shown`);
    assert.ok(shown.includes(evidence.toLowerCase()), `what shows ${what} is not shown`);
  }
  if (findings) assert.ok(shown.includes(findings.impression.toLowerCase()));
  assert.equal(await part(page, "findings-written").locator(".flag").count(), numbers.length);
  await part(page, "findings-written").scrollIntoViewIfNeeded();
  await looks(page, "consultation-findings");
});

test("stopped, closed and opened again: what was said stays", async () => {
  const { page } = stage;
  const long = SAID.repeat(3);
  await begin(page);
  await words(page).fill(long);
  // What was asked before comes first: so there is time to look.
  await page.evaluate(() => void window.outpost.bench({ promptTokens: 64, tokens: 500 }));
  await run(page).click();
  await part(page, "consultation-step").filter({ hasText: "Waiting" }).waitFor();
  await looks(page, "consultation-waiting");
  await page.evaluate(stopAtFirstToken);
  await part(page, "consultation-problem").filter({ visible: true }).waitFor();
  assert.match(await part(page, "consultation-problem").innerText(), /Stopped.*still here/s);
  assert.equal(await words(page).inputValue(), long);
  await page.waitForTimeout(DOUBLE_CLICK_MS);
  await page.keyboard.press("Escape");
  await open(page);
  assert.equal(await words(page).inputValue(), long);
});

test("where nothing can be taken from what was said, nothing is handed on, and it says why", async () => {
  const { page } = stage;
  await draft(page, NOTHING);
  assert.equal(await part(page, "record").getAttribute("data-way"), "blocked");
  assert.match(await part(page, "record").innerText(), /There is no record/);
  assert.equal(await part(page, "export-bundle").count(), 0);
  assert.equal(await part(page, "copy-bundle").count(), 0);
  assert.match(await part(page, "consultation").innerText(), /no Bundle/);
  await looks(page, "consultation-blocked");
  await part(page, "consultation-edit").click();
  assert.equal(await words(page).inputValue(), NOTHING);
});

test("a pregnancy is asked for only where there can be one, and an age that is no number is refused", async () => {
  const { page } = stage;
  await begin(page);
  const pregnancy = part(page, "pregnancy");
  assert.equal(await pregnancy.count(), 0);
  await page.getByLabel("Female").check();
  assert.equal(await pregnancy.count(), 1);
  await part(page, "consultation-age").fill("8");
  assert.equal(await pregnancy.count(), 0);
  await part(page, "consultation-age").fill("eight");
  await words(page).fill(SAID);
  await run(page).click();
  assert.match(await part(page, "consultation-problem").innerText(), /age is not understood.*whole number/s);
  assert.equal(await words(page).inputValue(), SAID);
});

for (const [name, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
  test(`${name}: empty and with a result, by day and by night, it fits and axe finds nothing`, async () => {
    const { page } = stage;
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await begin(page);
    await looks(page, `consultation-${name}-empty`);
    await draft(page, SAID, "40");
    await looks(page, `consultation-${name}-result`);
    for (const [place, share] of [["middle", 0.5], ["end", 1]]) {
      await page.locator(".outcome").evaluate((it, share) => (it.scrollTop = it.scrollHeight * share), share);
      await looks(page, `consultation-${name}-${place}`);
    }
    await part(page, "evidence").last().click();
    await looks(page, `consultation-${name}-pointed`);
    if (name === "phone") await forReadme(page, "consultation");
    await page.emulateMedia({ colorScheme: "dark" });
    await looks(page, `consultation-${name}-dark`);
    await page.locator(".outcome").evaluate((it) => (it.scrollTop = 0));
    await looks(page, `consultation-${name}-dark-top`);
    const narrow = await page.locator(".outcome").evaluate((it) => it.scrollWidth - it.clientWidth);
    assert.ok(narrow <= 0, `the result is ${narrow} pixels wider than its place`);
    const small = await page.locator(".consultation").evaluate((dialog) =>
      [...dialog.querySelectorAll("button, summary, select, textarea")]
        .filter((it) => it.checkVisibility() && it.getBoundingClientRect().height < 43.5)
        .map((it) => it.outerHTML.slice(0, 120)),
    );
    assert.deepEqual(small, [], "too small for a thumb");
    await page.emulateMedia({ colorScheme: "light" });
  });
}

test("text at 200 % fits a phone, with what goes in and what comes out", async () => {
  const { page } = stage;
  await page.setViewportSize(PHONE);
  await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
  await looks(page, "consultation-large-text-result");
  await part(page, "consultation-edit").click();
  await looks(page, "consultation-large-text");
  await page.evaluate(() => (document.documentElement.style.fontSize = ""));
});

test("locked, nothing of a consultation is on the page, nor after it was opened again", async () => {
  const { page } = stage;
  await part(page, "consultation-back").click();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Conversations", exact: true }).click();
  await page.getByRole("button", { name: "Privacy and backup" }).click();
  await page.getByRole("button", { name: "Set a passphrase" }).click();
  await page.getByLabel("New passphrase").fill(PASSPHRASE);
  await page.getByLabel("Once more").fill(PASSPHRASE);
  await page.getByRole("button", { name: "Set the passphrase" }).click();
  await part(page, "privacy-done").filter({ hasText: "is set" }).waitFor({ timeout: ANSWER_MS });
  await page.keyboard.press("Escape");
  await looks(page, "consultation-seven-commands");
  await page.getByRole("button", { name: "Lock now" }).click();
  await part(page, "locked").waitFor();
  const left = await page.evaluate(() => document.documentElement.outerHTML + document.querySelector("#consultation-words").value);
  assert.ok(!/Fenatulex|sore throat/i.test(left), "words of the consultation are on the locked page");
  await page.getByLabel("Passphrase").fill(PASSPHRASE);
  await page.getByRole("button", { name: "Open" }).click();
  await part(page, "locked").waitFor({ state: "hidden", timeout: ANSWER_MS });
  await open(page);
  assert.equal(await words(page).inputValue(), "");
  assert.equal(await part(page, "consultation-back").count(), 0);
});

test("without a model it says so, and what to do", async () => {
  const { page } = stage;
  await page.evaluate(async () => {
    for (const { id } of await window.outpost.models()) await window.outpost.remove(id);
  });
  await words(page).fill(SAID);
  await part(page, "consultation-not-ready").filter({ hasText: "No model is ready" }).waitFor();
  assert.equal(await run(page).isDisabled(), true);
  await looks(page, "consultation-no-model");
  await part(page, "consultation-not-ready").getByRole("button", { name: "Models" }).click();
  await page.getByRole("heading", { name: "Models on this device" }).waitFor();
});

/** Runs in the page, at the first change of its numbers: the demonstration model is faster than a press from outside. */
const stopAtFirstToken = () =>
  new Promise((pressed) => {
    const shown = (id) => document.querySelector(`[data-testid=consultation-${id}]`);
    const look = () => {
      if (!shown("tokens").textContent.includes("tokens") || !shown("stop")) return;
      changes.disconnect();
      shown("stop").click();
      pressed();
    };
    const changes = new MutationObserver(look);
    changes.observe(shown("tokens"), { childList: true, characterData: true, subtree: true });
    look();
  });

/** The Bundle that the page saves. */
async function handedOn(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), part(page, "export-bundle").click()]);
  assert.match(download.suggestedFilename(), /^consultation-\d{4}-\d\d-\d\d\.json$/);
  return JSON.parse(await readFile(await download.path(), "utf8"));
}

/** What the page's other way makes of these changes. */
const reviewed = (page, changes) =>
  page.evaluate(
    async ([transcript, changes]) => {
      const result = await window.outpost.processMedicalText({ transcript, patient: { age: { years: 40 } } });
      return window.outpost.reviewRecord({ transcript, result, changes });
    },
    [SAID, changes],
  );

/** The same consultation by the page's other way. */
const processed = (page) =>
  page.evaluate(
    (transcript) => window.outpost.processMedicalText({ transcript, patient: { age: { years: 40 } } }),
    SAID,
  );
