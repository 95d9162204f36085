import type { Hex } from "../api/abi.ts";
import { asAddress, asAscii, asNumber, decodeWords, encodeCall, keccak } from "../api/abi.ts";
import { batch, ethCall } from "../api/rpc.ts";
import { type Check, failed, notChecked, passed, type Question } from "./check.ts";
import type { Credential } from "./credential.ts";
import { readPlant } from "./plant.ts";

/** The contract's `Status`, in its order. */
export const statusNames = ["none", "active", "suspended", "revoked", "retired", "superseded"] as const;
export type StatusName = (typeof statusNames)[number];

/** What the ledger says about one credential: plain facts, judged elsewhere. */
export interface LedgerFacts {
  readonly id: bigint;
  readonly issuer: Hex;
  readonly owner: Hex;
  readonly statusIndex: bigint;
  readonly quantity: bigint;
  readonly unit: string;
  readonly taxon: Hex;
  readonly status: StatusName;
  readonly expired: boolean;
  /** The certificate whose status this is: itself or an ancestor. */
  readonly cause: bigint;
  readonly causeReason: string;
  readonly causeBlock: number;
  /** Keccak-256 of the DID that the issuer's account is registered for. */
  readonly didHash: Hex;
  readonly authority: Hex;
  /** Whether the accreditation still holds; it did when the certificate was issued. */
  readonly accredited: boolean;
}

/** Addresses of the contracts that are asked. */
export interface LedgerContracts {
  readonly PlantCertificate: Hex;
  readonly IssuerRegistry: Hex;
}

/** The views that are asked, by contract. */
export const views = {
  PlantCertificate: {
    idOfCredential: "idOfCredential(bytes32)",
    lot: "lot(uint256)",
    effectiveStatus: "effectiveStatus(uint256)",
    ownerOf: "ownerOf(uint256)",
  },
  IssuerRegistry: { issuerOf: "issuerOf(address)", isAccredited: "isAccredited(address,bytes32)" },
} as const;

/** Places in the contract's `Lot` of the members that are needed here. */
export const lotPlaces = {
  issuer: 0,
  statusIndex: 4,
  unit: 7,
  quantity: 8,
  taxon: 10,
  reason: 12,
  statusBlock: 13,
} as const;

const zeroHash: Hex = `0x${"0".repeat(64)}`;

const questions = {
  anchor: { name: "anchor", title: "It is recorded on the ledger", trust: "node" },
  accreditation: { name: "accreditation", title: "An authority vouches for the issuer", trust: "node" },
  status: { name: "ledger-status", title: "It and every lot it came from are active", trust: "node" },
  owner: { name: "owner", title: "It has an owner", trust: "node" },
} as const satisfies Record<string, Question>;

/** Asks the ledger for everything it knows about the credential with this hash; nothing if it knows none. */
export async function readLedger(
  contracts: LedgerContracts,
  hash: Hex,
  signal?: AbortSignal,
): Promise<LedgerFacts | undefined> {
  const { PlantCertificate, IssuerRegistry } = views;
  const certificate = (call: string, words: (bigint | Hex)[]) =>
    ethCall(contracts.PlantCertificate, encodeCall(call, words));
  const registry = (call: string, words: (bigint | Hex)[]) =>
    ethCall(contracts.IssuerRegistry, encodeCall(call, words));

  const [idResult] = await batch([certificate(PlantCertificate.idOfCredential, [hash])], signal);
  const id = BigInt(firstWord(idResult));
  if (id === 0n) return undefined;

  const [lotResult, statusResult, ownerResult] = await batch(
    [
      certificate(PlantCertificate.lot, [id]),
      certificate(PlantCertificate.effectiveStatus, [id]),
      certificate(PlantCertificate.ownerOf, [id]),
    ],
    signal,
  );
  const lot = lotFrom(lotResult);
  const [status = zeroHash, expired = zeroHash, cause = zeroHash] = words(statusResult);
  const causeId = BigInt(cause);

  const [issuerResult, accreditedResult, causeResult] = await batch(
    [
      registry(IssuerRegistry.issuerOf, [lot.issuer]),
      registry(IssuerRegistry.isAccredited, [lot.issuer, lot.taxon]),
      certificate(PlantCertificate.lot, [causeId === 0n ? id : causeId]),
    ],
    signal,
  );
  const [authority = zeroHash, didHash = zeroHash] = words(issuerResult);
  const causeLot = lotFrom(causeResult);
  return {
    ...lot,
    id,
    owner: asAddress(firstWord(ownerResult)),
    status: statusNames[asNumber(status)] ?? "none",
    expired: BigInt(expired) !== 0n,
    cause: causeId,
    causeReason: causeLot.reason,
    causeBlock: causeLot.statusBlock,
    didHash,
    authority: asAddress(authority),
    accredited: BigInt(firstWord(accreditedResult)) !== 0n,
  };
}

