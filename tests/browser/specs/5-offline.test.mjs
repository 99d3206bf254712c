// With the server gone everything still works; nothing ever goes elsewhere.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { openBrowser } from "../lib/browser.mjs";
import { ask, newConversation, openReady, ready, storedForOffline } from "../lib/page.mjs";
import { PICTURES, QUESTIONS } from "../lib/settings.mjs";
import { suite } from "../lib/suite.mjs";

const stage = suite("offline");
const said = {};

// What Chromium logs where there is no server, and where the page's policy stops a request.
stage.expected.push(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_FAILED|Content Security Policy/);

test("while there is a network, it answers", async () => {
  const { page } = stage;
  await storedForOffline(page);
  said.text = await ask(page, QUESTIONS.who);
  await newConversation(page);
  said.picture = await ask(page, QUESTIONS.picture, [PICTURES.opacity.file]);
});

test("after a reload with the server killed it gives the same answers", async () => {
  const { page, server } = stage;
  // What was answered is stored within a second.
  await page.waitForTimeout(1_000);
  await server.kill();
  await assert.rejects(fetch(stage.address), "the server is gone");
  await page.reload();
  await ready(page);
  await newConversation(page);
  assert.equal(await ask(page, QUESTIONS.who), said.text);
  await newConversation(page);
  assert.equal(await ask(page, QUESTIONS.picture, [PICTURES.opacity.file]), said.picture);
});

test("after the browser was closed and opened again, still without a server, too", async () => {
  await stage.browser.close();
  const { troubles } = stage.browser;
  stage.browser = await openBrowser(stage.profile);
  stage.browser.troubles.push(...troubles);
  stage.page = await openReady(stage.browser.context, stage.address);
  await newConversation(stage.page);
  assert.equal(await ask(stage.page, QUESTIONS.picture, [PICTURES.opacity.file]), said.picture);
});

test("nothing that the page could send reaches another address", async () => {
  const { page } = stage;
  let hits = 0;
  const listener = createServer((_, answer) => {
    hits += 1;
    answer.setHeader("Access-Control-Allow-Origin", "*").end();
  });
  listener.on("upgrade", (_, socket) => {
    hits += 1;
    socket.destroy();
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  stage.expected.push(new RegExp(`127\\.0\\.0\\.1:${port}`));
  const outcomes = await page.evaluate(async (port) => {
    const secret = `http://127.0.0.1:${port}/?patient=name`;
    const image = (src) =>
      new Promise((resolve) => {
        const element = new Image();
        element.onload = () => resolve("sent");
        element.onerror = () => resolve("refused");
        element.src = src;
      });
    const socket = (url) =>
      new Promise((resolve) => {
        try {
          const connection = new WebSocket(url);
          connection.onopen = () => resolve("sent");
          connection.onerror = () => resolve("refused");
        } catch {
          resolve("refused");
        }
      });
    navigator.sendBeacon(secret, "name");
    const outcomes = {
      fetch: await fetch(secret, { mode: "no-cors" }).then(() => "sent", () => "refused"),
      image: await image(secret),
      socket: await socket(`ws://127.0.0.1:${port}/`),
    };
    // The last thing: Playwright waits for a navigation that the page's policy has stopped.
    const form = document.createElement("form");
    form.action = secret;
    form.method = "post";
    document.body.append(form);
    form.submit();
    return outcomes;
  }, port);
  const [worker] = page.workers();
  outcomes.worker = await worker.evaluate(
    (url) => fetch(url, { mode: "no-cors" }).then(() => "sent", () => "refused"),
    `http://127.0.0.1:${port}/?patient=name`,
  );
  await page.waitForTimeout(500);
  listener.close();
  assert.deepEqual(outcomes, { fetch: "refused", image: "refused", socket: "refused", worker: "refused" });
  assert.equal(hits, 0);
});
