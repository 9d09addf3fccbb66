/**
 * Redis's glob: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and a backslash before a character that stands for itself.
 * Works on bytes. Takes time proportional to pattern times text at worst: there is one place to go back
 * to, the last star, so no pattern makes it explode.
 */
export function globMatches(pattern: Uint8Array, text: Uint8Array): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern[p] === star) {
      starAt = p;
      starText = t;
      p += 1;
      continue;
    }
    const next = p < pattern.length ? matchOne(pattern, p, text[t] ?? 0) : -1;
    if (next >= 0) {
      p = next;
      t += 1;
    } else if (starAt >= 0) {
      starText += 1;
      t = starText;
      p = starAt + 1;
    } else {
      return false;
    }
  }
  while (pattern[p] === star) p += 1;
  return p >= pattern.length;
}

const star = 0x2a;
const question = 0x3f;
const open = 0x5b;
const close = 0x5d;
const caret = 0x5e;
const backslash = 0x5c;
const dash = 0x2d;

/** Where the pattern goes on after matching one byte at `p`; -1 when it does not match. */
function matchOne(pattern: Uint8Array, p: number, byte: number): number {
  const first = pattern[p];
  if (first === question) return p + 1;
  if (first === open) return matchClass(pattern, p + 1, byte);
  if (first === backslash && p + 1 < pattern.length) return pattern[p + 1] === byte ? p + 2 : -1;
  return first === byte ? p + 1 : -1;
}

/** A class that is not closed ends with the pattern, as in Redis. */
function matchClass(pattern: Uint8Array, start: number, byte: number): number {
  let p = start;
  const negated = pattern[p] === caret;
  if (negated) p += 1;
  let found = false;
  while (p < pattern.length && pattern[p] !== close) {
    if (pattern[p] === backslash && p + 1 < pattern.length) {
      p += 1;
      found ||= pattern[p] === byte;
    } else if (pattern[p + 1] === dash && p + 2 < pattern.length) {
      const from = pattern[p] ?? 0;
      const to = pattern[p + 2] ?? 0;
      found ||= byte >= Math.min(from, to) && byte <= Math.max(from, to);
      p += 2;
    } else {
      found ||= pattern[p] === byte;
    }
    p += 1;
  }
  return found === negated ? -1 : Math.min(p + 1, pattern.length);
}
