import { type Check, failed, notChecked, passed, type Question } from "./check.ts";
import type { Credential } from "./credential.ts";
import { controllerOf } from "./did-key.ts";
import { verifyEddsaJcs } from "./eddsa-jcs.ts";
import { isList, type JsonObject, member, text } from "./json.ts";
import { readPlant } from "./plant.ts";

/** Clocks differ: what is dated this little into the future counts as made now. */
export const clockSkewMs = 60 * 1000;

const credentialsContext = "https://www.w3.org/ns/credentials/v2";
const cryptosuite = "eddsa-jcs-2022";

/** A kind of credential: its contexts and types, exactly. One more could change what the rest means. */
export interface Profile {
  readonly name: string;
  readonly contexts: readonly string[];
  readonly types: readonly string[];
}

export const plantCertificate: Profile = {
  name: "plant certificate",
  contexts: [credentialsContext, "urn:phytomer:context:plant:v1"],
  types: ["VerifiableCredential", "DigitalProductPassport", "PlantCertificate"],
};

export const statusList: Profile = {
  name: "status list",
  contexts: [credentialsContext],
  types: ["VerifiableCredential", "BitstringStatusListCredential"],
};

const questions = {
  form: { name: "form", title: "It is a plant certificate", trust: "mathematics" },
  signature: { name: "signature", title: "Nothing was changed after signing", trust: "mathematics" },
  controller: { name: "controller", title: "The signing key is the issuer’s", trust: "mathematics" },
  purpose: { name: "proof-purpose", title: "It was signed as a public statement", trust: "mathematics" },
  dates: { name: "dates", title: "It is in force today", trust: "mathematics" },
} as const satisfies Record<string, Question>;

/**
 * Everything that can be said of a credential from the document alone, without any network: whoever
 * runs this needs to trust only mathematics, their device and its clock.
 */
export function checkDocument(credential: Credential, now: Date, profile = plantCertificate): Check[] {
  return [
    checkForm(credential, profile),
    checkSignature(credential),
    checkController(credential),
    checkPurpose(credential),
    checkDates(credential, now),
  ];
}

function checkForm({ unsecured, proofs }: Credential, profile: Profile): Check {
  if (!isList(member(unsecured, "@context"), profile.contexts)) {
    return failed(
      questions.form,
      `Its contexts are not exactly those of a ${profile.name}: ${profile.contexts.join(", ")}.`,
    );
  }
  if (!isList(member(unsecured, "type"), profile.types)) {
    return failed(questions.form, `Its types are not exactly those of a ${profile.name}: ${profile.types.join(", ")}.`);
  }
  // The cryptosuite lets contexts be appended after signing; they would change what words mean.
  const repeated = proofs.map((proof) => member(proof, "@context")).filter((context) => context !== undefined);
  if (!repeated.every((context) => isList(context, profile.contexts))) {
    return failed(questions.form, "Its proof was made for other contexts.");
  }
  if (profile === plantCertificate && readPlant(unsecured) === undefined) {
    return failed(questions.form, "It does not say which plants there are, and how many.");
  }
  return passed(
    questions.form,
    `A W3C verifiable credential (2.0) with exactly the contexts and types of a ${profile.name}.`,
  );
}

function checkSignature({ unsecured, proofs }: Credential): Check {
  if (proofs.length === 0) return failed(questions.signature, "It carries no proof, so anyone may have written it.");
  const stranger = proofs.find((proof) => !isKnown(proof));
  for (const proof of proofs.filter(isKnown)) {
    const result = verifyEddsaJcs(unsecured, proof);
    if (!result.valid) return failed(questions.signature, result.reason);
  }
  if (stranger !== undefined) {
    const suite = text(stranger, "cryptosuite") ?? text(stranger, "type") ?? "unnamed";
    return notChecked(questions.signature, `This page verifies ${cryptosuite}; there is a proof of the kind ${suite}.`);
  }
  return passed(questions.signature, `The Ed25519 signature fits every word of the document (${cryptosuite}).`);
}

function isKnown(proof: JsonObject): boolean {
  return (
    text(proof, "type") === "DataIntegrityProof" &&
    text(proof, "cryptosuite") === cryptosuite &&
    // A proof that builds on another signs that one too.
    member(proof, "previousProof") === undefined
  );
}

function checkController({ issuer, proofs }: Credential): Check {
  if (proofs.length === 0)
    return failed(questions.controller, "There is no proof, so no key to compare with the issuer.");
  for (const proof of proofs) {
    const controller = controllerOf(text(proof, "verificationMethod") ?? "")?.did;
    if (controller === undefined) return failed(questions.controller, "The proof does not say which key signed.");
    if (controller !== issuer) {
      return failed(questions.controller, `It names ${issuer} as its issuer, but the key is that of ${controller}.`);
    }
  }
  return passed(questions.controller, `The key is spelled out in the issuer’s own name, ${issuer}.`);
}

function checkPurpose({ proofs }: Credential): Check {
  if (proofs.length === 0) return failed(questions.purpose, "There is no proof.");
  for (const proof of proofs) {
    const purpose = text(proof, "proofPurpose") ?? "nothing";
    if (purpose !== "assertionMethod") {
      return failed(questions.purpose, `The signature was made for “${purpose}”, not to assert something.`);
    }
    const bound = member(proof, "domain") ?? member(proof, "challenge");
    if (bound !== undefined)
      return failed(questions.purpose, "The signature was made for one recipient, not for the public.");
  }
  return passed(questions.purpose, "The signature asserts what the document says, to everyone.");
}

/** A date, where it stands, and whether it opens or closes a term. */
type Bound = readonly [holder: JsonObject, name: string, kind: "opens" | "closes"];

function checkDates({ unsecured, proofs }: Credential, now: Date): Check {
  const bounds: Bound[] = [
    [unsecured, "validFrom", "opens"],
    [unsecured, "validUntil", "closes"],
  ];
  for (const proof of proofs) bounds.push([proof, "created", "opens"], [proof, "expires", "closes"]);
  for (const [holder, name, kind] of bounds) {
    const value = member(holder, name);
    if (value === undefined) continue;
    const moment = typeof value === "string" ? parseMoment(value) : undefined;
    if (moment === undefined) return failed(questions.dates, `“${name}” is not a date and time with an offset.`);
    if (kind === "opens" && moment > now.getTime() + clockSkewMs) {
      return failed(questions.dates, `“${name}” lies in the future: ${String(value)}.`);
    }
    if (kind === "closes" && moment <= now.getTime()) {
      return failed(questions.dates, `It has expired: “${name}” was ${String(value)}.`);
    }
  }
  const end = text(unsecured, "validUntil");
  return passed(
    questions.dates,
    end === undefined ? "It has begun and has no end." : `It has begun and holds until ${end}.`,
  );
}

/** Milliseconds since 1970 of an XML Schema `dateTimeStamp`, which always names its offset. */
export function parseMoment(value: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value)) return undefined;
  const milliseconds = Date.parse(value);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}
