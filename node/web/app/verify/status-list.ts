import { base64urlnopad } from "@scure/base";
import { type Check, failed, notChecked, passed, type Question, verdictOf } from "./check.ts";
import { type Credential, readCredential, type StatusEntry, statusListCharactersMax } from "./credential.ts";
import { checkDocument, statusList } from "./document.ts";
import { member, text } from "./json.ts";

/** The shortest list the standard allows, so that one entry hides among many: 131,072 bits. */
const listBytesMin = 16 * 1024;
/** What a list may unpack to, 8,388,608 bits; anything larger is taken for an attempt to fill the memory. */
const listBytesMax = 1024 * 1024;

const question = (purpose: string): Question => ({
  name: purpose,
  title: `It is not on the issuer’s ${purpose} list`,
  trust: "issuer",
});

/** Fetches a status list; throws with a reason in words when that is impossible. */
export type FetchList = (url: string) => Promise<string>;

/** Looks up every status entry of a credential in the lists that its issuer signed. */
export async function checkStatusLists(credential: Credential, now: Date, fetchList: FetchList): Promise<Check[]> {
  if (credential.statusEntries.length === 0) {
    return [
      notChecked({ ...question("status"), title: "The issuer keeps a status list for it" }, "It names no status list."),
    ];
  }
  return Promise.all(credential.statusEntries.map((entry) => checkEntry(credential, entry, now, fetchList)));
}

async function checkEntry(credential: Credential, entry: StatusEntry, now: Date, fetchList: FetchList): Promise<Check> {
  const asked = question(entry.purpose);
  let listText: string;
  try {
    listText = await fetchList(entry.list);
  } catch (error) {
    return notChecked(asked, error instanceof Error ? error.message : "The list could not be fetched.");
  }
  try {
    const set = await isSet(readList(listText, credential, entry, now), entry.index);
    return set
      ? failed(asked, `Entry ${entry.index} of the list, signed by the issuer, is set.`)
      : passed(asked, `Entry ${entry.index} of the list, signed by the issuer, is clear.`);
  } catch (error) {
    return failed(asked, error instanceof Error ? error.message : "The list is not readable.");
  }
}

/** The encoded bits of a list, once the list itself has been verified. */
function readList(listText: string, credential: Credential, entry: StatusEntry, now: Date): string {
  const listCredential = readCredential(listText, statusListCharactersMax);
  if (listCredential.issuer !== credential.issuer) throw new Error("The list was issued by someone else.");
  const checks = checkDocument(listCredential, now, statusList);
  if (verdictOf(checks) !== "valid") {
    const worst =
      checks.find((check) => check.outcome === "failed") ?? checks.find((check) => check.outcome !== "passed");
    throw new Error(`The list itself does not verify. ${worst?.detail ?? ""}`);
  }
  const subject = member(listCredential.unsecured, "credentialSubject");
  if (text(subject, "type") !== "BitstringStatusList") throw new Error("The document is not a status list.");
  if (text(subject, "statusPurpose") !== entry.purpose) throw new Error("The list serves another purpose.");
  const encoded = text(subject, "encodedList");
  if (encoded === undefined) throw new Error("The list is empty.");
  return encoded;
}

/**
 * The bit at `index`, counted from the left, of a gzipped list in multibase base64url.
 * Source: W3C Bitstring Status List v1.0, sections 3.2 and 3.4.
 */
export async function isSet(encodedList: string, index: number): Promise<boolean> {
  if (!encodedList.startsWith("u")) throw new Error("The list is not in base64url.");
  const bits = await gunzip(base64urlnopad.decode(encodedList.slice(1)));
  if (bits.length < listBytesMin)
    throw new Error(`The list has ${bits.length * 8} entries; the standard asks for at least ${listBytesMin * 8}.`);
  const byte = bits[index >> 3];
  if (byte === undefined) throw new Error(`The list ends before entry ${index}.`);
  return (byte & (0x80 >> (index & 7))) !== 0;
}

async function gunzip(compressed: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(compressed)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  const bytes = new Uint8Array(listBytesMax);
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, length);
    if (length + value.length > listBytesMax) {
      await reader.cancel();
      throw new Error(`The list unpacks to more than ${listBytesMax} bytes.`);
    }
    bytes.set(value, length);
    length += value.length;
  }
}
