import { type Child, h, row } from "../dom.ts";
import { isObject, type Json, type JsonObject } from "../verify/json.ts";

/** Nesting shown before the rest is left to the downloaded file. */
const depthMax = 6;

/** Everything that the issuer signed, in words: names are taken apart, lists are numbered by their order. */
export function signedWords(document: JsonObject): HTMLElement {
  const { "@context": _context, proof: _proof, ...statements } = document;
  return h("div", { class: "signed" }, members(statements, 0));
}

function members(object: JsonObject, depth: number): HTMLElement {
  return h(
    "dl",
    { class: "facts" },
    Object.entries(object).map(([name, value]) => row(spaced(name), shown(value, depth))),
  );
}

function shown(value: Json, depth: number): Child {
  if (value === null) return "none";
  if (depth >= depthMax) return "…";
  if (Array.isArray(value)) {
    const plain = value.every((item) => typeof item !== "object" || item === null);
    if (plain) return value.map(String).join(", ");
    return h(
      "ol",
      { class: "plain" },
      value.map((item) => h("li", {}, shown(item, depth + 1))),
    );
  }
  if (isObject(value)) return members(value, depth + 1);
  return String(value);
}

/** `countryOfOrigin` as `Country of origin`. */
function spaced(name: string): string {
  const words = name.replace(
    /([a-z0-9])([A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
  return words.charAt(0).toUpperCase() + words.slice(1);
}
