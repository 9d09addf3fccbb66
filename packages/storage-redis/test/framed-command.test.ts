/** What goes over the wire, held against what ioredis itself would send. */
import { Command } from 'ioredis';
import { expect, test } from 'vitest';
import { FramedCommand, type Argument } from '../src/framed-command.ts';
import { Payload, SendBuffer } from '../src/send-buffer.ts';

const bytesOf = (command: Command): Buffer => Buffer.from(command.toWritable({}) as string);

function expectSame(name: string, args: readonly Argument[]): void {
  const plain = args.map((one) => (one instanceof Payload ? Buffer.from(one.bytes) : one));
  expect(bytesOf(new FramedCommand(name, args)).equals(bytesOf(new Command(name, plain)))).toBe(true);
}

function payload(length: number, from = new SendBuffer()): Payload {
  const taken = from.take(length);
  taken.bytes.forEach((_, i) => {
    taken.bytes[i] = i * 7;
  });
  return taken;
}

test.each<[string, readonly Argument[]]>([
  ['no argument', []],
  ['texts', ['key', '', 'välue €', 'x'.repeat(3000)]],
  ['bytes', ['key', Buffer.from([0, 13, 10, 255]), 'after', Buffer.alloc(0)]],
  ['a payload behind texts', ['key', 'value', payload(70_000)]],
  ['a payload alone', [payload(1)]],
  ['an empty payload', ['key', payload(0)]],
  ['a payload behind bytes', ['key', Buffer.from('bytes'), payload(100)]],
  ['a payload before others', [payload(100), 'key', Buffer.from('bytes')]],
  ['a payload behind texts that do not fit before it', ['k'.repeat(5000), payload(100)]],
  ['a payload behind letters of several bytes', ['€', payload(100)]],
])('a command with %s is the same', (_what, args) => {
  expectSame('evalsha', args);
});

test('one payload after another lies in the same memory, larger ones elsewhere, and all stay whole', () => {
  const buffer = new SendBuffer();
  const first = buffer.take(100).bytes.buffer;
  expect(buffer.take(200).bytes.buffer).toBe(first);
  for (const length of [20_000, 3_000_000, 50, 2_000_000, 16_384]) {
    const taken = payload(length, buffer);
    expect(taken.bytes.length).toBe(length);
    expectSame('evalsha', ['key', taken]);
  }
});
