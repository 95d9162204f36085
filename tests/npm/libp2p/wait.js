// Waiting for something to become true: never for a time.
import { setTimeout as sleep } from "node:timers/promises";

const pollMs = 20;

/** Waits until `find` finds something, and returns it. */
export async function until(what, find, limitMs = 30_000) {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(pollMs)) {
    const found = await find();
    if (found) return found;
  }
  throw new Error(`${what} did not come within ${limitMs} ms`);
}
