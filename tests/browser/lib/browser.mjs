// Chromium with a profile of its own, on WebGPU by software.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { CHROMIUM, CHROMIUM_FLAGS } from "./settings.mjs";

/** A new profile folder. */
export async function newProfile() {
  const folder = await mkdtemp(join(tmpdir(), "outpost-profile-"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

/**
 * Chromium on that profile. What every page asks other hosts for, throws, or logs as an error is in `troubles`.
 * Service workers and OPFS need a profile on disk, which is why this is no incognito context.
 */
export async function openBrowser(profile, options = {}) {
  const context = await chromium.launchPersistentContext(profile.folder, {
    executablePath: CHROMIUM,
    headless: true,
    args: CHROMIUM_FLAGS.filter((flag) => !flag.startsWith("--headless")),
    viewport: { width: 1280, height: 800 },
    ...options,
  });
  const troubles = [];
  context.on("weberror", (error) => troubles.push(`thrown: ${error.error()}`));
  context.on("console", (message) => {
    if (message.type() === "error") troubles.push(`logged: ${message.text()} (${message.location().url})`);
  });
  context.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith("http") && hostname !== "localhost") troubles.push(`asked for: ${request.url()}`);
  });
  return { context, troubles, close: () => context.close() };
}
