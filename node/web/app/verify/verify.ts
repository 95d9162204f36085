import type { Hex } from "../api/abi.ts";
import { blobBytes, statusListText } from "../api/node.ts";
import type { NodeInfo } from "../api/types.ts";
import type { Check } from "./check.ts";
import type { Credential } from "./credential.ts";
import { checkDocument } from "./document.ts";
import { judgeLedger, type LedgerContracts, ledgerOutOfReach, readLedger } from "./ledger.ts";
import { checkPhotos } from "./photo.ts";
import { checkStatusLists } from "./status-list.ts";

/** What verification may ask of the outside. */
export interface VerifyOptions {
  readonly node: NodeInfo;
  readonly now: Date;
  /** The certificate that the reader came for, where there is one. */
  readonly expected?: bigint;
  readonly signal: AbortSignal;
  /** Called as soon as the checks that need no network are made. */
  readonly onDocumentChecks?: (checks: readonly Check[]) => void;
}

/** Makes every check of a credential: first those that need nobody, then those that ask the node. */
export async function verifyCredential(credential: Credential, options: VerifyOptions): Promise<Check[]> {
  const document = checkDocument(credential, options.now);
  options.onDocumentChecks?.(document);
  const fetchList = (url: string) => statusListText(ownPath(url, options.node), options.signal);
  const [photos, lists, ledger] = await Promise.all([
    checkPhotos(credential, (hash) => blobBytes(hash, options.signal)),
    checkStatusLists(credential, options.now, fetchList),
    checkLedger(credential, options),
  ]);
  return [...document, ...photos, ...lists, ...ledger];
}

async function checkLedger(credential: Credential, { node, expected, signal }: VerifyOptions): Promise<Check[]> {
  const { PlantCertificate, IssuerRegistry } = node.contracts;
  if (PlantCertificate === undefined || IssuerRegistry === undefined) {
    return ledgerOutOfReach("This node does not say where its contracts are.");
  }
  const contracts: LedgerContracts = { PlantCertificate, IssuerRegistry };
  try {
    return judgeLedger(credential, await readLedger(contracts, credential.hash as Hex, signal), expected);
  } catch (error) {
    if (signal.aborted) throw error;
    return ledgerOutOfReach(`The ledger could not be asked: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * The path of a status list on the node that serves this page. The page asks no other machine: whoever
 * keeps a foreign list would learn which certificate is being read.
 */
export function ownPath(url: string, node: NodeInfo): string {
  const address = parseUrl(url);
  const own = [location.origin, parseUrl(node.publicUrl)?.origin];
  if (address === null || !own.includes(address.origin)) {
    throw new Error(
      `The list is kept at ${address?.origin ?? url}, and this page asks no other machine than its node.`,
    );
  }
  return address.pathname + address.search;
}

function parseUrl(url: string): URL | null {
  try {
    return new URL(url, location.origin);
  } catch {
    return null;
  }
}
