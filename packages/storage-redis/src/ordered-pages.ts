/** Reading one generation of an ordered store, page by page. */
import type { KeyValue, RangeOptions } from '@balsa/raft-core';
import type { Connection, Reply } from './connection.ts';
import { corrupt, refused } from './errors.ts';
import type { GenerationKeys } from './keys.ts';
import { checksumBytes, lexBounds, type PairCodec } from './pairs.ts';
import { pageScript } from './scripts.ts';

/** Pairs and bytes of one page: the server does nothing else while it makes one. */
const pagePairs = 256;
const pageBytes = 256 * 1024;

export interface Page {
  readonly pairs: readonly KeyValue[];
  /** Of each pair. */
  readonly checksums: readonly number[];
  /** Whether there may be more within the bounds. */
  readonly more: boolean;
  /** Whether it ended because the next pair would have passed the bytes asked for. */
  readonly byBytes: boolean;
  /** The last key that was looked at, when it is not that of the last pair: the next page begins behind it. */
  readonly resume?: Uint8Array;
}

export interface PageSource {
  readonly keys: GenerationKeys;
  readonly codec: PairCodec;
  readonly connection: Connection;
  /** For messages. */
  readonly what: string;
}

/** At most one page of what the options ask for, of one moment. */
export async function readPage(source: PageSource, options: RangeOptions): Promise<Page> {
  const { keys, codec, connection, what } = source;
  const [low, high] = lexBounds(options);
  const limit = Math.min(options.limit, pagePairs);
  if (limit <= 0) return { pairs: [], checksums: [], more: false, byBytes: false };
  const budget = Math.min(options.maxBytes ?? pageBytes, pageBytes);
  const args = [low, high, String(limit), String(budget), String(checksumBytes)];
  let reply: Reply;
  try {
    reply = await connection.run(pageScript, [keys.order, keys.values], args);
  } catch (error) {
    throw refused(error, `read ${what}`);
  }
  if (!Array.isArray(reply)) throw corrupt(`${what} is not what it should be`);
  const [cut, ...parts] = reply as readonly Reply[];
  const pairs: KeyValue[] = [];
  const checksums: number[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const name = parts[i];
    if (!Buffer.isBuffer(name)) throw corrupt(`${what} gave a key that is none`);
    const key = Uint8Array.from(name);
    const { value, checksum } = codec.decode(key, parts[i + 1]);
    pairs.push({ key, value });
    checksums.push(checksum);
  }
  const byBytes = cut === 1 && budget === options.maxBytes;
  return { pairs, checksums, more: cut !== 0, byBytes };
}

/** All pairs that the options ask for; `read` is called for page after page, and nothing may change in between. */
export async function readAllPages(
  options: RangeOptions,
  read: (options: RangeOptions) => Promise<Page>,
): Promise<KeyValue[]> {
  const found: KeyValue[] = [];
  let budget = options.maxBytes ?? Number.MAX_SAFE_INTEGER;
  let from: Pick<RangeOptions, 'gte' | 'gt'> = options;
  for (;;) {
    const { lt } = options;
    const page = await read({
      ...(from.gte === undefined ? {} : { gte: from.gte }),
      ...(from.gt === undefined ? {} : { gt: from.gt }),
      ...(lt === undefined ? {} : { lt }),
      limit: options.limit - found.length,
    });
    for (const pair of page.pairs) {
      budget -= pair.key.length + pair.value.length;
      if (budget < 0 && found.length > 0) return found;
      found.push(pair);
    }
    const last = page.resume ?? page.pairs.at(-1)?.key;
    if (!page.more || last === undefined || found.length >= options.limit) return found;
    from = { gt: last };
  }
}
