import type { Hex } from "../api/abi.ts";
import { asAddress, asAscii, asNumber, decodeWords, encodeCall, keccak } from "../api/abi.ts";
import { batch, ethCall } from "../api/rpc.ts";
import { type Check, failed, notChecked, passed, type Question } from "./check.ts";
import type { Credential } from "./credential.ts";

/** The contract's `Status`, in its order. */
export const statusNames = ["none", "active", "suspended", "revoked", "retired", "superseded"] as const;
export type StatusName = (typeof statusNames)[number];

/** What the ledger says about one credential: plain facts, judged elsewhere. */
export interface LedgerFacts {
  readonly id: bigint;
  readonly issuer: Hex;
  readonly owner: Hex;
  readonly status: StatusName;
  readonly expired: boolean;
  readonly cause: bigint;
  readonly causeReason: string;
  readonly causeBlock: number;
  readonly didHash: Hex;
  readonly accredited: boolean;
  readonly authority: Hex;
}

/** Addresses of the contracts that are asked. */
export interface LedgerContracts {
  readonly PlantCertificate: Hex;
  readonly IssuerRegistry: Hex;
}

const zeroHash: Hex = `0x${"0".repeat(64)}`;

const questions = {
  registered: { name: "ledger", title: "It is recorded on the ledger", trust: "node" },
  accredited: { name: "issuer", title: "The issuer is accredited", trust: "node" },
  status: { name: "status", title: "It and all its ancestors are active", trust: "node" },
  owner: { name: "owner", title: "It has an owner", trust: "node" },
} as const satisfies Record<string, Question>;

/** Asks the ledger for everything it knows about the credential with this hash; nothing if it knows none. */
export async function readLedger(
  contracts: LedgerContracts,
  hash: Hex,
  signal?: AbortSignal,
): Promise<LedgerFacts | undefined> {
  const certificate = (call: string, words: (bigint | Hex)[]) =>
    ethCall(contracts.PlantCertificate, encodeCall(call, words));
  const registry = (call: string, words: (bigint | Hex)[]) =>
    ethCall(contracts.IssuerRegistry, encodeCall(call, words));

  const [idResult] = await batch([certificate("idOfCredential(bytes32)", [hash])], signal);
  const id = BigInt(firstWord(idResult));
  if (id === 0n) return undefined;

  const [lotResult, statusResult, ownerResult] = await batch(
    [
      certificate("lot(uint256)", [id]),
      certificate("effectiveStatus(uint256)", [id]),
      certificate("ownerOf(uint256)", [id]),
    ],
    signal,
  );
  const lot = lotFrom(lotResult);
  const [status = zeroHash, expired = zeroHash, cause = zeroHash] = words(statusResult);
  const causeId = BigInt(cause);

  const [issuerResult, accreditedResult, causeResult] = await batch(
    [
      registry("issuerOf(address)", [lot.issuer]),
      registry("isAccredited(address,bytes32)", [lot.issuer, lot.taxon]),
      certificate("lot(uint256)", [causeId === 0n ? id : causeId]),
    ],
    signal,
  );
  const [authority = zeroHash, didHash = zeroHash] = words(issuerResult);
  const causeLot = lotFrom(causeResult);
  return {
    id,
    issuer: lot.issuer,
    owner: asAddress(firstWord(ownerResult)),
    status: statusNames[asNumber(status)] ?? "none",
    expired: BigInt(expired) !== 0n,
    cause: causeId,
    causeReason: causeLot.reason,
    causeBlock: causeLot.statusBlock,
    didHash,
    accredited: BigInt(firstWord(accreditedResult)) !== 0n,
    authority: asAddress(authority),
  };
}

/** The members of the contract's `Lot` that are needed here, by their place in the struct. */
function lotFrom(result: unknown): { issuer: Hex; taxon: Hex; reason: string; statusBlock: number } {
  const fields = words(result);
  const [issuer, taxon, reason, statusBlock] = [fields[0], fields[10], fields[12], fields[13]];
  if (issuer === undefined || taxon === undefined || reason === undefined || statusBlock === undefined) {
    throw new RangeError("the ledger's lot is shorter than expected");
  }
  return { issuer: asAddress(issuer), taxon, reason: asAscii(reason), statusBlock: asNumber(statusBlock) };
}

const words = (result: unknown): Hex[] => decodeWords(typeof result === "string" ? (result as Hex) : "0x");

function firstWord(result: unknown): Hex {
  const [word] = words(result);
  if (word === undefined) throw new RangeError("the ledger's answer is empty: is the contract there?");
  return word;
}

/** Compares a credential with what the ledger says. `expected` is the certificate the reader came for. */
export function judgeLedger(credential: Credential, facts: LedgerFacts | undefined, expected?: bigint): Check[] {
  if (facts === undefined) {
    const why = "There is no certificate for this exact document on this node's ledger.";
    const rest = [questions.accredited, questions.status, questions.owner];
    return [
      failed(questions.registered, why),
      ...rest.map((question) => notChecked(question, "It needs a certificate on the ledger.")),
    ];
  }
  return [
    judgeRecord(credential, facts, expected),
    judgeIssuer(credential, facts),
    judgeStatus(facts),
    judgeOwner(facts),
  ];
}

/** The same questions, when the ledger could not be asked. */
export function ledgerOutOfReach(reason: string): Check[] {
  return Object.values(questions).map((question) => notChecked(question, reason));
}

function judgeRecord(credential: Credential, facts: LedgerFacts, expected: bigint | undefined): Check {
  if (expected !== undefined && expected !== facts.id) {
    return failed(questions.registered, `This document belongs to certificate ${facts.id}, not to ${expected}.`);
  }
  return passed(questions.registered, `Certificate ${facts.id} carries its hash, ${shorten(credential.hash)}.`);
}

function judgeIssuer(credential: Credential, facts: LedgerFacts): Check {
  if (facts.didHash !== keccak(credential.issuer)) {
    return failed(
      questions.accredited,
      `The account ${shorten(facts.issuer)} that recorded it is not registered for ${shorten(credential.issuer)}.`,
    );
  }
  if (!facts.accredited) {
    return failed(questions.accredited, "No authority vouches for this issuer and this species now.");
  }
  return passed(
    questions.accredited,
    `The authority ${shorten(facts.authority)} vouches for this issuer and this species.`,
  );
}

function judgeStatus(facts: LedgerFacts): Check {
  if (facts.expired) return failed(questions.status, "Its term on the ledger is over.");
  if (facts.status === "active")
    return passed(questions.status, "Neither it nor a lot it came from is suspended or revoked.");
  const where =
    facts.cause === facts.id || facts.cause === 0n ? "It" : `Certificate ${facts.cause}, from which it descends,`;
  const reason = facts.causeReason === "" ? "" : `, reason ${facts.causeReason}`;
  const block = facts.causeBlock === 0 ? "" : ` in block ${facts.causeBlock}`;
  return failed(questions.status, `${where} was ${facts.status}${block}${reason}.`);
}

function judgeOwner(facts: LedgerFacts): Check {
  return passed(questions.owner, `The ledger says that it belongs to ${facts.owner}.`);
}

/** The first and last characters of something long that has no spaces. */
export function shorten(value: string): string {
  return value.length <= 20 ? value : `${value.slice(0, 10)}…${value.slice(-6)}`;
}
