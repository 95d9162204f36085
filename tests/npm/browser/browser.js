// Headless Chromium that tells of everything a page should not do.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { chromium } from "playwright-core";

const samples = resolve(import.meta.dirname, "../../../inference/models/samples");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** How long the page may take for one step: a machine of two slow cores runs the node beside it. */
export const stepTimeoutMs = 20_000;

/** A photo of a leaf that the repository ships. */
export function leafPhoto() {
  const photo = readdirSync(samples)
    .filter((name) => /\.(jpe?g|png|webp)$/.test(name))
    .sort()[0];
  assert.ok(photo, `there is no photo in ${samples}`);
  return resolve(samples, photo);
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Opens a tab. `faults()` are the console errors, exceptions, refusals of the content security policy
 * and requests to other machines that it caused so far.
 */
export async function openTab(browser, origin, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(stepTimeoutMs);
  const faults = [];
  context.on("request", (request) => {
    const url = request.url();
    const own = url.startsWith(`${origin}/`) || url.startsWith(`blob:${origin}/`) || url.startsWith("data:");
    if (!own) faults.push(`asked ${url}`);
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
  return { page, context, faults: () => [...faults], forgive: () => faults.splice(0) };
}

/** What axe-core, the accessibility checker, objects to (WCAG 2.2, levels A and AA), in words. */
export async function accessibilityFaults(page) {
  // Evaluated by the debugger, so the page's content security policy is neither broken nor loosened.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }),
  );
  return violations.map(({ id, help, nodes }) => `${id}: ${help}, at ${nodes.map(({ target }) => target).join("; ")}`);
}

/** By how many pixels the page is wider than the screen. */
export function overflowPixels(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Issues a certificate through the page and answers with its number. */
export async function issueThroughPage(page, node, { quantity = "500" } = {}) {
  await page.goto(node.pageUrl);
  await page.setInputFiles("input[type=file]", leafPhoto());
  await page.waitForURL("**/issue");
  await page.getByRole("radio").first().waitFor();
  await nameUnknown(page);
  await page.getByLabel("Quantity").fill(quantity);
  await page.getByRole("button", { name: "Sign and issue" }).click();
  await page.waitForURL(/\/c\/\d+$/);
  return new URL(page.url()).pathname.slice("/c/".length);
}

/** A model may not know the photo; then the page asks for the name. */
export async function nameUnknown(page) {
  if ((await page.getByText("Not a plant this model knows").count()) > 0) {
    await page.getByLabel("Scientific name").fill("Mangifera indica");
  }
}

/** Waits for the verdict of the checks made in the browser. */
export async function verdict(page, expected) {
  await page.locator(`.checks[data-verdict="${expected}"]`).waitFor();
}

/** The outcomes of the checks on the page, by name. */
export function outcomes(page) {
  return page.$$eval("[data-check]", (rows) =>
    Object.fromEntries(rows.map((row) => [row.dataset.check, row.dataset.outcome])),
  );
}
