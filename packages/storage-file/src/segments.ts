/** The segment files of the log: the one that grows, those that are read, those that go. */
import { mapIo, removeDurably, type FileHandle, type FileSystem } from '@balsa/storage-kit';
import { segmentName } from './format.ts';
import { FrameFile } from './frame-file.ts';
import type { ChainEnd } from './frame-format.ts';

/** Files kept open for reading when nobody reads them. */
const idleHandles = 32;

interface Open {
  readonly handle: Promise<FileHandle>;
  users: number;
  removed: boolean;
}

export interface SegmentsOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly identity: string;
}

export class Segments {
  readonly #options: SegmentsOptions;
  /** Bytes of each segment but the active one, by ascending number. */
  readonly #sizes: Map<number, number>;
  readonly #open = new Map<number, Open>();
  #active: FrameFile | undefined;
  #closed = false;
  /** Bytes of the state that the active segment begins with: the price of a segment, not garbage. */
  stateBytes = 0;

  constructor(options: SegmentsOptions, sizes: Map<number, number>) {
    this.#options = options;
    this.#sizes = sizes;
  }

  get active(): FrameFile {
    if (this.#active === undefined) throw new Error('no segment was begun');
    return this.#active;
  }

  /** Numbers of the segments before the active one, oldest first. */
  sealed(): number[] {
    return [...this.#sizes.keys()];
  }

  get bytes(): number {
    let sum = this.#active?.end.offset ?? 0;
    for (const size of this.#sizes.values()) sum += size;
    return sum;
  }

  /**
   * Begins the segment behind `previous`, with `state` as its first frame, durably. The one before must
   * be durable up to that end. When it rejects, no trace is left; if that cannot be had, `fatal` is told.
   */
  async begin(
    number: number,
    previous: ChainEnd,
    state: Uint8Array,
    fatal: (error: unknown) => void,
  ): Promise<void> {
    const { fs, directory, identity } = this.#options;
    const path = fs.join(directory, segmentName(number));
    const file = await FrameFile.create(fs, path, { identity, chain: 0, number, previous });
    try {
      await mapIo('write', path, async () => {
        await file.append(state, previous.sequence);
        await file.handle.sync();
        await fs.syncDirectory(directory);
      });
    } catch (error) {
      await this.#abandon(file, fatal);
      throw error;
    }
    if (this.#active !== undefined) {
      this.#sizes.set(this.#active.number, this.#active.end.offset);
      this.release(this.#active.number);
    }
    this.#active = file;
    this.stateBytes = file.end.offset;
    // The writer is the first user.
    this.#open.set(number, { handle: Promise.resolve(file.handle), users: 1, removed: false });
  }

  /** A handle to read from, good until `release`, whatever is removed meanwhile. */
  async acquire(number: number): Promise<FileHandle> {
    let open = this.#open.get(number);
    if (open === undefined) {
      const { fs, directory } = this.#options;
      const path = fs.join(directory, segmentName(number));
      open = { handle: mapIo('open', path, () => fs.open(path, 'read')), users: 0, removed: false };
      this.#open.set(number, open);
    }
    open.users++;
    try {
      return await open.handle;
    } catch (error) {
      this.#open.delete(number);
      throw error;
    }
  }

  release(number: number): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    open.users--;
    if (open.users > 0) return;
    if (open.removed || this.#closed || this.#open.size > idleHandles) this.#closeHandle(number, open);
  }

  /** Removes sealed segments that nothing refers to, durably. Readers that have one finish. */
  async remove(numbers: readonly number[]): Promise<void> {
    const { fs, directory } = this.#options;
    // A reader that came before is still opening its file by name.
    for (const number of numbers) await this.#open.get(number)?.handle.catch(() => undefined);
    await removeDurably(fs, directory, numbers.map(segmentName));
    for (const number of numbers) {
      this.#sizes.delete(number);
      const open = this.#open.get(number);
      if (open === undefined) continue;
      open.removed = true;
      if (open.users === 0) this.#closeHandle(number, open);
    }
  }

  /** Nobody reads any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const handles = [...this.#open.values()].map((open) => open.handle);
    this.#open.clear();
    for (const handle of handles) await (await handle).close();
  }

  #closeHandle(number: number, open: Open): void {
    this.#open.delete(number);
    // Closing a file that was only read, or is synced already, has nothing to report.
    open.handle.then((handle) => handle.close()).catch(() => undefined);
  }

  async #abandon(file: FrameFile, fatal: (error: unknown) => void): Promise<void> {
    const { fs, directory } = this.#options;
    try {
      await file.handle.close();
      await removeDurably(fs, directory, [segmentName(file.number)]);
    } catch (error) {
      fatal(error);
    }
  }
}
