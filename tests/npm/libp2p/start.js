// Runs the tests under a Node.js whose OpenSSL knows ML-KEM (3.5 or newer): this one, or the one
// that the package's lock file pins.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";

const openssl = (version) => version.split(".").map(Number);
const knowsMlKem = ([major, minor]) => major > 3 || (major === 3 && minor >= 5);

const pinned = resolve(import.meta.dirname, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
const node = knowsMlKem(openssl(process.versions.openssl)) ? process.execPath : pinned;
if (existsSync(node)) {
  const parameters = ["--test", "--test-concurrency=1", ...process.argv.slice(2)];
  const { status } = spawnSync(node, parameters, { cwd: import.meta.dirname, stdio: "inherit" });
  process.exitCode = status ?? 1;
} else {
  console.log(`skipped: OpenSSL ${process.versions.openssl} does not know ML-KEM, and no Node.js that does is published for this system`);
}
