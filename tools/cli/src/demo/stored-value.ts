/** The value that the demo stores: the input's JSON, with the id of the write that put it there. */
import { crc32 } from 'node:zlib';

export interface StoredValue {
  readonly id: number;
  /** CRC-32 of all of the text. */
  readonly checksum: number;
}

const shape = /^\{"id":(\d{1,15}),"value":/;

export function encodeValue(id: number, json: string): string {
  return `{"id":${id},"value":${json}}`;
}

export function checksumOf(text: string): number {
  return crc32(text);
}

/** What a read returned; id -1, which no write has, for a text that no write of the demo made. */
export function decodeValue(text: string): StoredValue {
  const id = shape.exec(text)?.[1];
  return { id: id === undefined ? -1 : Number(id), checksum: checksumOf(text) };
}
