/** The ordered key-value store on Redis, by the letter of raft-core's contracts/ordered-store.ts. */
import {
  BalsaError,
  LogLevel,
  assertSafeInteger,
  type Env,
  type KeyValue,
  type LogIndex,
  type OrderedBatch,
  type OrderedRestore,
  type OrderedStore,
  type OrderedView,
  type RangeOptions,
} from '@balsa/raft-core';
import { Lifecycle, Turns } from '@balsa/storage-kit';
import type { AppendOnlyFile } from './append-only-file.ts';
import type { Argument, Reply } from './connection.ts';
import { corrupt } from './errors.ts';
import type { ExpectedHead } from './head.ts';
import { generationKeys, headKey, type GenerationKeys } from './keys.ts';
import type { LogWriter } from './log-writer.ts';
import { readAllPages, readPage, type PageSource } from './ordered-pages.ts';
import { RedisRestore, type Filled } from './ordered-restore.ts';
import { RedisView } from './ordered-view.ts';
import { PairCodec, checkKey, keyText } from './pairs.ts';
import { applyScript, dropScript, fillScript, writeScript } from './scripts.ts';
import { encodeStoreKnown, encodeStoreRest, type StoreHead } from './store-head.ts';

export interface RedisOrderedStoreOptions {
  readonly name: string;
  readonly prefix: string;
  /** Of the registry. */
  readonly field: string;
  readonly storeId: string;
  readonly env: Env;
  readonly writer: LogWriter;
  readonly maxViews: number;
  readonly maxViewBytes: number;
  /** Of the server. */
  readonly file: AppendOnlyFile;
  /** Takes the store over and gives its head. */
  readonly claim: () => Promise<StoreHead>;
  readonly onClose: () => void;
}

/** Keys of one reading of values. */
const keysPerRead = 256;

export class RedisOrderedStore implements OrderedStore {
  readonly #options: RedisOrderedStoreOptions;
  readonly #life: Lifecycle;
  readonly #codec: PairCodec;
  readonly #headKey: string;
  readonly #restores = new Set<RedisRestore>();
  /** Open views, oldest first, each with the generation that it shows. */
  readonly #views = new Map<RedisView, number>();
  #head: StoreHead | undefined;
  #headText = '';
  #opening: Promise<{ readonly appliedIndex: LogIndex }> | undefined;
  /** Writes, pages of views and switches of contents take effect one at a time. */
  readonly #turns = new Turns();

