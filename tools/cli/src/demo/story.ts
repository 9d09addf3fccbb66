/** The story, step by step. Each step says what it does, does it, and waits until it has come true. */
import { CommandFailure } from '../messages.ts';
import type { HistoryChecker } from './checker.ts';
import type { TestCluster } from '@balsa/cluster';
import { cycle, type Input } from './input.ts';
import type { Monitor } from './monitor.ts';
import { BackgroundLoad, type Workload } from './workload.ts';

export interface StoryParts {
  readonly cluster: TestCluster;
  readonly workload: Workload;
  readonly checker: HistoryChecker;
  readonly monitor: Monitor;
  readonly input: Input;
  readonly tell: (text: string) => void;
  /** Ends every operation under way: the story has failed. */
  readonly abandon: () => void;
}

/** A round of updates makes this many writes. */
const roundItems = 2_000;
/** Acknowledged writes that make a "mid-load". */
const midLoad = 300;

export class Story {
  readonly #parts: StoryParts;

  constructor(parts: StoryParts) {
    this.#parts = parts;
  }

  /** Resolves with the digests of the nodes at the end. */
  async run(): Promise<readonly string[]> {
    await this.#begin();
    await this.#fill();
    const load = new BackgroundLoad(this.#parts.checker, () => this.#round());
    try {
      await this.#killLeader(load);
      const restored = await this.#leaveFollowerBehind(load);
      await this.#replaceMember(restored);
      await load.stop();
    } catch (error) {
      this.#parts.abandon();
      await load.ended;
      throw error;
    }
    return this.#compare();
  }

  #round(): Promise<void> {
    return this.#parts.workload.writeAll(cycle(this.#parts.input, roundItems));
  }

  async #begin(): Promise<void> {
    const { cluster, monitor, tell } = this.#parts;
    tell('three nodes start, each a process with its own disk, and elect a leader');
    await cluster.found([1, 2, 3]);
    tell(`their engines: ${[1, 2, 3].map((id) => this.#engine(id)).join(', ')}`);
    const { id, status } = await cluster.leader();
    monitor.start();
    tell(`node ${id} leads in term ${status.term}`);
  }

  async #fill(): Promise<void> {
    const { cluster, workload, checker, input, tell } = this.#parts;
    tell(`replicate ${input.name}`);
    await workload.writeAll(input.items());
    if (checker.keyCount === 0) throw new CommandFailure(`${input.name} holds nothing to replicate.`);
    tell(`${checker.keyCount} keys are on a majority of disks`);
    const before = await cluster.leader();
    let rounds = 0;
    while ((await cluster.leader()).status.firstIndex === before.status.firstIndex) {
      await this.#round();
      rounds++;
    }
    const { status } = await cluster.leader();
    tell(
      `${rounds} rounds of updates; the log is compacted and begins at ${status.firstIndex} of ${status.lastIndex}`,
    );
  }

  async #killLeader(load: BackgroundLoad): Promise<void> {
    const { cluster, tell } = this.#parts;
    await this.#moreWrites(load);
    const { id, status } = await cluster.leader();
    tell(`kill -9 of the leader, node ${id}, in the middle of writes`);
    await cluster.kill(id);
    const next = await cluster.leader(status.term);
    tell(`node ${next.id} leads in term ${next.status.term}; the writes go on`);
    await this.#moreWrites(load);
    await cluster.start(id);
    await cluster.caughtUp(id);
    tell(`node ${id} is back and has caught up`);
  }

  async #leaveFollowerBehind(load: BackgroundLoad): Promise<number> {
    const { cluster, monitor, tell } = this.#parts;
    const id = await this.#follower();
    tell(`kill -9 of node ${id}, a follower on ${this.#engine(id)}`);
    await cluster.kill(id);
    // It went on until it died, and holds at most what the leader holds now.
    const { lastIndex } = (await cluster.leader()).status;
    tell(`node ${id}, a follower, stops at index ${lastIndex} at most`);
    const first = await cluster.wait('the log to be compacted past the stopped follower', async () => {
      load.acknowledged();
      const { status } = await cluster.leader();
      return status.firstIndex > lastIndex + 1 ? status.firstIndex : undefined;
    });
    const installed = monitor.totals().snapshotsInstalled;
    tell(`the leader's log now begins at ${first}: node ${id} needs a snapshot`);
    await cluster.start(id);
    await cluster.caughtUp(id);
    await cluster.wait('the snapshot to be counted', async () => {
      await monitor.look();
      return monitor.totals().snapshotsInstalled > installed ? true : undefined;
    });
    const leader = await cluster.leader();
    const [from, to] = [this.#engine(leader.id), this.#engine(id)];
    const crossed = from === to ? '' : `, which crossed from ${from} to ${to},`;
    tell(`node ${id} installed a snapshot of node ${leader.id}${crossed} and has caught up`);
    return id;
  }

  async #replaceMember(spared: number): Promise<void> {
    const { cluster, tell } = this.#parts;
    const old = await this.#follower(spared);
    const id = 4;
    const storage = cluster.storageOf(old);
    tell(`the disk of node ${old} is wiped; node ${id} takes its place`);
    await cluster.wipe(old);
    await cluster.startJoining(id, storage);
    await cluster.change({ change: 'add-learner', id, address: cluster.addressOf(id) });
    await cluster.caughtUp(id);
    tell(`node ${id} learned the state`);
    await cluster.change({ change: 'promote', id });
    await cluster.change({ change: 'remove', id: old });
    tell(`node ${id} votes, node ${old} is removed for ever`);
  }

  /** Same log, same contents: read every key back, then compare the nodes with each other. */
  async #compare(): Promise<readonly string[]> {
    const { cluster, workload, checker, tell } = this.#parts;
    tell(`read all ${checker.keyCount} keys back, and compare the nodes`);
    await workload.readAll();
    const digests = await cluster.digestsAtOneIndex();
    for (const { count } of digests) {
      if (count !== checker.keyCount) {
        throw new CommandFailure(`A node holds ${count} keys, and ${checker.keyCount} were written.`);
      }
    }
    return digests.map(({ digest }) => digest);
  }

  #engine(id: number): string {
    return this.#parts.cluster.storageOf(id)?.name ?? 'sqlite';
  }

  /** A follower, and not `spared`; on another engine than the leader's, if there is one: a snapshot then crosses. */
  async #follower(spared?: number): Promise<number> {
    const { cluster } = this.#parts;
    const leader = await cluster.leader();
    const followers = cluster.running().filter(({ spec }) => spec.id !== leader.id && spec.id !== spared);
    const other = followers.find(({ spec }) => this.#engine(spec.id) !== this.#engine(leader.id));
    const follower = other ?? followers[0];
    if (follower === undefined) throw new CommandFailure('There is no follower.');
    return follower.spec.id;
  }

  async #moreWrites(load: BackgroundLoad): Promise<void> {
    const from = load.acknowledged();
    await this.#parts.cluster.wait(`${midLoad} more acknowledged writes`, () =>
      Promise.resolve(load.acknowledged() >= from + midLoad ? true : undefined),
    );
  }
}
