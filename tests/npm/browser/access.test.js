// The page for everyone: with the keyboard alone, on a small phone, by an accessibility checker, light and dark.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  accessibilityFaults,
  issueThroughPage,
  launch,
  leafPhoto,
  nameUnknown,
  openTab,
  overflowPixels,
  verdict,
} from "./browser.js";
import { split, startNode } from "./node.js";

/** Presses of the Tab key after which a control counts as out of reach. */
const tabsMax = 60;

let node;
let browser;
let parent;
let paths;

before(async () => {
  node = await startNode();
  browser = await launch();
  const { page } = await openTab(browser, node.origin);
  parent = await issueThroughPage(page, node, { quantity: "500" });
  await split(node, parent, ["100", "100", "100", "100", "50"]);
  const certificate = await (await fetch(`${node.origin}/v1/certificates/${parent}`)).json();
  const { hash, block } = certificate.transaction;
  paths = ["/", "/issue", "/verify", `/c/${parent}`, "/blocks", `/blocks/${block}`, `/tx/${hash}`, "/nowhere"];
});

after(async () => {
  await browser?.close();
  await node?.stop();
});

/** Presses Tab until the element with the focus fits, as someone without a mouse does. */
async function tabTo(page, name) {
  for (let presses = 0; presses < tabsMax; presses++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      const label =
        element?.labels?.[0]?.textContent ?? element?.getAttribute("aria-label") ?? element?.textContent ?? "";
      return label.trim();
    });
    if (focused.startsWith(name)) return;
  }
  assert.fail(`no Tab leads to “${name}”`);
}

test("a certificate is issued, verified and traced with the keyboard alone", async () => {
  const tab = await openTab(browser, node.origin);
  const { page } = tab;
  // The first listener has the browser hand its file choosers over, which takes a moment: too long a
  // moment if it begins with the key press that opens one.
  page.on("filechooser", () => {});
  await page.goto(node.pageUrl);
  await tabTo(page, "Issue");
  await page.keyboard.press("Enter");
  // The address changes before the page does: a Tab in between would walk the old one.
  await page.getByRole("heading", { name: "Issue a certificate" }).waitFor();
  await tabTo(page, "Choose a photo");
  // The system's own file chooser opens with Enter or Space; the test answers in its place.
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await chooser.setFiles(leafPhoto());
  await page.getByRole("radio").first().waitFor();
  await nameUnknown(page);
  await tabTo(page, "Quantity");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("25");
  await tabTo(page, "Sign and issue");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/c\/\d+$/);
  await verdict(page, "valid");
  await page.getByText("25 plants").first().waitFor();

  // Along the lineage of another lot: to its first child, down to the next, and into it.
  await page.goto(`${node.origin}/c/${parent}`);
  await page.locator(`[data-lot="${parent}"]`).waitFor();
  await tabTo(page, `No. ${parent} `);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  const reached = await page.evaluate(() => document.activeElement?.getAttribute("data-lot"));
  assert.equal(reached, String(Number(parent) + 2));
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/c/${reached}`);
  await verdict(page, "valid");
  assert.deepEqual(tab.faults(), []);
});

test("the focus is always visible", async () => {
  const { page } = await openTab(browser, node.origin);
  for (const path of paths) {
    await page.goto(node.origin + path);
    await page.locator("main :is(h1, .problem)").first().waitFor();
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press("Tab");
      const shown = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === null || element === document.body) return true;
        // The outline is on the element, or on the label or card that stands for it.
        const holders = [element, element.closest(".drop, .card"), element.querySelector("rect")];
        return holders.some((holder) => {
          if (holder === null) return false;
          const style = getComputedStyle(holder);
          return style.outlineStyle !== "none" || Number.parseFloat(style.strokeWidth) >= 3;
        });
      });
      assert.ok(shown, `${path}: the focus is not visible after ${presses + 1} tabs`);
    }
  }
});

test("every page fits a screen of 320 pixels", async () => {
  const tab = await openTab(browser, node.origin, {
    viewport: { width: 320, height: 640 },
    isMobile: true,
    hasTouch: true,
  });
  for (const path of paths) {
    await tab.page.goto(node.origin + path);
    await tab.page.locator("main :is(h1, .problem)").first().waitFor();
    assert.equal(await overflowPixels(tab.page), 0, path);
  }
  await tab.page.goto(`${node.origin}/c/${parent}`);
  await verdict(tab.page, "valid");
  assert.equal(await overflowPixels(tab.page), 0);
  assert.deepEqual(tab.faults(), []);
});

test("a phone issues a certificate", async () => {
  const tab = await openTab(browser, node.origin, {
    viewport: { width: 320, height: 640 },
    isMobile: true,
    hasTouch: true,
  });
  await issueThroughPage(tab.page, node, { quantity: "3" });
  await verdict(tab.page, "valid");
  assert.equal(await overflowPixels(tab.page), 0);
  assert.deepEqual(tab.faults(), []);
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe-core has no objection to any page, ${colorScheme}`, async () => {
    const { page } = await openTab(browser, node.origin, { colorScheme });
    for (const path of paths) {
      await page.goto(node.origin + path);
      await page.locator("main :is(h1, .problem)").first().waitFor();
      if (path.startsWith("/c/")) await verdict(page, "valid");
      assert.deepEqual(await accessibilityFaults(page), [], path);
    }
    // The form appears only when a photo was recognised.
    await page.goto(`${node.origin}/issue`);
    await page.setInputFiles("input[type=file]", leafPhoto());
    await page.getByRole("button", { name: "Sign and issue" }).waitFor();
    assert.deepEqual(await accessibilityFaults(page), [], "the form");
  });
}
