// Ends a browser as a power cut or a phone that needs the memory would: no page and no process of it hears of that.
import { execFile } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Every process of the browser on this profile, found beforehand so that the blow itself takes no time. */
export async function processesOf(profile) {
  const { stdout } = await run("ps", ["-ww", "-eo", "pid=,ppid=,args="], { maxBuffer: 1 << 26 });
  const running = stdout.split("\n").map((line) => /^ *(\d+) +(\d+) (.*)$/.exec(line)).filter(Boolean);
  const found = new Set(running.filter(([, , , args]) => args.includes(profile.folder)).map(([, pid]) => Number(pid)));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const [, pid, parent] of running) if (found.has(Number(parent))) found.add(Number(pid));
  }
  return [...found];
}

/** SIGKILL for all of them at once, and for what they had started meanwhile; returns when none is left. */
export async function kill(profile, processes) {
  if (processes.length === 0) throw new Error("the browser's processes are not found");
  for (let left = processes; left.length > 0; left = await processesOf(profile)) {
    for (const pid of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended with its parent.
      }
    }
    await wait(20);
  }
}

/** Numbers from 0 to 1 that look random, and are the same for the same seed (mulberry32, in the public domain). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
