import { problemOf } from "../api/node.ts";
import { h } from "../dom.ts";

/** An error in words, with what to do about it. */
export function problemView(error: unknown, heading: "h1" | "h2" | "p" = "p"): HTMLElement {
  const problem = problemOf(error);
  return h(
    "section",
    { class: "problem", role: "alert" },
    h(heading, { class: "problem-title" }, problem.title),
    problem.detail !== "" && h("p", {}, problem.detail),
    problem.remedy !== "" && h("p", { class: "remedy" }, problem.remedy),
  );
}
