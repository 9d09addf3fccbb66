/**
 * Points in time of an ordered store. What a write replaces is kept here, in the memory of this process, for
 * every view that is open: a view is the present pairs with what was there before laid over them.
 */
import {
  BalsaError,
  type KeyValue,
  type LogIndex,
  type OrderedView,
  type RangeOptions,
} from '@balsa/raft-core';
import { keyText } from './pairs.ts';
import { readAllPages, type Page } from './ordered-pages.ts';

/** What a pair takes up beyond its bytes, roughly. */
const pairOverhead = 128;

/** The value of a key before the first change since the view was made; undefined: there was none. */
interface Before {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface ViewOptions {
  readonly appliedIndex: LogIndex;
  readonly count: number;
  /** Throws when the store cannot be read. */
  readonly check: () => void;
  /** A page of the present pairs, with no write in between until `lay` has laid over it what changed. */
  readonly readPage: (options: RangeOptions, lay: (page: Page) => Page) => Promise<Page>;
  readonly ended: (view: RedisView) => void;
}

export class RedisView implements OrderedView {
  readonly appliedIndex: LogIndex;
  readonly count: number;
  readonly #options: ViewOptions;
  readonly #before = new Map<string, Before>();
  /** Keys of `#before` in order, but for those that came since. */
  #sorted: string[] = [];
  #unsorted: string[] = [];
  #bytes = 0;
  #over: BalsaError | undefined;

  constructor(options: ViewOptions) {
    this.appliedIndex = options.appliedIndex;
    this.count = options.count;
    this.#options = options;
  }

  /** That are kept for this view. */
  get bytes(): number {
    return this.#bytes;
  }

  async range(options: RangeOptions): Promise<KeyValue[]> {
    return readAllPages(options, (part) => {
      if (this.#over !== undefined) throw this.#over;
      this.#options.check();
      return this.#options.readPage(part, (page) => this.#lay(page, part));
    });
  }

  async release(): Promise<void> {
    this.end(new BalsaError('STORE_CLOSED', 'this view is released'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** `value` was under `key` until now. Only the first change since the view was made counts. */
  keep(key: Uint8Array, value: Uint8Array | undefined): void {
    const text = keyText(key);
    if (this.#before.has(text)) return;
    this.#before.set(text, { key, value });
    this.#unsorted.push(text);
    this.#bytes += key.length + (value?.length ?? 0) + pairOverhead;
  }

  end(reason: BalsaError): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#before.clear();
    this.#sorted = [];
    this.#unsorted = [];
    this.#bytes = 0;
    this.#options.ended(this);
  }

  /** The page as it was: what changed within its span is put back. */
  #lay(page: Page, options: RangeOptions): Page {
    if (this.#over !== undefined) throw this.#over;
    const last = page.pairs.at(-1);
    const end = page.more && last !== undefined ? keyText(last.key) : undefined;
    const changed = this.#between(options, end);
    if (changed.length === 0) return page;
    const texts = new Set(changed);
    const pairs = page.pairs.filter(({ key }) => !texts.has(keyText(key)));
    for (const text of changed) {
      const before = this.#before.get(text);
      if (before?.value !== undefined) pairs.push({ key: before.key.slice(), value: before.value.slice() });
    }
    pairs.sort((a, b) => Buffer.compare(a.key, b.key));
    const cut = pairs.slice(0, options.limit);
    const isCut = cut.length < pairs.length;
    // What the page ended with may not belong to the view: the next one begins behind it all the same.
    const resume = isCut || last === undefined ? {} : { resume: last.key };
    return { pairs: cut, checksums: [], more: page.more || isCut, byBytes: false, ...resume };
  }

  /** Keys that changed, from the lower bound of the options to their upper one, or to `end` if that comes first. */
  #between({ gte, gt, lt }: RangeOptions, end: string | undefined): string[] {
    this.#sort();
    const lows = [gte, gt].filter((key) => key !== undefined).map(keyText);
    const from = lows.length === 0 ? 0 : lowest(this.#sorted, lows.sort().at(-1) ?? '');
    const high = lt === undefined ? undefined : keyText(lt);
    const above = gt === undefined ? undefined : keyText(gt);
    const found: string[] = [];
    for (let i = from; i < this.#sorted.length; i++) {
      const text = this.#sorted[i] ?? '';
      if ((high !== undefined && text >= high) || (end !== undefined && text > end)) break;
      if (text !== above) found.push(text);
    }
    return found;
  }

  #sort(): void {
    if (this.#unsorted.length === 0) return;
    // Nearly sorted already: the engine's sort finds the runs.
    this.#sorted = [...this.#sorted, ...this.#unsorted.sort()].sort();
    this.#unsorted = [];
  }
}

/** Place of the first that is not below `text`. */
function lowest(sorted: readonly string[], text: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
