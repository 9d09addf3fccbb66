/** A write of a naive list as one script, the way those do it who have thought a little longer. */
import type { Redis } from 'ioredis';

export interface OneScriptOptions {
  readonly redis: Redis;
  /** Of the state; the log lies in `logKey`. */
  readonly key: string;
  readonly logKey: string;
  /** As `listGroups` finds it. */
  readonly group: string;
  /** Who has to be the owner when the script runs; undefined: nobody asks. */
  readonly owner: string | undefined;
  /** Each write has a number, and is refused when it is not the next. */
  readonly numbered: boolean;
}

export interface WholeWrite {
  readonly texts: readonly string[];
  /** Entries at the end of the list that these take the place of. */
  readonly behind: number;
  readonly state: string;
}

/** By which bytes a request of it is known on the wire. */
export const writeMark = 'a write of the zoo';

const script = `
-- ${writeMark}
if ARGV[1] ~= '' and redis.call('GET', KEYS[4]) ~= ARGV[1] then return redis.error_reply('FENCED') end
if ARGV[2] ~= '' and (redis.call('GET', KEYS[5]) or '0') ~= ARGV[2] then return redis.error_reply('DUPLICATE') end
if ARGV[3] ~= '0' then redis.call('LTRIM', KEYS[1], 0, -tonumber(ARGV[3]) - 1) end
for i = 6, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
redis.call('SET', KEYS[2], ARGV[4])
redis.call('SADD', KEYS[3], ARGV[5])
if ARGV[2] ~= '' then redis.call('INCR', KEYS[5]) end`;

export class OneScript {
  readonly #options: OneScriptOptions;
  #sequence: number | undefined;

  constructor(options: OneScriptOptions) {
    this.#options = options;
  }

  async write({ texts, behind, state }: WholeWrite): Promise<void> {
    const { redis, key, logKey, group, owner = '', numbered } = this.#options;
    const sequenceKey = `${key}:sequence`;
    if (numbered) this.#sequence ??= Number((await redis.get(sequenceKey)) ?? 0);
    const number = numbered ? String(this.#sequence) : '';
    const keys = [logKey, key, 'raft-groups', 'raft-owner', sequenceKey];
    await redis.eval(
      script,
      keys.length,
      ...keys,
      owner,
      number,
      String(behind),
      state,
      JSON.stringify(group),
      ...texts,
    );
    if (this.#sequence !== undefined) this.#sequence++;
  }
}
