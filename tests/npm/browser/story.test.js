// From a photo to a verified certificate, and to its suspension by an authority, through the page.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { issueThroughPage, launch, leafPhoto, nameUnknown, openTab, outcomes, verdict } from "./browser.js";
import { authority, split, startNode } from "./node.js";

/** A wall: 128 × 128 pixels of one grey. */
const greyWall = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAIAAAACACAIAAABMXPacAAABh0lEQVR4nO3OMQEAAAyDMKRX+mRwsCgIeyrsQB12oA47UIcdqMMO1GEH6rADddiBOuxAHXagDjtQhx2oww7UYQfqsAN12IE67EAddqAOO1CHHajDDtRhB+qwA3XYgTrsQB12oA47UIcdqMMO1GEH6rADddiBOuxAHXagDjtQhx2oww7UYQfqsAN12IE67EAddqAOO1CHHajDDtRhB+qwA3XYgTrsQB12oA47UIcdqMMO1GEH6rADddiBOuxAHXagDjtQhx2oww7UYQfqsAN12IE67EAddqAOO1CHHajDDtRhB+qwA3XYgTrsQB12oA47UIcdqMMO1GEH6rADddiBOuxAHXagDjtQhx2oww7UYQfqsAN12IE67EAddqAOO1CHHajDDtRhB+qwA3XYgTrsQB12oA47UIcdqMMO1GEH6rADddiBOuxAHXagDjtQhx2oww7UYQfqsAN12IE67EAddqAOO1CHHajDDtRhB+qwA3XYgTrsQB12oA47UIcdqMMO1GEH6rADdQdIQgWh/gU41gAAAABJRU5ErkJggg==",
  "base64",
);

let node;
let browser;

before(async () => {
  node = await startNode();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await node?.stop();
});

test("a leaf becomes a certificate that the browser verifies, and that turns to suspended while it is looked at", async () => {
  const tab = await openTab(browser, node.origin);
  const { page } = tab;
  const parent = await issueThroughPage(page, node);

  // The token came in the address and must not stay there.
  assert.equal(new URL(page.url()).hash, "");
  await verdict(page, "valid");
  const made = await outcomes(page);
  for (const name of ["form", "signature", "controller", "proof-purpose", "dates", "photo"])
    assert.equal(made[name], "passed", name);
  for (const name of ["revocation", "suspension", "anchor", "accreditation", "ledger-status", "owner"])
    assert.equal(made[name], "passed", name);
  assert.ok(
    await page.locator(".sheet img").evaluate((image) => image.complete && image.naturalWidth > 0),
    "the photo is shown",
  );
  assert.equal(await page.locator("[data-lot]").count(), 1);

  // A split shows on the open page without a reload.
  await page.evaluate(() => {
    globalThis.notReloaded = true;
  });
  const [child] = await split(node, parent, ["100", "100"]);
  await page.locator(`[data-lot="${child}"]`).waitFor();
  assert.equal(await page.locator("[data-lot]").count(), 3);
  await page.getByText("500 plants, of which 300 plants remain").waitFor();

  // The child has a page of its own, in a tab that a stranger opens, without any token.
  const stranger = await openTab(browser, node.origin);
  await stranger.page.goto(`${node.origin}/c/${child}`);
  await verdict(stranger.page, "valid");
  await stranger.page.evaluate(() => {
    globalThis.notReloaded = true;
  });

  const inspector = await authority(node);
  const { block } = await inspector.suspend(parent, "XYLEFA");
  // The parent's page shows both children; the child's page shows its parent and itself.
  for (const [{ page: open }, relatives] of [
    [tab, 3],
    [stranger, 2],
  ]) {
    await open.locator('.banner[data-status="suspended"]').waitFor();
    await verdict(open, "invalid");
    const now = await outcomes(open);
    assert.equal(now["ledger-status"], "failed");
    assert.equal(now.suspension, "failed");
    assert.equal(now.signature, "passed", "what was signed is still what was signed");
    const banner = await open.locator(".banner").innerText();
    assert.match(banner, /XYLEFA/);
    assert.match(banner, new RegExp(`block ${block}\\b`));
    assert.equal(await open.locator('[data-lot][data-status="suspended"]').count(), relatives);
    assert.equal(await open.evaluate(() => globalThis.notReloaded), true, "the page was not reloaded");
  }
  const banner = await stranger.page.locator(".banner").innerText();
  assert.match(banner, new RegExp(`certificate ${parent}\\b`), "the child's page names the lot that caused it");

  await inspector.reinstate(parent);
  for (const { page: open } of [tab, stranger]) {
    await open.locator('.banner[data-status="active"]').waitFor();
    await verdict(open, "valid");
  }
  assert.deepEqual(tab.faults(), []);
  assert.deepEqual(stranger.faults(), []);
});

