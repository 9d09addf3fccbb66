/** What the run judges by must be able to fail: stores that lie, in memory, and what is said of them. */
import { Random } from '@balsa/cluster';
import { describe, expect, test } from 'vitest';
import type { Client, Outcome } from '../src/client.ts';
import { Findings } from '../src/findings.ts';
import { Ledgers } from '../src/ledger.ts';
import { Registers } from '../src/registers.ts';

type Step = (command: string, args: readonly string[], values: Map<string, string>) => Outcome | undefined;

/** A key-value store of one map that does all at once, and before each command what `lie` says. */
class Store {
  readonly values = new Map<string, string>();
  readonly #lie: Step;

  constructor(lie: Step = () => undefined) {
    this.#lie = lie;
  }

  get client(): Client {
    const call = async (command: string, ...args: string[]): Promise<Outcome> =>
      this.#lie(command, args, this.values) ?? { kind: 'ok', reply: this.#apply(command, args) };
    return { call, close: () => undefined } as unknown as Client;
  }

  read = async (key: string): Promise<string | null> => this.values.get(key) ?? null;

  #apply(command: string, [key = '', value = '', how, expected]: string[]): unknown {
    const before = this.values.get(key);
    if (command === 'get') return before ?? null;
    if (command === 'del') return this.values.delete(key) ? 1 : 0;
    if (command === 'incrby') value = String(Number(before ?? 0) + Number(value));
    if (command === 'append') value = (before ?? '') + value;
    const met =
      how === 'NX'
        ? before === undefined
        : how === 'XX'
          ? before !== undefined
          : how !== 'IFEQ' || before === expected;
    if (met) this.values.set(key, value);
    if (command === 'incrby') return Number(value);
    if (command === 'append') return value.length;
    return how === 'GET' ? (before ?? null) : met ? 'OK' : null;
  }
}

async function ledgers(store: Store, steps = 2_500): Promise<Findings> {
  const findings = new Findings(() => undefined);
  const all = new Ledgers(findings, new Random(1));
  for (let i = 0; i < steps; i++) await all.step(store.client);
  await all.finish(store.read);
  return findings;
}

async function registers(store: Store, steps = 4_000): Promise<string[]> {
  const texts: string[] = [];
  const findings = new Findings(() => undefined);
  const all = new Registers(findings, new Random(1), ({ text }) => texts.push(text));
  for (let i = 0; i < steps; i++) await all.step(store.client, 1);
  await all.finish(store.read);
  expect(findings.counted('keys read at the end')).toBeGreaterThan(20);
  return texts;
}

/** True in every `n`th call. */
const every = (n: number): (() => boolean) => {
  let calls = 0;
  return () => ++calls % n === 0;
};

describe('the account of appends', () => {
  test('finds nothing in a store that does as it says, also when it is not sure', async () => {
    const [unsure, refuses] = [every(9), every(13)];
    const store = new Store((command, [key = '', token = ''], values) => {
      if (command !== 'append') return undefined;
      if (refuses()) return { kind: 'refused' };
      if (!unsure()) return undefined;
      // Of unknown outcome, and half of them happened.
      if (values.size % 2 === 0) values.set(key, (values.get(key) ?? '') + token);
      return { kind: 'unknown' };
    });
    const findings = await ledgers(store);
    expect(findings.violations).toEqual([]);
    expect(findings.counted('tokens acknowledged')).toBeGreaterThan(2_000);
    expect(findings.counted('ledgers read at the end')).toBeGreaterThan(3);
  });

  test.each([
    [
      'one acknowledged write that is lost',
      'acknowledged writes lost',
      (): Outcome => ({ kind: 'ok', reply: 1 }),
      '',
    ],
    ['one refused write that is there', 'refused writes there', (): Outcome => ({ kind: 'refused' }), 'once'],
    [
      'one write that is there twice',
      'writes there twice',
      (): Outcome => ({ kind: 'ok', reply: 1 }),
      'twice',
    ],
  ])('finds %s', async (_what, words, answer, applied) => {
    const now = every(1_000);
    const store = new Store((command, [key = '', token = ''], values) => {
      if (command !== 'append' || !now()) return undefined;
      const times = { once: 1, twice: 2 }[applied] ?? 0;
      values.set(key, (values.get(key) ?? '') + token.repeat(times));
      return answer();
    });
    expect((await ledgers(store, 1_500)).violations.join()).toContain(`1 ${words}`);
  });

  test('finds what is lost after it was judged', async () => {
    const store = new Store();
    const findings = new Findings(() => undefined);
    const all = new Ledgers(findings, new Random(1));
    for (let i = 0; i < 2_500; i++) await all.step(store.client);
    store.values.set('chaos:ledger:0', store.values.get('chaos:ledger:0')!.slice(3));
    await all.finish(store.read);
    expect(findings.violations).toEqual([
      'chaos:ledger:0 does not hold any more what it held when it was judged',
    ]);
  });
});

describe('the histories of registers', () => {
  test('of an honest store are all explained, unknown outcomes included', async () => {
    const unsure = every(17);
    const store = new Store((command) => (command !== 'get' && unsure() ? { kind: 'unknown' } : undefined));
    expect(await registers(store)).toEqual([]);
  });

  test('show a read of an old value', async () => {
    const old = every(200);
    const store = new Store((command) =>
      command === 'get' && old() ? { kind: 'ok', reply: 'v1' } : undefined,
    );
    expect((await registers(store)).join()).toContain('is not linearizable (in the run)');
  });

  test('show a value that changed after its key was judged', async () => {
    const store = new Store();
    const texts: string[] = [];
    const all = new Registers(new Findings(() => undefined), new Random(1), ({ text }) => texts.push(text));
    for (let i = 0; i < 4_000; i++) await all.step(store.client, 1);
    store.values.set('chaos:register:0', 'somebody else');
    await all.finish(store.read);
    expect(texts).toHaveLength(1);
    expect(texts[0]).toContain('and is "somebody else" now');
  });
});
