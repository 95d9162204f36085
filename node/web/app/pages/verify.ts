import { nodeInfo, problemOf } from "../api/node.ts";
import { fill, h } from "../dom.ts";
import { checksView } from "../parts/checks.ts";
import { dropZone } from "../parts/drop.ts";
import { problemView } from "../parts/problem.ts";
import type { Page, Visit } from "../router.ts";
import { type Credential, NotACredential, readCredential } from "../verify/credential.ts";
import { checkDocument } from "../verify/document.ts";
import { ledgerOutOfReach } from "../verify/ledger.ts";
import { verifyCredential } from "../verify/verify.ts";

/** Verifies a credential that the reader brings along, wherever it was issued. */
export function openVerify({ signal }: Visit): Page {
  const result = h("div", { class: "verify-result", "aria-live": "polite" });
  const pasted = h("textarea", { name: "credential", rows: 8, spellcheck: "false", placeholder: "{ “@context”: …" });

  const check = async (text: string) => {
    let credential: Credential;
    try {
      credential = readCredential(text);
    } catch (error) {
      fill(result, unreadable(error));
      return;
    }
    const now = new Date();
    try {
      const node = await nodeInfo(signal);
      const show = (checks: Parameters<typeof checksView>[0]) => fill(result, checksView(checks));
      show(await verifyCredential(credential, { node, now, signal, onDocumentChecks: show }));
    } catch (error) {
      if (signal.aborted) return;
      const offline = [...checkDocument(credential, now), ...ledgerOutOfReach("The node could not be reached.")];
      fill(result, checksView(offline), problemView(error));
    }
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
      "The signature is verified on this device. Only then is the node asked what the ledger says; the credential itself is not sent anywhere.",
    ),
    h(
      "div",
      { class: "verify-ways" },
      drop,
      h(
        "form",
        { class: "form", submit },
        h("div", { class: "field" }, h("label", { for: "pasted" }, "Or paste its text"), withId(pasted, "pasted")),
        h("p", { class: "actions" }, h("button", { type: "submit", class: "button" }, "Verify")),
      ),
    ),
    result,
  );
  return { title: "Verify", view };
}

function unreadable(error: unknown): HTMLElement {
  const detail = error instanceof NotACredential ? error.message : problemOf(error).detail;
  return h("section", { class: "problem" }, h("p", { class: "problem-title" }, "Not a credential"), h("p", {}, detail));
}

function withId<E extends Element>(element: E, id: string): E {
  element.id = id;
  return element;
}
