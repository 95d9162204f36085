import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { type Check, failed, notChecked, passed, type Question } from "./check.ts";
import type { Credential } from "./credential.ts";
import { readPlant } from "./plant.ts";

const question: Question = {
  name: "photo",
  title: "The photo is the one that was certified",
  trust: "mathematics",
  optional: true,
};

/** Fetches the bytes that a node keeps under a hash; throws with a reason in words. */
export type FetchPhoto = (hash: string) => Promise<Uint8Array>;

/** Compares the photos' bytes with the hashes in the credential; nothing to ask where it rests on none. */
export async function checkPhotos(credential: Credential, fetchPhoto: FetchPhoto): Promise<Check[]> {
  const photos = readPlant(credential.unsecured)?.photos ?? [];
  return Promise.all(
    photos.map(async ({ hash }) => {
      try {
        const found = bytesToHex(blake3(await fetchPhoto(hash)));
        return found === hash
          ? passed(question, `Its BLAKE3 hash, ${hash.slice(0, 12)}…, stands in the credential.`)
          : failed(question, "The node gave another photo than the one whose hash was signed.");
      } catch (error) {
        return notChecked(question, error instanceof Error ? error.message : "The photo could not be fetched.");
      }
    }),
  );
}
