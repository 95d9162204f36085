import type { Certificate, Status } from "../api/types.ts";
import { h } from "../dom.ts";
import { number, reason, statusWords } from "../text.ts";
import { icon } from "./icon.ts";

/** A small mark with the status in words. */
export function statusMark(status: Status): HTMLElement {
  return h("span", { class: `mark mark-${status}` }, statusWords[status].name);
}

/** The status in full: what it means, which lot caused it, why, and since which block. */
export function statusBanner(certificate: Certificate): HTMLElement {
  const { status, statusCause } = certificate;
  const words = statusWords[status];
  const symbol = status === "active" ? icon("passed") : status === "suspended" ? icon("pause") : icon("failed");
  return h(
    "div",
    { class: `banner banner-${status}`, "data-status": status },
    symbol,
    h(
      "div",
      {},
      h("p", { class: "banner-title" }, words.name),
      h("p", {}, words.meaning),
      statusCause !== null && cause(certificate),
    ),
  );
}

function cause(certificate: Certificate): HTMLElement | null {
  const { statusCause } = certificate;
  if (statusCause === null) return null;
  const origin =
    statusCause.certificate === certificate.id
      ? "This certificate itself was "
      : h(
          "span",
          {},
          "It descends from ",
          h("a", { href: `/c/${statusCause.certificate}` }, `certificate ${statusCause.certificate}`),
          ", which was ",
        );
  return h(
    "p",
    { class: "banner-cause" },
    origin,
    `${statusCause.status} in `,
    h("a", { href: `/blocks/${statusCause.block}` }, `block ${number(statusCause.block)}`),
    statusCause.reason === "" ? "." : `, reason ${reason(statusCause.reason)}.`,
  );
}
