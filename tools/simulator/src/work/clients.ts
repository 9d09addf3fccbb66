/** Clients: each calls one operation at a time, waits, gives up, and tries the next somewhere else. */
import { isBalsaError, StateType, type Timer } from '@balsa/raft-core';
import { storeKey } from '@balsa/kv';
import type { PendingCall } from '@balsa/checker';
import { Chance } from '../world/chance.ts';
import { world } from '../world/clock.ts';
import type { Cluster } from '../world/cluster.ts';
import type { Host } from '../world/host.ts';
import { bytesOf, randomWrite, textOf, type Write } from './operations.ts';

type Answer = 'ok' | 'refused' | 'unknown';

/** How often a write is tried. */
const mostTries = 3;

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
      const reads = chance.happens(0.4) || this.#cluster.lull;
      const answer = reads
        ? await this.#read(client, host, chance, chance.skewed(50, 5000))
        : await this.#persist(client, host, chance);
      // Each unknown outcome doubles what the checker has to think of: who got none is not in a hurry.
      rest = answer === 'unknown' ? 5 : 1;
    }
  }

  /** Mostly whoever leads; often anybody who thinks that it leads; sometimes just anybody. */
  #choose(chance: Chance): Host | undefined {
    const running = this.#cluster.running();
    if (running.length === 0) return undefined;
    const leader = this.#cluster.leader();
    const roll = chance.next();
    const anybody = this.#cluster.plan.leaseReads ? 0.15 : 0.35;
    if (leader === undefined || roll < anybody) return chance.pick(running);
    if (roll < anybody + 0.4) return leader;
    return chance.pick(running.filter(({ core }) => core?.state === StateType.Leader));
  }

  /** Writes; tries the same again elsewhere where that cannot make two effects of one, and gives up in the end. */
  async #persist(client: number, first: Host, chance: Chance): Promise<Answer> {
    const { plan, clock, coverage } = this.#cluster;
    const key = `k${chance.below(plan.keys)}`;
    const value = `${++this.#value}`.padEnd(chance.below(plan.valueBytes) + 1, '.');
    const write = randomWrite(chance, key, value, this.#seen.get(key) ?? null);
    let host: Host | undefined = first;
    for (let tries = 1; ; tries++) {
      const answer: Answer =
        host === undefined ? 'refused' : await this.#write(client, host, key, write, chance.skewed(50, 5000));
      // To set the same again is harmless, and a history of its own for the checker.
      const again =
        answer === 'refused' || (answer === 'unknown' && write.op === 'set' && chance.happens(0.4));
      if (!again || !this.open) return answer;
      if (tries === mostTries || chance.happens(0.4)) {
        coverage.count('client', 'gives up');
        return answer;
      }
      coverage.count('client', 'tries again');
      await clock.sleep(chance.between(0, plan.thinkMs));
      host = this.#choose(chance);
    }
  }

  async #write(client: number, host: Host, key: string, write: Write, patience: number): Promise<Answer> {
    const { history, applied } = this.#cluster;
    applied.kv.proposed(write.data, write.command);
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
    const { judge } = this.#cluster;
    const needed = judge.committedTop;
    const work = node
      .read({ timeoutMs: Math.ceil(patience) })
      .then(() => {
        judge.checkRead(host.id, needed);
        return store.getMany([storeKey(bytesOf(key))]);
      })
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
    let timer: Timer | undefined;
    const given = new Promise<Answer>((resolve) => {
      timer = clock.set(world, patience * 1.2, () => {
        call.unknown();
        coverage.count('client', 'stops waiting');
        resolve('unknown');
      });
    });
    const answer = await Promise.race([answered, given]);
    timer?.cancel();
    coverage.count('client', answer);
    this.#cluster.onClient(client, answer);
    return answer;
  }
}
