import { h } from "../dom.ts";
import { short } from "../text.ts";

/** A hash or address: short to the eye, whole to the clipboard and to those who ask. */
export function hash(value: string, href?: string): HTMLElement {
  const code = h("code", { class: "hash", title: value }, short(value));
  return href === undefined ? code : h("a", { href }, code);
}
