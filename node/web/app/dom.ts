/** What may stand inside an element. Nothing stands for nothing, so that conditions can be written inline. */
export type Child = Node | string | null | undefined | false | readonly Child[];

/** Attributes by their HTML names; functions listen to the event of that name. */
export type Attributes = Readonly<
  Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>
>;

/** Builds an HTML element. Text is always text: no markup from outside can get in. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  return dress(document.createElement(tag), attributes, children);
}

/** Builds an SVG element. */
export function s<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...flatten(children));
  return element;
}

function flatten(children: readonly Child[]): (Node | string)[] {
  return children.flatMap((child): (Node | string)[] => {
    if (child === null || child === undefined || child === false) return [];
    return child instanceof Node || typeof child === "string" ? [child] : flatten(child);
  });
}

/** Replaces what an element holds. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren(...flatten(children));
}

/** A description list row; an empty value leaves the row out. */
export function row(term: string, ...value: readonly Child[]): Child {
  const shown = flatten(value);
  return shown.length === 0 ? null : h("div", { class: "row" }, h("dt", {}, term), h("dd", {}, ...shown));
}
