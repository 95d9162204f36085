// Digital Bazaar's side.
import { DataIntegrityProof } from "@digitalbazaar/data-integrity";
import * as Ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import * as jcs from "@digitalbazaar/eddsa-jcs-2022-cryptosuite";
import * as rdfc from "@digitalbazaar/eddsa-rdfc-2022-cryptosuite";
import * as vc from "@digitalbazaar/vc";
import { checkStatus } from "@digitalbazaar/vc-bitstring-status-list";
import { loaderWith } from "./loader.js";

export const suites = ["eddsa-jcs-2022", "eddsa-rdfc-2022"];

const signing = { "eddsa-jcs-2022": jcs.createSignCryptosuite, "eddsa-rdfc-2022": () => rdfc.cryptosuite };
const verifying = { "eddsa-jcs-2022": jcs.createVerifyCryptosuite, "eddsa-rdfc-2022": () => rdfc.cryptosuite };

/** A key of theirs, as a did:key. */
export async function theirKey() {
  const key = await Ed25519Multikey.generate();
  key.controller = `did:key:${key.publicKeyMultibase}`;
  key.id = `${key.controller}#${key.publicKeyMultibase}`;
  return key;
}

/** Signs with their library. */
export function theyIssue(credential, key, suite, documents = {}) {
  const proof = new DataIntegrityProof({ cryptosuite: signing[suite](), signer: key.signer() });
  return vc.issue({ credential, suite: proof, documentLoader: loaderWith(documents) });
}

/**
 * Their verdict on a credential; status is looked up in `lists`. Their status
 * library reports a bit and leaves it to the caller what to make of it.
 */
export async function theirVerdict(credential, lists = []) {
  const documents = Object.fromEntries(lists.map((list) => [list.id, list]));
  const suite = suites.map((name) => new DataIntegrityProof({ cryptosuite: verifying[name]() }));
  const options = { credential, suite, documentLoader: loaderWith(documents) };
  const result = await vc.verifyCredential({ ...options, checkStatus: lists.length > 0 ? checkStatus : async () => ({ verified: true }) });
  const statuses = result.statusResult?.results ?? [];
  const status = Object.fromEntries(statuses.map((entry) => [entry.credentialStatus.statusPurpose, entry.status]));
  return { isValid: result.verified, status, error: result.error };
}
