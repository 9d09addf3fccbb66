/** A command as it goes over the wire, put together at once. */
import { Command } from 'ioredis';
import { Payload } from './send-buffer.ts';

export type Argument = string | Buffer | Payload;

function bulk(text: string): string {
  return `$${String(Buffer.byteLength(text))}\r\n${text}\r\n`;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

/** A string where all arguments are, else bytes. */
function encode(name: string, args: readonly Argument[]): string | Buffer {
  let text = `*${String(args.length + 1)}\r\n${bulk(name)}`;
  const parts: Buffer[] = [];
  for (const [i, argument] of args.entries()) {
    if (typeof argument === 'string') {
      text += bulk(argument);
      continue;
    }
    if (argument instanceof Payload) {
      const { bytes } = argument;
      text += `$${String(bytes.length)}\r\n`;
      const isAlone = i === args.length - 1 && parts.length === 0 && isAscii(text);
      const frame = isAlone ? argument.frame(text) : undefined;
      if (frame !== undefined) return frame;
      parts.push(Buffer.from(text), bytes);
    } else {
      parts.push(Buffer.from(`${text}$${String(argument.length)}\r\n`), argument);
    }
    text = '\r\n';
  }
  return parts.length === 0 ? text : Buffer.concat([...parts, Buffer.from(text)]);
}

/** ioredis sees to its place in the queue and its reply, and nothing else. */
export class FramedCommand extends Command {
  readonly #wire: string | Buffer;

  constructor(name: string, args: readonly Argument[]) {
    super(name, [], { replyEncoding: null });
    this.#wire = encode(name, args);
  }

  override toWritable(): string | Buffer {
    return this.#wire;
  }
}
