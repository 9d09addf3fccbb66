/**
 * The data-driven test format of cockroachdb/datadriven, which etcd's transcripts use: a command line,
 * lines of input, `----`, and the output expected, up to a blank line or, when it has blank lines itself,
 * between doubled `----`. Text in, results out: whoever has files reads them.
 */
import { BalsaError } from '../errors.ts';

/** One `key=value` or `key=(a, b)` or bare `key` of a command line. */
export interface CommandArg {
  readonly key: string;
  /** Empty for a bare key. */
  readonly values: readonly string[];
}

export interface Command {
  /** Line of the command in its file, from 1. */
  readonly line: number;
  /** The command line as it stands. */
  readonly text: string;
  readonly name: string;
  readonly args: readonly CommandArg[];
  readonly input: string;
  readonly expected: string;
}

/** What one command gave. */
export interface CommandResult {
  readonly command: Command;
  readonly actual: string;
  readonly passed: boolean;
  /** False behind a command that broke off. */
  readonly ran: boolean;
}

/** Reads a whole file. Throws `INVALID_ARGUMENT`, naming the line, where it is not of the format. */
export function parseCommands(text: string): Command[] {
  const lines = new Lines(text);
  const commands: Command[] = [];
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    const start = lines.number;
    let directive = line.trim();
    if (directive === '' || directive.startsWith('#')) continue;
    while (directive.endsWith('\\')) directive = directive.slice(0, -1) + (lines.next()?.trim() ?? '');
    const [head, ...args] = parseArgs(directive, start);
    if (head === undefined || head.key === 'subtest') continue;
    const input = readInput(lines, start, directive);
    commands.push({
      line: start,
      text: directive,
      name: head.key,
      args,
      input,
      expected: readExpected(lines),
    });
  }
  return commands;
}

/**
 * Runs every command in order. The output is compared byte for byte, after a final newline is added where
 * it lacks one. A handler that throws fails its command and every one behind it: what they would show
 * means nothing any more.
 */
export function runCommands(
  commands: readonly Command[],
  handle: (command: Command) => string,
): CommandResult[] {
  let broken: string | undefined;
  return commands.map((command) => {
    const ran = broken === undefined;
    let actual = broken ?? '';
    if (ran) {
      try {
        actual = handle(command);
      } catch (error) {
        actual = `failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
        broken = `not run: line ${String(command.line)} failed`;
      }
    }
    if (actual !== '' && !actual.endsWith('\n')) actual += '\n';
    return { command, actual, passed: actual === command.expected, ran };
  });
}

class Lines {
  readonly #lines: readonly string[];
  number = 0;

  constructor(text: string) {
    const lines = text.split(/\r?\n/);
    if (lines.at(-1) === '') lines.pop();
    this.#lines = lines;
  }

  next(): string | undefined {
    const line = this.#lines[this.number];
    if (line !== undefined) this.number++;
    return line;
  }

  back(): void {
    this.number--;
  }
}

function readInput(lines: Lines, start: number, directive: string): string {
  const input: string[] = [];
  for (let line = lines.next(); line !== '----'; line = lines.next()) {
    if (line === undefined) {
      throw new BalsaError('INVALID_ARGUMENT', `line ${String(start)}: no ---- after command '${directive}'`);
    }
    input.push(line);
  }
  return input.join('\n').trim();
}

function readExpected(lines: Lines): string {
  let expected = '';
  const first = lines.next();
  if (first !== '----') {
    for (let line = first; line !== undefined && line.trim() !== ''; line = lines.next())
      expected += `${line}\n`;
    return expected;
  }
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (line === '----') {
      if (lines.next() === '----') break;
      lines.back();
    }
    expected += `${line}\n`;
  }
  return expected;
}

/** `key`, `key=value` or `key=(a, b)`, and nothing attached. */
const argument = /\s*([^\s=()]+)(?:=(?:\(([^)]*)\)|([^\s()]*)))?(?=\s|$)/y;

/** Splits `cmd a b=c d=(e, f)`. */
function parseArgs(line: string, number: number): CommandArg[] {
  const args: CommandArg[] = [];
  argument.lastIndex = 0;
  for (let at = 0; at < line.length; at = argument.lastIndex) {
    const match = argument.exec(line);
    if (match === null) {
      const where = `line ${String(number)}`;
      throw new BalsaError('INVALID_ARGUMENT', `${where}: unexpected '${line.slice(at)}' in '${line}'`);
    }
    const [, key = '', list, value] = match;
    args.push({ key, values: list === undefined ? (value === undefined ? [] : [value]) : splitList(list) });
  }
  return args;
}

function splitList(list: string): string[] {
  return list.trim() === '' ? [] : list.split(',').map((value) => value.trim());
}
