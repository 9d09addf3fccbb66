/**
 * The account of every write: each appends a token of its own to some ledger, and in the end each token that was
 * acknowledged is there once, none that was refused is, and those of unknown outcome are there once or not at all.
 *
 * A ledger that is full is read, judged and put away; of its tokens only those are remembered that may still come.
 */
import { crc32 } from 'node:zlib';
import { checkAccount } from '@balsa/checker';
import type { Random } from '@balsa/cluster';
import type { Client, Outcome } from './client.ts';
import type { Findings } from './findings.ts';

const ledgersAtOnce = 4;
const tokensPerLedger = 400;

interface Ledger {
  readonly name: string;
  readonly acknowledged: string[];
  readonly refused: string[];
  readonly unknown: string[];
  called: number;
  pending: number;
}

/** A ledger that was judged: what it held then, and what may have come since. */
interface Closed {
  readonly name: string;
  readonly length: number;
  readonly checksum: number;
  readonly refused: readonly string[];
  readonly unknown: readonly string[];
}

const tokensOf = (value: string): string[] => value.split(';').slice(0, -1);

export class Ledgers {
  readonly #findings: Findings;
  readonly #random: Random;
  readonly #active: Ledger[] = [];
  readonly #full: Ledger[] = [];
  readonly #closed: Closed[] = [];
  #made = 0;
  #tokens = 0;

  constructor(findings: Findings, random: Random) {
    this.#findings = findings;
    this.#random = random;
    for (let i = 0; i < ledgersAtOnce; i++) this.#active.push(this.#newLedger());
  }

  get acknowledged(): number {
    return this.#findings.counted('tokens acknowledged');
  }

  async step(client: Client): Promise<Outcome['kind']> {
    const ledger = this.#random.pick(this.#active) ?? this.#newLedger();
    const token = `t${++this.#tokens}`;
    ledger.called++;
    ledger.pending++;
    const { kind } = await client.call('append', ledger.name, `${token};`);
    ledger.pending--;
    const outcome = kind === 'ok' ? 'acknowledged' : kind;
    ledger[outcome].push(token);
    this.#findings.count(`tokens ${outcome}`);
    if (ledger.called >= tokensPerLedger) this.#putAway(ledger);
    if (ledger.pending === 0 && !this.#active.includes(ledger)) await this.#close(client, ledger);
    return kind;
  }

  /** Reads everything again. No client steps any more. */
  async finish(read: (key: string) => Promise<string | null>): Promise<void> {
    for (const ledger of [...this.#active, ...this.#full])
      this.#judge(ledger, (await read(ledger.name)) ?? '');
    for (const closed of this.#closed) {
      const value = (await read(closed.name)) ?? '';
      this.#findings.count('ledgers read at the end');
      if (value.length < closed.length || crc32(value.slice(0, closed.length)) !== closed.checksum) {
        this.#findings.violation(`${closed.name} does not hold any more what it held when it was judged`);
        continue;
      }
      const { refused, unknown } = closed;
      const present = tokensOf(value.slice(closed.length));
      this.#account(closed.name, { acknowledged: [], refused, unknown, present });
    }
  }

  #newLedger(): Ledger {
    const name = `chaos:ledger:${this.#made++}`;
    return { name, acknowledged: [], refused: [], unknown: [], called: 0, pending: 0 };
  }

  #putAway(ledger: Ledger): void {
    const place = this.#active.indexOf(ledger);
    if (place >= 0) this.#active[place] = this.#newLedger();
  }

  /** By whoever comes last; when nobody answers, it is judged at the end. */
  async #close(client: Client, ledger: Ledger): Promise<void> {
    const outcome = await client.call('get', ledger.name);
    if (outcome.kind !== 'ok') {
      this.#full.push(ledger);
      return;
    }
    const value = typeof outcome.reply === 'string' ? outcome.reply : '';
    const present = this.#judge(ledger, value);
    this.#closed.push({
      name: ledger.name,
      length: value.length,
      checksum: crc32(value),
      refused: ledger.refused,
      unknown: ledger.unknown.filter((token) => !present.has(token)),
    });
  }

  #judge(ledger: Ledger, value: string): ReadonlySet<string> {
    const present = tokensOf(value);
    this.#account(ledger.name, { ...ledger, present });
    return new Set(present);
  }

  #account(name: string, account: Parameters<typeof checkAccount>[0]): void {
    const { ok, lost, duplicated, refusedPresent, phantom } = checkAccount(account);
    this.#findings.count('accounts judged');
    if (ok) return;
    this.#findings.count('tokens lost', lost.length);
    const show = (what: string, tokens: readonly string[]): string[] =>
      tokens.length === 0 ? [] : [`${tokens.length} ${what} (${tokens.slice(0, 5).join(', ')})`];
    const parts = [
      ...show('acknowledged writes lost', lost),
      ...show('writes there twice', duplicated),
      ...show('refused writes there', refusedPresent),
      ...show('writes of nobody', phantom),
    ];
    this.#findings.violation(`${name}: ${parts.join('; ')}`);
  }
}
