/** Where a transcript's output and the log lines of its nodes are gathered. */
import { BalsaError } from '../errors.ts';
import { LogLevel, type Logger } from '../contracts/env.ts';

/** The levels by their rank. None silences everything, also what commands print. */
const levelNames = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'] as const;
const rankOf: Readonly<Record<LogLevel, number>> = {
  [LogLevel.Debug]: 0,
  [LogLevel.Info]: 1,
  [LogLevel.Warn]: 2,
  [LogLevel.Error]: 3,
  [LogLevel.None]: 5,
};
const noneRank = 5;

export class TranscriptOutput implements Logger {
  #text = '';
  #rank = 0;

  /** Whether commands, too, print nothing. Errors still show. */
  get quiet(): boolean {
    return this.#rank === noneRank;
  }

  /** Sets the level by its name in any case; returns what undoes it. */
  setLevel(name: string): () => void {
    const before = this.#rank;
    const rank = levelNames.findIndex((level) => level === name.toUpperCase());
    if (rank < 0) {
      throw new BalsaError('INVALID_ARGUMENT', `log levels must be either of [${levelNames.join(' ')}]`);
    }
    this.#rank = rank;
    return () => {
      this.#rank = before;
    };
  }

  write(text: string): void {
    if (!this.quiet) this.#text += text;
  }

  enabled(level: LogLevel): boolean {
    return this.#rank <= rankOf[level];
  }

  log(level: LogLevel, text: string): void {
    if (this.enabled(level)) this.write(`${levelNames[rankOf[level]] ?? ''} ${text}\n`);
  }

  /** Indents by two spaces each line that `section` writes, and ends the last one. */
  indented(section: () => void): void {
    const outer = this.#text;
    this.#text = '';
    section();
    const inner = this.#text.endsWith('\n') ? this.#text.slice(0, -1) : this.#text;
    this.#text = inner === '' ? outer : `${outer}  ${inner.replaceAll('\n', '\n  ')}\n`;
  }

  /** Gives what was written and starts anew. */
  take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }
}
