/**
 * kill -9 of a random node, at random moments under load, many times over.
 *
 * After each kill the node must come back by itself, catch up, hold the same contents as the others, and
 * answer with every write that was acknowledged since the last look. This shows that a process may die;
 * it says nothing about a power cut.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '@balsa/cluster';
import type { Trial, TrialContext } from './trial.ts';

interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
}

const workers = 16;
/** Rounds after which the keys come again, so that comparing the nodes costs the same in every round. */
const keySets = 10;
const longestMs = 250;

class Writer {
  readonly acknowledged = new Map<string, string>();
  unknown = 0;
  #stopped = false;
  #tasks: Promise<void>[] = [];

  start(context: TrialContext, round: number): void {
    this.#stopped = false;
    this.acknowledged.clear();
    this.#tasks = Array.from({ length: workers }, async (_, worker) => {
      for (let n = 0; !this.#stopped; n++) {
        const key = `crash:${round % keySets}:${worker}:${n}`;
        const value = `${round}:${'v'.repeat(n % 200)}`;
        const outcome = await context.client.set(key, value);
        if (outcome === 'acknowledged') this.acknowledged.set(key, value);
        else if (outcome === 'unknown') this.unknown++;
        else await sleep(10);
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#tasks);
  }
}

export const crash: Trial<CrashOptions> = {
  name: 'crash',
  nodeArguments: ['--log-keep', '2000'],
  async run(context, { rounds, seed }) {
    const { cluster, say } = context;
    const random = new Random(seed);
    const writer = new Writer();
    const broken: string[] = [];
    let acknowledged = 0;
    let leaderKills = 0;
    for (let round = 0; round < rounds && broken.length === 0; round++) {
      const { id: leader } = await cluster.leader();
      const victim = 1 + Math.floor(random.next() * 3);
      if (victim === leader) leaderKills++;
      writer.start(context, round);
      await sleep(20 + random.next() * longestMs);
      await cluster.kill(victim);
      await sleep(random.next() * longestMs);
      await cluster.start(victim);
      await cluster.leader();
      await writer.stop();
      await cluster.caughtUp(victim);
      broken.push(...(await lostOn(context, victim, writer.acknowledged)));
      broken.push(...(await differences(context)));
      acknowledged += writer.acknowledged.size;
      if ((round + 1) % 10 === 0) {
        say(
          `${round + 1} kills, ${leaderKills} of the leader; ${acknowledged} writes acknowledged, ${writer.unknown} of unknown outcome`,
        );
      }
    }
    return {
      broken,
      figures: { rounds, seed, leaderKills, acknowledgedWrites: acknowledged, unknownWrites: writer.unknown },
    };
  },
};

/** Reads every acknowledged write back through the node that died. */
async function lostOn(
  { cluster }: TrialContext,
  id: number,
  writes: ReadonlyMap<string, string>,
): Promise<string[]> {
  const lost: string[] = [];
  const keys = [...writes.keys()];
  const values = await cluster.readThrough(id, keys);
  keys.forEach((key, i) => {
    if (values[i] !== writes.get(key))
      lost.push(`node ${id} lacks the acknowledged write of ${key}: ${String(values[i])}`);
  });
  return lost.slice(0, 5);
}

async function differences({ cluster }: TrialContext): Promise<string[]> {
  const digests = await cluster.equalDigests();
  return new Set(digests).size === 1 ? [] : [`the contents of the nodes differ: ${digests.join(' ')}`];
}
