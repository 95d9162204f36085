import { asAddress, asAscii, decodeWords, type Hex, keccak, selector } from "./abi.ts";

/** How one word of an event is shown. */
type Kind =
  "id" | "amount" | "money" | "address" | "hash" | "status" | "offer status" | "model status" | "reason" | "list";

/** An event: its signature, and how its parameters are shown. */
export interface Signature {
  readonly signature: string;
  /** Names and kinds of the parameters: first the indexed ones, then the data words. */
  readonly indexed: readonly (readonly [string, Kind])[];
  readonly data: readonly (readonly [string, Kind])[];
}

/** One parameter of an event, ready to be shown. */
export interface Argument {
  readonly name: string;
  readonly kind: Kind;
  readonly value: string;
}

/** A log whose contract and event are known. */
export interface DecodedLog {
  readonly event: string;
  readonly arguments: readonly Argument[];
}

const event = (signature: string, indexed: Signature["indexed"], data: Signature["data"] = []): Signature => ({
  signature,
  indexed,
  data,
});

const certificateEvents = [
  event(
    "Issued(uint256,address,bytes32,uint128)",
    [
      ["id", "id"],
      ["issuer", "address"],
      ["credential", "hash"],
    ],
    [["quantity", "amount"]],
  ),
  event(
    "Split(uint256,uint256,uint256)",
    [["parent", "id"]],
    [
      ["first child", "id"],
      ["count", "amount"],
    ],
  ),
  event("Merged(uint256,uint256[])", [["id", "id"]], [["parents", "list"]]),
  event("Replaced(uint256,uint256)", [
    ["id", "id"],
    ["successor", "id"],
  ]),
  event(
    "StatusChanged(uint256,uint8,address,bytes32)",
    [
      ["id", "id"],
      ["by", "address"],
    ],
    [
      ["status", "status"],
      ["reason", "reason"],
    ],
  ),
  event("Transfer(address,address,uint256)", [
    ["from", "address"],
    ["to", "address"],
    ["id", "id"],
  ]),
  event("Approval(address,address,uint256)", [
    ["owner", "address"],
    ["approved", "address"],
    ["id", "id"],
  ]),
  event(
    "ApprovalForAll(address,address,bool)",
    [
      ["owner", "address"],
      ["operator", "address"],
    ],
    [["approved", "amount"]],
  ),
  event("Locked(uint256)", [], [["id", "id"]]),
  event("Unlocked(uint256)", [], [["id", "id"]]),
  event("MetadataUpdate(uint256)", [], [["id", "id"]]),
  event(
    "BatchMetadataUpdate(uint256,uint256)",
    [],
    [
      ["from", "id"],
      ["to", "amount"],
    ],
  ),
];

const tokenEvents = [
  event(
    "Transfer(address,address,uint256)",
    [
      ["from", "address"],
      ["to", "address"],
    ],
    [["amount", "money"]],
  ),
  event(
    "Approval(address,address,uint256)",
    [
      ["owner", "address"],
      ["spender", "address"],
    ],
    [["amount", "money"]],
  ),
];

const escrowEvents = [
  event(
    "Offered(uint256,uint256,address,uint256)",
    [
      ["offer", "amount"],
      ["certificate", "id"],
      ["seller", "address"],
    ],
    [["price", "money"]],
  ),
  event("Funded(uint256,address)", [
    ["offer", "amount"],
    ["buyer", "address"],
  ]),
  event("Disputed(uint256,address)", [
    ["offer", "amount"],
    ["by", "address"],
  ]),
  event("Completed(uint256)", [["offer", "amount"]]),
  event("Closed(uint256,uint8)", [["offer", "amount"]], [["status", "offer status"]]),
  event("HandedOver(uint256,uint256,address)", [
    ["offer", "amount"],
    ["certificate", "id"],
    ["to", "address"],
  ]),
];

const issuerEvents = [
  event("AuthorityAdded(address)", [["authority", "address"]]),
  event("AuthorityRemoved(address)", [["authority", "address"]]),
  event("Accredited(address,address,bytes32,bytes32[],uint64)", [
    ["issuer", "address"],
    ["authority", "address"],
    ["DID hash", "hash"],
  ]),
  event("Withdrawn(address,address)", [
    ["issuer", "address"],
    ["authority", "address"],
  ]),
];

const modelEvents = [
  event("Registered(bytes32,string,bytes32)", [["model", "hash"]]),
  event("ModelStatusChanged(bytes32,uint8)", [["model", "hash"]], [["status", "model status"]]),
];

