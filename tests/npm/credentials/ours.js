// The Rust side: the example program `credential` of the crate phytomer-identity.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../../..");

/** Builds the program and says where it is. */
function build() {
  const options = ["build", "--quiet", "--workspace", "--example", "credential", "--message-format=json"];
  const output = execFileSync("cargo", options, { cwd: repository, encoding: "utf8", maxBuffer: 1 << 28 });
  const messages = output.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return messages.findLast((message) => message.executable)?.executable;
}

const program = process.env.PHYTOMER_CREDENTIAL_BIN ?? build();

/** An issuer with a key folder of its own. */
export class OurIssuer {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "phytomer-credentials-"));
    this.keys = join(this.folder, "keys");
  }

  issue(suite, index = 0) {
    return JSON.parse(run("issue", this.keys, suite, String(index)));
  }

  statusList(purpose, ...set) {
    return JSON.parse(run("list", this.keys, purpose, ...set.map(String)));
  }

  remove() {
    rmSync(this.folder, { recursive: true });
  }
}

function run(...parameters) {
  return execFileSync(program, parameters, { encoding: "utf8" });
}

/** Our verdict: whether the program ended with 0, and its report. */
export function ourVerdict(credential, ...lists) {
  const folder = mkdtempSync(join(tmpdir(), "phytomer-credentials-"));
  const files = [credential, ...lists].map((document, place) => {
    const file = join(folder, `${place}.json`);
    writeFileSync(file, JSON.stringify(document));
    return file;
  });
  const { status, stdout, stderr } = spawnSync(program, ["verify", ...files], { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  if (stdout === "") throw new Error(`no report: ${stderr}`);
  const { checks } = JSON.parse(stdout);
  const outcomes = Object.fromEntries(checks.map(({ name, outcome }) => [name, outcome]));
  return { isValid: status === 0, outcomes, failed: checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name) };
}
