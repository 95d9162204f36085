import { nodeInfo, problemOf } from "../api/node.ts";
import { fill, h } from "../dom.ts";
import { type ChecksPanel, checksPanel } from "../parts/checks.ts";
import { credentialView } from "../parts/credential.ts";
import { dropZone } from "../parts/drop.ts";
import { problemView } from "../parts/problem.ts";
import type { Page, Visit } from "../router.ts";
import { type Credential, NotACredential, readCredential } from "../verify/credential.ts";
import { checkDocument } from "../verify/document.ts";
import { ledgerOutOfReach } from "../verify/ledger.ts";
import { verifyCredential } from "../verify/verify.ts";

/** Verifies a credential that the reader brings along, wherever it was issued. */
export function openVerify({ signal }: Visit): Page {
  const result = h("div", { class: "verify-result" });
  const pasted = h("textarea", { id: "pasted", rows: 8, spellcheck: "false", placeholder: '{ "@context": …' });
  const check = async (text: string) => {
    try {
      const credential = readCredential(text);
      const panel = checksPanel();
      const aside = h("div", {});
      fill(
        result,
        panel.view,
        aside,
        h("section", { class: "panel" }, h("h2", {}, "What it says"), credentialView(credential.unsecured)),
      );
      await checkInto(credential, panel, aside, signal);
    } catch (error) {
      fill(result, unreadable(error));
    }
    result.scrollIntoView({ block: "start" });
  };

  const drop = dropZone({
    title: "Drop a credential",
    hint: "The file that a certificate’s page offers for download.",
    symbol: "document",
    accept: ".json,.vc,.jsonld,application/json,application/vc",
    onFile: (file) => void file.text().then(check),
  });
  const submit = (event: Event) => {
    event.preventDefault();
    void check(pasted.value);
  };
  const view = h(
    "div",
    { class: "verify" },
    h("h1", {}, "Verify a credential"),
    h(
      "p",
      { class: "lead" },
      "The signature is verified on this device. Only then is the node asked what the ledger says, by the hashes in it: the credential itself is not sent anywhere.",
    ),
    h(
      "div",
      { class: "verify-ways" },
      drop,
      h(
        "form",
        { class: "form", submit },
        h("div", { class: "field" }, h("label", { for: "pasted" }, "Or paste its text"), pasted),
        h("p", { class: "actions" }, h("button", { type: "submit", class: "button primary" }, "Verify")),
      ),
    ),
    result,
  );
  return { title: "Verify", view };
}

/** Shows the checks that need no network at once, and the rest when the node has answered. */
async function checkInto(
  credential: Credential,
  panel: ChecksPanel,
  aside: HTMLElement,
  signal: AbortSignal,
): Promise<void> {
  const now = new Date();
  const offline = checkDocument(credential, now);
  panel.show(offline, "pending");
  try {
    const node = await nodeInfo(signal);
    const checks = await verifyCredential(credential, { node, now, signal });
    panel.show(checks, "complete");
  } catch (error) {
    if (signal.aborted) return;
    panel.show([...offline, ...ledgerOutOfReach("The node could not be asked.")], "complete");
    fill(aside, problemView(error));
  }
}

function unreadable(error: unknown): HTMLElement {
  const detail = error instanceof NotACredential ? error.message : problemOf(error).detail;
  return h(
    "section",
    { class: "problem", role: "alert" },
    h("p", { class: "problem-title" }, "Not a credential"),
    h("p", {}, detail),
  );
}
