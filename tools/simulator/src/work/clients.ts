/** Clients: each calls one operation at a time, waits, gives up, and tries the next somewhere else. */
import { isBalsaError } from '@balsa/raft-core';
import { storeKey } from '@balsa/kv';
import type { PendingCall } from '@balsa/checker';
import { Chance } from '../world/chance.ts';
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';
import { bytesOf, randomWrite, textOf } from './operations.ts';

type Answer = 'ok' | 'refused' | 'unknown';

export class Clients {
  /** Whether new operations are begun. */
  open = true;
  readonly #cluster: Cluster;
  #value = 0;
  /** What some client saw last under each key: a guess for conditional writes. */
  readonly #seen = new Map<string, string | null>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    for (let client = 1; client <= cluster.plan.clients; client++) void this.#run(client);
  }

  async #run(client: number): Promise<void> {
    const { plan, clock } = this.#cluster;
    const chance = Chance.of(plan.seed, `client ${client}`);
    for (let rest = 1; ;) {
      await clock.sleep(chance.between(0, 2 * plan.thinkMs * rest));
      const host = this.#choose(chance);
      if (!this.open || host === undefined) continue;
      const patience = chance.skewed(50, 5000);
      const reads = chance.happens(0.4);
      const answer = reads
        ? await this.#read(client, host, chance, patience)
        : await this.#write(client, host, chance, patience);
      // Each unknown outcome doubles what the checker has to think of: who got none is not in a hurry.
      rest = answer === 'unknown' ? 5 : 1;
    }
  }

  /** Mostly whoever leads; sometimes anybody, even one who thinks that it leads. */
  #choose(chance: Chance): Host | undefined {
    const running = this.#cluster.running();
    if (running.length === 0) return undefined;
    const leader = this.#cluster.leader();
    return leader !== undefined && chance.happens(0.5) ? leader : chance.pick(running);
  }

  async #write(client: number, host: Host, chance: Chance, patience: number): Promise<Answer> {
    const { history, plan } = this.#cluster;
    const key = `k${chance.below(plan.keys)}`;
    const value = `${++this.#value}`.padEnd(chance.below(plan.valueBytes) + 1, '.');
    const write = randomWrite(chance, key, value, this.#seen.get(key) ?? null);
    const call = history.invoke({ client, op: write.op, key, input: write.input });
    const { node } = host;
    if (node === undefined) {
      call.refused();
      return 'refused';
    }
    const work = node.propose(write.data, { timeoutMs: Math.ceil(patience) }).then((reply) => {
      call.ok(write.outputOf(reply));
    });
    return await this.#wait(client, call, work, patience);
  }

  async #read(client: number, host: Host, chance: Chance, patience: number): Promise<Answer> {
    const { history, plan } = this.#cluster;
    const key = `k${chance.below(plan.keys)}`;
    const { node, store } = host;
    if (node === undefined || store === undefined) return 'refused';
    const call = history.invoke({ client, op: 'get', key, input: null });
    const work = node
      .read({ timeoutMs: Math.ceil(patience) })
      .then(() => store.getMany([storeKey(bytesOf(key))]))
      .then(([value]) => {
        const seen = textOf(value);
        this.#seen.set(key, seen);
        call.ok(seen);
      });
    return await this.#wait(client, call, work, patience);
  }

  /** Until it is answered, or the client gives up: then nobody knows how it ended, or will. */
  async #wait(client: number, call: PendingCall, work: Promise<void>, patience: number): Promise<Answer> {
    const { clock, coverage } = this.#cluster;
    const answered = work.then(
      (): Answer => 'ok',
      (error: unknown): Answer => {
        const refused = isBalsaError(error) && error.outcome === 'refused';
        if (refused) call.refused();
        else call.unknown();
        return refused ? 'refused' : 'unknown';
      },
    );
    const given = clock.sleep(patience * 1.2).then((): Answer => {
      call.unknown();
      return 'unknown';
    });
    const answer = await Promise.race([answered, given]);
    coverage.count('client', answer);
    this.#cluster.onClient(client, answer);
    return answer;
  }
}
