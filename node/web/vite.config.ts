import { defineConfig } from "vitest/config";

/** A running node, for `npm run dev`: the page is served by Vite, everything else by the node. */
const node = process.env.PHYTOMER_URL ?? "http://127.0.0.1:8545";

export default defineConfig({
  build: {
    target: "es2022",
    // One page, one script, one style sheet: nothing is inlined, so the strictest
    // content security policy (`default-src 'self'`) holds.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "assets/licenses.md" },
  },
  server: { proxy: { "/v1": node, "/rpc": node } },
  test: { include: ["test/**/*.test.ts"] },
});
