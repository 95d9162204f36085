import { type Json, type JsonObject, list, member, text } from "./json.ts";

/** What a plant certificate states, in the names of `identity/contexts/plant-v1.jsonld`. */
export interface PlantStatement {
  readonly scientificName: string;
  readonly quantity: { readonly value: string; readonly unit: string };
  readonly identification: string | undefined;
  readonly taxonRank: string | undefined;
  readonly variety: string | undefined;
  readonly eppoCode: string | undefined;
  readonly batchNumber: string | undefined;
  readonly country: string | undefined;
  readonly facility: string | undefined;
  readonly issuerName: string | undefined;
  readonly validFrom: string | undefined;
  readonly validUntil: string | undefined;
  readonly notice: string | undefined;
  readonly photos: readonly PhotoStatement[];
  readonly parents: readonly { readonly quantity: string; readonly credentialHash: string }[];
}

/** A photo that a certificate rests on, and what a model saw in it. */
export interface PhotoStatement {
  /** BLAKE3 of the photo, 64 hexadecimal digits. */
  readonly hash: string;
  readonly model: string | undefined;
  readonly scientificName: string | undefined;
  /** 0 to 1, as decimal text. */
  readonly confidence: string | undefined;
}

/** Reads the statements; nothing where the document is no plant certificate. */
export function readPlant(document: JsonObject): PlantStatement | undefined {
  const subject = member(document, "credentialSubject");
  const [plant, product] = [member(subject, "plant"), member(subject, "product")];
  const scientificName = text(plant, "scientificName");
  const amount = member(plant, "quantity");
  const [value, unit] = [text(amount, "value"), text(amount, "unit")];
  if (scientificName === undefined || value === undefined || unit === undefined) return undefined;
  if (!/^[1-9]\d{0,38}$/.test(value)) return undefined;
  return {
    scientificName,
    quantity: { value, unit },
    identification: text(plant, "identificationVerificationStatus"),
    taxonRank: text(plant, "taxonRank"),
    variety: text(plant, "cultivarEpithet"),
    eppoCode: text(plant, "eppoCode"),
    batchNumber: text(product, "batchNumber"),
    country: text(product, "countryOfProduction"),
    facility: text(member(product, "producedAtFacility"), "name"),
    issuerName: text(member(document, "issuer"), "name"),
    validFrom: text(document, "validFrom"),
    validUntil: text(document, "validUntil"),
    notice: text(document, "description"),
    photos: list(member(document, "evidence")).flatMap(photoFrom),
    parents: list(member(plant, "parents")).flatMap((parent) => {
      const [quantity, credentialHash] = [text(parent, "parentQuantity"), text(parent, "credentialHash")];
      return quantity === undefined || credentialHash === undefined ? [] : [{ quantity, credentialHash }];
    }),
  };
}

function photoFrom(evidence: Json): PhotoStatement[] {
  const hash = text(evidence, "photoBlake3");
  if (hash === undefined || !/^[0-9a-f]{64}$/.test(hash)) return [];
  return [
    {
      hash,
      model: text(evidence, "modelBlake3"),
      scientificName: text(evidence, "scientificName"),
      confidence: text(evidence, "confidence"),
    },
  ];
}
