/** `npm run museum`: every exhibit is built into a copy and must be caught by the simulator. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { buildCopy } from './copy.ts';
import { parseExhibit, type Exhibit } from './exhibit.ts';
import { formatPage, type Catch } from './page.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const place = path.join(root, 'tools/simulator/museum');

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const command = new Command('npm run museum --')
  .description(
    'Builds each bug of tools/simulator/museum into a copy and runs the simulator on it until it is caught.',
  )
  .option('--only <names>', 'exhibits whose names begin so, separated by commas')
  .option('--seconds <count>', 'real time for each', '300')
  .option('--seeds <count>', 'seeds for each', '2000')
  .option('--jobs <count>', 'processes', String(Math.max(1, availableParallelism() - 1)))
  .option('--write', 'write docs/museum.md', false)
  .option('--json', 'one object on stdout', false);
command.parse();
const options = command.opts<{
  readonly only?: string;
  readonly seconds: string;
  readonly seeds: string;
  readonly jobs: string;
  readonly write: boolean;
  readonly json: boolean;
}>();

function exhibits(): Exhibit[] {
  const only = options.only?.split(',');
  const names = readdirSync(place).filter((name) => name.endsWith('.patch'));
  const wanted = names.filter((name) => only === undefined || only.some((start) => name.startsWith(start)));
  return wanted.sort().map((name) => parseExhibit(name, readFileSync(path.join(place, name), 'utf8')));
}

const children = new Set<ReturnType<typeof spawn>>();
let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stopped = true;
    for (const child of children) child.kill('SIGKILL');
  });
}

/** What the simulator found in the copy, if anything. */
async function hunt(exhibit: Exhibit): Promise<Catch> {
  const { directory, program } = buildCopy(root, exhibit);
  const child = spawn(process.execPath, [program, exhibit.profile, options.seeds], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let out = '';
  let last = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (last = data.toString().trimEnd().split('\n').at(-1) ?? last));
  const timer = setTimeout(() => child.kill('SIGKILL'), Number(options.seconds) * 1000);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  children.delete(child);
  rmSync(directory, { recursive: true, force: true });
  if (out === '') return { exhibit, caught: undefined, last };
  return { exhibit, caught: JSON.parse(out) as NonNullable<Catch['caught']>, last };
}

async function main(): Promise<number> {
  const all = exhibits();
  const queue = [...all];
  const results: Catch[] = [];
  const work = async (): Promise<void> => {
    for (let exhibit = queue.shift(); exhibit !== undefined && !stopped; exhibit = queue.shift()) {
      const result = await hunt(exhibit);
      results.push(result);
      const { caught } = result;
      const how =
        caught === undefined
          ? `NOT CAUGHT (${result.last})`
          : `after ${caught.seeds} seeds, ${caught.seconds.toFixed(1)} s, by ${caught.rule}`;
      say(`${String(results.length).padStart(3)} of ${all.length}  ${exhibit.name.padEnd(40)} ${how}`);
    }
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, work));
  results.sort((a, b) => (a.exhibit.name < b.exhibit.name ? -1 : 1));
  if (options.write) writeFileSync(path.join(root, 'docs/museum.md'), formatPage(results));
  if (options.json) process.stdout.write(`${JSON.stringify(results)}\n`);
  const missed = results.filter(({ caught }) => caught === undefined);
  say(`${results.length - missed.length} of ${all.length} caught`);
  return missed.length === 0 && results.length === all.length ? 0 : 1;
}

process.exitCode = await main();