  constructor(options: RedisOrderedStoreOptions) {
    this.#options = options;
    this.#life = new Lifecycle(`ordered store ${JSON.stringify(options.name)}`, () => {
      options.writer.check();
    });
    this.#codec = new PairCodec(options.storeId, options.field, this.#life.what);
    this.#headKey = headKey(options.prefix, options.field);
  }

  /** Of an open store: what the server has to hold. */
  get expectedHead(): ExpectedHead | undefined {
    return this.#head === undefined ? undefined : { key: this.#headKey, text: this.#headText };
  }

  open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#opening ??= this.#life.track(() => this.#open());
    return this.#opening;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const head = this.#check();
    for (const key of keys) checkKey(key);
    const { writer } = this.#options;
    return this.#life.track(async () => {
      await writer.ready();
      const parts: Promise<(Uint8Array | undefined)[]>[] = [];
      for (let i = 0; i < keys.length; i += keysPerRead) {
        parts.push(this.#getSome(head.generation, keys.slice(i, i + keysPerRead)));
      }
      return (await Promise.all(parts)).flat();
    });
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    const { generation } = this.#check();
    return this.#life.track(async () => {
      await this.#options.writer.ready();
      const first = await readPage(this.#source(generation), options);
      if (!first.more || first.byBytes || first.pairs.length >= options.limit) return [...first.pairs];
      // It takes several pages: no write may come in between.
      return this.#inTurn(() => {
        const source = this.#source(this.#check().generation);
        return readAllPages(options, (part) => readPage(source, part));
      });
    });
  }

  async count(): Promise<number> {
    return this.#check().count;
  }

  async write(batch: OrderedBatch): Promise<void> {
    this.#check();
    await this.#life.writeAlone(async () => {
      assertSafeInteger(batch.appliedIndex, 'applied index');
      for (const [key] of batch.changes) checkKey(key);
      const changes = new Map(batch.changes.map(([key, value]) => [keyText(key), { key, value }]));
      await this.#inTurn(() => this.#apply([...changes.values()], batch.appliedIndex));
    });
  }

  /** Every write is durable when it resolves, as everything on this server is. */
  async sync(): Promise<LogIndex> {
    return this.#check().appliedIndex;
  }

  async view(): Promise<OrderedView> {
    const { maxViews } = this.#options;
    this.#check();
    // In turn: no write is under way whose effect may or may not be there.
    return this.#inTurn(async () => {
      const { appliedIndex, count, generation } = this.#check();
      if (this.#views.size >= maxViews) {
        throw new BalsaError(
          'OVERLOADED',
          `${this.#life.what} has ${String(maxViews)} views open, the most it takes`,
        );
      }
      const view = new RedisView({
        appliedIndex,
        count,
        check: () => {
          this.#life.assertAlive();
        },
        readPage: (options, lay) =>
          this.#inTurn(async () => {
            await this.#options.writer.ready();
            return lay(await readPage(this.#source(generation), options));
          }),
        ended: (ended) => this.#views.delete(ended),
      });
      this.#views.set(view, generation);
      return view;
    });
  }

  async beginRestore(): Promise<OrderedRestore> {
    this.#check();
    return this.#inTurn(async () => {
      const head = this.#check();
      const generation = head.newest + 1;
      // Said before the first pair is there, so that a crash leaves none that nobody knows of.
      await this.#setHead({ ...head, newest: generation }, false);
      const restore: RedisRestore = new RedisRestore({
        generation,
        codec: this.#codec,
        check: () => {
          this.#life.assertAlive();
        },
        fill: (pairs, bytes) => this.#fill(generation, pairs, bytes),
        switchTo: (filled, appliedIndex) => this.#inTurn(() => this.#switchTo(filled, appliedIndex)),
        discard: () => this.#drop(generation),
        ended: () => this.#restores.delete(restore),
      });
      this.#restores.add(restore);
      return restore;
    });
  }

  /** Removes contents that nobody looks at any more, and has the server's file written anew where that is due. */
  async maintain(): Promise<boolean> {
    this.#check();
    await this.#inTurn(() => this.#removeOld());
    return this.#life.track(() => this.#options.file.maintain());
  }

  async bytes(): Promise<number> {
    const { generation } = this.#check();
    const { order, values } = this.#keys(generation);
    return this.#life.track(async () => {
      let sum = 0;
      for (const key of [order, values]) {
        sum += Number((await this.#options.writer.read('memory', ['usage', key], 'ask for memory')) ?? 0);
      }
      return sum;
    });
  }

  close(): Promise<void> {
    return this.#life.close(() => this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#life.assertAlive();
    const head = await this.#options.claim();
    this.#headText = this.#options.writer.epoch + encodeStoreRest(this.#options.field, head);
    await this.#verify(head);
    this.#head = head;
    await this.#removeOld();
    return { appliedIndex: head.appliedIndex };
  }

  /** Every pair is looked at: a flipped bit may have turned the name of a key, and then nothing else would tell. */
  async #verify(head: StoreHead): Promise<void> {
    const source = this.#source(head.generation);
    let [count, digest] = [0, 0];
    let from: Pick<RangeOptions, 'gt'> = {};
    for (;;) {
      const page = await readPage(source, { ...from, limit: Number.MAX_SAFE_INTEGER });
      count += page.pairs.length;
      for (const checksum of page.checksums) digest = (digest + checksum) % 2 ** 32;
      const last = page.pairs.at(-1);
      if (!page.more || last === undefined) break;
      from = { gt: last.key };
    }
    const values = await this.#options.writer.read('hlen', [source.keys.values], 'count values');
    if (count === head.count && digest === head.digest && values === count) return;
    throw corrupt(
      `${this.#life.what} holds ${String(count)} keys and ${String(values)} values with digest ${String(digest)}, ` +
        `its head says ${String(head.count)} with ${String(head.digest)}`,
    );
  }

  async #getSome(generation: number, keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const args = [this.#keys(generation).values, ...keys.map((key) => Buffer.from(key))];
    const reply = (await this.#options.writer.read(
      'hmget',
      args,
      `read ${this.#life.what}`,
    )) as readonly Reply[];
    return keys.map((key, i) => {
      const found = reply[i];
      return found === null ? undefined : this.#codec.decode(key, found).value;
    });
  }

  async #apply(
    changes: readonly { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[],
    appliedIndex: LogIndex,
  ): Promise<void> {
    const { writer, field } = this.#options;
    writer.check();
    const head = this.#head;
    if (head === undefined) throw new BalsaError('STORE_NOT_OPEN', `${this.#life.what} is not open yet`);
    if (appliedIndex < head.appliedIndex) {
      throw new BalsaError(
        'INVALID_ARGUMENT',
        `applied index ${String(appliedIndex)} is below the present ${String(head.appliedIndex)} of ${this.#life.what}`,
      );
    }
    await writer.ready();
    const ordered = [
      ...changes.filter(({ value }) => value !== undefined),
      ...changes.filter(({ value }) => value === undefined),
    ];
    const pairs: Argument[] = [];
    let [sum, puts] = [0, 0];
    for (const { key, value } of ordered) {
      pairs.push(Buffer.from(key));
      if (value === undefined) continue;
      const { stored, checksum } = this.#codec.encode(key, value);
      pairs.push(stored);
      sum = (sum + checksum) % 2 ** 32;
      puts++;
    }
    const { order, values } = this.#keys(head.generation);
    const shown = [...this.#views].flatMap(([view, g]) => (g === head.generation ? [view] : []));
    const sequence = writer.nextSequence();
    const next = { ...head, sequence, appliedIndex };
    const known = writer.epoch + encodeStoreKnown(field, next);
    const reply = await writer.commit({
      what: `a write of ${this.#life.what}`,
      script: applyScript,
      keys: [this.#headKey, order, values],
      args: [
        this.#headText,
        known,
        String(head.count),
        String(head.digest),
        String(sum),
        shown.length > 0 ? '1' : '0',
        String(puts),
        ...pairs,
      ],
      sequence,
      syncWatermark: false,
    });
    const [, count, digest, ...old] = reply as readonly Reply[];
    this.#remember({ ...next, count: Number(count), digest: Number(digest) });
    if (shown.length > 0) this.#keepOld(shown, ordered, old);
  }

  #keepOld(
    views: readonly RedisView[],
    changes: readonly { readonly key: Uint8Array }[],
    old: readonly Reply[],
  ): void {
    for (const [i, { key: given }] of changes.entries()) {
      const found = old[i];
      const key = Uint8Array.from(given);
      const value = Buffer.isBuffer(found) ? this.#codec.decode(key, found).value : undefined;
      for (const view of views) view.keep(key, value);
    }
    this.#endGreedyViews();
  }

  #endGreedyViews(): void {
    const { maxViewBytes } = this.#options;
    let kept = 0;
    for (const view of this.#views.keys()) kept += view.bytes;
    for (const view of [...this.#views.keys()]) {
      if (kept <= maxViewBytes) return;
      kept -= view.bytes;
      view.end(
        new BalsaError(
          'STORE_SNAPSHOT_ABORTED',
          `this view was ended: more than ${String(maxViewBytes)} bytes of overwritten pairs were kept for the views of ${this.#life.what}`,
        ),
      );
    }
  }

  async #fill(generation: number, pairs: readonly Argument[], bytes: number): Promise<void> {
    const { writer, file } = this.#options;
    const { order, values } = this.#keys(generation);
    await file.untilFree(bytes, () => !this.#life.isClosing);
    await writer.prepare(
      fillScript,
      [this.#headKey, order, values],
      [writer.epoch, ...pairs],
      'fill a restore',
    );
  }

  /** The one atomic step: the head says which generation is the present one. */
  async #switchTo({ generation, count, digest }: Filled, appliedIndex: LogIndex): Promise<void> {
    const head = this.#check();
    const oldest = Math.min(head.oldest, head.generation);
    await this.#setHead({ ...head, generation, count, digest, appliedIndex, oldest }, true);
    try {
      await this.#removeOld();
    } catch (error) {
      // Not a fault of this call: housekeeping or the next opening removes it.
      const text = `cannot remove the old contents of ${this.#life.what}`;
      this.#options.env.log.log(LogLevel.Warn, text, { error });
    }
  }

  async #setHead(head: StoreHead, syncWatermark: boolean): Promise<void> {
    const { writer, field } = this.#options;
    writer.check();
    await writer.ready();
    const next = { ...head, sequence: writer.nextSequence() };
    const text = writer.epoch + encodeStoreRest(field, next);
    await writer.commit({
      what: `changing the head of ${this.#life.what}`,
      script: writeScript,
      keys: [this.#headKey, this.#headKey],
      args: [this.#headText, text, '0', ''],
      sequence: next.sequence,
      syncWatermark,
    });
    this.#remember(next);
  }

  #remember(head: StoreHead): void {
    this.#head = head;
    this.#headText = this.#options.writer.epoch + encodeStoreRest(this.#options.field, head);
  }

  /** Generations that are neither present, nor shown by a view, nor being filled. */
  async #removeOld(): Promise<void> {
    const head = this.#head;
    if (head === undefined || this.#restores.size > 0) return;
    const shown = new Set(this.#views.values());
    let lowest = head.newest + 1;
    for (let generation = head.oldest; generation <= head.newest; generation++) {
      if (generation === head.generation) continue;
      if (shown.has(generation)) lowest = Math.min(lowest, generation);
      else await this.#drop(generation);
    }
    if (lowest !== head.oldest) await this.#setHead({ ...head, oldest: lowest }, false);
  }

  async #drop(generation: number): Promise<void> {
    const { writer } = this.#options;
    const { order, values } = this.#keys(generation);
    // The server frees large ones on a thread of its own.
    await writer.prepare(dropScript, [this.#headKey, order, values], [writer.epoch], 'remove old contents');
  }

  async #close(): Promise<void> {
    const { writer, onClose } = this.#options;
    try {
      if (writer.mayWrite) for (const restore of [...this.#restores]) await restore.abort();
      await this.#life.settled();
      const reason = new BalsaError('STORE_CLOSED', `${this.#life.what} is closed`);
      for (const view of [...this.#views.keys()]) view.end(reason);
    } finally {
      onClose();
    }
  }

  #source(generation: number): PageSource {
    const { connection } = this.#options.writer;
    return { keys: this.#keys(generation), codec: this.#codec, connection, what: this.#life.what };
  }

  #keys(generation: number): GenerationKeys {
    return generationKeys(this.#options.prefix, this.#options.field, generation);
  }

  #check(): StoreHead {
    return this.#life.assertOpen(this.#head);
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    return this.#life.track(() => this.#turns.take(run));
  }
}
