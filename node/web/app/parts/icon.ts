import { s } from "../dom.ts";

/** Icons are drawn on a grid of 24 and never speak: the words beside them do. */
const paths = {
  passed: "M5 12.5l4.5 4.5L19 7.5",
  failed: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  "not-checked": "M12 16.5v.5M9.5 9.2a2.6 2.6 0 1 1 3.7 2.4c-.8.4-1.2 1-1.2 2",
  leaf: "M5 19C5 10 10 5 20 4c0 10-5 15-13 15M5 19c2-5 5-8 9-10",
  camera: "M4 8h3.5L9 5.5h6L16.5 8H20v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  document: "M6 3.5h8l4 4V20.5H6zM14 3.5v4h4M9 12h6M9 15.5h6",
  download: "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 19.5h14",
  pause: "M9 6v12M15 6v12",
} as const;

export type IconName = keyof typeof paths;

export function icon(name: IconName): SVGSVGElement {
  return s(
    "svg",
    { viewBox: "0 0 24 24", class: `icon icon-${name}`, "aria-hidden": "true" },
    s("path", { d: paths[name] }),
  );
}
