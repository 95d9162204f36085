import { type Block, blocks, blockTime } from "../api/chain.ts";
import { afterEvents } from "../api/live.ts";
import { contractName, functionName } from "../api/logs.ts";
import { nodeInfo } from "../api/node.ts";
import type { NodeEvent, NodeInfo } from "../api/types.ts";
import { fill, h } from "../dom.ts";
import { callName } from "../parts/call.ts";
import type { Page, Visit } from "../router.ts";
import { date, moment, number, timeOfDay } from "../text.ts";

/** Blocks shown at a time. */
const pageLen = 20;
/** Blocks may come every 200 ms; the list follows at a pace that can be read. */
const settleMs = 250;

/** The newest blocks, live. */
export async function openBlocks({ signal }: Visit): Promise<Page> {
  const node = await nodeInfo(signal);
  const body = h("tbody", {});
  const older = h("p", { class: "more" });
  let shown = await blocks(node.head.number, pageLen, signal);

  const show = () => {
    fill(
      body,
      shown.map((block) => blockRow(block, node)),
    );
    const last = Number(BigInt(shown.at(-1)?.number ?? "0x0"));
    fill(
      older,
      last > 0 && h("button", { type: "button", click: () => void loadOlder(last - 1) }, "Show older blocks"),
    );
  };
  const loadOlder = async (from: number) => {
    shown = [...shown, ...(await blocks(from, pageLen, signal))];
    show();
  };
  let newest = node.head.number;
  const catchUp = async () => {
    const head = Number(BigInt(shown[0]?.number ?? "0x0"));
    if (newest <= head) return;
    const arrived = await blocks(newest, Math.min(newest - head, pageLen), signal);
    // After a long gap the list begins anew rather than with a hole in it.
    shown = newest - head > pageLen ? arrived : [...arrived, ...shown];
    show();
  };
  const concerns = (event: NodeEvent) => {
    newest = Math.max(newest, event.block);
    return event.type === "block";
  };
  afterEvents({ concerns, settleMs, act: catchUp }, signal);
  show();

  const view = h(
    "div",
    { class: "ledger" },
    h("h1", {}, "Ledger"),
    h("p", { class: "lead" }, `Network ${node.network}, chain ${node.chainId}. New blocks appear by themselves.`),
    h(
      "div",
      { class: "table-scroll" },
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, "Newest blocks"),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Block"),
            h("th", { scope: "col" }, "Time"),
            h("th", { scope: "col" }, "What happened"),
            h("th", { scope: "col", class: "numeric" }, "Gas"),
          ),
        ),
        body,
      ),
    ),
    older,
  );
  return { title: "Ledger", view };
}

function blockRow(block: Block, node: NodeInfo): HTMLElement {
  const height = Number(BigInt(block.number));
  const happened = block.transactions.map((transaction) => {
    const contract = contractName(node.contracts, transaction.to);
    const name = functionName(contract, transaction.input);
    return h("li", {}, h("a", { href: `/tx/${transaction.hash}` }, callName(contract, name)));
  });
  return h(
    "tr",
    { "data-block": height },
    h("th", { scope: "row" }, h("a", { href: `/blocks/${height}` }, number(height))),
    h(
      "td",
      { class: "when" },
      h("time", { datetime: blockTime(block), title: moment(blockTime(block)) }, timeOfDay(blockTime(block))),
      h("span", { class: "quiet" }, ` ${date(blockTime(block))}`),
    ),
    h(
      "td",
      {},
      happened.length === 0
        ? h("span", { class: "quiet" }, height === 0 ? "Genesis" : "Nothing")
        : h("ul", { class: "plain" }, happened),
    ),
    h("td", { class: "numeric" }, number(BigInt(block.gasUsed))),
  );
}
