import { type Block, type BlockTransaction, blocks, blockTime } from "../api/chain.ts";
import { contractName, functionName } from "../api/logs.ts";
import { nodeInfo, Problem } from "../api/node.ts";
import type { NodeInfo } from "../api/types.ts";
import { h, row } from "../dom.ts";
import { callName } from "../parts/call.ts";
import { hash } from "../parts/hash.ts";
import type { Page, Visit } from "../router.ts";
import { moment, number } from "../text.ts";

/** One block: its place in the chain and its transactions. */
export async function openBlock({ params, signal }: Visit): Promise<Page> {
  const height = Number(params[0]);
  const node = await nodeInfo(signal);
  const [block] = Number.isSafeInteger(height) && height <= node.head.number ? await blocks(height, 1, signal) : [];
  if (block === undefined) {
    throw new Problem(
      404,
      "No such block",
      `The newest block is ${number(node.head.number)}.`,
      "Choose one from the ledger.",
    );
  }
  return { title: `Block ${height}`, view: blockView(block, height, node) };
}

function blockView(block: Block, height: number, node: NodeInfo): HTMLElement {
  return h(
    "div",
    { class: "ledger" },
    h("nav", { class: "crumbs", "aria-label": "Place" }, h("a", { href: "/blocks" }, "Ledger")),
    h("h1", {}, `Block ${number(height)}`),
    h(
      "dl",
      { class: "facts" },
      row("Time", h("time", { datetime: blockTime(block) }, moment(blockTime(block)))),
      row("Hash", hash(block.hash)),
      row("Parent", height === 0 ? "None: this is the genesis block" : hash(block.parentHash, `/blocks/${height - 1}`)),
      row("State root", hash(block.stateRoot)),
      row("Gas used", `${number(BigInt(block.gasUsed))} of ${number(BigInt(block.gasLimit))}`),
    ),
    h("h2", {}, block.transactions.length === 1 ? "1 transaction" : `${block.transactions.length} transactions`),
    block.transactions.length === 0
      ? h("p", { class: "quiet" }, "Nothing happened in this block.")
      : transactionTable(block.transactions, node),
    h(
      "nav",
      { class: "pager", "aria-label": "Neighbouring blocks" },
      height > 0 && h("a", { href: `/blocks/${height - 1}` }, "← Older"),
      height < node.head.number && h("a", { href: `/blocks/${height + 1}` }, "Newer →"),
    ),
  );
}

function transactionTable(transactions: readonly BlockTransaction[], node: NodeInfo): HTMLElement {
  const rows = transactions.map((transaction) => {
    const contract = contractName(node.contracts, transaction.to);
    const name = functionName(contract, transaction.input);
    const to = contract === undefined && transaction.to !== null ? hash(transaction.to) : callName(contract, name);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, hash(transaction.hash, `/tx/${transaction.hash}`)),
      h("td", {}, hash(transaction.from)),
      h("td", {}, to),
    );
  });
  return h(
    "div",
    { class: "table-scroll" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Transaction"),
          h("th", { scope: "col" }, "From"),
          h("th", { scope: "col" }, "To"),
        ),
      ),
      h("tbody", {}, rows),
    ),
  );
}