test("a photo is dropped with the mouse, and its species shows before anything is issued", async () => {
  const tab = await openTab(browser, node.origin);
  const { page } = tab;
  const before = await (await fetch(`${node.origin}/v1/certificates`)).json();
  await page.goto(node.origin);
  const bytes = [...(await readFile(leafPhoto()))];
  const transfer = await page.evaluateHandle((content) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(content)], "leaf.jpg", { type: "image/jpeg" }));
    return data;
  }, bytes);
  await page.dispatchEvent(".drop", "drop", { dataTransfer: transfer });
  await page.waitForURL("**/issue");
  await page.getByRole("radio").first().waitFor();
  await page.getByText("not a laboratory diagnosis", { exact: false }).first().waitFor();
  await page.getByLabel("Operator token").waitFor();
  const afterwards = await (await fetch(`${node.origin}/v1/certificates`)).json();
  assert.deepEqual(afterwards, before);
  assert.deepEqual(tab.faults(), []);
});

test("a wrong token is refused with what to do, and the right one goes on", async () => {
  const tab = await openTab(browser, node.origin);
  const { page } = tab;
  await page.goto(`${node.origin}/issue`);
  await page.setInputFiles("input[type=file]", leafPhoto());
  await page.getByRole("radio").first().waitFor();
  await nameUnknown(page);
  await page.getByLabel("Operator token").fill("0".repeat(32));
  await page.getByRole("button", { name: "Sign and issue" }).click();
  await page.locator(".problem .remedy").waitFor();
  assert.equal(await page.evaluate(() => Object.keys(sessionStorage).length), 0, "a refused token is forgotten");
  tab.forgive(); // Chromium reports the 401 on the console.
  await page.getByLabel("Operator token").fill(node.token);
  await page.getByRole("button", { name: "Sign and issue" }).click();
  await page.waitForURL(/\/c\/\d+$/);
  await verdict(page, "valid");
  assert.deepEqual(tab.faults(), []);
});

test("a picture of no plant is said to be one, and issues only under a name that the issuer writes", async () => {
  const tab = await openTab(browser, node.origin);
  const { page } = tab;
  await page.goto(node.pageUrl);
  await page.setInputFiles("input[type=file]", { name: "wall.png", mimeType: "image/png", buffer: greyWall });
  await page.getByText("Not a plant this model knows").waitFor();
  await page.getByRole("button", { name: "Sign and issue" }).click();
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Scientific name");
  assert.equal(new URL(page.url()).pathname, "/issue");
  await page.getByLabel("Scientific name").fill("Olea europaea");
  await page.getByRole("button", { name: "Sign and issue" }).click();
  await page.waitForURL(/\/c\/\d+$/);
  await verdict(page, "valid");
  await page.getByText("The species was stated by the issuer.").waitFor();
  await page.getByText("Olea europaea, declared by the issuer").waitFor();
  assert.deepEqual(tab.faults(), []);
});

test("what is no photo is refused in words", async () => {
  const tab = await openTab(browser, node.origin);
  const { page } = tab;
  await page.goto(`${node.origin}/issue`);
  await page.setInputFiles("input[type=file]", {
    name: "leaf.jpg",
    mimeType: "image/jpeg",
    buffer: Buffer.from("not a photo"),
  });
  await page.locator(".problem").waitFor();
  assert.notEqual(await page.locator(".problem-title").innerText(), "");
  assert.equal(await page.getByRole("button", { name: "Sign and issue" }).count(), 0);
});

test("the home page shows a new certificate by itself", async () => {
  const tab = await openTab(browser, node.origin);
  await tab.page.goto(node.origin);
  await tab.page.locator(".connection[data-state=live]").waitFor();
  const other = await openTab(browser, node.origin);
  const id = await issueThroughPage(other.page, node, { quantity: "7" });
  await tab.page.locator(`[data-certificate="${id}"]`).waitFor();
  assert.deepEqual(tab.faults(), []);
});
