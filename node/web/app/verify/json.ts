/** JSON as it comes from outside: nothing about its shape may be taken for granted. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Deepest nesting of objects and lists that is read; a certificate has six. */
export const depthMax = 16;

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member of an object, own members only: `constructor` is not a member of `{}`. */
export function member(value: Json | undefined, key: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A member that is text, else nothing. */
export function text(value: Json | undefined, key: string): string | undefined {
  const found = member(value, key);
  return typeof found === "string" ? found : undefined;
}

/** JSON-LD allows one value to stand for a list of one. */
export function list(value: Json | undefined): readonly Json[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value as Json];
}

/** Whether a value is exactly this list of texts. */
export function isList(value: Json | undefined, expected: readonly string[]): boolean {
  return Array.isArray(value) && value.length === expected.length && value.every((item, at) => item === expected[at]);
}

/** The object without one of its members. */
export function without(value: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
}

/**
 * What programs may read differently in a JSON text that parses, in words: a name that stands twice in
 * one object, a number (its digits may exceed what a program keeps), or nesting beyond `depthMax`.
 */
export function ambiguity(json: string): string | undefined {
  const names: Set<string>[] = [];
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]|-?\d[\d.eE+-]*/g;
  for (let match = token.exec(json); match !== null; match = token.exec(json)) {
    const [found] = match;
    if (found === "{" || found === "[") {
      names.push(new Set());
      if (names.length > depthMax) return `It is nested more than ${depthMax} deep.`;
    } else if (found === "}" || found === "]") {
      names.pop();
    } else if (!found.startsWith('"')) {
      return `It holds the number ${found.slice(0, 32)}; plant certificates write amounts as text.`;
    } else if (colonFollows(json, token.lastIndex)) {
      const name = JSON.parse(found) as string;
      if (names.at(-1)?.has(name)) return `The name “${name.slice(0, 64)}” stands twice in one object.`;
      names.at(-1)?.add(name);
    }
  }
  return undefined;
}

function colonFollows(json: string, from: number): boolean {
  const colon = /\s*:/y;
  colon.lastIndex = from;
  return colon.test(json);
}
