// The ledger's pages, and what the page is made of.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { issueThroughPage, launch, openTab, verdict } from "./browser.js";
import { authority, startNode } from "./node.js";

/** What a first visit may load, in bytes after gzip. */
const bundleBytesMax = 60_000;

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

test("a block appears by itself, and leads to the transaction and its events in words", async () => {
  const tab = await openTab(browser, node.origin);
  await tab.page.goto(`${node.origin}/blocks`);
  await tab.page.locator(".connection[data-state=live]").waitFor();
  const other = await openTab(browser, node.origin);
  const id = await issueThroughPage(other.page, node);
  const certificate = await (await fetch(`${node.origin}/v1/certificates/${id}`)).json();
  const { block, hash, gasUsed } = certificate.transaction;

  const row = tab.page.locator(`[data-block="${block}"]`);
  await row.getByRole("link", { name: /PlantCertificate\.\s?issue/ }).click();
  await tab.page.waitForURL(`**/tx/${hash}`);
  const issued = tab.page.locator('[data-event="Issued"]');
  await issued.getByRole("link", { name: `No. ${id}` }).waitFor();
  assert.match(await issued.innerText(), /500/);
  assert.match((await tab.page.locator("main").innerText()).replaceAll(/[,.\s]/g, ""), new RegExp(gasUsed));

  await tab.page
    .getByRole("link", { name: `Block ${block}` })
    .first()
    .click();
  await tab.page.waitForURL(`**/blocks/${block}`);
  await tab.page.getByRole("link", { name: "← Older" }).click();
  await tab.page.waitForURL(`**/blocks/${block - 1}`);
  await tab.page.goBack();
  await tab.page.waitForURL(`**/blocks/${block}`);
  assert.deepEqual(tab.faults(), []);

  const { hash: suspension } = await (await authority(node)).suspend(id, "XYLEFA");
  await tab.page.goto(`${node.origin}/tx/${suspension}`);
  const changed = tab.page.locator('[data-event="StatusChanged"]');
  await changed.waitFor();
  assert.match(await changed.innerText(), /suspended[\s\S]*XYLEFA/);
});

test("what does not exist is said in words, with a way back", async () => {
  const { page } = await openTab(browser, node.origin);
  for (const path of ["/c/999999", "/blocks/999999", `/tx/0x${"0".repeat(64)}`, "/nowhere"]) {
    await page.goto(node.origin + path);
    await page.getByRole("link", { name: "Back to the certificates" }).waitFor();
    assert.notEqual(await page.locator("h1").innerText(), "");
  }
});

test("a page that is left behind stops listening", async () => {
  const { page } = await openTab(browser, node.origin);
  const id = await issueThroughPage(page, node);
  await verdict(page, "valid");
  await page.getByRole("link", { name: "Verify" }).first().click();
  await page.waitForURL("**/verify");
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await (await authority(node)).suspend(id, "XYLEFA");
  await page.waitForTimeout(1_000);
  assert.deepEqual(asked, [], "the certificate's page asked on after it was left");
});

test("a node that is gone is said to be gone, and what was shown stays", async () => {
  const short = await startNode();
  const { page } = await openTab(browser, short.origin);
  const id = await issueThroughPage(page, short);
  await verdict(page, "valid");
  await short.stop();
  await page.locator(".connection:not([data-state=live])").waitFor();
  assert.equal(await page.locator(".accession").innerText(), `Certificate No. ${id}`);
  await page.getByRole("link", { name: "Certificates" }).click();
  await page.getByText("The node does not answer").waitFor();
});

test("the page comes with a strict policy and weighs little", async () => {
  const response = await fetch(node.origin);
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  const html = await response.text();
  const files = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
  const sizes = await Promise.all(
    files.map(async (path) => gzipSync(Buffer.from(await (await fetch(node.origin + path)).arrayBuffer())).length),
  );
  const total = gzipSync(html).length + sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total <= bundleBytesMax, `${total} bytes`);
});
