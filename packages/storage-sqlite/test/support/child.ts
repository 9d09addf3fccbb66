/**
 * Processes that can be killed. Node 20 does not run TypeScript, so the sources that a child needs are
 * transpiled once into a temporary directory, laid out as installed packages.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, '..', '..', '..');

function transpile(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) transpile(join(from, entry.name), join(to, entry.name));
    else if (entry.name.endsWith('.ts'))
      transpileFile(join(from, entry.name), join(to, entry.name.replace(/ts$/, 'js')));
  }
}

function transpileFile(from: string, to: string): void {
  const { outputText } = ts.transpileModule(readFileSync(from, 'utf8'), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  writeFileSync(to, outputText);
}

let built: string | undefined;

function build(): string {
  if (built !== undefined) return built;
  const root = mkdtempSync(join(tmpdir(), 'balsa-sqlite-child-'));
  built = root;
  for (const name of ['raft-core', 'storage-kit', 'storage-sqlite']) {
    const to = join(root, 'node_modules', '@balsa', name);
    transpile(join(packages, name, 'src'), to);
    const exports = { '.': './index.js', './*': './*/index.js' };
    writeFileSync(join(to, 'package.json'), JSON.stringify({ type: 'module', exports }));
  }
  const driver = dirname(createRequire(import.meta.url).resolve('better-sqlite3/package.json'));
  symlinkSync(driver, join(root, 'node_modules', 'better-sqlite3'));
  writeFileSync(join(root, 'package.json'), JSON.stringify({ type: 'module' }));
  transpileFile(join(here, 'child-main.ts'), join(root, 'child-main.js'));
  return root;
}

const running = new Set<ChildProcess>();

afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  if (built !== undefined) rmSync(built, { recursive: true, force: true });
  built = undefined;
});

export class Child {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #closed: Promise<void>;
  #over = false;
  #stderr = '';
  #waiting: (() => void)[] = [];

  /** Runs `mode` on `directory`; `wrap` are words put before the command (a tracer, a shell with a limit). */
  constructor(mode: string, directory: string, wrap: readonly string[] = []) {
    const command = [...wrap, process.execPath, join(build(), 'child-main.js'), mode, directory];
    const [program = process.execPath, ...args] = command;
    this.#process = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.#process);
    this.#process.stderr?.on('data', (data: Buffer) => (this.#stderr += data.toString()));
    if (this.#process.stdout !== null) {
      createInterface({ input: this.#process.stdout }).on('line', (line) => {
        this.lines.push(line);
        this.#wake();
      });
    }
    this.#closed = new Promise((resolve) => {
      this.#process.on('close', () => {
        running.delete(this.#process);
        this.#over = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** Waits until a condition on the lines holds. */
  async until(holds: (lines: readonly string[]) => boolean): Promise<void> {
    while (!holds(this.lines)) {
      if (this.#over) throw new Error(`the child ended too early: ${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  said(line: string): Promise<void> {
    return this.until((lines) => lines.includes(line));
  }

  /** SIGKILL. All that was printed before is in `lines` when it resolves. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#closed;
  }

  async ended(): Promise<void> {
    await this.#closed;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
