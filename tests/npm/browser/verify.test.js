// The Verify page against credentials that a node issued, and against forgeries made of them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { issueThroughPage, launch, openTab, outcomes, verdict } from "./browser.js";
import { startNode } from "./node.js";

let node;
let browser;
let tab;
let credential;

before(async () => {
  node = await startNode();
  browser = await launch();
  tab = await openTab(browser, node.origin, { acceptDownloads: true });
  const id = await issueThroughPage(tab.page, node);
  await verdict(tab.page, "valid");
  const [download] = await Promise.all([
    tab.page.waitForEvent("download"),
    tab.page.getByRole("link", { name: "Download the credential" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), `certificate-${id}.json`);
  credential = await readFile(await download.path(), "utf8");
});

after(async () => {
  await browser?.close();
  await node?.stop();
});

/** Pastes a text on the Verify page. */
async function paste(text) {
  await tab.page.goto(`${node.origin}/verify`);
  await tab.page.getByLabel("Or paste its text").fill(text);
  await tab.page.getByRole("button", { name: "Verify" }).click();
}

/** What the node's own gate says of the same text. */
async function nodeVerdict(text) {
  const response = await fetch(`${node.origin}/v1/verifications`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: text,
  });
  return (await response.json()).verdict;
}

test("the downloaded file verifies, dropped as a file or pasted", async () => {
  await paste(credential);
  await verdict(tab.page, "valid");
  await tab.page.goto(`${node.origin}/verify`);
  await tab.page.setInputFiles("input[type=file]", {
    name: "c.json",
    mimeType: "application/json",
    buffer: Buffer.from(credential),
  });
  await verdict(tab.page, "valid");
  assert.equal(await nodeVerdict(credential), "valid");
});

const forgeries = [
  [
    "a larger quantity",
    (vc) => {
      vc.credentialSubject.plant.quantity.value = "5000";
    },
    "signature",
  ],
  [
    "another species",
    (vc) => {
      vc.credentialSubject.plant.scientificName = "Olea europaea";
    },
    "signature",
  ],
  [
    "another issuer",
    (vc) => {
      vc.issuer.id = "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
    },
    "controller",
  ],
  [
    "another purpose",
    (vc) => {
      vc.proof.proofPurpose = "authentication";
    },
    "proof-purpose",
  ],
  [
    "a later end",
    (vc) => {
      vc.validUntil = "2999-01-01T00:00:00Z";
    },
    "signature",
  ],
  [
    "a past end",
    (vc) => {
      vc.validUntil = "2020-01-01T00:00:00Z";
    },
    "dates",
  ],
  [
    "an expired proof",
    (vc) => {
      vc.proof.expires = "2020-01-01T00:00:00Z";
    },
    "dates",
  ],
  [
    "one context more",
    (vc) => {
      vc["@context"].push("https://attacker.example/v1");
    },
    "form",
  ],
  [
    "no proof",
    (vc) => {
      delete vc.proof;
    },
    "signature",
  ],
];

const withoutProof = ({ proof: _, ...document }) => JSON.stringify(document);

for (const [what, forge, check] of forgeries) {
  test(`a credential with ${what} is invalid, to the page as to the node`, async () => {
    const forged = JSON.parse(credential);
    forge(forged);
    const text = JSON.stringify(forged);
    await paste(text);
    await verdict(tab.page, "invalid");
    assert.equal((await outcomes(tab.page))[check], "failed");
    // The ledger knows a document by its hash without the proof, so only a changed proof leaves that alone.
    const untouched = withoutProof(forged) === withoutProof(JSON.parse(credential));
    assert.equal((await outcomes(tab.page)).anchor, untouched ? "passed" : "failed");
    assert.equal(await nodeVerdict(text), "invalid");
  });
}

test("what is no credential is refused in words", async () => {
  for (const text of ["", "a leaf", "[]", "{}", credential.slice(0, -1), credential.replace("{", '{"issuer":"x",')]) {
    await paste(text);
    await tab.page.locator(".problem").waitFor();
    assert.equal(await tab.page.locator("[data-verdict]").count(), 0, text.slice(0, 40));
  }
});

test("nothing of this left the machine or upset the browser", () => {
  assert.deepEqual(tab.faults(), []);
});
