import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../app/verify/json.ts";
import { checkStatusLists, isSet } from "../app/verify/status-list.ts";
import { credentialBody, forger, grower, now, read, type Signer, signed } from "./sign.ts";

const listUrl = "https://node.example/v1/status-lists/suspension";

const encode = (bits: Uint8Array) => `u${gzipSync(bits).toString("base64url")}`;

/** A list of 131,072 entries with one bit set. */
function listWith(index: number): string {
  const bits = new Uint8Array(16 * 1024);
  bits[index >> 3] = 0x80 >> (index & 7);
  return encode(bits);
}

function listCredential(encodedList: string, by: Signer = grower, members: Record<string, Json> = {}): JsonObject {
  const subject = { id: `${listUrl}#list`, type: "BitstringStatusList", statusPurpose: "suspension", encodedList };
  return signed(
    credentialBody({
      "@context": ["https://www.w3.org/ns/credentials/v2"],
      type: ["VerifiableCredential", "BitstringStatusListCredential"],
      issuer: by.did,
      credentialSubject: subject,
      ...members,
    }),
    by,
  );
}

/** The outcome of looking up entry 94 in the list that is answered. */
async function lookUp(
  answer: () => JsonObject | string,
): Promise<{ outcome: string | undefined; detail: string | undefined }> {
  const entry = {
    type: "BitstringStatusListEntry",
    statusPurpose: "suspension",
    statusListIndex: "94",
    statusListCredential: listUrl,
  };
  const credential = read(signed(credentialBody({ credentialStatus: entry }), grower));
  const [check] = await checkStatusLists(credential, now, async (url) => {
    expect(url).toBe(listUrl);
    const found = answer();
    return typeof found === "string" ? found : JSON.stringify(found);
  });
  return { outcome: check?.outcome, detail: check?.detail };
}

describe("a status list", () => {
  test("reads the example of the standard: every entry clear", async () => {
    // W3C Bitstring Status List v1.0, example 2.
    const example = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA";
    expect(await isSet(example, 0)).toBe(false);
    expect(await isSet(example, 94567)).toBe(false);
    await expect(isSet(example, 131_072)).rejects.toThrow("ends before");
  });

  test.each([0, 1, 7, 8, 94, 131_071])("finds exactly entry %i, counted from the left", async (index) => {
    expect(await isSet(listWith(index), index)).toBe(true);
    expect(await isSet(listWith(index), index === 0 ? 1 : index - 1)).toBe(false);
  });

  test("clears a credential whose entry is clear", async () => {
    expect((await lookUp(() => listCredential(listWith(95)))).outcome).toBe("passed");
  });

  test("fails a credential whose entry is set", async () => {
    expect((await lookUp(() => listCredential(listWith(94)))).outcome).toBe("failed");
  });

  test("is refused when someone else issued it", async () => {
    expect(await lookUp(() => listCredential(listWith(95), forger))).toMatchObject({
      outcome: "failed",
      detail: /someone else/,
    });
  });

  test("is refused when its bits were changed", async () => {
    const list = listCredential(listWith(94));
    const subject = list.credentialSubject as JsonObject;
    const changed = { ...list, credentialSubject: { ...subject, encodedList: listWith(95) } };
    expect(await lookUp(() => changed)).toMatchObject({ outcome: "failed", detail: /does not verify/ });
  });

  test("is refused when it has expired", async () => {
    expect(
      await lookUp(() => listCredential(listWith(95), grower, { validUntil: "2026-05-02T00:00:00Z" })),
    ).toMatchObject({
      outcome: "failed",
      detail: /expired/,
    });
  });

  test("is refused when it is shorter than the standard allows", async () => {
    expect(await lookUp(() => listCredential(encode(new Uint8Array(1024))))).toMatchObject({
      outcome: "failed",
      detail: /asks for at least/,
    });
  });

  test("is refused when it unpacks to far more than a list can be", async () => {
    expect(await lookUp(() => listCredential(encode(new Uint8Array(64 * 1024 * 1024))))).toMatchObject({
      outcome: "failed",
      detail: /unpacks to more/,
    });
  });

  test("is refused when it is a certificate instead of a list", async () => {
    expect((await lookUp(() => signed(credentialBody(), grower))).outcome).toBe("failed");
  });

  test("is refused when it serves another purpose", async () => {
    const subject = { type: "BitstringStatusList", statusPurpose: "revocation", encodedList: listWith(95) };
    const list = listCredential(listWith(95), grower, { credentialSubject: subject });
    expect(await lookUp(() => list)).toMatchObject({ outcome: "failed", detail: /another purpose/ });
  });

  test("is refused when it is not a list at all", async () => {
    expect((await lookUp(() => "<html>")).outcome).toBe("failed");
    expect((await lookUp(() => listCredential("not multibase"))).outcome).toBe("failed");
    expect((await lookUp(() => listCredential("u@@@"))).outcome).toBe("failed");
    expect((await lookUp(() => listCredential("uAAAA"))).outcome).toBe("failed");
  });

  test("leaves the question open when it cannot be had", async () => {
    const found = await lookUp(() => {
      throw new Error("The list is kept elsewhere.");
    });
    expect(found).toEqual({ outcome: "not-checked", detail: "The list is kept elsewhere." });
  });

  test("leaves the question open when the credential names none", async () => {
    const credential = read(signed(credentialBody(), grower));
    const [check] = await checkStatusLists(credential, now, () => Promise.reject(new Error("never asked")));
    expect(check?.outcome).toBe("not-checked");
  });
});
