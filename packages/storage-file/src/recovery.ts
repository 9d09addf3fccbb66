/** Opening the log: look without touching, refuse what is not whole, then say what is there. */
import { BalsaError, LogLevel, randomHex64, type Durability, type Env } from '@balsa/raft-core';
import { Watermark, hintAtEmptiness, mapIo, type FileSystem } from '@balsa/storage-kit';
import { corrupt } from './errors.ts';
import { parseRecords, segmentName, segmentPattern, watermarkFile, type LogRecord } from './format.ts';
import { encodeHeader, type ChainEnd, type FileHeader } from './frame-format.ts';
import { beginning, lookAt, withFile, type FoundFile } from './chain-file.ts';
import { findFrame, scanFrames, type Frame, type ScanOptions } from './frame-scan.ts';
import { GroupImage, type GroupLog } from './group-log.ts';
import { Usage } from './locations.ts';

export interface RecoveryOptions {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly env: Env;
  readonly durability: Durability;
  readonly watermarkLag: number;
}

export interface RecoveredLog {
  readonly watermark: Watermark;
  readonly groups: Map<string, GroupLog>;
  /** The engine's own records: identity, and which contents of ordered stores are the present ones. */
  readonly meta: Map<string, string>;
  readonly usage: Usage;
  /** Segments that count, by ascending number, with the bytes that count of each. */
  readonly sizes: Map<number, number>;
  /** Where the log ends. */
  readonly end: ChainEnd;
  /** Files that hold nothing: removed once everything else is known to be right. */
  readonly leftovers: readonly string[];
}

export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  const { fs, directory, watermarkLag: lag, env } = options;
  const watermarkOptions = { fs, directory, name: watermarkFile, lag };
  let watermark = await Watermark.open(watermarkOptions);
  try {
    const { chain, below } = await findSegments(options);
    if (watermark === undefined && chain.length > 0) {
      throw corrupt(
        `the watermark of ${directory} is missing: whether acknowledged writes are lost cannot be told`,
        { directory },
      );
    }
    // The watermark comes first: a log without one would look like one whose watermark was lost.
    watermark ??= await Watermark.create(watermarkOptions, randomHex64(env));
    return await new Replay(options, watermark).run(chain, below);
  } catch (error) {
    await watermark?.close();
    throw error;
  }
}

/** The newest segments without a gap in their numbers; what lies below a gap was being removed. */
async function findSegments({
  fs,
  directory,
}: RecoveryOptions): Promise<{ readonly chain: FoundFile[]; readonly below: string[] }> {
  const numbers: number[] = [];
  for (const name of await mapIo('list', directory, () => fs.list(directory))) {
    const digits = segmentPattern.exec(name)?.[1];
    if (digits !== undefined) numbers.push(Number(digits));
  }
  numbers.sort((a, b) => a - b);
  let first = numbers.length - 1;
  while (first > 0 && numbers[first - 1] === (numbers[first] ?? 0) - 1) first--;
  const below = numbers.slice(0, Math.max(0, first)).map(segmentName);
  const chain: FoundFile[] = [];
  for (const number of numbers.slice(Math.max(0, first))) {
    chain.push(await lookAt(fs, fs.join(directory, segmentName(number)), number));
  }
  return { chain, below };
}

class Replay {
  readonly #options: RecoveryOptions;
  readonly #watermark: Watermark;
  readonly #usage = new Usage();
  readonly #images = new Map<string, GroupImage>();
  readonly #meta = new Map<string, string>();
  readonly #sizes = new Map<number, number>();
  #end = beginning;

  constructor(options: RecoveryOptions, watermark: Watermark) {
    this.#options = options;
    this.#watermark = watermark;
  }

