import type { Certificate } from "../api/types.ts";
import { h } from "../dom.ts";
import { date, quantity, species } from "../text.ts";
import { icon } from "./icon.ts";
import { statusMark } from "./status.ts";

/** A certificate in a list. The whole card leads to its page. */
export function certificateCard(certificate: Certificate): HTMLElement {
  return h(
    "li",
    { class: "card", "data-certificate": certificate.id },
    photo(certificate),
    h(
      "div",
      { class: "card-body" },
      h("h3", {}, h("a", { href: `/c/${certificate.id}`, class: "card-link" }, h("i", {}, species(certificate)))),
      h(
        "p",
        { class: "card-facts" },
        `No. ${certificate.id} · ${quantity(certificate.quantity.value, certificate.quantity.unit)}`,
      ),
      h(
        "p",
        { class: "card-foot" },
        statusMark(certificate.status),
        h("time", { datetime: certificate.issuedAt }, date(certificate.issuedAt)),
      ),
    ),
  );
}

/** The photo of a certificate, or a leaf where it has none. */
export function photo(certificate: Certificate): HTMLElement {
  if (certificate.photo === null) return h("div", { class: "photo photo-none" }, icon("leaf"));
  const alt = `Photo of the lot, identified as ${species(certificate)}`;
  return h("div", { class: "photo" }, h("img", { src: certificate.photo, alt, loading: "lazy", decoding: "async" }));
}