/** The events that the page puts into words, by contract. */
export const eventsOf: Readonly<Record<string, readonly Signature[]>> = {
  PlantCertificate: certificateEvents,
  IssuerRegistry: issuerEvents,
  ModelRegistry: modelEvents,
  tUSD: tokenEvents,
  Escrow: escrowEvents,
};

const lotTuple = "(bytes32,bytes32,uint64,uint64,uint128,bytes3)";

/** The functions that the page knows by name, by contract. */
export const functionsOf: Readonly<Record<string, readonly string[]>> = {
  PlantCertificate: [
    `issue(address,${lotTuple})`,
    `split(uint256,${lotTuple}[],address)`,
    `merge(uint256[],uint128[],${lotTuple},address)`,
    `supersede(uint256,${lotTuple})`,
    "suspend(uint256,bytes32)",
    "reinstate(uint256)",
    "revoke(uint256,bytes32)",
    "retire(uint256)",
    "approve(address,uint256)",
    "setApprovalForAll(address,bool)",
    "transferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256)",
  ],
  IssuerRegistry: [
    "addAuthority(address)",
    "removeAuthority(address)",
    "accredit(address,bytes32,bytes32[],uint64)",
    "withdraw(address)",
  ],
  ModelRegistry: ["register(bytes32,string,bytes32)"],
  tUSD: [
    "transfer(address,uint256)",
    "approve(address,uint256)",
    "transferFrom(address,address,uint256)",
    "mint(address,uint256)",
  ],
  Escrow: [
    "offer(uint256,uint256,address,uint64)",
    "buy(uint256)",
    "confirm(uint256)",
    "cancel(uint256)",
    "refund(uint256)",
    "dispute(uint256)",
    "resolve(uint256,bool)",
  ],
};

const enumNames: Partial<Record<Kind, readonly string[]>> = {
  status: ["none", "active", "suspended", "revoked", "retired", "superseded"],
  "offer status": ["none", "open", "funded", "completed", "cancelled", "refunded", "disputed"],
  "model status": ["none", "proposed", "active", "retired"],
};

/** The name that the node gives to the contract at `address`. */
export function contractName(contracts: Readonly<Record<string, Hex>>, address: string | null): string | undefined {
  if (address === null) return undefined;
  return Object.entries(contracts).find(([, known]) => known.toLowerCase() === address.toLowerCase())?.[0];
}

/** The name of the function that `input` calls. */
export function functionName(contract: string | undefined, input: string): string | undefined {
  const known = functionsOf[contract ?? ""]?.find((signature) => input.startsWith(selector(signature)));
  return known?.slice(0, known.indexOf("("));
}

/** Puts a log of one of our contracts into words; nothing for events this page does not know. */
export function decodeLog(contract: string | undefined, topics: readonly string[], data: Hex): DecodedLog | undefined {
  const known = eventsOf[contract ?? ""]?.find(
    ({ signature, indexed }) => topics[0] === keccak(signature) && topics.length === indexed.length + 1,
  );
  if (known === undefined) return undefined;
  const fromTopics = known.indexed.map(([name, kind], at) => argument(name, kind, (topics[at + 1] ?? "0x0") as Hex));
  const words = decodeWords(data);
  const fromData = known.data.map(([name, kind], at) =>
    kind === "list" ? { name, kind, value: listAt(words, at) } : argument(name, kind, words[at] ?? "0x0"),
  );
  return { event: known.signature.slice(0, known.signature.indexOf("(")), arguments: [...fromTopics, ...fromData] };
}

function argument(name: string, kind: Kind, word: Hex): Argument {
  const names = enumNames[kind];
  if (names !== undefined) return { name, kind, value: names[Number(BigInt(word))] ?? BigInt(word).toString() };
  if (kind === "address") return { name, kind, value: asAddress(word) };
  if (kind === "reason") return { name, kind, value: asAscii(word) };
  if (kind === "hash") return { name, kind, value: word };
  return { name, kind, value: BigInt(word).toString() };
}

/** A dynamic array of numbers: its word holds where it begins, in bytes. */
function listAt(words: readonly Hex[], at: number): string {
  const start = Number(BigInt(words[at] ?? "0x0")) / 32;
  const length = Number(BigInt(words[start] ?? "0x0"));
  return words
    .slice(start + 1, start + 1 + length)
    .map((word) => BigInt(word).toString())
    .join(", ");
}
