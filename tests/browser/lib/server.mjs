// The page's server, which a test can kill.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { DIST, XTASK } from "./settings.mjs";

/** Serves the built page on `port`, any free one if it is 0. */
export async function startServer(port = 0) {
  const child = spawn(XTASK, ["serve", "--no-build", "--dir", DIST, "--port", String(port)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (chunk) => (complaint += chunk));
  child.on("error", (error) => (complaint += error.message));
  const exited = once(child, "close");
  const first = createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const line = await Promise.race([first, exited.then(() => ({ value: undefined }))]);
  if (!line.value?.startsWith("http://")) {
    throw new Error(`the server did not start: ${complaint.trim()}`);
  }
  return {
    address: line.value,
    port: Number(new URL(line.value).port),
    /** Ends it as a power cut would. */
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
