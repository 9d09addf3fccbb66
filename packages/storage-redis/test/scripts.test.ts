/** What stands in the way of an old server: commands that it does not know. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scripts } from '../src/scripts.ts';

/** Those of 6.2 that this package has a use for. */
const allowed = new Set(
  [
    'append bgrewriteaof config evalsha get getrange hdel hget hlen hmget hscan hset hstrlen info memory pubsub',
    'scan script set unlink zadd zrangebylex zrem',
  ].flatMap((line) => line.split(' ')),
);
/** Sent only where the server says that it is new enough. */
const guarded = new Set(['waitaof']);

test('scripts call nothing that Redis 6.2 lacks', () => {
  for (const { name, text } of scripts) {
    const calls = [...text.matchAll(/redis\.p?call\('([A-Za-z]+)'/g)].map(
      (match) => match[1]?.toLowerCase() ?? '',
    );
    expect(calls.length, name).toBe([...text.matchAll(/redis\.p?call\(/g)].length);
    for (const call of calls) expect(allowed, name).toContain(call);
    // Neither is there in 6.2, or breaks WAITAOF.
    expect(text, name).not.toMatch(/#!lua|set_repl|setresp|acl_check_cmd/);
  }
});

test('and the package sends nothing that it lacks', () => {
  const folder = new URL('../src/', import.meta.url);
  let found = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    const text = readFileSync(new URL(file, folder), 'utf8');
    for (const [, command = ''] of text.matchAll(/\.(?:call|read)\(\s*'([a-z]+)'/g)) {
      found++;
      expect([...allowed, ...guarded], file).toContain(command);
    }
  }
  expect(found).toBeGreaterThan(8);
});

test('scripts never make a number of an index, a term or a sequence', () => {
  const numbers = scripts.flatMap(({ text }) =>
    [...text.matchAll(/tonumber\((ARGV\[[0-9]+\])\)/g)].map(([all]) => all),
  );
  // Lengths, counts and checksums: all far below 2^53.
  expect([...new Set(numbers)].sort()).toEqual([3, 4, 5, 7].map((n) => `tonumber(ARGV[${String(n)}])`));
});
