/**
 * How a log is laid out in Redis by those who think of it first, and what goes wrong with it. Entries come
 * encoded, one text each. The plain ones are right, within one life and over a clean reopening; the others
 * have one mistake each.
 */
import type { Redis } from 'ioredis';

export interface Layout {
  /** `texts[0]` is of index `first`; what lies behind goes. `last` is the last index now. */
  write(first: number, texts: readonly string[], last: number): Promise<void>;
  /** Drops entries <= index. */
  dropTo(index: number): Promise<void>;
  /** `[low, high)`; `first` is the first index of the log. */
  read(low: number, high: number, first: number): Promise<string[]>;
  all(): Promise<string[]>;
  clear(next: number): Promise<void>;
}

export type LayoutName =
  | 'list'
  | 'list without trimming'
  | 'list counted from its head'
  | 'stream'
  | 'stream without XSETID'
  | 'stream trimmed roughly'
  | 'sorted set'
  | 'sorted set of payloads'
  | 'sorted set with packed scores';

class ListLayout implements Layout {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #mistake: LayoutName;

  constructor(redis: Redis, key: string, mistake: LayoutName) {
    this.#redis = redis;
    this.#key = key;
    this.#mistake = mistake;
  }

  async write(first: number, texts: readonly string[], last: number): Promise<void> {
    const behind = last - first + 1;
    if (behind > 0 && this.#mistake !== 'list without trimming') {
      await this.#redis.ltrim(this.#key, 0, -behind - 1);
    }
    await this.#redis.rpush(this.#key, ...texts);
  }

  async dropTo(index: number): Promise<void> {
    const base = await this.#base();
    await this.#redis.ltrim(this.#key, index - base + 1, -1);
    await this.#redis.set(`${this.#key}:base`, index + 1);
  }

  async read(low: number, high: number, first: number): Promise<string[]> {
    // Where the first entry is always entry 1, the position is the index.
    const base = this.#mistake === 'list counted from its head' ? 1 : first;
    return this.#redis.lrange(this.#key, low - base, high - base - 1);
  }

  async all(): Promise<string[]> {
    return this.#redis.lrange(this.#key, 0, -1);
  }

  async clear(next: number): Promise<void> {
    await this.#redis.del(this.#key);
    await this.#redis.set(`${this.#key}:base`, next);
  }

  async #base(): Promise<number> {
    return Number((await this.#redis.get(`${this.#key}:base`)) ?? 1);
  }
}

class StreamLayout implements Layout {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #mistake: LayoutName;

  constructor(redis: Redis, key: string, mistake: LayoutName) {
    this.#redis = redis;
    this.#key = key;
    this.#mistake = mistake;
  }

  async write(first: number, texts: readonly string[], last: number): Promise<void> {
    if (last >= first) {
      const found = await this.#redis.xrange(this.#key, String(first), '+');
      if (found.length > 0) await this.#redis.xdel(this.#key, ...found.map(([id]) => id));
      if (this.#mistake !== 'stream without XSETID') {
        await this.#redis.call('XSETID', this.#key, `${String(first - 1)}-0`);
      }
    }
    for (const [i, text] of texts.entries()) {
      await this.#redis.xadd(this.#key, `${String(first + i)}-0`, 'e', text);
    }
  }

  async dropTo(index: number): Promise<void> {
    const how = this.#mistake === 'stream trimmed roughly' ? '~' : '=';
    await this.#redis.call('XTRIM', this.#key, 'MINID', how, String(index + 1));
  }

  async read(low: number, high: number): Promise<string[]> {
    const found = await this.#redis.xrange(this.#key, String(low), String(high - 1));
    return found.map(([, fields]) => fields[1] ?? '');
  }

  async all(): Promise<string[]> {
    return (await this.#redis.xrange(this.#key, '-', '+')).map(([, fields]) => fields[1] ?? '');
  }

  async clear(): Promise<void> {
    await this.#redis.del(this.#key);
  }
}

const packing = 10n;

class SortedSetLayout implements Layout {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #mistake: LayoutName;

  constructor(redis: Redis, key: string, mistake: LayoutName) {
    this.#redis = redis;
    this.#key = key;
    this.#mistake = mistake;
  }

  async write(first: number, texts: readonly string[], last: number): Promise<void> {
    if (last >= first) await this.#redis.zremrangebyscore(this.#key, this.#score(first), '+inf');
    for (const [i, text] of texts.entries()) {
      const index = first + i;
      await this.#redis.zadd(this.#key, this.#score(index), this.#member(index, text));
    }
  }

  async dropTo(index: number): Promise<void> {
    await this.#redis.zremrangebyscore(this.#key, '-inf', `(${this.#score(index + 1)}`);
  }

  async read(low: number, high: number): Promise<string[]> {
    const found = await this.#redis.zrangebyscore(this.#key, this.#score(low), `(${this.#score(high)}`);
    return found.map((member) => this.#text(member));
  }

  async all(): Promise<string[]> {
    return (await this.#redis.zrange(this.#key, '0', '-1')).map((member) => this.#text(member));
  }

  async clear(): Promise<void> {
    await this.#redis.del(this.#key);
  }

  /** A score is a double: with a digit more beside the index, large ones fall together. */
  #score(index: number): string {
    return this.#mistake === 'sorted set with packed scores'
      ? String(BigInt(index) * packing)
      : String(index);
  }

  /** Members are a set: two that are alike are one, with the later score. */
  #member(index: number, text: string): string {
    return this.#mistake === 'sorted set of payloads' ? text : `${String(index)} ${text}`;
  }

  #text(member: string): string {
    return this.#mistake === 'sorted set of payloads' ? member : member.slice(member.indexOf(' ') + 1);
  }
}

export function makeLayout(redis: Redis, key: string, name: LayoutName): Layout {
  if (name.startsWith('list')) return new ListLayout(redis, key, name);
  return name.startsWith('stream')
    ? new StreamLayout(redis, key, name)
    : new SortedSetLayout(redis, key, name);
}
