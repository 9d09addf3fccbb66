/** Uniform in [0, 1), the same sequence for the same seed on every machine. */
export type RandomSource = () => number;

/**
 * A small fast generator with 128 bits of state (the chaotic-counter design known as sfc32). Not for
 * secrets: only for simulations, where being repeatable is the point.
 */
export function createRandom(seed: number): RandomSource {
  let a = seed >>> 0;
  let b = Math.floor(seed / 0x1_0000_0000) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const next = (): number => {
    const out = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = ((c << 21) | (c >>> 11)) >>> 0;
    c = (c + out) >>> 0;
    return out;
  };
  // Seeds that differ in one bit give unrelated sequences only after the state has been stirred.
  for (let i = 0; i < 16; i++) next();
  return () => next() / 0x1_0000_0000;
}
