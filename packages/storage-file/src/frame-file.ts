/** One file of frames that is written at its end. */
import { mapIo, type FileHandle, type FileSystem } from '@balsa/storage-kit';
import {
  encodeFrameHead,
  encodeHeader,
  headerBytes,
  frameHeadBytes,
  type ChainEnd,
  type FileHeader,
} from './frame-format.ts';

export class FrameFile {
  readonly path: string;
  readonly number: number;
  readonly handle: FileHandle;
  readonly #seed: number;
  #end: ChainEnd;

  private constructor(path: string, number: number, handle: FileHandle, seed: number, end: ChainEnd) {
    this.path = path;
    this.number = number;
    this.handle = handle;
    this.#seed = seed;
    this.#end = end;
  }

  /**
   * Begins the next file of a chain; nothing is durable yet. The name must be free: of two owners who
   * would both go on from the same end only one gets it.
   */
  static async create(fs: FileSystem, path: string, header: FileHeader): Promise<FrameFile> {
    const { bytes, crc } = encodeHeader(header);
    const handle = await mapIo('create', path, () => fs.open(path, 'create'));
    try {
      await mapIo('write', path, () => handle.write([bytes], 0));
    } catch (error) {
      await handle.close();
      throw error;
    }
    const { sequence } = header.previous;
    return new FrameFile(path, header.number, handle, crc, { offset: headerBytes, crc, sequence });
  }

  get end(): ChainEnd {
    return this.#end;
  }

  /**
   * Writes one frame behind the last one. Resolves with the offset of its body when it is in the page
   * cache. When it rejects, the end is where it was, and `undo` says whether bytes can appear later.
   */
  async append(body: Uint8Array, sequence: number): Promise<number> {
    const { offset, crc: previousCrc } = this.#end;
    const { bytes, crc } = encodeFrameHead(body, sequence, previousCrc, this.#seed);
    await this.handle.write([bytes, body], offset);
    this.#end = { offset: offset + frameHeadBytes + body.length, crc, sequence };
    return offset + frameHeadBytes;
  }

  /** After a failed `append`: makes sure that nothing of it is left, also after a power cut. */
  async undo(): Promise<void> {
    await this.handle.truncate(this.#end.offset);
    await this.handle.sync();
  }
}
