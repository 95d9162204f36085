import type { Certificate, Lineage } from "../api/types.ts";
import { h, s } from "../dom.ts";
import { quantity, species, statusWords } from "../text.ts";
import { type Layout, layOut } from "./lineage-layout.ts";

/** Childless siblings shown one by one before the rest is folded. */
const siblingsMax = 8;

/** Sizes in CSS pixels. */
const box = { width: 128, height: 48 };
const gap = { column: 36, row: 12 };
const margin = 4;

/**
 * Draws the lots that a lot came from and those made of it into `frame`, as links. The arrow keys walk
 * along the branches; a screen reader hears each lot with its parents and status.
 */
export function lineageView(frame: HTMLElement, lineage: Lineage): void {
  frame.classList.add("lineage");
  const held = document.activeElement?.getAttribute("data-lot");
  draw(frame, lineage, siblingsMax);
  // What was redrawn because of an event must not take the keyboard's place away.
  if (held !== null && held !== undefined)
    frame.querySelector<SVGAElement>(`[data-lot="${CSS.escape(held)}"]`)?.focus();
}

function draw(frame: HTMLElement, lineage: Lineage, siblings: number): void {
  const layout = layOut(lineage.nodes, lineage.edges, lineage.focus, siblings);
  const certificates = new Map(lineage.nodes.map((node) => [node.id, node]));
  const places = new Map(layout.places.map((place) => [place.id, place]));
  const width = 2 * margin + layout.columns * (box.width + gap.column) - gap.column;
  const height = 2 * margin + layout.rows * (box.height + gap.row) - gap.row;

  const branches = lineage.edges.flatMap((edge) => {
    const [from, to] = [places.get(edge.parent), places.get(edge.child)];
    return from === undefined || to === undefined ? [] : [branch(from, to)];
  });
  const foldBranches = layout.folds.flatMap((fold) => {
    const from = places.get(fold.parent);
    return from === undefined ? [] : [branch(from, fold)];
  });
  const lots = layout.places.flatMap((place) => {
    const certificate = certificates.get(place.id);
    return certificate === undefined ? [] : [lot(certificate, place, place.id === lineage.focus)];
  });
  const drawing = s(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "group",
      "aria-label": "Lineage: older lots on the left, lots made of them on the right",
    },
    s("g", { class: "branches", "aria-hidden": "true" }, branches, foldBranches),
    lots,
    layout.folds.map((fold) => foldButton(fold, () => draw(frame, lineage, Number.POSITIVE_INFINITY))),
  );
  drawing.addEventListener("keydown", (event) => walk(event, drawing, layout, lineage));
  const scroller = h("div", { class: "lineage-scroll" }, drawing);
  frame.replaceChildren(scroller, note(lineage));
  const focus = places.get(lineage.focus);
  // On a narrow screen a late generation would otherwise begin out of sight.
  if (focus !== undefined) requestAnimationFrame(() => scroller.scrollTo({ left: left(focus.column) - box.width / 2 }));
}

function note(lineage: Lineage): HTMLElement {
  const few = lineage.nodes.length === 1;
  const text = few
    ? "This lot was not made of another, and none was made of it yet."
    : lineage.truncated === true
      ? "More lots are related than this drawing shows."
      : "Older lots stand on the left. The arrow keys walk along the branches, Enter opens a lot.";
  return h("p", { class: "explanation" }, text);
}

const left = (column: number) => margin + column * (box.width + gap.column);
const top = (row: number) => margin + row * (box.height + gap.row);

function branch(from: { column: number; row: number }, to: { column: number; row: number }): SVGPathElement {
  const [x0, y0] = [left(from.column) + box.width, top(from.row) + box.height / 2];
  const [x1, y1] = [left(to.column), top(to.row) + box.height / 2];
  const bend = (x1 - x0) / 2;
  return s("path", { d: `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}` });
}

function lot(certificate: Certificate, place: { column: number; row: number }, inFocus: boolean): SVGAElement {
  const { id, status } = certificate;
  const amount = quantity(certificate.quantity.value, certificate.quantity.unit);
  const ancestry =
    certificate.parents.length === 0
      ? ""
      : `, made of ${certificate.parents.map((parent) => `No. ${parent.id}`).join(" and ")}`;
  const label = `No. ${id} ${amount}, ${species(certificate)}, ${statusWords[status].name.toLowerCase()}${ancestry}`;
  return s(
    "a",
    {
      href: `/c/${id}`,
      class: `lot lot-${status}${inFocus ? " lot-focus" : ""}`,
      transform: `translate(${left(place.column)} ${top(place.row)})`,
      tabindex: inFocus ? 0 : -1,
      "aria-label": label,
      "aria-current": inFocus ? "page" : null,
      "data-lot": id,
      "data-status": status,
    },
    s("rect", { width: box.width, height: box.height, rx: 8 }),
    s("circle", { cx: 16, cy: 17, r: 4.5 }),
    s(
      "text",
      {},
      s("tspan", { x: 28, y: 21, class: "lot-name" }, `No. ${id}`),
      " ",
      s("tspan", { x: 28, y: 38 }, amount),
    ),
  );
}

function foldButton(fold: Layout["folds"][number], unfold: () => void): SVGGElement {
  return s(
    "g",
    {
      class: "fold",
      role: "button",
      tabindex: 0,
      transform: `translate(${left(fold.column)} ${top(fold.row)})`,
      click: unfold,
      keydown: (event) => {
        if (event instanceof KeyboardEvent && (event.key === "Enter" || event.key === " ")) {
          event.preventDefault();
          unfold();
        }
      },
    },
    s("rect", { width: box.width, height: box.height, rx: 8 }),
    s("text", { x: box.width / 2, y: 29, "text-anchor": "middle" }, `${fold.count} more lots`),
  );
}

/** Moves the keyboard's place along the branches: left to a parent, right to a child, up and down a generation. */
function walk(event: KeyboardEvent, drawing: SVGElement, layout: Layout, lineage: Lineage): void {
  const from = event.target instanceof Element ? event.target.getAttribute("data-lot") : null;
  const here = layout.places.find((place) => place.id === from);
  if (here === undefined || from === null) return;
  const generation = layout.places
    .filter((place) => place.column === here.column)
    .sort((one, other) => one.row - other.row);
  const at = generation.indexOf(here);
  const shown = (id: string) => layout.places.some((place) => place.id === id);
  const targets: Readonly<Record<string, string | undefined>> = {
    ArrowLeft: lineage.edges.find((edge) => edge.child === from && shown(edge.parent))?.parent,
    ArrowRight: lineage.edges.find((edge) => edge.parent === from && shown(edge.child))?.child,
    ArrowUp: generation[at - 1]?.id,
    ArrowDown: generation[at + 1]?.id,
  };
  if (!(event.key in targets)) return;
  event.preventDefault();
  const target = drawing.querySelector<SVGAElement>(`[data-lot="${CSS.escape(targets[event.key] ?? "")}"]`);
  if (target === null) return;
  for (const lotLink of drawing.querySelectorAll("[data-lot]")) lotLink.setAttribute("tabindex", "-1");
  target.setAttribute("tabindex", "0");
  target.focus();
  target.scrollIntoView({ block: "nearest", inline: "nearest" });
}
