/**
 * Few keys, many clients: registers and counters whose histories are judged for linearizability.
 *
 * A key lives for a bounded number of operations; then it is read once more, judged, and another takes its
 * place. So memory and the cost of judging stay bounded, however long the run. At the end every key is read
 * again: a write of unknown outcome may have taken effect meanwhile, and nothing else may have.
 */
import { checkHistory, HistoryRecorder, kvModel, type Operation, type Value } from '@balsa/checker';
import type { Random } from '@balsa/cluster';
import type { Client, Outcome } from './client.ts';
import type { Findings } from './findings.ts';

/** Keys in use at a time. */
const keysAtOnce = 12;
/** A key is put away after so many operations, or so many of unknown outcome, which are what judging costs. */
const operationsPerKey = 150;
const unknownsPerKey = 8;
/** Configurations looked at for one key before it is called undecided. */
const budget = 500_000;
/** Operations of put-away keys that are kept because some have no known outcome. */
const maxKept = 400_000;

export interface Violation {
  readonly text: string;
  readonly history: readonly Operation[];
}

interface Key {
  readonly name: string;
  readonly counter: boolean;
  readonly recorder: HistoryRecorder;
  /** What reads returned lately: values that a comparison has a chance with. */
  seen: string;
  called: number;
  unknown: number;
  pending: number;
}

/** A key that is put away: its value, or, where that is not sure, its whole history. */
interface Judged {
  readonly name: string;
  readonly value: Value;
  readonly history: readonly Operation[] | undefined;
}

interface Planned {
  readonly op: string;
  readonly input: Value;
  readonly command: readonly string[];
  readonly output: (reply: unknown) => Value;
}

const text = (reply: unknown): Value => (typeof reply === 'string' ? reply : null);
const number = (reply: unknown): Value => Number(reply);
const wasSet = (reply: unknown): Value => reply === 'OK';
const nothing = (): Value => null;

export class Registers {
  readonly #findings: Findings;
  readonly #random: Random;
  readonly #onViolation: (violation: Violation) => void;
  readonly #active: Key[] = [];
  readonly #judged: Judged[] = [];
  #made = 0;
  #kept = 0;
  #values = 0;

  constructor(findings: Findings, random: Random, onViolation: (violation: Violation) => void) {
    this.#findings = findings;
    this.#random = random;
    this.#onViolation = onViolation;
    for (let i = 0; i < keysAtOnce; i++) this.#active.push(this.#newKey());
  }