interface LotFields extends Pick<LedgerFacts, "issuer" | "statusIndex" | "quantity" | "unit" | "taxon"> {
  readonly reason: string;
  readonly statusBlock: number;
}

function lotFrom(result: unknown): LotFields {
  const fields = words(result);
  const at = (name: keyof typeof lotPlaces): Hex => {
    const field = fields[lotPlaces[name]];
    if (field === undefined) throw new RangeError("the ledger's lot is shorter than expected");
    return field;
  };
  return {
    issuer: asAddress(at("issuer")),
    statusIndex: BigInt(at("statusIndex")),
    unit: asAscii(at("unit")),
    quantity: BigInt(at("quantity")),
    taxon: at("taxon"),
    reason: asAscii(at("reason")),
    statusBlock: asNumber(at("statusBlock")),
  };
}

const words = (result: unknown): Hex[] => decodeWords(typeof result === "string" ? (result as Hex) : "0x");

function firstWord(result: unknown): Hex {
  const [word] = words(result);
  if (word === undefined) throw new RangeError("the ledger's answer is empty: is the contract there?");
  return word;
}

/** Compares a credential with what the ledger says. `expected` is the certificate the reader came for. */
export function judgeLedger(credential: Credential, facts: LedgerFacts | undefined, expected?: bigint): Check[] {
  const { anchor, ...others } = questions;
  if (facts === undefined) {
    const open = Object.values(others).map((question) => notChecked(question, "It needs a certificate on the ledger."));
    return [failed(anchor, "No certificate on this node’s ledger carries the hash of this document."), ...open];
  }
  return [
    judgeAnchor(credential, facts, expected),
    judgeAccreditation(credential, facts),
    judgeStatus(facts),
    passed(questions.owner, `It belongs to ${facts.owner}.`),
  ];
}

/** The same questions, when the ledger could not be asked. */
export function ledgerOutOfReach(reason: string): Check[] {
  return Object.values(questions).map((question) => notChecked(question, reason));
}

/** The issuer told the ledger some facts beside the hash, so they may differ from the document. */
function judgeAnchor(credential: Credential, facts: LedgerFacts, expected: bigint | undefined): Check {
  const fail = (detail: string) => failed(questions.anchor, detail);
  if (expected !== undefined && expected !== facts.id) {
    return fail(`This document belongs to certificate ${facts.id}, not to ${expected}.`);
  }
  const plant = readPlant(credential.unsecured);
  if (plant === undefined) return fail("The document does not say which plants there are, and how many.");
  const { value, unit } = plant.quantity;
  if (BigInt(value) !== facts.quantity || unit !== facts.unit) {
    return fail(`The document is for ${value} ${unit}, the ledger’s certificate for ${facts.quantity} ${facts.unit}.`);
  }
  if (keccak(plant.scientificName) !== facts.taxon) return fail("The ledger’s certificate is for another species.");
  if (credential.statusEntries.some((entry) => BigInt(entry.index) !== facts.statusIndex)) {
    return fail(`The document names another status entry than the ledger’s certificate, ${facts.statusIndex}.`);
  }
  const detail = `Certificate ${facts.id} carries its hash, ${shorten(credential.hash)}, its species and its quantity.`;
  const link = { href: `/c/${facts.id}`, text: `Open certificate ${facts.id}` };
  return { ...passed(questions.anchor, detail), ...(expected === undefined ? { link } : {}) };
}

function judgeAccreditation(credential: Credential, facts: LedgerFacts): Check {
  const fail = (detail: string) => failed(questions.accreditation, detail);
  if (facts.didHash !== keccak(credential.issuer)) {
    return fail(
      `The account ${shorten(facts.issuer)} that recorded it is registered for another name than ${credential.issuer}.`,
    );
  }
  if (BigInt(facts.authority) === 0n) return fail("No authority ever vouched for this issuer.");
  // The contract takes certificates of accredited issuers only, and judges that at the block of issue.
  const since = facts.accredited ? "vouches" : "vouched when it was issued, and no longer does,";
  return passed(
    questions.accreditation,
    `The authority ${shorten(facts.authority)} ${since} for this issuer and species.`,
  );
}

function judgeStatus(facts: LedgerFacts): Check {
  if (facts.status === "active") {
    if (facts.expired) return failed(questions.status, "Its term on the ledger is over.");
    return passed(questions.status, "Neither it nor a lot it came from is suspended or revoked.");
  }
  const descends = facts.cause !== facts.id && facts.cause !== 0n;
  const subject = descends ? `Certificate ${facts.cause}, from which it descends, was` : "It was";
  const block = facts.causeBlock === 0 ? "" : ` in block ${facts.causeBlock}`;
  const reason = facts.causeReason === "" ? "" : `, reason ${facts.causeReason}`;
  return failed(questions.status, `${subject} ${facts.status}${block}${reason}.`);
}

/** The first and last characters of something long that has no spaces. */
export function shorten(value: string): string {
  return value.length <= 20 ? value : `${value.slice(0, 10)}…${value.slice(-6)}`;
}
