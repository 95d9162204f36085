import { operatorToken } from "./token.ts";
import type { Certificate, CertificatePage, Details, Lineage, NodeInfo, Recognition } from "./types.ts";

/** An error as the node tells it (RFC 9457), or one that kept the node from answering at all. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** What the reader can do. */
    readonly remedy: string,
  ) {
    super(detail || title);
  }
}

/** Turns whatever was thrown into something that can be shown. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem(0, "Something went wrong", detail, "Reload the page and try again.");
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(
      0,
      "The node does not answer",
      "The connection to the node is broken.",
      "Check that the node is running, then reload.",
    );
  }
  if (response.ok) return response;
  throw await problemFrom(response);
}

async function problemFrom(response: Response): Promise<Problem> {
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
  const body = isProblem ? ((await response.json().catch(() => ({}))) as Record<string, unknown>) : {};
  const text = (key: string) => (typeof body[key] === "string" ? body[key] : "");
  return new Problem(
    response.status,
    text("title") || `The node answered ${response.status}`,
    text("detail"),
    text("remedy"),
  );
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, { signal: signal ?? null });
  return (await response.json()) as T;
}

/** The id stands in a path, so whatever the address bar held is escaped. */
const certificatePath = (id: string) => `/v1/certificates/${encodeURIComponent(id)}`;

export const nodeInfo = (signal?: AbortSignal) => get<NodeInfo>("/v1/node", signal);
export const certificate = (id: string, signal?: AbortSignal) => get<Certificate>(certificatePath(id), signal);
export const lineage = (id: string, signal?: AbortSignal) => get<Lineage>(`${certificatePath(id)}/lineage`, signal);
export const credentialPath = (id: string) => `${certificatePath(id)}/credential`;

/** A page of certificates, newest first; `before` is what the last page gave as `next`. */
export function certificates(limit: number, before?: string, signal?: AbortSignal): Promise<CertificatePage> {
  const query = new URLSearchParams({ limit: String(limit), ...(before === undefined ? {} : { before }) });
  return get<CertificatePage>(`/v1/certificates?${query}`, signal);
}

/** The signed credential as the exact text that the node holds. */
export async function credentialText(id: string, signal?: AbortSignal): Promise<string> {
  const response = await request(credentialPath(id), { signal: signal ?? null });
  return response.text();
}

/** A status list of this node, by the path of its address. */
export async function statusListText(path: string, signal?: AbortSignal): Promise<string> {
  const response = await request(path, { signal: signal ?? null });
  return response.text();
}

/** The bytes that the node keeps under a BLAKE3 hash. */
export async function blobBytes(hash: string, signal?: AbortSignal): Promise<Uint8Array> {
  const response = await request(`/v1/blobs/${hash}`, { signal: signal ?? null });
  return new Uint8Array(await response.arrayBuffer());
}

/** Asks for the species in a photo. Changes nothing on the node. */
export async function recognise(photo: Blob, signal?: AbortSignal): Promise<Recognition> {
  const headers = { "content-type": photo.type || "application/octet-stream" };
  const response = await request("/v1/recognitions", { method: "POST", body: photo, headers, signal: signal ?? null });
  return (await response.json()) as Recognition;
}

/**
 * Issues a certificate. The same `idempotencyKey` never issues twice, so a broken connection may be
 * followed by another attempt.
 */
export async function issue(photo: File, details: Details, idempotencyKey: string): Promise<Certificate> {
  const form = new FormData();
  form.set("photo", photo, photo.name);
  form.set("details", JSON.stringify(details));
  const response = await request("/v1/certificates", {
    method: "POST",
    body: form,
    headers: { authorization: `Bearer ${operatorToken() ?? ""}`, "idempotency-key": idempotencyKey },
  });
  return (await response.json()) as Certificate;
}
