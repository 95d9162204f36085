import { type Child, h, row } from "../dom.ts";
import { country, date, number, percent, quantity } from "../text.ts";
import type { JsonObject } from "../verify/json.ts";
import { type PhotoStatement, type PlantStatement, readPlant } from "../verify/plant.ts";
import { hash } from "./hash.ts";

/** Darwin Core's word for who named a plant, in plain ones. */
const identifications: Readonly<Record<string, string>> = {
  "estimated-from-photo": "estimated from a photo",
  "declared-by-issuer": "declared by the issuer",
};

/** What the issuer signed: first in words, then as it is written. */
export function credentialView(document: JsonObject): HTMLElement {
  const plant = readPlant(document);
  const raw = h("pre", { class: "raw", tabindex: 0 }, JSON.stringify(document, null, 2));
  return h(
    "div",
    { class: "signed" },
    plant === undefined ? h("p", {}, "It is not a plant certificate.") : statements(plant),
    h("details", {}, h("summary", {}, "The whole document"), raw),
  );
}

function statements(plant: PlantStatement): HTMLElement {
  const identified = identifications[plant.identification ?? ""] ?? plant.identification;
  return h(
    "dl",
    { class: "facts" },
    row("Species", h("i", {}, plant.scientificName), identified !== undefined && `, ${identified}`),
    row("Variety", plant.variety),
    row("Rank", plant.taxonRank),
    row("EPPO code", plant.eppoCode),
    row("Quantity", quantity(plant.quantity.value, plant.quantity.unit)),
    row("Batch number", plant.batchNumber),
    row("Grown in", plant.country !== undefined && country(plant.country)),
    row("Nursery", plant.facility),
    row("Issuer", plant.issuerName),
    row("Valid from", plant.validFrom !== undefined && date(plant.validFrom)),
    row("Valid until", plant.validUntil === undefined ? "No end" : date(plant.validUntil)),
    plant.photos.map((photo) => row("Photo", ...photoWords(photo))),
    plant.parents.map((parent) =>
      row("Made of", `${number(parent.quantity)} out of the lot with the credential `, hash(parent.credentialHash)),
    ),
    row("Legal status", plant.notice),
  );
}

function photoWords({ hash: photo, model, scientificName, confidence }: PhotoStatement): Child[] {
  const seen =
    scientificName === undefined || confidence === undefined
      ? []
      : [
          "The model ",
          model === undefined ? "" : hash(model),
          " saw ",
          h("i", {}, scientificName),
          `, ${percent(Number(confidence))} sure. `,
        ];
  return [...seen, "BLAKE3 ", hash(photo)];
}
