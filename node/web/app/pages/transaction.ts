import type { BlockTransaction, Log, Receipt } from "../api/chain.ts";
import { transaction } from "../api/chain.ts";
import { type Argument, contractName, decodeLog, functionName } from "../api/logs.ts";
import { nodeInfo, Problem } from "../api/node.ts";
import type { NodeInfo } from "../api/types.ts";
import { type Child, h, row } from "../dom.ts";
import { callName } from "../parts/call.ts";
import { hash } from "../parts/hash.ts";
import type { Page, Visit } from "../router.ts";
import { number, reason } from "../text.ts";

/** Decimals of the native coin. */
const coinDecimals = 18;
/** Decimals of tUSD. */
const dollarDecimals = 6;

const zeroAddress = `0x${"0".repeat(40)}`;

/** One transaction: who asked for what, what it cost, and the events it caused. */
export async function openTransaction({ params, signal }: Visit): Promise<Page> {
  const id = params[0] ?? "";
  const [node, { transaction: found, receipt }] = await Promise.all([nodeInfo(signal), transaction(id, signal)]);
  if (found === null) {
    throw new Problem(
      404,
      "No such transaction",
      `This node does not know ${id}.`,
      "Check the hash; a new transaction may take a moment.",
    );
  }
  return { title: "Transaction", view: transactionView(found, receipt, node) };
}

function transactionView(found: BlockTransaction, receipt: Receipt | null, node: NodeInfo): HTMLElement {
  const contract = contractName(node.contracts, found.to);
  const name = functionName(contract, found.input);
  return h(
    "div",
    { class: "ledger" },
    h(
      "nav",
      { class: "crumbs", "aria-label": "Place" },
      h("a", { href: "/blocks" }, "Ledger"),
      receipt !== null && blockLink(receipt),
    ),
    h("h1", {}, contract === undefined ? "Transaction" : callName(contract, name)),
    h(
      "dl",
      { class: "facts" },
      row("Outcome", outcome(receipt)),
      row("Hash", h("code", { class: "hash hash-whole" }, found.hash)),
      row("Block", receipt !== null && blockLink(receipt)),
      row("From", hash(found.from)),
      row("To", found.to === null ? "New contract" : hash(found.to), contract !== undefined && ` ${contract}`),
      row("Value", BigInt(found.value) > 0n && `${decimal(BigInt(found.value), coinDecimals)} PHY`),
      row("Gas used", receipt !== null && number(BigInt(receipt.gasUsed))),
      row(
        "Fee",
        receipt !== null && `${decimal(BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice), coinDecimals)} PHY`,
      ),
    ),
    h("h2", {}, "Events"),
    receipt === null || receipt.logs.length === 0
      ? h("p", { class: "quiet" }, "This transaction caused no events.")
      : h(
          "ol",
          { class: "logs" },
          receipt.logs.map((log) => logView(log, node)),
        ),
  );
}

function outcome(receipt: Receipt | null): Child {
  if (receipt === null) return "Waiting for a block";
  const succeeded = BigInt(receipt.status) === 1n;
  return h(
    "span",
    { class: `mark ${succeeded ? "mark-active" : "mark-revoked"}` },
    succeeded ? "Succeeded" : "Reverted",
  );
}

function blockLink(receipt: Receipt): HTMLElement {
  const height = Number(BigInt(receipt.blockNumber));
  return h("a", { href: `/blocks/${height}` }, `Block ${number(height)}`);
}

function logView(log: Log, node: NodeInfo): HTMLElement {
  const contract = contractName(node.contracts, log.address);
  const decoded = decodeLog(contract, log.topics, log.data);
  if (decoded === undefined) {
    return h(
      "li",
      { class: "log" },
      h("p", { class: "log-name" }, contract ?? "Unknown contract"),
      h("dl", {}, row("Address", hash(log.address)), row("Topic", hash(log.topics[0] ?? ""))),
    );
  }
  return h(
    "li",
    { class: "log", "data-event": decoded.event },
    h("p", { class: "log-name" }, h("span", { class: "quiet" }, `${contract}.`), decoded.event),
    h(
      "dl",
      {},
      decoded.arguments.map((argument) => row(argument.name, argumentView(argument))),
    ),
  );
}

function argumentView({ kind, value }: Argument): Child {
  if (kind === "id") return h("a", { href: `/c/${value}` }, `No. ${value}`);
  if (kind === "address" && value === zeroAddress) return "nobody";
  if (kind === "address" || kind === "hash") return hash(value);
  if (kind === "money") return `${decimal(BigInt(value), dollarDecimals)} tUSD`;
  if (kind === "amount") return number(value);
  if (kind === "reason") return value === "" ? "none" : reason(value);
  return value;
}

/** An amount of the smallest unit in whole coins, without trailing zeros. */
export function decimal(amount: bigint, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, "0");
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  const whole = number(digits.slice(0, -decimals));
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
