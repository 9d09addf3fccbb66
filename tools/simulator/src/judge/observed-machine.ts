/** A state machine as its node sees it, with the judge looking over its shoulder. */
import { crc32 } from 'node:zlib';
import type { Reply } from '@balsa/kv';
import type { ApplyBatch, LogIndex, SnapshotMetadata, StateMachine, StateView } from '@balsa/raft-core';
import type { AppliedBook } from './history-of-state.ts';
import type { Judge } from './judge.ts';
import type { Site } from './site.ts';

export class ObservedMachine<R extends Reply> implements StateMachine<R> {
  readonly persistent: boolean;
  readonly #inner: StateMachine<R>;
  readonly #judge: Judge;
  readonly #book: AppliedBook;
  readonly #site: Site;
  #applied: LogIndex = 0;

  constructor(inner: StateMachine<R>, judge: Judge, book: AppliedBook, site: Site) {
    this.#inner = inner;
    this.#judge = judge;
    this.#book = book;
    this.#site = site;
    this.persistent = inner.persistent;
  }

  async open(): Promise<{ readonly appliedIndex: LogIndex }> {
    const site = this.#site;
    const { appliedIndex } = await this.#inner.open();
    this.#applied = appliedIndex;
    if (this.persistent) {
      const most = Math.max(site.givenApplied, site.restoring ?? 0);
      const least =
        site.restoring === undefined ? site.syncedApplied : Math.min(site.syncedApplied, site.restoring);
      if (appliedIndex < least || appliedIndex > most) {
        this.#judge.complain(
          'I11 RestartFidelity',
          `the state machine of node ${site.id} opens at index ${appliedIndex}: ${site.syncedApplied} was durable, ${most} the most it was given`,
        );
      }
    }
    site.givenApplied = appliedIndex;
    site.syncedApplied = appliedIndex;
    site.restoring = undefined;
    return { appliedIndex };
  }

  async apply(batch: ApplyBatch): Promise<readonly R[]> {
    const site = this.#site;
    const { commands, appliedIndex } = batch;
    this.#judge.refresh();
    for (const { index, term } of commands) {
      if (this.#judge.committedTerm(index) === term) continue;
      this.#judge.complain(
        'I5 StateMachineSafety',
        `node ${site.id} applies index ${index}, term ${term}, which is not committed`,
      );
    }
    if (appliedIndex > this.#judge.committedTop) {
      this.#judge.complain(
        'I9 Ordering',
        `node ${site.id} applies up to ${appliedIndex}, which is not committed`,
      );
    }
    const term = this.#judge.committedTerm(appliedIndex) ?? 0;
    if (this.persistent && (appliedIndex > site.model.last || !site.model.holds(appliedIndex, term))) {
      this.#judge.complain(
        'I9 Ordering',
        `node ${site.id} applies ${appliedIndex} of term ${term}, but durable there is the log up to ${site.model.last}, and term ${String(site.model.term(appliedIndex))} at that index`,
      );
    }
    const wrong = this.#book.check(this.#applied, appliedIndex, commands);
    if (wrong !== undefined)
      this.#judge.complain('I5 StateMachineSafety', `node ${site.id} applies another log: ${wrong}`);
    site.givenApplied = Math.max(site.givenApplied, appliedIndex);
    const results = await this.#inner.apply(batch);
    this.#applied = appliedIndex;
    for (const [i, { index }] of commands.entries()) {
      const fault = this.#book.kv.check(index, results[i]);
      if (fault !== undefined) this.#judge.complain('I5 StateMachineSafety', `node ${site.id} ${fault}`);
    }
    return results;
  }

  async sync(): Promise<LogIndex> {
    const index = await this.#inner.sync();
    this.#site.syncedApplied = Math.max(this.#site.syncedApplied, index);
    return index;
  }

  async snapshot(): Promise<StateView> {
    const view = await this.#inner.snapshot();
    const check = (digest: string): void => {
      this.#checkSnapshot(view.appliedIndex, digest);
    };
    return {
      appliedIndex: view.appliedIndex,
      chunks: () => digesting(view.chunks(), check),
      release: () => view.release(),
    };
  }

  async restore(metadata: SnapshotMetadata, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const site = this.#site;
    this.#judge.checkSnapshotPlace(site.id, metadata);
    site.restoring = metadata.index;
    const check = (digest: string): void => {
      this.#checkSnapshot(metadata.index, digest);
    };
    await this.#inner.restore(metadata, digesting(chunks, check));
    this.#applied = metadata.index;
    site.givenApplied = metadata.index;
    site.syncedApplied = metadata.index;
    site.restoring = undefined;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #checkSnapshot(index: LogIndex, digest: string): void {
    if (this.#book.sameSnapshot(index, digest)) return;
    this.#judge.complain(
      'I5 StateMachineSafety',
      `node ${this.#site.id} has another state at index ${index} than an earlier snapshot of it`,
    );
  }
}

async function* digesting(
  chunks: AsyncIterable<Uint8Array>,
  onEnd: (digest: string) => void,
): AsyncGenerator<Uint8Array> {
  let crc = 0;
  let bytes = 0;
  for await (const chunk of chunks) {
    crc = crc32(chunk, crc);
    bytes += chunk.length;
    yield chunk;
  }
  onEnd(`${bytes}:${crc}`);
}
