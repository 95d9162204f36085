import type { Hex } from "./abi.ts";
import { batch } from "./rpc.ts";

/** A block as JSON-RPC gives it, as far as the page shows it. */
export interface Block {
  readonly number: Hex;
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly timestamp: Hex;
  readonly gasUsed: Hex;
  readonly gasLimit: Hex;
  readonly stateRoot: Hex;
  readonly miner: Hex;
  readonly baseFeePerGas?: Hex;
  readonly transactions: readonly BlockTransaction[];
}

export interface BlockTransaction {
  readonly hash: Hex;
  readonly from: Hex;
  readonly to: Hex | null;
  readonly input: Hex;
  readonly value: Hex;
  readonly nonce: Hex;
  readonly blockNumber: Hex | null;
}

export interface Receipt {
  readonly status: Hex;
  readonly gasUsed: Hex;
  readonly effectiveGasPrice: Hex;
  readonly blockNumber: Hex;
  readonly logs: readonly Log[];
}

export interface Log {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
}

const hex = (value: number): Hex => `0x${value.toString(16)}`;

/** The blocks from `newest` downwards, at most `count`, with their transactions. */
export async function blocks(newest: number, count: number, signal?: AbortSignal): Promise<Block[]> {
  const numbers = Array.from({ length: Math.min(count, newest + 1) }, (_, back) => newest - back);
  const calls = numbers.map((number) => ({ method: "eth_getBlockByNumber", params: [hex(number), true] }));
  const found = (await batch(calls, signal)) as (Block | null)[];
  return found.filter((block) => block !== null);
}

/** A transaction and, once it is in a block, what came of it. */
export async function transaction(
  hash: string,
  signal?: AbortSignal,
): Promise<{ transaction: BlockTransaction | null; receipt: Receipt | null }> {
  const [found, receipt] = await batch(
    [
      { method: "eth_getTransactionByHash", params: [hash] },
      { method: "eth_getTransactionReceipt", params: [hash] },
    ],
    signal,
  );
  return { transaction: found as BlockTransaction | null, receipt: receipt as Receipt | null };
}

/** Seconds since 1970, as the ledger counts, in RFC 3339. */
export function blockTime(block: Block): string {
  return new Date(Number(BigInt(block.timestamp)) * 1000).toISOString();
}
