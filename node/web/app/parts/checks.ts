import { h } from "../dom.ts";
import type { Check, Outcome, Trust, Verdict } from "../verify/check.ts";
import { verdictOf } from "../verify/check.ts";
import { icon } from "./icon.ts";

const outcomeWords: Readonly<Record<Outcome, string>> = {
  passed: "Passed",
  failed: "Failed",
  "not-checked": "Not checked",
};

const groups: readonly { trust: Trust; title: string; explanation: string }[] = [
  {
    trust: "mathematics",
    title: "Proved on your device",
    explanation:
      "Computed here, from the credential alone. You trust mathematics and this page’s code, not the node’s answers.",
  },
  {
    trust: "issuer",
    title: "Signed by the issuer",
    explanation:
      "Status lists that carry the issuer’s signature, verified here. A node could at worst show you an older one.",
  },
  {
    trust: "node",
    title: "Told by this node",
    explanation: "Read from the ledger through this node. To rely on it, ask a node that you run or trust.",
  },
];

const verdictWords: Readonly<Record<Verdict, { title: string; text: string }>> = {
  valid: { title: "Verified", text: "Every check passed." },
  invalid: { title: "Not valid", text: "At least one check failed. Do not rely on this certificate." },
  unproven: { title: "Unproven", text: "Nothing failed, but something could not be checked." },
};

/** All checks, grouped by whom they trust, under their verdict. */
export function checksView(checks: readonly Check[]): HTMLElement {
  const verdict = verdictOf(checks);
  return h(
    "div",
    { class: "checks", "data-verdict": verdict },
    verdictView(verdict),
    groups.map(({ trust, title, explanation }) => {
      const members = checks.filter((check) => check.trust === trust);
      if (members.length === 0) return null;
      return h(
        "section",
        { class: "check-group" },
        h("h3", {}, title),
        h("p", { class: "explanation" }, explanation),
        h("ul", { class: "check-list" }, members.map(checkRow)),
      );
    }),
  );
}

function verdictView(verdict: Verdict): HTMLElement {
  const symbol = verdict === "valid" ? icon("passed") : verdict === "invalid" ? icon("failed") : icon("not-checked");
  const words = verdictWords[verdict];
  return h(
    "div",
    { class: `verdict verdict-${verdict}` },
    symbol,
    h("div", {}, h("p", { class: "verdict-title" }, words.title), h("p", {}, words.text)),
  );
}

function checkRow(check: Check): HTMLElement {
  return h(
    "li",
    { class: `check check-${check.outcome}`, "data-check": check.name, "data-outcome": check.outcome },
    icon(check.outcome),
    h(
      "div",
      {},
      h("p", { class: "check-title" }, check.title, h("span", { class: "check-outcome" }, outcomeWords[check.outcome])),
      h("p", { class: "check-detail" }, check.detail),
    ),
  );
}