  /** One operation of client `id` on some key. Resolves when its outcome is as known as it gets. */
  async step(client: Client, id: number): Promise<Outcome['kind']> {
    const key = this.#random.pick(this.#active) ?? this.#newKey();
    const outcome = await this.#run(client, id, key, this.#plan(key));
    if (key.called >= operationsPerKey || key.unknown >= unknownsPerKey) this.#putAway(key);
    if (key.pending === 0 && !this.#active.includes(key)) await this.#judge(client, id, key);
    return outcome;
  }

  /** Reads every key once more and judges what that says. No client steps any more. */
  async finish(read: (key: string) => Promise<string | null>): Promise<void> {
    const open = this.#active.map((key) => ({
      name: key.name,
      value: null,
      history: key.recorder.operations(),
    }));
    for (const judged of [...this.#judged, ...open]) await this.#readAgain(judged, read);
  }

  async #readAgain(judged: Judged, read: (key: string) => Promise<string | null>): Promise<void> {
    const { name, history } = judged;
    const value = await read(name);
    this.#findings.count('keys read at the end');
    if (history === undefined) {
      if (value !== judged.value) this.#lost(judged, value);
      return;
    }
    const now = performance.now();
    const final = { client: 0, op: 'get', key: name, input: null, output: value, call: now, return: now };
    this.#check([...history, final], 'at the end');
  }

  get keyCount(): number {
    return this.#made;
  }

  #newKey(): Key {
    const name = `chaos:register:${this.#made}`;
    const recorder = new HistoryRecorder({ now: () => performance.now() });
    return { name, counter: this.#made++ % 4 === 3, recorder, seen: '', called: 0, unknown: 0, pending: 0 };
  }

  async #run(client: Client, id: number, key: Key, planned: Planned): Promise<Outcome['kind']> {
    const { op, input, command, output } = planned;
    const call = key.recorder.invoke({ client: id, op, key: key.name, input });
    key.called++;
    key.pending++;
    const outcome = await client.call(...(command as [string, ...string[]]));
    key.pending--;
    this.#findings.count(`operations ${outcome.kind}`);
    if (outcome.kind === 'ok') {
      const value = output(outcome.reply);
      if (typeof value === 'string') key.seen = value;
      call.ok(value);
    } else if (outcome.kind === 'refused' || op === 'get') {
      // A read without an answer says nothing.
      call.refused();
    } else {
      key.unknown++;
      call.unknown();
    }
    return outcome.kind;
  }

  #plan(key: Key): Planned {
    const dice = this.#random.next();
    if (dice < 0.4) return { op: 'get', input: null, command: ['get', key.name], output: text };
    if (key.counter) {
      const by = 1 + Math.floor(this.#random.next() * 5);
      return { op: 'incr', input: by, command: ['incrby', key.name, String(by)], output: number };
    }
    const value = `v${++this.#values}`;
    const set = (op: string, output: Planned['output'], ...more: string[]): Planned => {
      return { op, input: value, command: ['set', key.name, value, ...more], output };
    };
    if (dice < 0.65) return set('set', nothing);
    if (dice < 0.75) return set('getset', text, 'GET');
    if (dice < 0.81) return set('setnx', wasSet, 'NX');
    if (dice < 0.87) return set('setxx', wasSet, 'XX');
    if (dice < 0.95) return { ...set('cas', wasSet, 'IFEQ', key.seen), input: [key.seen, value] };
    return { op: 'del', input: null, command: ['del', key.name], output: number };
  }

  #putAway(key: Key): void {
    const place = this.#active.indexOf(key);
    if (place >= 0) this.#active[place] = this.#newKey();
  }

  /** By whoever comes last: from here on there is no other. */
  async #judge(client: Client, id: number, key: Key): Promise<void> {
    const value = await this.#readBack(client, id, key);
    this.#check(key.recorder.operations(), 'in the run');
    if (key.unknown === 0 && value !== undefined) {
      this.#judged.push({ name: key.name, value, history: undefined });
      return;
    }
    const history = key.recorder.operations();
    this.#kept += history.length;
    this.#judged.push({ name: key.name, value: null, history });
    if (this.#kept > maxKept) this.#drop();
  }

  /** Undefined when nobody answers. */
  async #readBack(client: Client, id: number, key: Key): Promise<Value | undefined> {
    for (let tries = 0; tries < 100; tries++) {
      const call = key.recorder.invoke({ client: id, op: 'get', key: key.name, input: null });
      const outcome = await client.call('get', key.name);
      if (outcome.kind === 'ok') {
        const value = text(outcome.reply);
        call.ok(value);
        return value;
      }
      call.refused();
    }
    return undefined;
  }

  #drop(): void {
    const place = this.#judged.findIndex((one) => one.history !== undefined);
    const [old] = this.#judged.splice(place, 1);
    this.#kept -= old?.history?.length ?? 0;
    this.#findings.count('keys not read at the end');
  }

  #check(history: readonly Operation[], when: string): void {
    const result = checkHistory(history, kvModel, { budget });
    this.#findings.count(`histories ${result.verdict} ${when}`);
    if (result.verdict !== 'violation') return;
    this.#onViolation({
      text: `the history of ${result.key} is not linearizable (${when}):\n  ${result.explanation.join('\n  ')}`,
      history,
    });
  }

  #lost({ name, value }: Judged, found: Value): void {
    this.#onViolation({
      text: `${name} was ${JSON.stringify(value)} when its last operation had ended, and is ${JSON.stringify(found)} now`,
      history: [],
    });
  }
}
