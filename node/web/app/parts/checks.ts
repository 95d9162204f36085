import { fill, h } from "../dom.ts";
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
      "Computed here, from the document itself. You trust mathematics and this page’s code, but no answer of the node.",
  },
  {
    trust: "issuer",
    title: "Signed by the issuer",
    explanation: "Status lists whose signature was verified here. At worst, a node could show you an older one.",
  },
  {
    trust: "node",
    title: "Told by this node",
    explanation: "Read from the ledger through this node. To rely on it, ask a node that you run or trust.",
  },
];

const verdictWords: Readonly<Record<Verdict, { title: string; text: string }>> = {
  valid: { title: "Verified", text: "Every check passed." },
  invalid: { title: "Not valid", text: "At least one check failed: do not rely on this certificate." },
  unproven: { title: "Unproven", text: "Nothing failed, but not everything could be checked." },
};

/** A place where checks appear as they are made. Only the verdict is read aloud, not the whole list. */
export interface ChecksPanel {
  readonly view: HTMLElement;
  /** Shows `checks`; while more are `pending`, there is no verdict yet. */
  readonly show: (checks: readonly Check[], state: "pending" | "complete") => void;
}

export function checksPanel(): ChecksPanel {
  const verdict = h("div", { role: "status" });
  const lists = h("div", { class: "check-groups" });
  const view = h("div", { class: "checks" }, verdict, lists);
  const show = (checks: readonly Check[], state: "pending" | "complete") => {
    const found = verdictOf(checks);
    view.dataset.verdict = state === "pending" ? "pending" : found;
    const undecided = state === "pending" && found !== "invalid";
    fill(verdict, undecided ? h("p", { class: "busy" }, "Verifying…") : verdictView(found));
    fill(
      lists,
      groups.map((group) => groupView(group, checks)),
    );
  };
  return { view, show };
}

function groupView(
  { trust, title, explanation }: (typeof groups)[number],
  checks: readonly Check[],
): HTMLElement | null {
  const members = checks.filter((check) => check.trust === trust);
  if (members.length === 0) return null;
  return h(
    "section",
    { class: `check-group check-group-${trust}` },
    h("h3", {}, title),
    h("p", { class: "explanation" }, explanation),
    h("ul", { class: "check-list" }, members.map(checkRow)),
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
      h(
        "p",
        { class: "check-detail" },
        check.detail,
        check.link !== undefined && [" ", h("a", { href: check.link.href }, check.link.text)],
      ),
    ),
  );
}
