/** Redis integers: 64-bit signed, written in decimal without plus sign, blanks or leading zeros. */

export const minInt64: bigint = -(2n ** 63n);
export const maxInt64: bigint = 2n ** 63n - 1n;

const canonical = /^(?:0|-?[1-9][0-9]{0,18})$/;

/** Undefined unless `bytes` are exactly what Redis takes for an integer. */
export function parseInt64(bytes: Uint8Array): bigint | undefined {
  if (bytes.length === 0 || bytes.length > 20) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  if (!canonical.test(text)) return undefined;
  const value = BigInt(text);
  return value < minInt64 || value > maxInt64 ? undefined : value;
}

/** A number where that is exact, which keeps replies cheap. */
export function compactInteger(value: bigint): number | bigint {
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}
