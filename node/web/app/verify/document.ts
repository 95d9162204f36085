import { type Check, failed, notChecked, passed, type Question } from "./check.ts";
import type { Credential } from "./credential.ts";
import { controllerOf } from "./did-key.ts";
import { verifyEddsaJcs } from "./eddsa-jcs.ts";
import { type JsonObject, list, member, text } from "./json.ts";

/** Clocks differ: a document from this far in the future still counts as made now. */
export const clockSkewMs = 5 * 60 * 1000;

const credentialsContext = "https://www.w3.org/ns/credentials/v2";
const cryptosuite = "eddsa-jcs-2022";

const questions = {
  form: { name: "form", title: "It is a verifiable credential", trust: "mathematics" },
  signature: { name: "signature", title: "The signature fits every word", trust: "mathematics" },
  controller: { name: "controller", title: "The issuer signed it, nobody else", trust: "mathematics" },
  purpose: { name: "purpose", title: "It was signed as a statement", trust: "mathematics" },
  dates: { name: "dates", title: "It is in force today", trust: "mathematics" },
} as const satisfies Record<string, Question>;

/**
 * Everything that can be said of a credential from the document alone, without any network: whoever
 * runs this needs to trust only mathematics, their device and its clock.
 */
export function checkDocument(credential: Credential, now: Date): Check[] {
  return [
    checkForm(credential),
    checkSignature(credential),
    checkController(credential),
    checkPurpose(credential),
    checkDates(credential, now),
  ];
}

function checkForm({ document, proofs }: Credential): Check {
  const contexts = list(member(document, "@context"));
  if (contexts[0] !== credentialsContext) {
    return failed(
      questions.form,
      "Its first context is not W3C Verifiable Credentials 2.0, so its words have no agreed meaning.",
    );
  }
  // The cryptosuite lets contexts be appended after signing; they would change what words mean.
  const unsigned = proofs.some((proof) => {
    const signed = member(proof, "@context");
    return signed !== undefined && list(signed).length !== contexts.length;
  });
  if (unsigned) return failed(questions.form, "A context was added after signing; it can change what the words mean.");
  if (member(document, "credentialSubject") === undefined)
    return failed(questions.form, "It says nothing: there is no subject.");
  return passed(questions.form, "W3C Verifiable Credentials 2.0, every context signed.");
}

function checkSignature({ unsecured, proofs }: Credential): Check {
  if (proofs.length === 0) return failed(questions.signature, "It carries no proof, so anyone may have written it.");
  const known = proofs.filter(isKnown);
  if (known.length === 0) {
    const suite = text(proofs[0], "cryptosuite") ?? text(proofs[0], "type") ?? "unnamed";
    return notChecked(questions.signature, `This page verifies ${cryptosuite}; the proof is of the kind ${suite}.`);
  }
  for (const proof of known) {
    const result = verifyEddsaJcs(unsecured, proof);
    if (!result.valid) return failed(questions.signature, result.reason);
  }
  return passed(
    questions.signature,
    `Ed25519 over the canonical form of the document (${cryptosuite}), computed on this device.`,
  );
}

function isKnown(proof: JsonObject): boolean {
  return text(proof, "type") === "DataIntegrityProof" && text(proof, "cryptosuite") === cryptosuite;
}

function checkController({ issuer, proofs }: Credential): Check {
  const controllers = proofs.map((proof) => controllerOf(text(proof, "verificationMethod") ?? "")?.did);
  if (controllers.length === 0)
    return failed(questions.controller, "There is no proof, so no key to compare with the issuer.");
  const stranger = controllers.find((did) => did !== issuer);
  if (controllers.includes(undefined)) return failed(questions.controller, "The proof does not say which key signed.");
  if (stranger === undefined) return passed(questions.controller, `The signing key belongs to ${issuer}.`);
  if (!issuer.startsWith("did:key:")) {
    return notChecked(questions.controller, `This page can look up keys of did:key only, and the issuer is ${issuer}.`);
  }
  return failed(questions.controller, `It names ${issuer} as issuer, but ${stranger} signed it.`);
}

function checkPurpose({ proofs }: Credential): Check {
  for (const proof of proofs) {
    const purpose = text(proof, "proofPurpose") ?? "none";
    if (purpose !== "assertionMethod") {
      return failed(questions.purpose, `The signature was made for “${purpose}”, not to assert something.`);
    }
    const domain = member(proof, "domain") ?? member(proof, "challenge");
    if (domain !== undefined)
      return failed(questions.purpose, "The signature was made for one recipient, not for publication.");
  }
  if (proofs.length === 0) return failed(questions.purpose, "There is no proof.");
  return passed(questions.purpose, "The proof's purpose is assertionMethod.");
}

function checkDates({ document, proofs }: Credential, now: Date): Check {
  const moments: [JsonObject, string, "begins" | "ends"][] = [
    [document, "validFrom", "begins"],
    [document, "validUntil", "ends"],
    ...proofs.flatMap((proof): [JsonObject, string, "begins" | "ends"][] => [
      [proof, "created", "begins"],
      [proof, "expires", "ends"],
    ]),
  ];
  for (const [holder, name, kind] of moments) {
    const value = member(holder, name);
    if (value === undefined) continue;
    const moment = typeof value === "string" ? parseMoment(value) : undefined;
    if (moment === undefined) return failed(questions.dates, `“${name}” is not a date with a time zone.`);
    if (kind === "begins" && moment > now.getTime() + clockSkewMs) {
      return failed(questions.dates, `“${name}” lies in the future: ${String(value)}.`);
    }
    if (kind === "ends" && moment <= now.getTime())
      return failed(questions.dates, `It has expired: “${name}” was ${String(value)}.`);
  }
  const end = text(document, "validUntil");
  return passed(
    questions.dates,
    end === undefined ? "It has begun and has no end date." : `It has begun and ends ${end}.`,
  );
}

/** Milliseconds since 1970 of an XML Schema `dateTimeStamp`, which always names its time zone. */
export function parseMoment(value: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value)) return undefined;
  const milliseconds = Date.parse(value);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}
