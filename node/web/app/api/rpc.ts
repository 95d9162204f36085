import type { Hex } from "./abi.ts";

/** An error that the ledger answered with. */
export class RpcError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
}

/** One Ethereum JSON-RPC call. */
export interface Call {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** Sends calls as one batch; the results stand in the order of the calls. */
export async function batch(calls: readonly Call[], signal?: AbortSignal): Promise<unknown[]> {
  if (calls.length === 0) return [];
  const body = calls.map((call, id) => ({ jsonrpc: "2.0", id, ...call }));
  const response = await fetch("/rpc", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
  if (!response.ok) throw new RpcError(response.status, `The node answered ${response.status} to a ledger query.`);
  const answers = (await response.json()) as Answer[];
  const byId = new Map(answers.map((answer) => [answer.id, answer]));
  return calls.map((call, id) => {
    const answer = byId.get(id);
    if (answer === undefined) throw new RpcError(0, `The node left out the answer to ${call.method}.`);
    if (answer.error !== undefined) throw new RpcError(answer.error.code, answer.error.message);
    return answer.result;
  });
}

/** Sends one call. */
export async function rpc(method: string, params: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
  const [result] = await batch([{ method, params }], signal);
  return result;
}

/** An `eth_call` on the latest block. */
export const ethCall = (to: Hex, data: Hex): Call => ({ method: "eth_call", params: [{ to, data }, "latest"] });
