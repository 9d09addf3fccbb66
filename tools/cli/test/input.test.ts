import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { maxValueBytes } from '@balsa/kv';
import { describe, expect, test } from 'vitest';
import { cycle, linesInput, openInput, parseLine, type Item } from '../src/demo/input.ts';
import { checksumOf, decodeValue, encodeValue } from '../src/demo/stored-value.ts';

async function collect(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('lines of input', () => {
  test('a line gives its key and its value as JSON', () => {
    expect(parseLine('{"value": {"a": [1, null]}, "key": "k"}', 'f:1')).toEqual({
      key: 'k',
      json: '{"a":[1,null]}',
    });
    expect(parseLine('{"key":"k","value":null}', 'f:1').json).toBe('null');
  });

  test.each([
    'nope',
    '[]',
    '{"key":"k"}',
    '{"value":1}',
    '{"key":"","value":1}',
    '{"key":7,"value":1}',
    'null',
  ])('refuses %s and says where', (line) => {
    expect(() => parseLine(line, 'in.jsonl:3')).toThrow(/^in\.jsonl:3: /);
  });

  test('refuses a value that the service would refuse, and says how large it may be', () => {
    const line = (bytes: number): string => JSON.stringify({ key: 'k', value: 'é'.repeat(bytes / 2 - 1) });
    const most = maxValueBytes - 64;
    const { json } = parseLine(line(most), 'f:1');
    expect(Buffer.byteLength(encodeValue(Number.MAX_SAFE_INTEGER, json))).toBeLessThanOrEqual(maxValueBytes);
    expect(() => parseLine(line(most + 2), 'f:9')).toThrow(
      `f:9: "value" has ${most + 2} bytes as JSON; at most ${most} are taken.`,
    );
  });

  test('a file can be read again and again, whole or in part', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'balsa-input-'));
    try {
      const file = path.join(folder, 'in.jsonl');
      await writeFile(file, '{"key":"a","value":1}\n\n{"key":"b","value":2}\r\n{"key":"c","value":3}');
      const input = linesInput(file);
      expect((await collect(input.items())).map((item) => item.key)).toEqual(['a', 'b', 'c']);
      expect((await collect(cycle(input, 2))).map((item) => item.key)).toEqual(['a', 'b']);
      expect((await collect(cycle(input, 7))).map((item) => item.key).join('')).toBe('abcabca');
      await writeFile(file, '\n');
      expect(await collect(cycle(input, 7))).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a file that is not there is refused', () => {
    expect(() => openInput('/nowhere/in.jsonl')).toThrow(/There is no input file/);
  });

  test("without a file it is the project's own package-lock.json", async () => {
    const items = await collect(openInput(undefined).items());
    expect(items.map((item) => item.key)).toContain('node_modules/typescript');
  });
});

describe('stored values', () => {
  test('carry the id of their write', () => {
    const text = encodeValue(42, '{"id":7}');
    expect(JSON.parse(text)).toEqual({ id: 42, value: { id: 7 } });
    expect(decodeValue(text)).toEqual({ id: 42, checksum: checksumOf(text) });
  });

  test('that nobody wrote have an id that nobody has', () => {
    expect(decodeValue('garbage').id).toBe(-1);
  });
});
