import { beforeEach, describe, expect, test, vi } from "vitest";

/** A stream of events without a network: the browser's `EventSource` as the page uses it. */
class Stream extends EventTarget {
  static readonly CLOSED = 2;
  static open: Stream[] = [];
  readyState = 1;
  constructor() {
    super();
    Stream.open.push(this);
  }
  close(): void {
    this.readyState = Stream.CLOSED;
  }
  tell(type: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
}

const freshPage = () => Object.assign(new EventTarget(), { hidden: false });
let page = freshPage();

beforeEach(() => {
  vi.useFakeTimers();
  vi.resetModules();
  vi.stubGlobal("EventSource", Stream);
  page = freshPage();
  vi.stubGlobal("document", page);
  Stream.open = [];
});

async function connected() {
  const live = await import("../app/api/live.ts");
  live.connect();
  const stream = Stream.open[0];
  if (stream === undefined) throw new Error("no stream was opened");
  stream.dispatchEvent(new Event("open"));
  return { live, stream };
}

describe("acting on events", () => {
  test("a burst is one action, and an endless stream does not keep it from acting", async () => {
    const { live, stream } = await connected();
    const act = vi.fn(async () => undefined);
    live.afterEvents({ concerns: () => true, settleMs: 100, act }, new AbortController().signal);
    for (let event = 0; event < 5; event++) stream.tell("block", {});
    await vi.advanceTimersByTimeAsync(100);
    expect(act).toHaveBeenCalledTimes(1);
    for (let event = 0; event < 100; event++) {
      stream.tell("block", {});
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(act.mock.calls.length).toBeGreaterThan(20);
  });

  test("one action ends before the next begins", async () => {
    const { live, stream } = await connected();
    let acting = 0;
    const act = vi.fn(async () => {
      acting++;
      expect(acting).toBe(1);
      await new Promise((resume) => setTimeout(resume, 500));
      acting--;
    });
    live.afterEvents({ concerns: () => true, settleMs: 100, act }, new AbortController().signal);
    for (let event = 0; event < 10; event++) {
      stream.tell("block", {});
      await vi.advanceTimersByTimeAsync(120);
    }
    await vi.advanceTimersByTimeAsync(2_000);
    expect(act.mock.calls.length).toBeGreaterThan(1);
  });

  test("an action that fails does not end the following", async () => {
    const { live, stream } = await connected();
    const act = vi.fn(() => Promise.reject(new Error("out of reach")));
    live.afterEvents({ concerns: () => true, settleMs: 100, act }, new AbortController().signal);
    stream.tell("block", {});
    await vi.advanceTimersByTimeAsync(200);
    stream.tell("block", {});
    await vi.advanceTimersByTimeAsync(200);
    expect(act).toHaveBeenCalledTimes(2);
  });

  test("what does not concern, or comes after leaving, is not acted on", async () => {
    const { live, stream } = await connected();
    const leaving = new AbortController();
    const act = vi.fn(async () => undefined);
    live.afterEvents({ concerns: (event) => event.certificate === "1", settleMs: 100, act }, leaving.signal);
    stream.tell("certificate.status", { certificate: "2" });
    await vi.advanceTimersByTimeAsync(200);
    stream.tell("certificate.status", { certificate: "1" });
    leaving.abort();
    await vi.advanceTimersByTimeAsync(200);
    expect(act).not.toHaveBeenCalled();
  });
});

describe("the stream", () => {
  test("a hidden tab gives its connection up, and hears of missed events when it is back", async () => {
    const { live, stream } = await connected();
    const heard: unknown[] = [];
    live.onEvent((event) => heard.push(event), new AbortController().signal);
    page.hidden = true;
    page.dispatchEvent(new Event("visibilitychange"));
    expect(stream.readyState).toBe(Stream.CLOSED);
    page.hidden = false;
    page.dispatchEvent(new Event("visibilitychange"));
    expect(Stream.open).toHaveLength(2);
    Stream.open[1]?.dispatchEvent(new Event("open"));
    expect(heard).toEqual(["missed"]);
  });

  test("an event that cannot be read counts as missed", async () => {
    const { live, stream } = await connected();
    const heard: unknown[] = [];
    live.onEvent((event) => heard.push(event), new AbortController().signal);
    stream.dispatchEvent(new MessageEvent("block", { data: "{" }));
    expect(heard).toEqual(["missed"]);
  });

  test("a stream that the node refused is asked for again", async () => {
    const { live, stream } = await connected();
    const states: string[] = [];
    live.onConnection((state) => states.push(state));
    stream.close();
    stream.dispatchEvent(new Event("error"));
    expect(states.at(-1)).toBe("broken");
    await vi.advanceTimersByTimeAsync(5_000);
    expect(Stream.open).toHaveLength(2);
    Stream.open[1]?.dispatchEvent(new Event("open"));
    expect(states.at(-1)).toBe("live");
  });
});
