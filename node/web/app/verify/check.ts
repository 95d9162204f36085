/** What one check found. The words are the node's own (`POST /v1/verifications`). */
export type Outcome = "passed" | "failed" | "not-checked";

/**
 * Whom the reader has to believe for a check to mean something: `mathematics` is computed here from
 * the document alone; `issuer` is a statement that the issuer signed; `node` is what the node that
 * served this page says about the ledger.
 */
export type Trust = "mathematics" | "issuer" | "node";

/** What a check asks and whom it trusts. */
export interface Question {
  readonly name: string;
  readonly title: string;
  readonly trust: Trust;
  /** Whether a credential can be proved without it. */
  readonly optional?: true;
}

/** One question asked of a credential, and its answer in words. */
export interface Check extends Question {
  readonly outcome: Outcome;
  readonly detail: string;
  /** A page of this node that shows more. */
  readonly link?: { readonly href: string; readonly text: string };
}

/** The sum of all checks: one failure makes a credential invalid, one gap leaves it unproven. */
export type Verdict = "valid" | "invalid" | "unproven";

/** Sums up `checks`. No checks at all prove nothing. */
export function verdictOf(checks: readonly Check[]): Verdict {
  if (checks.some((check) => check.outcome === "failed")) return "invalid";
  const gaps = checks.some((check) => check.outcome === "not-checked" && check.optional !== true);
  return checks.length === 0 || gaps ? "unproven" : "valid";
}

export const passed = (question: Question, detail: string): Check => ({ ...question, outcome: "passed", detail });
export const failed = (question: Question, detail: string): Check => ({ ...question, outcome: "failed", detail });
export const notChecked = (question: Question, detail: string): Check => ({
  ...question,
  outcome: "not-checked",
  detail,
});