  async run(chain: readonly FoundFile[], below: readonly string[]): Promise<RecoveredLog> {
    const leftovers = [...below];
    for (const [position, segment] of chain.entries()) {
      const next = chain[position + 1];
      const whole = await this.#segment(segment, position === 0, next);
      if (!whole) leftovers.push(segmentName(segment.number));
    }
    this.#checkWatermark();
    const groups = new Map<string, GroupLog>();
    for (const image of this.#images.values()) groups.set(image.id, image.finish());
    return {
      watermark: this.#watermark,
      groups,
      meta: this.#meta,
      usage: this.#usage,
      sizes: this.#sizes,
      end: this.#end,
      leftovers,
    };
  }

  /** False when it is the last one and was never finished: nothing in it was acknowledged. */
  async #segment(segment: FoundFile, isFirst: boolean, next: FoundFile | undefined): Promise<boolean> {
    const expected = this.#expectedHeader(segment, isFirst);
    const header = segment.header ?? expected.header;
    if (segment.header === undefined) {
      if (next !== undefined || expected.unknown) throw damaged(segment, 'its header is damaged');
    } else if (
      header.identity !== this.#watermark.identity ||
      header.chain !== 0 ||
      header.number !== segment.number
    ) {
      throw damaged(segment, 'it belongs to another store than the watermark');
    } else if (!expected.unknown && segment.seed !== expected.seed) {
      throw damaged(segment, 'it does not follow from the segment before it');
    }
    const seed = segment.header === undefined ? expected.seed : segment.seed;
    const { sequence } = header.previous;
    // What lies behind the end that the next segment states was never acknowledged.
    const limit = next?.header?.previous.offset ?? segment.size;
    return withFile(this.#options.fs, segment.path, async (handle) => {
      const scan: ScanOptions = {
        handle,
        path: segment.path,
        size: Math.min(limit, segment.size),
        seed,
        sequence,
      };
      if (segment.header === undefined) {
        await this.#refuseLaterFrames(segment, scan, 0);
        return false;
      }
      let frames = 0;
      const end = await scanFrames(scan, (frame) => {
        this.#frame(frame, segment.number, isFirst, frames++ === 0);
      });
      if (next?.header !== undefined && end.offset < limit) {
        throw damaged(segment, `what begins at byte ${String(end.offset)} is not what was written there`);
      }
      if (next !== undefined && next.header === undefined) {
        // The next one was never finished; this one is the last that counts.
        await this.#refuseLaterFrames(segment, scan, end.offset);
      } else if (next === undefined) {
        await this.#refuseLaterFrames(segment, scan, end.offset);
        if (frames === 0) {
          if (isFirst && segment.number !== 1) throw damaged(segment, 'it begins with no state');
          return false;
        }
      }
      this.#end = end;
      this.#sizes.set(segment.number, end.offset);
      return true;
    });
  }

  /** The header that follows from what has been read; unknown when the segment before is gone. */
  #expectedHeader(
    segment: FoundFile,
    isFirst: boolean,
  ): { readonly header: FileHeader; readonly seed: number; readonly unknown: boolean } {
    const header = {
      identity: this.#watermark.identity,
      chain: 0,
      number: segment.number,
      previous: this.#end,
    };
    return { header, seed: encodeHeader(header).crc, unknown: isFirst && segment.number !== 1 };
  }

  /**
   * One frame is written at a time, and synced before the next: behind a tear there is none that is whole.
   * But for the state that a segment begins with, which is synced together with the header before it.
   */
  async #refuseLaterFrames(segment: FoundFile, scan: ScanOptions, from: number): Promise<void> {
    if (from >= segment.size) return;
    const { durability, env } = this.#options;
    if (!(await findFrame(scan, from, (frame) => frame.sequence > scan.sequence))) return;
    const text = `there are whole records behind a damaged one at byte ${String(from)}`;
    if (durability === 'strict') throw damaged(segment, text);
    // Without syncs, a power cut may well leave later writes and not earlier ones.
    env.log.log(LogLevel.Error, `${segment.path}: ${text}; they are dropped`, { path: segment.path, from });
  }

  #frame(frame: Frame, segment: number, isFirstSegment: boolean, isFirstFrame: boolean): void {
    for (const record of parseRecords(frame.body)) {
      // Every segment begins with the state so far; only where the log begins is it news.
      if (isFirstFrame && !isFirstSegment) continue;
      this.#record(record, segment, frame.offset);
    }
  }

  #record(record: LogRecord, segment: number, offset: number): void {
    if (record.kind === 'meta') {
      if (record.value === '') this.#meta.delete(record.key);
      else this.#meta.set(record.key, record.value);
      return;
    }
    const { group } = record;
    if (record.kind === 'state') {
      this.#images.set(group, new GroupImage(group, this.#usage, record.state));
      return;
    }
    const image = this.#images.get(group) ?? GroupImage.empty(group, this.#usage);
    this.#images.set(group, image);
    switch (record.kind) {
      case 'write':
        image.write(record, segment, offset);
        return;
      case 'compact':
        image.compact(record.boundary);
        return;
      case 'move':
        image.move(record.heads, segment, offset);
        return;
      case 'destroy':
        image.destroy();
        this.#images.delete(group);
    }
  }

  #checkWatermark(): void {
    const { directory, durability, env } = this.#options;
    const acknowledged = this.#watermark.sequence;
    const found = this.#end.sequence;
    if (found >= acknowledged) return;
    const text =
      `the log in ${directory} ends at write ${String(found)}, but write ${String(acknowledged)} was ` +
      `acknowledged: ${String(acknowledged - found)} writes are lost${hintAtEmptiness(found)}`;
    const details = { directory, found, acknowledged };
    if (durability === 'strict') throw new BalsaError('STORE_ACKNOWLEDGED_WRITE_LOST', text, { details });
    // The user accepted the loss beforehand; it is still said aloud.
    env.log.log(LogLevel.Error, text, details);
  }
}

function damaged(segment: FoundFile, what: string): BalsaError {
  return corrupt(`${segment.path} is damaged: ${what}`, { path: segment.path });
}
