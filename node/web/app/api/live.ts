import { type EventType, eventTypes, type NodeEvent } from "./types.ts";

/** A stream that the node refused is asked for again after this long; the browser does so only for broken ones. */
const reopenMs = 5_000;

/** `missed` says that events may have been lost: whoever shows something should load it afresh. */
type Listener = (event: NodeEvent | "missed") => void;
export type Connection = "connecting" | "live" | "broken";

const listeners = new Set<Listener>();
const watchers = new Set<(connection: Connection) => void>();
let source: EventSource | undefined;
let connection: Connection = "connecting";
let wasLive = false;

/** Follows the node's events until `signal` is aborted. */
export function onEvent(listener: Listener, signal: AbortSignal): void {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}

/** How to react to events that come in bursts, such as one for each lot of a split. */
export interface Reaction {
  /** Which events matter; events that may have been missed always do. */
  readonly concerns: (event: NodeEvent) => boolean;
  /** How long a burst is waited for, in milliseconds. */
  readonly settleMs: number;
  readonly act: () => Promise<void>;
}

/**
 * Acts soon after events, once for each burst, until `signal` is aborted. One action ends before the
 * next begins, and a stream of events that never pauses does not keep it from acting.
 */
export function afterEvents({ concerns, settleMs, act }: Reaction, signal: AbortSignal): void {
  let due = false;
  let running = false;
  const run = async () => {
    running = true;
    while (due && !signal.aborted) {
      await new Promise((resume) => setTimeout(resume, settleMs));
      due = false;
      // An action that fails is tried again with the next event; the footer says what is wrong.
      if (!signal.aborted) await act().catch(() => undefined);
    }
    running = false;
  };
  onEvent((event) => {
    if (event !== "missed" && !concerns(event)) return;
    due = true;
    if (!running) void run();
  }, signal);
}

/** Follows the state of the connection, beginning with the present one. */
export function onConnection(watcher: (connection: Connection) => void): void {
  watchers.add(watcher);
  watcher(connection);
}

/**
 * Opens the stream. A browser allows six connections to one host over HTTP/1.1, so a hidden tab
 * gives its own up: otherwise the seventh tab would hang.
 */
export function connect(): void {
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  if (!document.hidden) open();
}

function open(): void {
  if (source !== undefined) return;
  source = new EventSource("/v1/events");
  source.addEventListener("open", () => {
    report("live");
    // The browser resumes a broken stream by `Last-Event-ID`, but a new stream begins at the present.
    if (wasLive) emit("missed");
    wasLive = true;
  });
  source.addEventListener("error", () => {
    if (source?.readyState !== EventSource.CLOSED) return report("connecting");
    source = undefined;
    report("broken");
    setTimeout(() => !document.hidden && open(), reopenMs);
  });
  for (const type of eventTypes) source.addEventListener(type, (message) => receive(type, message));
}

function close(): void {
  source?.close();
  source = undefined;
  report("connecting");
}

function receive(type: EventType, message: MessageEvent<string>): void {
  try {
    emit({ ...(JSON.parse(message.data) as NodeEvent), type });
  } catch {
    // An event that cannot be read may have been the one that mattered.
    emit("missed");
  }
}

function emit(event: NodeEvent | "missed"): void {
  for (const listener of listeners) listener(event);
}

function report(state: Connection): void {
  connection = state;
  for (const watcher of watchers) watcher(state);
}
