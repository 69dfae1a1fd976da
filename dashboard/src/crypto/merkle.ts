// The hash tree of RFC 6962 (SHA-256): verifying. The twin of common/merkle.hpp; both read tests/vectors/merkle.json.
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, equalBytes, owned } from "./bytes.ts";

/** SHA-256(0x00 ‖ data…) */
export function leafHash(...data: readonly Uint8Array[]): Bytes {
  return owned(sha256(concat(Uint8Array.of(0), ...data)));
}

/** SHA-256(0x01 ‖ left ‖ right) */
export function nodeHash(left: Uint8Array, right: Uint8Array): Bytes {
  return owned(sha256(concat(Uint8Array.of(1), left, right)));
}

/** The root of the tree without leaves. */
export function emptyRoot(): Bytes {
  return owned(sha256(new Uint8Array()));
}

// Indices go beyond 32 bits, where JavaScript's bit operators end.
const isOdd = (n: number): boolean => n % 2 === 1;
const half = (n: number): number => Math.floor(n / 2);

function areNumbers(...values: readonly number[]): boolean {
  return values.every((value) => Number.isSafeInteger(value) && value >= 0);
}

function areHashes(...values: readonly Uint8Array[]): boolean {
  return values.every((value) => value.length === 32);
}

/** RFC 9162 section 2.1.3.2: `leaf` is number `index` in the tree of `size` leaves. False for anything but exactly the right proof. */
export function verifyInclusion(leaf: Uint8Array, index: number, size: number, path: readonly Uint8Array[], root: Uint8Array): boolean {
  if (!areNumbers(index, size) || !areHashes(leaf, root, ...path) || index >= size) return false;
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      // A node without a right sibling is its parent: go up to where it has a left one.
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalBytes(hash, root);
}

/**
 * RFC 9162 section 2.1.4.2: the tree of `before` leaves is the beginning of the one of `after`.
 * The empty tree is the beginning of every tree, by the empty proof.
 */
export function verifyConsistency(before: number, after: number, rootBefore: Uint8Array, rootAfter: Uint8Array, path: readonly Uint8Array[]): boolean {
  if (!areNumbers(before, after) || !areHashes(rootBefore, rootAfter, ...path) || before > after) return false;
  if (before === 0) return path.length === 0 && equalBytes(rootBefore, emptyRoot());
  if (before === after) return path.length === 0 && equalBytes(rootBefore, rootAfter);
  const first = path[0];
  if (first === undefined) return false;

  let node = before - 1;
  let last = after - 1;
  while (isOdd(node)) {
    node = half(node);
    last = half(last);
  }
  // A whole number of perfect subtrees of this size: the verifier has the first hash already.
  const startsKnown = node === 0;
  let hashBefore = startsKnown ? rootBefore : first;
  let hashAfter = hashBefore;
  for (const sibling of path.slice(startsKnown ? 0 : 1)) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      hashBefore = nodeHash(sibling, hashBefore);
      hashAfter = nodeHash(sibling, hashAfter);
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      hashAfter = nodeHash(hashAfter, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && equalBytes(hashBefore, rootBefore) && equalBytes(hashAfter, rootAfter);
}
