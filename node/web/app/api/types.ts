/** The shapes of the node's REST API. Ids and amounts are decimal text: they may exceed 2^53. */

export type Status = "active" | "suspended" | "revoked" | "retired" | "superseded" | "expired";

export interface Transaction {
  readonly hash: string;
  readonly block: number;
  readonly gasUsed: string;
}

export interface StatusCause {
  readonly certificate: string;
  readonly status: Status;
  readonly reason: string;
  readonly block: number;
}

export interface Certificate {
  readonly id: string;
  readonly status: Status;
  readonly statusCause: StatusCause | null;
  readonly locked: boolean;
  readonly scientificName: string | null;
  readonly confidence: number | null;
  readonly quantity: { readonly value: string; readonly unit: string };
  readonly remainder: string;
  readonly issuer: { readonly did: string | null; readonly address: string };
  readonly owner: string;
  readonly issuedAt: string;
  readonly expiresAt: string | null;
  readonly credentialHash: string;
  readonly photo: string | null;
  readonly parents: readonly { readonly id: string; readonly quantity: string }[];
  readonly children: readonly string[];
  readonly transaction: Transaction;
  readonly page: string;
}

export interface CertificatePage {
  readonly certificates: readonly Certificate[];
  readonly next: string | null;
}

export interface LineageEdge {
  readonly parent: string;
  readonly child: string;
  readonly quantity: string;
}

export interface Lineage {
  readonly focus: string;
  readonly nodes: readonly Certificate[];
  readonly edges: readonly LineageEdge[];
  readonly truncated?: boolean;
}

export interface Species {
  readonly label: string;
  readonly scientificName: string;
  readonly confidence: number;
}

export interface Recognition {
  readonly species: readonly Species[];
  readonly unknown: boolean;
  readonly model: string;
  readonly notice: string;
}

export interface NodeInfo {
  readonly version: string;
  readonly network: string;
  readonly chainId: string;
  readonly head: { readonly number: number; readonly hash: string; readonly timestamp: string };
  readonly issuer: { readonly did: string; readonly address: string };
  readonly model: { readonly id: string; readonly name: string; readonly classes: number } | null;
  readonly contracts: Readonly<Record<string, `0x${string}`>>;
  readonly publicUrl: string;
}

/** What an issuer states about a lot beside the photo; empty fields are left out. */
export interface Details {
  readonly quantity: string;
  readonly unit: string;
  readonly scientificName?: string;
  readonly variety?: string;
  readonly batchNumber?: string;
  readonly countryOfOrigin?: string;
  readonly facility?: string;
  readonly owner?: string;
  readonly validUntil?: string;
}

/** One event of `GET /v1/events`: what happened, and where its signed event stands. */
export interface NodeEvent {
  /** Block and place in it; the stream itself is resumed by the browser with an id of its own. */
  readonly id: string;
  readonly stream: string;
  /** The operator who signed it. */
  readonly producer: string;
  readonly epoch: number;
  readonly offset: number;
  readonly type: EventType;
  readonly time: string;
  readonly block: number;
  readonly transaction: string | null;
  readonly certificate: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export const eventTypes = [
  "block",
  "certificate.issued",
  "certificate.split",
  "certificate.merged",
  "certificate.transferred",
  "certificate.status",
  "offer.opened",
  "offer.funded",
  "offer.completed",
  "offer.closed",
] as const;
export type EventType = (typeof eventTypes)[number];
