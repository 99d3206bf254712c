// A helper thread of the engine: keeps rows of weights in a memory of its own and multiplies with them.
//
// It is told what to do through a SharedArrayBuffer, because between calls it sleeps and takes no messages. How that is
// laid out, and who writes what when, is in web/worker/src/helpers.rs.

const CALL = 0;
const DONE = 16;
const SENT = 32;
const TAKEN = 48;
const SENT_BACK = 64;
const TAKEN_BACK = 80;
const ENDED = 96;
const REQUEST = 112;
const ANSWER = 144;

const KEEP = 1;
const RELEASE = 2;
const RUN = 3;
const END = 4;

const RING_START = 1024;
const CHUNK = 1 << 18;

/** How long it looks before it sleeps: about as long as waking a sleeper can take. */
const SPIN_MS = 0.05;

class Helper {
  constructor(module, buffer) {
    this.engine = new WebAssembly.Instance(module).exports;
    this.words = new Int32Array(buffer, 0, RING_START / 4);
    this.job = new Int32Array(buffer, (REQUEST + 3) * 4, 16);
    this.ring = new Uint8Array(buffer, RING_START);
  }

  /** Does call after call until it is told to end. */
  work() {
    for (let call = 0; ; ) {
      call = this.waitWhile(CALL, call);
      const [kind, slot, length] = this.words.subarray(REQUEST, REQUEST + 3);
      if (kind === KEEP) this.keep(call, length);
      else if (kind === RUN) this.run(call, slot, length);
      else if (kind === RELEASE) this.release(call, slot);
      else if (kind === END) return;
      else throw new Error(`a helper knows no call of kind ${kind}`);
    }
  }

  keep(call, length) {
    const slot = this.engine.reserve(length);
    if (slot < 0) {
      this.receive(0, length);
      this.refuse(call);
    } else {
      this.receive(this.engine.kept(slot), length);
      this.answer(call, 0, slot, 0, 0);
    }
  }

  release(call, slot) {
    this.engine.release(slot);
    this.answer(call, 0, 0, 0, 0);
  }

  run(call, slot, length) {
    const input = this.engine.input(length / 4);
    this.receive(input, length);
    let count = -1;
    if (input !== 0) {
      new Int32Array(this.engine.memory.buffer, this.engine.job() >>> 0, 16).set(this.job);
      count = this.engine.run(slot);
    }
    if (count === -1) this.refuse(call);
    else this.answer(call, 0, 0, this.engine.output(), (count >>> 0) * 4);
    this.engine.finished();
  }

  /** Answers with the engine's error. */
  refuse(call) {
    this.answer(call, 1, 0, this.engine.error(), this.engine.error_bytes());
  }

  /** Takes what goes up to `address`; nowhere if that is 0. */
  receive(address, length) {
    const { words, ring } = this;
    const target = address === 0 ? undefined : this.memory(address, length);
    let taken = 0;
    while (taken < length) {
      const sent = this.waitWhile(SENT, taken);
      const at = taken % ring.length;
      const count = Math.min(sent - taken, ring.length - at);
      target?.set(ring.subarray(at, at + count), taken);
      taken += count;
      Atomics.store(words, TAKEN, taken);
      if (taken < length) Atomics.notify(words, TAKEN);
    }
  }

  /** Answers, and sends the bytes at `address` down. What fits the ring is there before the answer is. */
  answer(call, status, value, address, length) {
    const { words, ring } = this;
    const source = this.memory(address, length);
    let sent = length <= ring.length ? length : CHUNK;
    ring.set(source.subarray(0, sent));
    words[ANSWER] = status;
    words[ANSWER + 1] = value;
    words[ANSWER + 2] = length;
    Atomics.store(words, SENT_BACK, sent);
    Atomics.store(words, DONE, call);
    Atomics.notify(words, DONE);
    while (sent < length) {
      const next = Math.min(length, sent + CHUNK);
      for (let taken = Atomics.load(words, TAKEN_BACK); next - taken > ring.length; ) {
        taken = this.waitWhile(TAKEN_BACK, taken);
      }
      ring.set(source.subarray(sent, next), sent % ring.length);
      sent = next;
      Atomics.store(words, SENT_BACK, sent);
      Atomics.notify(words, SENT_BACK);
    }
  }

  /** Addresses come as signed numbers. A view is good until the memory grows. */
  memory(address, length) {
    return new Uint8Array(this.engine.memory.buffer, address >>> 0, length);
  }

  /** Waits while a word has a value: looks for a while, then sleeps. */
  waitWhile(word, value) {
    const { words } = this;
    const end = performance.now() + SPIN_MS;
    do {
      for (let look = 0; look < 100; look += 1) {
        const found = Atomics.load(words, word);
        if (found !== value) return found;
      }
    } while (performance.now() < end);
    for (;;) {
      Atomics.wait(words, word, value);
      const found = Atomics.load(words, word);
      if (found !== value) return found;
    }
  }
}

self.onmessage = ({ data: { module, buffer } }) => {
  const helper = new Helper(module, buffer);
  self.postMessage("ready");
  try {
    helper.work();
  } finally {
    const { words } = helper;
    Atomics.store(words, ENDED, 1);
    for (const word of [DONE, TAKEN, SENT_BACK]) Atomics.notify(words, word);
    self.close();
  }
};
