import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** 0x and hexadecimal digits. */
export type Hex = `0x${string}`;

/** Digits of one ABI word of 32 bytes. */
const wordDigits = 64;

/** Keccak-256 of a text, as the contracts use it for DIDs and species names. */
export function keccak(text: string): Hex {
  return `0x${bytesToHex(keccak_256(utf8ToBytes(text)))}`;
}

/** The first four bytes of a function signature's hash. */
export function selector(signature: string): Hex {
  return keccak(signature).slice(0, 10) as Hex;
}

/**
 * A contract call whose arguments are all static words: numbers, addresses and hashes. The page
 * needs no others, and a full ABI library would weigh more than the page.
 * Source: Solidity ABI specification, "Formal Specification of the Encoding".
 */
export function encodeCall(signature: string, words: readonly (bigint | Hex)[]): Hex {
  return `${selector(signature)}${words.map(word).join("")}` as Hex;
}

function word(value: bigint | Hex): string {
  const digits = typeof value === "bigint" ? value.toString(16) : value.slice(2);
  if (digits.length > wordDigits) throw new RangeError("an ABI word has 32 bytes");
  // Addresses are numbers to the ABI, padded on the left; hashes fill the word.
  return digits.padStart(wordDigits, "0");
}

/** Splits a result or event data into words; a remainder that fills no word is a malformed answer. */
export function decodeWords(data: Hex): Hex[] {
  const digits = data.slice(2);
  if (!/^[0-9a-fA-F]*$/.test(digits) || digits.length % wordDigits !== 0) {
    throw new RangeError("the ledger's answer is not a whole number of ABI words");
  }
  const words: Hex[] = [];
  for (let at = 0; at < digits.length; at += wordDigits) words.push(`0x${digits.slice(at, at + wordDigits)}`);
  return words;
}

export const asAddress = (value: Hex): Hex => `0x${value.slice(-40)}`;
export const asNumber = (value: Hex): number => Number(BigInt(value));

/** Bytes that hold short ASCII text padded with zeros, such as a reason code or a unit. */
export function asAscii(value: Hex): string {
  const bytes = value.slice(2).match(/../g) ?? [];
  return bytes
    .map((byte) => Number.parseInt(byte, 16))
    .filter((code) => code >= 0x20 && code < 0x7f)
    .map((code) => String.fromCharCode(code))
    .join("");
}
