/** An ordered store that lives in the worker, its views and restores. */
import type {
  KeyValue,
  LogIndex,
  OrderedBatch,
  OrderedRestore,
  OrderedStore,
  OrderedView,
  RangeOptions,
} from '@balsa/raft-core';
import { Lifecycle } from '../lifecycle.ts';
import { endOf, type Link } from './link.ts';
import { packChanges, packList, packPairs, unpackList, unpackPairs } from './payload.ts';
import type { Handle } from './protocol.ts';

interface ViewState {
  readonly appliedIndex: LogIndex;
  readonly count: number;
}

/** A plain copy, the bounds out of whatever pool they are views of. */
function plainRange(options: RangeOptions): RangeOptions {
  const { gte, gt, lt, ...rest } = options;
  return {
    ...rest,
    ...(gte !== undefined && { gte: new Uint8Array(gte) }),
    ...(gt !== undefined && { gt: new Uint8Array(gt) }),
    ...(lt !== undefined && { lt: new Uint8Array(lt) }),
  };
}

export class WorkerOrderedStore implements OrderedStore {
  readonly #link: Link;
  readonly #handle: Handle;
  readonly #life: Lifecycle;
  readonly #onClose: () => void;
  #opened: true | undefined;

  constructor(name: string, link: Link, handle: Handle, assertEngineOpen: () => void, onClose: () => void) {
    this.#link = link;
    this.#handle = handle;
    this.#onClose = onClose;
    this.#life = new Lifecycle(`ordered store ${JSON.stringify(name)}`, () => {
      assertEngineOpen();
      link.check();
    });
  }

  async open(): Promise<{ readonly appliedIndex: LogIndex }> {
    this.#life.assertAlive();
    const state = await this.#call<{ readonly appliedIndex: LogIndex }>('open', []);
    this.#opened = true;
    return state;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#check();
    return this.#life.track(() => {
      const packed = packList(keys);
      return this.#link.list(this.#handle, 'getMany', [packed], unpackList, [packed.buffer]);
    });
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    this.#check();
    return this.#life.track(() => this.#link.list(this.#handle, 'range', [plainRange(options)], unpackPairs));
  }

  async count(): Promise<number> {
    this.#check();
    return this.#call('count', []);
  }

  /** Refused here, too, while the one before has not settled here: the worker may have settled it already. */
  async write(batch: OrderedBatch): Promise<void> {
    this.#check();
    await this.#life.writeAlone(async () => {
      const packed = packChanges(batch.changes);
      const transfer = [packed.buffer];
      await this.#link.call(this.#handle, 'write', [packed, batch.appliedIndex], { transfer });
    });
  }

  async sync(): Promise<LogIndex> {
    this.#check();
    return this.#call('sync', []);
  }

  async view(): Promise<OrderedView> {
    this.#check();
    const as = this.#link.newHandle();
    const state = await this.#call<ViewState>('view', [], as);
    return new WorkerOrderedView(this.#link, as, state);
  }

  async beginRestore(): Promise<OrderedRestore> {
    this.#check();
    const as = this.#link.newHandle();
    await this.#call('beginRestore', [], as);
    return new WorkerOrderedRestore(this.#link, as);
  }

  async maintain(): Promise<boolean> {
    this.#check();
    return this.#call('maintain', []);
  }

  async bytes(): Promise<number> {
    this.#check();
    return this.#call('bytes', []);
  }

  close(): Promise<void> {
    return this.#life.close(async () => {
      try {
        await endOf(this.#link, this.#handle, 'close');
        await this.#life.settled();
      } finally {
        this.#onClose();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call<T>(method: string, args: readonly unknown[], as?: Handle): Promise<T> {
    const extras = as === undefined ? {} : { as };
    return this.#life.track(() => this.#link.call<T>(this.#handle, method, args, extras));
  }

  #check(): void {
    this.#life.assertOpen(this.#opened);
  }
}

class WorkerOrderedView implements OrderedView {
  readonly appliedIndex: LogIndex;
  readonly count: number;
  readonly #link: Link;
  readonly #handle: Handle;

  constructor(link: Link, handle: Handle, { appliedIndex, count }: ViewState) {
    this.appliedIndex = appliedIndex;
    this.count = count;
    this.#link = link;
    this.#handle = handle;
    link.adopt(this, handle);
  }

  range(options: RangeOptions): Promise<KeyValue[]> {
    return this.#link.list(this.#handle, 'range', [plainRange(options)], unpackPairs);
  }

  release(): Promise<void> {
    return endOf(this.#link, this.#handle, 'release');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

class WorkerOrderedRestore implements OrderedRestore {
  readonly #link: Link;
  readonly #handle: Handle;

  constructor(link: Link, handle: Handle) {
    this.#link = link;
    this.#handle = handle;
    link.adopt(this, handle);
  }

  async put(pairs: readonly KeyValue[]): Promise<void> {
    const packed = packPairs(pairs);
    await this.#link.call(this.#handle, 'put', [packed], { transfer: [packed.buffer] });
  }

  commit(appliedIndex: LogIndex): Promise<void> {
    return this.#link.call(this.#handle, 'commit', [appliedIndex]);
  }

  abort(): Promise<void> {
    return endOf(this.#link, this.#handle, 'abort');
  }
}
