// A real node, as `phytomer dev` starts it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { mnemonicToAccount } from "viem/accounts";

const repository = resolve(import.meta.dirname, "../../..");
const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;

function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? resolve(repository, "target");
  const path = process.env.PHYTOMER_BIN ?? resolve(target, "debug/phytomer");
  if (!existsSync(path)) throw new Error(`there is no ${path}: build it with \`cargo build\`, or name it in PHYTOMER_BIN`);
  return path;
}

/** Starts a node with a chain of its own on a free port. */
export async function startNode() {
  // PHYTOMER_BIN would be taken for a setting, so the node gets an environment of its own.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: "1" };
  const child = spawn(binary(), ["dev", "--temporary", "--http-port", "0"], { env, stdio: ["ignore", "pipe", "pipe"] });
  const said = [];
  const stopped = new Promise((done) => child.once("exit", done));
  const url = await new Promise((done, fail) => {
    const whatItSaid = () => `it said:\n${said.join("\n")}`;
    const late = setTimeout(() => fail(new Error(`no URL within ${startTimeoutMs} ms; ${whatItSaid()}`)), startTimeoutMs);
    createInterface({ input: child.stderr }).on("line", (line) => said.push(line));
    createInterface({ input: child.stdout }).on("line", (line) => {
      said.push(line);
      const found = /https?:\/\/[\w.:[\]]+/.exec(line)?.[0];
      if (found === undefined) return;
      clearTimeout(late);
      done(found);
    });
    stopped.then((code) => fail(new Error(`the node ended with ${code}; ${whatItSaid()}`)));
  });
  const stop = async () => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await stopped;
    clearTimeout(late);
  };
  return { url, webSocketUrl: url.replace(/^http/, "ws"), stop };
}

/** An account of the development preset; its key is public. */
export function devAccount(index) {
  return mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex: index });
}

/** Asks the node without any library in between; returns the whole answer. */
export async function ask(node, method, params = []) {
  const response = await fetch(node.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return response.json();
}
