import { afterEvents, onEvent } from "../api/live.ts";
import { certificates, nodeInfo } from "../api/node.ts";
import type { CertificatePage, NodeEvent, NodeInfo } from "../api/types.ts";
import { fill, h } from "../dom.ts";
import { certificateCard } from "../parts/card.ts";
import { dropZone } from "../parts/drop.ts";
import { problemView } from "../parts/problem.ts";
import type { Page, Visit } from "../router.ts";
import { number } from "../text.ts";
import { carryPhoto, photoTypes } from "./issue.ts";

/** Certificates fetched at a time. */
const pageLen = 12;
/** Events come in bursts, one for each lot of a split; one reload serves them all. */
const settleMs = 150;

/** What this node is, a place for a photo, and the newest certificates. */
export async function openHome({ signal, go }: Visit): Promise<Page> {
  const [node, newest] = await Promise.all([nodeInfo(signal), certificates(pageLen, undefined, signal)]);
  const list = certificateList(newest, signal);
  const drop = dropZone({
    title: "Photograph a leaf",
    hint: "Drop a photo here, or choose one. You see the species before anything is issued.",
    symbol: "camera",
    accept: photoTypes,
    onFile: (file) => {
      carryPhoto(file);
      go("/issue");
    },
  });
  const view = h(
    "div",
    { class: "home" },
    h(
      "section",
      { class: "hero" },
      h("div", {}, h("h1", {}, "Every plant, with a past you can check."), introduction(node, signal)),
      drop,
    ),
    list,
  );
  return { title: "", view };
}

function introduction(node: NodeInfo, signal: AbortSignal): HTMLElement {
  const height = h("span", { class: "height" }, number(node.head.number));
  onEvent((event) => {
    if (event !== "missed" && event.type === "block") height.textContent = number(event.block);
  }, signal);
  const model = node.model === null ? "" : ` Its model knows ${node.model.classes} species by their leaves.`;
  return h(
    "p",
    { class: "lead" },
    "This node recognises plants from a photo, signs certificates for them and keeps their lineage on a shared ledger, now at block ",
    height,
    `.${model}`,
  );
}

function certificateList(newest: CertificatePage, signal: AbortSignal): HTMLElement {
  const cards = h("ul", { class: "cards" });
  const news = h("p", { class: "quiet", role: "status" });
  const more = h("p", { class: "more" });
  let pages = [newest];

  const show = () => {
    const shown = pages.flatMap((page) => page.certificates);
    fill(cards, shown.map(certificateCard));
    const next = pages.at(-1)?.next ?? null;
    fill(more, next !== null && h("button", { type: "button", click: () => void loadMore(next) }, "Show older ones"));
    empty.hidden = shown.length > 0;
  };
  const loadMore = async (before: string) => {
    try {
      pages = [...pages, await certificates(pageLen, before, signal)];
      show();
    } catch (error) {
      fill(more, problemView(error));
    }
  };
  const reload = async () => {
    const known = new Set(pages.flatMap((page) => page.certificates.map(({ id }) => id)));
    pages = [await certificates(Math.max(pageLen, Math.min(known.size, 100)), undefined, signal)];
    show();
    const arrived = pages.flatMap((page) => page.certificates).filter(({ id }) => !known.has(id)).length;
    if (arrived > 0)
      news.textContent = arrived === 1 ? "A new certificate arrived." : `${arrived} new certificates arrived.`;
  };
  const concerns = (event: NodeEvent) => event.type.startsWith("certificate.");
  afterEvents({ concerns, settleMs, act: reload }, signal);

  const empty = h(
    "div",
    { class: "empty" },
    h("p", { class: "empty-title" }, "No certificates yet"),
    h("p", {}, "The first one begins with a photo of a leaf."),
  );
  show();
  return h(
    "section",
    { "aria-labelledby": "latest" },
    h("div", { class: "section-head" }, h("h2", { id: "latest" }, "Latest certificates"), news),
    cards,
    empty,
    more,
  );
}
