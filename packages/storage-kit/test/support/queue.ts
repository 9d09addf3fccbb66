/** A commit queue on a database that is a list, with a watermark that is one number. */
import { silentLogger, type Env } from '@balsa/raft-core';
import {
  CommitQueue,
  Watermark,
  refusal,
  type CommitQueueOptions,
  type PreparedJob,
} from '@balsa/storage-kit';
import { temporaryDirectory, watch, type WatchedFileSystem } from './index.ts';

type Text = string[];

export interface QueueBench {
  readonly queue: CommitQueue<Text>;
  readonly fs: WatchedFileSystem;
  readonly watermark: Watermark;
  /** What each commit wrote, with its sequence. */
  readonly commits: {
    readonly sequence: number;
    readonly words: readonly string[];
    readonly bytes: number;
  }[];
  /** Turns of the event loop that wait, run by `turn`. */
  turn(): void;
  /** The next commit throws it, and poisons first when `unknown`. */
  fail(error: Error, unknown: boolean): void;
  /** From now on each commit waits for a sync; calls of `synced` end them, with an error or without. */
  syncElsewhere(): void;
  synced(error?: Error): void;
}

export async function queueBench(
  options: Pick<CommitQueueOptions<Text>, 'maxJobs' | 'maxBytes'> = {},
): Promise<QueueBench> {
  const fs = watch();
  const where = { fs, directory: temporaryDirectory(), name: 'watermark', lag: 1000 };
  const watermark = await Watermark.create(where, '00000000000000aa');
  const timers: (() => void)[] = [];
  const env: Env = {
    now: () => 0,
    setTimer: (_ms, callback) => {
      timers.push(callback);
      return { cancel: () => undefined };
    },
    random: () => 0,
    log: silentLogger,
  };
  const commits: { sequence: number; words: string[]; bytes: number }[] = [];
  const syncs: { resolve(): void; reject(error: Error): void }[] = [];
  let elsewhere = false;
  let failure: { readonly error: Error; readonly unknown: boolean } | undefined;
  const queue: CommitQueue<Text> = new CommitQueue<Text>({
    ...options,
    env,
    watermark,
    sequence: 7,
    commit: (works, sequence, bytes) => {
      const words: string[] = [];
      for (const work of works) work.run(words);
      const failing = failure;
      failure = undefined;
      if (failing?.unknown === true) queue.poisonWith(failing.error);
      if (failing !== undefined) throw failing.error;
      commits.push({ sequence, words, bytes });
      if (!elsewhere) return undefined;
      return new Promise((resolve, reject) => syncs.push({ resolve, reject }));
    },
    refused: refusal,
  });
  return {
    queue,
    fs,
    watermark,
    commits,
    turn: () => {
      for (const run of timers.splice(0)) run();
    },
    fail: (error, unknown) => {
      failure = { error, unknown };
    },
    syncElsewhere: () => {
      elsewhere = true;
    },
    synced: (error) => {
      const sync = syncs.shift();
      if (error === undefined) sync?.resolve();
      else sync?.reject(error);
    },
  };
}

/** A job that writes one word. `done` is told when it is durable. */
export function word(
  owner: object,
  text: string,
  more: { readonly done?: () => void; readonly bytes?: number; readonly sync?: boolean } = {},
): { owner: object; bytes: number; prepare(): PreparedJob<Text> } {
  return {
    owner,
    bytes: more.bytes ?? 1,
    prepare: () => ({
      run: (words) => words.push(text),
      done: more.done ?? (() => undefined),
      syncWatermark: more.sync ?? false,
    }),
  };
}
