import { bytesToHex } from "@noble/hashes/utils.js";
import { canonicalHash } from "./eddsa-jcs.ts";
import { ambiguity, isObject, type Json, type JsonObject, list, member, text, without } from "./json.ts";

/** A certificate longer than this is refused unread: ours have some 3,000 characters. */
export const certificateCharactersMax = 64 * 1024;
/** The same for status lists, whose bits take most of the room. */
export const statusListCharactersMax = 2 * 1024 * 1024;
/** How many proofs one credential may carry. */
export const proofsMax = 8;

/** One entry of `credentialStatus` (W3C Bitstring Status List v1.0). */
export interface StatusEntry {
  readonly purpose: string;
  readonly index: number;
  readonly list: string;
}

/** A credential that has the outer shape of one. Nothing in it has been verified yet. */
export interface Credential {
  /** What the issuer signed: the document without its proof. */
  readonly unsecured: JsonObject;
  readonly issuer: string;
  readonly proofs: readonly JsonObject[];
  readonly statusEntries: readonly StatusEntry[];
  /** What the ledger knows this credential by: 0x and 64 hexadecimal digits. */
  readonly hash: string;
}

/** Why a text is not a credential, in words for the person who offered it. */
export class NotACredential extends Error {}

/** Reads a credential from JSON text that every program reads alike. */
export function readCredential(json: string, charactersMax = certificateCharactersMax): Credential {
  if (json.length > charactersMax) {
    throw new NotACredential(`It is ${json.length} characters long; at most ${charactersMax} are read.`);
  }
  let value: Json;
  try {
    value = JSON.parse(json) as Json;
  } catch {
    throw new NotACredential("This is not JSON. A credential is a text that begins with a curly brace.");
  }
  const doubt = ambiguity(json);
  if (doubt !== undefined) throw new NotACredential(doubt);
  if (!isObject(value)) throw new NotACredential("This is JSON, but not an object, so it is no credential.");
  return credentialFrom(value);
}

function credentialFrom(document: JsonObject): Credential {
  if (!list(member(document, "type")).includes("VerifiableCredential")) {
    throw new NotACredential("This JSON is not a verifiable credential: its type does not say so.");
  }
  const issuerMember = member(document, "issuer");
  const issuer = typeof issuerMember === "string" ? issuerMember : text(issuerMember, "id");
  if (issuer === undefined) throw new NotACredential("The credential names no issuer.");
  const proofs = list(member(document, "proof"));
  if (!proofs.every(isObject)) throw new NotACredential("A proof of the credential is not an object.");
  if (proofs.length > proofsMax) throw new NotACredential(`The credential has more than ${proofsMax} proofs.`);
  const unsecured = without(document, "proof");
  let hash: string;
  try {
    hash = `0x${bytesToHex(canonicalHash(unsecured))}`;
  } catch {
    throw new NotACredential("The credential contains text that has no canonical form (RFC 8785).");
  }
  return { unsecured, issuer, proofs, statusEntries: statusEntries(document), hash };
}

function statusEntries(document: JsonObject): StatusEntry[] {
  return list(member(document, "credentialStatus")).flatMap((entry) => {
    const [purpose, index] = [text(entry, "statusPurpose"), text(entry, "statusListIndex")];
    const listUrl = text(entry, "statusListCredential");
    const known = text(entry, "type") === "BitstringStatusListEntry" && /^(0|[1-9]\d{0,14})$/.test(index ?? "");
    return known && purpose !== undefined && listUrl !== undefined
      ? [{ purpose, index: Number(index), list: listUrl }]
      : [];
  });
}
