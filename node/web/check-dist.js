// Builds into a temporary folder and compares with the committed bundle, byte by byte.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";

async function files(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return new Map(await Promise.all(paths.map(async (path) => [path.slice(folder.length + 1), await readFile(path)])));
}

const folder = await mkdtemp(join(tmpdir(), "phytomer-dist-"));
try {
  await build({ logLevel: "warn", build: { outDir: folder, emptyOutDir: true } });
  const [committed, fresh] = await Promise.all([files(join(import.meta.dirname, "dist")), files(folder)]);
  const names = new Set([...committed.keys(), ...fresh.keys()]);
  const different = [...names].filter((name) => !fresh.get(name)?.equals(committed.get(name) ?? Buffer.alloc(0)));
  if (different.length > 0) {
    console.error(
      `dist differs from what the sources build: ${different.join(", ")}. Run \`npm run build\` and commit dist.`,
    );
    process.exitCode = 1;
  } else {
    console.log(`dist is what the sources build: ${names.size} files.`);
  }
} finally {
  await rm(folder, { recursive: true });
}
