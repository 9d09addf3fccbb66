/** How far something is, for people at a terminal. */

export function bar(done: number, total: number): string {
  const full = Math.round((20 * done) / Math.max(1, total));
  return `${'█'.repeat(full)}${'░'.repeat(20 - full)}`;
}

const everyMs = 100;

/** One line that moves on a terminal; nothing in a pipe. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #live: boolean;
  #shownAt = -Infinity;
  #shown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#live = stream.isTTY && process.env['TERM'] !== 'dumb';
  }

  show(what: string, done: number, total: number): void {
    const now = performance.now();
    if (!this.#live || now - this.#shownAt < everyMs) return;
    this.#shownAt = now;
    this.#shown = true;
    const percent = String(Math.floor((100 * done) / Math.max(1, total))).padStart(3);
    this.#stream.write(`\r\x1b[K${bar(done, total)} ${percent} %  ${what}`);
  }

  clear(): void {
    if (this.#shown) this.#stream.write('\r\x1b[K');
    this.#shown = false;
  }
}
