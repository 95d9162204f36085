import { encode } from "uqr";
import { s } from "../dom.ts";

/** Light modules around the code; readers need four (ISO/IEC 18004, 9.1). */
const quietModules = 4;

/** A QR code of `text`, black on white in every colour scheme, because readers expect it so. */
export function qrCode(text: string, label: string): SVGSVGElement {
  const { data } = encode(text, { ecc: "M", border: quietModules });
  const size = data.length;
  const dark = data.flatMap((line, y) => line.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  return s(
    "svg",
    { viewBox: `0 0 ${size} ${size}`, class: "qr", role: "img", "aria-label": label, "shape-rendering": "crispEdges" },
    s("rect", { width: size, height: size, fill: "#fff" }),
    s("path", { d: dark.join(""), fill: "#000" }),
  );
}
