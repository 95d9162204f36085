import { hashes, verify } from "@noble/ed25519";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { base58 } from "@scure/base";
import canonicalize from "canonicalize";
import { controllerOf, publicKeyOf } from "./did-key.ts";
import { type Json, type JsonObject, list, member, text, without } from "./json.ts";

// The browser's own WebCrypto exists only on secure origins, and a page opened from a phone over
// plain HTTP is not one. The arithmetic is therefore done here, the same on every device.
hashes.sha512 = sha512;

const signatureBytes = 64;
/** 64 bytes need at most 88 characters of base58, and the multibase prefix. */
const proofValueCharactersMax = 100;

/** Whether a signature holds, or why it does not. */
export type SignatureResult = { readonly valid: true } | { readonly valid: false; readonly reason: string };

const invalid = (reason: string): SignatureResult => ({ valid: false, reason });

/** SHA-256 of the canonical form (RFC 8785) of `value`. */
export function canonicalHash(value: Json): Uint8Array {
  const canonical = canonicalize(value);
  if (canonical === undefined) throw new TypeError("only JSON has a canonical form");
  return sha256(new TextEncoder().encode(canonical));
}

/**
 * Verifies one `eddsa-jcs-2022` proof over `document`, which must no longer carry its `proof`.
 * Says nothing about who the key belongs to: see the controller check.
 * Source: W3C Data Integrity EdDSA Cryptosuites v1.0, section 3.3.2.
 */
export function verifyEddsaJcs(document: JsonObject, proof: JsonObject): SignatureResult {
  const proofValue = text(proof, "proofValue");
  if (proofValue === undefined || proofValue.length > proofValueCharactersMax || !proofValue.startsWith("z")) {
    return invalid("The proof has no readable signature value.");
  }
  const method = controllerOf(text(proof, "verificationMethod") ?? "");
  const key = method === undefined ? undefined : publicKeyOf(method.did);
  if (method === undefined || key === undefined) return invalid("The proof names no Ed25519 did:key.");
  if (method.did !== `did:key:${method.fragment}`) return invalid("The proof names a key that its DID does not have.");

  const options = without(proof, "proofValue");
  const context = member(options, "@context");
  if (context !== undefined && !startsWith(list(member(document, "@context")), list(context))) {
    return invalid("The document was given another context than the one that was signed.");
  }
  const signed = context === undefined ? document : { ...document, "@context": context };
  try {
    const signature = base58.decode(proofValue.slice(1));
    if (signature.length !== signatureBytes) return invalid("The signature has the wrong length.");
    const message = new Uint8Array([...canonicalHash(options), ...canonicalHash(signed)]);
    // `zip215: false` is the strict reading of RFC 8032: it refuses keys of small order,
    // under which one signature would fit many documents.
    if (verify(signature, message, key, { zip215: false })) return { valid: true };
  } catch {
    return invalid("The signature or the key is malformed.");
  }
  return invalid("The signature does not fit the document: something was changed after signing.");
}

function startsWith(whole: readonly Json[], start: readonly Json[]): boolean {
  return start.every((value, index) => {
    const other = whole[index];
    return other !== undefined && canonicalize(other) === canonicalize(value);
  });
}
